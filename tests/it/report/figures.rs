//! What each report says of the small site.

use footfall::report::catalogue;
use serde_json::{Value, json};

use super::Site;

/// Every report with figures worked out by hand from the table in [`super::data`].
fn expected() -> Vec<(&'static str, Vec<&'static str>, Value)> {
    let mut all = totals();
    all.extend(breakdowns());
    all.extend(happenings());
    all.extend(diagnostics());
    all
}

fn totals() -> Vec<(&'static str, Vec<&'static str>, Value)> {
    vec![
        // Visitors 2 + 3 + 1; visits 3 + 3 + 2; views 4 + 3 + 2; bounces: A at 15:00, all on the 25th, A at 00:05 of the 26th;
        // durations 120 + 10 + 20 s; engaged 60 + 15 s. Before: B's one view on the 22nd.
        ("overview", vec![], json!([[6, 1, 8, 1, 9, 1, 1.12, 1.0, 62.5, 100.0, 18.8, 0.0, 9.4, 0.0]])),
        // With the bot: a visitor, a visit of three views and 2 s.
        (
            "overview",
            vec!["bots=1"],
            json!([[7, 1, 9, 1, 12, 1, 1.33, 1.0, 55.56, 100.0, 16.9, 0.0, 8.3, 0.0]]),
        ),
        // The same days a week and a year later.
        (
            "overview",
            vec!["from=2026-10-31", "to=2026-11-02", "compare=weekdays"],
            json!([[0, 6, 0, 8, 0, 9, null, 1.12, null, 62.5, null, 18.8, null, 9.4]]),
        ),
        (
            "overview",
            vec!["from=2027-10-24", "to=2027-10-26", "compare=year"],
            json!([[0, 6, 0, 8, 0, 9, null, 1.12, null, 62.5, null, 18.8, null, 9.4]]),
        ),
        (
            "timeseries",
            vec!["from=2026-10-23"],
            json!([
                ["2026-10-23", 0, 0, 0, null, null, null],
                ["2026-10-24", 2, 3, 4, 1.33, 33.33, 43.3],
                ["2026-10-25", 3, 3, 3, 1.0, 100.0, 0.0],
                ["2026-10-26", 1, 2, 2, 1.0, 50.0, 10.0]
            ]),
        ),
        // Weeks begin on Mondays: the 26th is one.
        (
            "timeseries",
            vec!["by=week"],
            json!([["2026-10-19", 5, 6, 7, 1.17, 66.67, 21.7], ["2026-10-26", 1, 2, 2, 1.0, 50.0, 10.0]]),
        ),
        ("timeseries", vec!["by=month"], json!([["2026-10-01", 6, 8, 9, 1.12, 62.5, 18.8]])),
        (
            // The hour that came twice on Sunday is one, in which B and C came.
            "hours",
            vec![],
            json!([
                ["1", "0", 1, 1, 0],
                ["1", "9", 1, 1, 0],
                ["6", "10", 1, 2, 0],
                ["6", "12", 1, 1, 1],
                ["6", "15", 1, 1, 0],
                ["7", "2", 2, 2, 0],
                ["7", "23", 1, 1, 0]
            ]),
        ),
    ]
}

fn breakdowns() -> Vec<(&'static str, Vec<&'static str>, Value)> {
    vec![
        (
            "pages",
            vec![],
            // A leave of the 26th names /; /doctors was left after a minute.
            json!([
                ["/", "clinic.example", 5, 55.56, 5, 3.0],
                ["/prices", "clinic.example", 2, 22.22, 2, 0.0],
                ["/contacts", "clinic.example", 1, 11.11, 1, 0.0],
                ["/doctors", "clinic.example", 1, 11.11, 1, 60.0]
            ]),
        ),
        (
            "entries",
            vec![],
            json!([
                ["/", "clinic.example", 5, 5, 62.5, 1.2, 40.0, 30.0],
                ["/prices", "clinic.example", 2, 2, 25.0, 1.0, 100.0, 0.0],
                ["/contacts", "clinic.example", 1, 1, 12.5, 1.0, 100.0, 0.0]
            ]),
        ),
        (
            "exits",
            vec![],
            json!([
                ["/", "clinic.example", 4, 4, 50.0, 1.0, 50.0, 7.5],
                ["/prices", "clinic.example", 2, 2, 25.0, 1.0, 100.0, 0.0],
                ["/contacts", "clinic.example", 1, 1, 12.5, 1.0, 100.0, 0.0],
                ["/doctors", "clinic.example", 1, 1, 12.5, 2.0, 0.0, 120.0]
            ]),
        ),
        (
            "sources",
            vec![],
            json!([
                ["Direct", 5, 6, 75.0, 1.0, 83.33, 3.3],
                ["Google", 1, 1, 12.5, 2.0, 0.0, 120.0],
                ["VK", 1, 1, 12.5, 1.0, 0.0, 10.0]
            ]),
        ),
        (
            "channels",
            vec![],
            json!([
                ["Direct", 5, 6, 75.0, 1.0, 83.33, 3.3],
                ["Organic Search", 1, 1, 12.5, 2.0, 0.0, 120.0],
                ["Paid Social", 1, 1, 12.5, 1.0, 0.0, 10.0]
            ]),
        ),
        ("referring-pages", vec![], json!([["google.com", "/", 1, 1, 12.5, 2.0, 0.0, 120.0]])),
        ("campaigns", vec![], json!([["autumn", "vk / cpc", 1, 1, 12.5, 1.0, 0.0, 10.0]])),
        ("utm-sources", vec![], json!([["vk", 1, 1, 12.5, 1.0, 0.0, 10.0]])),
        ("utm-mediums", vec![], json!([["cpc", 1, 1, 12.5, 1.0, 0.0, 10.0]])),
        ("utm-contents", vec![], json!([["banner-2", 1, 1, 12.5, 1.0, 0.0, 10.0]])),
        ("utm-terms", vec![], json!([])),
        (
            "countries",
            vec![],
            json!([["RU", 4, 6, 75.0, 1.17, 66.67, 23.3], ["DE", 2, 2, 25.0, 1.0, 50.0, 5.0]]),
        ),
        (
            "regions",
            vec![],
            json!([
                ["RU", "Moscow Oblast", 4, 6, 75.0, 1.17, 66.67, 23.3],
                ["DE", "Berlin", 2, 2, 25.0, 1.0, 50.0, 5.0]
            ]),
        ),
        (
            "cities",
            vec![],
            json!([
                ["RU", "Moscow", 4, 6, 75.0, 1.17, 66.67, 23.3],
                ["DE", "Berlin", 2, 2, 25.0, 1.0, 50.0, 5.0]
            ]),
        ),
        (
            "networks",
            vec![],
            json!([
                ["Rostelecom", "12389", 4, 6, 75.0, 1.17, 66.67, 23.3],
                ["Deutsche Telekom", "3320", 2, 2, 25.0, 1.0, 50.0, 5.0]
            ]),
        ),
        (
            "browsers",
            vec![],
            json!([
                ["Chrome", 3, 5, 62.5, 1.2, 60.0, 28.0],
                ["Safari", 2, 2, 25.0, 1.0, 50.0, 5.0],
                ["Firefox", 1, 1, 12.5, 1.0, 100.0, 0.0]
            ]),
        ),
        (
            "browser-versions",
            vec![],
            json!([
                ["Chrome", "140", 3, 5, 62.5, 1.2, 60.0, 28.0],
                ["Safari", "18", 2, 2, 25.0, 1.0, 50.0, 5.0],
                ["Firefox", "143", 1, 1, 12.5, 1.0, 100.0, 0.0]
            ]),
        ),
        (
            "systems",
            vec![],
            json!([
                ["Windows", "11", 3, 5, 62.5, 1.2, 60.0, 28.0],
                ["iOS", "18", 2, 2, 25.0, 1.0, 50.0, 5.0],
                ["Linux", "", 1, 1, 12.5, 1.0, 100.0, 0.0]
            ]),
        ),
        (
            "devices",
            vec![],
            json!([["desktop", 4, 6, 75.0, 1.17, 66.67, 23.3], ["mobile", 2, 2, 25.0, 1.0, 50.0, 5.0]]),
        ),
        (
            "languages",
            vec![],
            json!([["ru-RU", 4, 6, 75.0, 1.17, 66.67, 23.3], ["de-DE", 2, 2, 25.0, 1.0, 50.0, 5.0]]),
        ),
        (
            "screens",
            vec![],
            json!([["1440-1919", 4, 6, 75.0, 1.17, 66.67, 23.3], ["under 600", 2, 2, 25.0, 1.0, 50.0, 5.0]]),
        ),
    ]
}

fn happenings() -> Vec<(&'static str, Vec<&'static str>, Value)> {
    vec![
        ("events", vec![], json!([["booking", 1, 1, 1.0, 16.67]])),
        (
            "props",
            vec![],
            json!([["booking", "doctor", "Ivanov", 1, 100.0, 1], ["booking", "online", "1", 1, 100.0, 1]]),
        ),
        ("outbound", vec![], json!([])),
        ("downloads", vec![], json!([])),
        (
            "ads",
            vec![],
            json!([["spring", "top", 3, 2, 66.67, 1, 33.33, 1], ["spring", "footer", 1, 0, 0.0, 0, 0.0, 1]]),
        ),
        (
            "scroll",
            vec![],
            json!([
                ["/", "clinic.example", 5, 1, 30.0, 100.0, 0.0, 0.0, 0.0, 1],
                ["/doctors", "clinic.example", 1, 1, 80.0, 100.0, 100.0, 100.0, 0.0, 1]
            ]),
        ),
        (
            "goals",
            vec![],
            json!([
                ["Prices", "", "", 2, 2, 6, 33.33],
                ["Booking", "", "", 1, 1, 6, 16.67],
                ["Doctors", "", "", 1, 1, 6, 16.67],
                ["Spring", "", "", 1, 1, 6, 16.67]
            ]),
        ),
        (
            "goals",
            vec!["goal=Booking", "by=channel"],
            json!([
                ["Booking", "Paid Social", "", 1, 1, 1, 100.0],
                ["Booking", "Direct", "", 0, 0, 5, 0.0],
                ["Booking", "Organic Search", "", 0, 0, 1, 0.0]
            ]),
        ),
        (
            "funnel",
            vec![],
            json!([["1", "Home", "", "", 5, 100.0, null], ["2", "Booking", "", "", 1, 20.0, 80.0]]),
        ),
        (
            "funnel",
            vec!["by=city", "funnel=Booking"],
            json!([
                ["1", "Home", "RU", "Moscow", 3, 100.0, null],
                ["1", "Home", "DE", "Berlin", 2, 100.0, null],
                ["2", "Booking", "DE", "Berlin", 1, 50.0, 50.0]
            ]),
        ),
    ]
}

fn diagnostics() -> Vec<(&'static str, Vec<&'static str>, Value)> {
    vec![
        (
            "errors",
            vec!["limit=1"],
            json!([[
                "x is null",
                3,
                2,
                "2026-10-26 09:00:07",
                "00000000000000ff",
                "clinic.example/app.js:10:5",
                "2026-10-24 12:00:05",
                "/",
                "Chrome 140, Safari 18",
                "2026.10.25, 2026.10.20",
                "2026.10.20",
                "2026.10.25",
                "at f"
            ]]),
        ),
        (
            "releases",
            vec![],
            json!([
                ["2026.10.25", 2, 2, 1000.0, 1, "2026-10-26 00:05:00", "2026-10-26 09:00:07"],
                ["2026.10.20", 4, 2, 500.0, 2, "2026-10-24 10:00:00", "2026-10-24 15:00:00"],
                ["", 3, 0, 0.0, 0, "2026-10-25 02:30:00", "2026-10-25 23:50:00"]
            ]),
        ),
        // Too few cases for a rise; its own tests have more.
        ("diagnosis", vec![], json!([])),
        (
            "resources",
            vec![],
            json!([[
                "clinic.example/img/x.png",
                "img",
                1,
                1,
                "2026-10-26 09:00:08",
                "2026-10-26 09:00:08",
                "/"
            ]]),
        ),
        (
            "missing",
            vec![],
            // 01:30 in UTC is the second 02:30 of that night.
            json!([["/old", "clinic.example", "clinic.example/contacts", 1, 1, "2026-10-25 02:30:00", 1]]),
        ),
        (
            "speed",
            vec![],
            json!([
                ["", "LCP", "ms", 4, 2000, 3000, 4000, 50.0, "needs improvement"],
                ["", "CLS", "score", 1, 0.25, 0.25, 0.25, 0.0, "needs improvement"]
            ]),
        ),
        (
            "speed",
            vec!["by=browser", "limit=1"],
            json!([["Chrome", "LCP", "ms", 4, 2000, 3000, 4000, 50.0, "needs improvement"]]),
        ),
        (
            "ip-addresses",
            vec!["limit=1"],
            json!([[
                "0000000000001a0b",
                18,
                2,
                1,
                3,
                0.0,
                "Rostelecom",
                "RU",
                "2026-10-26 09:00:20",
                "2026-10-26 00:05:00",
                "2026-10-26 00:00"
            ]]),
        ),
        (
            "ip-networks",
            vec!["to=2026-10-24"],
            json!([
                ["Rostelecom", "12389", 5, 45.45, 1, 1, 0.0, 1, "RU"],
                ["Deutsche Telekom", "3320", 3, 27.27, 1, 1, 0.0, 1, "DE"],
                ["Google", "15169", 3, 27.27, 1, 1, 100.0, 0, "US"]
            ]),
        ),
        (
            // A came back on the 24th and the 26th. On the 25th, A and C share an address: it came back at 23:50.
            "ip-epochs",
            vec![],
            json!([
                ["2026-10-26 00:00", 18, 1, 0, 1, 1, 0.0, 0.0],
                ["2026-10-25 00:00", 4, 2, 1, 1, 3, 0.0, 50.0],
                ["2026-10-24 00:00", 11, 3, 2, 1, 3, 27.27, 33.33]
            ]),
        ),
        ("bots", vec![], json!([["search", "Googlebot", 3, 9.09, 3, 1, 100.0, "2026-10-24 13:00:03"]])),
        (
            "bots",
            vec!["by=category"],
            json!([["search", "Googlebot", 3, 9.09, 3, 1, 100.0, "2026-10-24 13:00:03"]]),
        ),
        // One of seven pseudonyms of visitors.
        (
            "data-centres",
            vec![],
            json!([["Google", "15169", 3, 9.09, 1, 14.29, 100.0, "Googlebot", 0.0, "US"]]),
        ),
        (
            "spoofed",
            vec![],
            // Two of Rostelecom's 26 events: A's 24 and C's.
            json!([["Rostelecom", "12389", 2, 6.06, 7.69, 1, 1, 0.0, 0.0, "RU", "2026-10-25 02:30:00"]]),
        ),
    ]
}

/// Numbers are compared as numbers: 100 is 100.0.
fn same(found: &[Vec<Value>], expected: &Value) -> bool {
    let expected = expected.as_array().unwrap();
    found.len() == expected.len()
        && found.iter().zip(expected).all(|(found, expected)| {
            let expected = expected.as_array().unwrap();
            found.len() == expected.len()
                && found
                    .iter()
                    .zip(expected)
                    .all(|(a, b)| a == b || (a.is_number() && a.as_f64() == b.as_f64()))
        })
}

async fn check_all(site: &Site, more: &[&str], when: &str) {
    for (report, options, expected) in expected() {
        let options: Vec<&str> = options.iter().chain(more).copied().collect();
        let found = site.rows(report, &options).await;
        let what = format!("{report} {options:?} {when}");
        assert!(same(&found, &expected), "{what}\n   found {}\nexpected {expected}", json!(found));
    }
}

#[tokio::test]
async fn every_figure_is_as_worked_out_by_hand_on_open_days_closed_days_and_under_filters() {
    let named: Vec<&str> = expected().iter().map(|(report, ..)| *report).collect();
    for report in catalogue::all() {
        // Real time is about now, and has a test of its own.
        assert!(named.contains(&report.name) || report.name == "realtime", "{} has no figures", report.name);
    }

    let site = Site::small().await;
    check_all(&site, &[], "on open days").await;
    // Filters that everything passes: reports are made of events and visits instead of daily figures.
    let idle = ["filter=browser!=Netscape", "filter=path!~no-such-page", "filter=entry_path!~no-such-page"];
    check_all(&site, &idle, "under filters").await;

    // At noon of the 26th the days up to the 25th are over, and their key is gone.
    let closed = site.close("2026-10-26T12:00:00Z").await;
    assert!(closed.ends_with(&["2026-10-24".to_owned(), "2026-10-25".to_owned()]), "{closed:?}");
    check_all(&site, &[], "on closed days and an open one").await;
    check_all(&site, &idle, "under filters on closed days").await;
    site.close("2026-10-27T12:00:00Z").await;
    check_all(&site, &[], "on closed days").await;
}

#[tokio::test]
async fn a_day_of_25_hours_has_25_rows_and_its_hour_that_comes_twice_has_two() {
    let site = Site::small().await;
    let rows = site.rows("timeseries", &["from=2026-10-25", "to=2026-10-25", "by=hour"]).await;
    assert_eq!(rows.len(), 25);
    assert_eq!(rows[0][0], "2026-10-25 00:00 +0200");
    assert!(
        same(&rows[2..3], &json!([["2026-10-25 02:00 +0200", 1, 1, 1, 1.0, 100.0, 0.0]])),
        "{:?}",
        rows[2]
    );
    assert!(
        same(&rows[3..4], &json!([["2026-10-25 02:00 +0100", 1, 1, 1, 1.0, 100.0, 0.0]])),
        "{:?}",
        rows[3]
    );
    // A's visit of 23:50 ends at midnight.
    assert!(
        same(&rows[24..], &json!([["2026-10-25 23:00 +0100", 1, 1, 1, 1.0, 100.0, 0.0]])),
        "{:?}",
        rows[24]
    );
}

#[tokio::test]
async fn real_time_shows_each_of_the_last_30_minutes() {
    let mut rows = super::data::Rows::default();
    let now = jiff::Timestamp::now().as_millisecond();
    let person = super::data::person('A', 24);
    for ago in [40, 5, 5, 1] {
        rows.at(now - ago * 60_000, &person, super::data::view("/"));
    }
    let site = Site::with(&rows.bytes).await;
    let rows = site.rows("realtime", &[]).await;
    assert_eq!(rows.len(), 30);
    let sum = |column: usize| rows.iter().map(|row| row[column].as_u64().unwrap()).sum::<u64>();
    assert_eq!(sum(2), 3, "views of the last half hour: {rows:?}");
    assert_eq!(sum(1), 2, "a visitor counts once a minute: {rows:?}");
}
