//! The tables in the real engine: migrations, visits, daily figures, duplicates, retention, bytes on disk.

use std::io::Write;
use std::process::Command;

use bytes::Bytes;
use footfall::config::StoreConfig as Address;
use footfall::event::{
    BotCategory, COLUMNS, DeviceClass, EventKind, EventRow, ScreenClass, UniqueText, UnixDay, UnixSeconds,
};
use footfall::secret::Secret;
use footfall::store::days::{Closed, DayCloser, OpenDays};
use footfall::store::{Client, RowFormat, schema};
use jiff::Timestamp;
use jiff::civil::Time;
use jiff::tz::TimeZone;

use crate::common::StoreProcess;

/// A store with tables, of an operator in Berlin.
struct Berlin {
    process: StoreProcess,
    client: Client,
    _directory: tempfile::TempDir,
}

impl Berlin {
    /// Starts the store, without tables.
    fn bare() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut process = StoreProcess::new(&directory.path().join("store"));
        process.start();
        let client = client(&process, "footfall");
        Self { process, client, _directory: directory }
    }

    async fn new() -> Self {
        let berlin = Self::bare();
        schema::migrate(&berlin.client, &zone()).await.unwrap();
        berlin
    }

    async fn insert(&self, token: &str, rows: &[EventRow<'_>]) {
        let mut bytes = Vec::new();
        rows.iter().for_each(|row| row.encode(&mut bytes));
        let mut insert = self.client.insert("events", &COLUMNS.join(", "), RowFormat::RowBinary, token);
        insert.send(Bytes::from(bytes)).await.unwrap();
        insert.end().await.unwrap();
    }

    /// Computes each day that is open at a moment, and returns these days.
    async fn compute_open(&self, now: &str) -> Vec<String> {
        let open_days = OpenDays::new(self.client.clone(), zone()).unwrap();
        let days = open_days.compute(now.parse().unwrap()).await.unwrap();
        days.iter().map(ToString::to_string).collect()
    }

    async fn close(&self, now: &str) -> Closed {
        let closer = DayCloser::new(self.client.clone(), zone()).unwrap();
        closer.close_due(now.parse::<Timestamp>().unwrap()).await.unwrap()
    }

    fn rows(&self, sql: &str) -> Vec<String> {
        self.process.store.rows(sql)
    }

    fn number(&self, sql: &str) -> u64 {
        self.process.store.number(sql)
    }

    /// Number and events of each visit, by day, in the order of their beginnings.
    fn visits(&self) -> Vec<String> {
        self.rows("SELECT concat(toString(day), ' ', toString(events)) FROM visits WHERE site = 'clinic' ORDER BY start, visitor")
    }
}

fn client(process: &StoreProcess, database: &str) -> Client {
    Client::new(&Address::Server {
        urls: vec![format!("http://{}", process.store.listen)],
        database: database.to_owned(),
        user: "admin".to_owned(),
        password: Secret::default(),
        cluster: None,
    })
}

fn zone() -> TimeZone {
    TimeZone::get("Europe/Berlin").unwrap()
}

fn ms(time: &str) -> i64 {
    time.parse::<Timestamp>().unwrap().as_millisecond()
}

/// A view of visitor `visitor`, with its own page load.
fn view(visitor: u64, time: i64) -> EventRow<'static> {
    EventRow {
        page_load: visitor << 48 ^ time.cast_unsigned(),
        time: UnixSeconds::from_millis(time),
        received: UnixSeconds::from_millis(time + 500),
        expires: UnixDay(60_000),
        site: "clinic",
        host: "clinic.example",
        path: "/doctors",
        visitor,
        address: visitor,
        source: "Yandex",
        channel: "Organic Search",
        country: "DE",
        browser: "Firefox",
        ..EventRow::default()
    }
}

#[tokio::test]
async fn migrations_are_applied_once_and_a_database_of_another_version_is_refused() {
    let berlin = Berlin::bare();
    let zone = zone();
    let files =
        schema::render("footfall", None).iter().map(|it| it.file).collect::<std::collections::BTreeSet<_>>();
    // Two collectors that start at once.
    let (one, two) =
        tokio::join!(schema::migrate(&berlin.client, &zone), schema::migrate(&berlin.client, &zone));
    let (one, two) = (one.unwrap(), two.unwrap());
    assert_eq!(one.now.len() + one.before, files.len());
    assert_eq!(two.now.len() + two.before, files.len());
    let again = schema::migrate(&berlin.client, &zone).await.unwrap();
    assert_eq!((again.now.len(), again.before), (0, files.len()));
    assert_eq!(berlin.rows("SELECT timezone FROM zone"), ["Europe/Berlin"]);

    // As after a crash: some statements ran, and no file is recorded.
    let halfway = client(&berlin.process, "halfway");
    halfway.query_server("CREATE DATABASE halfway").execute().await.unwrap();
    for statement in schema::render("halfway", None).iter().take(5) {
        halfway.query(&statement.sql).execute().await.unwrap();
    }
    assert_eq!(schema::migrate(&halfway, &zone).await.unwrap().now.len(), files.len());
    let tables = "SELECT count() FROM system.tables WHERE database = ";
    assert_eq!(berlin.number(&format!("{tables}'halfway'")), berlin.number(&format!("{tables}'footfall'")));

    berlin
        .client
        .query("INSERT INTO migrations SELECT '0004_days', 'feed', now64(3)")
        .execute()
        .await
        .unwrap();
    let error = schema::migrate(&berlin.client, &zone).await.unwrap_err().to_string();
    assert!(error.contains("created by another version of Footfall: 0004_days.sql"), "{error}");
    halfway.query("INSERT INTO migrations SELECT '9999_later', 'feed', now64(3)").execute().await.unwrap();
    let error = schema::migrate(&halfway, &zone).await.unwrap_err().to_string();
    assert!(error.contains("9999_later.sql"), "{error}");
}

#[tokio::test]
async fn the_engine_understands_every_statement_for_a_cluster() {
    let berlin = Berlin::bare();
    let roles = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/sql/roles.sql")).unwrap();
    let sharding = schema::Sharding::new(2);
    let cluster = schema::ClusterTarget { name: "main", is_replicated: true, sharding: &sharding };
    let statements = schema::render("footfall", Some(cluster)).into_iter().map(|statement| statement.sql);
    for sql in statements.chain(roles.split(";\n").map(str::to_owned).filter(|sql| !sql.trim().is_empty())) {
        let query = berlin.client.query_server("SELECT length(formatQuery({sql:String}))").param("sql", &sql);
        let length = query.fetch_one::<u64>().await.unwrap_or_else(|error| panic!("{error}: {sql}"));
        assert!(length > 0);
    }
}

#[tokio::test]
async fn each_column_holds_what_the_row_says() {
    let berlin = Berlin::new().await;
    let row = EventRow {
        page_load: 1 << 60,
        seq: 7,
        time: UnixSeconds::from_millis(ms("2026-11-20T10:00:00Z")),
        received: UnixSeconds::from_millis(ms("2026-11-20T10:00:01Z")),
        expires: UnixDay(60_000),
        site: "clinic",
        host: "clinic.example",
        path: "/врачи",
        query: "q=1",
        release: "rl",
        kind: EventKind::Resource,
        name: "name",
        props: &[("tag", "img"), ("b", "c")],
        visitor: u64::MAX,
        address: 3,
        epoch: 4,
        policy: "2026",
        referrer_host: "rh",
        referrer_path: "rp",
        source: "so",
        channel: "ch",
        utm_source: "us",
        utm_medium: "um",
        utm_campaign: "uc",
        utm_content: "uo",
        utm_term: "ut",
        click_id: "ci",
        browser: "br",
        browser_version: "bv",
        engine: "en",
        os: "os",
        os_version: "ov",
        device: DeviceClass::Tablet,
        bot: "bo",
        bot_category: BotCategory::Automation,
        spoofed: true,
        data_centre: true,
        language: "la",
        timezone: "tz",
        screen: ScreenClass::ALL[1],
        country: "co",
        region: "re",
        city: "cy",
        asn: 8,
        network: "ne",
        ip_version: 6,
        cookies_enabled: true,
        cookies: &[("ab", "B")],
        ad: "ad",
        slot: "sl",
        engaged_ms: 9,
        scroll_depth: 10,
        error_message: UniqueText("em"),
        error_source: UniqueText("es"),
        error_line: 11,
        error_column: 12,
        error_stack: UniqueText("et"),
        error_group: 13,
        lcp_ms: Some(14),
        inp_ms: Some(15),
        cls: Some(0.25),
        fcp_ms: Some(16),
        ttfb_ms: Some(17),
        dns_ms: Some(18),
        connect_ms: Some(19),
        tls_ms: Some(20),
        // A column of a type that stands above needs no line.
        ..EventRow::default()
    };
    berlin.insert("one", std::slice::from_ref(&row)).await;
    let stored = berlin.rows(
        "SELECT * FROM events SETTINGS date_time_output_format = 'iso', output_format_json_quote_64bit_integers = 0 \
         FORMAT JSONEachRow",
    );
    let stored: serde_json::Value = serde_json::from_str(&stored[0]).unwrap();
    row.for_each_column(|name, value| assert_eq!(stored[name], value, "{name}"));
    for own in ["collector", "segment", "copy_number"] {
        assert_eq!(stored[own], 0, "{own}");
    }
    assert_eq!(stored.as_object().unwrap().len(), COLUMNS.len() + 3);
}

#[tokio::test]
async fn a_visit_ends_with_a_gap_of_more_than_thirty_minutes_and_at_midnight() {
    let berlin = Berlin::new().await;
    let gap = 30 * 60 * 1_000;
    let noon = ms("2026-10-23T10:00:00Z");
    let late = ms("2026-10-23T21:50:00Z");
    // The clocks of Berlin go back on 2026-10-25: that day ends an hour later than the others.
    let dst = ms("2026-10-25T22:40:00Z");
    berlin
        .insert(
            "visits",
            &[
                view(1, noon),
                view(1, noon + gap),
                view(2, noon + 1_000),
                view(2, noon + 1_000 + gap + 1_000),
                // Visitor 3 is visitor 5 after midnight.
                view(3, late),
                view(5, late + 15 * 60 * 1_000),
                view(5, late + 25 * 60 * 1_000),
                view(4, dst),
            ],
        )
        .await;
    let expected =
        ["2026-10-23 2", "2026-10-23 1", "2026-10-23 1", "2026-10-23 1", "2026-10-24 2", "2026-10-25 1"]
            .map(str::to_owned);
    let days = ["2026-10-23", "2026-10-24", "2026-10-25"];
    assert_eq!(berlin.compute_open("2026-10-23T12:00:00Z").await, days);
    assert_eq!(berlin.visits(), expected, "of open days");
    let closed = berlin.close("2026-10-28T12:00:00Z").await;
    assert_eq!(closed.days.iter().map(ToString::to_string).collect::<Vec<_>>(), days);
    assert_eq!(berlin.visits(), expected, "of closed days");
    assert_eq!(
        berlin.rows("SELECT dateDiff('hour', starts, ends) FROM days FINAL WHERE day = '2026-10-25'"),
        ["25"]
    );
}

#[tokio::test]
async fn a_closed_day_is_closed_again_when_rows_arrive_late_and_counts_nothing_twice() {
    let berlin = Berlin::new().await;
    let noon = ms("2026-11-18T10:00:00Z");
    let rows: Vec<_> =
        (1..=50).flat_map(|visitor| [view(visitor, noon), view(visitor, noon + 60_000)]).collect();
    berlin.insert("segment-1", &rows).await;
    berlin.insert("segment-1", &rows).await;
    assert_eq!(berlin.number("SELECT count() FROM events"), 100, "a retried insert");
    // A duplicate that was shipped again, received later, and one that the store made, identical to the last byte.
    let mut later = rows[0].clone();
    later.received = UnixSeconds(later.received.0 + 60);
    berlin.insert("segment-2", &[later, rows[2].clone()]).await;
    let now = "2026-11-20T12:00:00Z";
    assert_eq!(berlin.close(now).await.duplicates, 2);
    assert_eq!(berlin.number("SELECT count() FROM events"), 100);
    assert_eq!(berlin.number("SELECT uniqExact(page_load, seq) FROM events"), 100);
    assert_eq!(
        berlin.rows("SELECT reason, count() FROM removed_events FINAL GROUP BY reason"),
        ["duplicate\t1"],
        "one was shipped twice"
    );

    let sums = "SELECT (SELECT (count(), sum(events), sum(views)) FROM visits WHERE site = 'clinic'), \
                (SELECT (sum(visits), sum(views), sum(visitors)) FROM daily WHERE site = 'clinic' \
                 AND dimension = 'total'), (SELECT sum(views) FROM daily WHERE dimension = 'page')";
    assert_eq!(berlin.rows(sums), ["(50,100,100)\t(50,100,50)\t100"]);
    assert!(berlin.close(now).await.days.is_empty(), "nothing changed");
    assert_eq!(berlin.rows(sums), ["(50,100,100)\t(50,100,50)\t100"]);

    berlin.insert("segment-3", &[view(51, noon), view(1, noon + 120_000)]).await;
    assert_eq!(berlin.close(now).await.days.len(), 1);
    assert_eq!(berlin.rows(sums), ["(51,102,102)\t(51,102,51)\t102"]);

    berlin.client.query("DELETE FROM events WHERE visitor = 51").execute().await.unwrap();
    assert_eq!(berlin.close(now).await.days.len(), 1);
    assert_eq!(berlin.rows(sums), ["(50,101,101)\t(50,101,50)\t101"]);
}

#[tokio::test]
async fn rows_past_their_retention_vanish() {
    let berlin = Berlin::new().await;
    let noon = ms("2026-11-18T10:00:00Z");
    let expired = EventRow { expires: UnixDay(20_000), ..view(1, noon) };
    berlin.insert("one", &[expired, view(2, noon)]).await;
    berlin.close("2026-11-20T12:00:00Z").await;
    assert_eq!(berlin.visits(), ["2026-11-18 1"]);
    berlin.client.query("OPTIMIZE TABLE events FINAL").execute().await.unwrap();
    assert_eq!(berlin.rows("SELECT visitor FROM events"), ["2"]);
}

#[tokio::test]
async fn the_demonstration_takes_few_bytes_an_event_and_its_daily_figures_agree_with_its_rows() {
    let berlin = Berlin::bare();
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(
        file,
        "timezone = \"Europe/Berlin\"\n[store]\nurl = \"http://{}\"\nuser = \"footfall_collector\"",
        berlin.process.store.listen
    )
    .unwrap();
    let demo = || {
        let mut demo = Command::new(env!("CARGO_BIN_EXE_footfall"));
        demo.arg("--config").arg(file.path()).args(["demo", "--visitors", "2000", "--days", "4"]);
        let output = demo.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    demo();
    // A day is closed five minutes after its end, so just after midnight yesterday is still open.
    let night = jiff::Timestamp::now().to_zoned(zone()).time() < Time::constant(0, 5, 0, 0);
    assert_eq!(berlin.number("SELECT countIf(is_closed) FROM days FINAL"), if night { 2 } else { 3 });
    assert_eq!(berlin.number("SELECT count() FROM days FINAL"), 4, "open days are computed, too");
    for (dimension, raw) in [
        ("total", "SELECT count() FROM visits WHERE site = 'demo'"),
        ("source", "SELECT count() FROM visits WHERE site = 'demo'"),
    ] {
        let summed =
            format!("SELECT sum(visits) FROM daily WHERE site = 'demo' AND dimension = '{dimension}'");
        assert_eq!(berlin.number(&summed), berlin.number(raw), "{dimension}");
    }
    for (dimension, kind) in
        [("event", "kind = 'event'"), ("ad_impression", "kind = 'ad' AND name = 'impression'")]
    {
        let summed =
            format!("SELECT sum(events) FROM daily WHERE site = 'demo' AND dimension = '{dimension}'");
        assert_eq!(
            berlin.number(&summed),
            berlin.number(&format!("SELECT count() FROM events WHERE {kind}"))
        );
    }
    assert_eq!(
        berlin.rows("SELECT sum(views) FROM visits WHERE site = 'demo'"),
        berlin.rows("SELECT count() FROM events WHERE site = 'demo' AND kind = 'view'")
    );
    berlin.client.query("OPTIMIZE TABLE events FINAL").execute().await.unwrap();
    let bytes = berlin.rows(
        "SELECT round(sum(data_compressed_bytes) / sum(rows), 2), sum(rows) FROM system.parts \
         WHERE active AND database = 'footfall' AND table = 'events'",
    );
    println!("bytes an event, events: {bytes:?}");
    let bytes: f64 = bytes[0].split('\t').next().unwrap().parse().unwrap();
    assert!(bytes < 29.0, "{bytes}; a larger table takes fewer, see sql/schema/0001_events.sql");
}
