//! The baseline: a bare hyper server that reads a body and answers 204.
//!
//! The benchmark starts its own binary again for it, so that the CPU time of this process is that of the baseline.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::str::FromStr;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};

/// The first argument with which the benchmark starts this server.
pub const COMMAND: &str = "bare-hyper";

/// The arrangement of runtimes, threads and listeners.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// A multi-threaded runtime with one worker per core. It serves HTTP/1 and HTTP/2 with timers.
    Workers,
    /// The same runtime, with HTTP/1 only and no timers.
    Plain,
    /// One single-threaded runtime with HTTP/1 only.
    Single,
    /// A single-threaded runtime per core, each with its own listener (`SO_REUSEPORT`) and HTTP/1 only.
    Shards,
}

impl Shape {
    pub const ALL: [(&'static str, Self); 4] = [
        ("workers", Self::Workers),
        ("plain", Self::Plain),
        ("single", Self::Single),
        ("shards", Self::Shards),
    ];
}

impl FromStr for Shape {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL.iter().find(|(known, _)| *known == name);
        found.map(|(_, shape)| *shape).ok_or_else(|| format!("no shape {name:?}"))
    }
}

/// Serves until it is killed.
pub fn serve(shape: Shape, listen: SocketAddr) -> std::io::Result<()> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    match shape {
        Shape::Workers | Shape::Plain => {
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
            runtime.block_on(accept(shape, listener(listen)?))
        }
        Shape::Single => single(listen),
        Shape::Shards => {
            let shards: Vec<_> = (0..cores).map(|_| std::thread::spawn(move || single(listen))).collect();
            shards.into_iter().try_for_each(|shard| shard.join().expect("a shard does not panic"))
        }
    }
}

fn single(listen: SocketAddr) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let tasks = tokio::task::LocalSet::new();
    tasks.block_on(&runtime, accept(Shape::Single, listener(listen)?))
}

fn listener(listen: SocketAddr) -> std::io::Result<std::net::TcpListener> {
    let socket = socket2::Socket::new(socket2::Domain::for_address(listen), socket2::Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&listen.into())?;
    socket.listen(1024)?;
    Ok(socket.into())
}

async fn accept(shape: Shape, listener: std::net::TcpListener) -> std::io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        // Errors of a connection are ignored, as in Footfall.
        match shape {
            Shape::Workers => drop(tokio::spawn(automatic(stream))),
            Shape::Plain => drop(tokio::spawn(plain(stream))),
            Shape::Single | Shape::Shards => drop(tokio::task::spawn_local(plain(stream))),
        }
    }
}

async fn automatic(stream: TcpStream) {
    let mut server = auto::Builder::new(TokioExecutor::new());
    server.http1().timer(TokioTimer::new());
    server.http2().timer(TokioTimer::new());
    let _ = server.serve_connection(TokioIo::new(stream), service_fn(answer)).await;
}

async fn plain(stream: TcpStream) {
    let server = hyper::server::conn::http1::Builder::new();
    let _ = server.serve_connection(TokioIo::new(stream), service_fn(answer)).await;
}

async fn answer(request: Request<Incoming>) -> Result<Response<Empty<Bytes>>, Infallible> {
    let status = match request.into_body().collect().await {
        Ok(_) => StatusCode::NO_CONTENT,
        Err(_) => StatusCode::BAD_REQUEST,
    };
    let mut response = Response::new(Empty::new());
    *response.status_mut() = status;
    Ok(response)
}
