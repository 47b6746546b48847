//! A refused beacon leaves a trace: a counter by reason and site, and a line that says where to look. Neither holds what was sent.

use std::time::Duration;

use crate::common::{Collector, HttpConnection, eventually, good_beacon, http};

const PATIENCE: Duration = Duration::from_secs(30);
/// A word in every request that must not come back.
const CANARY: &str = "zqxcanary";

/// A collector of two sites. One of them requires signed names. Its store is never reached.
fn collector(settings: &str) -> Collector {
    let store = crate::common::StoreClient::without_password(crate::common::ports::free());
    let sites = format!(
        "{settings}[[site]]\nid = \"clinic\"\nhosts = [\"clinic.example\"]\n\
         [[site]]\nid = \"portal\"\nhosts = [\"portal.example\"]\ntokens = \"required\"\ntoken_secret_file = \"secret\"\n"
    );
    let mut collector = Collector::shipping_to(store, &sites);
    std::fs::write(collector.path("secret"), "0123456789abcdef0123456789abcdef\n").unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(collector.path("secret"), mode).unwrap();
    collector.start();
    collector
}

fn post(collector: &Collector, headers: &str, body: &str) -> u16 {
    let headers = format!("{headers}X-Canary: {CANARY}\r\nUser-Agent: {CANARY}\r\n");
    http::post(collector.listen, "/b", &headers, body.as_bytes()).unwrap().status
}

fn count(metrics: &str, series: &str) -> u64 {
    let line = metrics.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{series} is not in\n{metrics}")).parse().unwrap()
}

#[test]
fn every_refusal_is_counted_and_logged_by_reason_and_site_without_what_was_sent() {
    let collector = collector("");
    let before = collector.metrics();
    for reason in footfall::server::RefusalReason::ALL {
        let series = format!("footfall_beacons_refused_total{{reason=\"{}\"}}", reason.name());
        assert_eq!(count(&before, &series), 0, "exported from the start");
    }
    let text = "Content-Type: text/plain\r\n";
    let clinic = format!("{text}Origin: https://clinic.example\r\n");
    let good = good_beacon("clinic", 1, 0, "/");
    let malformed = good.replace("\"l\":", &format!("\"l\":7,\"{CANARY}\":"));
    let foreign = good.replace("https://clinic.example/", &format!("https://{CANARY}.example/"));
    let unknown = good_beacon(CANARY, 1, 0, "/");
    let unsigned = good_beacon("portal", 1, 0, "/");
    let mut expected = Vec::new();
    for (headers, body, status, reason, site) in [
        (&*clinic, "{", 400, "malformed", ""),
        (&clinic, &*malformed, 400, "malformed", "clinic"),
        (&clinic, &unknown, 403, "unknown_site", ""),
        (&format!("{text}Origin: https://{CANARY}.example\r\n"), &good, 403, "foreign_origin", "clinic"),
        (&clinic, &foreign, 403, "foreign_page", "clinic"),
        (&format!("{text}Origin: https://portal.example\r\n"), &unsigned, 403, "signature", "portal"),
        (&format!("Content-Type: text/{CANARY}\r\n"), &good, 415, "content_type", ""),
        (&format!("{clinic}Authorization: Bearer ff_{CANARY}\r\n"), &good, 401, "token", ""),
        (&clinic, &CANARY.repeat(10_000), 413, "too_large", ""),
    ] {
        for _ in 0..3 {
            assert_eq!(post(&collector, headers, body), status, "{reason}");
        }
        expected.push((reason, site));
    }
    let mut chunked = HttpConnection::connect(collector.listen).unwrap();
    chunked.send(b"POST /b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n").unwrap();
    assert_eq!(chunked.answer().unwrap().status, 411);
    let preflight = format!(
        "OPTIONS /b HTTP/1.1\r\nHost: a\r\nConnection: close\r\nOrigin: https://{CANARY}.example\r\n\r\n"
    );
    assert_eq!(http::exchange(collector.listen, preflight.as_bytes()).unwrap().status, 403);
    let pixel = "GET /b.gif?s=clinic HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    assert_eq!(http::exchange(collector.listen, pixel.as_bytes()).unwrap().status, 400);

    let metrics = collector.metrics();
    for (reason, refused) in
        [("malformed", 7), ("unknown_site", 3), ("foreign_origin", 4), ("length", 1), ("too_large", 3)]
    {
        let series = format!("footfall_beacons_refused_total{{reason=\"{reason}\"}}");
        assert_eq!(count(&metrics, &series), refused, "{reason}");
    }
    for (reason, site) in expected.iter().filter(|(_, site)| !site.is_empty()) {
        let [one, other] = [
            format!("footfall_site_beacons_refused_total{{site=\"{site}\",reason=\"{reason}\"}}"),
            format!("footfall_site_beacons_refused_total{{reason=\"{reason}\",site=\"{site}\"}}"),
        ];
        let series = if metrics.contains(&one) { one } else { other };
        assert_eq!(count(&metrics, &series), if *reason == "malformed" { 4 } else { 3 }, "{series}");
    }
    // One line each, although each came three times.
    for (reason, site) in &expected {
        let reason = format!("reason=\"{reason}\"");
        let site = if site.is_empty() { String::new() } else { format!("site=\"{site}\"") };
        let lines = || {
            let log = collector.log();
            let of_kind =
                log.lines().filter(|line| line.contains("beacon refused:") && line.contains(&reason));
            of_kind
                .filter(|line| if site.is_empty() { !line.contains("site=\"") } else { line.contains(&site) })
                .count()
        };
        eventually(&format!("a line about {reason} {site}"), PATIENCE, || lines() == 1);
    }
    let log = collector.log();
    assert!(log.contains("if it is yours, add its host there") && log.contains("at=\"l\""), "{log}");
    for text in [&log, &metrics] {
        assert!(!text.contains(CANARY), "{text}");
    }
}

#[test]
fn a_limit_on_one_address_and_a_full_spool_are_told_apart() {
    let collector = collector("[limits]\nrate = 1\nburst = 2\n");
    let headers = "Content-Type: text/plain\r\nOrigin: https://clinic.example\r\n";
    let statuses: Vec<u16> =
        (0..6).map(|seq| post(&collector, headers, &good_beacon("clinic", 2, seq, "/"))).collect();
    let refused = statuses.iter().filter(|status| **status == 429).count() as u64;
    assert!(refused >= 2, "{statuses:?}");
    let metrics = collector.metrics();
    assert_eq!(count(&metrics, "footfall_beacons_refused_total{reason=\"address_rate\"}"), refused);
    assert_eq!(count(&metrics, "footfall_beacons_refused_total{reason=\"spool\"}"), 0);
    eventually("the setting is named", PATIENCE, || collector.log().contains("`limits.rate`"));
}

#[test]
fn parts_that_were_left_out_are_logged_once_for_each_site() {
    let collector = collector("");
    let headers = "Content-Type: text/plain\r\nOrigin: https://clinic.example\r\n";
    for seq in 0..3 {
        let body = good_beacon("clinic", 3, seq, "/").replace("\"a\":0", &format!("\"a\":\"{CANARY}\""));
        assert_eq!(post(&collector, headers, &body), 204);
    }
    let lines = || collector.log().lines().filter(|line| line.contains("left out")).count();
    eventually("the line is written", PATIENCE, || lines() == 1);
    let log = collector.log();
    assert!(
        log.contains("at=\"e[0].a\"") && log.contains("site=\"clinic\"") && !log.contains(CANARY),
        "{log}"
    );
}

#[test]
fn a_proxy_that_names_no_client_is_told_from_one_that_may_not() {
    for (settings, headers, told) in [
        ("trusted_proxies = [\"127.0.0.1\"]\n", "", "has neither X-Forwarded-For nor Forwarded"),
        (
            "trusted_proxies = [\"10.0.0.1\"]\n",
            "X-Forwarded-For: 203.0.113.9\r\n",
            "comes from an address outside `trusted_proxies`",
        ),
        ("trusted_proxies = [\"127.0.0.1\"]\n", "X-Forwarded-For: 203.0.113.9\r\n", ""),
    ] {
        let collector = collector(settings);
        let headers = format!("Content-Type: text/plain\r\n{headers}");
        for seq in 0..3 {
            assert_eq!(post(&collector, &headers, &good_beacon("clinic", 1, seq, "/")), 204);
        }
        if told.is_empty() {
            assert!(!collector.log().contains("trusted_proxies"), "{}", collector.log());
        } else {
            eventually(told, PATIENCE, || collector.log().matches(told).count() == 1);
        }
        assert!(!collector.log().contains("203.0.113.9"));
    }
}
