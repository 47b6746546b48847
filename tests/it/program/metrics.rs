//! What `/metrics` exports: every counter from 0 on, the process, reloads, the certificate, reports, the store.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use footfall::report::catalogue;

use crate::common::process::{self, Signal};
use crate::common::{Collector, StoreClient, eventually, http, ports};

const PATIENCE: Duration = Duration::from_secs(60);

/// Its series begin with the first refusal: a thousand sites would have 20,000.
const OF_SITES: &str = "footfall_site_beacons_refused_total";
/// Every counter, and the histograms, whose counts are counters too. `{` begins the labels of one series of many.
const COUNTERS: &[&str] = &[
    "footfall_accept_errors_total",
    "footfall_auth_failures_total{reason=\"attempts\"}",
    "footfall_auth_failures_total{reason=\"host\"}",
    "footfall_auth_failures_total{reason=\"page\"}",
    "footfall_auth_failures_total{reason=\"role\"}",
    "footfall_auth_failures_total{reason=\"token\"}",
    "footfall_beacon_bytes_total",
    "footfall_beacon_duration_seconds_count",
    "footfall_beacons_refused_total{reason=\"malformed\"}",
    "footfall_connections_accepted_total",
    "footfall_connections_failed_total",
    "footfall_connections_rejected_total{reason=\"address_limit\"}",
    "footfall_connections_rejected_total{reason=\"limit\"}",
    "footfall_event_fields_dropped_total",
    "footfall_events_accepted_total",
    "footfall_events_dropped_total{reason=\"bot\"}",
    "footfall_events_dropped_total{reason=\"duplicate\"}",
    "footfall_events_dropped_total{reason=\"optout\"}",
    "footfall_events_received_total",
    "footfall_geo_reload_failures_total",
    "footfall_key_turn_failures_total",
    "footfall_requests_total{route=\"beacon\",status=\"204\"}",
    "footfall_requests_total{route=\"beacon\",status=\"503\"}",
    "footfall_requests_total{route=\"pixel\",status=\"200\"}",
    "footfall_requests_total{route=\"script\",status=\"304\"}",
    "footfall_segments_quarantined_total",
    "footfall_segments_split_total",
    "footfall_ship_duration_seconds_count",
    "footfall_ship_failures_total",
    "footfall_shipped_rows_total",
    "footfall_shipped_segments_total",
    "footfall_spool_appends_total",
    "footfall_spool_batch_frames_count",
    "footfall_spool_sync_duration_seconds_count",
    "footfall_store_restarts_total",
    "footfall_tls_reload_failures_total",
    "footfall_watchdog_failures_total{thread=\"accept\"}",
    "footfall_watchdog_failures_total{thread=\"spool\"}",
    "footfall_watchdog_failures_total{thread=\"worker\"}",
];

/// A collector whose store does not exist.
fn without_store(settings: &str) -> Collector {
    Collector::shipping_to(StoreClient::without_password(ports::free()), settings)
}

/// The value of a series, labels included.
fn value(exported: &str, series: &str) -> Option<f64> {
    exported.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
}

#[track_caller]
fn metric(collector: &Collector, series: &str) -> f64 {
    let exported = collector.metrics();
    value(&exported, series).unwrap_or_else(|| panic!("{series} is missing in\n{exported}"))
}

/// Names of counters in the sources of the program.
fn counters_of_the_sources() -> BTreeSet<String> {
    let mut directories = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    let mut names = BTreeSet::new();
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                directories.push(entry);
            } else if entry.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(entry).unwrap();
                let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
                let counters = words.filter(|word| word.starts_with("footfall_") && word.ends_with("_total"));
                names.extend(counters.map(str::to_owned));
            }
        }
    }
    names
}

#[test]
fn every_counter_is_exported_as_0_before_its_first_increment() {
    let mut collector = without_store("");
    collector.start();
    let exported = collector.metrics();
    let reports = catalogue::all().iter().flat_map(|report| {
        ["footfall_report_failures_total", "footfall_report_duration_seconds_count"]
            .map(|name| format!("{name}{{report=\"{}\"}}", report.name))
    });
    let series: Vec<String> = COUNTERS.iter().map(|name| (*name).to_owned()).chain(reports).collect();
    let wrong: Vec<_> = series.iter().filter(|series| value(&exported, series) != Some(0.0)).collect();
    assert!(wrong.is_empty(), "not exported as 0: {wrong:?}\n{exported}");

    let listed: BTreeSet<&str> = series.iter().filter_map(|series| series.split('{').next()).collect();
    let sources = counters_of_the_sources();
    assert!(sources.len() > 20, "{sources:?}");
    let is_listed = |name: &str| listed.contains(name) || name == OF_SITES;
    let missing: Vec<_> = sources.iter().filter(|name| !is_listed(name)).collect();
    assert!(missing.is_empty(), "counters that this test does not list: {missing:?}");
    // Whatever else is exported as a counter is 0 too, but for the time that the process took to start.
    let counters = exported.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" counter"));
    let unlisted: Vec<_> = counters.filter(|name| !listed.contains(name)).collect();
    assert_eq!(unlisted, ["process_cpu_seconds_total"]);
}

#[test]
fn the_process_is_described_as_the_system_sees_it() {
    let mut collector = without_store("");
    collector.start();
    let (resident, open) = (
        metric(&collector, "process_resident_memory_bytes"),
        std::fs::read_dir(format!("/proc/{}/fd", collector.pid())).unwrap().count(),
    );
    let seen = collector.memory() as f64;
    assert!((0.5..2.0).contains(&(resident / seen)), "{resident} of {seen}");
    // The scrape is a connection of its own.
    let told = metric(&collector, "process_open_fds");
    assert!((told - open as f64).abs() <= 3.0, "{told} of {open}");
    assert!(metric(&collector, "process_max_fds") >= told);
    let started = metric(&collector, "process_start_time_seconds");
    let age = jiff::Timestamp::now().as_millisecond() as f64 / 1_000.0 - started;
    assert!((0.0..600.0).contains(&age), "{age}");
    assert_eq!(metric(&collector, "process_start_time_seconds"), started, "it does not move");
    assert!(metric(&collector, "process_cpu_seconds_total") > 0.0);
    let version = format!("footfall_build_info{{version=\"{}\"}}", env!("CARGO_PKG_VERSION"));
    assert_eq!(metric(&collector, &version), 1.0);
}

#[test]
fn a_reload_that_fails_is_seen_until_one_succeeds() {
    let mut collector = without_store("");
    collector.start();
    let state = || metric(&collector, "footfall_config_last_reload_successful");
    let time = |of: &str| metric(&collector, &format!("footfall_config_last_reload_{of}timestamp_seconds"));
    assert_eq!(state(), 1.0, "the start is a reload that succeeded");
    let started = time("success_");
    assert_eq!(time(""), started);
    let file = collector.path("footfall.toml");
    let before = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, "listen = 7").unwrap();
    // The times are whole seconds.
    std::thread::sleep(Duration::from_millis(1_100));
    process::signal(collector.pid(), Signal::HUP);
    eventually("the failure is seen", PATIENCE, || state() == 0.0);
    assert_eq!(time("success_"), started);
    assert!(time("") > started);
    std::fs::write(&file, before).unwrap();
    process::signal(collector.pid(), Signal::HUP);
    eventually("the success is seen", PATIENCE, || state() == 1.0);
    assert!(time("success_") > started);
}

/// Writes a certificate that ends on the first day of a year.
fn certify(directory: &Path, year: i32) {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut parameters = rcgen::CertificateParams::new(["stats.example".to_owned()]).unwrap();
    parameters.not_after = rcgen::date_time_ymd(year, 1, 1);
    std::fs::write(directory.join("cert.pem"), parameters.self_signed(&key).unwrap().pem()).unwrap();
    std::fs::write(directory.join("key.pem"), key.serialize_pem()).unwrap();
}

#[test]
fn the_end_of_the_certificate_in_use_is_exported() {
    const NOT_AFTER: &str = "footfall_tls_certificate_not_after_timestamp_seconds";
    let directory = tempfile::tempdir().unwrap();
    let name = |file: &str| directory.path().join(file).display().to_string();
    certify(directory.path(), 2031);
    let tls = format!("[tls]\ncertificate = {:?}\nkey = {:?}\n", name("cert.pem"), name("key.pem"));
    let mut collector = without_store(&tls);
    collector.start();
    let utc = |year| jiff::civil::date(year, 1, 1).in_tz("UTC").unwrap().timestamp().as_second() as f64;
    assert_eq!(metric(&collector, NOT_AFTER), utc(2031));
    // From 2050 on, certificates write their dates in another form.
    certify(directory.path(), 2061);
    process::signal(collector.pid(), Signal::HUP);
    eventually("the new certificate is seen", PATIENCE, || metric(&collector, NOT_AFTER) == utc(2061));
    assert_eq!(metric(&collector, "footfall_config_last_reload_successful"), 1.0);
    std::fs::write(directory.path().join("cert.pem"), "no certificate").unwrap();
    process::signal(collector.pid(), Signal::HUP);
    eventually("the failure is seen", PATIENCE, || {
        metric(&collector, "footfall_config_last_reload_successful") == 0.0
    });
    assert!(metric(&collector, "footfall_tls_reload_failures_total") >= 1.0);
    assert_eq!(metric(&collector, NOT_AFTER), utc(2061), "the old one stays in use");
}

#[test]
fn without_tls_no_certificate_is_exported() {
    let mut collector = without_store("");
    collector.start();
    assert!(!collector.metrics().contains("footfall_tls_certificate_"));
}

#[test]
fn place_files_that_are_missing_or_broken_are_counted() {
    let directory = tempfile::tempdir().unwrap();
    let [broken, missing] = ["broken", "missing"].map(|name| directory.path().join(name));
    for file in [&broken, &missing] {
        std::fs::copy(concat!(env!("CARGO_MANIFEST_DIR"), "/geo/asn.mmdb"), file).unwrap();
    }
    let mut collector = without_store(&format!("geo = [{broken:?}, {missing:?}]\n"));
    collector.start();
    assert_eq!(metric(&collector, "footfall_geo_missing_files"), 0.0);
    // Neither keeps a collector from working that has read them already.
    std::fs::remove_file(&missing).unwrap();
    std::fs::write(directory.path().join("new"), "no places").unwrap();
    std::fs::rename(directory.path().join("new"), &broken).unwrap();
    assert_eq!(metric(&collector, "footfall_geo_missing_files"), 1.0);
    process::signal(collector.pid(), Signal::HUP);
    eventually("the broken file is counted", PATIENCE, || {
        metric(&collector, "footfall_geo_reload_failures_total") == 1.0
    });
    assert!(metric(&collector, "footfall_geo_age_seconds") < 600.0);
}

#[test]
fn reports_that_fail_are_counted_and_wrong_requests_are_not() {
    let mut collector = without_store("");
    collector.start();
    let ask = |path: &str| http::get(collector.reports, path).unwrap().status;
    assert_eq!(ask("/api/reports/pages?site=clinic"), 502);
    assert_eq!(ask("/api/reports/pages?site=clinic&from=tomorow"), 400);
    assert_eq!(ask("/api/reports/pagez?site=clinic"), 404);
    assert_eq!(metric(&collector, "footfall_report_failures_total{report=\"pages\"}"), 1.0);
    assert_eq!(metric(&collector, "footfall_report_duration_seconds_count{report=\"pages\"}"), 0.0);
}

#[test]
fn the_store_and_the_times_of_reports_are_followed() {
    let mut collector = Collector::new("");
    collector.start();
    let reachable = || metric(&collector, "footfall_store_reachable");
    eventually("the store is reachable", PATIENCE, || reachable() == 1.0);
    let ask = |path: &str| http::get(collector.reports, path).unwrap();
    eventually("the tables are there", PATIENCE, || ask("/api/reports/pages?site=clinic").status == 200);
    let count = || metric(&collector, "footfall_report_duration_seconds_count{report=\"pages\"}");
    let before = count();
    assert!(before >= 1.0);
    assert_eq!(ask("/api/reports?names=pages,sources&site=clinic").status, 200);
    assert_eq!(count(), before + 1.0);
    assert_eq!(metric(&collector, "footfall_store_restarts_total"), 0.0);
    process::signal(collector.store_pid().unwrap(), Signal::KILL);
    eventually("the restart is counted", PATIENCE, || {
        metric(&collector, "footfall_store_restarts_total") == 1.0
    });
    eventually("the store is reachable again", PATIENCE, || reachable() == 1.0 && collector.store_answers());
}
