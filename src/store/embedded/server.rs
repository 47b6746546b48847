//! The listener: connections in, requests to threads, answers out; bounds on all of it, and a drain at the end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use super::access::{Role, Users};
use super::ask::Ask;
use super::body::RawBody;
use super::engine::Exception;
use super::kill::Killer;
use super::reply::{self, Cancel, ReplyBody};
use super::run::{Job, Store, fail};
use super::wire::code;

/// Statements at once: ClickHouse's `max_concurrent_queries` of a small server. Each holds a thread of its own, and one
/// more while its result is sent.
pub(super) const MAX_STATEMENTS: usize = 64;
/// Statements of readers at once, so that however many ask, the writer finds a place.
pub(super) const MAX_READERS: usize = 32;
/// Open connections; clients keep some idle.
const MAX_CONNECTIONS: usize = 512;
/// Time to send a request's head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// Headers of a request.
const MAX_HEADERS: usize = 100;
/// Bytes of a request's head; the clickhouse crate puts parameters of up to some 100 KiB into the URL.
const MAX_HEAD: usize = 1 << 20;
/// Time that running statements have at the end before they are killed.
pub(super) const DRAIN: Duration = Duration::from_secs(30);

const _: () = assert!(MAX_CONNECTIONS > MAX_STATEMENTS, "a statement needs a connection");
const _: () = assert!(MAX_READERS < MAX_STATEMENTS, "the writer needs a place");

/// What every connection shares.
pub(super) struct Service {
    /// The store behind it.
    pub(super) store: Arc<Store>,
    /// Who may come.
    pub(super) users: Users,
    /// Kills what nobody waits for.
    pub(super) killer: Killer,
    /// Room for statements.
    pub(super) statements: Arc<Semaphore>,
    /// Room for readers' statements within it.
    pub(super) readers: Arc<Semaphore>,
}

/// Serves `listener` until `shutdown` resolves, then lets running statements end.
pub(super) async fn serve(listener: TcpListener, service: Arc<Service>, shutdown: impl Future<Output = ()>) {
    let connections = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let graceful = GracefulShutdown::new();
    let mut expire = tokio::time::interval(Duration::from_secs(1));
    tokio::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            () = &mut shutdown => break,
            _ = expire.tick() => {
                let sessions = Arc::clone(&service.store.sessions);
                // Closing a connection blocks.
                tokio::task::spawn_blocking(move || sessions.expire());
                continue;
            }
            accepted = listener.accept() => accepted,
        };
        let (stream, _peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, as a rule: give what is open a moment to end.
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let Ok(permit) = Arc::clone(&connections).try_acquire_owned() else {
            tracing::warn!("too many connections, one is refused");
            continue;
        };
        // Small answers should not wait for more; a socket that refuses is merely slower.
        let _slower = stream.set_nodelay(true);
        let service = Arc::clone(&service);
        let answer = service_fn(move |request| {
            let service = Arc::clone(&service);
            async move { Ok::<_, std::convert::Infallible>(service.answer(request).await) }
        });
        let connection = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .max_headers(MAX_HEADERS)
            .max_buf_size(MAX_HEAD)
            .serve_connection(TokioIo::new(stream), answer);
        let watched = graceful.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = watched.await {
                tracing::debug!(%error, "a connection ended early");
            }
            drop(permit);
        });
    }
    drop(listener);
    if tokio::time::timeout(DRAIN, graceful.shutdown()).await.is_err() {
        tracing::warn!("statements still run after {} s and are left behind", DRAIN.as_secs());
    }
}

impl Service {
    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Response<ReplyBody> {
        if let Err(error) = self.users.refuse_pages(request.uri(), request.headers()) {
            return self.refuse(&Ask::default(), &error).await;
        }
        let get = matches!(*request.method(), Method::GET | Method::HEAD);
        let query = request.uri().query().unwrap_or_default();
        match request.uri().path() {
            "/ping" | "/replicas_status" if get => return plain(StatusCode::OK, "Ok.\n"),
            "/" if get && !form_urlencoded::parse(query.as_bytes()).any(|(name, _)| name == "query") => {
                return plain(StatusCode::OK, "Ok.\n");
            }
            "/" | "/query" if get || request.method() == Method::POST => {}
            "/" | "/query" | "/ping" | "/replicas_status" => {
                return plain(StatusCode::METHOD_NOT_ALLOWED, "GET and POST are taken here.\n");
            }
            _ => return plain(StatusCode::NOT_FOUND, "There is no such path; statements go to /.\n"),
        }
        let ask = match Ask::new(request.method(), request.uri().query(), request.headers()) {
            Ok(ask) => ask,
            Err(error) => return self.refuse(&Ask::default(), &error).await,
        };
        match self.admit(&request) {
            Ok(role) => self.run(request, ask, role).await,
            Err(error) => self.refuse(&ask, &error).await,
        }
    }

    fn admit(&self, request: &Request<Incoming>) -> Result<Role, Exception> {
        let query = request.uri().query().unwrap_or_default().as_bytes();
        let parameter = |name: &str| {
            form_urlencoded::parse(query).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
        };
        let (user, password) = (parameter("user"), parameter("password"));
        self.users.admit(request.headers(), (user.as_deref(), password.as_deref()))
    }

    async fn run(&self, request: Request<Incoming>, ask: Ask, role: Role) -> Response<ReplyBody> {
        let reader = (role == Role::Reader).then(|| Arc::clone(&self.readers).try_acquire_owned());
        let permit = Arc::clone(&self.statements).try_acquire_owned();
        let (Ok(permit), Ok(reader)) = (permit, reader.transpose()) else {
            let most = if role == Role::Reader { MAX_READERS } else { MAX_STATEMENTS };
            let text = format!("Too many simultaneous queries. Maximum: {most}");
            let name = "TOO_MANY_SIMULTANEOUS_QUERIES";
            let error = Exception::new(code::TOO_MANY_SIMULTANEOUS_QUERIES, name, text);
            return self.refuse(&ask, &error).await;
        };
        let head_only = request.method() == Method::HEAD;
        let cancel = Arc::new(Cancel::default());
        let mark = self.killer.mark();
        let mut guard = self.killer.guard(Arc::clone(&cancel), mark.clone());
        let job = Job { store: Arc::clone(&self.store), ask, role, cancel, mark };
        let body = RawBody::new(request.into_body());
        let (reply, answer) = reply::channel();
        tokio::task::spawn_blocking(move || {
            job.run(body, reply);
            drop((permit, reader));
        });
        let Ok(head) = answer.head.await else {
            return plain(
                StatusCode::INTERNAL_SERVER_ERROR,
                "The statement's thread ended without an answer.\n",
            );
        };
        let body = match head.body {
            Some(bytes) => {
                guard.disarm();
                ReplyBody::Whole(Some(bytes).filter(|bytes| !bytes.is_empty() && !head_only))
            }
            None => ReplyBody::Pieces { pieces: answer.pieces, guard },
        };
        let mut response = Response::new(body);
        *response.status_mut() = head.status;
        *response.headers_mut() = head.headers;
        response
    }

    /// Answers with an exception without running anything.
    async fn refuse(&self, ask: &Ask, error: &Exception) -> Response<ReplyBody> {
        let (mut reply, answer) = reply::channel();
        fail(&self.store, ask, &mut reply, error);
        let head = answer.head.await.expect("`fail` sends the head before it returns");
        let mut response = Response::new(ReplyBody::Whole(head.body));
        *response.status_mut() = head.status;
        *response.headers_mut() = head.headers;
        response
    }
}

fn plain(status: StatusCode, text: &'static str) -> Response<ReplyBody> {
    let mut response = Response::new(ReplyBody::Whole(Some(bytes::Bytes::from_static(text.as_bytes()))));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=UTF-8"));
    response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// Binds `address`.
///
/// # Errors
/// When it is taken or not this machine's.
pub(super) async fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    TcpListener::bind(address).await
}
