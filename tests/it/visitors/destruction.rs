//! What is destroyed leaves a record: retention by the hour, a whole site, keys; the audit's chain shows whether the records are as they were written.

use std::sync::atomic::Ordering;
use std::time::Duration;

use footfall::config::StoreConfig;
use footfall::privacy::SubjectScope;
use footfall::store::retention::RetentionStore;
use footfall::store::subject::SubjectStore;
use footfall::store::{Client, schema};
use jiff::tz::TimeZone;
use serde_json::Value;

use crate::common::{Collector, StoreProcess, eventually, good_beacon};
use crate::store::closing::Proxy;

const PATIENCE: Duration = Duration::from_secs(120);
const SITES: &str = "[spool]\nseal_after = \"1s\"\n[[site]]\nid = \"clinic\"\nhosts = [\"clinic.example\"]\nretention = \"2h\"\n\
                     [[site]]\nid = \"school\"\nhosts = [\"clinic.example\"]\n";

#[track_caller]
fn send(collector: &Collector, site: &str, pages: std::ops::Range<u64>) {
    for page in pages {
        let answer = collector.beacon(&good_beacon(site, page, 0, "/a")).expect("the collector answers");
        assert_eq!(answer.status, 204, "{}", answer.text());
    }
}

#[track_caller]
fn run(collector: &Collector, arguments: &[&str]) -> String {
    let output = collector.command(arguments);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{arguments:?}: {text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

#[track_caller]
fn json(collector: &Collector, arguments: &[&str]) -> Value {
    serde_json::from_str(&run(collector, &[arguments, &["--format", "json"]].concat())).expect("JSON")
}

fn audited(collector: &Collector, action: &str) -> u64 {
    collector.store.number(&format!("SELECT count() FROM audit WHERE action = '{action}'"))
}

#[test]
fn a_site_with_a_retention_in_hours_loses_its_events_by_the_hour_and_each_pass_leaves_a_record() {
    let mut collector = Collector::new(SITES);
    collector.start();
    send(&collector, "clinic", 0..6);
    send(&collector, "school", 0..4);
    collector.wait_for_events(10, PATIENCE);
    let dry = json(&collector, &["retention", "--dry-run"]);
    let removed = |site: &str| {
        let rows = dry["removals"].as_array().unwrap();
        let row = rows.iter().find(|row| row["site"] == site).unwrap();
        (row["events"].as_u64().unwrap(), row["removed"].as_str().unwrap().to_owned())
    };
    assert_eq!((removed("clinic").0, removed("school").0), (6, 4));
    assert!(removed("clinic").1.ends_with("hour by hour") && removed("school").1.len() == 10, "{dry:#}");
    // Four of the events were received five hours ago, by their day too if that was yesterday.
    let old = "site = 'clinic' AND page_load IN (SELECT page_load FROM events WHERE site = 'clinic' ORDER BY page_load LIMIT 4)";
    let shift = format!(
        "ALTER TABLE events UPDATE received = received - INTERVAL 5 HOUR WHERE {old} SETTINGS mutations_sync = 1"
    );
    let day_before =
        collector.store.number("SELECT toUInt8(toDate(now('UTC') - INTERVAL 5 HOUR) != toDate(now('UTC')))");
    collector.store.query(&shift).unwrap();
    let left = || collector.store.number("SELECT count() FROM events WHERE site = 'clinic'");
    eventually("the old events are gone", PATIENCE, || left() == 2);
    assert_eq!(collector.store.number("SELECT count() FROM events WHERE site = 'school'"), 4);
    assert_eq!(
        collector.store.number("SELECT sum(events) FROM removed_events FINAL WHERE reason = 'retention'"),
        4
    );
    if day_before == 0 {
        assert_eq!(json(&collector, &["verify"])["reconciled"], true);
    }
    eventually("the pass is audited", PATIENCE, || audited(&collector, "retention passed") == 1);
    let acts = run(&collector, &["audit", "acts", "--language", "ru"]);
    assert!(acts.contains("АКТ ОБ УНИЧТОЖЕНИИ ДАННЫХ №") && acts.contains("событий: 4; clinic"), "{acts}");
    let acts = run(&collector, &["audit", "acts"]);
    assert!(acts.contains("events: 4; clinic") && acts.contains("retention of 2 hours"), "{acts}");
}

/// Events of one hour, long before the retention's end, with pages of these numbers.
fn insert(store: &StoreProcess, table: &str, segment: u64, pages: std::ops::Range<u64>) {
    let sql = format!(
        "INSERT INTO {table} (site, collector, segment, page_load, time, received, expires) SETTINGS insert_deduplicate = 0 \
         SELECT 'clinic', 1, {segment}, number, t, t, '2149-01-01' FROM \
         (SELECT number, toDateTime('2026-10-31 23:50:00', 'UTC') + number % 1000 AS t FROM numbers({}, {}))",
        pages.start,
        pages.end - pages.start
    );
    store.store.query(&sql).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_arrive_while_a_pass_deletes_or_after_it_was_interrupted_are_booked_too() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = StoreProcess::new(&directory.path().join("store"));
    store.start();
    let listen = store.store.listen;
    let client = |url| Client::new(&StoreConfig::embedded(url));
    schema::migrate(&client(listen), &jiff::tz::TimeZone::UTC).await.unwrap();
    let proxy = Proxy::before(listen);
    let (direct, broken) = (RetentionStore::new(client(listen)), RetentionStore::new(client(proxy.listen)));
    let until = "2026-11-02T00:00:00Z".parse::<jiff::Timestamp>().unwrap().as_second();
    let left = || {
        store.store.number("SELECT (SELECT count() FROM events) + (SELECT count() FROM blocked_events FINAL)")
    };
    for answers in 0.. {
        let first = 10_000 * answers;
        insert(&store, "events", first, first..first + 1000);
        insert(&store, "blocked_events", first, first + 1000..first + 1400);
        insert(&store, "blocked_events", first + 1, first + 1400..first + 1500);
        proxy.answers.store(answers as i64, Ordering::SeqCst);
        let pass = broken.delete_before("clinic", until).await;
        // A late segment, and the rest of one that was recorded, in both tables.
        for table in ["events", "blocked_events"] {
            let start = first + if table == "events" { 2000 } else { 3000 };
            insert(&store, table, first + 2, start..start + 50);
            insert(&store, table, first, start + 50..start + 57);
        }
        let mut passes = 0;
        while left() > 0 {
            passes += 1;
            assert!(passes <= 3, "events stay after {answers} answers");
            direct.delete_before("clinic", until).await.unwrap();
        }
        let recorded =
            store.store.number("SELECT sum(events) FROM removed_events FINAL WHERE reason = 'retention'");
        assert_eq!(recorded, (answers + 1) * 1614, "after {answers} answers");
        if pass.is_ok() {
            assert!(answers > 8, "a pass takes more steps than that");
            return;
        }
    }
}

/// Two collectors. One has shipped events of the site in each of its segments, the other one in every third.
#[tokio::test]
async fn a_whole_site_is_erased_from_every_shard_of_a_cluster_and_each_event_is_booked() {
    let directory = tempfile::tempdir().unwrap();
    let mut shards = StoreProcess::shards(directory.path(), 2);
    shards.iter_mut().for_each(StoreProcess::start);
    let client = StoreProcess::client_of(&shards);
    schema::migrate(&client, &TimeZone::UTC).await.unwrap();
    for (site, events) in [("clinic", 3_000), ("school", 10)] {
        // Of this month and of one before.
        let insert = format!(
            "INSERT INTO events (site, visitor, page_load, seq, time, received, expires, collector, segment) \
             SELECT '{site}', cityHash64(number), number, 0, now() - INTERVAL 40 * (number % 2) DAY, now(), '2100-01-01', \
             1 + number % 2, if(number % 2 = 0, intDiv(number, 2), 3 * number) FROM numbers({events})"
        );
        client.query(&insert).execute().await.unwrap();
    }
    let store = SubjectStore::new(client, TimeZone::UTC, None).unwrap();
    let site = SubjectScope::Site { site: "clinic".to_owned() };
    assert_eq!(store.erase(&site, "request").await.unwrap().events, 3_000);
    let any = shards[0].store;
    assert_eq!(any.rows("SELECT site, count() FROM events GROUP BY site"), ["school\t10"]);
    let recorded = "SELECT site, reason, sum(events) FROM removed_events GROUP BY site, reason";
    assert_eq!(any.rows(recorded), ["clinic\terased\t3000"]);
    // As after a crash at the end.
    assert_eq!(store.erase(&site, "request").await.unwrap().events, 0);
    assert_eq!(any.rows(recorded), ["clinic\terased\t3000"]);
}

#[test]
fn a_whole_site_is_erased_and_the_chain_of_the_audit_shows_whether_its_record_is_as_it_was_written() {
    let mut collector = Collector::new(SITES);
    collector.start();
    send(&collector, "clinic", 0..30);
    send(&collector, "school", 0..4);
    collector.wait_for_events(34, PATIENCE);
    run(&collector, &["report", "pages", "--site", "clinic"]);
    let erased = json(
        &collector,
        &[
            "subject",
            "erase",
            "--site",
            "clinic",
            "--whole-site",
            "--ground",
            "contract 9 has ended",
            "--operator",
            "Olga",
        ],
    );
    assert_eq!((&erased["state"], &erased["events"]), (&"done".into(), &30.into()), "{erased:#}");
    for table in ["events", "visits_stored", "daily_stored"] {
        assert_eq!(
            collector.store.number(&format!("SELECT count() FROM {table} WHERE site = 'clinic'")),
            0,
            "{table}"
        );
    }
    assert_eq!(collector.stored_events(), Some(4));
    assert!(
        collector.store.number("SELECT count() FROM removed_events FINAL") < 10,
        "segments are recorded, not events"
    );
    assert_eq!(json(&collector, &["verify"])["reconciled"], true);
    run(&collector, &["key", "rotate"]);
    eventually("the turn is audited", PATIENCE, || {
        audited(&collector, "key turned") == 1 && audited(&collector, "subject erased") == 1
    });
    let acts = run(&collector, &["audit", "acts"]);
    assert!(
        acts.contains("events: 30") && acts.contains("contract 9 has ended") && acts.contains("Olga"),
        "{acts}"
    );
    assert!(acts.contains("key of pseudonyms"), "{acts}");

    // What an incident of today would concern.
    let today = jiff::Timestamp::now().strftime("%Y-%m-%d").to_string();
    let incident =
        |more: &[&str]| run(&collector, &[&["incident", "--from", &today, "--to", &today], more].concat());
    let text = incident(&["--language", "ru", "--print", "notice-24h"]);
    assert!(
        text.contains("school: событий 4, псевдонимов посетителей 1") && !text.contains("clinic:"),
        "{text}"
    );
    let text = incident(&[]);
    assert!(
        text.contains("school: 4 events") && text.contains("visitor") && text.contains("destroyed at"),
        "{text}"
    );
    let fields: Value = serde_json::from_str(&incident(&["--format", "json"])).unwrap();
    let fields: Vec<&str> =
        fields["affected"]["fields"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert!(fields.contains(&"path") && !fields.contains(&"error_message"), "{fields:?}");

    // The chain goes on over a restart and a crash.
    for crash in [false, true] {
        if crash {
            collector.kill()
        } else {
            assert!(collector.terminate().success());
        }
        collector.start();
        run(&collector, &["key", "rotate"]);
        eventually("the turn is audited", PATIENCE, || {
            collector.store_answers() && audited(&collector, "key turned") == 2 + u64::from(crash)
        });
    }
    let whole = json(&collector, &["audit", "verify"]);
    assert_eq!(
        (&whole["is_intact"], whole["heads"].as_array().unwrap().len()),
        (&true.into(), 3),
        "{whole:#}"
    );
    let log = collector.log();
    let head = log
        .split("head=\"")
        .nth(1)
        .and_then(|rest| rest.split('"').next())
        .expect("the log has a head")
        .to_owned();
    assert_eq!(json(&collector, &["audit", "verify", "--head", &head])["is_intact"], true);

    // A user who can write to the store changes the record of the erasure.
    let tamper = |sql: &str| collector.store.query(sql).map(drop).unwrap();
    let broken = |finding: &str| {
        let output = collector.command(&["audit", "verify", "--format", "json"]);
        assert_eq!(output.status.code(), Some(4), "{output:?}");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(text.contains(&format!("\"finding\": \"{finding}\"")), "{text}");
    };
    tamper(
        "ALTER TABLE audit UPDATE detail = replace(detail, 'Olga', 'Anna') WHERE action = 'subject erased' SETTINGS mutations_sync = 1",
    );
    broken("altered");
    tamper(
        "ALTER TABLE audit UPDATE detail = replace(detail, 'Anna', 'Olga') WHERE action = 'subject erased' SETTINGS mutations_sync = 1",
    );
    assert_eq!(json(&collector, &["audit", "verify"])["is_intact"], true);
    tamper("INSERT INTO audit (time, action, detail) SELECT now64(3), 'subject erased', '{}'");
    broken("unchained");
    tamper("ALTER TABLE audit DELETE WHERE run = 0 SETTINGS mutations_sync = 1");
    tamper("ALTER TABLE audit DELETE WHERE action = 'subject erased' SETTINGS mutations_sync = 1");
    broken("missing");
}
