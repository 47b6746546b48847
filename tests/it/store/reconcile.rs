//! Reconciliation with a real store that lost segments or has them twice: it names them. On a live system it finds nothing.

use std::time::Duration;

use footfall::event::{EventRow, UnixDay, UnixSeconds};
use footfall::spool::{Durability, EventEntry, EventRecord, discard};
use footfall::store::days::DayCloser;
use footfall::store::reconcile::{Discrepancy, Reconciliation};

use crate::common::{Collector, StoreProcess, eventually, seed};
use crate::load::{Ledger, Plan, Running};
use crate::store::ship::{Shipping, store};

const PATIENCE: Duration = Duration::from_secs(90);

/// A store with `segments` segments at least.
fn shipped(segments: u32) -> (tempfile::TempDir, StoreProcess, Shipping) {
    let (directory, store) = store();
    let mut shipping = Shipping::to(store.store.listen);
    for _ in 0..segments {
        shipping.append(40);
        shipping.wait_until_shipped();
    }
    let reconciliation = settled(&shipping);
    assert!(reconciliation.is_reconciled(), "{reconciliation:?}");
    (directory, store, shipping)
}

/// The reconciliation after the last counts have arrived.
fn settled(shipping: &Shipping) -> Reconciliation {
    eventually("the counts arrive", PATIENCE, || {
        let reconciliation = shipping.reconcile();
        reconciliation.days.values().map(|line| line.confirmed).sum::<u64>() == shipping.appended.len() as u64
    });
    shipping.reconcile()
}

/// Names of the segments with events, oldest first, with an SQL condition on the rows that they brought.
fn segments(store: &StoreProcess) -> Vec<(String, String)> {
    let sql = "SELECT concat(lower(leftPad(hex(collector), 16, '0')), '-', leftPad(toString(segment), 10, '0')), \
               concat('collector = ', toString(collector), ' AND segment = ', toString(segment)) \
               FROM segments FINAL WHERE events > 0 ORDER BY segment";
    store.store.rows(sql).iter().map(|row| split(row)).collect()
}

fn split(row: &str) -> (String, String) {
    let (name, condition) = row.split_once('\t').expect("two columns");
    (name.to_owned(), condition.to_owned())
}

fn messages(reconciliation: &Reconciliation) -> Vec<String> {
    reconciliation.discrepancies.iter().map(Discrepancy::to_string).collect()
}

/// The sums of missing and of surplus events.
fn sums(reconciliation: &Reconciliation) -> [u64; 2] {
    let counts = || reconciliation.days.values();
    [counts().map(|line| line.missing).sum(), counts().map(|line| line.surplus).sum()]
}

#[test]
fn missing_and_doubled_segments_are_named() {
    let (_directory, store, shipping) = shipped(5);
    let segments = segments(&store);
    let delete = |(_, condition): &(String, String)| {
        store.store.query(&format!("DELETE FROM events WHERE {condition}")).unwrap();
    };
    let double = |(_, condition): &(String, String)| {
        store.store.query(&format!("INSERT INTO events SELECT * FROM events WHERE {condition}")).unwrap();
    };
    assert!(segments.len() >= 5, "{segments:?}");

    delete(&segments[1]);
    let found = messages(&shipping.reconcile());
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with(&format!("segment {} is missing: 120 events of clinic on ", segments[1].0)));

    // Another segment of the same size is doubled, so the sums match.
    double(&segments[3]);
    let reconciliation = shipping.reconcile();
    assert_eq!(sums(&reconciliation), [120, 120]);
    let found = messages(&reconciliation);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].starts_with(&format!("segment {} is missing", segments[1].0)), "{found:?}");
    assert!(found[1].starts_with(&format!("segment {} is doubled", segments[3].0)), "{found:?}");

    // Every segment at fault is named, however many there are.
    delete(&segments[0]);
    double(&segments[4]);
    double(&segments[4]);
    let found = messages(&shipping.reconcile());
    assert_eq!(found.len(), 4, "{found:?}");
    assert!(found[3].starts_with(&format!("segment {} is doubled: 360 events", segments[4].0)), "{found:?}");
}

#[test]
fn a_part_of_a_segment_that_is_missing_or_replaced_by_copies_of_the_rest_is_reported_with_its_segment() {
    let (_directory, store, shipping) = shipped(3);
    let (name, condition) = &segments(&store)[1];
    let one = format!("SELECT event_id FROM events WHERE {condition} ORDER BY event_id LIMIT 1");
    store.store.query(&format!("DELETE FROM events WHERE event_id IN ({one})")).unwrap();
    let found = messages(&shipping.reconcile());
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with(&format!("segment {name} is incomplete: 1 of its 120 events")), "{found:?}");
    // The number is right again, but another event is there twice.
    let copy = format!("INSERT INTO events SELECT * FROM events WHERE event_id IN ({one})");
    store.store.query(&copy).unwrap();
    let reconciliation = shipping.reconcile();
    assert_eq!(sums(&reconciliation), [1, 1], "{:?}", messages(&reconciliation));
}

#[test]
fn an_account_that_is_written_twice_counts_once_and_rows_of_a_segment_without_an_account_are_unknown() {
    let (_directory, store, shipping) = shipped(3);
    store.store.query("INSERT INTO segments SELECT * FROM segments SETTINGS insert_deduplicate = 0").unwrap();
    assert!(shipping.reconcile().is_reconciled(), "{:?}", messages(&shipping.reconcile()));
    let (name, condition) = &segments(&store)[1];
    store.store.query(&format!("DELETE FROM segments WHERE {condition}")).unwrap();
    let found = messages(&shipping.reconcile());
    let unknown = format!("segment {name} is unknown: 120 events of clinic");
    assert!(found.iter().any(|finding| finding.starts_with(&unknown)), "{found:?}");
    // Its number is missing, too.
    assert!(found.iter().any(|finding| finding.starts_with(&format!("segment {name} is lost"))), "{found:?}");
}

#[test]
fn rows_past_their_retention_are_accounted_for_whether_the_store_has_deleted_them_or_not() {
    let (_directory, store, shipping) = shipped(2);
    let yesterday = "toDate(now('UTC')) - 1";
    for table in ["events", "segments"] {
        let update =
            format!("ALTER TABLE {table} UPDATE expires = {yesterday} WHERE 1 SETTINGS mutations_sync = 2");
        if table == "segments" {
            // It is a key column there.
            store.store.query(&format!(
                "INSERT INTO segments SELECT day, site, collector, segment, part, outcome, events, {yesterday} FROM segments \
                 SETTINGS insert_deduplicate = 0"
            )).unwrap();
            store.store.query(&format!("DELETE FROM segments WHERE expires > {yesterday}")).unwrap();
        } else {
            store.store.query(&update).unwrap();
        }
    }
    let expired =
        |reconciliation: &Reconciliation| reconciliation.days.values().map(|line| line.expired).sum::<u64>();
    let before = shipping.reconcile();
    assert!(before.is_reconciled() && expired(&before) == 240, "{before:?}");
    store.store.query("DELETE FROM events WHERE 1").unwrap();
    let after = shipping.reconcile();
    assert!(after.is_reconciled() && expired(&after) == 240, "{after:?}");
}

#[test]
fn a_dropped_part_of_the_table_is_reported_as_its_segments() {
    let (_directory, store, shipping) = shipped(4);
    let count = segments(&store).len();
    store.store.query("OPTIMIZE TABLE events FINAL").unwrap();
    let part = store.store.rows("SELECT name FROM system.parts WHERE table = 'events' AND active");
    store.store.query(&format!("ALTER TABLE events DROP PART '{}'", part[0])).unwrap();
    let found = messages(&shipping.reconcile());
    assert_eq!(found.len(), count, "{found:?}");
    assert!(found.iter().all(|finding| finding.contains("is missing")), "{found:?}");
}

#[test]
fn removed_duplicates_are_accounted_for_by_their_segments() {
    let (_directory, store, mut shipping) = shipped(2);
    let event_id = shipping.appended[0];
    let now = UnixSeconds::from_millis(jiff::Timestamp::now().as_millisecond() + 1_000);
    let row = EventRow {
        page_load: event_id,
        time: now,
        received: now,
        expires: UnixDay(u16::MAX),
        site: "clinic",
        ..EventRow::default()
    };
    let mut rows = Vec::new();
    row.encode(&mut rows);
    let events = [EventEntry { filter_id: event_id, row_len: rows.len() as u32 }];
    let record = EventRecord { site: "clinic", events: &events, rows: &rows };
    let ack = shipping.spool.append(record, Durability::Synced).unwrap();
    shipping.runtime.block_on(ack).unwrap();
    shipping.appended.push(event_id);
    shipping.wait_until_shipped();
    assert!(settled(&shipping).is_reconciled(), "it was shipped twice and is stored twice");
    let closer = DayCloser::new(shipping.client.clone(), jiff::tz::TimeZone::UTC).unwrap();
    let closed = shipping.runtime.block_on(closer.close_due(jiff::Timestamp::now())).unwrap();
    assert_eq!(closed.duplicates, 1);
    let reconciliation = shipping.reconcile();
    let line = reconciliation.days.values().next().unwrap();
    assert!(reconciliation.is_reconciled() && line.removed == 1, "{reconciliation:?}");
    // A later loss is still found.
    let segments = segments(&store);
    store.store.query(&format!("DELETE FROM events WHERE {}", segments[1].1)).unwrap();
    assert!(!shipping.reconcile().is_reconciled());
}

#[test]
fn a_sealed_segment_that_was_removed_from_the_spool_is_reported_as_lost() {
    let (_directory, mut store, mut shipping) = shipped(2);
    store.kill();
    shipping.append(10);
    eventually("it is sealed", PATIENCE, || shipping.spool.oldest_sealed().is_some());
    let lost = shipping.spool.oldest_sealed().unwrap().id;
    std::fs::remove_file(shipping.spool.directory().join(lost.file_name())).unwrap();
    shipping.append(10);
    // The shipper may have noticed already and dropped it from the queue.
    eventually("another is sealed", PATIENCE, || {
        let other = shipping.spool.oldest_sealed().is_some_and(|sealed| sealed.id != lost);
        other || shipping.spool.status().sealed > 1
    });
    store.start();
    eventually("verify sees it", PATIENCE, || {
        shipping.reconcile().discrepancies == [Discrepancy::Lost { segment: lost.to_string() }]
    });
    discard(shipping.spool.directory(), lost, "the disk was changed").unwrap();
    assert_eq!(shipping.reconcile().discrepancies, [], "the loss was acknowledged");
}

#[test]
fn restarts_leave_no_gap_in_the_numbers_of_segments() {
    let (_directory, store) = store();
    let mut shipping = Shipping::to(store.store.listen);
    let spool = shipping.directory.path().join("spool");
    for round in 0..4 {
        shipping.append(round % 2);
        shipping.reopen(&spool);
    }
    shipping.append(1);
    shipping.wait_until_shipped();
    eventually("every number is known", PATIENCE, || {
        store.store.number("SELECT count(DISTINCT segment) FROM segments") >= 5
    });
    let reconciliation = settled(&shipping);
    assert!(reconciliation.is_reconciled(), "{reconciliation:?}");
    assert_eq!(
        store.store.number("SELECT max(segment) - min(segment) + 1 - count(DISTINCT segment) FROM segments"),
        0
    );
}

#[test]
fn a_live_system_is_reconciled_at_any_moment_whatever_is_killed() {
    let seed = seed();
    let mut collector = Collector::new("[spool]\nseal_after = \"300ms\"\n");
    collector.start();
    let plan = Plan {
        target: collector.listen,
        connections: 8,
        events: 3,
        site: "clinic".to_owned(),
        seed,
        rate: Some(200),
        longest_pause: Duration::from_secs(1),
    };
    let load = Running::start(plan, Ledger::default());
    collector.wait_for_events(100, PATIENCE);
    for round in 0..8 {
        if round % 2 == 1 {
            collector.kill();
            collector.start();
            eventually("the store runs", PATIENCE, || collector.store_answers());
        }
        let verified = collector.command(&["verify"]);
        let text = String::from_utf8_lossy(&verified.stdout).into_owned();
        assert!(
            verified.status.success(),
            "round {round}: {text}{}",
            String::from_utf8_lossy(&verified.stderr)
        );
    }
    let (outcome, _) = load.stop();
    assert!(outcome.taken > 200, "{outcome:?}");
}
