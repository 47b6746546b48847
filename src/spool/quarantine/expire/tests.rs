//! Events in quarantine whose retention passes, also when power cuts and errors cut it short.

use std::collections::BTreeSet;
use std::io::ErrorKind;

use super::*;
use crate::event::{EventRow, UnixDay, UnixSeconds};
use crate::spool::quarantine::discard::delete::discard_on;
use crate::spool::quarantine::names::{PENDING_TOMBSTONE, TOMBSTONE, expired_name};
use crate::spool::quarantine::requeue::requeue_on;
use crate::spool::quarantine::tombstone::{discarded_counts, exclude_expired};
use crate::spool::testing::*;
use crate::spool::{
    Durability, EventEntry, EventRecord, RealDisk, RequeueOutcome, SealedSegment, Shipment, inspect, requeue,
};

const DIRECTORY: &str = "/spool";
/// The last days of the two sites, and of events that are kept without end.
const SHORT: u16 = 19_800;
const LONG: u16 = 20_000;
const UNLIMITED: u16 = u16::MAX;

/// Appends a beacon whose rows may be kept until a day.
fn append_until(spool: &Spool, site: &str, page_load: u64, seqs: &[u32], expires: u16) {
    let (mut rows, mut events) = (Vec::new(), Vec::new());
    for seq in seqs {
        let before = rows.len();
        let row = EventRow {
            page_load,
            seq: *seq,
            received: UnixSeconds(1_700_000_000),
            expires: UnixDay(expires),
            ..EventRow::default()
        };
        row.encode(&mut rows);
        let row_len = (rows.len() - before) as u32;
        events.push(EventEntry { filter_id: id(page_load, *seq), row_len });
    }
    let record = EventRecord { site, events: &events, rows: &rows };
    wait(spool.append(record, Durability::Synced).unwrap()).unwrap();
}

/// Quarantines a segment with these beacons of one event each, an audit row and a dropped event.
fn fill(spool: &Spool, beacons: &[(&str, u64, u16)]) -> SegmentId {
    spool.count_dropped("clinic", DropReason::Bot, 1);
    for (site, page_load, expires) in beacons {
        append_until(spool, site, *page_load, &[0], *expires);
    }
    wait(spool.append_audit("key turned", "{}").unwrap()).unwrap();
    spool.close();
    let sealed = with_events(spool)[0];
    spool.quarantine(&sealed, "refused").unwrap();
    sealed.id
}

fn with_events(spool: &Spool) -> Vec<SealedSegment> {
    spool.queue.segments().into_iter().filter(|sealed| sealed.events > 0).collect()
}

fn open(disk: &TestDisk) -> Arc<Spool> {
    Spool::open_on(Arc::new(disk.clone()), Path::new(DIRECTORY), &limits()).unwrap().0
}

const BOTH: &[(&str, u64, u16)] =
    &[("clinic", 1, SHORT), ("school", 2, LONG), ("clinic", 3, SHORT), ("club", 4, UNLIMITED), ("odd", 5, 0)];

/// A disk with a quarantined segment of `beacons`.
fn quarantined(beacons: &[(&str, u64, u16)]) -> (TestDisk, SegmentId) {
    let disk = TestDisk::default();
    let id = fill(&open(&disk), beacons);
    (disk.after_power_loss(|| false), id)
}

fn path(id: SegmentId, ending: &str) -> PathBuf {
    Path::new(DIRECTORY).join(QUARANTINE).join(format!("{id}{ending}"))
}

fn expire(disk: &TestDisk, today: u16) -> Result<u64, SpoolError> {
    expire_quarantined(disk, Path::new(DIRECTORY), today)
}

/// Events by tombstones.
fn discarded(disk: &TestDisk) -> u64 {
    let counts = discarded_counts(disk, Path::new(DIRECTORY));
    counts.iter().flat_map(SegmentCounts::iter).map(|(_, counts)| counts.stored).sum()
}

/// Events of a segment in quarantine that no tombstone counts.
fn counted(disk: &TestDisk, id: SegmentId) -> u64 {
    let quarantine = Path::new(DIRECTORY).join(QUARANTINE);
    let Some(mut contents) = sealed_contents(disk, &path(id, SEGMENT)) else { return 0 };
    if is_discarded(disk, &quarantine, id) {
        return 0;
    }
    exclude_expired(disk, &quarantine, id, &mut contents).unwrap();
    contents.events
}

/// Page loads of the events in a quarantined segment's file.
fn page_loads(disk: &TestDisk, id: SegmentId) -> Vec<u64> {
    let Ok(file) = disk.read(&path(id, SEGMENT)) else { return Vec::new() };
    let (header, start) = Header::read(&*file).unwrap().unwrap();
    let mut found = Vec::new();
    let damage = visit_whole_frames(&*file, &header, start..file.length().unwrap(), |frame| {
        let record = RecordRef::parse(frame);
        found.extend(record.iter().flat_map(RecordRef::events).map(|event| page_load_of(event.filter_id)));
    });
    assert!(damage.unwrap().is_empty());
    found
}

/// Requeues a segment and returns what would be shipped: the page loads of events, in order.
fn shipped_after_requeue(disk: &TestDisk, id: SegmentId) -> Vec<u64> {
    requeue_on(disk, Path::new(DIRECTORY), id).unwrap();
    let spool = open(disk);
    spool.install_requeued().unwrap();
    let ids = |sealed| Shipment::open(&spool, sealed).unwrap().event_ids().to_vec();
    spool.queue.segments().into_iter().flat_map(ids).map(|id| id.page_load).collect()
}

/// Whether a byte sequence stands in any file of the quarantine.
fn is_anywhere(disk: &TestDisk, text: &str) -> bool {
    let files = disk.lengths(&Path::new(DIRECTORY).join(QUARANTINE));
    files.keys().any(|file| memchr::memmem::find(&disk.contents(file).unwrap(), text.as_bytes()).is_some())
}

/// Changes a byte of the rows of a site.
fn damage(disk: &TestDisk, id: SegmentId, ending: &str, site: &str) {
    disk.corrupt(&path(id, ending), |bytes| {
        let at = memchr::memmem::find(bytes, site.as_bytes()).unwrap();
        bytes[at] ^= 1;
    });
}

#[test]
fn of_two_sites_in_a_segment_the_one_with_the_shorter_retention_goes_first() {
    let (disk, id) = quarantined(BOTH);
    let before = Header::read(&*disk.read(&path(id, SEGMENT)).unwrap()).unwrap().unwrap().0;
    assert_eq!(expire(&disk, SHORT).unwrap(), 0, "the last day is not over");
    assert!(disk.contents(&path(id, SEGMENT)).is_some());
    assert_eq!(expire(&disk, SHORT + 1).unwrap(), 2);
    assert_eq!(page_loads(&disk, id), [2, 4, 5]);
    assert_eq!((discarded(&disk), counted(&disk, id)), (2, 3));
    let after = Header::read(&*disk.read(&path(id, SEGMENT)).unwrap()).unwrap().unwrap().0;
    assert_eq!(Header { salt: before.salt, ..after }, before, "everything else stays");
    assert_eq!(expire(&disk, SHORT + 1).unwrap(), 0);
    assert_eq!(expire(&disk, LONG + 1).unwrap(), 1);
    assert_eq!((page_loads(&disk, id), discarded(&disk)), (vec![4, 5], 3));
    assert_eq!(expire(&disk, UNLIMITED).unwrap(), 0, "unlimited and unknown retention does not pass");
    let contents = sealed_contents(&disk, &path(id, SEGMENT)).unwrap();
    let dropped: u64 = contents.counts.iter().map(|(_, counts)| counts.dropped.iter().sum::<u64>()).sum();
    assert_eq!((contents.audit, dropped), (1, 1));
    assert!(disk.contents(&path(id, ".reason")).is_some());
}

#[test]
fn a_segment_whose_events_all_expire_is_discarded_and_its_audit_rows_go_on() {
    let (disk, id) = quarantined(&BOTH[..3]);
    assert_eq!(expire(&disk, LONG + 1).unwrap(), 3);
    assert!(disk.contents(&path(id, SEGMENT)).is_none());
    let tombstone = disk.contents(&path(id, PENDING_TOMBSTONE)).unwrap();
    assert!(memchr::memmem::find(&tombstone, WHY.as_bytes()).is_some());
    assert_eq!(discarded(&disk), 3);
    let spool = open(&disk);
    assert_eq!(spool.install_requeued().unwrap().len(), 1);
    assert_eq!(spool.queue.segments().iter().map(|sealed| sealed.audit).sum::<u64>(), 1);
    assert_eq!(expire(&disk, LONG + 2).unwrap(), 0);
}

#[test]
fn a_requeue_after_some_events_expired_ships_the_others_once() {
    let (disk, id) = quarantined(BOTH);
    expire(&disk, SHORT + 1).unwrap();
    assert_eq!(shipped_after_requeue(&disk, id), [2, 4, 5]);
    assert_eq!(discarded(&disk), 2);
}

/// A disk on which a crash came after the tombstone and before the segment was replaced.
fn tombstone_alone() -> (TestDisk, SegmentId) {
    let (disk, id) = quarantined(BOTH);
    let bytes = disk.contents(&path(id, SEGMENT)).unwrap();
    expire(&disk, SHORT + 1).unwrap();
    disk.corrupt(&path(id, SEGMENT), |now| *now = bytes);
    assert_eq!(page_loads(&disk, id), [1, 2, 3, 4, 5]);
    (disk, id)
}

#[test]
fn a_crash_between_tombstone_and_replacement_counts_nothing_twice() {
    let (disk, id) = tombstone_alone();
    assert_eq!((discarded(&disk), counted(&disk, id)), (2, 3), "before the next call");
    let tombstone = |ending: &str| path(id, "").with_file_name(expired_name(id, SHORT) + ending);
    // The collector has written the row of the audit in the meantime.
    disk.rename(&tombstone(PENDING_TOMBSTONE), &tombstone(TOMBSTONE)).unwrap();
    expire(&disk, SHORT + 1).unwrap();
    assert_eq!((discarded(&disk), page_loads(&disk, id)), (2, vec![2, 4, 5]));
    assert!(disk.contents(&tombstone(PENDING_TOMBSTONE)).is_none(), "the audit gets one row");
}

#[test]
fn a_requeue_after_that_crash_does_not_ship_what_a_tombstone_counts() {
    let (disk, id) = tombstone_alone();
    assert_eq!(shipped_after_requeue(&disk, id), [2, 4, 5]);
    assert_eq!(discarded(&disk), 2);
}

#[test]
fn a_salvage_or_a_discard_after_that_crash_counts_nothing_twice() {
    let (disk, id) = tombstone_alone();
    damage(&disk, id, SEGMENT, "school");
    let outcome = requeue_on(&disk, Path::new(DIRECTORY), id).unwrap();
    assert!(matches!(outcome, RequeueOutcome::Salvaged { events: 2, lost: Some(1), .. }), "{outcome:?}");
    let (disk, id) = tombstone_alone();
    discard_on(&disk, Path::new(DIRECTORY), id, "an operator").unwrap();
    assert_eq!(discarded(&disk), 5);
}

#[test]
fn a_segment_whose_discard_was_cut_short_is_deleted_and_counts_once() {
    let (disk, id) = quarantined(BOTH);
    let bytes = disk.contents(&path(id, SEGMENT)).unwrap();
    discard_on(&disk, Path::new(DIRECTORY), id, "an operator").unwrap();
    disk.create(&path(id, SEGMENT)).unwrap().write_at(&bytes, 0).unwrap();
    expire(&disk, SHORT + 1).unwrap();
    assert!(disk.contents(&path(id, SEGMENT)).is_none());
    assert_eq!(discarded(&disk), 5);
}

#[test]
fn a_tombstone_that_cannot_be_parsed_is_written_again() {
    let (disk, id) = tombstone_alone();
    let file = path(id, "").with_file_name(expired_name(id, SHORT) + PENDING_TOMBSTONE);
    disk.corrupt(&file, |bytes| bytes.truncate(3));
    expire(&disk, SHORT + 1).unwrap();
    assert_eq!(discarded(&disk), 2);
}

#[test]
fn a_damaged_segment_goes_when_everything_in_it_has_expired() {
    let (disk, id) = quarantined(&BOTH[..3]);
    damage(&disk, id, SEGMENT, "school");
    assert_eq!(expire(&disk, SHORT + 1).unwrap(), 0, "its seal names events that may be kept");
    assert!(is_anywhere(&disk, "clinic"));
    assert_eq!(expire(&disk, LONG + 1).unwrap(), 3);
    assert!(disk.contents(&path(id, SEGMENT)).is_none());
    assert_eq!(discarded(&disk), 3);
    // Without a seal its whole records tell.
    let (disk, id) = quarantined(&BOTH[..3]);
    damage(&disk, id, SEGMENT, "school");
    disk.corrupt(&path(id, SEGMENT), |bytes| bytes.truncate(bytes.len() - 1));
    let summary = |bytes: &mut Vec<u8>| {
        let at = memchr::memmem::rfind(bytes, b"stored").unwrap();
        bytes[at] ^= 1;
    };
    disk.corrupt(&path(id, SEGMENT), summary);
    assert_eq!(expire(&disk, SHORT + 1).unwrap(), 2);
    assert!(disk.contents(&path(id, SEGMENT)).is_none());
}

#[test]
fn a_file_of_which_nothing_can_be_read_is_left_alone() {
    let (disk, id) = quarantined(&BOTH[..3]);
    disk.corrupt(&path(id, SEGMENT), |bytes| bytes[3] ^= 1);
    assert_eq!(expire(&disk, UNLIMITED).unwrap(), 0);
    assert!(disk.contents(&path(id, SEGMENT)).is_some());
}

#[test]
fn what_is_left_of_a_salvaged_or_torn_segment_goes_when_it_has_expired() {
    for ending in [SALVAGED, TORN] {
        let (disk, id) = quarantined(&BOTH[..3]);
        disk.rename(&path(id, SEGMENT), &path(id, ending)).unwrap();
        expire(&disk, LONG).unwrap();
        assert!(disk.contents(&path(id, ending)).is_some(), "{ending}");
        expire(&disk, LONG + 1).unwrap();
        assert!(disk.contents(&path(id, ending)).is_none(), "{ending}");
        assert!(!is_anywhere(&disk, "clinic"), "{ending}");
    }
}

#[test]
fn a_torn_copy_goes_alone_and_its_segment_stays() {
    let (disk, id) = quarantined(BOTH);
    let (other, other_id) = quarantined(&BOTH[..1]);
    let bytes = other.contents(&path(other_id, SEGMENT)).unwrap();
    disk.create(&path(id, TORN)).unwrap().write_at(&bytes, 0).unwrap();
    expire(&disk, SHORT + 1).unwrap();
    assert!(disk.contents(&path(id, TORN)).is_none());
    assert_eq!(page_loads(&disk, id), [2, 4, 5]);
}

#[test]
fn an_inventory_counts_expired_events_as_discarded_and_the_audit_gets_a_row_for_each_tombstone() {
    let directory = tempfile::tempdir().unwrap();
    let (spool, _) = Spool::open(directory.path(), &limits()).unwrap();
    let id = fill(&spool, BOTH);
    drop(spool);
    let file = directory.path().join(QUARANTINE).join(id.file_name());
    let bytes = std::fs::read(&file).unwrap();
    let (spool, _) = Spool::open(directory.path(), &limits()).unwrap();
    assert_eq!(spool.expire_quarantined(LONG + 1).unwrap(), 3);
    let check = || {
        let inventory = inspect(directory.path()).unwrap();
        let counts = inventory.discarded.iter().flat_map(SegmentCounts::iter);
        let discarded: u64 = counts.map(|(_, counts)| counts.stored).sum();
        let counts = inventory.quarantined[0].counts.as_ref().unwrap();
        let quarantined: u64 = counts.iter().map(|(_, counts)| counts.stored).sum();
        assert_eq!((discarded, quarantined, inventory.quarantined[0].events), (3, 2, Some(2)));
    };
    check();
    std::fs::write(&file, bytes).unwrap();
    check();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(spool.audit_discarded()).unwrap();
    check();
    spool.close();
    let files = RealDisk.list(directory.path()).unwrap();
    let read = |file: &String| std::fs::read(directory.path().join(file)).unwrap_or_default();
    let rows: Vec<u8> = files.iter().flat_map(read).collect();
    assert_eq!(memchr::memmem::find_iter(&rows, "quarantined events expired").count(), 2);
}

/// A move into quarantine that failed may come undone in a power cut. The copy that comes back must not stand beside the new segment.
#[test]
fn an_earlier_copy_of_a_segment_does_not_come_back_beside_its_replacement() {
    for after in 0.. {
        let disk = TestDisk::default();
        let spool = open(&disk);
        for (site, page_load, expires) in BOTH {
            append_until(&spool, site, *page_load, &[0], *expires);
        }
        spool.close();
        let sealed = with_events(&spool)[0];
        disk.fault_after(after, Fault::Error { kind: ErrorKind::Other, done: false, lasting: false });
        let _ = spool.quarantine(&sealed, "refused");
        let came = disk.fault_came();
        disk.clear_fault();
        let events = spool.expire_quarantined(SHORT + 1).unwrap();
        drop(spool);
        let disk = disk.after_power_loss(|| false);
        let spool = open(&disk);
        let waiting = with_events(&spool);
        let was_moved = events > 0;
        assert_eq!(
            (waiting.len(), counted(&disk, sealed.id)),
            if was_moved { (0, 3) } else { (1, 0) },
            "{after}"
        );
        if !came {
            assert!(was_moved && after > 5, "it takes more operations than that");
            break;
        }
    }
}

#[test]
fn a_command_waits_until_the_collector_has_handled_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let (spool, _) = Spool::open(directory, &limits()).unwrap();
    let id = fill(&spool, BOTH);
    let lock = lock_quarantine(&RealDisk, directory).unwrap();
    std::thread::scope(|threads| {
        let command = threads.spawn(|| requeue(directory, id).unwrap());
        std::thread::sleep(Duration::from_millis(100));
        assert!(directory.join(QUARANTINE).join(id.file_name()).exists());
        drop(lock);
        assert_eq!(command.join().unwrap(), RequeueOutcome::Whole);
    });
}

/// Whatever lies on a disk after a fault: nothing that may be kept is lost, nothing is counted twice, and the next call finishes.
fn check_after_fault(disk: &TestDisk, id: SegmentId, beacons: &[(&str, u64, u16)], today: u16, what: &str) {
    let total = beacons.len() as u64;
    let kept: Vec<_> =
        beacons.iter().filter(|it| !is_past(it.2, today)).map(|(_, page_load, _)| *page_load).collect();
    drop(open(disk));
    assert_eq!(discarded(disk) + counted(disk, id), total, "{what}: before the next call");
    let found: BTreeSet<_> = page_loads(disk, id).into_iter().collect();
    assert!(kept.iter().all(|page_load| found.contains(page_load)), "{what}: {found:?}");
    expire(disk, today).unwrap();
    assert_eq!(page_loads(disk, id), kept, "{what}");
    assert_eq!(
        (discarded(disk), counted(disk, id)),
        (total - kept.len() as u64, kept.len() as u64),
        "{what}"
    );
    let disk = disk.after_power_loss(|| false);
    assert_eq!(page_loads(&disk, id), kept, "{what}: it is durable");
    if !kept.is_empty() {
        assert_eq!(shipped_after_requeue(&disk, id), kept, "{what}");
    }
}

#[test]
fn a_fault_at_any_operation_loses_nothing_that_may_be_kept_and_counts_nothing_twice() {
    let errors = [true, false].map(|done| Fault::Error { kind: ErrorKind::Other, done, lasting: false });
    let ended = Fault::Error { kind: ErrorKind::Other, done: false, lasting: true };
    for (beacons, today) in [(BOTH, SHORT + 1), (BOTH, LONG + 1), (&BOTH[..3], LONG + 1)] {
        for fault in [Fault::PowerCut, errors[0], errors[1], ended] {
            for after in 0.. {
                let mut came = false;
                for survives in [0, 4, 8] {
                    let (disk, id) = quarantined(beacons);
                    disk.fault_after(after, fault);
                    let outcome = expire(&disk, today);
                    came = disk.fault_came();
                    assert!(came || outcome.is_ok());
                    disk.clear_fault();
                    let mut random = fastrand::Rng::with_seed(after);
                    let what = format!("{fault:?} after {after} operations, {survives} eighths survive");
                    let off = disk.after_power_loss(|| random.u8(0..8) < survives);
                    if !disk.is_off() {
                        // The process goes on, or starts again on the same machine.
                        check_after_fault(&disk, id, beacons, today, &what);
                    }
                    check_after_fault(&off, id, beacons, today, &what);
                }
                if !came {
                    assert!(after > 8, "it takes more operations than that");
                    break;
                }
            }
        }
    }
}

#[test]
fn what_an_error_left_undone_is_finished_though_the_power_goes_next() {
    let error = Fault::Error { kind: ErrorKind::Other, done: false, lasting: false };
    for first in 0.. {
        for second in 0.. {
            let (disk, id) = quarantined(BOTH);
            disk.fault_after(first, error);
            let _ = expire(&disk, SHORT + 1);
            if !disk.fault_came() {
                assert!(first > 8, "it takes more operations than that");
                return;
            }
            disk.fault_after(second, Fault::PowerCut);
            let _ = expire(&disk, SHORT + 1);
            let is_over = !disk.is_off();
            disk.clear_fault();
            for seed in 0..4 {
                let mut random = fastrand::Rng::with_seed(seed);
                let off = disk.after_power_loss(|| random.bool());
                let what = format!("an error after {first} operations, a power cut after {second}");
                check_after_fault(&off, id, BOTH, SHORT + 1, &what);
            }
            if is_over {
                break;
            }
        }
    }
}
