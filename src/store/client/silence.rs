//! Gives up a node that has stopped answering: a suspended process, or a machine without a network, keeps its connections open.
//!
//! A statement may take hours and send nothing meanwhile. So while a connection brings nothing, its node is asked for a sign of life on a connection of its
//! own. It may be silent for a minute. Then the statement fails, and the next one goes to another address.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use super::addresses::StoreAddresses;

/// How often a node is asked in the time that it may be silent.
const SIGNS: u32 = 3;

/// A node keeps its connections open and answers on none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{node} has not answered for {} s; the next attempt uses another one if there is one", .silence.as_secs())]
pub struct SilentNode {
    node: String,
    silence: Duration,
}

impl SilentNode {
    /// Returns when the server at `authority` has been silent for `longest`. `node` names it.
    pub(super) async fn find(node: String, authority: String, longest: Duration) -> Self {
        let mut answered = Instant::now();
        loop {
            sleep(longest / SIGNS).await;
            let left = longest.saturating_sub(answered.elapsed());
            if matches!(timeout(left, ask(&authority)).await, Ok(Ok(()))) {
                answered = Instant::now();
            } else if answered.elapsed() >= longest {
                return Self { node, silence: answered.elapsed() };
            }
        }
    }
}

/// Any answer is a sign of life, also that the server has too much to do.
async fn ask(authority: &str) -> io::Result<()> {
    let mut stream = TcpStream::connect(authority).await?;
    let request = format!("GET /ping HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    stream.read_u8().await.map(|_| ())
}

/// A connection to a node, which fails when the node is silent for too long.
pub(super) struct WatchedIo {
    stream: TokioIo<TcpStream>,
    addresses: Arc<StoreAddresses>,
    url: String,
    peer: SocketAddr,
    longest: Duration,
    /// While the connection waits.
    silence: Option<Pin<Box<dyn Future<Output = SilentNode> + Send>>>,
}

impl WatchedIo {
    pub(super) fn new(
        stream: TokioIo<TcpStream>,
        uri: &Uri,
        addresses: Arc<StoreAddresses>,
        longest: Duration,
    ) -> io::Result<Self> {
        let peer = stream.inner().peer_addr()?;
        let url = addresses.url_of(uri).unwrap_or_default().to_owned();
        Ok(Self { stream, addresses, url, peer, longest, silence: None })
    }

    /// An error once the node was silent for too long.
    fn poll_silence(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        // The same machine, also when the name stands for several.
        let find = || Box::pin(SilentNode::find(self.url.clone(), self.peer.to_string(), self.longest)) as _;
        let silent = ready!(self.silence.get_or_insert_with(find).as_mut().poll(context));
        self.silence = None;
        self.addresses.leave(&self.url);
        Poll::Ready(io::Error::new(io::ErrorKind::TimedOut, silent))
    }
}

// Whatever is sent, hyper waits for the answer at the same time. So reading alone is watched.
impl Read for WatchedIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.stream).poll_read(context, buffer) {
            Poll::Pending => self.poll_silence(context).map(Err),
            progress => {
                self.silence = None;
                progress
            }
        }
    }
}

impl Write for WatchedIo {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, buffers)
    }
}

impl Connection for WatchedIo {
    fn connected(&self) -> Connected {
        self.stream.connected()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use tokio::net::TcpListener;

    use super::*;
    use crate::config::StoreConfig;
    use crate::error_chain::error_chain;
    use crate::secret::Secret;
    use crate::store::Client;

    const DONE: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

    fn client(listeners: &[&TcpListener]) -> Client {
        let url = |listener: &&TcpListener| format!("http://{}", listener.local_addr().unwrap());
        Client::new(&StoreConfig::Server {
            urls: listeners.iter().map(url).collect(),
            database: "footfall".to_owned(),
            user: "default".to_owned(),
            password: Secret::default(),
            cluster: None,
        })
    }

    async fn listener() -> TcpListener {
        TcpListener::bind(("127.0.0.1", 0)).await.unwrap()
    }

    /// Answers signs of life at once, and statements after so many of these.
    async fn answer(listener: TcpListener, signs: u32) {
        let given = Arc::new(AtomicU32::new(0));
        while let Ok((mut stream, _)) = listener.accept().await {
            let given = given.clone();
            tokio::spawn(async move {
                let mut request = [0; 4096];
                let length = stream.read(&mut request).await.unwrap();
                if request[..length].starts_with(b"GET /ping") {
                    given.fetch_add(1, Ordering::SeqCst);
                } else {
                    while given.load(Ordering::SeqCst) < signs {
                        sleep(Duration::from_millis(10)).await;
                    }
                }
                stream.write_all(DONE).await.unwrap();
            });
        }
    }

    #[tokio::test]
    async fn a_node_that_keeps_connections_open_and_says_nothing_is_named_and_left() {
        let (silent, other) = (listener().await, listener().await);
        let client = client(&[&silent, &other]).with_longest_silence(Duration::from_millis(100));
        let url = client.url().to_owned();
        let error = error_chain(&client.query("SELECT 1").execute().await.unwrap_err());
        assert!(error.contains(&format!("{url} has not answered for")), "{error}");
        tokio::spawn(answer(other, 0));
        client.query("SELECT 1").execute().await.expect("the other one is asked");
        assert_ne!(client.url(), url);
    }

    #[tokio::test]
    async fn a_statement_may_take_as_long_as_it_likes_while_its_node_gives_signs_of_life() {
        let busy = listener().await;
        let client = client(&[&busy]).with_longest_silence(Duration::from_secs(4));
        // Five signs take longer than the node may be silent.
        tokio::spawn(answer(busy, 5));
        client.query("SELECT 1").execute().await.expect("it is waited for");
    }
}
