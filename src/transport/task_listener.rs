//! A listener for few connections, as tasks of the caller's runtime: the operator's listeners and the demonstration site.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_io_timeout::TimeoutStream;

use crate::transport::accept::permit::AddressPermits;
use crate::transport::bounds::{MAX_HEAD, MAX_STREAMS};
use crate::transport::error::ServerError;
use crate::transport::response::Body;
use crate::transport::tls::Certificates;

/// Open connections of one listener: scrapers, a browser or two.
const MAX_CONNECTIONS: usize = 256;
/// Open connections of one address: a proxy needs many, and no address may take all.
const MAX_PER_ADDRESS: usize = MAX_CONNECTIONS / 4;
/// Timeout for the first byte of a connection, for the TLS handshake, and for the headers of an HTTP/1 request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// Timeout without a byte read or written. The longest report takes less.
const IDLE_TIMEOUT: Duration = Duration::from_secs(120);
/// Longest life of a connection: a client that sends a byte now and then must not keep it for ever.
const MAX_LIFE: Duration = Duration::from_secs(600);
/// Pause after `accept` failed.
const ERROR_PAUSE: Duration = Duration::from_millis(100);

pub struct TaskListener {
    listener: TcpListener,
    address: SocketAddr,
}

impl TaskListener {
    /// # Errors
    /// When the address is in use, or does not belong to this machine.
    pub async fn bind(address: SocketAddr) -> Result<Self, ServerError> {
        let listen = |source| ServerError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        Ok(Self { listener, address })
    }

    /// Takes a socket that listens already.
    ///
    /// # Errors
    /// When the system does not tell its address.
    pub fn from_socket(socket: std::net::TcpListener) -> Result<Self, ServerError> {
        let address = socket.local_addr().map_err(ServerError::Socket)?;
        socket.set_nonblocking(true).map_err(ServerError::Socket)?;
        let listener = TcpListener::from_std(socket).map_err(ServerError::Socket)?;
        Ok(Self { listener, address })
    }

    /// The address, with the port that the system chose for port 0.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers every request with `handler`, which gets the address of the remote end too; over TLS if there are
    /// `certificates`. Never returns; connections end with its task.
    pub async fn serve<A, F>(self, certificates: Option<Arc<Certificates>>, handler: A)
    where
        A: Fn(Request<Incoming>, IpAddr) -> F + Send + Sync + 'static,
        F: Future<Output = Response<Body>> + Send + 'static,
    {
        let handler = Arc::new(handler);
        let all = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        let by_address = Arc::new(AddressPermits::new(MAX_PER_ADDRESS));
        let mut connections = tokio::task::JoinSet::new();
        loop {
            let (stream, remote) = match self.listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "accepting a connection failed; trying again in {ERROR_PAUSE:?}");
                    tokio::time::sleep(ERROR_PAUSE).await;
                    continue;
                }
            };
            while connections.try_join_next().is_some() {}
            // Closed at once: connections that wait for a permit would take file descriptors.
            let Ok(permit) = all.clone().try_acquire_owned() else { continue };
            let Some(address_permit) = by_address.acquire(remote.ip()) else { continue };
            let (handler, certificates) = (handler.clone(), certificates.clone());
            connections.spawn(async move {
                let handler = move |request| handler(request, remote.ip());
                let _ = tokio::time::timeout(MAX_LIFE, serve_connection(stream, certificates, handler)).await;
                drop((permit, address_permit));
            });
        }
    }
}

async fn serve_connection<A, F>(stream: TcpStream, certificates: Option<Arc<Certificates>>, handler: A)
where
    A: Fn(Request<Incoming>) -> F + Send + Sync + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    // hyper-util waits without a limit for the first bytes, from which it detects the protocol.
    let first = tokio::time::timeout(HEAD_TIMEOUT, stream.peek(&mut [0])).await;
    if !matches!(first, Ok(Ok(1))) {
        return;
    }
    match certificates {
        None => serve_http(stream, handler).await,
        Some(certificates) => {
            let handshake = tokio::time::timeout(HEAD_TIMEOUT, certificates.acceptor().accept(stream)).await;
            if let Ok(Ok(stream)) = handshake {
                serve_http(stream, handler).await;
            }
        }
    }
}

async fn serve_http<S, A, F>(stream: S, handler: A)
where
    S: AsyncRead + AsyncWrite + Send + 'static,
    A: Fn(Request<Incoming>) -> F + Send + Sync + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let mut stream = TimeoutStream::new(stream);
    stream.set_read_timeout(Some(IDLE_TIMEOUT));
    stream.set_write_timeout(Some(IDLE_TIMEOUT));
    let service = service_fn(move |request| {
        let response = handler(request);
        async move { Ok::<_, Infallible>(response.await) }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_buf_size(MAX_HEAD);
    builder.http2().timer(TokioTimer::new()).max_concurrent_streams(MAX_STREAMS);
    // A client that closes early is normal.
    let result: Result<(), _> = builder.serve_connection(TokioIo::new(Box::pin(stream)), service).await;
    drop(result);
}
