//! Worker threads: one single-threaded runtime for each core.
//!
//! A connection stays on the thread that it was assigned to, so its state is neither shared nor locked. All workers share one listener.
//! Several listeners on one port (`SO_REUSEPORT`) would spread connections by chance and lose waiting ones when one closes. A second
//! collector could then start unnoticed on a port that is in use.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use tokio::net::TcpStream;
use tokio::sync::mpsc;

use crate::secret::stack;
use crate::transport::accept::permit::ConnectionPermit;
use crate::transport::connection::serve;
use crate::transport::connection::state::WorkerState;
use crate::transport::error::ServerError;
use crate::transport::handler::Handler;

/// A connection on its way to a worker; no runtime knows it yet. It has no address, because a channel keeps the bytes of what it has
/// passed on.
pub(super) struct AssignedConnection {
    pub(super) stream: OwnedFd,
    /// None for a trusted proxy, whose connections are not limited by address.
    pub(super) permit: Option<ConnectionPermit>,
}

pub(in crate::transport) struct Worker<H> {
    state: Arc<WorkerState<H>>,
    sender: mpsc::UnboundedSender<AssignedConnection>,
    handle: Option<std::thread::JoinHandle<()>>,
}

impl<H: Handler> Worker<H> {
    /// The thread ends when the worker is dropped, and closes its connections.
    pub(in crate::transport) fn start(state: Arc<WorkerState<H>>) -> Result<Self, ServerError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .on_thread_park(stack::wipe_if_requested)
            .build()
            .map_err(ServerError::Thread)?;
        // The limit on connections bounds the channel.
        let (sender, receiver) = mpsc::unbounded_channel();
        let (shared, began) = (state.clone(), Instant::now());
        let handle = std::thread::Builder::new()
            .name(format!("worker-{}", state.number))
            .spawn(move || {
                shared.server.metrics.worker_started(began.elapsed());
                runtime.block_on(run(shared, receiver));
            })
            .map_err(ServerError::Thread)?;
        Ok(Self { state, sender, handle: Some(handle) })
    }

    pub(in crate::transport) fn state(&self) -> &WorkerState<H> {
        &self.state
    }

    pub(super) fn assign(&self, connection: AssignedConnection) {
        self.state.open.fetch_add(1, Ordering::Relaxed);
        if self.sender.send(connection).is_err() {
            self.state.connection_closed();
        }
    }
}

impl<H> Drop for Worker<H> {
    fn drop(&mut self) {
        // Closing the channel ends the thread.
        let (closed, _) = mpsc::unbounded_channel();
        self.sender = closed;
        if let Some(handle) = self.handle.take() {
            // The thread printed its own panic.
            let _ = handle.join();
        }
    }
}

/// Counts a connection as closed when it is dropped.
struct OpenConnection<H>(Arc<WorkerState<H>>);

impl<H> Drop for OpenConnection<H> {
    fn drop(&mut self) {
        self.0.connection_closed();
    }
}

async fn run<H: Handler>(
    state: Arc<WorkerState<H>>,
    mut receiver: mpsc::UnboundedReceiver<AssignedConnection>,
) {
    let swept = state.clone();
    tokio::spawn(async move {
        swept.deadlines.sweep(&swept.server.timeouts, || swept.is_crowded()).await;
    });
    while let Some(AssignedConnection { stream, permit }) = receiver.recv().await {
        let open = OpenConnection(state.clone());
        let Ok(stream) = TcpStream::from_std(stream.into()) else { continue };
        tokio::spawn(async move {
            // It fails if the client has gone already.
            if let Ok(peer) = stream.peer_addr() {
                serve::serve(stream, peer.ip(), open.0.clone()).await;
            }
            drop((open, permit));
        });
    }
}
