//! The yardstick: hyper with nothing behind it. It reads a body and answers 204.
//!
//! The benchmark's own binary runs it in a process of its own, so that its CPU time is its alone.

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

/// The argument by which the benchmark calls itself.
pub const COMMAND: &str = "bare-hyper";

/// How the runtime is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// One multi-threaded runtime with a worker for each core; connections through the automatic HTTP/1 and HTTP/2
    /// server with timers.
    Workers,
    /// The same runtime, HTTP/1 alone, no timers.
    Plain,
    /// One single-threaded runtime, HTTP/1 alone.
    Single,
    /// A single-threaded runtime for each core, each with its own listener (`SO_REUSEPORT`), HTTP/1 alone: a thread's
    /// connections are its own, as in Footfall.
    Shards,
}

impl Shape {
    /// Every shape with its name.
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
        // A connection that breaks is its client's affair, here as in Footfall.
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
