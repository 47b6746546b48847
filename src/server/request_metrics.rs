//! Metrics of requests and beacons.
//!
//! All handles are looked up once: a look-up for each request costs 4 to 9 % of a beacon (`benches/RESULTS.md`). Labels
//! are routes, statuses and reasons from fixed lists; a label never comes from a request.

use std::time::Duration;

use hyper::StatusCode;
use metrics::{Counter, Histogram, counter, describe_counter, describe_histogram, histogram};

use crate::event::DropReason;
use crate::ingest::Accepted;
use crate::server::route::Route;

/// The statuses of all responses, the most frequent first. A status that is missing here would count as the last one, 500.
const STATUSES: [u16; 17] =
    [204, 200, 202, 304, 400, 401, 403, 404, 405, 408, 409, 411, 413, 415, 429, 503, 500];

pub(super) struct RequestMetrics {
    /// By the number of the route.
    responses: Vec<[Counter; STATUSES.len()]>,
    received: Counter,
    accepted: Counter,
    dropped: [Counter; DropReason::ALL.len()],
    fields_left_out: Counter,
    bytes: Counter,
    duration: Histogram,
}

impl RequestMetrics {
    /// Exports every series, also at 0: an alert on `increase` misses the first step of a series that begins with 1.
    pub(super) fn register() -> Self {
        describe_counter!("footfall_requests_total", "Requests answered, by route and status.");
        describe_counter!("footfall_events_received_total", "Events of accepted beacons: stored or dropped.");
        describe_counter!("footfall_events_accepted_total", "Events acknowledged: on disk, synced.");
        describe_counter!("footfall_events_dropped_total", "Events not stored because of a rule.");
        let help = "Fields that could not be read and were left out of events that were kept.";
        describe_counter!("footfall_event_fields_dropped_total", help);
        describe_counter!("footfall_beacon_bytes_total", "Bytes of accepted beacons.");
        let help = "Time from the headers of a beacon to its acknowledgement.";
        describe_histogram!("footfall_beacon_duration_seconds", help);
        let responses = |route| {
            STATUSES.map(|status| {
                counter!("footfall_requests_total", "route" => route, "status" => status.to_string())
            })
        };
        Self {
            responses: Route::names().map(responses).collect(),
            received: counter!("footfall_events_received_total"),
            accepted: counter!("footfall_events_accepted_total"),
            dropped: DropReason::ALL
                .map(|reason| counter!("footfall_events_dropped_total", "reason" => reason.name())),
            fields_left_out: counter!("footfall_event_fields_dropped_total"),
            bytes: counter!("footfall_beacon_bytes_total"),
            duration: histogram!("footfall_beacon_duration_seconds"),
        }
    }

    pub(super) fn count_response(&self, route: Route, status: StatusCode) {
        let status = status.as_u16();
        debug_assert!(STATUSES.contains(&status), "status {status} has no series");
        let index = STATUSES.iter().position(|&known| known == status).unwrap_or(STATUSES.len() - 1);
        self.responses[route.index()][index].increment(1);
    }

    /// Counts a beacon of `bytes`, acknowledged after `duration`.
    pub(super) fn count_accepted(&self, accepted: &Accepted, bytes: usize, duration: Duration) {
        self.received.increment(u64::from(accepted.stored + accepted.dropped.iter().sum::<u32>()));
        self.accepted.increment(accepted.stored.into());
        for (counter, &events) in self.dropped.iter().zip(&accepted.dropped) {
            if events > 0 {
                counter.increment(events.into());
            }
        }
        if !accepted.left_out.is_empty() {
            self.fields_left_out.increment(accepted.fields_left_out() as u64);
        }
        self.bytes.increment(bytes as u64);
        self.duration.record(duration);
    }
}

#[cfg(test)]
mod tests {
    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::*;
    use crate::server::visitor_page::ErasureResult;

    #[test]
    fn every_series_is_exported_from_the_start_and_counted() {
        let recorder = PrometheusBuilder::new().set_buckets(&[0.001, 0.0025]).unwrap().build_recorder();
        let metrics = metrics::with_local_recorder(&recorder, RequestMetrics::register);
        let assert_lines = |lines: &[&str]| {
            let text = recorder.handle().render();
            for line in lines {
                assert!(text.lines().any(|found| found == *line), "{line} is missing in\n{text}");
            }
        };
        assert_lines(&[
            "footfall_requests_total{route=\"pixel\",status=\"500\"} 0",
            "footfall_events_dropped_total{reason=\"optout\"} 0",
            "footfall_events_dropped_total{reason=\"malformed\"} 0",
            "footfall_event_fields_dropped_total 0",
            "footfall_beacon_bytes_total 0",
            "footfall_beacon_duration_seconds_count 0",
        ]);
        let accepted = Accepted { stored: 3, dropped: [0, 1, 0, 0, 0, 0, 0], ..Accepted::default() };
        for duration in [Duration::from_micros(90), Duration::from_millis(2), Duration::from_secs(60)] {
            metrics.count_accepted(&accepted, 100, duration);
        }
        metrics.count_response(Route::Format(0), StatusCode::NO_CONTENT);
        metrics.count_response(Route::Other, StatusCode::NOT_FOUND);
        assert_lines(&[
            "footfall_requests_total{route=\"beacon\",status=\"204\"} 1",
            "footfall_requests_total{route=\"other\",status=\"404\"} 1",
            "footfall_events_received_total 12",
            "footfall_events_accepted_total 9",
            "footfall_events_dropped_total{reason=\"bot\"} 3",
            "footfall_beacon_bytes_total 300",
            "footfall_beacon_duration_seconds_bucket{le=\"0.001\"} 1",
            "footfall_beacon_duration_seconds_bucket{le=\"0.0025\"} 2",
            "footfall_beacon_duration_seconds_bucket{le=\"+Inf\"} 3",
        ]);
    }
    #[test]
    fn an_erasure_on_the_visitors_page_is_counted_by_its_own_status() {
        let recorder = PrometheusBuilder::new().build_recorder();
        let metrics = metrics::with_local_recorder(&recorder, RequestMetrics::register);
        for result in ErasureResult::ALL {
            let status = result.status();
            metrics.count_response(Route::VisitorPage, status);
            let line =
                format!("footfall_requests_total{{route=\"privacy\",status=\"{}\"}} 1", status.as_u16());
            let text = recorder.handle().render();
            assert!(text.lines().any(|found| found == line), "{line} is missing in\n{text}");
        }
    }
}
