//! Today is a table: it is computed while reports are requested, and replaced as a whole.

use std::time::{Duration, Instant};

use footfall::access::Principal;
use footfall::event::EventRow;
use footfall::operator::respond_with_reports;
use footfall::store::RowFormat;
use http_body_util::BodyExt;
use hyper::Request;
use jiff::{Timestamp, ToSpan};
use serde_json::{Value, json};

use super::Site;
use super::data::{self, Rows, person, view};

/// A view a minute ago, or at the beginning of the day if that was yesterday.
fn view_now(rows: &mut Rows, visitor: u64) {
    let now = Timestamp::now();
    let midnight = now.in_tz(data::ZONE).unwrap().start_of_day().unwrap().timestamp();
    let time = (now - 1.minute()).max(midnight);
    rows.at(time.as_millisecond(), &EventRow { visitor, ..person('A', 24) }, view("/"));
}

async fn views_of_today(site: &Site) -> (Value, Option<Timestamp>) {
    let answer = site.answer("overview", &["from=today", "to=today"]).await;
    (answer.rows[0][4].clone(), answer.today)
}

async fn insert(site: &Site, rows: &Rows, token: &str) {
    let columns = footfall::event::COLUMNS.join(", ");
    let mut insert = site.client.insert("events", &columns, RowFormat::RowBinary, token);
    insert.send(rows.bytes.clone().into()).await.unwrap();
    insert.end().await.unwrap();
}

#[tokio::test]
async fn the_first_report_waits_for_today_and_later_ones_follow_it() {
    let mut site = Site::with(&[]).await;
    site.reports = site.reports.clone().with_open_days(site.open_days());
    let mut rows = Rows::default();
    view_now(&mut rows, 1);
    insert(&site, &rows, "first").await;
    let before = Timestamp::now();
    let (views, computed) = views_of_today(&site).await;
    assert_eq!(views, json!(1), "the first report waits");
    assert!((before..=Timestamp::now()).contains(&computed.unwrap()));

    view_now(&mut rows, 2);
    insert(&site, &rows, "second").await;
    let began = Instant::now();
    let mut age = Duration::ZERO;
    loop {
        let asked = Timestamp::now();
        let (views, computed) = views_of_today(&site).await;
        age = age.max((asked - computed.unwrap()).try_into().unwrap_or_default());
        if views == json!(3) {
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "today never shows the second event");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    println!("oldest figures of today: {age:?}");
    let answer = site.answer("pages", &["from=today", "to=today"]).await;
    assert!(
        answer.notes.iter().any(|note| matches!(note, footfall::report::Note::TodayIsOld { .. })),
        "{:?}",
        answer.notes
    );
    let found = answer.json();
    assert!(found["today"]["age_s"].as_u64().unwrap() < 60, "{found}");
    // A period without today says nothing of it.
    let answer = site.answer("pages", &["from=2026-10-24", "to=2026-10-25"]).await;
    assert_eq!((answer.today, &answer.json()["today"]), (None, &Value::Null));
    assert!(!answer.notes.iter().any(|note| note.to_string().contains("today")), "{:?}", answer.notes);
}

#[tokio::test]
async fn a_day_is_computed_again_only_when_its_events_changed() {
    let site = Site::with(&[]).await;
    let mut rows = Rows::default();
    view_now(&mut rows, 1);
    insert(&site, &rows, "first").await;
    let today = Timestamp::now().in_tz(data::ZONE).unwrap().date();
    assert_eq!(site.open_days().compute(Timestamp::now()).await.unwrap(), [today]);
    assert_eq!(site.open_days().compute(Timestamp::now()).await.unwrap(), []);
    view_now(&mut rows, 2);
    insert(&site, &rows, "second").await;
    assert_eq!(site.open_days().compute(Timestamp::now()).await.unwrap(), [today]);
    assert_eq!(views_of_today(&site).await.0, json!(3));
    // Rows that go away count, too, up to the last.
    site.client.query("DELETE FROM events WHERE visitor = 1").execute().await.unwrap();
    assert_eq!(site.open_days().compute(Timestamp::now()).await.unwrap(), [today]);
    assert_eq!(views_of_today(&site).await.0, json!(1));
    site.client.query("DELETE FROM events WHERE true").execute().await.unwrap();
    assert_eq!(site.open_days().compute(Timestamp::now()).await.unwrap(), [today]);
    assert_eq!(views_of_today(&site).await.0, json!(0));
}

#[tokio::test]
async fn a_day_whose_events_are_all_erased_shows_nothing_after_it_closes() {
    let site = Site::small().await;
    site.client.query("DELETE FROM events WHERE true").execute().await.unwrap();
    let closed = site.close("2026-10-26T12:00:00Z").await;
    assert!(closed.contains(&"2026-10-24".to_owned()), "{closed:?}");
    assert_eq!(site.close("2026-10-26T12:00:00Z").await, Vec::<String>::new(), "it is closed once");
    for table in ["visits", "daily"] {
        let rows = format!("SELECT count() FROM {table} WHERE day <= '2026-10-25'");
        assert_eq!(site.client.query(&rows).fetch_one::<u64>().await.unwrap(), 0, "{table}");
    }
}

#[tokio::test]
async fn a_day_that_is_over_and_not_closed_follows_its_events() {
    let site = Site::with(&[]).await;
    let mut rows = Rows::default();
    rows.add("2026-10-24 10:00:00", &person('A', 24), view("/"));
    insert(&site, &rows, "late").await;
    let noon = "2026-10-25T12:00:00Z".parse().unwrap();
    let day: jiff::civil::Date = "2026-10-24".parse().unwrap();
    assert_eq!(site.open_days().compute(noon).await.unwrap(), [day]);
    assert_eq!(site.rows("overview", &[]).await[0][4], json!(1));
    assert_eq!(site.close("2026-10-25T12:00:00Z").await, ["2026-10-24"]);
    rows.add("2026-10-24 11:00:00", &person('A', 24), view("/"));
    insert(&site, &rows, "later").await;
    assert_eq!(site.open_days().compute(noon).await.unwrap(), [], "closing is for closed days");
    // The clock was ahead, and is set back into the day.
    let within = "2026-10-24T12:00:00Z".parse().unwrap();
    assert_eq!(site.open_days().compute(within).await.unwrap(), [day]);
    // The first view was inserted twice.
    assert_eq!(site.rows("overview", &[]).await[0][4], json!(3));
}

#[tokio::test]
async fn a_clock_that_is_set_back_does_not_bring_old_figures_back() {
    let site = Site::with(&[]).await;
    let mut rows = Rows::default();
    view_now(&mut rows, 1);
    insert(&site, &rows, "first").await;
    site.open_days().compute(Timestamp::now()).await.unwrap();
    // As if the computation had begun a day from now.
    for table in ["days", "visits_stored", "daily_stored"] {
        let sql = format!(
            "INSERT INTO {table} SELECT * REPLACE (generation + 86400000 * pow(2, 20) AS generation) FROM {table}"
        );
        site.client.query(&sql).execute().await.unwrap();
    }
    assert_eq!(views_of_today(&site).await.0, json!(1));
    view_now(&mut rows, 2);
    insert(&site, &rows, "second").await;
    site.open_days().compute(Timestamp::now()).await.unwrap();
    assert_eq!(views_of_today(&site).await.0, json!(3));
}

#[tokio::test]
async fn generations_that_are_no_longer_in_force_are_deleted_and_leave_no_partition() {
    let site = Site::small().await;
    site.close("2026-10-26T12:00:00Z").await;
    let parts =
        "SELECT count() FROM system.parts WHERE active AND table = 'daily_stored' AND partition LIKE '%,0)'";
    assert_eq!(site.process.store.rows(parts), ["1"], "closed days of the month are one part");
    let figures = async || {
        let mut found = Vec::new();
        for table in ["visits_stored", "daily_stored", "visits", "daily"] {
            let sql = format!("SELECT count() FROM {table}");
            found.push(site.client.query(&sql).fetch_one::<u64>().await.unwrap());
        }
        found
    };
    // The generations that closing replaced a moment ago stay: readers may have looked them up.
    let before = figures().await;
    assert!(before[0] > before[2] && before[1] > before[3], "{before:?}");
    for table in ["visits_stored", "daily_stored"] {
        // As if all had been computed an hour ago and two hours ago, too.
        let sql = format!(
            "INSERT INTO {table} SELECT * REPLACE (generation - hours * 3600000 * pow(2, 20) AS generation) \
             FROM {table} ARRAY JOIN [1, 2] AS hours"
        );
        site.client.query(&sql).execute().await.unwrap();
    }
    site.close("2026-10-26T12:00:00Z").await;
    let after = figures().await;
    assert_eq!(after[2..], before[2..], "those in force stay");
    // That which was closed an hour ago was replaced by the open one a moment ago.
    let generations = "SELECT max(generations) FROM (SELECT uniqExact(generation) AS generations FROM daily_stored GROUP BY day)";
    assert_eq!(site.client.query(generations).fetch_one::<u64>().await.unwrap(), 3);
}

/// Each event is another visitor's, so visits, visitors and views of a generation are equal; a mixture of generations would show more.
#[tokio::test]
async fn readers_never_see_a_part_of_a_computation() {
    let site = Site::with(&[]).await;
    let mut rows = Rows::default();
    view_now(&mut rows, 1);
    insert(&site, &rows, "0").await;
    site.open_days().compute(Timestamp::now()).await.unwrap();
    let writer = async {
        for round in 1..12_u64 {
            for visitor in 0..50 {
                view_now(&mut rows, round * 1_000 + visitor);
            }
            insert(&site, &rows, &round.to_string()).await;
            site.open_days().compute(Timestamp::now()).await.unwrap();
        }
    };
    tokio::pin!(writer);
    let (mut read, mut seen) = (0, std::collections::BTreeSet::new());
    loop {
        let reader = async {
            let sql = "SELECT sumIf(visits, dimension = 'total'), sumIf(visits, dimension = 'browser') FROM daily WHERE day >= today() - 2";
            site.client.query(sql).fetch_one::<(u64, u64)>().await.unwrap()
        };
        tokio::select! {
            () = &mut writer => break,
            (total, browsers) = reader => {
                assert_eq!(total, browsers);
                read += 1;
                seen.insert(total);
            }
        }
    }
    assert!(read > 20 && seen.len() > 3, "{read} reads saw {seen:?}");
    // Visitors of round n: 1 and 50 a round.
    assert!(seen.iter().all(|visits| (visits - 1) % 50 == 0), "{seen:?}");
}

async fn get(site: &Site, uri: &str) -> (u16, Value) {
    let request = Request::builder().uri(uri).body(()).unwrap();
    let response = respond_with_reports(&site.reports, None, request, &Principal::Local).await;
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap())
}

#[tokio::test]
async fn several_reports_of_one_request_say_what_each_says_alone() {
    let site = Site::small().await;
    let names: Vec<&str> = footfall::report::catalogue::all().iter().map(|report| report.name).collect();
    let names: Vec<&str> = names.into_iter().filter(|name| *name != "realtime").collect();
    for more in ["", "&filter=country%3DRU", "&filter=path~%2F&bots=1", "&limit=2"] {
        let period = format!("site=clinic&from=2026-10-24&to=2026-10-26{more}");
        let (status, all) = get(&site, &format!("/api/reports?names={}&{period}", names.join(","))).await;
        assert_eq!(status, 200, "{all}");
        assert_eq!(all["reports"].as_array().unwrap().len(), names.len());
        for (name, answer) in names.iter().zip(all["reports"].as_array().unwrap()) {
            assert_eq!(answer["report"], *name);
            let report = footfall::report::catalogue::find(name).unwrap();
            let mut period = period.clone();
            for (parameter, given) in [("bots", "&bots=1"), ("limit", "&limit=2")] {
                if !report.takes(parameter) {
                    period = period.replace(given, "");
                }
            }
            let (status, alone) = get(&site, &format!("/api/reports/{name}?{period}")).await;
            assert_eq!(status, 200, "{alone}");
            for part in ["rows", "notes", "columns", "filters", "bots"] {
                assert_eq!(answer[part], alone[part], "{name} {more} {part}");
            }
        }
    }
    for (query, status, what) in [
        ("names=pages,pagez", 404, "did you mean pages?"),
        ("names=", 404, "no report"),
        ("site=clinic", 400, "`names` names from 1 to 64 reports"),
        ("names=pages,countries,pages", 400, "report \"pages\" is named twice"),
        ("names=pages,countries&limit=60000", 400, "at most 100000"),
        ("names=pages&by=hour", 400, "unknown parameter \"by\""),
        ("names=pages,countries&filter=contry%3DRU", 400, "contry"),
    ] {
        let (found, answer) = get(&site, &format!("/api/reports?{query}")).await;
        assert_eq!(found, status, "{query} {answer}");
        assert!(answer["error"].as_str().unwrap().contains(what), "{query} {answer}");
    }
}
