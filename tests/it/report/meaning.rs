//! What opens a visit, what shares are shares of, what counts as a click, and which hours there are.

use footfall::event::{EventKind, EventRow};
use footfall::report::catalogue;
use serde_json::{Value, json};

use super::Site;
use super::data::{Rows, ad, person, view, what};

fn texts(rows: &[Vec<Value>], column: usize) -> Vec<&str> {
    rows.iter().map(|row| row[column].as_str().unwrap()).collect()
}

fn sum(rows: &[Vec<Value>], column: usize) -> u64 {
    rows.iter().map(|row| row[column].as_u64().unwrap()).sum()
}

/// Each case is a view at 10:00 and one event later on the same day.
#[tokio::test]
async fn only_what_a_person_does_opens_a_visit() {
    let cases: [(&str, &str, EventRow<'static>, u64, f64); 16] = [
        // What a tab that was left open sends is neither a second visit nor an action.
        ("24", "11:40:00", what(EventKind::Leave, "/", ""), 1, 100.0),
        ("24", "11:40:00", what(EventKind::Vitals, "/", ""), 1, 100.0),
        ("24", "11:40:00", what(EventKind::Error, "/", ""), 1, 100.0),
        ("24", "11:40:00", what(EventKind::Resource, "/", "clinic.example/x.png"), 1, 100.0),
        ("24", "11:40:00", what(EventKind::Missing, "/gone", ""), 1, 100.0),
        ("24", "11:40:00", ad("top", "impression"), 1, 100.0),
        ("24", "11:40:00", ad("top", "viewable"), 1, 100.0),
        ("24", "23:59:59", what(EventKind::Leave, "/", ""), 1, 100.0),
        // On the next day it has a pseudonym without a visit.
        ("25", "00:30:00", what(EventKind::Leave, "/", ""), 1, 100.0),
        ("25", "00:30:00", ad("top", "viewable"), 1, 100.0),
        // What a person does is a visit of its own after a pause, and no bounce of the visit that has it.
        ("24", "11:40:00", view("/doctors"), 2, 100.0),
        ("24", "11:40:00", what(EventKind::Event, "/", "booking"), 2, 50.0),
        ("24", "10:30:01", what(EventKind::Outbound, "/", "https://other.example/"), 2, 50.0),
        ("24", "11:40:00", what(EventKind::Download, "/", "/price.pdf"), 2, 50.0),
        ("24", "11:40:00", ad("top", "click"), 2, 50.0),
        // A pause must be longer than half an hour.
        ("24", "10:30:00", what(EventKind::Event, "/", "booking"), 1, 0.0),
    ];
    let mut rows = Rows::default();
    let names: Vec<String> = (0..cases.len()).map(|case| format!("case{case}")).collect();
    for ((day, time, event, ..), name) in cases.iter().zip(&names) {
        let site: &'static str = name.clone().leak();
        rows.add("2026-10-24 10:00:00", &person('A', 24), EventRow { site, ..view("/") });
        let who = person('A', day.parse().unwrap());
        rows.add(&format!("2026-10-{day} {time}"), &who, EventRow { site, ..event.clone() });
    }
    let site = Site::with(&rows.bytes).await;
    for closed in [false, true] {
        if closed {
            site.close("2026-10-27T12:00:00Z").await;
        }
        for ((day, time, event, visits, bounce_rate), name) in cases.iter().zip(&names) {
            let what = format!("{:?} {} on the {day} at {time}, closed: {closed}", event.kind, event.name);
            let option = format!("site={name}");
            let overview = &site.rows("overview", &[&option]).await[0];
            assert_eq!(overview[2], json!(visits), "visits with {what}");
            assert_eq!(overview[8].as_f64(), Some(*bounce_rate), "bounce rate with {what}");
            let series = site.rows("timeseries", &[&option, "by=hour"]).await;
            assert_eq!(sum(&series, 2), *visits, "visits by the hour with {what}");
        }
    }
}

#[tokio::test]
async fn a_campaign_s_share_is_of_all_visits_and_any_parameter_makes_one() {
    let mut rows = Rows::default();
    let mut visit = |day, hour, event: EventRow<'static>| {
        rows.add(&format!("2026-10-{day} {hour:02}:00:00"), &person('A', day), event);
    };
    for hour in 0..10 {
        visit(24, hour, view("/"));
    }
    visit(25, 10, EventRow { utm_source: "vk", utm_medium: "cpc", utm_campaign: "autumn", ..view("/") });
    visit(25, 12, EventRow { utm_source: "newsletter", ..view("/") });
    visit(25, 14, EventRow { utm_campaign: "autumn", ..view("/") });
    visit(25, 16, EventRow { utm_campaign: "autumn", ..view("/") });
    let site = Site::with(&rows.bytes).await;
    let found = site.rows("campaigns", &[]).await;
    let found: Vec<_> =
        found.iter().map(|row| [row[0].clone(), row[1].clone(), row[3].clone(), row[4].clone()]).collect();
    // Of 14 visits.
    assert_eq!(
        json!(found),
        json!([["autumn", "", 2, 14.29], ["", "newsletter / ", 1, 7.14], ["autumn", "vk / cpc", 1, 7.14]])
    );
}

#[tokio::test]
async fn an_impression_is_clicked_and_viewable_at_most_once() {
    let mut rows = Rows::default();
    let mut add = |day, second, slot, name, page_load| {
        let event = EventRow { page_load, ..ad(slot, name) };
        rows.add(&format!("2026-10-{day} 10:00:{second:02}"), &person('A', day), event);
    };
    // One impression, three clicks.
    for (second, name) in
        [(0, "impression"), (1, "viewable"), (2, "viewable"), (3, "click"), (4, "click"), (5, "click")]
    {
        add(24, second, "top", name, 1_001);
    }
    // Two impressions in a page load, one clicked twice; and an impression in another that is not.
    for (second, name, page_load) in [
        (0, "impression", 1_002),
        (1, "impression", 1_002),
        (2, "click", 1_002),
        (3, "click", 1_002),
        (9, "impression", 1_003),
    ] {
        add(24, second, "side", name, page_load);
    }
    // Clicks whose impression was yesterday, or was lost.
    for (second, page_load) in [(0, 1_004), (1, 1_004), (2, 1_005)] {
        add(25, second, "footer", "click", page_load);
    }
    let site = Site::with(&rows.bytes).await;
    for closed in [false, true] {
        if closed {
            site.close("2026-10-27T12:00:00Z").await;
        }
        for filters in [&[][..], &["filter=country=RU"], &["filter=ad=spring"]] {
            let found = site.rows("ads", filters).await;
            assert_eq!(
                json!(found),
                json!([
                    ["spring", "side", 3, 0, 0, 2, 66.67, 1],
                    ["spring", "top", 1, 1, 100, 1, 100, 1],
                    ["spring", "footer", 0, 0, null, 2, null, 1]
                ]),
                "{filters:?}, closed: {closed}"
            );
        }
        let found = site.rows("ads", &["from=2026-10-25"]).await;
        assert_eq!(json!(found), json!([["spring", "footer", 0, 0, null, 2, null, 1]]), "closed: {closed}");
    }
}

#[tokio::test]
async fn views_mean_the_same_in_every_report() {
    let mut rows = Rows::default();
    let mut add = |time: &str, who: &EventRow<'static>, event: EventRow<'static>| {
        rows.add(&format!("2026-10-24 {time}"), who, event);
    };
    let a = person('A', 24);
    add("10:00:00", &a, view("/"));
    add("10:00:10", &a, view("/doctors"));
    // A visitor whom a referrer makes a bot for one view, in the middle of a visit.
    add("10:00:20", &EventRow { visitor: a.visitor, ..person('S', 24) }, view("/spam"));
    add("10:00:30", &a, view("/prices"));
    add("10:00:40", &person('G', 24), view("/"));
    // Left a page that was opened before midnight.
    add("00:00:10", &person('B', 24), what(EventKind::Leave, "/left", ""));
    let site = Site::with(&rows.bytes).await;
    for closed in [false, true] {
        if closed {
            site.close("2026-10-27T12:00:00Z").await;
        }
        for (options, views) in [
            (&[][..], 3),
            (&["bots=1"], 5),
            (&["filter=browser!=Netscape"], 3),
            (&["filter=bot=referrer spam"], 1),
        ] {
            let of = |rows: Vec<Vec<Value>>, column| sum(&rows, column);
            assert_eq!(of(site.rows("overview", options).await, 4), views, "overview {options:?}");
            assert_eq!(of(site.rows("pages", options).await, 2), views, "pages {options:?}");
            assert_eq!(of(site.rows("timeseries", options).await, 3), views, "timeseries {options:?}");
            let hours = [options, &["by=hour"]].concat();
            assert_eq!(of(site.rows("timeseries", &hours).await, 3), views, "timeseries {hours:?}");
        }
        assert!(!texts(&site.rows("pages", &["bots=1"]).await, 0).contains(&"/left"), "nobody viewed it");
    }
}

#[tokio::test]
async fn percentiles_are_the_same_each_time_and_exact() {
    let site = Site::with(&[]).await;
    let sql = "INSERT INTO events (page_load, time, received, expires, site, kind, path, visitor, lcp_ms, cls) \
               SELECT number, toDateTime('2026-10-24 10:00:00', 'UTC') + number % 3600 AS at, at, '2140-01-01', 'clinic', \
               'vitals', '/', number % 999, cityHash64(number) % 30000 AS lcp, (cityHash64(number, 1) % 500) / 1000 \
               FROM numbers(50000)";
    site.client.query(sql).execute().await.unwrap();
    let first = site.rows("speed", &[]).await;
    for _ in 0..3 {
        assert_eq!(site.rows("speed", &[]).await, first);
    }
    let sql = "SELECT arraySort(groupArray(toFloat64(lcp_ms))) FROM events";
    let sorted = site.client.query(sql).fetch_one::<Vec<f64>>().await.unwrap();
    let rank = |share: f64| sorted[(share * sorted.len() as f64).ceil() as usize - 1];
    let found: Vec<f64> = first[0][4..7].iter().map(|value| value.as_f64().unwrap()).collect();
    assert_eq!(found, [rank(0.5), rank(0.75), rank(0.95)]);
    let units: Vec<_> =
        first.iter().map(|row| (row[1].as_str().unwrap(), row[2].as_str().unwrap())).collect();
    assert_eq!(units, [("LCP", "ms"), ("CLS", "score")]);
}

#[tokio::test]
async fn any_period_within_the_range_has_right_figures() {
    let site = Site::small().await;
    for options in [
        &["from=1998-06-01"][..],
        &["from=1990-01-01", "filter=browser!=Netscape"],
        &["to=2100-01-01"],
        &["from=1970-01-02", "to=2106-02-05"],
        &["from=1970-01-02", "to=2106-02-05", "filter=path!~no-such-page"],
        &["from=2026-10-22", "by=month", "to=2106-02-05"],
    ] {
        let totals = options.iter().filter(|option| !option.starts_with("by=")).copied().collect::<Vec<_>>();
        let expected = if totals.iter().any(|option| option.starts_with("from=")) { 9 } else { 8 };
        let found = site.rows("overview", &totals).await;
        assert_eq!(found[0][2], json!(expected), "{options:?}");
        let found = site.rows("timeseries", options).await;
        assert_eq!(sum(&found, 2), expected, "{options:?}");
        let found = site.rows("countries", &totals).await;
        assert_eq!(sum(&found, 2), expected, "{options:?}");
    }
    for report in catalogue::all().iter().filter(|report| report.takes("from")) {
        for (option, day) in [("from=1970-01-01", "1970-01-01"), ("to=2106-02-06", "2106-02-06")] {
            let error = site.reports.parse(&super::ask(report.name, &[option])).unwrap_err().to_string();
            assert!(error.contains(day) && error.contains("1970-01-02 to 2106-02-05"), "{error}");
        }
    }
}

/// A person reads at 23:50 and 00:05; another one within each day.
#[tokio::test]
async fn a_day_has_the_same_figures_whatever_period_it_is_part_of() {
    let mut rows = Rows::default();
    for (day, time, path, who) in [
        ("23", "23:50:00", "/", 'A'),
        ("24", "00:05:00", "/thanks", 'A'),
        ("24", "12:00:00", "/thanks", 'B'),
        ("24", "23:59:59", "/", 'B'),
        ("25", "00:00:01", "/thanks", 'B'),
        ("25", "00:31:00", "/", 'B'),
    ] {
        rows.add(&format!("2026-10-{day} {time}"), &person(who, day.parse().unwrap()), view(path));
    }
    let site = Site::with(&rows.bytes).await;
    for closed in [false, true] {
        if closed {
            site.close("2026-10-27T12:00:00Z").await;
        }
        for filter in
            ["filter=path=/thanks", "filter=entry_path=/thanks", "filter=path!=/thanks", "filter=path~/"]
        {
            let mut of_days = Vec::new();
            for day in ["23", "24", "25"] {
                let (from, to) = (format!("from=2026-10-{day}"), format!("to=2026-10-{day}"));
                of_days.push(sum(&site.rows("timeseries", &[&from, &to, filter]).await, 2));
            }
            for (first, last) in [(0, 1), (1, 2), (0, 2)] {
                let (from, to) =
                    (format!("from=2026-10-{}", first + 23), format!("to=2026-10-{}", last + 23));
                let series = site.rows("timeseries", &[&from, &to, "by=day", filter]).await;
                let found: Vec<u64> = series.iter().map(|row| row[2].as_u64().unwrap()).collect();
                assert_eq!(found, of_days[first..=last], "{filter} {from} {to}, closed: {closed}");
                let overview = site.rows("overview", &[&from, &to, filter]).await;
                assert_eq!(overview[0][2], json!(found.iter().sum::<u64>()), "{filter} {from} {to}");
            }
        }
        // A filter on events keeps the visits of the visitors who did them on that day.
        let thanks =
            site.rows("overview", &["from=2026-10-23", "to=2026-10-25", "filter=path=/thanks"]).await;
        assert_eq!(thanks[0][2], json!(5), "one of A, which ends at midnight, and all of B");
    }
}

#[tokio::test]
async fn hours_are_whole_hours_in_every_zone() {
    // Zone, day, hours of that day, labels that it has, labels that it lacks.
    let cases = [
        // Clocks go forward by half an hour at 2:00 on the first Sunday in October, and back at 2:00 on the first in April.
        (
            "Australia/Lord_Howe",
            "2026-10-04",
            24,
            vec!["2026-10-04 01:00 +1030", "2026-10-04 02:00 +1100"],
            vec![":30 "],
        ),
        (
            "Australia/Lord_Howe",
            "2026-04-05",
            25,
            vec!["2026-04-05 01:00 +1100", "2026-04-05 01:00 +1030"],
            vec![":30 "],
        ),
        ("Asia/Kolkata", "2026-10-25", 24, vec!["2026-10-25 00:00 +0530"], vec![":30 "]),
        ("Asia/Kathmandu", "2026-10-25", 24, vec!["2026-10-25 23:00 +0545"], vec![":45 "]),
        ("Europe/Berlin", "2026-10-25", 25, vec!["2026-10-25 02:00 +0200", "2026-10-25 02:00 +0100"], vec![]),
        (
            "America/New_York",
            "2026-03-08",
            23,
            vec!["2026-03-08 01:00 -0500", "2026-03-08 03:00 -0400"],
            vec![" 02:00"],
        ),
        (
            "America/St_Johns",
            "2026-11-01",
            25,
            vec!["2026-11-01 01:00 -0230", "2026-11-01 01:00 -0330"],
            vec![":30 "],
        ),
    ];
    for (zone, day, hours, has, lacks) in cases {
        let mut rows = Rows::default();
        let start = day.parse::<jiff::civil::Date>().unwrap().in_tz(zone).unwrap();
        let end = start.tomorrow().unwrap();
        let (start, end) = (start.timestamp().as_millisecond(), end.timestamp().as_millisecond());
        for minute in 0..(end - start) / 60_000 {
            rows.at(start + minute * 60_000 + 1_000, &person('A', 24), view("/"));
        }
        let site = Site::in_zone(zone, &rows.bytes).await;
        let (from, to) = (format!("from={day}"), format!("to={day}"));
        let found = site.rows("timeseries", &[&from, &to, "by=hour"]).await;
        let labels = texts(&found, 0);
        assert_eq!(labels.len(), hours, "{zone} {labels:?}");
        assert!(has.iter().all(|label| labels.contains(label)), "{zone} {labels:?}");
        assert!(
            !lacks.iter().any(|part| labels.iter().any(|label| label.contains(part))),
            "{zone} {labels:?}"
        );
        assert!(labels.iter().all(|label| label.starts_with(day)), "{zone} {labels:?}");
        assert_eq!(sum(&found, 3) as i64, (end - start) / 60_000, "{zone}");
        // The hours at which clocks change by half an hour have 30 views, all others 60.
        assert!(found.iter().all(|row| [30, 60].contains(&row[3].as_u64().unwrap())), "{zone} {found:?}");
    }
}

#[tokio::test]
async fn a_series_ends_now() {
    let site = Site::small().await;
    let now = jiff::Timestamp::now().in_tz(super::data::ZONE).unwrap();
    let found = site.rows("timeseries", &["from=today", "to=today", "by=hour"]).await;
    let hours = now.since(&now.start_of_day().unwrap()).unwrap().get_hours() as usize + 1;
    // It may have turned meanwhile.
    assert!((hours..=hours + 1).contains(&found.len()), "{hours} hours: {found:?}");
    for (options, rows) in [
        (&["from=today", "to=2100-01-01"][..], 1),
        (&["from=yesterday", "to=2100-01-01", "by=hour"], 24 + hours),
        (&["from=2100-01-01", "to=2100-01-01", "by=hour"], 0),
        (&["from=2100-01-01", "to=2100-02-01", "by=week"], 0),
        (&["from=2100-01-01", "to=2100-02-01"], 0),
    ] {
        let found = site.rows("timeseries", options).await.len();
        // A day may have 23 or 25 hours.
        assert!((rows..=rows + 1).contains(&found) || found + 1 == rows, "{options:?}: {found}, not {rows}");
    }
}

/// What an empty answer says besides.
#[tokio::test]
async fn an_empty_answer_says_what_may_be_meant() {
    let site = Site::small().await;
    site.insert(&super::data::bots()).await;
    for (options, hint) in [
        (&["filter=browser=chrome"][..], "did you mean browser=Chrome instead of browser=chrome?"),
        (&["filter=country=ru"], "did you mean country=RU "),
        (&["filter=city=moskow"], "did you mean city=Moscow "),
        (&["filter=source=google"], "did you mean source=Google "),
        (&["filter=path=/doctor"], "did you mean path=/doctors "),
        (&["filter=props.doctor=ivanov"], "did you mean props.doctor=Ivanov "),
        (&["filter=path=/for-bots"], "views of bots are left out"),
        (&["from=2026-10-26", "filter=browser=Googlebot"], "views of bots are left out"),
    ] {
        for report in ["pages", "overview", "browsers"] {
            let answer = site.answer(report, options).await;
            assert!(
                answer.notes.iter().any(|note| note.to_string().contains(hint)),
                "{report} {options:?}: {:?}",
                answer.notes
            );
        }
    }
    let answer = site.answer("pages", &["filter=browser=Chrome", "filter=country=DE"]).await;
    assert_eq!((answer.rows.len(), answer.notes.len()), (0, 0), "{:?}", answer.notes);
    // What fewer visitors have is not named.
    let reports = site.reports.clone().with_k(2);
    let request = reports.parse(&super::ask("pages", &["filter=city=berlyn"])).unwrap();
    let answer = reports.run(request).await.unwrap();
    assert!(answer.notes.is_empty(), "{:?}", answer.notes);
}
