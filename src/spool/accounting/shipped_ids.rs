//! Which events were shipped last, kept beyond their segments: a beacon whose answer was lost is sent again seconds later,
//! and must be known again though the store has it by then and the collector was started anew.
//!
//! For each shipped segment a small file in `recent/` holds page load and number of its events, durable before the segment
//! is deleted; only as many files are kept as hold [`RECENT_ROWS`] events, and no more than [`MOST_FILES`]. They are a help, not a promise of their own: one
//! that cannot be read or written is left out with a word in the log, and what slips past is removed when its day is closed.
//!
//! The file, little-endian: magic `FOOTRCNT`, CRC-32 of what follows the checksum (4), then for each event page load (8) and
//! number (4).

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};

use parking_lot::Mutex;

use crate::spool::log::disk::Disk;
use crate::spool::log::error::is_no_space;
use crate::spool::log::recovery::{RECENT_ROWS, write_whole};
use crate::spool::log::segment::Name;

/// Files that are kept: a quiet site has a segment for each event, and each file takes a block of the disk and is read at the start.
const MOST_FILES: usize = 1_024;
const DIRECTORY: &str = "recent";
const SUFFIX: &str = ".recent";
const MAGIC: &[u8; 8] = b"FOOTRCNT";
const HEADER_LEN: usize = 12;
const ENTRY_LEN: usize = 12;

/// Page load and number of an event.
pub(crate) type Identity = (u64, u32);

/// The files, oldest first, with the number of events in each.
pub(crate) struct Recent {
    directory: PathBuf,
    files: Mutex<VecDeque<(Name, u64)>>,
}

impl Recent {
    /// The directory's files, and of their events the newest, oldest first, until there are `wanted` of them.
    pub(crate) fn open(disk: &dyn Disk, spool: &Path, wanted: u64) -> io::Result<(Self, Vec<Identity>)> {
        let directory = spool.join(DIRECTORY);
        // On a full disk it may not be there yet; then it is made when there is something to keep.
        let found = match disk.create_directory(&directory).and_then(|()| disk.list(&directory)) {
            Err(error) if is_no_space(&error) => Vec::new(),
            found => found?,
        };
        for unfinished in found.iter().filter(|file| file.ends_with(".new")) {
            // Left by a crash in the middle of writing; one that cannot be removed harms nobody.
            let _ = disk.remove(&directory.join(unfinished));
        }
        let mut names: Vec<Name> = found.iter().filter_map(|file| Name::of_file_with(file, SUFFIX)).collect();
        names.sort_unstable();
        let (mut files, mut parts, mut have) = (VecDeque::new(), Vec::new(), 0);
        for name in names.into_iter().rev() {
            let path = directory.join(file(name));
            files.push_front((name, rows(disk, &path).unwrap_or(0)));
            if have >= wanted {
                continue;
            }
            match read(disk, &path) {
                Ok(part) => {
                    have += part.len() as u64;
                    parts.push(part);
                }
                Err(error) => {
                    tracing::warn!(segment = %name, %error, "which events it had is not known any more")
                }
            }
        }
        let identities = parts.into_iter().rev().flatten().collect();
        Ok((Self { directory, files: Mutex::new(files) }, identities))
    }

    /// Keeps the identities of a segment that is about to be deleted, and lets go of the oldest beyond the bound.
    pub(crate) fn keep(&self, disk: &dyn Disk, name: Name, identities: &[Identity]) -> io::Result<()> {
        let identities = &identities[identities.len().saturating_sub(RECENT_ROWS as usize)..];
        if identities.is_empty() {
            return Ok(());
        }
        disk.create_directory(&self.directory)?;
        write_whole(disk, &self.directory, &file(name), &encode(identities))?;
        let mut files = self.files.lock();
        files.retain(|(other, _)| *other != name);
        files.push_back((name, identities.len() as u64));
        let mut kept: u64 = files.iter().map(|(_, rows)| rows).sum();
        while let Some((oldest, rows)) = files.front().copied() {
            if kept - rows < RECENT_ROWS && files.len() <= MOST_FILES {
                break;
            }
            files.pop_front();
            kept -= rows;
            match disk.remove(&self.directory.join(file(oldest))) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }
}

fn file(name: Name) -> String {
    format!("{name}{SUFFIX}")
}

fn encode(identities: &[Identity]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER_LEN + identities.len() * ENTRY_LEN);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&[0; 4]);
    for (page_load, seq) in identities {
        bytes.extend_from_slice(&page_load.to_le_bytes());
        bytes.extend_from_slice(&seq.to_le_bytes());
    }
    let checksum = crc32fast::hash(&bytes[HEADER_LEN..]);
    bytes[8..HEADER_LEN].copy_from_slice(&checksum.to_le_bytes());
    bytes
}

/// Events in a file, by its length.
fn rows(disk: &dyn Disk, path: &Path) -> io::Result<u64> {
    Ok(disk.read(path)?.length()?.saturating_sub(HEADER_LEN as u64) / ENTRY_LEN as u64)
}

fn read(disk: &dyn Disk, path: &Path) -> io::Result<Vec<Identity>> {
    let file = disk.read(path)?;
    let longest = (HEADER_LEN + RECENT_ROWS as usize * ENTRY_LEN) as u64;
    let mut bytes = vec![0; file.length()?.min(longest) as usize];
    let read = file.read_at(&mut bytes, 0)?;
    decode(&bytes[..read]).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the file is damaged"))
}

fn decode(bytes: &[u8]) -> Option<Vec<Identity>> {
    let (head, entries) = bytes.split_at_checked(HEADER_LEN)?;
    let checksum = u32::from_le_bytes(head[8..].try_into().ok()?);
    if &head[..8] != MAGIC || crc32fast::hash(entries) != checksum {
        return None;
    }
    let (entries, rest) = entries.as_chunks::<ENTRY_LEN>();
    let number = |entry: &[u8; ENTRY_LEN]| {
        let (page_load, seq) = entry.split_first_chunk::<8>()?;
        Some((u64::from_le_bytes(*page_load), u32::from_le_bytes(seq.try_into().ok()?)))
    };
    if rest.is_empty() { entries.iter().map(number).collect() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spool::log::test_disk::TestDisk;

    const SPOOL: &str = "/spool";

    fn name(number: u64) -> Name {
        Name { collector: 7, number }
    }

    fn open(disk: &TestDisk) -> (Recent, Vec<Identity>) {
        Recent::open(disk, Path::new(SPOOL), RECENT_ROWS).unwrap()
    }

    #[test]
    fn what_was_shipped_is_known_again_in_its_order() {
        let disk = TestDisk::default();
        let (recent, nothing) = open(&disk);
        assert!(nothing.is_empty());
        recent.keep(&disk, name(1), &[(1, 0), (1, 1)]).unwrap();
        recent.keep(&disk, name(2), &[(2, u32::MAX)]).unwrap();
        let disk = disk.after_power_loss(|| false);
        assert_eq!(open(&disk).1, [(1, 0), (1, 1), (2, u32::MAX)]);
    }

    #[test]
    fn the_oldest_give_way_when_the_rest_are_enough() {
        let disk = TestDisk::default();
        let (recent, _) = open(&disk);
        let half: Vec<Identity> = (0..RECENT_ROWS / 2).map(|page_load| (page_load, 0)).collect();
        for number in 0..5 {
            recent.keep(&disk, name(number), &half).unwrap();
        }
        assert_eq!(disk.list(&Path::new(SPOOL).join(DIRECTORY)).unwrap().len(), 2);
        let (again, identities) = open(&disk);
        assert_eq!(identities.len() as u64, RECENT_ROWS);
        // Also over a restart.
        again.keep(&disk, name(9), &half).unwrap();
        assert_eq!(disk.list(&Path::new(SPOOL).join(DIRECTORY)).unwrap().len(), 2);
    }

    #[test]
    fn a_quiet_site_leaves_no_more_files_than_are_read_in_a_moment() {
        let disk = TestDisk::default();
        let (recent, _) = open(&disk);
        for number in 0..MOST_FILES as u64 + 10 {
            recent.keep(&disk, name(number), &[(number, 0)]).unwrap();
            recent.keep(&disk, name(number + 1_000_000), &[]).unwrap();
        }
        assert_eq!(disk.list(&Path::new(SPOOL).join(DIRECTORY)).unwrap().len(), MOST_FILES);
        assert_eq!(open(&disk).1.first(), Some(&(10, 0)), "the newest are kept");
    }

    #[test]
    fn a_damaged_file_is_left_out() {
        let disk = TestDisk::default();
        let (recent, _) = open(&disk);
        recent.keep(&disk, name(1), &[(1, 0)]).unwrap();
        recent.keep(&disk, name(2), &[(2, 0)]).unwrap();
        let path = Path::new(SPOOL).join(DIRECTORY).join(file(name(1)));
        disk.corrupt(&path, |bytes| bytes[14] ^= 1);
        assert_eq!(open(&disk).1, [(2, 0)]);
    }
}
