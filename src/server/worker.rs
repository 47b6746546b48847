//! The threads of the edge: one single-threaded runtime for each core.
//!
//! A connection stays on the thread that it was given to, so that nothing of it is shared, stolen or locked. There is
//! one listener, and each connection goes to the thread that has the fewest: several listeners on one port
//! (`SO_REUSEPORT`) would spread them by chance, lose those that wait when one closes, and let a second collector start
//! unnoticed on a port that is taken.

use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::net::TcpStream;
use tokio::sync::mpsc;

use super::count::{Connections, Counts};
use super::progress::Watch;
use super::route::Edge;
use super::share::Share;
use super::tls::Certificates;
use super::wake::Hub;
use super::{Collect, ServerError, connection};

/// What the connections of one thread share.
pub(super) struct Thread<C> {
    pub(super) edge: Arc<Edge<C>>,
    pub(super) connections: Arc<Connections>,
    pub(super) tls: Option<Arc<Certificates>>,
    pub(super) proxy_protocol: bool,
    /// Connections over which idle ones must leave sooner.
    pub(super) crowded: usize,
    pub(super) counts: Arc<Counts>,
    pub(super) watch: Watch,
    pub(super) hub: Arc<Hub>,
    /// Connections of this thread.
    pub(super) open: AtomicUsize,
}

/// A connection that was just accepted, not yet registered with any runtime.
pub(super) struct Accepted {
    pub(super) stream: OwnedFd,
    pub(super) peer: IpAddr,
    /// Its part of its address's share; none is counted for a trusted proxy.
    pub(super) share: Option<Share>,
}

/// A running thread, as the acceptor sees it.
pub(super) struct Worker<C> {
    pub(super) thread: Arc<Thread<C>>,
    sender: mpsc::UnboundedSender<Accepted>,
    handle: Option<std::thread::JoinHandle<()>>,
}

impl<C: Collect> Worker<C> {
    /// Starts a thread. It ends when the worker is dropped, and its connections with it.
    pub(super) fn start(number: usize, thread: Arc<Thread<C>>) -> Result<Self, ServerError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(ServerError::Thread)?;
        // As many as there are connections, which are bounded.
        let (sender, receiver) = mpsc::unbounded_channel();
        let shared = thread.clone();
        let handle = std::thread::Builder::new()
            .name(format!("edge-{number}"))
            .spawn(move || runtime.block_on(run(shared, receiver)))
            .map_err(ServerError::Thread)?;
        Ok(Self { thread, sender, handle: Some(handle) })
    }

    /// Hands a connection over. Its place among all connections is given back when it ends.
    pub(super) fn give(&self, accepted: Accepted) {
        self.thread.open.fetch_add(1, Ordering::Relaxed);
        if self.sender.send(accepted).is_err() {
            self.thread.leave();
        }
    }
}

impl<C> Drop for Worker<C> {
    fn drop(&mut self) {
        // Closing the channel is what ends the thread.
        let (closed, _) = mpsc::unbounded_channel();
        self.sender = closed;
        if let Some(handle) = self.handle.take() {
            // A panic of the thread was printed by itself.
            let _ = handle.join();
        }
    }
}

impl<C> Thread<C> {
    fn leave(&self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
        self.connections.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Gives a connection's place back, however it ends.
struct Place<C>(Arc<Thread<C>>);

impl<C> Drop for Place<C> {
    fn drop(&mut self) {
        self.0.leave();
    }
}

async fn run<C: Collect>(thread: Arc<Thread<C>>, mut receiver: mpsc::UnboundedReceiver<Accepted>) {
    let hub = thread.hub.clone();
    tokio::spawn(async move { hub.run().await });
    let swept = thread.clone();
    tokio::spawn(async move {
        let crowded = || swept.connections.open.load(Ordering::Relaxed) > swept.crowded;
        swept.watch.sweep(&swept.edge.bounds, crowded).await;
    });
    while let Some(Accepted { stream, peer, share }) = receiver.recv().await {
        let place = Place(thread.clone());
        let Ok(stream) = TcpStream::from_std(stream.into()) else { continue };
        tokio::spawn(async move {
            connection::serve(stream, peer, place.0.clone()).await;
            drop((place, share));
        });
    }
}
