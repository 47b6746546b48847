//! Metrics of the stages behind the listeners, and gauges that are read at each scrape.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use crate::app::exit::ExitError;
use crate::config::Config;
use crate::enrich::lists;
use crate::ingest::Collector;
use crate::operator::GaugeWriter;
use crate::spool::Spool;
use crate::transport::AUTH_FAILURE_REASONS;

/// Upper bounds of the buckets of durations, in s: from a sync of a fast disk to an insert into a loaded store.
const DURATION_BUCKETS: &[f64] =
    &[0.0001, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];
/// The same for beacons, from one in memory to a disk in trouble.
const BEACON_BUCKETS: &[f64] =
    &[0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];
/// Upper bounds of the buckets of frames in a batch of the spool.
const FRAME_BUCKETS: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0];

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
];
const AUTH_FAILURES: (&str, &str) =
    ("footfall_auth_failures_total", "Requests that access control refused, by reason.");
const GAUGES: &[(&str, &str)] = &[("footfall_spool_free_bytes", "Bytes free on the spool's file system.")];
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
    for &(name, help) in COUNTERS {
        metrics::describe_counter!(name, help);
        // Exported as 0 from the start: an alert on `increase` cannot see the first step of a series that begins with 1.
        metrics::counter!(name).absolute(0);
    }
    let (name, help) = AUTH_FAILURES;
    metrics::describe_counter!(name, help);
    for reason in AUTH_FAILURE_REASONS {
        metrics::counter!(name, "reason" => reason).absolute(0);
    }
    for &(name, help) in GAUGES {
        metrics::describe_gauge!(name, help);
    }
    for &(name, help) in HISTOGRAMS {
        metrics::describe_histogram!(name, help);
    }
    Ok(handle)
}

/// What writes the gauges that are read at each scrape. The recorder does not hold them: it would go on exporting the last
/// value of a gauge that has none any more, as the age of files that were deleted.
pub(crate) fn gauges(config: &Arc<Config>, collector: &Arc<Collector>, spool: &Arc<Spool>) -> GaugeWriter {
    let (config, collector, spool) = (config.clone(), collector.clone(), spool.clone());
    Box::new(move |out| {
        write_spool_gauges(out, &spool);
        let key = collector.privacy().keys().status();
        gauge(out, "footfall_key_age_seconds", "Age of the key in force.", key.age.as_secs_f64());
        let help = "When the key's epoch began, Unix time.";
        gauge(out, "footfall_key_epoch_start_timestamp_seconds", help, key.epoch);
        let locked = u8::from(key.locked);
        gauge(out, "footfall_key_locked", "1 when the key's memory cannot be swapped out.", locked);
        gauge(out, "footfall_sites", "Sites in the configuration.", collector.site_count());
        if let Some(age) = config.geo.iter().filter_map(|file| file_age(file)).max() {
            gauge(out, "footfall_geo_age_seconds", "Age of the oldest place file.", age.as_secs_f64());
        }
        write_list_ages(out);
        let version = env!("CARGO_PKG_VERSION");
        let _ = writeln!(
            out,
            "# HELP footfall_build_info The version that runs.\n# TYPE footfall_build_info gauge"
        );
        let _ = writeln!(out, "footfall_build_info{{version=\"{version}\"}} 1");
    })
}

/// The spool's gauges are not recorded by the shipper, because it does nothing before the store's first answer.
fn write_spool_gauges(out: &mut String, spool: &Spool) {
    let status = spool.status();
    let oldest = status.oldest.unwrap_or_default().as_secs_f64();
    gauge(out, "footfall_spool_bytes", "Bytes in the spool.", status.bytes);
    let help = "Bytes of the spool at which beacons are refused.";
    gauge(out, "footfall_spool_max_bytes", help, status.max_bytes);
    gauge(out, "footfall_spool_segments", "Sealed segments that wait to be shipped.", status.sealed);
    gauge(out, "footfall_spool_rows", "Rows of events in the spool.", status.events);
    let help = "The lag: age of the oldest segment that the store has not confirmed.";
    gauge(out, "footfall_spool_oldest_age_seconds", help, oldest);
}

fn write_list_ages(out: &mut String) {
    let name = "footfall_list_age_seconds";
    let _ =
        writeln!(out, "# HELP {name} Age of a built-in list, since its publication.\n# TYPE {name} gauge");
    let today = lists::today();
    for list in lists::ALL {
        let seconds = list.age_days(today) * 24 * 3600;
        let _ = writeln!(out, "{name}{{list=\"{}\"}} {seconds}", list.name);
    }
}

/// Writing to a string cannot fail.
fn gauge(out: &mut String, name: &str, help: &str, value: impl std::fmt::Display) {
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}");
}

/// Time since a file was modified; `None` when it cannot be found.
pub(crate) fn file_age(file: &Path) -> Option<Duration> {
    let modified = std::fs::metadata(file).ok()?.modified().ok()?;
    Some(modified.elapsed().unwrap_or_default())
}
