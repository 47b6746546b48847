//! One connection from its first byte to its last: PROXY header, TLS, the protocol, and its requests.

use std::convert::Infallible;
use std::io;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};

use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::net::TcpStream;

use super::Collect;
use super::address::Remote;
use super::bounds::{
    CONNECTION_WINDOW, MAX_HEAD, MAX_PROXY_STREAMS, MAX_RESET_STREAMS, MAX_STREAMS, STREAM_WINDOW,
};
use super::progress::{Order, Phase, Progress};
use super::proxy;
use super::route::Visit;
use super::wake::Streams;
use super::wire::{Early, Fair, Watched};
use super::worker::Thread;

/// How every HTTP/2 connection begins (RFC 9113, section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Bytes of a connection that are read to find out what it is: most requests are shorter.
const FIRST_READ: usize = 2048;

/// Serves a connection until it ends.
pub(super) async fn serve<C: Collect>(stream: TcpStream, peer: IpAddr, thread: Arc<Thread<C>>) {
    let progress = thread.watch.add();
    let bounds = &thread.edge.bounds;
    let opening = open(stream, peer, &thread);
    let opened = tokio::select! {
        opened = tokio::time::timeout(bounds.head, opening) => opened,
        () = told_to_end(&progress) => return,
    };
    let (stream, remote) = match opened {
        Ok(Ok(Some(opened))) => opened,
        // Nothing was sent: browsers open connections ahead and often do not need them.
        Ok(Ok(None)) | Err(_) => return,
        Ok(Err(_)) => {
            thread.connections.failed.fetch_add(1, Ordering::Relaxed);
            return;
        }
    };
    let after = match &stream {
        Opened::Http1(_) | Opened::TlsHttp1(_) => Phase::Writing,
        // Streams are sent when the client has room for them, out of our sight.
        Opened::Http2(_) | Opened::TlsHttp2(_) => Phase::Idle,
    };
    let through_proxy = thread.edge.trusted.contains(remote.address());
    let visit = Arc::new(Visit {
        edge: thread.edge.clone(),
        remote,
        through_proxy,
        progress: progress.clone(),
        after,
        counts: thread.counts.clone(),
    });
    match stream {
        Opened::Http1(stream) => http1(Watched::new(stream, progress), visit, &thread).await,
        Opened::Http2(stream) => http2(stream, visit, &thread).await,
        Opened::TlsHttp1(stream) => http1(Watched::new(*stream, progress), visit, &thread).await,
        Opened::TlsHttp2(stream) => http2(*stream, visit, &thread).await,
    }
}

type Tls = tokio_rustls::server::TlsStream<Early>;

/// A connection whose protocol is known.
enum Opened {
    Http1(Early),
    Http2(Early),
    TlsHttp1(Box<Tls>),
    TlsHttp2(Box<Tls>),
}

/// Finds out who and what is at the other end; `None` when it closed without a word.
async fn open<C: Collect>(
    mut stream: TcpStream,
    peer: IpAddr,
    thread: &Thread<C>,
) -> io::Result<Option<(Opened, Remote)>> {
    let mut bytes = Vec::with_capacity(FIRST_READ);
    let mut remote = Remote::new(peer);
    if thread.proxy_protocol && thread.edge.trusted.contains(peer) {
        match read_proxy_header(&mut stream, &mut bytes).await? {
            Some(source) => remote = Remote::new(source.unwrap_or(peer)),
            None => return Ok(None),
        }
    }
    if let Some(tls) = &thread.tls {
        let stream = tls.acceptor().accept(Early::new(stream, bytes)).await?;
        let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        let stream = Box::new(stream);
        return Ok(Some((if http2 { Opened::TlsHttp2(stream) } else { Opened::TlsHttp1(stream) }, remote)));
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
    let stream = Early::new(stream, bytes);
    Ok(Some((if http2 { Opened::Http2(stream) } else { Opened::Http1(stream) }, remote)))
}

/// Reads the PROXY header off the front; what came with it stays in `bytes`.
async fn read_proxy_header(
    stream: &mut TcpStream,
    bytes: &mut Vec<u8>,
) -> io::Result<Option<Option<IpAddr>>> {
    loop {
        if stream.read_buf(bytes).await? == 0 {
            return if bytes.is_empty() { Ok(None) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
        }
        match proxy::parse(bytes) {
            proxy::Header::Partial => {}
            proxy::Header::Whole { source, length } => {
                bytes.drain(..length);
                return Ok(Some(source));
            }
            proxy::Header::Invalid => return Err(io::ErrorKind::InvalidData.into()),
        }
    }
}

/// Serves HTTP/1.1, with no timer of its own: the sweep knows how far it is.
async fn http1<S, C>(stream: Watched<S>, visit: Arc<Visit<C>>, thread: &Arc<Thread<C>>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
    C: Collect,
{
    let progress = visit.progress.clone();
    // What was read to find out the protocol is the beginning of a request.
    progress.enter(Phase::Head);
    let service = service_fn(move |request| {
        let visit = visit.clone();
        async move { Ok::<_, Infallible>(visit.answer(request).await) }
    });
    let connection = http1::Builder::new()
        // A client may close its side after the last beacon; that is no reason to give the beacon up. It also spares a
        // look at the socket for each request.
        .half_close(true)
        .header_read_timeout(None)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    drive(thread, &progress, |cx, drain| {
        if drain {
            connection.as_mut().graceful_shutdown();
        }
        connection.as_mut().poll(cx).map(drop)
    })
    .await;
}

/// Serves HTTP/2: few connections, each from a proxy or a browser over TLS, so a timer for each is no burden.
async fn http2<S, C>(stream: S, visit: Arc<Visit<C>>, thread: &Arc<Thread<C>>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    C: Collect,
{
    let streams = if visit.through_proxy { MAX_PROXY_STREAMS } else { MAX_STREAMS };
    let progress = visit.progress.clone();
    let service = service_fn(move |request| {
        let visit = visit.clone();
        async move { Ok::<_, Infallible>(visit.answer(request).await) }
    });
    let connection = http2::Builder::new(Streams(thread.hub.clone()))
        .timer(TokioTimer::new())
        .max_concurrent_streams(streams)
        .max_pending_accept_reset_streams(MAX_RESET_STREAMS)
        .max_local_error_reset_streams(MAX_RESET_STREAMS)
        .max_header_list_size(MAX_HEAD as u32)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(64 * 1024)
        .serve_connection(TokioIo::new(Fair::new(stream)), service);
    let mut connection = pin!(connection);
    drive(thread, &progress, |cx, drain| {
        if drain {
            connection.as_mut().graceful_shutdown();
            if progress.phase() != Phase::Busy {
                progress.enter(Phase::Lingering);
            }
        }
        connection.as_mut().poll(cx).map(drop)
    })
    .await;
}

/// Polls a connection, with a waker that other threads can afford to use, until it ends or must.
async fn drive<C>(
    thread: &Arc<Thread<C>>,
    progress: &Progress,
    mut poll: impl FnMut(&mut Context<'_>, bool) -> Poll<()>,
) {
    let mut waker: Option<Waker> = None;
    let mut draining = false;
    std::future::poll_fn(|cx| {
        let waker = waker.get_or_insert_with(|| {
            progress.listen(cx.waker());
            thread.hub.waker(cx.waker())
        });
        let order = progress.order();
        if order == Order::Abort {
            return Poll::Ready(());
        }
        // What is late is answered past hyper, which must not close before.
        let drain = matches!(order, Order::Drain | Order::Leave) && !std::mem::replace(&mut draining, true);
        poll(&mut Context::from_waker(waker), drain)
    })
    .await;
}

/// Waits for an order to end, while the connection is not yet known to be anything.
async fn told_to_end(progress: &Progress) {
    std::future::poll_fn(|cx| {
        progress.listen(cx.waker());
        if progress.order() == Order::None { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
}
