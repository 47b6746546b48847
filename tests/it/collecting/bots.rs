//! Bots through the whole collector: marked, or dropped by a site, and shown on request.

use std::time::Duration;

use mmdb_writer::{Value, Writer};

use crate::common::{Collector, eventually, http, page_load_id};

const PATIENCE: Duration = Duration::from_secs(60);
const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0";
const CRAWLER: &str = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)";
const SPAMMER: &str = "https://semalt.com/project_crawl.php";
/// Sites that mark bots, drop all bots, or drop some categories. Their pages are on one host.
const SITES: &str = "geo = [\"asn.mmdb\"]\n[spool]\nseal_after = \"200ms\"\n\
    [[site]]\nid = \"marks\"\nhosts = [\"clinic.example\"]\n\
    [[site]]\nid = \"drops\"\nhosts = [\"clinic.example\"]\ndrop_bots = true\n\
    [[site]]\nid = \"chooses\"\nhosts = [\"clinic.example\"]\ndrop_bots = [\"other\"]\n\
    [[site]]\nid = \"watches\"\nhosts = [\"clinic.example\"]\ndrop_bots = [\"monitoring\"]\n";

fn view(path: &str, referrer: &str) -> String {
    format!(r#"{{"k":"view","u":"https://clinic.example{path}","r":"{referrer}"}}"#)
}

/// Sends events as one beacon. Returns `x-footfall-dropped`.
fn send(collector: &Collector, site: &str, user_agent: &str, address: &str, events: &[String]) -> String {
    let page_load = page_load_id(fastrand::u64(..));
    let body = format!(r#"{{"v":1,"s":"{site}","l":"{page_load}","e":[{}]}}"#, events.join(","));
    let headers = format!(
        "Origin: https://clinic.example\r\nContent-Type: text/plain\r\nUser-Agent: {user_agent}\r\n\
         X-Forwarded-For: {address}\r\n"
    );
    let answer = http::post(collector.listen, "/b", &headers, body.as_bytes()).unwrap();
    assert_eq!(answer.status, 204, "{}", answer.text());
    answer.header("x-footfall-dropped").unwrap_or_default().to_owned()
}

/// A collector with a geo file of two networks: a data centre and homes.
fn collector() -> Collector {
    let mut collector = Collector::new(SITES);
    let mut writer = Writer::new("GeoLite2-ASN");
    for (network, asn, name) in
        [("203.0.113.0/24", 16_509_u32, "Amazon.com, Inc."), ("198.51.100.0/24", 64_500, "Homes")]
    {
        let record = Value::map([
            ("autonomous_system_number", Value::from(asn)),
            ("autonomous_system_organization", Value::from(name)),
        ]);
        writer.insert_value(network.parse::<ipnet::IpNet>().unwrap(), record).unwrap();
    }
    std::fs::write(collector.path("asn.mmdb"), writer.to_bytes().unwrap()).unwrap();
    collector.start();
    collector
}

#[test]
fn bots_and_referrer_spam_are_marked_or_dropped_as_the_site_wants_and_all_events_are_accounted_for() {
    let collector = collector();
    let spam = [view("/", SPAMMER)];
    let visit = [view("/doctors", "https://yandex.ru/")];
    let one = "optout=0,bot=1,duplicate=0,malformed=0,foreign=0,blocked=0,internal=0";
    for (site, user_agent, events, dropped) in [
        ("marks", FIREFOX, &visit, ""),
        ("marks", FIREFOX, &spam, ""),
        // A bot with a name keeps it, whatever its referrer is.
        ("marks", CRAWLER, &spam, ""),
        ("drops", FIREFOX, &visit, ""),
        ("drops", FIREFOX, &spam, one),
        ("drops", CRAWLER, &visit, one),
        ("chooses", FIREFOX, &visit, ""),
        ("chooses", FIREFOX, &spam, one),
        ("watches", FIREFOX, &spam, ""),
        ("watches", CRAWLER, &visit, ""),
    ] {
        let told = send(&collector, site, user_agent, "198.51.100.7", events);
        assert_eq!(told, dropped, "{site} {user_agent} {events:?}");
    }
    // Two pages in one beacon: the page with the spammer's referrer is dropped, with its events.
    let leave = r#"{"k":"leave","ms":100}"#.to_owned();
    let mixed = [view("/", SPAMMER), leave.clone(), view("/prices", "https://clinic.example/"), leave];
    let told = send(&collector, "drops", FIREFOX, "203.0.113.7", &mixed);
    assert_eq!(told, "optout=0,bot=2,duplicate=0,malformed=0,foreign=0,blocked=0,internal=0");

    collector.wait_for_events(9, PATIENCE);
    let rows = collector.store.rows(
        "SELECT site, path, bot, bot_category != '', bot_category = 'other' OR bot != 'referrer spam', \
         device = 'bot', data_centre, spoofed FROM events ORDER BY site, path, bot, kind",
    );
    assert_eq!(
        rows,
        [
            "chooses\t/doctors\t\t0\t1\t0\tfalse\tfalse",
            "drops\t/doctors\t\t0\t1\t0\tfalse\tfalse",
            "drops\t/prices\t\t0\t1\t0\ttrue\tfalse",
            "drops\t/prices\t\t0\t1\t0\ttrue\tfalse",
            "marks\t/\tGooglebot\t1\t1\t1\tfalse\tfalse",
            "marks\t/\treferrer spam\t1\t1\t0\tfalse\tfalse",
            "marks\t/doctors\t\t0\t1\t0\tfalse\tfalse",
            "watches\t/\treferrer spam\t1\t1\t0\tfalse\tfalse",
            "watches\t/doctors\tGooglebot\t1\t1\t1\tfalse\tfalse",
        ]
    );
    eventually("the counts are there too", PATIENCE, || {
        collector.store.rows("SELECT sum(events) FROM segments FINAL WHERE outcome = 'bot'") == ["5"]
    });
    let verified = collector.command(&["verify"]);
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));
}

#[test]
fn the_terminal_and_the_api_leave_bots_out_and_show_them_when_asked() {
    let collector = collector();
    let visit = [view("/", "")];
    for (user_agent, address) in
        [(FIREFOX, "198.51.100.1"), (FIREFOX, "198.51.100.2"), (CRAWLER, "203.0.113.1")]
    {
        send(&collector, "marks", user_agent, address, &visit);
    }
    collector.wait_for_events(3, PATIENCE);
    let views = |json: &[u8]| {
        let answer: serde_json::Value = serde_json::from_slice(json).unwrap();
        let views: u64 =
            answer["rows"].as_array().unwrap().iter().map(|row| row["views"].as_u64().unwrap()).sum();
        (views, answer["bots"].as_bool().unwrap())
    };
    let period = ["--site", "marks", "--from", "2d", "--format", "json", "--k", "1"];
    for (more, expected) in [
        (&[][..], (2, false)),
        (&["--bots"][..], (3, true)),
        (&["--filter", "data_centre=0"][..], (2, false)),
        (&["--filter", "bot=Googlebot"][..], (1, true)),
    ] {
        for report in ["overview", "pages"] {
            let arguments = [&["report", report][..], &period, more].concat();
            let output = collector.command(&arguments);
            assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
            assert_eq!(views(&output.stdout), expected, "{arguments:?}");
        }
    }
    let pages = "/api/reports/pages?site=marks&from=2d";
    for (more, expected) in [("", (2, false)), ("&bots=0", (2, false)), ("&bots=1", (3, true))] {
        let answer = http::get(collector.reports, &format!("{pages}{more}")).unwrap();
        assert_eq!(views(&answer.body), expected, "{more}");
    }
    let table = collector.command(&["report", "data-centres", "--site", "marks", "--from", "2d"]);
    let told = String::from_utf8_lossy(&table.stdout).into_owned();
    assert!(told.contains("Amazon.com") && told.contains("Googlebot"), "{told}");
}
