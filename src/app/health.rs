//! What the administration listener shows: the recorder's metrics, gauges taken when they are asked for, readiness.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use crate::app::background::StoreState;
use crate::command::Error;
use crate::config::Config;
use crate::enrich::lists;
use crate::ingest::Collector;
use crate::operator::{Finding, MetricsSource, ReadinessCheck};
use crate::spool::Spool;
use crate::transport::AUTH_FAILURE_REASONS;

/// Ends of the buckets of times, s: from a sync of a fast disk to an insert that a loaded store takes its time for.
const SECONDS: &[f64] =
    &[0.0001, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];
/// Ends of the buckets of frames in a batch of the spool.
const FRAMES: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0];

/// What each metric means that the stages behind the edge record.
const COUNTERS: &[(&str, &str)] = &[
    ("footfall_spool_appends_total", "Beacons written to the spool."),
    ("footfall_shipped_rows_total", "Rows of events that the store has confirmed."),
    ("footfall_shipped_segments_total", "Segments that the store has confirmed."),
    ("footfall_ship_failures_total", "Attempts to ship a segment that failed."),
    (
        "footfall_segments_quarantined_total",
        "Segments quarantined because the store refuses them or they are damaged.",
    ),
    ("footfall_segments_split_total", "Segments split in two because the store refuses some of their rows."),
];
const AUTH_FAILURES: (&str, &str) =
    ("footfall_auth_failures_total", "Requests that failed authentication, by reason.");
const GAUGES: &[(&str, &str)] = &[("footfall_spool_free_bytes", "Bytes left on the spool's file system.")];
const HISTOGRAMS: &[(&str, &str)] = &[
    ("footfall_spool_sync_duration_seconds", "Time to write and sync a batch."),
    ("footfall_spool_batch_frames", "Beacons made durable by one sync."),
    ("footfall_ship_duration_seconds", "Time to ship a segment."),
];

/// Records the metrics of all stages from now on.
pub(crate) fn recorder() -> Result<PrometheusHandle, Error> {
    let recorder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), SECONDS)?
        .set_buckets_for_metric(Matcher::Full("footfall_spool_batch_frames".to_owned()), FRAMES)?
        .build_recorder();
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder)?;
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

/// Metrics that are written when they are asked for.
pub(crate) fn sources(
    config: &Arc<Config>,
    collector: &Arc<Collector>,
    spool: &Arc<Spool>,
    requests: MetricsSource,
    connections: MetricsSource,
) -> Vec<MetricsSource> {
    let (config, collector, spool) = (config.clone(), collector.clone(), spool.clone());
    let rest = Box::new(move |out: &mut String| {
        spool_gauges(out, &spool);
        let key = collector.privacy().keys().status();
        gauge(out, "footfall_key_age_seconds", "Age of the key in force.", key.age.as_secs_f64());
        gauge(out, "footfall_key_epoch_seconds", "When the key came into force, Unix time.", key.epoch);
        let locked = u8::from(key.locked);
        gauge(out, "footfall_key_locked", "1 when the key's memory cannot be swapped out.", locked);
        gauge(out, "footfall_sites", "Sites in the configuration at the start.", config.sites.len());
        if let Some(age) = config.geo.iter().filter_map(|file| age(file)).max() {
            gauge(out, "footfall_geo_age_seconds", "Age of the oldest file of places.", age.as_secs_f64());
        }
        list_ages(out);
        let version = env!("CARGO_PKG_VERSION");
        let _ = writeln!(out, "# HELP footfall_build_info What runs.\n# TYPE footfall_build_info gauge");
        let _ = writeln!(out, "footfall_build_info{{version=\"{version}\"}} 1");
    });
    vec![requests, connections, rest]
}

/// Says how old the built-in lists are, and asks for a newer release when one has had its time.
pub(crate) fn tell_list_ages() {
    let today = lists::today();
    tracing::info!(lists = lists::ages(today), "lists of bots, data centres and referrer spam");
    let old: Vec<_> =
        lists::ALL.iter().filter(|list| list.wants_refresh(today)).map(|list| list.name).collect();
    if !old.is_empty() {
        tracing::warn!(
            lists = old.join(", "),
            "over a year old, so that new bots count as visitors: install a newer release, or run `make lists` and build"
        );
    }
}

/// Taken when asked for and not by the shipper, which does nothing before the store has answered for the first time.
fn spool_gauges(out: &mut String, spool: &Spool) {
    let status = spool.status();
    let oldest = status.oldest.unwrap_or_default().as_secs_f64();
    gauge(out, "footfall_spool_bytes", "Bytes in the spool.", status.bytes);
    gauge(
        out,
        "footfall_spool_max_bytes",
        "Bytes of the spool at which beacons are refused.",
        status.max_bytes,
    );
    gauge(out, "footfall_spool_segments", "Sealed segments that wait to be shipped.", status.sealed);
    gauge(out, "footfall_spool_rows", "Rows of events in the spool.", status.events);
    let help = "The lag: age of the oldest segment that the store has not confirmed.";
    gauge(out, "footfall_spool_oldest_age_seconds", help, oldest);
}

fn list_ages(out: &mut String) {
    let name = "footfall_list_age_seconds";
    let _ = writeln!(out, "# HELP {name} Age of a built-in list, by its publication.\n# TYPE {name} gauge");
    let today = lists::today();
    for list in lists::ALL {
        let seconds = list.age_days(today) * 24 * 3600;
        let _ = writeln!(out, "{name}{{list=\"{}\"}} {seconds}", list.name);
    }
}

/// What readiness is made of. Places and the store are shown, but beacons are taken without them.
pub(crate) fn checks(
    config: &Arc<Config>,
    collector: &Arc<Collector>,
    spool: &Arc<Spool>,
    store: StoreState,
    draining: Arc<AtomicBool>,
) -> Vec<ReadinessCheck> {
    let (config, collector, spool) = (config.clone(), collector.clone(), spool.clone());
    let serving = move || match draining.load(Ordering::Relaxed) {
        true => Err("draining".to_owned()),
        false => Ok("taking beacons".to_owned()),
    };
    let key = move || {
        let status = collector.privacy().keys().status();
        Ok(format!("epoch {}, turns at {}", status.epoch, status.next_turn))
    };
    vec![
        check("serving", true, serving),
        check("key", true, key),
        check("spool", true, move || look_at_spool(&spool)),
        check("store", false, move || store.lock().clone()),
        check("places", false, move || look_at_places(&config)),
    ]
}

fn check(
    name: &'static str,
    required: bool,
    look: impl Fn() -> Finding + Send + Sync + 'static,
) -> ReadinessCheck {
    ReadinessCheck { name, required, check: Box::new(look) }
}

fn look_at_spool(spool: &Spool) -> Finding {
    let status = spool.status();
    let told = format!("{} of {} bytes, {} rows", status.bytes, status.max_bytes, status.events);
    match status.broken.or(status.no_space) {
        Some(error) => Err(error.to_string()),
        None if status.bytes >= status.max_bytes => Err(format!("full: {told}")),
        None => Ok(told),
    }
}

fn look_at_places(config: &Config) -> Finding {
    let missing = config.geo.iter().filter(|file| age(file).is_none()).count();
    match (config.geo.len(), missing) {
        (0, _) => Ok("no files are configured".to_owned()),
        (files, 0) => Ok(format!("{files} files")),
        (files, missing) => Err(format!("{missing} of {files} files cannot be found")),
    }
}

/// Time since a file was changed.
fn age(file: &Path) -> Option<Duration> {
    let changed = std::fs::metadata(file).ok()?.modified().ok()?;
    Some(changed.elapsed().unwrap_or_default())
}

/// Writes one gauge. Writing to a string cannot fail.
fn gauge(out: &mut String, name: &str, help: &str, value: impl std::fmt::Display) {
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}");
}
