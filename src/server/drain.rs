//! How the edge ends: it stops listening at once, lets what was begun finish within a bound, and cuts the rest.

use std::time::{Duration, Instant};

use super::{Collect, Server};

/// How often to look whether all connections are closed.
const LOOK: Duration = Duration::from_millis(5);
/// How long connections that were told to close at once may take for it.
const CUT: Duration = Duration::from_secs(1);

/// How a drain went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
    /// Connections that were not done within the bound.
    pub cut: usize,
}

impl<C: Collect> Server<C> {
    /// Stops listening, answers the requests that are under way, and closes every connection, within `bounds.drain`.
    pub async fn drain(mut self) -> Drained {
        let bound = self.edge.bounds.drain;
        // It ends as soon as it is told to.
        self.acceptor.stop();
        self.workers.iter().for_each(|worker| worker.thread.watch.drain());
        self.all_closed(bound).await;
        let cut = self.open_connections();
        self.workers.iter().for_each(|worker| worker.thread.watch.abort());
        self.all_closed(CUT).await;
        // Joining the threads blocks; by now they have nothing left to do.
        let _ = tokio::task::spawn_blocking(move || drop(self)).await;
        Drained { cut }
    }

    async fn all_closed(&self, within: Duration) {
        let end = Instant::now() + within;
        while self.open_connections() > 0 && Instant::now() < end {
            tokio::time::sleep(LOOK).await;
        }
    }
}
