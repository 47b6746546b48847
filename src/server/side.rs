//! The listeners for the operator's own: administration and reports, each behind its [`Door`], and the demonstration's site,
//! which has none. Plain HTTP on loopback; beyond it TLS, where the collector has a certificate. Few connections, no hurry.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hyper::body::{Body, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_io_timeout::TimeoutStream;

use super::ServerError;
use super::bounds::{MAX_HEAD, MAX_STREAMS};
use super::door::Door;
use super::share::Shares;
use super::tls::Certificates;
use crate::access::{Principal, same_origin};

/// Open connections on one of these listeners: scrapers, a browser or two.
const MAX_CONNECTIONS: usize = 256;
/// Those of one address: a proxy speaks for many, and nobody may take all.
const MAX_OF_AN_ADDRESS: usize = MAX_CONNECTIONS / 4;
/// For a request's headers to come, and for the first byte of a connection.
const HEAD: Duration = Duration::from_secs(10);
/// A connection on which nothing comes, or nothing can be sent, for so long is ended; the longest report is over before.
const IDLE: Duration = Duration::from_secs(120);
/// A connection is ended after this in any case: who sends a byte now and then keeps none for ever.
const LONGEST: Duration = Duration::from_secs(600);
/// After the system refused a connection.
const PAUSE: Duration = Duration::from_millis(100);

/// A listener that answers with a function.
pub struct Side {
    listener: TcpListener,
    address: SocketAddr,
}

impl Side {
    /// Listens on `address`.
    ///
    /// # Errors
    /// When it is taken, or not of this machine.
    pub async fn bind(address: SocketAddr) -> Result<Self, ServerError> {
        let listen = |source| ServerError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        Ok(Self { listener, address })
    }

    /// The address with its true port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers whom `door` lets pass, for ever; over TLS if there are `certificates`.
    pub async fn guard<A, F, B>(self, door: Door, certificates: Option<Arc<Certificates>>, answer: A)
    where
        A: Fn(Request<Incoming>, Principal) -> F + Send + Sync + 'static,
        F: Future<Output = Response<B>> + Send + 'static,
        B: Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>>
            + From<String>
            + Send
            + 'static,
    {
        let tls = certificates.is_some();
        let guarded = move |request: Request<Incoming>, remote| {
            let admitted = door.admit(&request, remote);
            let answer = admitted.map(|who| answer(request, who));
            async move {
                let mut response = match answer {
                    Ok(answer) => answer.await,
                    Err(shut) => shut.answer(),
                };
                same_origin::add_security_headers(response.headers_mut(), tls);
                response
            }
        };
        self.accept(certificates, guarded).await;
    }

    /// Answers everybody for ever, over plain HTTP; connections end when the task is aborted.
    pub async fn serve<A, F, B>(self, answer: A)
    where
        A: Fn(Request<Incoming>) -> F + Send + Sync + 'static,
        F: Future<Output = Response<B>> + Send + 'static,
        B: Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
    {
        self.accept(None, move |request, _| answer(request)).await;
    }

    async fn accept<A, F, B>(self, certificates: Option<Arc<Certificates>>, answer: A)
    where
        A: Fn(Request<Incoming>, IpAddr) -> F + Send + Sync + 'static,
        F: Future<Output = Response<B>> + Send + 'static,
        B: Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
    {
        let answer = Arc::new(answer);
        let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        let shares = Arc::new(Shares::new(MAX_OF_AN_ADDRESS));
        let mut connections = tokio::task::JoinSet::new();
        loop {
            let (stream, remote) = match self.listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    pause(&error).await;
                    continue;
                }
            };
            while connections.try_join_next().is_some() {}
            // Turned away, and not kept waiting: those who wait would take the descriptors.
            let Ok(place) = room.clone().try_acquire_owned() else { continue };
            let Some(share) = shares.take(remote.ip()) else { continue };
            let (answer, certificates) = (answer.clone(), certificates.clone());
            connections.spawn(async move {
                let service = service_fn(move |request| {
                    let answer = answer(request, remote.ip());
                    async move { Ok::<_, Infallible>(answer.await) }
                });
                let talk = async {
                    // What version is spoken shows in the first bytes, for which nobody else waits with an end.
                    let spoken = tokio::time::timeout(HEAD, stream.peek(&mut [0])).await;
                    if !matches!(spoken, Ok(Ok(1))) {
                        return;
                    }
                    match certificates {
                        None => converse(stream, service).await,
                        Some(certificates) => {
                            let opened =
                                tokio::time::timeout(HEAD, certificates.acceptor().accept(stream)).await;
                            if let Ok(Ok(stream)) = opened {
                                converse(stream, service).await;
                            }
                        }
                    }
                };
                let _ = tokio::time::timeout(LONGEST, talk).await;
                drop((place, share));
            });
        }
    }
}

/// Serves one connection; a client that breaks off is no news.
async fn converse<S, V, B>(stream: S, service: V)
where
    S: AsyncRead + AsyncWrite + Send + 'static,
    V: hyper::service::Service<Request<Incoming>, Response = Response<B>, Error = Infallible, Future: Send>
        + Send
        + 'static,
    B: Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
{
    let mut stream = TimeoutStream::new(stream);
    stream.set_read_timeout(Some(IDLE));
    stream.set_write_timeout(Some(IDLE));
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD).max_buf_size(MAX_HEAD);
    builder.http2().timer(TokioTimer::new()).max_concurrent_streams(MAX_STREAMS);
    drop(builder.serve_connection(TokioIo::new(Box::pin(stream)), service).await);
}

async fn pause(error: &io::Error) {
    tracing::warn!(%error, "a connection could not be accepted");
    tokio::time::sleep(PAUSE).await;
}
