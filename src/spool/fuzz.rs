//! What must hold of recovery whatever lies on the disk. See [`crate::fuzz`].

use std::path::Path;

use crate::spool::accounting::contents::SegmentContents;
use crate::spool::accounting::record::{RecordKind, RecordRef};
use crate::spool::accounting::shipped_ids::RecentIds;
use crate::spool::log::account::SegmentAccount;
use crate::spool::log::disk::Disk;
use crate::spool::log::disk::test_disk::TestDisk;
use crate::spool::log::files::QUARANTINE;
use crate::spool::log::frame::HEADER_LEN;
use crate::spool::log::recovery::recover;
use crate::spool::log::segment::{Header, ReadStep, SegmentId, SegmentReader};
use crate::spool::log::state::SealedFile;

const SALT: u32 = 0x5a17_0001;
const ID: SegmentId = SegmentId { collector: 1, number: 1 };
const DIRECTORY: &str = "/spool";

/// The bytes of a segment's file, behind a first byte that selects a mode. Mode 0: they are the file. Mode 1: frames are made of the
/// bytes, with correct checksums, so that the code behind the checksum is reached. Mode 2: the same, and the tail is torn.
///
/// Recovery must end without an error, report no more rows than it reads back, and change nothing when it runs again.
pub fn spool_recovery(data: &[u8]) {
    let Some((mode, bytes)) = data.split_first() else { return };
    let file = match mode % 3 {
        0 => bytes.to_vec(),
        1 => framed(bytes, 0),
        _ => framed(bytes, bytes.len() / 4),
    };
    let disk = disk_with(&file);
    let directory = Path::new(DIRECTORY);
    let (sealed, notes) = recover_all(&disk);
    let (again, notes_again) = recover_all(&disk);
    assert!(notes_again.is_empty(), "a repaired spool needs no repair: {notes_again:?}");
    let known = |sealed: &[SealedFile]| -> Vec<_> {
        sealed.iter().map(|segment| (segment.id, segment.seal, segment.bytes)).collect()
    };
    assert_eq!(known(&again), known(&sealed), "a second recovery changes nothing");
    let is_quarantined = disk.read(&directory.join(QUARANTINE).join(ID.file_name())).is_ok();
    assert!(sealed.len() + usize::from(is_quarantined) <= 1);
    let Some(segment) = sealed.first() else { return };
    let file = disk.read(&directory.join(ID.file_name())).expect("a sealed segment exists");
    let (header, start) = Header::read(&*file).expect("it is read").expect("it is whole");
    let mut reader = SegmentReader::new(&*file, header.salt, start..segment.seal.summary_at);
    let mut events = 0;
    while let ReadStep::Frame(frame) = reader.step().expect("memory is read") {
        let Some(record) = RecordRef::parse(&frame) else { continue };
        if record.kind == RecordKind::Events {
            assert_eq!(record.event_rows().count(), record.count as usize);
            events += u64::from(record.count);
        }
    }
    // A seal that was there is trusted until the segment is shipped; then all of it is read and compared with the seal.
    let was_sealed = notes.is_empty() && mode % 3 == 0;
    let [sealed_events, _] = segment.seal.totals;
    assert!(
        was_sealed || sealed_events == events,
        "{sealed_events} events in the seal, but {events} in frames"
    );
}

fn disk_with(segment: &[u8]) -> TestDisk {
    let disk = TestDisk::default();
    let file = disk.create(&Path::new(DIRECTORY).join(ID.file_name())).expect("memory is written");
    file.write_at(segment, 0).expect("memory is written");
    disk
}

fn recover_all(disk: &TestDisk) -> (Vec<SealedFile>, Vec<String>) {
    recover::<SegmentContents>(disk, Path::new(DIRECTORY), &mut RecentIds::default())
        .expect("a disk that works is recovered")
}

/// A whole header, and as many frames as `bytes` give, without their last `torn` bytes.
fn framed(bytes: &[u8], torn: usize) -> Vec<u8> {
    let schemas = SegmentContents::schemas();
    let mut file =
        Header { id: ID, origin: ID.collector, created: 1_700_000_000_000, salt: SALT, schemas }.encode();
    let header_len = file.len();
    let mut rest = bytes;
    // Length of the contents, kind, flags, batch, length of the site, count.
    while let Some(([len, kind, flags, batch, site, count], after)) = rest.split_first_chunk::<6>() {
        let (contents, after) = after.split_at(usize::from(*len).min(after.len()));
        rest = after;
        let mut payload = [0; 6].to_vec();
        (payload[0], payload[2]) = (*site, *count);
        payload.extend_from_slice(contents);
        let mut frame = [0; HEADER_LEN].to_vec();
        frame[..4].copy_from_slice(&SALT.to_le_bytes());
        frame[8..12].copy_from_slice(&((HEADER_LEN + payload.len()) as u32).to_le_bytes());
        // The highest byte stands for the last batch that there can be.
        let batch = if *batch == u8::MAX { u32::MAX } else { u32::from(*batch) };
        frame[12..16].copy_from_slice(&batch.to_le_bytes());
        (frame[16], frame[17]) = (*kind, *flags);
        frame.extend_from_slice(&payload);
        let mut checksum = crc32fast::Hasher::new_with_initial(SALT);
        checksum.update(&frame[8..]);
        frame[4..8].copy_from_slice(&checksum.finalize().to_le_bytes());
        file.extend(frame);
    }
    file.truncate(file.len().saturating_sub(torn).max(header_len));
    file
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_that_claims_to_be_of_the_last_possible_batch_is_recovered() {
        // One event of batch 2^32 - 1, the last of its batch.
        let frame = [&[20, 1, 1, u8::MAX, 1, 1][..], b"afilter_i\x07\0\0\0rowsrow"].concat();
        let disk = disk_with(&framed(&frame, 0));
        let (sealed, _) = recover_all(&disk);
        assert_eq!(sealed.iter().map(|segment| segment.seal.totals).collect::<Vec<_>>(), [[1, 0]]);
    }
}
