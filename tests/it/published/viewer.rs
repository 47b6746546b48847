//! What a viewer may ask of the API, and that no answer of it has an exact figure.

use footfall::access::{Principal, Role};
use jiff::civil::{Date, date};

use super::{Person, SITE, World, principal};

const DAY: Date = date(2026, 10, 1);
const PERIOD: &str = "site=clinic&from=2026-10-01&to=2026-10-01";

async fn world() -> World {
    let world = World::new().await;
    let people: Vec<Person> = (0..300)
        .map(|number| Person {
            country: if number % 3 == 0 { "KZ" } else { "RU" },
            ..Person::common(1_000 + number).reading(if number % 2 == 0 { &["/", "/a"] } else { &["/b"] })
        })
        .collect();
    world.insert(SITE, DAY, &people).await;
    world.close().await;
    world
}

#[tokio::test]
async fn a_viewer_reads_published_figures_and_is_told_so() {
    let world = world().await;
    for path in [
        "overview?",
        "timeseries?by=day&",
        "pages?",
        "countries?filter=path%3D/a&",
        "pages?filter=country%3DKZ&",
    ] {
        let (status, answer) = world.viewer(&format!("/api/reports/{path}{PERIOD}")).await;
        assert_eq!(status, 200, "{path}: {answer}");
        assert_eq!(answer["figures"], "published", "{path}");
        assert!(!answer["rows"].as_array().unwrap().is_empty(), "{path}: {answer}");
        assert!(answer["notes"][0].as_str().unwrap().starts_with("published figures"), "{path}: {answer}");
        let (_, exact) = world.get(&format!("/api/reports/{path}{PERIOD}"), &principal(Role::Analyst)).await;
        assert_eq!(exact["figures"], "exact", "{path}");
    }
    // The figures of many people are near the exact ones, and not the same.
    let overview = &world.viewer_rows(&format!("/api/reports/overview?{PERIOD}")).await[0];
    assert!(overview["visitors"].as_u64().unwrap().abs_diff(300) <= 32, "{overview}");
    let figures = |row: &serde_json::Value| ["visitors", "visits", "views"].map(|name| row[name].clone());
    let (_, exact) = world.get(&format!("/api/reports/overview?{PERIOD}"), &Principal::Local).await;
    assert_ne!(
        figures(overview),
        figures(&exact["rows"][0]),
        "this fails by chance once in thousands of runs"
    );
    let (status, several) =
        world.viewer(&format!("/api/reports?names=pages,overview,countries&{PERIOD}")).await;
    assert_eq!(status, 200);
    let names: Vec<&str> = several["reports"]
        .as_array()
        .unwrap()
        .iter()
        .map(|report| report["report"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["pages", "overview", "countries"]);
    assert!(several["reports"].as_array().unwrap().iter().all(|report| report["figures"] == "published"));
}

#[tokio::test]
async fn what_a_viewer_may_not_ask_is_refused_with_the_reason() {
    let world = world().await;
    for (path, reason) in [
        ("realtime?site=clinic", "single events or the last minutes"),
        ("props?", "single events or the last minutes"),
        ("hours?", "days are the shortest time"),
        ("scroll?", "single events or the last minutes"),
        ("goals?", "single events or the last minutes"),
        ("goals?goal=Booking&by=channel&", "single events or the last minutes"),
        ("funnel?funnel=Booking&", "single events or the last minutes"),
        ("referring-pages?", "rows of few visitors"),
        ("utm-terms?", "rows of few visitors"),
        ("errors?", "another role"),
        ("ip-addresses?", "another role"),
        ("timeseries?by=hour&", "days are the shortest time"),
        ("pages?bots=1&", "published figures are of people"),
        ("overview?filter=country%3DKZ&filter=browser%3DChrome&", "one filter at most"),
        ("overview?filter=country!%3DKZ&", "a filter is COLUMN=VALUE"),
        ("overview?filter=country%3DKZ%7CRU&", "a filter is COLUMN=VALUE"),
        ("overview?filter=path~/a&", "a filter is COLUMN=VALUE"),
        ("overview?filter=city%3DMoscow&", "a filter is COLUMN=VALUE"),
        ("overview?filter=visitor%3D00000000000003e8&", "a filter is COLUMN=VALUE"),
        ("overview?filter=time%3E%3D2026-10-01T10:00:00Z&", "a filter is COLUMN=VALUE"),
        ("cities?filter=country%3DKZ&", "has no published figures under the filter"),
        ("pages?filter=path%3D/a&", "has no published figures under the filter"),
    ] {
        let period = if path.starts_with("realtime") { "" } else { PERIOD };
        let (status, answer) = world.viewer(&format!("/api/reports/{path}{period}")).await;
        assert_eq!(status, 403, "{path}: {answer}");
        assert!(answer["error"].as_str().unwrap().contains(reason), "{path}: {answer}");
    }
    let (status, answer) = world.viewer("/api/audit").await;
    assert_eq!(status, 403, "{answer}");
    let (_, list) = world.viewer("/api/reports").await;
    let reports = list["reports"].as_array().unwrap();
    assert!(reports.iter().all(|report| report["figures"] == "published" && report["purpose"] == "audience"));
    assert!(!reports.iter().any(|report| ["realtime", "props"].contains(&report["name"].as_str().unwrap())));
    let series = reports.iter().find(|report| report["name"] == "timeseries").unwrap();
    assert_eq!(series["by"], serde_json::json!(["day", "week", "month"]));
    assert!(!series["parameters"].as_array().unwrap().iter().any(|parameter| parameter == "bots"));
}

#[tokio::test]
async fn every_period_of_comparison_is_the_sum_of_its_published_days() {
    let world = world().await;
    let of_the_day = &world.viewer_rows(&format!("/api/reports/overview?{PERIOD}")).await[0];
    for (day, comparison) in [("2026-10-02", "previous"), ("2026-10-08", "weekdays"), ("2027-10-01", "year")]
    {
        let path = format!("overview?site=clinic&from={day}&to={day}&compare={comparison}");
        let compared = &world.viewer_rows(&format!("/api/reports/{path}")).await[0];
        for figure in ["visitors", "visits", "views", "views_per_visit", "bounce_rate"] {
            assert_eq!(compared[format!("{figure}_before")], of_the_day[figure], "{path}: {figure}");
        }
    }
    let (status, answer) = world.viewer(&format!("/api/reports/overview?{PERIOD}&compare=month")).await;
    assert_eq!(status, 400, "{answer}");
}

#[tokio::test]
async fn an_sre_reads_the_audience_as_a_viewer_does_and_diagnostics_exactly() {
    let world = world().await;
    let sre = principal(Role::Sre);
    let (status, answer) = world.get(&format!("/api/reports/pages?{PERIOD}"), &sre).await;
    assert_eq!((status, &answer["figures"]), (200, &"published".into()), "{answer}");
    let (status, answer) = world.get(&format!("/api/reports?names=errors,pages&{PERIOD}"), &sre).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["reports"][0]["figures"], "exact");
    assert_eq!(answer["reports"][1]["figures"], "published");
    for (filter, expected) in [
        ("browser=Firefox", 200),
        ("visitor=00000000000000ff", 403),
        ("address=00000000000000ff", 403),
        ("city=Moscow", 403),
        ("props.doctor=Ivanov", 403),
        ("utm_campaign=spring", 403),
    ] {
        for report in ["errors", "speed", "diagnosis"] {
            let (status, answer) =
                world.get(&format!("/api/reports/{report}?{PERIOD}&filter={filter}"), &sre).await;
            assert_eq!(status, expected, "{report} {filter}: {answer}");
        }
    }
    let (status, _) = world.get(&format!("/api/reports/props?{PERIOD}"), &sre).await;
    assert_eq!(status, 403);
}

#[tokio::test]
async fn a_value_that_is_not_published_answers_like_one_that_does_not_exist() {
    let world = world().await;
    world.insert(SITE, date(2026, 10, 2), &[Person { country: "LU", ..Person::common(1) }]).await;
    world.close().await;
    let ask = async |country: &str| {
        let path = format!(
            "/api/reports/overview?site=clinic&from=2026-10-01&to=2026-10-02&filter=country%3D{country}"
        );
        world.viewer(&path).await.1
    };
    let (lone, none) = (ask("LU").await, ask("ZZ").await);
    assert_eq!(lone["rows"], none["rows"]);
    assert_eq!(lone["notes"].to_string().replace("LU", "ZZ"), none["notes"].to_string());
}

#[tokio::test]
async fn a_sum_over_days_leaves_out_the_days_of_few_for_an_analyst_too() {
    let world = World::new().await;
    // One visitor on each of seven days, among others who do not read the page.
    for day in 1..=7 {
        let day = date(2026, 10, day);
        let mut people: Vec<Person> = (0..30).map(Person::common).collect();
        people.push(Person::common(99).reading(&["/hiv-test"]));
        world.insert(SITE, day, &people).await;
    }
    world.close().await;
    let period = "site=clinic&from=2026-10-01&to=2026-10-07&filter=path%3D/hiv-test";
    for (path, principal) in [
        (format!("overview?{period}"), principal(Role::Analyst)),
        (format!("timeseries?by=month&{period}"), principal(Role::Analyst)),
        (format!("timeseries?by=hour&{period}"), principal(Role::Analyst)),
        (format!("overview?{period}"), Principal::Local),
        (format!("overview?{period}"), self::principal(Role::Viewer)),
        (format!("timeseries?by=month&{period}"), self::principal(Role::Viewer)),
    ] {
        let (status, answer) = world.get(&format!("/api/reports/{path}"), &principal).await;
        assert_eq!(status, 200, "{answer}");
        let rows = answer["rows"].as_array().unwrap();
        let visitors: u64 = rows.iter().filter_map(|row| row["visitors"].as_u64()).sum();
        assert_eq!(visitors, 0, "{path}: {answer}");
    }
    // The preceding period is protected as well.
    let before = "site=clinic&from=2026-10-02&to=2026-10-02&filter=path%3D/hiv-test";
    for role in [Role::Analyst, Role::Viewer] {
        let (_, answer) = world.get(&format!("/api/reports/overview?{before}"), &principal(role)).await;
        let shown =
            answer["rows"].as_array().unwrap().iter().filter_map(|row| row["visitors_before"].as_u64());
        assert_eq!(shown.sum::<u64>(), 0, "{answer}");
    }
}
