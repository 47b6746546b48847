//! Metrics of the connections of one server, over all its threads.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use metrics::{
    Counter, Gauge, Histogram, counter, describe_counter, describe_gauge, describe_histogram, gauge,
    histogram,
};

pub(super) struct ConnectionMetrics {
    /// Open connections. The limits need their number, and a gauge cannot be read.
    open: AtomicUsize,
    open_gauge: Gauge,
    pub(super) accepted: Counter,
    /// Rejected because the limit on all connections was reached.
    pub(super) over_limit: Counter,
    /// Rejected because the limit on one address was reached.
    pub(super) over_address_limit: Counter,
    /// Failed in the TLS handshake or the PROXY header.
    pub(super) failed: Counter,
    /// Calls of `accept` that failed, mostly for lack of file descriptors.
    pub(super) accept_errors: Counter,
    worker_start: Histogram,
}

impl ConnectionMetrics {
    /// Exports every series, also at 0: an alert on `increase` misses the first step of a series that begins with 1.
    pub(super) fn register() -> Self {
        describe_gauge!("footfall_connections", "Open connections.");
        describe_counter!("footfall_connections_accepted_total", "Connections accepted.");
        let rejected = "footfall_connections_rejected_total";
        let help = "Connections over a limit: on all connections, or on those of one address.";
        describe_counter!(rejected, help);
        let help = "Connections that failed before the first request.";
        describe_counter!("footfall_connections_failed_total", help);
        describe_counter!("footfall_accept_errors_total", "Calls of accept that failed.");
        let help = "Time until a worker's thread takes connections.";
        describe_histogram!("footfall_worker_start_duration_seconds", help);
        Self {
            open: AtomicUsize::new(0),
            open_gauge: gauge!("footfall_connections"),
            accepted: counter!("footfall_connections_accepted_total"),
            over_limit: counter!(rejected, "reason" => "limit"),
            over_address_limit: counter!(rejected, "reason" => "address_limit"),
            failed: counter!("footfall_connections_failed_total"),
            accept_errors: counter!("footfall_accept_errors_total"),
            worker_start: histogram!("footfall_worker_start_duration_seconds"),
        }
    }

    pub(super) fn open(&self) -> usize {
        self.open.load(Relaxed)
    }

    /// A worker calls this in its thread before its first connection. A thread's first use of a histogram allocates memory, whose unused
    /// bytes keep what was on the stack. So it must not come after a visitor.
    pub(super) fn worker_started(&self, after: Duration) {
        self.worker_start.record(after);
    }

    pub(super) fn connection_opened(&self) {
        self.open.fetch_add(1, Relaxed);
        self.open_gauge.increment(1);
    }

    pub(super) fn connection_closed(&self) {
        self.open.fetch_sub(1, Relaxed);
        self.open_gauge.decrement(1);
    }
}
