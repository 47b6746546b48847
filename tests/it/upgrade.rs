//! A database of the first release, brought up to date: what it held is there, counted as before, and no day is lost.

use footfall::config::StoreConfig as Address;
use footfall::secret::Secret;
use footfall::store::days::Materialiser;
use footfall::store::{Client, schema};
use jiff::civil::Time;
use jiff::tz::TimeZone;
use sha2::{Digest, Sha256};

use super::common::StoreProcess;

/// The files of the first release.
const FIRST: [&str; 7] =
    ["0001_events", "0002_books", "0003_audit", "0004_zone", "0005_days", "0006_visits", "0007_daily"];
/// Columns that a collector of the first release inserts and this test cares for; the others are left to their defaults.
const COLUMNS: &str = "page_load, seq, time, received, expires, site, host, path, kind, visitor, source, bot";
/// A day in Berlin that is over, its end, and the moment up to which it was read: the next turn of the key.
const DAY: [&str; 3] = ["2026-11-17 23:00:00", "2026-11-18 23:00:00", "2026-11-19 03:00:00"];

struct Older {
    process: StoreProcess,
    client: Client,
    _directory: tempfile::TempDir,
}

impl Older {
    /// The tables of the first release, on record as its collector left them.
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut process = StoreProcess::new(&directory.path().join("store"));
        process.start();
        let client = Client::new(&Address::Server {
            url: format!("http://{}", process.store.listen),
            database: "footfall".to_owned(),
            user: "admin".to_owned(),
            password: Secret::default(),
            cluster: None,
        });
        client.query_server("CREATE DATABASE footfall").execute().await.unwrap();
        let older = Self { process, client, _directory: directory };
        for statement in schema::print("footfall", None) {
            if statement.file == "migrations" || FIRST.contains(&statement.file) {
                older.run(&statement.sql).await;
            }
        }
        for name in FIRST {
            let file = format!("{}/sql/schema/{name}.sql", env!("CARGO_MANIFEST_DIR"));
            let digest = Sha256::digest(std::fs::read(file).unwrap());
            let checksum: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
            older.run(&format!("INSERT INTO migrations SELECT '{name}', '{checksum}', now64(3)")).await;
        }
        older.run("INSERT INTO settings SELECT 'timezone', 'Europe/Berlin', now64(3)").await;
        older
    }

    async fn run(&self, sql: &str) {
        self.client.query(sql).execute().await.unwrap_or_else(|error| panic!("{error}: {sql}"));
    }

    /// Inserts 40 visits of two views from a moment on, every fourth of a bot; as the first release's spool would.
    async fn insert(&self, from: &str, first_visitor: u32) {
        self.run(&format!(
            "INSERT INTO events ({COLUMNS}) SELECT {first_visitor} * 1000 + number, 0, \
             toDateTime64('{from}', 3, 'UTC') + intDiv(number, 2) * 20 + number % 2 AS moment, moment, \
             toDate('2149-01-01'), 'clinic', 'clinic.example', if(number % 2 = 0, '/', '/doctors'), 'view', \
             {first_visitor} + intDiv(number, 2), 'Yandex', if(intDiv(number, 2) % 4 = 0, 'Googlebot', '') \
             FROM numbers(80)"
        ))
        .await;
    }

    /// Closes the day, as the first release did.
    async fn close_as_before(&self) {
        let [starts, ends, until] = DAY.map(|moment| format!("toDateTime64('{moment}', 3, 'UTC')"));
        for sql in [
            format!(
                "INSERT INTO visits_closed SELECT * FROM footfall.visits_between(since = {starts}, before = {ends}, \
                 until = {until}, buckets = 1, bucket = 0)"
            ),
            format!(
                "INSERT INTO daily_closed SELECT * FROM footfall.daily_between(since = {starts}, before = {ends}, \
                 stored = 1)"
            ),
            format!(
                "INSERT INTO days SELECT '2026-11-18', {starts}, {ends}, {until}, 'Europe/Berlin', count(), 0, now64(3) \
                 FROM events WHERE time >= {starts} AND time < {until}"
            ),
        ] {
            self.run(&sql).await;
        }
    }

    /// What events, visits and daily figures say, with bots and without.
    fn figures(&self) -> Vec<String> {
        let events = "SELECT day, bot, count(), uniq(visitor) FROM (SELECT *, toDate(time, 'Europe/Berlin') AS day \
                      FROM events) GROUP BY day, bot ORDER BY day, bot";
        let visits = "SELECT day, bot, count(), sum(views), sum(duration_ms) FROM visits WHERE site = 'clinic' \
                      GROUP BY day, bot ORDER BY day, bot";
        let daily = "SELECT day, dimension, value, bot = '', sum(visits), sum(views), sum(events), uniqMerge(visitors) \
                     FROM daily WHERE site = 'clinic' GROUP BY ALL ORDER BY ALL";
        [events, visits, daily].into_iter().flat_map(|sql| self.process.store.rows(sql)).collect()
    }

    async fn close(&self) -> usize {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let materialiser = Materialiser::new(self.client.clone(), zone, Time::constant(4, 0, 0, 0)).unwrap();
        materialiser.close_due("2026-11-19T12:00:00Z".parse().unwrap()).await.unwrap().days.len()
    }
}

#[tokio::test]
async fn a_database_of_the_first_release_keeps_every_figure_and_its_closed_days_stay_closed() {
    let older = Older::new().await;
    older.insert("2026-11-18 10:00:00", 100).await;
    older.close_as_before().await;
    // The open day.
    older.insert("2026-11-19 09:00:00", 200).await;
    let before = older.figures();
    assert!(before.iter().any(|row| row == "2026-11-18\tGooglebot\t20\t10"), "{before:?}");
    assert!(before.iter().any(|row| row == "2026-11-19\t\t60\t30"), "{before:?}");

    let zone = TimeZone::get("Europe/Berlin").unwrap();
    let applied = schema::migrate(&older.client, &zone).await.unwrap();
    assert_eq!(
        (applied.now, applied.before),
        (vec!["0008_bots", "0009_segments", "0010_synced", "0011_kept"], FIRST.len())
    );
    assert_eq!(older.figures(), before);
    assert_eq!(older.close().await, 0, "nothing changed, so that no day is due");
    let rows = |sql: &str| older.process.store.rows(sql);
    for table in ["events", "visits", "daily"] {
        assert_eq!(
            rows(&format!("SELECT DISTINCT bot, bot_category FROM {table} ORDER BY bot")),
            ["\t", "Googlebot\tother"],
            "{table}"
        );
    }
    for table in ["events", "visits"] {
        assert_eq!(rows(&format!("SELECT DISTINCT spoofed, data_centre FROM {table}")), ["false\tfalse"]);
    }

    // Rows of either version that come late are counted once, with those that were there.
    older.insert("2026-11-18 12:00:00", 300).await;
    older
        .run(&format!(
            "INSERT INTO events ({COLUMNS}, bot_category, spoofed, data_centre) VALUES (1, 0, \
             '2026-11-18 13:00:00', '2026-11-18 13:00:00', '2149-01-01', 'clinic', 'clinic.example', '/', 'view', 999, \
             'Yandex', 'GPTBot', 'ai', true, true)"
        ))
        .await;
    assert_eq!(older.close().await, 1);
    let sum = "SELECT bot_category, sum(visits), uniqMerge(visitors) FROM daily WHERE site = 'clinic' \
               AND day = '2026-11-18' AND dimension = 'total' GROUP BY bot_category ORDER BY bot_category";
    assert_eq!(rows(sum), ["\t60\t60", "ai\t1\t1", "other\t20\t20"]);
    assert_eq!(
        rows("SELECT bot, spoofed, data_centre FROM visits_closed WHERE bot_category = 'ai'"),
        ["GPTBot\ttrue\ttrue"]
    );
    assert_eq!(rows("SELECT count() FROM visits WHERE day = '2026-11-18'"), ["81"]);
    let again = schema::migrate(&older.client, &zone).await.unwrap();
    assert!(again.now.is_empty());
}
