//! Counters of connections, and the Prometheus text format.

use std::fmt::{Display, Write as _};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

/// Counters of the connections of one server, over all its threads.
#[derive(Debug, Default)]
pub(super) struct ConnectionCounters {
    /// Open now.
    pub(super) open: AtomicUsize,
    pub(super) accepted: AtomicU64,
    /// Rejected because the limit on all connections was reached.
    pub(super) over_limit: AtomicU64,
    /// Rejected because the limit on one address was reached.
    pub(super) over_address_limit: AtomicU64,
    /// Failed in the TLS handshake or the PROXY header.
    pub(super) failed: AtomicU64,
    /// Calls of `accept` that failed, mostly for lack of file descriptors.
    pub(super) accept_errors: AtomicU64,
}

impl ConnectionCounters {
    pub(super) fn write(&self, out: &mut String) {
        let mut text = PrometheusText(out);
        text.family("footfall_connections", "gauge", "Open connections.");
        text.sample("footfall_connections", "", self.open.load(Relaxed));
        let mut counter = |name, help, samples: &[(&str, &AtomicU64)]| {
            text.family(name, "counter", help);
            for (labels, value) in samples {
                text.sample(name, labels, value.load(Relaxed));
            }
        };
        counter("footfall_connections_accepted_total", "Connections accepted.", &[("", &self.accepted)]);
        counter(
            "footfall_connections_rejected_total",
            "Connections over a limit: on all connections, or on those of one address.",
            &[
                ("{reason=\"limit\"}", &self.over_limit),
                ("{reason=\"address_limit\"}", &self.over_address_limit),
            ],
        );
        counter(
            "footfall_connections_failed_total",
            "Connections that failed before the first request.",
            &[("", &self.failed)],
        );
        counter("footfall_accept_errors_total", "Calls of accept that failed.", &[("", &self.accept_errors)]);
    }
}

pub struct PrometheusText<'a>(pub &'a mut String);

impl PrometheusText<'_> {
    pub fn family(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    /// `labels` are empty, or stand in braces.
    pub fn sample(&mut self, name: &str, labels: &str, value: impl Display) {
        let _ = writeln!(self.0, "{name}{labels} {value}");
    }
}
