//! Recovery that is interrupted at every operation, and that must not assume that what it reads is on the disk.

use std::collections::BTreeSet;
use std::io::ErrorKind;

use super::model::{DIRECTORY, open, quarantine, sealed, shipped_rows};
use crate::spool::testing::*;
use crate::spool::*;

/// Random seeds for each operation. They decide which sectors and names of an interrupted repair survive.
const DRAWS: u64 = 16;
/// More operations than any start in these tests takes.
const MOST_OPERATIONS: u64 = 200;

/// Path of the active segment, which has the highest number.
fn newest(disk: &TestDisk) -> PathBuf {
    let names = files::segment_ids(disk, Path::new(DIRECTORY)).unwrap();
    Path::new(DIRECTORY).join(names.last().unwrap().file_name())
}

/// Page load of each sealed event, in order.
fn page_loads(spool: &Spool) -> Vec<u64> {
    let read = |sealed| shipped_rows(spool, sealed).map_err(|error| error.to_string()).unwrap().events;
    sealed(spool).into_iter().flat_map(read).collect()
}

/// A disk after a power cut: three beacons are synced, and of a batch of three `kept` beacons and a part of the next one reached it.
fn unfinished(kept: usize) -> TestDisk {
    let disk = TestDisk::default();
    let (spool, _) = open(&disk, &limits()).unwrap();
    spool.count_dropped("clinic", DropReason::Bot, 1);
    for number in 1..=3 {
        wait(append(&spool, number, &[0]).unwrap()).unwrap();
    }
    let path = newest(&disk);
    let header = Header::read(&*disk.read(&path).unwrap()).unwrap().unwrap().0;
    let off = disk.after_power_loss(|| true);
    drop(spool);
    let mut batch = Vec::new();
    for page_load in 4..=6 {
        with_record(page_load, &[0], |record| frame::encode_record(&record, &mut batch));
    }
    frame::stamp(&mut batch, header.salt, 3, |_| {});
    let cut = batch.len() / 3 * kept + 50;
    off.corrupt(&path, |bytes| bytes.extend_from_slice(&batch[..cut]));
    off
}

/// Starts on the disk that `crashed` returns, with a power cut after each number of operations in turn, then starts again.
fn interrupted(crashed: impl Fn() -> TestDisk, expected: &[u64]) {
    for after in 0..MOST_OPERATIONS {
        let mut came = false;
        for seed in 0..DRAWS {
            let mut random = fastrand::Rng::with_seed(seed);
            let disk = crashed();
            disk.fault_after(after, Fault::PowerCut);
            drop(open(&disk, &limits()));
            came |= disk.fault_came();
            disk.clear_fault();
            let cut = random.usize(..);
            let disk = disk.after_torn_write(|| random.bool(), |length| cut % (length + 1));
            let (spool, found) = open(&disk, &limits()).unwrap();
            let quarantined = disk.list(&quarantine()).unwrap();
            assert_eq!(
                quarantined, [""; 0],
                "a repair cut short after {after} is not damage: {:?}",
                found.notes
            );
            assert_eq!(page_loads(&spool), expected, "after {after}, seed {seed}: {:?}", found.notes);
            let known: Vec<_> = found.ids.iter().copied().map(page_load_of).collect();
            assert_eq!(known, expected, "after {after}, seed {seed}");
        }
        if !came {
            assert!(after > 20, "a start takes more than {after} operations");
            return;
        }
    }
    panic!("a start takes more than {MOST_OPERATIONS} operations");
}

#[test]
fn recovery_cut_short_at_any_operation_is_done_again() {
    interrupted(|| unfinished(0), &[1, 2, 3]);
}

#[test]
fn recovery_of_an_unfinished_batch_cut_short_at_any_operation_is_no_damage() {
    interrupted(|| unfinished(2), &[1, 2, 3, 4, 5]);
}

#[test]
fn what_recovery_has_read_stays_though_its_sync_had_failed_and_the_power_goes_next() {
    let disk = TestDisk::default();
    let (spool, _) = open(&disk, &limits()).unwrap();
    wait(append(&spool, 1, &[0]).unwrap()).unwrap();
    disk.fail_next_sync(ErrorKind::Other);
    wait(append(&spool, 2, &[0]).unwrap()).unwrap_err();
    drop(spool);
    // The process starts again on the same machine and reads the page cache. The second beacon is whole there, and is acknowledged as a
    // duplicate from now on.
    let (spool, found) = open(&disk, &limits()).unwrap();
    assert_eq!(found.ids, ids(&[(1, 0), (2, 0)]));
    let off = disk.after_power_loss(|| false);
    drop(spool);
    let (_, found) = open(&off, &limits()).unwrap();
    assert_eq!(found.ids, ids(&[(1, 0), (2, 0)]), "it was acknowledged by then");
}

#[test]
fn a_seal_whose_sync_failed_is_made_again_before_it_is_trusted() {
    let disk = TestDisk::default();
    let (spool, _) = open(&disk, &SpoolLimits { seal_rows: 2, ..limits() }).unwrap();
    wait(append(&spool, 1, &[0]).unwrap()).unwrap();
    spool.count_dropped("clinic", DropReason::Bot, 5);
    // The batch is synced; the sync of the seal fails.
    disk.fault_after(3, Fault::Error { kind: ErrorKind::Other, done: false, lasting: false });
    wait(append(&spool, 2, &[0]).unwrap()).unwrap();
    until(|| spool.status().broken.is_some());
    drop(spool);
    let (spool, _) = open(&disk, &limits()).unwrap();
    let id = spool.oldest_sealed().unwrap().id;
    spool.quarantine(&spool.oldest_sealed().unwrap(), "a test").unwrap();
    let off = disk.after_power_loss(|| false);
    let scan = scan::<SegmentContents>(&off, &quarantine().join(id.file_name()), None).unwrap();
    assert!(scan.seal.is_some(), "the shipper saw its seal");
}

#[test]
fn a_confirmed_segment_whose_removal_was_lost_comes_back_under_the_same_token() {
    let disk = TestDisk::default();
    let (spool, _) = open(&disk, &SpoolLimits { seal_rows: 1, ..limits() }).unwrap();
    wait(append(&spool, 1, &[0]).unwrap()).unwrap();
    until(|| spool.oldest_sealed().is_some());
    let shipped = spool.oldest_sealed().unwrap();
    let rows = shipped_rows(&spool, shipped).map_err(|error| error.to_string()).unwrap();
    // The file is removed; the sync of its directory fails.
    disk.fault_after(1, Fault::PowerCut);
    spool.confirm(&shipped).unwrap_err();
    let off = disk.after_power_loss(|| false);
    drop(spool);
    let (spool, _) = open(&off, &limits()).unwrap();
    let again = spool.oldest_sealed().unwrap();
    assert_eq!(again.id, shipped.id);
    assert_eq!(shipped_rows(&spool, again).map_err(|error| error.to_string()).unwrap(), rows);
}

#[test]
fn a_segment_id_is_not_used_again_although_its_rename_was_lost() {
    let mut ids = BTreeSet::new();
    let mut disk = TestDisk::default();
    for after in 0..60 {
        disk.fault_after(after, Fault::PowerCut);
        if let Ok((spool, _)) = open(&disk, &SpoolLimits { seal_rows: 1, ..limits() }) {
            let _ = append(&spool, after, &[0]).and_then(wait);
            if let Some(sealed) = spool.oldest_sealed() {
                assert!(ids.insert(sealed.id), "{} was used before", sealed.id);
                let _ = spool.confirm(&sealed);
            }
        }
        // Nothing survives that was not synced, names included.
        disk = disk.after_power_loss(|| false);
        let (spool, _) = open(&disk, &limits()).unwrap();
        while let Some(sealed) = spool.oldest_sealed() {
            ids.insert(sealed.id);
            spool.confirm(&sealed).unwrap();
        }
    }
}
