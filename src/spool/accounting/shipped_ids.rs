//! The filter ids of events that were shipped recently. A beacon whose answer was lost is sent again seconds later, and must be recognised
//! although its segment is gone and the collector was restarted.
//!
//! For each shipped segment a file `shipped/NAME.ids` holds the ids of its events, durable before the segment is deleted. Only so many
//! files are kept that they hold [`RECENT_ROWS`] events, and no more than [`MOST_FILES`]. They are an aid: a file that cannot
//! be read or written is left out with a warning, and closing the day removes a copy that was stored for it.
//!
//! ```text
//! offset  bytes    field
//!      0      8    magic, FOOTSHIP
//!      8      4    CRC-32 of everything behind it
//!     12      8 *  identity of an event for the duplicate filter
//! ```

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};

use parking_lot::Mutex;

use super::contents::SegmentContents;
use super::record::{FilterId, RecordRef};
use crate::spool::log::account::RecentRecords;
use crate::spool::log::disk::Disk;
use crate::spool::log::error::is_no_space;
use crate::spool::log::files::{NEW, write_atomically};
use crate::spool::log::frame::FrameRef;
use crate::spool::log::segment::SegmentId;

/// Ids are known of at least this many of the most recent events, if there are as many. A beacon is sent again within seconds; at full
/// load these are two of them.
pub(crate) const RECENT_ROWS: u64 = 131_072;
/// Files that are kept. A quiet site has a segment for each event, and each file takes a block of the disk and is read at the start.
const MOST_FILES: usize = 1_024;
/// The directory of the files, in the spool's.
pub(crate) const SHIPPED: &str = "shipped";
const SUFFIX: &str = ".ids";
const MAGIC: &[u8; 8] = b"FOOTSHIP";
const HEADER_LEN: usize = 12;
const ENTRY_LEN: usize = 8;

/// Collects the ids of the newest spooled events while recovery reads them.
#[derive(Debug, Default)]
pub(crate) struct RecentIds {
    events: u64,
    current: Vec<FilterId>,
    /// Newest segment first.
    segments: Vec<Vec<FilterId>>,
}

impl RecentIds {
    /// Oldest first.
    pub(crate) fn into_ids(self) -> Vec<FilterId> {
        self.segments.into_iter().rev().flatten().collect()
    }
}

impl RecentRecords<SegmentContents> for RecentIds {
    fn begin_segment(&mut self) -> bool {
        self.current.clear();
        self.events < RECENT_ROWS
    }

    fn add(&mut self, record: &FrameRef<'_>) {
        let record = RecordRef::parse(record);
        self.current.extend(record.iter().flat_map(RecordRef::events).map(|event| event.filter_id));
    }

    fn end_segment(&mut self, contents: &SegmentContents) {
        self.events += contents.events;
        self.segments.push(std::mem::take(&mut self.current));
    }
}

pub(crate) struct ShippedIds {
    directory: PathBuf,
    /// Oldest first, with the number of events in each.
    files: Mutex<VecDeque<(SegmentId, u64)>>,
}

impl ShippedIds {
    /// Opens the files. Returns the ids of at least `wanted` of the newest events too, if there are as many, oldest first.
    pub(crate) fn open(disk: &dyn Disk, spool: &Path, wanted: u64) -> io::Result<(Self, Vec<FilterId>)> {
        let directory = spool.join(SHIPPED);
        // On a full disk it may not exist yet; it is created with the first file.
        let found = match disk.create_directory(&directory).and_then(|()| disk.list(&directory)) {
            Err(error) if is_no_space(&error) => Vec::new(),
            found => found?,
        };
        for unfinished in found.iter().filter(|file| file.ends_with(NEW)) {
            // Left by a crash. A file that cannot be removed does no harm.
            let _ = disk.remove(&directory.join(unfinished));
        }
        let mut segments: Vec<SegmentId> =
            found.iter().filter_map(|file| SegmentId::from_name_with_suffix(file, SUFFIX)).collect();
        segments.sort_unstable();
        let (mut files, mut parts, mut have) = (VecDeque::new(), Vec::new(), 0);
        for id in segments.into_iter().rev() {
            let path = directory.join(file_name(id));
            files.push_front((id, count_events(disk, &path).unwrap_or(0)));
            if have >= wanted {
                continue;
            }
            match read(disk, &path) {
                Ok(part) => {
                    have += part.len() as u64;
                    parts.push(part);
                }
                Err(error) => {
                    tracing::warn!(segment = %id, %error, "shipped ids unreadable, repeated events may be stored again");
                }
            }
        }
        let ids = parts.into_iter().rev().flatten().collect();
        Ok((Self { directory, files: Mutex::new(files) }, ids))
    }

    /// Keeps the ids of a segment that is about to be deleted, and deletes the oldest files beyond the bounds.
    pub(crate) fn keep(&self, disk: &dyn Disk, segment: SegmentId, ids: &[FilterId]) -> io::Result<()> {
        let ids = &ids[ids.len().saturating_sub(RECENT_ROWS as usize)..];
        if ids.is_empty() {
            return Ok(());
        }
        disk.create_directory(&self.directory)?;
        write_atomically(disk, &self.directory, &file_name(segment), &encode(ids))?;
        let mut files = self.files.lock();
        files.retain(|(other, _)| *other != segment);
        files.push_back((segment, ids.len() as u64));
        let mut kept: u64 = files.iter().map(|(_, events)| events).sum();
        while let Some((oldest, events)) = files.front().copied() {
            if kept - events < RECENT_ROWS && files.len() <= MOST_FILES {
                break;
            }
            files.pop_front();
            kept -= events;
            match disk.remove(&self.directory.join(file_name(oldest))) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }
}

fn file_name(segment: SegmentId) -> String {
    format!("{segment}{SUFFIX}")
}

fn encode(ids: &[FilterId]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER_LEN + ids.len() * ENTRY_LEN);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend(ids.iter().flat_map(|id| id.to_le_bytes()));
    let checksum = crc32fast::hash(&bytes[HEADER_LEN..]);
    bytes[8..HEADER_LEN].copy_from_slice(&checksum.to_le_bytes());
    bytes
}

fn count_events(disk: &dyn Disk, path: &Path) -> io::Result<u64> {
    Ok(disk.read(path)?.length()?.saturating_sub(HEADER_LEN as u64) / ENTRY_LEN as u64)
}

fn read(disk: &dyn Disk, path: &Path) -> io::Result<Vec<FilterId>> {
    let file = disk.read(path)?;
    let longest = (HEADER_LEN + RECENT_ROWS as usize * ENTRY_LEN) as u64;
    let mut bytes = vec![0; file.length()?.min(longest) as usize];
    let read = file.read_at(&mut bytes, 0)?;
    decode(&bytes[..read]).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the file is damaged"))
}

fn decode(bytes: &[u8]) -> Option<Vec<FilterId>> {
    let (head, entries) = bytes.split_at_checked(HEADER_LEN)?;
    let checksum = u32::from_le_bytes(head[8..].try_into().ok()?);
    if &head[..8] != MAGIC || crc32fast::hash(entries) != checksum {
        return None;
    }
    let (entries, rest) = entries.as_chunks::<ENTRY_LEN>();
    rest.is_empty().then(|| entries.iter().copied().map(u64::from_le_bytes).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spool::log::disk::test_disk::TestDisk;

    const SPOOL: &str = "/spool";

    fn segment(number: u64) -> SegmentId {
        SegmentId { collector: 7, number }
    }

    fn open(disk: &TestDisk) -> (ShippedIds, Vec<FilterId>) {
        ShippedIds::open(disk, Path::new(SPOOL), RECENT_ROWS).unwrap()
    }

    #[test]
    fn shipped_ids_are_read_back_in_order() {
        let disk = TestDisk::default();
        let (shipped, nothing) = open(&disk);
        assert!(nothing.is_empty());
        shipped.keep(&disk, segment(1), &[10, 11]).unwrap();
        shipped.keep(&disk, segment(2), &[u64::MAX]).unwrap();
        let disk = disk.after_power_loss(|| false);
        assert_eq!(open(&disk).1, [10, 11, u64::MAX]);
    }

    #[test]
    fn the_oldest_files_are_deleted_when_the_rest_hold_enough_events() {
        let disk = TestDisk::default();
        let (shipped, _) = open(&disk);
        let half: Vec<FilterId> = (0..RECENT_ROWS / 2).collect();
        for number in 0..5 {
            shipped.keep(&disk, segment(number), &half).unwrap();
        }
        assert_eq!(disk.list(&Path::new(SPOOL).join(SHIPPED)).unwrap().len(), 2);
        let (again, ids) = open(&disk);
        assert_eq!(ids.len() as u64, RECENT_ROWS);
        // Also over a restart.
        again.keep(&disk, segment(9), &half).unwrap();
        assert_eq!(disk.list(&Path::new(SPOOL).join(SHIPPED)).unwrap().len(), 2);
    }

    #[test]
    fn many_small_segments_leave_a_bounded_number_of_files() {
        let disk = TestDisk::default();
        let (shipped, _) = open(&disk);
        for number in 0..MOST_FILES as u64 + 10 {
            shipped.keep(&disk, segment(number), &[number]).unwrap();
            shipped.keep(&disk, segment(number + 1_000_000), &[]).unwrap();
        }
        assert_eq!(disk.list(&Path::new(SPOOL).join(SHIPPED)).unwrap().len(), MOST_FILES);
        assert_eq!(open(&disk).1.first(), Some(&10), "the newest are kept");
    }

    #[test]
    fn a_damaged_file_is_left_out() {
        let disk = TestDisk::default();
        let (shipped, _) = open(&disk);
        shipped.keep(&disk, segment(1), &[1]).unwrap();
        shipped.keep(&disk, segment(2), &[2]).unwrap();
        let path = Path::new(SPOOL).join(SHIPPED).join(file_name(segment(1)));
        disk.corrupt(&path, |bytes| bytes[14] ^= 1);
        assert_eq!(open(&disk).1, [2]);
    }
}
