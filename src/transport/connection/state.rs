//! State that the connections of a server share, and state of one worker.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::transport::bounds::Timeouts;
use crate::transport::client::address::TrustedProxies;
use crate::transport::connection::deadlines::Deadlines;
use crate::transport::connection_metrics::ConnectionMetrics;
use crate::transport::response::ResponseBodyPermits;
use crate::transport::tls::Certificates;

/// What all connections of a server share.
pub(in crate::transport) struct ServerState<H> {
    pub(in crate::transport) handler: Arc<H>,
    pub(in crate::transport) trusted: Arc<TrustedProxies>,
    pub(in crate::transport) tls: Option<Arc<Certificates>>,
    pub(in crate::transport) proxy_protocol: bool,
    /// Open connections above which shorter timeouts apply.
    pub(in crate::transport) crowded: usize,
    pub(in crate::transport) timeouts: Timeouts,
    pub(in crate::transport) response_bodies: ResponseBodyPermits,
    pub(in crate::transport) metrics: ConnectionMetrics,
}

pub(in crate::transport) struct WorkerState<H> {
    pub(in crate::transport) server: Arc<ServerState<H>>,
    pub(in crate::transport) number: usize,
    pub(in crate::transport) deadlines: Deadlines,
    /// Open connections of this worker.
    pub(in crate::transport) open: AtomicUsize,
}

impl<H> WorkerState<H> {
    pub(in crate::transport) fn new(number: usize, server: Arc<ServerState<H>>) -> Self {
        Self { server, number, deadlines: Deadlines::new(), open: AtomicUsize::new(0) }
    }

    /// Whether so many connections are open that idle and slow ones must end sooner.
    pub(in crate::transport) fn is_crowded(&self) -> bool {
        self.server.metrics.open() > self.server.crowded
    }

    pub(in crate::transport) fn connection_closed(&self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
        self.server.metrics.connection_closed();
    }
}
