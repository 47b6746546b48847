//! Metrics of the stages behind the listeners, and samples that are read at each scrape.

mod process;
mod samples;
mod text;

use std::time::Duration;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use crate::app::exit::ExitError;
use crate::app::service::THREADS;
use crate::report::{self, catalogue};
use crate::transport::AUTH_FAILURE_REASONS;

pub(crate) use samples::{SampleSources, file_age, samples};

/// Upper bounds of the buckets of durations, in s: from a sync of a fast disk to an insert into a loaded store.
const DURATION_BUCKETS: &[f64] =
    &[0.0001, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];
/// The same for beacons, from one in memory to a disk in trouble.
const BEACON_BUCKETS: &[f64] =
    &[0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];
/// The same for reports, up to the longest that ClickHouse may take.
const REPORT_BUCKETS: &[f64] = &[0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];
/// Upper bounds of the buckets of frames in a batch of the spool.
const FRAME_BUCKETS: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0];

/// 1 after a reload that was applied, 0 after one that was not.
pub(super) const RELOAD_SUCCESSFUL: &str = "footfall_config_last_reload_successful";
pub(super) const RELOAD_TIME: &str = "footfall_config_last_reload_timestamp_seconds";
pub(super) const RELOAD_SUCCESS_TIME: &str = "footfall_config_last_reload_success_timestamp_seconds";

const COUNTERS: &[(&str, &str)] = &[
    ("footfall_spool_appends_total", "Beacons written to the spool."),
    ("footfall_shipped_rows_total", "Rows of events that the store has confirmed."),
    ("footfall_shipped_segments_total", "Segments that the store has confirmed."),
    ("footfall_ship_failures_total", "Attempts to ship a segment that failed."),
    (
        "footfall_segments_quarantined_total",
        "Segments quarantined because the store refuses them or they are damaged.",
    ),
    ("footfall_segments_split_total", "Segments split because the store refuses some of their rows."),
    ("footfall_key_turn_failures_total", "Attempts to turn the key that failed."),
    ("footfall_geo_reload_failures_total", "Place files that could not be opened."),
    ("footfall_tls_reload_failures_total", "Attempts to read the certificate anew that failed."),
];

/// Counters with one label: the label, and all its values.
const LABELLED_COUNTERS: &[LabelledCounter] = &[
    LabelledCounter {
        name: "footfall_auth_failures_total",
        help: "Requests that access control refused, by reason.",
        label: "reason",
        values: || AUTH_FAILURE_REASONS.to_vec(),
    },
    LabelledCounter {
        name: report::FAILURES,
        help: "Reports that failed for a reason on this side.",
        label: "report",
        values: report_names,
    },
    LabelledCounter {
        name: "footfall_watchdog_failures_total",
        help: "Checks that found a thread without progress, by thread.",
        label: "thread",
        values: || THREADS.to_vec(),
    },
];

struct LabelledCounter {
    name: &'static str,
    help: &'static str,
    label: &'static str,
    values: fn() -> Vec<&'static str>,
}

const GAUGES: &[(&str, &str)] = &[
    (RELOAD_SUCCESSFUL, "1 when the last reload of the configuration was applied, or there was none."),
    (RELOAD_TIME, "When the configuration was last read, Unix time."),
    (RELOAD_SUCCESS_TIME, "When the configuration in force was read, Unix time."),
];
const HISTOGRAMS: &[(&str, &str)] = &[
    ("footfall_spool_sync_duration_seconds", "Time to write and sync a batch."),
    ("footfall_spool_batch_frames", "Beacons made durable by one sync."),
    ("footfall_ship_duration_seconds", "Time to ship a segment."),
];

/// How often recorded values move into the buckets of histograms. A histogram keeps 8 bytes of each value until then: less
/// than 4 MB for 80,000 beacons a second.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

/// Installs the recorder of this process, and starts its upkeep on the current runtime. The server and its handler must be
/// made after it, since they look up their metrics once.
///
/// # Errors
/// When a recorder was installed before.
pub(crate) fn install_recorder() -> Result<PrometheusHandle, ExitError> {
    let recorder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), DURATION_BUCKETS)?
        .set_buckets_for_metric(Matcher::Full("footfall_beacon_duration_seconds".to_owned()), BEACON_BUCKETS)?
        .set_buckets_for_metric(Matcher::Full(report::DURATION.to_owned()), REPORT_BUCKETS)?
        .set_buckets_for_metric(Matcher::Full("footfall_spool_batch_frames".to_owned()), FRAME_BUCKETS)?
        .build_recorder();
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder)?;
    let upkeep = handle.clone();
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(UPKEEP_INTERVAL).await;
            upkeep.run_upkeep();
        }
    });
    register();
    record_reload(true);
    Ok(handle)
}

/// Exports every counter and histogram as 0 from the start: an alert on `increase` cannot see the first step of a series that begins
/// with 1.
fn register() {
    for &(name, help) in COUNTERS {
        metrics::describe_counter!(name, help);
        metrics::counter!(name).absolute(0);
    }
    for &LabelledCounter { name, help, label, values } in LABELLED_COUNTERS {
        metrics::describe_counter!(name, help);
        for value in values() {
            metrics::counter!(name, label => value).absolute(0);
        }
    }
    for &(name, help) in GAUGES {
        metrics::describe_gauge!(name, help);
    }
    for &(name, help) in HISTOGRAMS {
        metrics::describe_histogram!(name, help);
        // Looking it up exports it.
        let _ = metrics::histogram!(name);
    }
    metrics::describe_histogram!(report::DURATION, "Time from a request to the answer of a report.");
    for name in report_names() {
        let _ = metrics::histogram!(report::DURATION, "report" => name);
    }
}

fn report_names() -> Vec<&'static str> {
    catalogue::all().iter().map(|report| report.name).collect()
}

/// Notes that the configuration was read, and whether it is in force now.
pub(crate) fn record_reload(is_applied: bool) {
    let now = jiff::Timestamp::now().as_second() as f64;
    metrics::gauge!(RELOAD_SUCCESSFUL).set(f64::from(u8::from(is_applied)));
    metrics::gauge!(RELOAD_TIME).set(now);
    if is_applied {
        metrics::gauge!(RELOAD_SUCCESS_TIME).set(now);
    }
}
