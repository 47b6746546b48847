//! Finishes what an interrupted process left when it moved segments between directories.
//!
//! A rename between two directories can survive a power cut in one directory and not in the other. Then the segment is in both.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use crate::spool::log::disk::Disk;
use crate::spool::log::error::SpoolError;
use crate::spool::log::files::{NEW, QUARANTINE, REQUEUE, segment_ids_if_any};
use crate::spool::log::segment::Header;

/// Leaves each segment in one directory and makes that durable: in the one from which it is shipped soonest. A second copy would outlive
/// the first, and be shipped again if it were requeued.
///
/// Tests: `crash_tests::exhaustive::a_power_cut_while_a_segment_is_moved_leaves_it_in_one_place`.
pub(crate) fn finish_moves(disk: &dyn Disk, directory: &Path) -> Result<(), SpoolError> {
    let mut seen = BTreeMap::new();
    for place in [directory.to_owned(), directory.join(REQUEUE), directory.join(QUARANTINE)] {
        for id in segment_ids_if_any(disk, &place)? {
            let path = place.join(id.file_name());
            let Some(other) = seen.get(&id) else {
                seen.insert(id, path);
                continue;
            };
            let failed = |source| SpoolError::io("finish the move of", &path, source);
            if is_same(disk, other, &path).map_err(failed)? {
                disk.remove(&path).map_err(failed)?;
            }
        }
        match disk.sync_directory(&place) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            synced => synced.map_err(|source| SpoolError::io("sync", &place, source))?,
        }
    }
    Ok(())
}

/// Whether two files are copies of one segment: each segment has a random salt.
fn is_same(disk: &dyn Disk, one: &Path, other: &Path) -> io::Result<bool> {
    let header = |path| Header::read(&*disk.read(path)?);
    Ok(match (header(one)?, header(other)?) {
        (Ok((one, _)), Ok((other, _))) => one.salt == other.salt,
        _ => false,
    })
}

/// Deletes unfinished files in quarantine and among requeued segments. A file that cannot be deleted does no harm.
pub(crate) fn delete_unfinished(disk: &dyn Disk, directory: &Path) {
    for place in [QUARANTINE, REQUEUE].map(|place| directory.join(place)) {
        for file in disk.list(&place).unwrap_or_default().iter().filter(|file| file.ends_with(NEW)) {
            let _ = disk.remove(&place.join(file));
        }
    }
}
