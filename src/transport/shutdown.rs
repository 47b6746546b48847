//! Draining: stop accepting, let requests finish for a time, then cut the rest.

use std::time::{Duration, Instant};

use crate::transport::handler::Handler;
use crate::transport::server::Server;

/// How often the number of open connections is checked.
const POLL_INTERVAL: Duration = Duration::from_millis(5);
/// Time for connections to close after they were aborted.
const ABORT_TIMEOUT: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DrainOutcome {
    /// Connections that were still open when the time was over.
    pub aborted: usize,
}

impl<H: Handler> Server<H> {
    /// Stops listening, lets requests finish within [`Timeouts::drain`](super::Timeouts::drain), then closes all connections.
    pub async fn drain(mut self) -> DrainOutcome {
        let timeout = self.timeouts().drain;
        // Connections are told first: once nobody can connect any more, every answer says that its connection closes.
        self.workers.iter().for_each(|worker| worker.state().deadlines.drain());
        self.acceptor.stop();
        self.wait_until_closed(timeout).await;
        let aborted = self.open_connections();
        self.workers.iter().for_each(|worker| worker.state().deadlines.abort());
        self.wait_until_closed(ABORT_TIMEOUT).await;
        // Joining the threads blocks; by now they have nothing left to do.
        let _ = tokio::task::spawn_blocking(move || drop(self)).await;
        DrainOutcome { aborted }
    }

    async fn wait_until_closed(&self, timeout: Duration) {
        let end = Instant::now() + timeout;
        while self.open_connections() > 0 && Instant::now() < end {
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }
}
