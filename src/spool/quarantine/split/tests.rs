//! Splits that are cut short by power cuts and errors at every operation of the disk.

use std::collections::BTreeSet;
use std::io;

use super::install::{PARTS, read_waiting};
use crate::spool::testing::*;
use crate::spool::*;

const DIRECTORY: &str = "/spool";

fn open(disk: &TestDisk) -> Result<Arc<Spool>, SpoolError> {
    Ok(Spool::open_on(Arc::new(disk.clone()), Path::new(DIRECTORY), &limits())?.0)
}

/// A disk with a sealed segment of four beacons, with 1, 2, 3 and 1 events.
fn sealed() -> TestDisk {
    let disk = TestDisk::default();
    let spool = open(&disk).unwrap();
    for (page_load, seqs) in [(1, &[0][..]), (2, &[0, 1]), (3, &[0, 1, 2]), (4, &[0])] {
        wait(append(&spool, page_load, seqs).unwrap()).unwrap();
    }
    spool.close();
    until(|| spool.oldest_sealed().is_some());
    drop(spool);
    disk.after_power_loss(|| false)
}

/// Ids of all events that would be shipped, as often as they would be.
fn events(spool: &Spool) -> Vec<u64> {
    let sealed = spool.queue.segments();
    let ids = |sealed: SealedSegment| Shipment::open(spool, sealed).unwrap().event_ids().to_vec();
    let mut events: Vec<_> =
        sealed.into_iter().flat_map(ids).map(|event| id(event.page_load, event.seq)).collect();
    events.sort_unstable();
    events
}

/// Number of events that wait by what lies on the disk; no spool is opened there.
fn waiting_events(disk: &TestDisk) -> u64 {
    let waiting = read_waiting(disk, Path::new(DIRECTORY)).unwrap();
    waiting.into_iter().map(|segment| segment.scan.map_or(0, |scan| scan.account.events)).sum()
}

fn all() -> Vec<u64> {
    ids(&[(1, 0), (2, 0), (2, 1), (3, 0), (3, 1), (3, 2), (4, 0)])
}

fn with_events(spool: &Spool) -> Vec<SealedSegment> {
    spool.queue.segments().into_iter().filter(|sealed| sealed.events > 0).collect()
}

#[test]
fn halves_hold_every_event_once_and_no_number_is_missing() {
    let spool = open(&sealed()).unwrap();
    let whole = with_events(&spool)[0];
    assert!(spool.split(&whole).unwrap());
    assert_eq!(events(&spool), all());
    let ids: BTreeSet<_> = spool.queue.segments().iter().map(|sealed| sealed.id).collect();
    assert!(ids.contains(&whole.id), "an empty segment keeps the number");
    let halves: Vec<_> = with_events(&spool).into_iter().map(|sealed| sealed.events).collect();
    assert_eq!(halves.iter().sum::<u64>(), 7);
    assert_eq!(halves.len(), 2);
}

#[test]
fn audit_rows_and_counts_of_dropped_events_stay_with_the_id_and_not_with_refused_rows() {
    let disk = TestDisk::default();
    let spool = open(&disk).unwrap();
    spool.count_dropped("clinic", DropReason::Bot, 3);
    wait(append(&spool, 1, &[0, 1]).unwrap()).unwrap();
    wait(spool.append_audit("key turned", "{}").unwrap()).unwrap();
    spool.close();
    let whole = with_events(&spool)[0];
    let counts = |id: SegmentId| {
        let path = Path::new(DIRECTORY).join(id.file_name());
        scan::<SegmentContents>(&disk, &path, None).unwrap().account.counts
    };
    let before = counts(whole.id);
    assert!(spool.split(&whole).unwrap());
    let sealed = spool.queue.segments();
    for part in &sealed {
        let is_own = part.id == whole.id;
        assert_eq!((part.audit, part.events), if is_own { (1, 0) } else { (0, 1) });
    }
    let mut after = SegmentCounts::default();
    sealed.iter().for_each(|part| after.merge(&counts(part.id)));
    let text = |counts: &SegmentCounts| -> BTreeSet<String> {
        counts.iter().map(|(site, counts)| format!("{site} {counts:?}")).collect()
    };
    assert_eq!(text(&after), text(&before));
}

#[test]
fn a_power_cut_at_any_operation_of_a_split_leaves_every_event_once() {
    for after in 0.. {
        let disk = sealed();
        let spool = open(&disk).unwrap();
        let whole = with_events(&spool)[0];
        disk.fault_after(after, Fault::PowerCut);
        let done = spool.split(&whole);
        let is_over = !disk.is_off();
        disk.clear_fault();
        drop(spool);
        for survives in [true, false] {
            let disk = disk.after_power_loss(|| survives);
            assert_eq!(waiting_events(&disk), 7, "after {after} operations; unsynced survives: {survives}");
            let spool = open(&disk).unwrap();
            assert_eq!(events(&spool), all(), "after {after} operations; unsynced survives: {survives}");
        }
        if is_over {
            assert!(done.unwrap(), "it was split");
            assert!(after > 10, "a split takes more operations than that");
            return;
        }
    }
}

#[test]
fn what_an_error_left_of_one_split_decides_nothing_for_another() {
    for first in 0.. {
        for second in 0.. {
            let disk = sealed();
            let spool = open(&disk).unwrap();
            wait(append(&spool, 5, &[0]).unwrap()).unwrap();
            wait(append(&spool, 6, &[0]).unwrap()).unwrap();
            spool.close();
            let [one, other] = with_events(&spool)[..] else { panic!("two segments have events") };
            disk.fault_after(first, Fault::Error { kind: io::ErrorKind::Other, done: true, lasting: false });
            let _ = spool.split(&one);
            if !disk.fault_came() {
                return;
            }
            disk.fault_after(second, Fault::PowerCut);
            let _ = spool.split(&other);
            drop(spool);
            let is_over = !disk.is_off();
            let spool = open(&disk.after_power_loss(|| false)).unwrap();
            let expected = [all(), ids(&[(5, 0), (6, 0)])].concat();
            assert_eq!(events(&spool), expected, "{first} and {second} operations");
            if is_over {
                break;
            }
        }
    }
}

#[test]
fn a_split_that_is_interrupted_twice_leaves_every_event_once() {
    for first in 0.. {
        for second in 0.. {
            let disk = sealed();
            let spool = open(&disk).unwrap();
            disk.fault_after(first, Fault::Error { kind: io::ErrorKind::Other, done: false, lasting: true });
            let _ = spool.split(&with_events(&spool)[0]);
            drop(spool);
            if !disk.fault_came() {
                assert!(first > 10, "a split takes more operations than that");
                return;
            }
            disk.clear_fault();
            disk.fault_after(second, Fault::PowerCut);
            drop(open(&disk));
            let is_over = !disk.is_off();
            let mut random = fastrand::Rng::with_seed(first);
            for _ in 0..2 {
                let spool = open(&disk.after_power_loss(|| random.bool())).unwrap();
                assert_eq!(events(&spool), all(), "{first} and {second} operations");
            }
            if is_over {
                break;
            }
        }
    }
}

#[test]
fn an_error_at_any_operation_of_a_split_leaves_every_event_once_and_no_part_behind() {
    for done in [true, false] {
        for after in 0.. {
            let disk = sealed();
            let spool = open(&disk).unwrap();
            let whole = with_events(&spool)[0];
            disk.fault_after(after, Fault::Error { kind: io::ErrorKind::Other, done, lasting: false });
            let is_split = spool.split(&whole).is_ok_and(|is_split| is_split);
            let came = disk.fault_came();
            disk.clear_fault();
            spool.finish_splits().unwrap();
            assert_eq!(events(&spool), all(), "{after}, {done}");
            drop(spool);
            for survives in [true, false] {
                let disk = disk.after_power_loss(|| survives);
                let spool = open(&disk).unwrap();
                assert_eq!(events(&spool), all(), "{after}, {done}; unsynced survives: {survives}");
                assert!(disk.lengths(&Path::new(DIRECTORY).join(PARTS)).is_empty(), "{after}, {done}");
            }
            if !came {
                assert!(is_split && after > 10, "a split takes more operations than that");
                break;
            }
        }
    }
}
