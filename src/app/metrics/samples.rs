//! Metrics that are read at each scrape.
//!
//! The recorder does not hold them: it would go on exporting the last value of a gauge that has none any more, as the age of files that
//! were deleted.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::process;
use super::text::{counter, gauge, head};
use crate::app::store_watch::StoreState;
use crate::config::Config;
use crate::enrich::lists;
use crate::ingest::Collector;
use crate::operator::SampleWriter;
use crate::privacy::KeyOrigin;
use crate::spool::Spool;
use crate::store::embedded::StoreRestarts;
use crate::subject::Subjects;
use crate::transport::tls::Certificates;

/// The parts of the collector that the samples are read from.
#[derive(Clone)]
pub(crate) struct SampleSources {
    pub(crate) config: Arc<Config>,
    pub(crate) collector: Arc<Collector>,
    pub(crate) spool: Arc<Spool>,
    pub(crate) subjects: Arc<Subjects>,
    pub(crate) store: StoreState,
    pub(crate) restarts: StoreRestarts,
    pub(crate) certificates: Option<Arc<Certificates>>,
}

pub(crate) fn samples(sources: SampleSources) -> SampleWriter {
    Box::new(move |out| {
        write_spool(out, &sources.spool);
        write_store(out, &sources);
        write_subjects(out, &sources.subjects);
        write_key(out, &sources.collector);
        write_files(out, &sources);
        if let Some(validity) = sources.certificates.as_ref().and_then(|one| one.validity()) {
            let help = "When the certificate in use began to be valid, Unix time.";
            let name = "footfall_tls_certificate_not_before_timestamp_seconds";
            gauge(out, name, help, validity.start.as_second());
            let help = "When the certificate in use ends, Unix time.";
            gauge(
                out,
                "footfall_tls_certificate_not_after_timestamp_seconds",
                help,
                validity.end.as_second(),
            );
        }
        write_list_ages(out);
        let version = env!("CARGO_PKG_VERSION");
        head(out, "footfall_build_info", "The version that runs.", "gauge");
        let _ = writeln!(out, "footfall_build_info{{version=\"{version}\"}} 1");
        process::write(out);
    })
}

/// The spool's gauges are not recorded by the shipper, because it does nothing before the store's first answer.
fn write_spool(out: &mut String, spool: &Spool) {
    let status = spool.status();
    let oldest = status.oldest.unwrap_or_default().as_secs_f64();
    gauge(out, "footfall_spool_bytes", "Bytes in the spool.", status.bytes);
    let help = "Bytes of the spool at which beacons are refused.";
    gauge(out, "footfall_spool_max_bytes", help, status.max_bytes);
    if let Some(space) = spool.space() {
        gauge(out, "footfall_spool_free_bytes", "Bytes free on the spool's file system.", space.free);
        let help = "Free bytes below which beacons are refused.";
        gauge(out, "footfall_spool_reserve_bytes", help, space.reserve);
    }
    gauge(out, "footfall_spool_segments", "Sealed segments that wait to be shipped.", status.sealed);
    gauge(out, "footfall_spool_rows", "Rows of events in the spool.", status.events);
    let help = "The lag: age of the oldest segment that the store has not confirmed.";
    gauge(out, "footfall_spool_oldest_age_seconds", help, oldest);
}

fn write_store(out: &mut String, sources: &SampleSources) {
    let reachable = u8::from(sources.store.lock().is_ok());
    gauge(
        out,
        "footfall_store_reachable",
        "1 when the store answered the last time it was asked.",
        reachable,
    );
    let help = "Starts of the embedded store after its process ended by itself.";
    counter(out, "footfall_store_restarts_total", help, sources.restarts.count());
}

fn write_subjects(out: &mut String, subjects: &Subjects) {
    let waiting = subjects.waiting();
    let help = "Requests of visitors that are not carried out yet.";
    gauge(out, "footfall_subject_requests_waiting", help, waiting.requests);
    let help = "Age of the oldest request that is not carried out yet; 0 without any.";
    gauge(out, "footfall_subject_requests_oldest_age_seconds", help, waiting.oldest.as_secs_f64());
    gauge(out, "footfall_subjects_blocked", "Visitors who are blocked.", waiting.blocked);
}

fn write_key(out: &mut String, collector: &Collector) {
    let keys = collector.privacy().keys();
    let key = keys.status();
    let present = u8::from(key.origin != KeyOrigin::Missing);
    gauge(out, "footfall_key_present", "0 when a member of a fleet has no key and answers 503.", present);
    // A collector with a key of its own needs no store to turn it.
    let ahead = match (key.origin, keys.fleet_days()) {
        (KeyOrigin::Missing, _) => Some(0),
        (_, days) => days.map(|days| days.ahead()),
    };
    if let Some(ahead) = ahead {
        let help = "Midnights that a member of a fleet can pass without the store.";
        gauge(out, "footfall_key_days_ahead", help, ahead);
        if let Some(number) = key.fingerprint.number() {
            let help =
                "Fingerprint of the key of a member of a fleet, as a number. It is the same on all members.";
            gauge(out, "footfall_key_fingerprint", help, number);
        }
    }
    gauge(out, "footfall_key_age_seconds", "Age of the key in force.", key.age.as_secs_f64());
    let help = "When the key's epoch began, Unix time.";
    gauge(out, "footfall_key_epoch_start_timestamp_seconds", help, key.epoch);
    let help = "When the key in force must have turned, Unix time.";
    gauge(out, "footfall_key_next_turn_timestamp_seconds", help, key.next_turn.as_second());
    let locked = u8::from(key.locked);
    gauge(out, "footfall_key_locked", "1 when the key's memory cannot be swapped out.", locked);
}

fn write_files(out: &mut String, sources: &SampleSources) {
    let config = &sources.config;
    gauge(out, "footfall_sites", "Sites in the configuration.", sources.collector.site_count());
    let ages: Vec<Option<Duration>> = config.geo.iter().map(|file| file_age(file)).collect();
    let missing = ages.iter().filter(|age| age.is_none()).count();
    gauge(out, "footfall_geo_missing_files", "Configured place files that are not there.", missing);
    if let Some(age) = ages.into_iter().flatten().max() {
        gauge(out, "footfall_geo_age_seconds", "Age of the oldest place file.", age.as_secs_f64());
    }
}

fn write_list_ages(out: &mut String) {
    let name = "footfall_list_age_seconds";
    head(out, name, "Age of a list, since its publication.", "gauge");
    let today = lists::today();
    for list in lists::headers() {
        let seconds = list.age_days(today) * 24 * 3600;
        let _ = writeln!(out, "{name}{{list=\"{}\"}} {seconds}", list.name);
    }
}

/// Time since a file was modified; `None` if the file is missing.
pub(crate) fn file_age(file: &Path) -> Option<Duration> {
    let modified = std::fs::metadata(file).ok()?.modified().ok()?;
    Some(modified.elapsed().unwrap_or_default())
}
