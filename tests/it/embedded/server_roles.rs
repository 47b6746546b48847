//! `sql/roles.sql`, the roles for a ClickHouse server, acted out and attacked in the real engine.
//!
//! The engine as a library keeps no users of its own making, so `CREATE ROLE` cannot be run in it. But it reads roles and profiles
//! from files, with grants as statements: each grant and bound of `sql/roles.sql` is put beside the store's own configuration, word
//! for word. What stays untested here is what only a server has: passwords, quotas, and the roles that a user has at its login.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use footfall::config::{Secret, Store as Address};
use footfall::event::{COLUMNS, Day, Milliseconds, Row};
use footfall::store::books::Balance;
use footfall::store::visits::Materialiser;
use footfall::store::{Client, schema};
use jiff::Timestamp;
use jiff::civil::Time;
use jiff::tz::TimeZone;

use super::{Running, encode};
use crate::common::StoreProcess;

const FILE: &str = include_str!("../../../sql/roles.sql");

/// What the file says, taken apart.
#[derive(Default)]
struct Roles {
    /// The grants of each role, without their `TO role`.
    grants: BTreeMap<&'static str, Vec<&'static str>>,
    /// The settings of each profile as they stand, and the name of each.
    profiles: BTreeMap<&'static str, Vec<&'static str>>,
    /// The profile of each role.
    profile_of: BTreeMap<&'static str, &'static str>,
}

/// The file's statements, without the comments before them.
fn statements() -> impl Iterator<Item = &'static str> {
    FILE.split(";\n").filter_map(|text| {
        let mut rest = text.trim_start();
        while rest.starts_with("--") {
            rest = rest.split_once('\n').map_or("", |(_, rest)| rest).trim_start();
        }
        (!rest.is_empty()).then_some(rest)
    })
}

impl Roles {
    fn read() -> Self {
        let mut roles = Self::default();
        for statement in statements() {
            if let Some(rest) = statement.strip_prefix("CREATE SETTINGS PROFILE IF NOT EXISTS ") {
                let (name, settings) = rest.split_once(" SETTINGS\n").unwrap();
                roles.profiles.insert(name, settings.split(',').map(str::trim).collect());
            } else if let Some(rest) = statement.strip_prefix("CREATE ROLE IF NOT EXISTS ") {
                let (name, settings) = rest.split_once(" SETTINGS ").unwrap();
                roles.grants.entry(name).or_default();
                if let Some(profile) = settings.strip_prefix("PROFILE ") {
                    roles.profile_of.insert(name, profile.trim_matches('\''));
                }
            } else if statement.starts_with("GRANT ") {
                let (grant, role) = statement.rsplit_once(" TO ").unwrap();
                // The last ones are to users.
                if let Some(grants) = roles.grants.get_mut(role) {
                    grants.push(grant);
                }
            } else {
                let other = ["CREATE QUOTA ", "CREATE USER ", "ALTER USER "];
                assert!(other.iter().any(|head| statement.starts_with(head)), "untested: {statement}");
            }
        }
        roles
    }

    /// The values of a profile, for `SET`.
    fn values(&self, profile: &str) -> String {
        let values = self.profiles[profile].iter().filter_map(|setting| {
            let mut words = setting.split(' ');
            let (name, equals) = (words.next()?, words.next()?);
            // Held in front of the engine, whoever asks.
            let closed = name.starts_with("input_format_values_");
            (equals == "=" && !closed).then(|| format!("{name} = {}", words.next().unwrap()))
        });
        values.collect::<Vec<_>>().join(", ")
    }

    /// Roles and profiles as the engine reads them, for a `default` user that may become each of them.
    fn configuration(&self, own: &str) -> String {
        let mut text = String::from("<clickhouse>\n<profiles>\n");
        for (name, settings) in &self.profiles {
            write!(text, "<{name}><constraints>").unwrap();
            for setting in settings {
                let words: Vec<&str> = setting.split(' ').collect();
                let constraint = match words[..] {
                    [_, "=", _, "MIN", least, "MAX", most] => format!("<min>{least}</min><max>{most}</max>"),
                    [_, "=", _, "CONST"] | [_, "CONST"] => "<const/>".to_owned(),
                    _ => panic!("{setting}"),
                };
                write!(text, "<{0}>{constraint}</{0}>", words[0]).unwrap();
            }
            writeln!(text, "</constraints></{name}>").unwrap();
        }
        text.push_str("</profiles>\n<roles>\n");
        for (name, grants) in &self.grants {
            let queries: String = grants.iter().map(|grant| format!("<query>{grant}</query>")).collect();
            writeln!(text, "<{name}><grants>{queries}</grants></{name}>").unwrap();
        }
        write!(
            text,
            "</roles>\n<users><default><grants replace=\"1\"><query>GRANT {own}</query></grants></default></users>\n</clickhouse>"
        )
        .unwrap();
        text
    }
}

/// A store whose `default` user, which is who the writer is, has these roles.
fn store(own: &str) -> Running {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("store");
    // The engine adds the files in here to `users.xml`.
    std::fs::create_dir_all(data.join("users.d")).unwrap();
    std::fs::write(data.join("users.d/roles.xml"), Roles::read().configuration(own)).unwrap();
    let mut process = StoreProcess::new(&data);
    process.start();
    Running { process, directory }
}

/// A store with tables and a few rows, and everybody in it.
fn inhabited() -> Running {
    let store = store("writer, reader, footfall_writer, footfall_reader, footfall_sre, footfall_privacy");
    make_tables(&store, "role=writer");
    for sql in [
        "INSERT INTO footfall.events (site, page_load, path, expires) VALUES ('clinic', 1, '/a', '2140-01-01'), ('clinic', 2, '/b', '2140-01-01')",
        "CREATE DATABASE private",
        "CREATE TABLE private.t (s String) ENGINE = MergeTree ORDER BY s",
        "INSERT INTO private.t VALUES ('secret')",
    ] {
        store.text_with("role=writer", sql);
    }
    store
}

fn make_tables(store: &Running, parameters: &str) {
    store.text_with(parameters, "CREATE DATABASE IF NOT EXISTS footfall");
    for statement in schema::print("footfall", None) {
        store.text_with(&format!("{parameters}&database=footfall"), &statement.sql);
    }
}

/// A session of a role, under its profile.
struct Actor<'a> {
    store: &'a Running,
    parameters: String,
}

impl<'a> Actor<'a> {
    fn new(store: &'a Running, role: &str) -> Self {
        let roles = Roles::read();
        let actor = Self { store, parameters: format!("role={role}&session_id={role}") };
        if let Some(profile) = roles.profile_of.get(role) {
            // As in the store's own sessions: the values first, then what holds them.
            actor.can(&format!("SET {}", roles.values(profile)));
            actor.can(&format!("SET profile = '{profile}'"));
        }
        actor
    }

    #[track_caller]
    fn can(&self, sql: &str) -> String {
        self.store.text_with(&self.parameters, sql)
    }

    /// Refused for want of a grant when there is no profile, and refused under the profile.
    #[track_caller]
    fn may_not(&self, attacks: &[&str]) {
        let role = self.parameters.split('&').next().unwrap();
        let mut done = Vec::new();
        for sql in attacks {
            let bare = self.store.ask(role, sql).text();
            // `merge` does not so much as name what may not be seen.
            let hidden = bare.contains("(CANNOT_EXTRACT_TABLE_STRUCTURE)") && sql.contains(" merge(");
            if !bare.contains("Not enough privileges") && !hidden {
                done.push(format!("{sql} with {role} alone: {bare}"));
            }
            let held = self.store.ask(&self.parameters, sql);
            if held.status == 200 {
                done.push(format!("{sql} with {}: {}", self.parameters, held.text()));
            }
        }
        assert!(done.is_empty(), "{}", done.join("\n"));
    }
}

/// What nobody among them may do.
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
    "ALTER USER default IDENTIFIED BY 'x'",
    "GRANT SELECT ON *.* TO footfall_reader",
    "GRANT footfall_writer TO default",
    "REVOKE SELECT ON footfall.events FROM footfall_reader",
    "SYSTEM STOP MERGES footfall.events",
    "SYSTEM FLUSH LOGS",
    "SYSTEM DROP MARK CACHE",
    "CREATE FUNCTION evil AS x -> x",
    "CREATE NAMED COLLECTION evil AS a = 1",
    "SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString', 'a String')",
    "SELECT * FROM s3('http://127.0.0.1:1/bucket/a', 'TSV', 'a String')",
    "SELECT * FROM mysql('127.0.0.1:1', 'a', 'b', 'c', 'd')",
    "SELECT * FROM postgresql('127.0.0.1:1', 'a', 'b', 'c', 'd')",
    "SELECT * FROM system.users",
    "SELECT * FROM system.grants",
    "SELECT * FROM system.quotas",
];

/// What those who only read may not do besides.
const READERS: &[&str] = &[
    "INSERT INTO footfall.events (site) VALUES ('clinic')",
    "INSERT INTO footfall.events SELECT * FROM footfall.events",
    "ALTER TABLE footfall.events DELETE WHERE 1",
    "ALTER TABLE footfall.events UPDATE path = '' WHERE 1",
    "ALTER TABLE footfall.events DROP PARTITION tuple()",
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
    "CREATE TABLE footfall.u ENGINE = Memory AS SELECT * FROM footfall.events",
    "SELECT * FROM remote('127.0.0.1:1', 'private', 't')",
    "SELECT * FROM remote('127.0.0.1:1', 'footfall', 'events')",
];

const AUDIT: &str = "SELECT count() FROM footfall.audit";

fn unchanged(store: &Running) {
    assert_eq!(
        store.text_with("role=writer", "SELECT groupArray(path) FROM footfall.events"),
        "['/a','/b']\n"
    );
}

#[test]
fn the_engine_knows_each_setting_and_each_grant_of_the_file() {
    let store = inhabited();
    let roles = Roles::read();
    assert_eq!(
        roles.grants.keys().copied().collect::<Vec<_>>(),
        ["footfall_privacy", "footfall_reader", "footfall_sre", "footfall_writer"]
    );
    for setting in roles.profiles.values().flatten() {
        let name = setting.split(' ').next().unwrap();
        let known = format!("SELECT count() FROM system.settings WHERE name = '{name}'");
        assert_eq!(store.text_with("role=writer", known), "1\n", "{name}");
    }
    for statement in statements() {
        let length = format!("param_sql={}", encode(&statement.replace('\n', " ")));
        store.text_with(&length, "SELECT length(formatQuery({sql:String}))");
    }
}

#[tokio::test]
async fn the_collector_does_all_its_work_with_what_the_file_gives_it() {
    // Whoever comes as the writer has the file's grants and no others.
    let store = store("footfall_writer");
    let client = Client::new(&Address::Server {
        url: format!("http://{}", store.address()),
        database: "footfall".to_owned(),
        user: "footfall_writer".to_owned(),
        password: Secret::default(),
        cluster: None,
    });
    let zone = TimeZone::get("Europe/Berlin").unwrap();
    schema::migrate(&client, &zone).await.unwrap();
    let seen = "2026-11-18T10:00:00Z".parse::<Timestamp>().unwrap().as_millisecond();
    let view = |visitor, received| Row {
        page_load: visitor,
        time: Milliseconds(seen),
        received: Milliseconds(received),
        expires: Day(60_000),
        site: "clinic",
        visitor,
        ..Row::default()
    };
    // The second is stored twice, which closing the day takes out.
    for (token, row) in [("one", view(1, seen)), ("two", view(2, seen)), ("three", view(2, seen + 60_000))] {
        let mut bytes = Vec::new();
        row.encode(&mut bytes);
        let mut insert = client.insert("events", &COLUMNS.join(", "), token);
        insert.send(bytes.into()).await.unwrap();
        insert.end().await.unwrap();
    }
    let close = || async {
        let materialiser =
            Materialiser::new(client.clone(), zone.clone(), Time::constant(4, 0, 0, 0)).unwrap();
        materialiser.close_due("2026-11-20T12:00:00Z".parse().unwrap()).await.unwrap()
    };
    assert_eq!(close().await.duplicates, 1);
    assert_eq!(store.text("SELECT count() FROM footfall.visits_closed"), "2\n");
    client.query("DELETE FROM events WHERE visitor = 2").execute().await.unwrap();
    assert_eq!(close().await.days.len(), 1);
    assert_eq!(store.text("SELECT count() FROM footfall.visits_closed"), "1\n");
    let nowhere = store.directory.path().join("spool");
    Balance::read(&client, &nowhere, 20_770..=20_780).await.unwrap();
    // And nothing beside its own tables.
    for sql in NOBODY.iter().filter(|sql| !sql.contains("private") && !sql.starts_with("DROP DATABASE")) {
        let text = store.ask("", sql).text();
        assert!(text.contains("Not enough privileges"), "{sql}: {text}");
    }
}

#[test]
fn the_analyst_reads_and_that_is_all() {
    let store = inhabited();
    let analyst = Actor::new(&store, "footfall_reader");
    for table in
        ["events", "visits", "visits_open", "visits_closed", "daily", "daily_open", "daily_closed", "days"]
    {
        analyst.can(&format!("SELECT count() FROM footfall.{table}"));
    }
    assert_eq!(analyst.can("SELECT count() FROM footfall.events"), "2\n");
    assert_eq!(analyst.can("SELECT count() FROM numbers(10)"), "10\n");
    analyst.can("SELECT count() FROM footfall.events SETTINGS max_threads = 1, output_format_json_quote_64bit_integers = 1");
    analyst.may_not(NOBODY);
    analyst.may_not(READERS);
    analyst.may_not(&[
        AUDIT,
        "SELECT * FROM footfall.books",
        "SELECT * FROM footfall.segments",
        "SELECT * FROM footfall.migrations",
        "SELECT * FROM merge('footfall', 'audit')",
        "SELECT * FROM view(SELECT * FROM footfall.audit)",
        "SELECT (SELECT count() FROM footfall.books) FROM footfall.events",
        "EXPLAIN SELECT * FROM footfall.audit",
    ]);
    unchanged(&store);
}

#[test]
fn the_sre_sees_whether_the_store_is_well_and_no_audit() {
    let store = inhabited();
    let sre = Actor::new(&store, "footfall_sre");
    for table in ["events", "visits", "daily", "books", "segments", "migrations"] {
        sre.can(&format!("SELECT count() FROM footfall.{table}"));
    }
    for table in ["parts", "parts_columns", "merges", "mutations", "replicas", "distribution_queue", "errors"]
    {
        sre.can(&format!("SELECT count() FROM system.{table}"));
    }
    assert_ne!(
        sre.can("SELECT count() FROM system.parts WHERE database = 'footfall' AND table = 'events'"),
        "0\n"
    );
    sre.may_not(NOBODY);
    sre.may_not(READERS);
    sre.may_not(&[AUDIT]);
    unchanged(&store);
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
        "ALTER TABLE footfall.audit UPDATE what = '' WHERE 1",
        "DELETE FROM footfall.audit WHERE 1",
        "DELETE FROM footfall.books WHERE 1",
        "ALTER TABLE footfall.visits_closed DELETE WHERE 1",
        "ALTER TABLE footfall.events DROP COLUMN path",
        "ALTER TABLE footfall.events MODIFY TTL expires + INTERVAL 1 DAY",
        "ALTER TABLE footfall.events MODIFY SETTING fsync_after_insert = 0",
        "TRUNCATE TABLE footfall.audit",
        "DROP TABLE footfall.events",
        "CREATE TABLE footfall.u (a UInt8) ENGINE = Memory",
        "SELECT count() FROM footfall.visits",
        "SELECT count() FROM footfall.books",
        "SELECT * FROM remote('127.0.0.1:1', 'footfall', 'audit')",
    ]);
    unchanged(&store);
    assert_eq!(officer.can(AUDIT), "0\n");
    officer.can(
        "ALTER TABLE footfall.events UPDATE path = '/erased' WHERE page_load = 1 SETTINGS mutations_sync = 2",
    );
    assert_eq!(officer.can("SELECT path FROM footfall.events WHERE page_load = 1"), "/erased\n");
    officer.can("ALTER TABLE footfall.events DELETE WHERE page_load = 1 SETTINGS mutations_sync = 2");
    officer.can("DELETE FROM footfall.events WHERE page_load = 2");
    assert_eq!(officer.can("SELECT count() FROM footfall.events"), "0\n");
}

#[test]
fn the_bounds_of_the_file_hold_and_what_passes_them_by_lifts_no_grant() {
    let store = inhabited();
    for role in ["footfall_reader", "footfall_sre", "footfall_privacy"] {
        let actor = Actor::new(&store, role);
        let roles = Roles::read();
        for setting in &roles.profiles[roles.profile_of[role]] {
            let words: Vec<&str> = setting.split(' ').collect();
            // A bound of one more, and none at all; what is held, at any other value.
            let tries: &[String] = match words[..] {
                // Of threads, 0 means as many as there are processors, which is held to the bound.
                ["max_threads", .., most] => &[format!("max_threads = {}", most.parse::<u64>().unwrap() + 1)],
                [name, "=", _, "MIN", _, "MAX", most] => {
                    &[format!("{name} = {}", most.parse::<u64>().unwrap() + 1), format!("{name} = 0")]
                }
                [name, "=", value, "CONST"] => &[format!("{name} = {}", u64::from(value == "0"))],
                // Refused in front of the engine, whoever asks.
                _ => &[],
            };
            for attempt in tries {
                for sql in [format!("SET {attempt}"), format!("SELECT 1 SETTINGS {attempt}")] {
                    let answer = store.ask(&actor.parameters, &sql);
                    let held = [
                        "(SETTING_CONSTRAINT_VIOLATION)",
                        "(READONLY)",
                        "(BAD_ARGUMENTS)",
                        "(ACCESS_DENIED)",
                    ];
                    let text = answer.text();
                    assert!(held.iter().any(|held| text.contains(held)), "{role}: {sql}: {text}");
                }
            }
        }
        // Another profile does not let go of what this one holds.
        let _whatever = store.ask(&actor.parameters, "SET profile = 'default'");
        let answer = store.ask(&actor.parameters, "SET max_memory_usage = 0");
        assert!(answer.text().starts_with("Code: 452."), "{role}: {}", answer.text());
    }
    // What a server's own settings do not stop: see the head of the file. The grants do.
    let analyst = Actor::new(&store, "footfall_reader");
    for sql in ["SET readonly = DEFAULT", "SET max_execution_time = DEFAULT, max_memory_usage = DEFAULT"] {
        let _passes = store.ask(&analyst.parameters, sql);
    }
    analyst.may_not(NOBODY);
    analyst.may_not(READERS);
    analyst.may_not(&[AUDIT]);
    unchanged(&store);
}
