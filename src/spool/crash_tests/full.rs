//! A full disk: events are refused in time, shipping goes on, and events are accepted again without a restart.
//!
//! The tests that need a shipper are in `store::ship::crash_tests`.

use std::io::ErrorKind;

use super::model::{open, quarantine, sealed, shipped_rows};
use crate::spool::log::writer::thread::MANY_SEALED;
use crate::spool::testing::*;
use crate::spool::*;

/// Appends single events until one is refused. Returns its page load.
fn fill(spool: &Spool, from: u64) -> (u64, SpoolError) {
    for page_load in from..from + 10_000 {
        match append(spool, page_load, &[0]).and_then(wait) {
            Ok(()) => {}
            Err(error) => return (page_load, error),
        }
        // The writer checks the space every few milliseconds.
        std::thread::sleep(Duration::from_millis(1));
    }
    panic!("nothing is refused");
}

fn page_loads(spool: &Spool) -> Vec<u64> {
    let read = |sealed| shipped_rows(spool, sealed).map_err(|error| error.to_string()).unwrap().events;
    sealed(spool).into_iter().flat_map(read).collect()
}

#[test]
fn events_are_refused_before_the_disk_is_full_and_accepted_again_when_a_segment_was_shipped() {
    let disk = TestDisk::default();
    let limits = SpoolLimits { seal_rows: 20, reserve: Some(8_000), ..limits() };
    disk.leave_space(20_000);
    let (spool, _) = open(&disk, &limits).unwrap();
    let (refused, error) = fill(&spool, 0);
    assert!(matches!(error, SpoolError::NoSpace { reserve: 8_000, free: 1.. }), "{error}");
    assert!(refused > 20 && spool.status().broken.is_none());
    // The few rows of the audit are accepted.
    wait(spool.append_audit("a", "{}").unwrap()).unwrap();
    spool.confirm(&spool.oldest_sealed().unwrap()).unwrap();
    until(|| spool.status().no_space.is_none());
    wait(append(&spool, refused, &[0]).unwrap()).unwrap();
}

#[test]
fn a_spool_on_a_full_disk_opens_refuses_ships_and_accepts_events_when_there_is_space() {
    let disk = TestDisk::default();
    let sealing = SpoolLimits { seal_rows: 3, ..limits() };
    let (spool, _) = open(&disk, &sealing).unwrap();
    for page_load in 0..7 {
        wait(append(&spool, page_load, &[0]).unwrap()).unwrap();
    }
    until(|| spool.status().sealed == 2);
    let off = disk.after_power_loss(|| false);
    drop(spool);
    // No byte is left, and one segment is not sealed.
    off.leave_space(0);
    let (spool, found) = open(&off, &sealing).unwrap();
    assert_eq!(found.ids.len(), 7, "the ids are known");
    assert_eq!((found.events, spool.status().events, spool.status().sealed), (7, 7, 2));
    for _ in 0..3 {
        assert!(matches!(append(&spool, 9, &[0]), Err(SpoolError::NoSpace { .. })));
        // A repeated beacon must not be acknowledged either: its events are not durable for certain.
        assert!(matches!(wait(spool.sync_point()), Err(SpoolError::NoSpace { .. })));
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(spool.status().broken.is_none() && spool.status().no_space.is_some());
    let audit = spool.append_audit("a", "{}").unwrap();
    // Shipping goes on and makes the space that the rest needs.
    assert_eq!(page_loads(&spool), [0, 1, 2, 3, 4, 5]);
    spool.confirm(&spool.oldest_sealed().unwrap()).unwrap();
    until(|| spool.status().no_space.is_none());
    assert_eq!(page_loads(&spool), [3, 4, 5, 6]);
    wait(audit).unwrap();
    wait(append(&spool, 9, &[0]).unwrap()).unwrap();
    drop(spool);
    let (spool, _) = open(&off.after_power_loss(|| false), &sealing).unwrap();
    assert_eq!(page_loads(&spool), [3, 4, 5, 6, 9]);
}

#[test]
fn a_refused_segment_is_quarantined_on_a_full_disk_and_does_not_block_the_next() {
    let disk = TestDisk::default();
    let (spool, _) = open(&disk, &SpoolLimits { seal_rows: 1, ..limits() }).unwrap();
    for page_load in 0..2 {
        wait(append(&spool, page_load, &[0]).unwrap()).unwrap();
    }
    until(|| spool.status().sealed == 2);
    let (bytes, refused) = (spool.status().bytes, spool.oldest_sealed().unwrap());
    disk.leave_space(0);
    spool.quarantine(&refused, "the store refuses it").unwrap();
    assert_eq!(page_loads(&spool), [1], "the next one waits");
    let files: Vec<_> = disk.lengths(&quarantine()).into_keys().collect();
    assert_eq!(files, [quarantine().join(refused.id.file_name())]);
    assert_eq!(spool.status().bytes, bytes, "it still counts");
}

#[test]
fn closing_a_spool_that_never_found_space_fails_those_who_wait() {
    let disk = TestDisk::default();
    drop(open(&disk, &limits()).unwrap());
    disk.leave_space(0);
    let (spool, _) = open(&disk, &limits()).unwrap();
    let audit = spool.append_audit("a", "{}").unwrap();
    spool.close();
    assert!(wait(audit).is_err());
}

#[test]
fn a_spool_does_not_open_when_the_disk_fails_otherwise_than_for_want_of_space() {
    let disk = TestDisk::default();
    drop(open(&disk, &limits()).unwrap());
    disk.fault_after(0, Fault::Error { kind: ErrorKind::Other, done: false, lasting: true });
    assert!(matches!(open(&disk, &limits()), Err(SpoolError::Io { .. })));
}

#[test]
fn a_long_outage_does_not_make_many_small_segments() {
    let disk = TestDisk::default();
    let limits = SpoolLimits { seal_after: Duration::from_millis(1), ..limits() };
    let (spool, _) = open(&disk, &limits).unwrap();
    let many = MANY_SEALED;
    spool.queue.extend((0..many).map(|number| SealedSegment {
        id: SegmentId { collector: 0, number: number as u64 },
        events: 0,
        audit: 0,
        counts_at: 0,
        bytes: 0,
        created: 0,
        in_doubt: false,
    }));
    for page_load in 0..5 {
        wait(append(&spool, page_load, &[0]).unwrap()).unwrap();
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(spool.status().sealed, many, "a segment is not sealed for its age");
    spool.queue.pop_oldest();
    until(|| spool.status().sealed == many);
    assert_eq!(spool.queue.segments().last().unwrap().events, 5, "all of them are in one segment");
    assert_eq!(size_of::<SealedSegment>(), 64, "as `docs/operations/spool.md` says");
}
