//! Reconciliation with a real store that lost segments or has them twice: it names them. On a live system it finds nothing.

use std::time::Duration;

use footfall::event::{EventRow, UnixDay, UnixMillis};
use footfall::spool::{Durability, EventRecord, discard, fingerprint};
use footfall::store::days::DayCloser;
use footfall::store::reconcile::{DIGEST_SQL, Discrepancy, Reconciliation};

use crate::common::{Collector, StoreProcess, eventually, seed};
use crate::load::{Ledger, Plan, Running};
use crate::ship::{Shipping, store};

const PATIENCE: Duration = Duration::from_secs(90);

/// A store with `segments` segments whose times of receipt do not overlap.
fn shipped(segments: u32) -> (tempfile::TempDir, StoreProcess, Shipping) {
    let (directory, store) = store();
    let mut shipping = Shipping::to(store.store.listen);
    for _ in 0..segments {
        shipping.append(40);
        shipping.wait_until_shipped();
        std::thread::sleep(Duration::from_millis(20));
    }
    let reconciliation = settled(&shipping);
    assert!(
        reconciliation.is_reconciled() && reconciliation.days.values().all(|line| line.is_checked_by_digest),
        "{reconciliation:?}"
    );
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

/// Names of the segments with events, oldest first, with an SQL condition on their times of receipt.
fn segments(store: &StoreProcess) -> Vec<(String, String)> {
    let sql = "SELECT concat(lower(leftPad(hex(collector), 16, '0')), '-', leftPad(toString(number), 10, '0')), \
               concat('received BETWEEN ''', toString(first), ''' AND ''', toString(last), '''') \
               FROM segments FINAL WHERE events > 0 ORDER BY number";
    let rows = store.store.rows(sql);
    rows.iter().map(|row| row.replace("\\'", "'")).map(|row| split(&row)).collect()
}

fn split(row: &str) -> (String, String) {
    let (name, window) = row.split_once('\t').expect("two columns");
    (name.to_owned(), window.to_owned())
}

fn messages(reconciliation: &Reconciliation) -> Vec<String> {
    reconciliation.discrepancies.iter().map(Discrepancy::to_string).collect()
}

#[test]
fn the_store_computes_the_same_digest() {
    let (_directory, store) = store();
    let identities = [(0, 0), (1, 0), (0, 1), (u64::MAX, u32::MAX), (0x0123_4567_89ab_cdef, 4_000_000_000)];
    for (page_load, seq) in identities {
        let sql = format!(
            "SELECT {DIGEST_SQL} FROM (SELECT toUInt64({page_load}) AS page_load, toUInt32({seq}) AS seq)"
        );
        assert_eq!(store.store.number(&sql), fingerprint(page_load, seq), "{page_load} {seq}");
    }
    let values = identities.map(|(page_load, seq)| format!("({page_load}, {seq})")).join(",");
    let sql = format!("SELECT {DIGEST_SQL} FROM VALUES('page_load UInt64, seq UInt32', {values})");
    let sum = identities.iter().fold(0_u64, |sum, (page, seq)| sum.wrapping_add(fingerprint(*page, *seq)));
    assert_eq!(store.store.number(&sql), sum, "sums wrap");
}

#[test]
fn missing_and_doubled_segments_are_named() {
    let (_directory, store, shipping) = shipped(5);
    let segments = segments(&store);
    let delete = |(_, window): &(String, String)| {
        store.store.query(&format!("DELETE FROM events WHERE {window}")).unwrap();
    };
    let double = |(_, window): &(String, String)| {
        store.store.query(&format!("INSERT INTO events SELECT * FROM events WHERE {window}")).unwrap();
    };
    assert!(segments.len() >= 5, "{segments:?}");

    delete(&segments[1]);
    let found = messages(&shipping.reconcile());
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with(&format!("segment {} is missing: 120 events of clinic on ", segments[1].0)));

    // Another segment of the same size is doubled, so the counts match.
    double(&segments[3]);
    let reconciliation = shipping.reconcile();
    assert!(
        reconciliation.days.values().all(|line| line.missing() + line.surplus() == 0),
        "{reconciliation:?}"
    );
    let found = messages(&reconciliation);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].starts_with(&format!("segment {} is missing", segments[1].0)), "{found:?}");
    assert!(found[1].starts_with(&format!("segment {} is doubled", segments[3].0)), "{found:?}");

    // Three at once are found by their times of receipt.
    delete(&segments[0]);
    let found = messages(&shipping.reconcile());
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(found[0].starts_with(&format!("segment {} is missing", segments[0].0)), "{found:?}");

    // Only a part of a segment is missing.
    double(&segments[0]);
    let part = format!("DELETE FROM events WHERE {} AND seq = 2", segments[4].1);
    store.store.query(&part).unwrap();
    assert!(!shipping.reconcile().is_reconciled());
}

#[test]
fn counts_that_the_store_added_twice_after_a_power_cut_make_no_difference() {
    let (_directory, store, shipping) = shipped(3);
    store.store.query("INSERT INTO event_counts SELECT * FROM event_counts").unwrap();
    let reconciliation = shipping.reconcile();
    assert!(
        reconciliation.is_reconciled() && reconciliation.days.values().all(|line| line.is_checked_by_digest),
        "{:?}",
        messages(&reconciliation)
    );
    let (_, window) = &segments(&store)[1];
    store.store.query(&format!("DELETE FROM events WHERE {window}")).unwrap();
    assert!(!shipping.reconcile().is_reconciled(), "missing events are still found");
}

#[test]
fn counts_that_no_segments_explain_are_a_discrepancy() {
    let (_directory, store, shipping) = shipped(3);
    let seven = "INSERT INTO event_counts SELECT day, site, outcome, 7, expires FROM event_counts WHERE outcome = 'stored' LIMIT 1";
    store.store.query(seven).unwrap();
    let found = shipping.reconcile().discrepancies;
    assert!(
        matches!(found[..], [Discrepancy::Counted { events: -7, .. }]),
        "no segments have 7 events: {found:?}"
    );
}

#[test]
fn lost_events_of_segments_without_a_row_are_missing_by_the_counts() {
    let (_directory, store, shipping) = shipped(3);
    // The first segment has no row in `segments`, and its events are lost.
    let (name, window) = &segments(&store)[0];
    let number: u64 = name.split_once('-').and_then(|(_, number)| number.parse().ok()).unwrap();
    store.store.query(&format!("DELETE FROM segments WHERE number <= {number}")).unwrap();
    store.store.query(&format!("DELETE FROM events WHERE {window}")).unwrap();
    let found = shipping.reconcile().discrepancies;
    assert!(matches!(found[..], [Discrepancy::Counted { events: -120, .. }]), "{found:?}");
}

#[test]
fn missing_events_are_reported_with_their_segment() {
    let (_directory, store, shipping) = shipped(4);
    let segments = segments(&store);
    store.store.query(&format!("DELETE FROM events WHERE {} AND seq = 2", segments[2].1)).unwrap();
    let found = shipping.reconcile().discrepancies;
    let [Discrepancy::Events { events: -40, from, to, .. }] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!([from, to], [&segments[2].0, &segments[2].0]);
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
fn removed_duplicates_are_accounted_for_by_their_digests() {
    let (_directory, store, mut shipping) = shipped(2);
    let (page_load, seq) = shipping.appended[0];
    let now = UnixMillis(jiff::Timestamp::now().as_millisecond());
    let row = EventRow {
        page_load,
        seq,
        time: now,
        received: now,
        expires: UnixDay(u16::MAX),
        site: "clinic",
        ..EventRow::default()
    };
    let mut rows = Vec::new();
    row.encode(&mut rows);
    let record = EventRecord { site: "clinic", page_load, seqs: &[seq], rows: &rows };
    let ack = shipping.spool.append(record, Durability::Synced).unwrap();
    shipping.runtime.block_on(ack).unwrap();
    shipping.appended.push((page_load, seq));
    shipping.wait_until_shipped();
    assert!(settled(&shipping).is_reconciled(), "it was shipped twice and is stored twice");
    let morning = jiff::civil::Time::constant(4, 0, 0, 0);
    let closer = DayCloser::new(shipping.client.clone(), jiff::tz::TimeZone::UTC, morning).unwrap();
    let closed = shipping.runtime.block_on(closer.close_due(jiff::Timestamp::now())).unwrap();
    assert_eq!(closed.duplicates, 1);
    let reconciliation = shipping.reconcile();
    let line = reconciliation.days.values().next().unwrap();
    assert!(
        reconciliation.is_reconciled() && line.is_checked_by_digest && line.removed == 1,
        "{reconciliation:?}"
    );
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
        store.store.number("SELECT count(DISTINCT number) FROM segments") >= 5
    });
    let reconciliation = settled(&shipping);
    assert!(reconciliation.is_reconciled(), "{reconciliation:?}");
    assert_eq!(
        store.store.number("SELECT max(number) - min(number) + 1 - count(DISTINCT number) FROM segments"),
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
        assert!(!text.contains("by count"), "round {round}: which events they are was not looked at: {text}");
    }
    let (outcome, _) = load.stop();
    assert!(outcome.taken > 200, "{outcome:?}");
}
