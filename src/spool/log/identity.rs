//! The format and the identity of a spool's directory, and the ids of its segments.
//!
//! `identity` is one line: the format, the collector's 16 hexadecimal digits and the lowest free segment number.
//! `first-segment` is one line: the id of the first segment from which on the store learns of every number.

use std::io;
use std::path::Path;

use super::disk::Disk;
use super::error::SpoolError;
use super::files::{self, EARLIER_QUARANTINE, QUARANTINE, read_all, write_atomically};
use super::segment::SegmentId;
use super::segment::header::FORMAT;

const IDENTITY: &str = "identity";
const FIRST_SEGMENT: &str = "first-segment";

/// Refuses a directory that was written in an earlier format. A new or missing directory passes.
///
/// # Errors
/// [`SpoolError::Format`], or the disk's error.
pub(crate) fn check_format(disk: &dyn Disk, directory: &Path) -> Result<(), SpoolError> {
    let refused = |found: &str| SpoolError::Format {
        directory: directory.to_owned(),
        found: found.to_owned(),
        supported: FORMAT,
    };
    let files = match disk.list(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        files => files.map_err(|source| SpoolError::io("list", directory, source))?,
    };
    if files.iter().any(|file| file == EARLIER_QUARANTINE) {
        return Err(refused("it has a directory `aside`"));
    }
    if !files.iter().any(|file| file == IDENTITY) {
        return Ok(());
    }
    let path = directory.join(IDENTITY);
    let text = read_all(disk, &path).map_err(|source| SpoolError::io("read", &path, source))?;
    match std::str::from_utf8(&text).map(|text| text.split_whitespace().collect::<Vec<_>>()) {
        Ok(fields) if fields.len() == 2 => Err(refused("its identity names no format")),
        Ok(fields) if fields.len() == 3 && fields[0] != FORMAT.to_string() => {
            Err(refused(&format!("format {}", fields[0])))
        }
        // Another content is reported by `next_id`.
        _ => Ok(()),
    }
}

/// Returns the id of the next segment: its number is above all that are or were here.
///
/// # Errors
/// [`SpoolError::Identity`] when the identity cannot be parsed, or the disk's error.
pub(crate) fn next_id(disk: &dyn Disk, directory: &Path) -> Result<SegmentId, SpoolError> {
    let lowest_free = read_identity(disk, directory)?;
    let mut ids = files::segment_ids(disk, directory)?;
    ids.extend(files::segment_ids(disk, &directory.join(QUARANTINE))?);
    let above = ids.iter().map(|id| id.number + 1).max().unwrap_or(0);
    Ok(match lowest_free {
        Some(free) => SegmentId { number: free.number.max(above), ..free },
        None => SegmentId { collector: random(), number: above },
    })
}

/// The lowest free segment number with the collector's; `None` in a new directory.
///
/// # Errors
/// [`SpoolError::Identity`] when it cannot be parsed, or the disk's error.
pub(crate) fn read_identity(disk: &dyn Disk, directory: &Path) -> Result<Option<SegmentId>, SpoolError> {
    let path = directory.join(IDENTITY);
    match read_all(disk, &path) {
        Ok(text) => parse_identity(&text).map(Some).ok_or(SpoolError::Identity(path)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(SpoolError::io("read", &path, source)),
    }
}

/// Writes the identity of a directory whose newest segment is `id`.
pub(crate) fn write_identity(disk: &dyn Disk, directory: &Path, id: SegmentId) -> Result<(), SpoolError> {
    let text = format!("{FORMAT} {:016x} {}\n", id.collector, id.number + 1);
    write_atomically(disk, directory, IDENTITY, text.as_bytes())
        .map_err(|source| SpoolError::io("write", &directory.join(IDENTITY), source))
}

fn parse_identity(text: &[u8]) -> Option<SegmentId> {
    let mut fields = std::str::from_utf8(text).ok()?.trim_end().split(' ');
    let (_format, collector, number) = (fields.next()?, fields.next()?, fields.next()?);
    let id = SegmentId { collector: u64::from_str_radix(collector, 16).ok()?, number: number.parse().ok()? };
    fields.next().is_none().then_some(id)
}

/// Keeps the first segment from which on the store learns of every number, unless it is kept already for this collector.
pub(crate) fn keep_first_segment(
    disk: &dyn Disk,
    directory: &Path,
    first: SegmentId,
    collector: u64,
) -> Result<(), SpoolError> {
    if first_segment(disk, directory).is_some_and(|known| known.collector == collector) {
        return Ok(());
    }
    let text = format!("{}\n", SegmentId { collector, ..first });
    write_atomically(disk, directory, FIRST_SEGMENT, text.as_bytes())
        .map_err(|source| SpoolError::io("write", &directory.join(FIRST_SEGMENT), source))
}

/// The first segment from which on the store learns of every number, even if a segment is empty.
pub(crate) fn first_segment(disk: &dyn Disk, directory: &Path) -> Option<SegmentId> {
    let text = read_all(disk, &directory.join(FIRST_SEGMENT)).ok()?;
    SegmentId::parse(std::str::from_utf8(&text).ok()?.trim_end())
}

/// A random number, for the collector's number and for salts.
pub(crate) fn random() -> u64 {
    getrandom::u64().expect("the system's random source works, or no key could have been made")
}

#[cfg(test)]
mod tests {
    use super::super::disk::RealDisk;
    use super::*;

    fn refusal(directory: &Path) -> Option<String> {
        check_format(&RealDisk, directory).err().map(|error| error.to_string())
    }

    #[test]
    fn a_spool_of_an_earlier_format_is_refused_by_name() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        assert_eq!(refusal(&path.join("missing")), None);
        assert_eq!(refusal(path), None, "a new directory");
        std::fs::create_dir(path.join(EARLIER_QUARANTINE)).unwrap();
        let refused = refusal(path).unwrap();
        assert!(refused.contains(path.to_str().unwrap()) && refused.contains("ship all of it"), "{refused}");
        std::fs::remove_dir(path.join(EARLIER_QUARANTINE)).unwrap();
        std::fs::write(path.join(IDENTITY), "680818a8d6d84b6a 43\n").unwrap();
        assert!(refusal(path).unwrap().contains("names no format"));
        std::fs::write(path.join(IDENTITY), "9 680818a8d6d84b6a 43\n").unwrap();
        assert!(refusal(path).unwrap().contains("format 9"));
    }

    #[test]
    fn an_identity_is_read_back() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join(QUARANTINE)).unwrap();
        let id = SegmentId { collector: 0x6808_18a8, number: 42 };
        write_identity(&RealDisk, directory.path(), id).unwrap();
        assert_eq!(refusal(directory.path()), None);
        let next = next_id(&RealDisk, directory.path()).unwrap();
        assert_eq!(next, SegmentId { number: 43, ..id });
        std::fs::write(directory.path().join(IDENTITY), "nonsense").unwrap();
        assert!(matches!(next_id(&RealDisk, directory.path()), Err(SpoolError::Identity(_))));
    }
}
