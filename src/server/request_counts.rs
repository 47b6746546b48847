//! Metrics of requests and beacons, counted in each worker thread.
//!
//! A look-up of a metric by name for each request costs more than parsing the request, and a counter that all threads share
//! moves between their caches. So each worker has counters at fixed places, which are summed when they are read. Labels
//! are routes, statuses and reasons from fixed lists; a label never comes from a request.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use hyper::StatusCode;

use crate::event::DropReason;
use crate::ingest::Accepted;
use crate::server::route::Route;
use crate::transport::PrometheusText;

/// The statuses of all responses. Any other would be counted as the last, 500; there is none.
const STATUSES: [u16; 15] = [204, 200, 304, 400, 401, 403, 404, 405, 408, 411, 413, 415, 429, 503, 500];

/// Upper ends of the histogram's buckets, µs: from a beacon in memory to a disk in trouble.
const BUCKETS: [u64; 14] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    5_000_000,
];

/// The counters of one worker, on cache lines of their own.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct RequestCounts {
    responses: [[AtomicU64; STATUSES.len()]; Route::COUNT],
    stored: AtomicU64,
    dropped: [AtomicU64; DropReason::ALL.len()],
    bytes: AtomicU64,
    /// Beacons by duration; the last entry is for those above all buckets.
    durations: [AtomicU64; BUCKETS.len() + 1],
    duration_sum_ns: AtomicU64,
}

/// Adds without a locked instruction: each counter has one writer.
fn add(counter: &AtomicU64, count: u64) {
    counter.store(counter.load(Relaxed).wrapping_add(count), Relaxed);
}

impl RequestCounts {
    pub(super) fn count_response(&self, route: Route, status: StatusCode) {
        let status = status.as_u16();
        let index = STATUSES.iter().position(|&known| known == status).unwrap_or(STATUSES.len() - 1);
        add(&self.responses[route.index()][index], 1);
    }

    /// Counts a beacon of `bytes`, acknowledged after `duration`.
    pub(super) fn count_accepted(&self, accepted: &Accepted, bytes: usize, duration: Duration) {
        add(&self.stored, u64::from(accepted.stored));
        for (counter, &events) in self.dropped.iter().zip(&accepted.dropped) {
            if events > 0 {
                add(counter, u64::from(events));
            }
        }
        add(&self.bytes, bytes as u64);
        let us = duration.as_micros() as u64;
        add(&self.durations[BUCKETS.iter().position(|&end| us <= end).unwrap_or(BUCKETS.len())], 1);
        add(&self.duration_sum_ns, duration.as_nanos() as u64);
    }
}

/// Writes the sums over all workers.
pub(super) fn write(workers: &[RequestCounts], out: &mut String) {
    let mut text = PrometheusText(out);
    let sum = |counter: &dyn Fn(&RequestCounts) -> &AtomicU64| -> u64 {
        workers.iter().map(|counts| counter(counts).load(Relaxed)).fold(0, u64::wrapping_add)
    };
    text.family("footfall_requests_total", "counter", "Requests answered, by route and status.");
    for (route, name) in Route::names().enumerate() {
        for (index, status) in STATUSES.iter().enumerate() {
            // Also at 0: an alert on `increase` misses the first step of a series that begins with 1.
            let labels = format!("{{route=\"{name}\",status=\"{status}\"}}");
            let count = sum(&|counts| &counts.responses[route][index]);
            text.sample("footfall_requests_total", &labels, count);
        }
    }
    let stored = sum(&|counts| &counts.stored);
    let dropped: Vec<u64> =
        DropReason::ALL.iter().map(|&reason| sum(&|counts| &counts.dropped[reason as usize])).collect();
    let mut counter = |name, help, value| {
        text.family(name, "counter", help);
        text.sample(name, "", value);
    };
    let received = stored + dropped.iter().sum::<u64>();
    counter("footfall_events_received_total", "Events of accepted beacons: stored or dropped.", received);
    counter("footfall_events_accepted_total", "Events acknowledged: on disk, synced.", stored);
    let bytes = sum(&|counts| &counts.bytes);
    counter("footfall_beacon_bytes_total", "Bytes of accepted beacons.", bytes);
    text.family("footfall_events_dropped_total", "counter", "Events not stored because of a rule.");
    for (reason, count) in DropReason::ALL.iter().zip(dropped) {
        text.sample("footfall_events_dropped_total", &format!("{{reason=\"{}\"}}", reason.name()), count);
    }
    let help = "Time from the headers of a beacon to its acknowledgement.";
    text.family("footfall_beacon_duration_seconds", "histogram", help);
    let mut below = 0;
    for (index, end) in BUCKETS.iter().enumerate() {
        below += sum(&|counts| &counts.durations[index]);
        let end = Duration::from_micros(*end).as_secs_f64();
        text.sample("footfall_beacon_duration_seconds_bucket", &format!("{{le=\"{end}\"}}"), below);
    }
    below += sum(&|counts| &counts.durations[BUCKETS.len()]);
    text.sample("footfall_beacon_duration_seconds_bucket", "{le=\"+Inf\"}", below);
    let seconds = sum(&|counts| &counts.duration_sum_ns) as f64 / 1e9;
    text.sample("footfall_beacon_duration_seconds_sum", "", seconds);
    text.sample("footfall_beacon_duration_seconds_count", "", below);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_summed_over_workers_and_buckets_are_cumulative() {
        let workers = [RequestCounts::default(), RequestCounts::default()];
        let accepted = Accepted { stored: 3, dropped: [0, 1, 0] };
        workers[0].count_accepted(&accepted, 100, Duration::from_micros(90));
        workers[1].count_accepted(&accepted, 100, Duration::from_millis(2));
        workers[1].count_accepted(&accepted, 100, Duration::from_secs(60));
        workers[0].count_response(Route::Format(0), StatusCode::NO_CONTENT);
        workers[1].count_response(Route::Format(0), StatusCode::NO_CONTENT);
        workers[1].count_response(Route::Other, StatusCode::NOT_FOUND);
        let mut text = String::new();
        write(&workers, &mut text);
        for line in [
            "footfall_requests_total{route=\"beacon\",status=\"204\"} 2",
            "footfall_requests_total{route=\"other\",status=\"404\"} 1",
            "footfall_requests_total{route=\"beacon\",status=\"503\"} 0",
            "footfall_events_received_total 12",
            "footfall_events_accepted_total 9",
            "footfall_events_dropped_total{reason=\"bot\"} 3",
            "footfall_beacon_duration_seconds_bucket{le=\"0.0001\"} 1",
            "footfall_beacon_duration_seconds_bucket{le=\"0.001\"} 1",
            "footfall_beacon_duration_seconds_bucket{le=\"0.0025\"} 2",
            "footfall_beacon_duration_seconds_bucket{le=\"5\"} 2",
            "footfall_beacon_duration_seconds_bucket{le=\"+Inf\"} 3",
            "footfall_beacon_duration_seconds_count 3",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is missing in\n{text}");
        }
    }
}
