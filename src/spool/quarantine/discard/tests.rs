//! What stays of discarded and salvaged segments, on a real disk.

use crate::spool::log::files::TORN;
use crate::spool::quarantine::names::{PENDING_TOMBSTONE, SALVAGED, SEGMENT};
use crate::spool::testing::*;
use crate::spool::*;

/// A directory with a segment of three beacons of two events each and an audit row, which was quarantined.
fn quarantined() -> (tempfile::TempDir, SegmentId) {
    let directory = tempfile::tempdir().unwrap();
    let (spool, _) = Spool::open(directory.path(), &limits()).unwrap();
    for page_load in 1..4 {
        wait(append(&spool, page_load, &[0, 1]).unwrap()).unwrap();
    }
    wait(spool.append_audit("key turned", "{}").unwrap()).unwrap();
    spool.close();
    let sealed = spool.oldest_sealed().unwrap();
    spool.quarantine(&sealed, "refused").unwrap();
    (directory, sealed.id)
}

fn file(directory: &Path, id: SegmentId, ending: &str) -> PathBuf {
    directory.join(QUARANTINE).join(format!("{id}{ending}"))
}

/// Changes a byte of the second beacon's rows.
fn damage(path: &Path) {
    let mut bytes = std::fs::read(path).unwrap();
    let middle = memchr::memmem::find_iter(&bytes, b"clinic").nth(1).unwrap();
    bytes[middle] ^= 1;
    std::fs::write(path, bytes).unwrap();
}

fn stored(counts: &[SegmentCounts]) -> u64 {
    counts.iter().flat_map(SegmentCounts::iter).map(|(_, counts)| counts.stored).sum()
}

#[test]
fn what_a_damaged_segment_lost_is_on_record_until_it_is_discarded_and_after_that() {
    let (directory, id) = quarantined();
    let directory = directory.path();
    damage(&file(directory, id, SEGMENT));
    let Ok(RequeueOutcome::Salvaged { segment, events: 4, lost: Some(2) }) = requeue(directory, id) else {
        panic!("four of six events are whole")
    };
    let [loss] = &inspect(directory).unwrap().lost[..] else { panic!("one loss") };
    assert_eq!((&loss.segment, loss.events, loss.audit), (&id.to_string(), Some(2), Some(0)));
    assert_eq!(stored(std::slice::from_ref(&loss.counts)), 2);
    let gone = DiscardOutcome::Segment { events: Some(2), audit: None };
    assert_eq!(discard(directory, id, "the disk").unwrap(), gone);
    let after = inspect(directory).unwrap();
    assert_eq!((after.lost.len(), after.leftovers.len(), stored(&after.discarded)), (0, 0, 2));
    assert!(directory.join(REQUEUE).join(segment.file_name()).exists(), "what was whole still waits");
}

#[test]
fn a_damaged_segment_that_is_discarded_counts_as_its_seal_says() {
    let (directory, id) = quarantined();
    damage(&file(directory.path(), id, SEGMENT));
    assert!(matches!(
        discard(directory.path(), id, "the disk"),
        Ok(DiscardOutcome::Segment { events: Some(6), audit: Some((_, 1)) })
    ));
    assert_eq!(stored(&inspect(directory.path()).unwrap().discarded), 6);
}

#[test]
fn audit_rows_of_a_discarded_segment_go_on_alone() {
    let (directory, id) = quarantined();
    let Ok(DiscardOutcome::Segment { events: Some(6), audit: Some((segment, 1)) }) =
        discard(directory.path(), id, "")
    else {
        panic!("six events and an audit row")
    };
    let (spool, _) = Spool::open(directory.path(), &limits()).unwrap();
    assert_eq!(spool.install_requeued().unwrap(), [segment]);
    let sealed = spool.queue.segments().iter().find(|it| it.id == segment).copied().unwrap();
    assert_eq!((sealed.events, sealed.audit), (0, 1));
}

#[test]
fn a_tombstone_is_never_overwritten() {
    let (directory, id) = quarantined();
    discard(directory.path(), id, "once").unwrap();
    let tombstone = file(directory.path(), id, PENDING_TOMBSTONE);
    let before = std::fs::read(&tombstone).unwrap();
    let again = discard(directory.path(), id, "twice").unwrap_err();
    assert!(crate::error_chain::error_chain(&again).contains("discarded before"), "{again:?}");
    assert_eq!(std::fs::read(&tombstone).unwrap(), before);
}

#[test]
fn a_crash_between_tombstone_and_deletion_leaves_a_segment_that_counts_as_discarded() {
    let (directory, id) = quarantined();
    let directory = directory.path();
    let segment = file(directory, id, SEGMENT);
    let bytes = std::fs::read(&segment).unwrap();
    discard(directory, id, "").unwrap();
    std::fs::write(&segment, bytes).unwrap();
    let inventory = inspect(directory).unwrap();
    let offered = inventory.quarantined.iter().any(|segment| segment.id == id.to_string());
    assert!(!offered, "it cannot be requeued");
    assert_eq!((stored(&inventory.discarded), inventory.leftovers.len()), (6, 1));
    assert!(requeue(directory, id).is_err());
    discard(directory, id, "").unwrap();
    assert!(!segment.exists());
    assert_eq!(stored(&inspect(directory).unwrap().discarded), 6);
}

#[test]
fn a_segment_that_was_given_up_for_lost_and_came_back_can_be_discarded_with_what_it_holds() {
    let (directory, id) = quarantined();
    let directory = directory.path();
    let segment = file(directory, id, SEGMENT);
    let bytes = std::fs::read(&segment).unwrap();
    std::fs::remove_file(&segment).unwrap();
    assert_eq!(discard(directory, id, "").unwrap(), DiscardOutcome::Segment { events: None, audit: None });
    std::fs::write(&segment, bytes).unwrap();
    assert_eq!(inspect(directory).unwrap().quarantined.len(), 1);
    discard(directory, id, "").unwrap();
    assert_eq!(stored(&inspect(directory).unwrap().discarded), 6);
}

#[test]
fn leftovers_are_listed_and_deleted_and_unfinished_files_go_at_the_start() {
    let (directory, id) = quarantined();
    let directory = directory.path();
    for ending in [TORN, ".torn.reason", SALVAGED, ".salvaged.reason"] {
        std::fs::write(file(directory, id, ending), "rows").unwrap();
    }
    std::fs::create_dir(directory.join(REQUEUE)).unwrap();
    let unfinished = [directory.join(REQUEUE).join("a.new"), directory.join(QUARANTINE).join("b.new")];
    unfinished.iter().for_each(|path| std::fs::write(path, "rows").unwrap());
    drop(Spool::open(directory, &limits()).unwrap());
    assert!(unfinished.iter().all(|path| !path.exists()));
    let left: Vec<_> =
        inspect(directory).unwrap().leftovers.into_iter().map(|it| (it.file, it.bytes)).collect();
    assert_eq!(left, [(format!("{id}{SALVAGED}"), 4), (format!("{id}{TORN}"), 4)]);
    discard(directory, id, "").unwrap();
    let files = RealDisk.list(&directory.join(QUARANTINE)).unwrap();
    assert_eq!(files, [format!("{id}{PENDING_TOMBSTONE}")]);
}

#[test]
fn the_copy_of_a_torn_segment_is_deleted_and_leaves_no_tombstone() {
    let (directory, id) = quarantined();
    let directory = directory.path();
    std::fs::rename(file(directory, id, SEGMENT), file(directory, id, TORN)).unwrap();
    assert_eq!(discard(directory, id, "").unwrap(), DiscardOutcome::Copy);
    assert!(inspect(directory).unwrap().discarded.is_empty());
}
