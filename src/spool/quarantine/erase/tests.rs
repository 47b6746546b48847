//! Erasing from files that are whole, damaged and torn, and power cuts at every operation.

use super::*;
use crate::spool::delivery::queue::SealedSegment;
use crate::spool::quarantine::requeue::requeue_on;
use crate::spool::quarantine::tombstone::discarded_counts;
use crate::spool::testing::*;

const DIRECTORY: &str = "/spool";

fn open(disk: &TestDisk) -> Arc<Spool> {
    Spool::open_on(Arc::new(disk.clone()), Path::new(DIRECTORY), &limits()).unwrap().0
}

/// A disk with a quarantined segment: beacons of page loads 1, 2 and 2 with 1, 2 and 3 events, dropped events and an audit row.
fn quarantined() -> (TestDisk, SegmentId) {
    let disk = TestDisk::default();
    let spool = open(&disk);
    for (page_load, seqs) in [(1, &[0][..]), (2, &[0, 1]), (2, &[2, 3, 4])] {
        wait(append(&spool, page_load, seqs).unwrap()).unwrap();
    }
    wait(spool.append_audit("key turned", "{}").unwrap()).unwrap();
    spool.close();
    let sealed: SealedSegment = spool.oldest_sealed().unwrap();
    spool.quarantine(&sealed, "a test").unwrap();
    drop(spool);
    (disk.after_power_loss(|| false), sealed.id)
}

fn is_second(row: &Value) -> bool {
    row["page_load"] == 2
}

/// Page loads of the events that can be read, by place.
fn found(disk: &TestDisk) -> Vec<(SpoolPlace, u64)> {
    let mut found = Vec::new();
    let visit = &mut |place, row: Value| found.push((place, row["page_load"].as_u64().unwrap()));
    visit_events(disk, Path::new(DIRECTORY), visit).unwrap();
    found
}

fn erase(disk: &TestDisk, request: &str, is_meant: IsMeant<'_>) -> Result<ErasedFromQuarantine, SpoolError> {
    erase_quarantined(disk, Path::new(DIRECTORY), request, is_meant)
}

fn discarded(disk: &TestDisk) -> u64 {
    let counts = discarded_counts(disk, Path::new(DIRECTORY));
    counts.iter().flat_map(|counts| counts.iter().map(|(_, day)| day.stored).collect::<Vec<_>>()).sum()
}

fn path(id: SegmentId, ending: &str) -> PathBuf {
    Path::new(DIRECTORY).join(QUARANTINE).join(format!("{id}{ending}"))
}

#[test]
fn a_whole_segment_loses_the_events_and_keeps_the_others_its_seal_and_its_audit() {
    let (disk, id) = quarantined();
    assert_eq!(found(&disk).len(), 6);
    let erased = erase(&disk, "a1", &is_second).unwrap();
    assert_eq!(erased, ErasedFromQuarantine { events: 5, unreadable: Vec::new() });
    assert_eq!(found(&disk), [(SpoolPlace::Quarantine, 1)]);
    assert_eq!(discarded(&disk), 5);
    assert_eq!(erase(&disk, "a1", &is_second).unwrap().events, 0, "nothing is left to erase");
    assert_eq!(discarded(&disk), 5);
    let contents = scan::<SegmentContents>(&disk, &path(id, SEGMENT), None).unwrap();
    assert!(contents.seal.is_some());
    assert_eq!((contents.account.events, contents.account.audit), (1, 1));
    requeue_on(&disk, Path::new(DIRECTORY), id).unwrap();
    let spool = open(&disk);
    assert_eq!(spool.install_requeued().unwrap(), [id]);
    assert_eq!(found(&disk), [(SpoolPlace::Waiting, 1)]);
}

#[test]
fn a_segment_without_other_records_is_deleted() {
    let disk = TestDisk::default();
    let spool = open(&disk);
    wait(append(&spool, 2, &[0, 1]).unwrap()).unwrap();
    spool.close();
    let sealed = spool.oldest_sealed().unwrap();
    spool.quarantine(&sealed, "a test").unwrap();
    assert_eq!(spool.erase_quarantined("a1", &is_second).unwrap().events, 2);
    assert!(!exists(&disk, &path(sealed.id, SEGMENT)).unwrap());
    assert_eq!(discarded(&disk), 2);
}

#[test]
fn a_damaged_segment_and_copies_lose_what_can_be_read_of_the_visitor() {
    let (disk, id) = quarantined();
    let bytes = disk.contents(&path(id, SEGMENT)).unwrap();
    // The first beacon is damaged, and so is a copy of the file.
    let mut damaged = bytes.clone();
    let file = disk.read(&path(id, SEGMENT)).unwrap();
    let (_, start) = Header::read(&*file).unwrap().unwrap();
    damaged[start as usize + 30] ^= 1;
    drop(file);
    for ending in [SEGMENT, TORN] {
        let file = disk.create(&path(id, ending)).unwrap();
        file.write_at(&damaged, 0).unwrap();
        file.sync().unwrap();
    }
    disk.sync_directory(&Path::new(DIRECTORY).join(QUARANTINE)).unwrap();
    let erased = erase(&disk, "a1", &is_second).unwrap();
    assert_eq!((erased.events, erased.unreadable.len()), (5, 2), "the torn copy is not counted again");
    assert_eq!((found(&disk), discarded(&disk)), (Vec::new(), 5));
    for ending in [SEGMENT, TORN] {
        let left = disk.contents(&path(id, ending)).unwrap();
        assert_eq!(left.len(), bytes.len());
        assert_eq!(left[start as usize..][..60], damaged[start as usize..][..60], "what is damaged stays");
    }
}

#[test]
fn a_power_cut_at_any_operation_is_made_good_by_the_next_attempt() {
    for after in 0.. {
        let (disk, _) = quarantined();
        disk.fault_after(after, Fault::PowerCut);
        let _ = erase(&disk, "a1", &is_second);
        let is_over = !disk.is_off();
        disk.clear_fault();
        for survives in [true, false] {
            let disk = disk.after_power_loss(|| survives);
            drop(open(&disk));
            erase(&disk, "a1", &is_second).unwrap();
            let left = found(&disk);
            assert_eq!(left, [(SpoolPlace::Quarantine, 1)], "after {after} operations; survives: {survives}");
            assert_eq!(discarded(&disk), 5, "after {after} operations; survives: {survives}");
        }
        if is_over {
            assert!(after > 8, "it takes more operations than that");
            break;
        }
    }
}
