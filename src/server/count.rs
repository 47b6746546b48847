//! What the edge counts of itself: requests, answers, events, times and connections.
//!
//! Looking a metric up by its name for each request costs more than the request's parsing, and a counter that all threads
//! share travels between their caches. So each thread adds to counters of its own, in fixed places, and they are summed
//! when somebody asks. The labels are routes, statuses and reasons, all from short fixed lists: no label ever comes from
//! a request.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use hyper::StatusCode;

use crate::event::DropReason;
use crate::ingest::collector::Taken;

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Route {
    /// `/b`
    Beacon = 0,
    /// `/b.gif`
    Pixel = 1,
    /// `/s.js` and its hashed name.
    Script = 2,
    /// Anything else.
    Other = 3,
}

impl Route {
    const NAMES: [&'static str; 4] = ["beacon", "pixel", "script", "other"];
}

/// The statuses that the edge answers with; any other is counted as 500, and there is none.
const STATUSES: [u16; 15] = [204, 200, 304, 400, 401, 403, 404, 405, 408, 411, 413, 415, 429, 503, 500];

/// Upper ends of the histogram's buckets, µs: from a beacon in memory to a disk that is in trouble.
const BUCKETS: [u64; 14] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    5_000_000,
];

/// The counters of one thread, apart from those of others in memory.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct Counts {
    requests: [[AtomicU64; STATUSES.len()]; Route::NAMES.len()],
    stored: AtomicU64,
    dropped: [AtomicU64; DropReason::ALL.len()],
    bytes: AtomicU64,
    /// Beacons by time, the last for those over all bounds.
    times: [AtomicU64; BUCKETS.len() + 1],
    time_sum_ns: AtomicU64,
}

/// Adds without a locked instruction: each counter has one writer.
fn add(counter: &AtomicU64, count: u64) {
    counter.store(counter.load(Relaxed).wrapping_add(count), Relaxed);
}

impl Counts {
    /// A request was answered.
    pub(super) fn answered(&self, route: Route, status: StatusCode) {
        let status = status.as_u16();
        let index = STATUSES.iter().position(|&known| known == status).unwrap_or(STATUSES.len() - 1);
        add(&self.requests[route as usize][index], 1);
    }

    /// A beacon of this many bytes was taken, after this time.
    pub(super) fn taken(&self, taken: &Taken, bytes: usize, time: Duration) {
        add(&self.stored, u64::from(taken.stored));
        for (counter, &events) in self.dropped.iter().zip(&taken.dropped) {
            if events > 0 {
                add(counter, u64::from(events));
            }
        }
        add(&self.bytes, bytes as u64);
        let us = time.as_micros() as u64;
        add(&self.times[BUCKETS.iter().position(|&end| us <= end).unwrap_or(BUCKETS.len())], 1);
        add(&self.time_sum_ns, time.as_nanos() as u64);
    }
}

/// Connections, over all threads.
#[derive(Debug, Default)]
pub(super) struct Connections {
    /// Open now.
    pub(super) open: AtomicUsize,
    /// Accepted since the start.
    pub(super) accepted: AtomicU64,
    /// Turned away because as many as may be were open.
    pub(super) turned_away: AtomicU64,
    /// Turned away because their address held its share already.
    pub(super) over_share: AtomicU64,
    /// Failed in the TLS handshake or the PROXY header.
    pub(super) failed: AtomicU64,
    /// Refused by the system, mostly for want of descriptors.
    pub(super) accept_errors: AtomicU64,
}

/// Writes the sums of all threads in the Prometheus text format.
pub(super) fn render(threads: &[&Counts], connections: &Connections, out: &mut String) {
    let mut text = Text(out);
    let sum = |read: &dyn Fn(&Counts) -> &AtomicU64| -> u64 {
        threads.iter().map(|counts| read(counts).load(Relaxed)).fold(0, u64::wrapping_add)
    };
    text.family(
        "footfall_requests_total",
        "counter",
        "Requests answered, by what was asked for and the status.",
    );
    for (route, name) in Route::NAMES.iter().enumerate() {
        for (index, status) in STATUSES.iter().enumerate() {
            // Also those at 0: an alert on `increase` cannot see the first step of a series that begins with 1.
            text.sample(
                "footfall_requests_total",
                &format!("{{route=\"{name}\",status=\"{status}\"}}"),
                sum(&|counts| &counts.requests[route][index]),
            );
        }
    }
    let stored = sum(&|counts| &counts.stored);
    let dropped: Vec<u64> =
        DropReason::ALL.iter().map(|&reason| sum(&|counts| &counts.dropped[reason as usize])).collect();
    text.family(
        "footfall_events_received_total",
        "counter",
        "Events in beacons that were taken: stored or dropped.",
    );
    text.sample("footfall_events_received_total", "", stored + dropped.iter().sum::<u64>());
    text.family("footfall_events_accepted_total", "counter", "Events acknowledged: on disk, synced.");
    text.sample("footfall_events_accepted_total", "", stored);
    text.family("footfall_events_dropped_total", "counter", "Events not stored because of a rule.");
    for (reason, count) in DropReason::ALL.iter().zip(dropped) {
        text.sample("footfall_events_dropped_total", &format!("{{reason=\"{}\"}}", reason.name()), count);
    }
    text.family("footfall_beacon_bytes_total", "counter", "Bytes of the beacons that were taken.");
    text.sample("footfall_beacon_bytes_total", "", sum(&|counts| &counts.bytes));
    text.family(
        "footfall_beacon_seconds",
        "histogram",
        "Time from a beacon's headers to its acknowledgement.",
    );
    let mut below = 0;
    for (index, end) in BUCKETS.iter().enumerate() {
        below += sum(&|counts| &counts.times[index]);
        let end = Duration::from_micros(*end).as_secs_f64();
        text.sample("footfall_beacon_seconds_bucket", &format!("{{le=\"{end}\"}}"), below);
    }
    below += sum(&|counts| &counts.times[BUCKETS.len()]);
    text.sample("footfall_beacon_seconds_bucket", "{le=\"+Inf\"}", below);
    text.sample("footfall_beacon_seconds_sum", "", sum(&|counts| &counts.time_sum_ns) as f64 / 1e9);
    text.sample("footfall_beacon_seconds_count", "", below);
    let open = connections.open.load(Relaxed);
    text.family("footfall_connections", "gauge", "Open connections.");
    text.sample("footfall_connections", "", open);
    for (name, counter, help) in [
        ("footfall_connections_accepted_total", &connections.accepted, "Connections accepted."),
        ("footfall_connections_turned_away_total", &connections.turned_away, "Connections over the bound."),
        (
            "footfall_connections_over_share_total",
            &connections.over_share,
            "Connections over the bound of one address.",
        ),
        ("footfall_connections_failed_total", &connections.failed, "Connections that failed before HTTP."),
        (
            "footfall_accept_errors_total",
            &connections.accept_errors,
            "Times the system refused a connection.",
        ),
    ] {
        text.family(name, "counter", help);
        text.sample(name, "", counter.load(Relaxed));
    }
}

/// The Prometheus text format.
struct Text<'a>(&'a mut String);

impl Text<'_> {
    // Writing to a string cannot fail.
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: &str, value: impl std::fmt::Display) {
        let _ = writeln!(self.0, "{name}{labels} {value}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_threads_are_summed_and_buckets_are_cumulative() {
        let threads = [Counts::default(), Counts::default()];
        let taken = Taken { stored: 3, dropped: [0, 1, 0] };
        threads[0].taken(&taken, 100, Duration::from_micros(90));
        threads[1].taken(&taken, 100, Duration::from_millis(2));
        threads[1].taken(&taken, 100, Duration::from_secs(60));
        threads[0].answered(Route::Beacon, StatusCode::NO_CONTENT);
        threads[1].answered(Route::Beacon, StatusCode::NO_CONTENT);
        threads[1].answered(Route::Other, StatusCode::NOT_FOUND);
        let mut text = String::new();
        render(&threads.each_ref(), &Connections::default(), &mut text);
        for line in [
            "footfall_requests_total{route=\"beacon\",status=\"204\"} 2",
            "footfall_requests_total{route=\"other\",status=\"404\"} 1",
            "footfall_requests_total{route=\"beacon\",status=\"503\"} 0",
            "footfall_events_received_total 12",
            "footfall_events_accepted_total 9",
            "footfall_events_dropped_total{reason=\"bot\"} 3",
            "footfall_beacon_seconds_bucket{le=\"0.0001\"} 1",
            "footfall_beacon_seconds_bucket{le=\"0.001\"} 1",
            "footfall_beacon_seconds_bucket{le=\"0.0025\"} 2",
            "footfall_beacon_seconds_bucket{le=\"5\"} 2",
            "footfall_beacon_seconds_bucket{le=\"+Inf\"} 3",
            "footfall_beacon_seconds_count 3",
            "footfall_connections 0",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is missing in\n{text}");
        }
    }
}
