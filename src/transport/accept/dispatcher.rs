//! Assigns accepted connections to workers, or rejects them where a limit is reached.

use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::transport::accept::permit::AddressPermits;
use crate::transport::accept::worker::{AssignedConnection, Worker};
use crate::transport::connection::state::ServerState;
use crate::transport::handler::Handler;

/// The unencrypted answer to a connection over a limit.
static REJECTION: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\ncontent-length: 33\r\n\
    retry-after: 5\r\nconnection: close\r\n\r\n{\"error\":\"too many connections\"}\n";

/// A connection that was accepted and belongs to no worker yet.
pub(super) struct AcceptedConnection {
    pub(super) stream: OwnedFd,
    pub(super) peer: IpAddr,
}

pub(in crate::transport) struct Dispatcher<H> {
    pub(in crate::transport) server: Arc<ServerState<H>>,
    pub(in crate::transport) workers: Arc<Vec<Worker<H>>>,
    pub(in crate::transport) max_connections: usize,
    pub(in crate::transport) permits: Arc<AddressPermits>,
}

impl<H: Handler> Dispatcher<H> {
    /// Assigns a connection to the worker with the fewest connections, or rejects it when a limit is reached.
    pub(super) fn assign(&self, connection: AcceptedConnection) {
        let metrics = &self.server.metrics;
        metrics.accepted.increment(1);
        // Only the accepting thread adds connections, so the limit holds.
        if metrics.open() >= self.max_connections {
            metrics.over_limit.increment(1);
            return self.reject(&connection);
        }
        let trusted = self.server.trusted.contains(connection.peer);
        let permit = if trusted { None } else { self.permits.acquire(connection.peer) };
        if permit.is_none() && !trusted {
            metrics.over_address_limit.increment(1);
            return self.reject(&connection);
        }
        metrics.connection_opened();
        let stream = connection.stream;
        let fewest = self.workers.iter().min_by_key(|worker| worker.state().open.load(Ordering::Relaxed));
        fewest.expect("there is at least one worker").assign(AssignedConnection { stream, permit });
    }

    /// Answers 503 and closes. A TLS client sees only the closed connection.
    fn reject(&self, connection: &AcceptedConnection) {
        if self.server.tls.is_none() {
            // The connection ends here whether or not the answer can be sent.
            let _ = rustix::net::send(&connection.stream, REJECTION, rustix::net::SendFlags::NOSIGNAL);
            let _ = rustix::net::shutdown(&connection.stream, rustix::net::Shutdown::Write);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rejection_states_its_true_length() {
        let text = std::str::from_utf8(REJECTION).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("content-length: {}\r\n", body.len())), "{}", body.len());
    }
}
