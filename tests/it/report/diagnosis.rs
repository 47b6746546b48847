//! Causes that are planted into invented traffic, and what report `diagnosis` says of them.

use fastrand::Rng;
use footfall::event::{DeviceClass, EventKind, EventRow, UniqueText};
use serde_json::{Value, json};

use super::Site;
use super::data::{Rows, moment};

/// Views of a day, unless a scenario has more.
const VIEWS: usize = 1_500;
/// Days of the period before, and of the period.
const DAYS: [&str; 6] = ["2026-10-21", "2026-10-22", "2026-10-23", "2026-10-24", "2026-10-25", "2026-10-26"];
/// The first day of the period.
const FIRST: usize = 3;

/// One view, with what may go wrong in it.
struct Case {
    row: EventRow<'static>,
    /// The day's place in [`DAYS`].
    day: usize,
    /// Probability of an error.
    error: f64,
    /// Probability that a vital is over its threshold.
    slow: f64,
}

impl Case {
    fn is_now(&self) -> bool {
        self.day >= FIRST
    }
}

/// What a scenario does to each view.
type Plant = fn(&mut Case);

fn case(random: &mut Rng, day: usize) -> Case {
    let (browser, browser_version) = random
        .choice([
            ("Chrome", "142"),
            ("Chrome", "141"),
            ("Safari", "18"),
            ("Safari", "17"),
            ("Firefox", "144"),
        ])
        .unwrap();
    let (os, device) = random
        .choice([
            ("Windows", DeviceClass::Desktop),
            ("Android", DeviceClass::Mobile),
            ("iOS", DeviceClass::Mobile),
        ])
        .unwrap();
    let row = EventRow {
        page_load: random.u64(1..),
        visitor: random.u64(..),
        browser,
        browser_version,
        os,
        device,
        path: random.choice(["/", "/", "/prices", "/doctors", "/booking"]).unwrap(),
        // Nearly all visitors are of one country.
        country: if random.u8(..50) == 0 { "DE" } else { "RU" },
        network: random.choice(["Rostelecom", "Rostelecom", "MTS", "MegaFon"]).unwrap(),
        release: "1.0",
        ..EventRow::default()
    };
    Case { row, day, error: 0.01, slow: 0.2 }
}

/// Adds the traffic of a site; `growth` is how many times as many views a day of the period has.
fn add(rows: &mut Rows, site: &'static str, seed: u64, growth: usize, plant: Plant) {
    let mut random = Rng::with_seed(seed);
    for (day, date) in DAYS.into_iter().enumerate() {
        let midnight = moment(&format!("{date} 00:00:00"));
        for _ in 0..VIEWS * if day < FIRST { 1 } else { growth } {
            let mut case = case(&mut random, day);
            plant(&mut case);
            let time = midnight + random.i64(0..86_000) * 1_000;
            let what = |kind| EventRow {
                kind,
                site,
                page_load: case.row.page_load,
                path: case.row.path,
                release: case.row.release,
                ..EventRow::default()
            };
            rows.at(time, &case.row, what(EventKind::View));
            if random.f64() < case.error {
                for _ in 0..random.usize(1..4) {
                    rows.at(
                        time,
                        &case.row,
                        EventRow { error_message: UniqueText("x"), ..what(EventKind::Error) },
                    );
                }
            }
            let is_slow = random.f64() < case.slow;
            let vitals = EventRow {
                lcp_ms: Some(if is_slow { 2_501 } else { 2_500 }),
                inp_ms: Some(if is_slow { 201 } else { 200 }),
                cls: Some(if is_slow { 0.101 } else { 0.1 }),
                ttfb_ms: Some(if is_slow { 801 } else { 800 }),
                ..what(EventKind::Vitals)
            };
            rows.at(time, &case.row, vitals);
        }
    }
}

/// Site, what it plants, the measure, and the value that carries the rise: dimension, value, detail.
const PLANTED: [(&str, Plant, &str, [&str; 3]); 9] = [
    (
        "version",
        |case| {
            if case.is_now() && case.row.browser_version == "17" {
                case.error = 0.1
            }
        },
        "errors",
        ["browser_version", "Safari", "17"],
    ),
    (
        "browser",
        |case| {
            if case.is_now() && case.row.browser == "Safari" {
                case.error = 0.1
            }
        },
        "errors",
        ["browser", "Safari", ""],
    ),
    (
        "page",
        |case| {
            if case.is_now() && case.row.path == "/prices" {
                case.slow = 0.6
            }
        },
        "lcp",
        ["page", "/prices", ""],
    ),
    (
        "system",
        |case| {
            if case.is_now() && case.row.os == "iOS" {
                case.slow = 0.5
            }
        },
        "inp",
        ["os", "iOS", ""],
    ),
    (
        "device",
        |case| {
            if case.is_now() && case.row.device == DeviceClass::Desktop {
                case.slow = 0.4
            }
        },
        "cls",
        ["device", "desktop", ""],
    ),
    (
        "network",
        |case| {
            if case.is_now() && case.row.network == "MTS" {
                case.slow = 0.5
            }
        },
        "ttfb",
        ["network", "MTS", ""],
    ),
    (
        "country",
        |case| {
            if case.is_now() && case.row.country == "DE" {
                case.error = 0.8
            }
        },
        "errors",
        ["country", "DE", ""],
    ),
    // Published on the second day.
    (
        "release",
        |case| {
            if case.day > FIRST {
                (case.row.release, case.error) = ("1.1", 0.05)
            }
        },
        "errors",
        ["release", "1.1", ""],
    ),
    // Published with the period, so that it has all cases of it and none of those before.
    (
        "whole",
        |case| {
            if case.is_now() {
                (case.row.release, case.error) = ("1.1", 0.05)
            }
        },
        "errors",
        ["release", "1.1", ""],
    ),
];

/// Sites without a value that carries a rise: what each plants, and the growth of its traffic.
const WITHOUT_RISE: [(&str, Plant, usize); 7] = [
    ("noise-1", |_| (), 1),
    ("noise-2", |_| (), 1),
    ("noise-3", |_| (), 1),
    ("more", |_| (), 3),
    (
        "better",
        |case| {
            if case.is_now() {
                (case.error, case.slow) = (0.002, 0.1)
            }
        },
        1,
    ),
    // A browser that was as bad before.
    (
        "always",
        |case| {
            if case.row.browser == "Firefox" {
                (case.error, case.slow) = (0.2, 0.7)
            }
        },
        1,
    ),
    // One visitor whose browser fails on every page.
    (
        "one",
        |case| {
            if case.is_now() && case.row.page_load.is_multiple_of(40) {
                (case.row.visitor, case.error) = (7, 1.0)
            }
        },
        1,
    ),
];

const MEASURES: [&str; 5] = ["errors", "lcp", "inp", "cls", "ttfb"];

async fn store() -> Site {
    let mut rows = Rows::default();
    for (seed, (site, plant, ..)) in (0..).zip(PLANTED) {
        add(&mut rows, site, seed, 1, plant);
    }
    for (seed, (site, plant, growth)) in (100..).zip(WITHOUT_RISE) {
        add(&mut rows, site, seed, growth, plant);
    }
    add(&mut rows, "all", 200, 1, |case| {
        if case.is_now() {
            (case.error, case.slow) = (0.03, 0.3)
        }
    });
    Site::with(&rows.bytes).await
}

fn number(row: &[Value], column: usize) -> f64 {
    row[column].as_f64().unwrap_or_else(|| panic!("column {column} of {row:?}"))
}

#[tokio::test]
async fn a_planted_cause_is_found_and_traffic_without_a_rise_has_none() {
    let site = store().await;
    for (name, _, by, cause) in PLANTED {
        let rows = site.rows("diagnosis", &[&format!("site={name}"), &format!("by={by}")]).await;
        let found = json!(rows);
        let [all, first, ..] = &rows[..] else { panic!("{name}: {found}") };
        assert_eq!(all[0], "all", "{name}: {found}");
        assert_eq!(first[..3], cause.map(Value::from), "{name}: {found}");
        // The value carries about all of the rise, and is worse than the others and than before.
        let carried = number(first, 3);
        assert!((75.0..125.0).contains(&carried), "{name}: {found}");
        assert!(number(first, 8) > number(all, 9) * 1.5, "{name}: {found}");
        assert!(number(first, 12) >= 3.0 && number(first, 11) >= 3.0, "{name}: {found}");
        assert!(
            rows[1..].iter().all(|row| row[1] != "RU"),
            "{name}: a country of nearly all visitors: {found}"
        );
        if name != "whole" {
            assert!(number(first, 10) > 1.5, "{name}: {found}");
        }
    }
    for (name, ..) in WITHOUT_RISE {
        for by in MEASURES {
            let answer = site.answer("diagnosis", &[&format!("site={name}"), &format!("by={by}")]).await;
            assert!(answer.rows.is_empty(), "{name} by {by}: {:?}", answer.rows);
            assert!(answer.notes[0].to_string().starts_with("no rise"), "{:?}", answer.notes);
        }
    }
    for by in MEASURES {
        let rows = site.rows("diagnosis", &["site=all", &format!("by={by}")]).await;
        assert_eq!(rows.len(), 1, "a rise that all values share alike, by {by}: {rows:?}");
        assert_eq!((number(&rows[0], 3), number(&rows[0], 4)), (100.0, 100.0), "{rows:?}");
    }
}

#[tokio::test]
async fn the_figures_of_a_diagnosis_are_those_of_the_events() {
    let mut rows = Rows::default();
    let safari = EventRow { browser: "Safari", browser_version: "17", path: "/", ..EventRow::default() };
    let chrome = EventRow { browser: "Chrome", browser_version: "142", path: "/", ..EventRow::default() };
    let mut add = |date: &str, who: &EventRow<'static>, views: u64, errors: u64| {
        for number in 0..views {
            let page_load = 1 + number + views * 1_000;
            let row = |kind| EventRow { kind, path: "/", page_load, ..EventRow::default() };
            let who = EventRow { visitor: page_load, ..who.clone() };
            let time = moment(&format!("{date} 12:00:00"));
            rows.at(time, &who, row(EventKind::View));
            if number < errors {
                rows.at(time, &who, row(EventKind::Error));
                rows.at(time, &who, row(EventKind::Error));
            }
        }
    };
    add("2026-10-22", &safari, 200, 2);
    add("2026-10-22", &chrome, 600, 6);
    add("2026-10-25", &safari, 400, 44);
    add("2026-10-25", &chrome, 1_200, 12);
    let site = Site::with(&rows.bytes).await;
    let rows = site.rows("diagnosis", &[]).await;
    // Before, 8 of 800 views were bad: 16 of 1,600 are expected, and there are 56. Of Safari's 400, 4 are expected.
    let expected = json!([
        ["all", "", "", 100, 100, 40, 56, 1600, 3.5, 1, null, 56, 3.6],
        ["browser", "Safari", "", 100, 25, 40, 44, 400, 11, 1, 11, 44, 4.3],
        ["browser_version", "Safari", "17", 100, 25, 40, 44, 400, 11, 1, 11, 44, 4.3]
    ]);
    assert_eq!(json!(rows), expected);

    let html =
        super::pages::page::page(&site, "/sites/clinic/diagnostics?from=2026-10-24&to=2026-10-26").await;
    let html = html.replace("&#38;", "&");
    for link in [
        "/sites/clinic/reports/errors?from=2026-10-24&to=2026-10-26\">all",
        "/sites/clinic/diagnostics?from=2026-10-24&to=2026-10-26&filter=browser%3DSafari\">Safari",
        "&filter=browser%3DSafari&filter=browser_version%3D17\">Safari",
    ] {
        assert!(html.contains(link), "{link} in {html}");
    }
}
