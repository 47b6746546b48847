//! What a viewer learns by SQL besides published figures: from summaries, plans and errors. It must be nothing.

use footfall::event::{COLUMNS, EventKind, EventRow, UnixDay, UnixSeconds};
use footfall::store::RowFormat;
use footfall::store::days::{DayCloser, NoiseKey, Publisher};
use footfall::store::schema;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::{Running, store};
use crate::common::store::{ANALYST_OF_SHOP, VIEWER_OF_SHOP};

const VIEWER: &str = "user=footfall_viewer&database=footfall";

/// A store with the same day of each site. With a reader, one visitor more read a page that nobody else read, and another one came to a site that
/// nobody else came to.
async fn with_days(sites: &[&str], has_reader: bool) -> Running {
    let store = tokio::task::spawn_blocking(store).await.unwrap();
    let client = store.collector();
    schema::migrate(&client, &TimeZone::UTC).await.unwrap();
    let small: &[(&str, u64)] = if has_reader { &[("small", 1)] } else { &[] };
    for (site, visitors) in sites.iter().map(|site| (*site, 100)).chain(small.iter().copied()) {
        let mut insert = client.insert("events", &COLUMNS.join(", "), RowFormat::RowBinary, site);
        insert.send(day(site, visitors, has_reader).into()).await.unwrap();
        insert.end().await.unwrap();
    }
    let key = store.directory.path().join("noise.key");
    let publisher = Publisher::new(NoiseKey::open_file(&key).unwrap(), 5);
    let closer = DayCloser::new(client, TimeZone::UTC).unwrap().with_publisher(Some(publisher));
    closer.close_due("2026-10-02T12:00:00Z".parse().unwrap()).await.unwrap();
    store
}

/// The rows of a site's day.
fn day(site: &str, visitors: u64, has_reader: bool) -> Vec<u8> {
    let noon = "2026-10-01T12:00:00Z".parse::<Timestamp>().unwrap().as_millisecond();
    let mut bytes = Vec::new();
    for visitor in 0..visitors {
        let paths: &[&str] = if visitor == 7 && has_reader { &["/", "/hiv-test"] } else { &["/", "/a"] };
        for (number, path) in paths.iter().enumerate() {
            let row = EventRow {
                page_load: visitor * 10 + number as u64 + 1,
                time: UnixSeconds::from_millis(noon),
                received: UnixSeconds::from_millis(noon),
                expires: UnixDay(60_000),
                site,
                host: "clinic.example",
                path,
                kind: EventKind::View,
                visitor: visitor + 1,
                country: if visitor == 7 { "LU" } else { "RU" },
                ..EventRow::default()
            };
            row.encode(&mut bytes);
        }
    }
    bytes
}

/// What the store says besides the rows: how many it read.
fn summary(store: &Running, sql: &str) -> String {
    let answer = store.ask(VIEWER, sql);
    assert_eq!(answer.status, 200, "{sql}: {}", answer.text());
    let summary = answer.header("x-clickhouse-summary").unwrap().to_owned();
    let read: serde_json::Value = serde_json::from_str(&summary).unwrap();
    format!("{} {}", read["read_rows"], read["read_bytes"])
}

#[tokio::test]
async fn summaries_plans_and_errors_of_a_viewer_are_about_published_rows_alone() {
    let (with, without) = (with_days(&["clinic"], true).await, with_days(&["clinic"], false).await);
    tokio::task::spawn_blocking(move || {
        let published = "SELECT count() > 0 FROM daily_published WHERE value = '/a'";
        assert_eq!(with.text_with(VIEWER, published), "1\n");
        let number = |store: &Running| store.text("SELECT count() FROM footfall.daily_published_stored");
        assert_eq!(number(&with), number(&without), "the public is the same");
        for sql in [
            "SELECT count() FROM daily_published",
            "SELECT * FROM daily_published WHERE value = '/hiv-test' FORMAT Null",
            "SELECT * FROM daily_published WHERE filter = 'country' AND filter_value = 'LU' FORMAT Null",
            "SELECT uniqExact(value) FROM daily_published WHERE dimension = 'page' FORMAT Null",
            "EXPLAIN SELECT * FROM daily_published",
            "EXPLAIN indexes = 1 SELECT * FROM daily_published WHERE site = 'clinic'",
            "EXPLAIN PIPELINE SELECT * FROM daily_published",
        ] {
            let rows = |store: &Running| summary(store, sql).split(' ').next().unwrap().to_owned();
            assert_eq!(rows(&with), rows(&without), "{sql}");
        }
        let plan =
            |store: &Running| store.text_with(VIEWER, "EXPLAIN indexes = 1 SELECT * FROM daily_published");
        for table in ["events", "visits", "daily_stored", "days"] {
            assert!(!plan(&with).contains(&format!("footfall.{table}")), "{}", plan(&with));
        }
        // An error can quote a value that the statement meets: it meets published ones alone.
        for sql in [
            "SELECT toUInt64(value) FROM daily_published",
            "SELECT throwIf(value = '/hiv-test', 'found') FROM daily_published",
            "SELECT value FROM daily_published ORDER BY throwIf(visitors < 5)",
        ] {
            let text = |store: &Running| store.ask(VIEWER, sql).text();
            assert!(!text(&with).contains("hiv"), "{}", text(&with).replace(sql, ""));
            assert_eq!(with.ask(VIEWER, sql).status, without.ask(VIEWER, sql).status, "{sql}");
        }
        drop((with, without));
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_viewer_and_an_analyst_of_one_site_learn_nothing_of_another() {
    let store = with_days(&["clinic", "shop"], false).await;
    tokio::task::spawn_blocking(move || {
        let access = include_str!("../../../docs/operations/access.md");
        let view = access.split_once("CREATE VIEW ").unwrap().1.split_once(';').unwrap().0;
        store.text(format!("CREATE VIEW {view}"));
        for (user, tables) in [
            (VIEWER_OF_SHOP, &["daily_published_shop"][..]),
            (ANALYST_OF_SHOP, &["events", "visits", "visits_stored", "daily", "daily_stored"]),
        ] {
            for table in tables {
                let is_view = ["daily_published_shop", "visits", "daily"].contains(table);
                for (sql, expected) in [
                    (format!("SELECT DISTINCT site FROM {table}"), "shop\n"),
                    (format!("SELECT count() FROM {table} WHERE site != 'shop'"), "0\n"),
                    (format!("SELECT DISTINCT site FROM merge('footfall', '^{table}$')"), "shop\n"),
                    (format!("SELECT max(site) FROM {table} WHERE throwIf(site = 'clinic') = 0"), "shop\n"),
                    (format!("SELECT max(site) FROM {table} HAVING sum(throwIf(site = 'clinic')) = 0"), "shop\n"),
                    (format!("SELECT max(s) FROM (SELECT site AS s FROM {table} ORDER BY throwIf(s = 'clinic'))"), "shop\n"),
                    (format!("SELECT max(site) FROM {table} PREWHERE throwIf(site = 'clinic') = 0"), "shop\n"),
                ] {
                    // A view takes no PREWHERE.
                    if is_view && sql.contains("PREWHERE") {
                        continue;
                    }
                    assert_eq!(store.text_with(&format!("user={user}&database=footfall"), &sql), expected, "{sql}");
                }
            }
        }
        let refused = store.ask(&format!("user={VIEWER_OF_SHOP}"), "SELECT count() FROM footfall.daily_published");
        assert!(refused.text().contains("Not enough privileges"), "{}", refused.text());
        drop(store);
    })
    .await
    .unwrap();
}
