//! Kinds of damage that matter, and failures that were found.

use std::io::ErrorKind;

use proptest::prelude::*;

use super::model::{DIRECTORY, open, quarantine, sealed, shipped_rows};
use crate::spool::accounting::shipped_ids::RECENT_ROWS;
use crate::spool::testing::*;
use crate::spool::*;

/// Path of the active segment, which has the highest number.
fn newest(disk: &TestDisk) -> PathBuf {
    let names = files::segment_ids(disk, Path::new(DIRECTORY)).unwrap();
    Path::new(DIRECTORY).join(names.last().unwrap().file_name())
}

/// Page load of each sealed event, in order.
fn sealed_rows(spool: &Spool) -> Vec<u64> {
    let read = |sealed| shipped_rows(spool, sealed).map_err(|error| error.to_string()).unwrap().events;
    sealed(spool).into_iter().flat_map(read).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, ..ProptestConfig::default() })]

    #[test]
    fn a_tail_that_is_cut_or_changed_at_any_byte_costs_no_frame_before_it(
        frames in 1..12_usize,
        at in any::<prop::sample::Index>(),
        change in any::<Option<u8>>(),
    ) {
        let disk = TestDisk::default();
        let (spool, _) = open(&disk, &limits()).unwrap();
        let mut ends = Vec::new();
        for number in 0..frames {
            wait(append(&spool, number as u64, &[0, 1]).unwrap()).unwrap();
            ends.push(disk.contents(&newest(&disk)).unwrap().len());
        }
        // Only the last batch may be torn: everything before it was synced before it was written.
        let begins = if frames > 1 { ends[frames - 2] } else { header_len(&disk) };
        let at = begins + at.index(ends[frames - 1] - begins);
        let crashed = disk.after_power_loss(|| true);
        drop(spool);
        crashed.corrupt(&newest(&crashed), |bytes| match change {
            Some(change) => bytes[at] ^= change | 1,
            None => bytes.truncate(at),
        });
        let (spool, found) = open(&crashed, &limits()).unwrap();
        let kept: Vec<_> = (0..frames as u64 - 1).flat_map(|number| [(number, 0), (number, 1)]).collect();
        prop_assert_eq!(&found.ids, &ids(&kept));
        let page_loads: Vec<_> = kept.iter().map(|(page_load, _)| *page_load).collect();
        prop_assert_eq!(sealed_rows(&spool), page_loads);
    }
}

fn header_len(disk: &TestDisk) -> usize {
    let bytes = disk.contents(&newest(disk)).unwrap();
    u32::from_le_bytes(bytes[12..16].try_into().unwrap()) as usize
}

/// The disk of a spool with three frames in its active segment, after a power cut.
fn three_frames() -> TestDisk {
    let disk = TestDisk::default();
    let (spool, _) = open(&disk, &limits()).unwrap();
    for number in 0..3 {
        wait(append(&spool, number, &[0]).unwrap()).unwrap();
    }
    let off = disk.after_power_loss(|| true);
    drop(spool);
    off
}

#[test]
fn a_damaged_frame_before_a_later_batch_quarantines_its_segment() {
    let disk = three_frames();
    let path = newest(&disk);
    let header = header_len(&disk);
    disk.corrupt(&path, |bytes| bytes[header + 60] ^= 1);
    let before = disk.contents(&path).unwrap();
    let (spool, found) = open(&disk, &limits()).unwrap();
    assert_eq!((found.events, spool.oldest_sealed().is_none()), (0, true));
    assert!(found.notes[0].contains("damaged and was quarantined"), "{:?}", found.notes);
    assert_eq!(
        disk.contents(&quarantine().join(path.file_name().unwrap())).unwrap(),
        before,
        "nothing of it is lost"
    );
    let reason = quarantine().join(path.file_name().unwrap()).with_extension("reason");
    assert!(String::from_utf8(disk.contents(&reason).unwrap()).unwrap().contains("no whole frame at byte"));
    wait(append(&spool, 9, &[0]).unwrap()).unwrap();
}

#[test]
fn a_segment_with_a_damaged_header_is_quarantined() {
    for byte in [0, 20, 50] {
        let disk = three_frames();
        disk.corrupt(&newest(&disk), |bytes| bytes[byte] ^= 1);
        let (_, found) = open(&disk, &limits()).unwrap();
        assert!(found.notes[0].contains("quarantined"), "byte {byte}: {:?}", found.notes);
    }
}

#[test]
fn orphaned_frames_behind_a_torn_one_of_the_same_batch_are_kept_in_a_copy() {
    let disk = TestDisk::default();
    let (spool, _) = open(&disk, &limits()).unwrap();
    wait(append(&spool, 1, &[0]).unwrap()).unwrap();
    let path = newest(&disk);
    let header = Header::read(&*disk.read(&path).unwrap()).unwrap().unwrap().0;
    let off = disk.after_power_loss(|| true);
    drop(spool);
    // A batch of two frames. Only the second reached the disk, which may reorder writes.
    let mut batch = Vec::new();
    for page_load in [2, 3] {
        with_record(page_load, &[0], |record| frame::encode_record(&record, &mut batch));
    }
    frame::stamp(&mut batch, header.salt, 1, |_| {});
    batch[..100].fill(0);
    off.corrupt(&path, |bytes| bytes.extend_from_slice(&batch));
    let (_, found) = open(&off, &limits()).unwrap();
    assert_eq!(found.ids, ids(&[(1, 0)]), "{:?}", found.notes);
    let torn = Path::new(DIRECTORY).join(QUARANTINE).join(format!("{}.torn", header.id));
    assert!(off.contents(&torn).unwrap().ends_with(&batch));
}

#[test]
fn a_failed_sync_breaks_the_spool_for_good() {
    let disk = TestDisk::default();
    let (spool, _) = open(&disk, &limits()).unwrap();
    wait(append(&spool, 1, &[0]).unwrap()).unwrap();
    disk.fail_next_sync(ErrorKind::Other);
    let failed = wait(append(&spool, 2, &[0]).unwrap());
    assert!(matches!(failed, Err(SpoolError::Broken(_))), "{failed:?}");
    assert!(
        matches!(append(&spool, 3, &[0]), Err(SpoolError::Broken(_))),
        "the disk works again, the spool does not"
    );
    assert!(matches!(spool.append_audit("a", "{}"), Err(SpoolError::Broken(_))));
    assert!(matches!(wait(spool.sync_point()), Err(SpoolError::Broken(_))));
    assert!(spool.status().broken.is_some());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    assert!(matches!(runtime.block_on(spool.broken()), SpoolError::Broken(_)));
    drop(spool);
    let (_, found) = open(&disk.after_power_loss(|| false), &limits()).unwrap();
    assert_eq!(found.ids, ids(&[(1, 0)]));
}

#[test]
fn a_disk_without_space_breaks_the_spool_and_keeps_acknowledged_events() {
    for space in [0, 1, 40, 150, 400, 700, 1000, 1500] {
        let disk = TestDisk::default();
        let (spool, _) = open(&disk, &SpoolLimits { seal_rows: 2, ..limits() }).unwrap();
        disk.leave_space(space);
        let mut acknowledged = Vec::new();
        for page_load in 0..40 {
            match append(&spool, page_load, &[0]).map(wait) {
                Ok(Ok(())) => acknowledged.push((page_load, 0)),
                _ => break,
            }
        }
        until(|| spool.status().broken.is_some());
        drop(spool);
        disk.leave_space(usize::MAX);
        let (_, found) = open(&disk, &limits()).unwrap();
        assert_eq!(found.ids[..acknowledged.len()], ids(&acknowledged), "with {space} bytes left");
    }
}

#[test]
fn a_damaged_sealed_segment_is_detected_before_anything_is_sent() {
    let disk = TestDisk::default();
    let (spool, _) = open(&disk, &SpoolLimits { seal_rows: 1, ..limits() }).unwrap();
    wait(append(&spool, 1, &[0]).unwrap()).unwrap();
    until(|| spool.oldest_sealed().is_some());
    let sealed = spool.oldest_sealed().unwrap();
    let path = Path::new(DIRECTORY).join(sealed.id.file_name());
    disk.corrupt(&path, |bytes| {
        let at = bytes.len() / 2 + 200;
        bytes[at] ^= 1;
    });
    assert!(matches!(Shipment::open(&spool, sealed), Err(ShipmentError::Damaged(_))));
    spool.quarantine(&sealed, "a test").unwrap();
    assert!(spool.oldest_sealed().is_none());
}

#[test]
fn event_ids_come_from_the_newest_segments() {
    let disk = TestDisk::default();
    let (spool, _) =
        open(&disk, &SpoolLimits { seal_rows: 60_000, seal_bytes: 1 << 30, max_bytes: 1 << 30, ..limits() })
            .unwrap();
    let seqs: Vec<_> = (0..1000).collect();
    for page_load in 0..250 {
        let ack = append(&spool, page_load, &seqs).unwrap();
        if page_load % 50 == 49 {
            wait(ack).unwrap();
        }
    }
    drop(spool);
    let (_, found) = open(&disk, &limits()).unwrap();
    assert_eq!(found.events, 250_000);
    let ids = found.ids.len() as u64;
    assert!((RECENT_ROWS..250_000).contains(&ids), "{ids}");
    assert!(found.ids.contains(&id(249, 999)) && !found.ids.contains(&id(0, 0)));
}

#[test]
fn a_quarantined_segment_and_its_reason_still_count_towards_the_bytes() {
    let disk = TestDisk::default();
    let (spool, _) = open(&disk, &SpoolLimits { seal_rows: 1, ..limits() }).unwrap();
    wait(append(&spool, 1, &[0]).unwrap()).unwrap();
    until(|| spool.oldest_sealed().is_some());
    let before = spool.status().bytes;
    spool.quarantine(&spool.oldest_sealed().unwrap(), "a test").unwrap();
    assert_eq!(spool.status().bytes, before + 6);
    drop(spool);
    let bytes: u64 = disk.lengths(&quarantine()).values().sum();
    let (spool, _) = open(&disk, &limits()).unwrap();
    let header = header_len(&disk) as u64;
    // The active segment had no frame. It was sealed, because its number must reach the store.
    let sealed = header + Seal::LEN as u64;
    assert_eq!(spool.status().bytes, bytes + sealed + header, "the same after a restart");
}

#[test]
fn a_segment_that_could_not_be_quarantined_still_waits() {
    let disk = TestDisk::default();
    let (spool, _) = open(&disk, &SpoolLimits { seal_rows: 1, ..limits() }).unwrap();
    wait(append(&spool, 1, &[0]).unwrap()).unwrap();
    until(|| spool.oldest_sealed().is_some());
    let sealed = spool.oldest_sealed().unwrap();
    // Everything fails for a while, also the check whether the file is still there.
    disk.fault_after(0, Fault::Error { kind: ErrorKind::Other, done: false, lasting: true });
    spool.quarantine(&sealed, "a test").unwrap_err();
    disk.clear_fault();
    assert_eq!(spool.oldest_sealed().map(|sealed| sealed.id), Some(sealed.id));
}
