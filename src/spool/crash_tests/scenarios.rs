//! Scenarios by name: shapes of damage that matter, and failures that were found.

use proptest::prelude::*;

use super::model::{DIRECTORY, aside, held, open, sealed};
use crate::spool::log::segment::Header;
use crate::spool::log::test_disk::{Fault, TestDisk};
use crate::spool::tests::{append, limits, rows, until, wait};
use crate::spool::*;
use std::io::ErrorKind;

/// Path of the segment with the highest number: the active one.
fn newest(disk: &TestDisk) -> PathBuf {
    let names = recovery::names(disk, Path::new(DIRECTORY)).unwrap();
    Path::new(DIRECTORY).join(names.last().unwrap().file())
}

/// Page loads of everything that is sealed, in order, once for each event.
fn sealed_rows(spool: &Spool) -> Vec<u64> {
    let read = |sealed| held(spool, sealed).map_err(|error| error.to_string()).unwrap().events;
    sealed(spool).into_iter().flat_map(read).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, ..ProptestConfig::default() })]

    #[test]
    fn a_tail_cut_or_spoilt_at_any_byte_costs_no_frame_before_it(
        frames in 1..12_usize,
        at in any::<prop::sample::Index>(),
        spoil in any::<Option<u8>>(),
    ) {
        let disk = TestDisk::default();
        let (spool, _) = open(&disk, &limits()).unwrap();
        let mut ends = Vec::new();
        for number in 0..frames {
            wait(append(&spool, number as u64, &[0, 1]).unwrap()).unwrap();
            ends.push(disk.contents(&newest(&disk)).unwrap().len());
        }
        // The last batch is what may be torn: all before it was synced before it was begun.
        let begins = if frames > 1 { ends[frames - 2] } else { header_len(&disk) };
        let at = begins + at.index(ends[frames - 1] - begins);
        let crashed = disk.after_power_loss(|| true);
        drop(spool);
        crashed.corrupt(&newest(&crashed), |bytes| match spoil {
            Some(change) => bytes[at] ^= change | 1,
            None => bytes.truncate(at),
        });
        let (spool, found) = open(&crashed, &limits()).unwrap();
        let kept: Vec<_> = (0..frames as u64 - 1).flat_map(|number| [(number, 0), (number, 1)]).collect();
        prop_assert_eq!(&found.identities, &kept);
        let page_loads: Vec<_> = kept.iter().map(|(page_load, _)| *page_load).collect();
        prop_assert_eq!(sealed_rows(&spool), page_loads);
    }
}

fn header_len(disk: &TestDisk) -> usize {
    let bytes = disk.contents(&newest(disk)).unwrap();
    u32::from_le_bytes(bytes[12..16].try_into().unwrap()) as usize
}

/// A spool with three frames in one open segment, and the machine off.
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
fn a_frame_that_was_once_synced_and_now_is_not_whole_sets_its_segment_aside() {
    let disk = three_frames();
    let path = newest(&disk);
    let header = header_len(&disk);
    disk.corrupt(&path, |bytes| bytes[header + 60] ^= 1);
    let before = disk.contents(&path).unwrap();
    let (spool, found) = open(&disk, &limits()).unwrap();
    assert_eq!((found.events, spool.oldest_sealed().is_none()), (0, true));
    assert!(found.notes[0].contains("damaged and was set aside"), "{:?}", found.notes);
    let aside = aside();
    assert_eq!(
        disk.contents(&aside.join(path.file_name().unwrap())).unwrap(),
        before,
        "nothing of it is lost"
    );
    let reason = aside.join(path.file_name().unwrap()).with_extension("reason");
    assert!(String::from_utf8(disk.contents(&reason).unwrap()).unwrap().contains("no whole frame at byte"));
    wait(append(&spool, 9, &[0]).unwrap()).unwrap();
}

#[test]
fn a_segment_whose_header_is_not_whole_is_set_aside() {
    for spoil in [0, 20, 50] {
        let disk = three_frames();
        disk.corrupt(&newest(&disk), |bytes| bytes[spoil] ^= 1);
        let (_, found) = open(&disk, &limits()).unwrap();
        assert!(found.notes[0].contains("set aside"), "byte {spoil}: {:?}", found.notes);
    }
}

#[test]
fn whole_frames_behind_a_torn_one_of_the_same_batch_are_kept_aside() {
    let disk = TestDisk::default();
    let (spool, _) = open(&disk, &limits()).unwrap();
    wait(append(&spool, 1, &[0]).unwrap()).unwrap();
    let path = newest(&disk);
    let header = Header::read(&*disk.read(&path).unwrap()).unwrap().unwrap().0;
    let off = disk.after_power_loss(|| true);
    drop(spool);
    // A batch of two frames of which only the second reached the disk, as a disk that reorders may do.
    let mut batch = Vec::new();
    for page_load in [2, 3] {
        let rows = rows(page_load, &[0]);
        frame::encode(
            Kind::Events,
            1,
            &Frame { site: "clinic", page_load, seqs: &[0], rows: &rows },
            &mut batch,
        );
    }
    frame::stamp(&mut batch, header.salt, 1, |_| {});
    batch[..100].fill(0);
    off.corrupt(&path, |bytes| bytes.extend_from_slice(&batch));
    let (_, found) = open(&off, &limits()).unwrap();
    assert_eq!(found.identities, [(1, 0)], "{:?}", found.notes);
    let torn = Path::new(DIRECTORY).join(recovery::ASIDE).join(format!("{}.torn", header.name));
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
        "the disk works again; it does not"
    );
    assert!(matches!(spool.append_audit("a", "{}"), Err(SpoolError::Broken(_))));
    assert!(matches!(wait(spool.sync_point()), Err(SpoolError::Broken(_))));
    assert!(spool.status().broken.is_some());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    assert!(matches!(runtime.block_on(spool.broken()), SpoolError::Broken(_)));
    drop(spool);
    let (_, found) = open(&disk.after_power_loss(|| false), &limits()).unwrap();
    assert_eq!(found.identities, [(1, 0)]);
}

#[test]
fn a_disk_without_space_breaks_the_spool_and_keeps_what_was_acknowledged() {
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
        assert_eq!(found.identities[..acknowledged.len()], acknowledged, "with {space} bytes left");
    }
}

#[test]
fn a_sealed_segment_that_cannot_be_read_back_is_known_before_anything_is_sent() {
    let disk = TestDisk::default();
    let (spool, _) = open(&disk, &SpoolLimits { seal_rows: 1, ..limits() }).unwrap();
    wait(append(&spool, 1, &[0]).unwrap()).unwrap();
    until(|| spool.oldest_sealed().is_some());
    let sealed = spool.oldest_sealed().unwrap();
    let path = Path::new(DIRECTORY).join(sealed.name.file());
    disk.corrupt(&path, |bytes| {
        let at = bytes.len() / 2 + 200;
        bytes[at] ^= 1;
    });
    assert!(matches!(Unload::open(&spool, sealed), Err(UnloadError::Damaged(_))));
    spool.set_aside(&sealed, "a test").unwrap();
    assert!(spool.oldest_sealed().is_none());
}

#[test]
fn identities_come_from_the_newest_segments() {
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
    let identities = found.identities.len() as u64;
    assert!((RECENT_ROWS..250_000).contains(&identities), "{identities}");
    assert!(found.identities.contains(&(249, 999)) && !found.identities.contains(&(0, 0)));
}

#[test]
fn what_is_set_aside_goes_on_counting_with_its_reason() {
    let disk = TestDisk::default();
    let (spool, _) = open(&disk, &SpoolLimits { seal_rows: 1, ..limits() }).unwrap();
    wait(append(&spool, 1, &[0]).unwrap()).unwrap();
    until(|| spool.oldest_sealed().is_some());
    let before = spool.status().bytes;
    spool.set_aside(&spool.oldest_sealed().unwrap(), "a test").unwrap();
    assert_eq!(spool.status().bytes, before + 6);
    drop(spool);
    let bytes: u64 = disk.lengths(&aside()).values().sum();
    let (spool, _) = open(&disk, &limits()).unwrap();
    let header = header_len(&disk) as u64;
    // The segment that was open then has no frame: it is sealed all the same, so that its number is shipped.
    let sealed = header + segment::Seal::LEN as u64;
    assert_eq!(spool.status().bytes, bytes + sealed + header, "as it is counted on opening");
}

#[test]
fn a_segment_that_could_not_be_set_aside_stays_to_be_shipped() {
    let disk = TestDisk::default();
    let (spool, _) = open(&disk, &SpoolLimits { seal_rows: 1, ..limits() }).unwrap();
    wait(append(&spool, 1, &[0]).unwrap()).unwrap();
    until(|| spool.oldest_sealed().is_some());
    let sealed = spool.oldest_sealed().unwrap();
    // Everything fails for a while, the look whether it is still there among it.
    disk.fault_after(0, Fault::Error { kind: ErrorKind::Other, done: false, lasting: true });
    spool.set_aside(&sealed, "a test").unwrap_err();
    disk.mend();
    assert_eq!(spool.oldest_sealed().map(|sealed| sealed.name), Some(sealed.name));
}
