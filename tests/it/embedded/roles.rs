//! What each role of `sql/roles.sql` may do, acted out by the embedded store's users, which are rendered from that file.

use std::time::Duration;

use footfall::event::{COLUMNS, EventRow, UnixDay, UnixSeconds};
use footfall::store::days::DayCloser;
use footfall::store::reconcile::Reconciliation;
use footfall::store::schema;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::{Running, encode, inhabited, store};
use crate::common::eventually;
use footfall::store::RowFormat;

struct Actor<'a> {
    store: &'a Running,
    user: String,
}

impl<'a> Actor<'a> {
    fn new(store: &'a Running, user: &str) -> Self {
        Self { store, user: format!("user={user}") }
    }

    #[track_caller]
    fn can(&self, sql: &str) -> String {
        self.store.text_with(&self.user, sql)
    }

    /// Refused for want of a grant.
    #[track_caller]
    fn may_not(&self, attacks: &[&str]) {
        let mut done = Vec::new();
        for sql in attacks {
            let text = self.store.ask(&self.user, sql).text();
            // `merge` does not so much as name what may not be seen.
            let hidden = text.contains("(CANNOT_EXTRACT_TABLE_STRUCTURE)") && sql.contains(" merge(");
            // Users come from a file, which no statement changes.
            let fixed = text.contains("(ACCESS_STORAGE_READONLY)") || text.contains("(READONLY)");
            if !text.contains("Not enough privileges") && !hidden && !fixed {
                done.push(format!("{sql} as {}: {text}", self.user));
            }
        }
        assert!(done.is_empty(), "{}", done.join("\n"));
    }
}

/// What nobody may do.
const NOBODY: &[&str] = &[
    "SELECT * FROM private.t",
    "SELECT * FROM merge('private', 't')",
    "SELECT * FROM loop(private.t)",
    "SHOW CREATE TABLE private.t",
    "CREATE DATABASE other",
    "CREATE TABLE private.u (a UInt8) ENGINE = Memory",
    "DROP DATABASE footfall",
    "DROP TABLE private.t",
    "CREATE USER evil",
    "CREATE ROLE evil",
    "CREATE SETTINGS PROFILE evil",
    "CREATE QUOTA evil",
    "CREATE ROW POLICY evil ON footfall.events USING 1",
    "ALTER USER footfall_analyst IDENTIFIED BY 'x'",
    "GRANT SELECT ON *.* TO footfall_analyst",
    "REVOKE SELECT ON footfall.events FROM footfall_analyst",
    "SYSTEM SHUTDOWN",
    "SYSTEM STOP MERGES footfall.events",
    "SYSTEM FLUSH LOGS",
    "SYSTEM DROP MARK CACHE",
    "CREATE FUNCTION evil AS x -> x",
    "CREATE DICTIONARY footfall.d (a UInt64) PRIMARY KEY a SOURCE(NULL()) LAYOUT(FLAT()) LIFETIME(1)",
    "CREATE NAMED COLLECTION evil AS a = 1",
    "SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString', 'a String')",
    "SELECT * FROM s3('http://127.0.0.1:1/bucket/a', 'TSV', 'a String')",
    "SELECT * FROM mysql('127.0.0.1:1', 'a', 'b', 'c', 'd')",
    "SELECT * FROM postgresql('127.0.0.1:1', 'a', 'b', 'c', 'd')",
    "SELECT * FROM remote('127.0.0.1:1', 'private', 't')",
    "SELECT * FROM system.users",
    "SELECT * FROM system.grants",
    "SELECT * FROM system.quotas",
    "SELECT * FROM system.processes",
];

/// What those who only read may not do besides.
const READERS: &[&str] = &[
    "INSERT INTO footfall.events (site) VALUES ('clinic')",
    "INSERT INTO footfall.events SELECT * FROM footfall.events",
    "ALTER TABLE footfall.events DELETE WHERE 1",
    "ALTER TABLE footfall.events UPDATE path = '' WHERE 1",
    "ALTER TABLE footfall.events DROP COLUMN path",
    "ALTER TABLE footfall.events MODIFY TTL expires + INTERVAL 1 DAY",
    "DELETE FROM footfall.events WHERE 1",
    "TRUNCATE TABLE footfall.events",
    "DROP TABLE footfall.events",
    "DROP VIEW footfall.visits",
    "RENAME TABLE footfall.events TO footfall.gone",
    "DETACH TABLE footfall.events",
    "OPTIMIZE TABLE footfall.events",
    "CREATE TABLE footfall.u (a UInt8) ENGINE = Memory",
    "CREATE VIEW footfall.u AS SELECT 1",
    "CREATE TABLE footfall.u ENGINE = Memory AS SELECT 1",
];

const AUDIT: &str = "SELECT count() FROM footfall.audit";

fn unchanged(store: &Running) {
    assert_eq!(
        store.text("SELECT groupArray(path) FROM (SELECT path FROM footfall.events ORDER BY path)"),
        "['/a','/b']\n"
    );
}

#[test]
fn the_engine_knows_each_setting_of_the_file_and_parses_each_statement() {
    let store = inhabited();
    let file = include_str!("../../../sql/roles.sql");
    for statement in file.split(";\n") {
        let sql: String = statement
            .lines()
            .filter(|line| !line.trim_start().starts_with("--"))
            .collect::<Vec<_>>()
            .join(" ");
        if sql.trim().is_empty() {
            continue;
        }
        store.text_with(&format!("param_sql={}", encode(&sql)), "SELECT length(formatQuery({sql:String}))");
        let Some((_, settings)) =
            sql.split_once(" SETTINGS ").filter(|_| sql.starts_with("CREATE SETTINGS PROFILE"))
        else {
            continue;
        };
        for setting in settings.split(',') {
            let name = setting.split_whitespace().next().unwrap();
            let known = format!("SELECT count() FROM system.settings WHERE name = '{name}'");
            assert_eq!(store.text(known), "1\n", "{name}");
        }
    }
}

#[tokio::test]
async fn the_collector_does_all_its_work_with_what_the_file_gives_it() {
    let store = tokio::task::spawn_blocking(store).await.unwrap();
    let client = store.collector();
    let zone = TimeZone::get("Europe/Berlin").unwrap();
    schema::migrate(&client, &zone).await.unwrap();
    let seen = "2026-11-18T10:00:00Z".parse::<Timestamp>().unwrap().as_millisecond();
    let view = |visitor, received| EventRow {
        page_load: visitor,
        time: UnixSeconds::from_millis(seen),
        received: UnixSeconds::from_millis(received),
        expires: UnixDay(60_000),
        site: "clinic",
        visitor,
        ..EventRow::default()
    };
    // The second is stored twice, which closing the day takes out.
    for (token, row) in [("one", view(1, seen)), ("two", view(2, seen)), ("three", view(2, seen + 60_000))] {
        let mut bytes = Vec::new();
        row.encode(&mut bytes);
        let mut insert = client.insert("events", &COLUMNS.join(", "), RowFormat::RowBinary, token);
        insert.send(bytes.into()).await.unwrap();
        insert.end().await.unwrap();
    }
    let close = || async {
        let closer = DayCloser::new(client.clone(), zone.clone()).unwrap();
        closer.close_due("2026-11-20T12:00:00Z".parse().unwrap()).await.unwrap()
    };
    assert_eq!(close().await.duplicates, 1);
    assert_eq!(store.text("SELECT count() FROM footfall.visits"), "2\n");
    client.query("DELETE FROM events WHERE visitor = 2").execute().await.unwrap();
    assert_eq!(close().await.days.len(), 1);
    assert_eq!(store.text("SELECT count() FROM footfall.visits"), "1\n");
    let nowhere = store.directory.path().join("spool");
    Reconciliation::read(&client, &nowhere, 20_770..=20_780).await.unwrap();
    // And nothing beside its own tables; it is the owner of the database.
    store.text("CREATE DATABASE private");
    store.text("CREATE TABLE private.t (s String) ENGINE = MergeTree ORDER BY s");
    let attacks: Vec<&str> = NOBODY.iter().copied().filter(|sql| !sql.starts_with("DROP DATABASE")).collect();
    Actor::new(&store, "footfall_collector").may_not(&attacks);
    tokio::task::spawn_blocking(move || drop(store)).await.unwrap();
}

#[test]
fn the_analyst_reads_events_and_what_is_made_of_them() {
    let store = inhabited();
    let analyst = Actor::new(&store, "footfall_analyst");
    for table in ["events", "visits", "visits_stored", "daily", "daily_stored", "days"] {
        analyst.can(&format!("SELECT count() FROM footfall.{table}"));
    }
    assert_eq!(analyst.can("SELECT count() FROM footfall.events"), "2\n");
    assert_eq!(analyst.can("SELECT count() FROM numbers(10)"), "10\n");
    assert!(analyst.can("SHOW TABLES FROM footfall").contains("events\n"));
    assert!(analyst.can("DESCRIBE footfall.events").contains("visitor\t"));
    assert!(analyst.can("EXPLAIN SELECT * FROM footfall.events").contains("ReadFromMergeTree"));
    analyst.can("SELECT count() FROM footfall.events SETTINGS max_threads = 1, output_format_json_quote_64bit_integers = 1");
    // What clickhouse-go sends for a deadline of a minute.
    store.text_with("user=footfall_analyst&max_execution_time=65", "SELECT 1");
    analyst.may_not(NOBODY);
    analyst.may_not(READERS);
    analyst.may_not(&[
        AUDIT,
        "SELECT * FROM footfall.removed_events",
        "SELECT * FROM footfall.segments",
        "SELECT * FROM footfall.migrations",
        "SELECT * FROM merge('footfall', 'audit')",
        "SELECT * FROM view(SELECT * FROM footfall.audit)",
        "SELECT (SELECT count() FROM footfall.removed_events) FROM footfall.events",
        "EXPLAIN SELECT * FROM footfall.audit",
    ]);
    unchanged(&store);
}

#[test]
fn the_sre_sees_what_is_broken_and_no_pseudonym() {
    let store = inhabited();
    let sre = Actor::new(&store, "footfall_sre");
    // The view is not there, the error is.
    assert_eq!(sre.can("SELECT path, error_message FROM footfall.events"), "/b\tbroken\n");
    for table in ["removed_events", "segments", "migrations", "days", "daily_published"] {
        sre.can(&format!("SELECT count() FROM footfall.{table}"));
    }
    for table in
        ["parts", "parts_columns", "merges", "replicas", "distribution_queue", "metrics", "events", "disks"]
    {
        sre.can(&format!("SELECT count() FROM system.{table}"));
    }
    assert_ne!(
        sre.can("SELECT count() FROM system.parts WHERE database = 'footfall' AND table = 'events'"),
        "0\n"
    );
    sre.can("SELECT database, table, is_done FROM system.mutations");
    sre.can("SELECT name, code, value FROM system.errors");
    sre.may_not(NOBODY);
    sre.may_not(READERS);
    sre.may_not(&[
        AUDIT,
        "SELECT command FROM system.mutations",
        "SELECT latest_fail_reason FROM system.mutations",
        "SELECT last_error_message FROM system.errors",
        "SELECT * FROM footfall.events",
        "SELECT visitor FROM footfall.events",
        "SELECT address FROM footfall.events",
        "SELECT page_load FROM footfall.events",
        "SELECT cookies FROM footfall.events",
        "SELECT path FROM footfall.events WHERE visitor = 4711",
        "SELECT count() FROM footfall.events GROUP BY visitor",
        "SELECT count() FROM footfall.visits",
        "SELECT count() FROM footfall.daily",
    ]);
    unchanged(&store);
}

#[test]
fn the_operator_and_the_reports_read_everything_and_change_nothing() {
    let store = inhabited();
    for user in ["footfall_operator", "footfall_reports"] {
        let operator = Actor::new(&store, user);
        for table in ["events", "visits", "daily", "removed_events", "segments", "audit"] {
            operator.can(&format!("SELECT count() FROM footfall.{table}"));
        }
        operator.can("SELECT count() FROM system.parts");
        operator.may_not(NOBODY);
        operator.may_not(READERS);
    }
    unchanged(&store);
}

#[test]
fn the_viewer_reads_published_figures_and_nothing_else() {
    let store = inhabited();
    let viewer = Actor::new(&store, "footfall_viewer");
    assert_eq!(viewer.can("SELECT count() FROM footfall.daily_published"), "0\n");
    assert_eq!(viewer.can("SHOW TABLES FROM footfall"), "daily_published\n");
    viewer.may_not(NOBODY);
    viewer.may_not(READERS);
    viewer.may_not(&[AUDIT]);
    for table in [
        "events",
        "visits",
        "visits_stored",
        "daily",
        "daily_stored",
        "days",
        "removed_events",
        "segments",
        "settings",
        "publications",
        "published_days",
        "daily_published_stored",
    ] {
        viewer.may_not(&[
            &format!("SELECT count() FROM footfall.{table}"),
            &format!("EXPLAIN SELECT * FROM footfall.{table}"),
            &format!("EXPLAIN ESTIMATE SELECT * FROM footfall.{table}"),
            &format!("DESCRIBE footfall.{table}"),
            &format!("SELECT * FROM merge('footfall', '^{table}$')"),
            &format!(
                "SELECT * FROM footfall.daily_published WHERE 1 IN (SELECT count() FROM footfall.{table})"
            ),
            &format!("SELECT * FROM view(SELECT * FROM footfall.{table})"),
        ]);
    }
    viewer.may_not(&[
        "SELECT * FROM mergeTreeIndex('footfall', 'events')",
        "SELECT * FROM mergeTreeIndex('footfall', 'daily_published_stored')",
        "SELECT * FROM system.parts",
        "SELECT * FROM system.parts_columns",
        "SELECT * FROM system.errors",
        "SELECT * FROM system.mutations",
        "SELECT * FROM system.detached_parts",
    ]);
}

#[test]
fn the_privacy_officer_changes_rows_of_events_and_nothing_else() {
    let store = inhabited();
    let officer = Actor::new(&store, "footfall_privacy");
    officer.may_not(NOBODY);
    officer.may_not(&[
        "INSERT INTO footfall.events (site) VALUES ('clinic')",
        "INSERT INTO footfall.audit SELECT * FROM footfall.audit",
        "ALTER TABLE footfall.audit DELETE WHERE 1",
        "ALTER TABLE footfall.audit UPDATE detail = '' WHERE 1",
        "DELETE FROM footfall.audit WHERE 1",
        "DELETE FROM footfall.removed_events WHERE 1",
        "ALTER TABLE footfall.visits_stored DELETE WHERE 1",
        "ALTER TABLE footfall.events DROP COLUMN path",
        "ALTER TABLE footfall.events MODIFY TTL expires + INTERVAL 1 DAY",
        "ALTER TABLE footfall.events MODIFY SETTING fsync_after_insert = 0",
        "TRUNCATE TABLE footfall.audit",
        "DROP TABLE footfall.events",
        "CREATE TABLE footfall.u (a UInt8) ENGINE = Memory",
        "SELECT count() FROM footfall.visits",
        "SELECT count() FROM footfall.removed_events",
    ]);
    unchanged(&store);
    assert_eq!(officer.can(AUDIT), "1\n");
    officer.can(
        "ALTER TABLE footfall.events UPDATE path = '/erased' WHERE page_load = 1 SETTINGS mutations_sync = 2",
    );
    assert_eq!(officer.can("SELECT path FROM footfall.events WHERE page_load = 1"), "/erased\n");
    officer.can("ALTER TABLE footfall.events DELETE WHERE page_load = 1 SETTINGS mutations_sync = 2");
    officer.can("DELETE FROM footfall.events WHERE page_load = 2");
    assert_eq!(officer.can("SELECT count() FROM footfall.events"), "0\n");
}

#[test]
fn a_change_of_the_privacy_officer_that_fails_can_be_taken_back_and_holds_up_nobody_for_good() {
    let store = inhabited();
    let officer = Actor::new(&store, "footfall_privacy");
    let change = "ALTER TABLE footfall.events UPDATE path = toString(toUInt8(path)) WHERE 1";
    assert_ne!(store.ask(&officer.user, change).status, 200);
    let failed = "SELECT count() FROM system.mutations WHERE table = 'events' AND latest_fail_reason != '' AND NOT is_done";
    eventually("it fails", Duration::from_secs(60), || officer.can(failed) == "1\n");
    let delete = "DELETE FROM footfall.events WHERE page_load = 2";
    assert_ne!(
        store.ask("user=footfall_collector", delete).status,
        200,
        "it holds up nothing: the test is void"
    );
    officer.can("KILL MUTATION WHERE table = 'events' AND NOT is_done");
    eventually("the collector deletes", Duration::from_secs(60), || {
        store.ask("user=footfall_collector", delete).status == 200
    });
    assert_eq!(store.text("SELECT count() FROM footfall.events"), "1\n");
}
