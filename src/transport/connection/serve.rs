//! Serves one connection: PROXY header, TLS, protocol detection, then HTTP/1.1 or HTTP/2.

use std::convert::Infallible;
use std::io;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper::body::Incoming;
use hyper::header::{CONNECTION, HeaderValue};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{Request, Response, Version};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::net::TcpStream;

use crate::transport::bounds::{
    CONNECTION_WINDOW, FIRST_REQUEST_WHILE_DRAINING, MAX_HEAD, MAX_PROXY_STREAMS, MAX_RESET_STREAMS,
    MAX_STREAMS, STREAM_WINDOW,
};
use crate::transport::client::address::RemoteAddress;
use crate::transport::connection::deadlines::{ConnectionProgress, Instruction, Phase};
use crate::transport::connection::io::{DeadlineIo, PrefixedIo, YieldingIo};
use crate::transport::connection::proxy_protocol;
use crate::transport::connection::state::WorkerState;
use crate::transport::handler::{ConnectionContext, Handler};
use crate::transport::response::Body;

/// The first bytes of every HTTP/2 connection (RFC 9113, section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Bytes that are read at once to detect the protocol: most requests are shorter.
const FIRST_READ: usize = 2048;

/// An open connection whose protocol is known.
struct Connection<H> {
    worker: Arc<WorkerState<H>>,
    context: ConnectionContext,
    progress: Arc<ConnectionProgress>,
    /// The phase after the last response was found.
    after_response: Phase,
}

/// Notes the end of a request, also when its future is dropped.
struct RequestGuard<'a>(&'a ConnectionProgress, Phase);

impl Drop for RequestGuard<'_> {
    fn drop(&mut self) {
        self.0.request_finished(self.1);
    }
}

impl<H: Handler> Connection<H> {
    async fn respond(&self, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
        self.progress.request_started();
        let _guard = RequestGuard(&self.progress, self.after_response);
        let http2 = request.version() == Version::HTTP_2;
        let server = &self.worker.server;
        let (route, mut response) = server.handler.handle(request, &self.context).await;
        if http2 {
            server.response_bodies.acquire_for(&mut response);
        }
        server.handler.count(route, response.status());
        if !http2 && self.progress.instruction() != Instruction::Continue {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        Ok(response)
    }
}

pub(in crate::transport) async fn serve<H: Handler>(
    stream: TcpStream,
    peer: IpAddr,
    worker: Arc<WorkerState<H>>,
) {
    let progress = worker.deadlines.register();
    let server = &worker.server;
    let detecting = detect(stream, peer, &worker);
    let detected = tokio::select! {
        detected = tokio::time::timeout(server.timeouts.head, detecting) => detected,
        () = wait_for_end(&progress) => return,
    };
    let (stream, remote) = match detected {
        Ok(Ok(Some(detected))) => detected,
        // Nothing was sent: browsers open connections in advance and often do not use them.
        Ok(Ok(None)) | Err(_) => return,
        Ok(Err(_)) => {
            server.metrics.failed.increment(1);
            return;
        }
    };
    let after_response = match &stream {
        DetectedStream::Http1(_) | DetectedStream::TlsHttp1(_) => Phase::Writing,
        // hyper sends streams when the client has room for them; nothing here sees it.
        DetectedStream::Http2(_) | DetectedStream::TlsHttp2(_) => Phase::Idle,
    };
    let context = ConnectionContext::new(remote, server.trusted.clone(), server.tls.is_some());
    let connection = Arc::new(Connection { worker, context, progress: progress.clone(), after_response });
    match stream {
        DetectedStream::Http1(stream) => http1(DeadlineIo::new(stream, progress), connection).await,
        DetectedStream::Http2(stream) => http2(stream, connection).await,
        DetectedStream::TlsHttp1(stream) => http1(DeadlineIo::new(stream, progress), connection).await,
        DetectedStream::TlsHttp2(stream) => http2(stream, connection).await,
    }
}

type TcpIo = PrefixedIo<TcpStream>;
type TlsStream = Box<tokio_rustls::server::TlsStream<TcpIo>>;

enum DetectedStream {
    Http1(TcpIo),
    Http2(TcpIo),
    TlsHttp1(PrefixedIo<TlsStream>),
    TlsHttp2(TlsStream),
}

/// Reads the PROXY header, does the TLS handshake, detects the protocol, and reads the beginning of the first HTTP/1.1 request. Returns
/// `None` when the client closed before it sent anything.
async fn detect<H: Handler>(
    mut stream: TcpStream,
    peer: IpAddr,
    worker: &WorkerState<H>,
) -> io::Result<Option<(DetectedStream, RemoteAddress)>> {
    let server = &worker.server;
    let mut bytes = Vec::with_capacity(FIRST_READ);
    let mut remote = RemoteAddress::new(peer);
    if server.proxy_protocol && server.trusted.contains(peer) {
        match read_proxy_header(&mut stream, &mut bytes).await? {
            Some(source) => remote = RemoteAddress::new(source.unwrap_or(peer)),
            None => return Ok(None),
        }
    }
    if let Some(tls) = &server.tls {
        let mut stream = Box::new(tls.acceptor().accept(PrefixedIo::new(stream, bytes)).await?);
        if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
            return Ok(Some((DetectedStream::TlsHttp2(stream), remote)));
        }
        let mut first = Vec::with_capacity(FIRST_READ);
        return Ok(match stream.read_buf(&mut first).await {
            Ok(0) | Err(_) => None,
            Ok(_) => Some((DetectedStream::TlsHttp1(PrefixedIo::new(stream, first)), remote)),
        });
    }
    loop {
        let known = bytes.len().min(PREFACE.len());
        if known > 0 && (bytes[..known] != PREFACE[..known] || known == PREFACE.len()) {
            break;
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return Ok(None);
        }
    }
    let http2 = bytes.starts_with(PREFACE);
    let stream = PrefixedIo::new(stream, bytes);
    Ok(Some((if http2 { DetectedStream::Http2(stream) } else { DetectedStream::Http1(stream) }, remote)))
}

/// Reads the PROXY header; bytes behind it stay in `bytes`. Returns the source that it names, or `None` when the client
/// closed before it sent anything.
async fn read_proxy_header(
    stream: &mut TcpStream,
    bytes: &mut Vec<u8>,
) -> io::Result<Option<Option<IpAddr>>> {
    loop {
        if stream.read_buf(bytes).await? == 0 {
            return if bytes.is_empty() { Ok(None) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
        }
        match proxy_protocol::parse(bytes) {
            proxy_protocol::ProxyHeader::Partial => {}
            proxy_protocol::ProxyHeader::Complete { source, length } => {
                bytes.drain(..length);
                return Ok(Some(source));
            }
            proxy_protocol::ProxyHeader::Invalid => return Err(io::ErrorKind::InvalidData.into()),
        }
    }
}

/// Sets no timer for a request: [`Deadlines`](super::deadlines::Deadlines) checks all connections.
async fn http1<S, H>(stream: DeadlineIo<S>, connection: Arc<Connection<H>>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
    H: Handler,
{
    let shared = connection.clone();
    // The bytes that were read to detect the protocol begin a request.
    connection.progress.enter(Phase::Head);
    let service = service_fn(move |request| {
        let connection = connection.clone();
        async move { connection.respond(request).await }
    });
    let http = http1::Builder::new()
        // A client may close its sending side after the last beacon, which must still be stored. It also saves a read of the
        // socket for each request.
        .half_close(true)
        .header_read_timeout(None)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(stream), service);
    let mut http = pin!(http);
    drive(&shared.progress, |cx, drain| {
        if drain {
            http.as_mut().graceful_shutdown();
        }
        http.as_mut().poll(cx).map(drop)
    })
    .await;
}

/// Connections of HTTP/2 are few, each from a proxy or a TLS client, so each may have a timer.
async fn http2<S, H>(stream: S, connection: Arc<Connection<H>>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    H: Handler,
{
    let streams = if connection.context.through_proxy() { MAX_PROXY_STREAMS } else { MAX_STREAMS };
    let shared = connection.clone();
    let service = service_fn(move |request| {
        let connection = connection.clone();
        async move { connection.respond(request).await }
    });
    let http = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .max_concurrent_streams(streams)
        .max_pending_accept_reset_streams(MAX_RESET_STREAMS)
        .max_local_error_reset_streams(MAX_RESET_STREAMS)
        .max_header_list_size(MAX_HEAD as u32)
        // Headers of earlier requests are not kept.
        .header_table_size(0)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(64 * 1024)
        .serve_connection(TokioIo::new(YieldingIo::new(stream)), service);
    let mut http = pin!(http);
    drive(&shared.progress, |cx, drain| {
        if drain {
            http.as_mut().graceful_shutdown();
            if shared.progress.phase() != Phase::Busy {
                shared.progress.enter(Phase::Lingering);
            }
        }
        http.as_mut().poll(cx).map(drop)
    })
    .await;
}

/// Polls a connection until it ends or is told to end.
async fn drive(progress: &ConnectionProgress, mut poll: impl FnMut(&mut Context<'_>, bool) -> Poll<()>) {
    let mut draining = false;
    std::future::poll_fn(|cx| {
        progress.set_waker(cx.waker());
        let instruction = progress.instruction();
        if instruction == Instruction::Abort {
            return Poll::Ready(());
        }
        // Late headers are answered by the I/O wrapper, so hyper must not close the connection first.
        let drain = matches!(instruction, Instruction::Drain | Instruction::CloseIdle)
            && !std::mem::replace(&mut draining, true);
        // A request may be here that nobody has read yet. hyper would close without a look.
        if drain && poll(cx, false).is_ready() {
            return Poll::Ready(());
        }
        poll(cx, drain)
    })
    .await;
}

/// Waits for the end of a connection whose protocol is not known yet. During a drain, the request for which it was opened is on its
/// way: it gets some time to come.
async fn wait_for_end(progress: &ConnectionProgress) {
    if wait_for_instruction(progress, Instruction::Drain).await == Instruction::Drain {
        let _ = tokio::time::timeout(
            FIRST_REQUEST_WHILE_DRAINING,
            wait_for_instruction(progress, Instruction::CloseIdle),
        )
        .await;
    }
}

/// Waits for an instruction that is at least as strict.
async fn wait_for_instruction(progress: &ConnectionProgress, least: Instruction) -> Instruction {
    std::future::poll_fn(|cx| {
        progress.set_waker(cx.waker());
        let instruction = progress.instruction();
        if instruction < least { Poll::Pending } else { Poll::Ready(instruction) }
    })
    .await
}
