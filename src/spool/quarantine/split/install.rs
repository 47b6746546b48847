//! Steps 4 to 6 of [splitting](super), and what an unfinished split means for a reader.

use std::io;
use std::path::{Path, PathBuf};

use crate::spool::accounting::contents::SegmentContents;
use crate::spool::log::disk::Disk;
use crate::spool::log::error::SpoolError;
use crate::spool::log::files::{self, QUARANTINE};
use crate::spool::log::recovery::{ScanError, SegmentScan, scan};
use crate::spool::log::segment::SegmentId;
use crate::spool::quarantine::names::SPLIT;
use crate::spool::quarantine::rebuild::derived_id;

/// Directory of parts that are not installed.
pub(crate) const PARTS: &str = "split";
/// Purposes from which the ids of the parts are derived.
pub(crate) const HALVES: [&str; 2] = ["first half", "second half"];

/// Installs the parts of decided splits and deletes the parts of others. Adds the ids of installed parts to `installed`.
pub(crate) fn finish_splits(
    disk: &dyn Disk,
    directory: &Path,
    installed: &mut Vec<SegmentId>,
) -> io::Result<()> {
    let (parts, quarantine) = (directory.join(PARTS), directory.join(QUARANTINE));
    let files = match disk.list(&parts) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        files => files?,
    };
    let decided = decided_splits(disk, directory)?;
    if !decided.is_empty() {
        // If a power cut took the decision back after a part was installed, the part would lie beside the whole segment.
        disk.sync_directory(&quarantine)?;
    }
    for file in files {
        match SegmentId::from_file_name(&file).filter(|id| is_part_of_any(&decided, *id)) {
            Some(id) => {
                // Noted before the move: a disk may report an error for a move that it has done.
                if !installed.contains(&id) {
                    installed.push(id);
                }
                disk.rename(&parts.join(&file), &directory.join(&file))?;
            }
            None => disk.remove(&parts.join(&file))?,
        }
    }
    if !decided.is_empty() {
        disk.sync_directory(directory)?;
        disk.sync_directory(&parts)?;
        for id in decided {
            disk.remove(&quarantine.join(format!("{id}{SPLIT}")))?;
        }
        disk.sync_directory(&quarantine)?;
    }
    Ok(())
}

/// A segment that waits, its file and what is in it.
pub(crate) struct WaitingSegment {
    pub(crate) id: SegmentId,
    pub(crate) path: PathBuf,
    pub(crate) scan: Result<SegmentScan<SegmentContents>, ScanError>,
}

/// Reads the segments that wait, also while a split is unfinished: parts of a decided split count although they are not installed,
/// and the segment that they replace does not.
pub(crate) fn read_waiting(disk: &dyn Disk, directory: &Path) -> Result<Vec<WaitingSegment>, SpoolError> {
    let parts =
        uninstalled_parts(disk, directory).map_err(|source| SpoolError::io("list", directory, source))?;
    // Listed after the parts, which move from there to here.
    let mut ids = files::segment_ids(disk, directory)?;
    ids.extend(&parts);
    ids.sort_by_key(|id| id.creation_order());
    ids.dedup();
    let read = |id: SegmentId| {
        let part = directory.join(PARTS).join(id.file_name());
        if parts.contains(&id) {
            match scan(disk, &part, None) {
                Err(ScanError::Io(error)) if error.kind() == io::ErrorKind::NotFound => {}
                scan => return WaitingSegment { id, path: part, scan },
            }
        }
        let path = directory.join(id.file_name());
        let scan = scan(disk, &path, None);
        WaitingSegment { id, path, scan }
    };
    Ok(ids.into_iter().map(read).collect())
}

/// Parts of decided splits that are not installed.
fn uninstalled_parts(disk: &dyn Disk, directory: &Path) -> io::Result<Vec<SegmentId>> {
    match decided_splits(disk, directory) {
        Ok(decided) if decided.is_empty() => Ok(Vec::new()),
        Ok(decided) => {
            let files = disk.list(&directory.join(PARTS))?;
            let ids = files.iter().filter_map(|file| SegmentId::from_file_name(file));
            Ok(ids.filter(|id| is_part_of_any(&decided, *id)).collect())
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// Segments that their parts replace. A finished split may come back in a power cut, when none of its parts is left to install.
fn decided_splits(disk: &dyn Disk, directory: &Path) -> io::Result<Vec<SegmentId>> {
    let files = disk.list(&directory.join(QUARANTINE))?;
    Ok(files.iter().filter_map(|file| SegmentId::from_name_with_suffix(file, SPLIT)).collect())
}

fn is_part_of_any(decided: &[SegmentId], part: SegmentId) -> bool {
    decided.iter().any(|whole| part == *whole || HALVES.iter().any(|half| part == derived_id(*whole, half)))
}
