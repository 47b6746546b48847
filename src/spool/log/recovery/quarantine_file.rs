//! Moves or copies a segment file into quarantine. Nothing of it is deleted.
//!
//! 1. Write the reason to `quarantine/NAME.reason`.
//! 2. Rename `NAME.segment` to `quarantine/NAME.segment`, and sync both directories.
//!
//! | crash | what recovery does |
//! |---|---|
//! | after step 1 | the segment still waits, and is shipped or quarantined again; the reason stays and is overwritten |
//! | in step 2, in both directories | [`finish_moves`](crate::spool::quarantine) keeps the waiting copy |
//! | after step 2 | nothing |
//!
//! Tests: `crash_tests::exhaustive::a_power_cut_while_a_segment_is_moved_leaves_it_in_one_place`.

use std::path::Path;

use crate::spool::log::disk::Disk;
use crate::spool::log::error::SpoolError;
use crate::spool::log::files::{self, NEW, QUARANTINE, REASON, TORN, write_atomically};
use crate::spool::log::segment::SegmentId;

/// Moves a segment into quarantine, with the reason beside it.
pub(crate) fn quarantine_file(
    disk: &dyn Disk,
    directory: &Path,
    id: SegmentId,
    reason: &str,
) -> Result<(), SpoolError> {
    let quarantine = directory.join(QUARANTINE);
    write_atomically(disk, &quarantine, &format!("{id}{REASON}"), reason.as_bytes())
        .map_err(|source| SpoolError::io("quarantine", &quarantine.join(id.file_name()), source))?;
    move_to_quarantine(disk, directory, id)
}

/// [`quarantine_file`] without a reason, for a full disk: the reason takes space, the move does not.
pub(crate) fn quarantine_file_without_reason(
    disk: &dyn Disk,
    directory: &Path,
    id: SegmentId,
) -> Result<(), SpoolError> {
    // The unfinished reason. If it stays, it counts among the bytes of the quarantine.
    let _ = disk.remove(&directory.join(QUARANTINE).join(format!("{id}{REASON}{NEW}")));
    move_to_quarantine(disk, directory, id)
}

fn move_to_quarantine(disk: &dyn Disk, directory: &Path, id: SegmentId) -> Result<(), SpoolError> {
    let quarantine = directory.join(QUARANTINE);
    let to = quarantine.join(id.file_name());
    let moved = || {
        disk.rename(&directory.join(id.file_name()), &to)?;
        disk.sync_directory(&quarantine)?;
        disk.sync_directory(directory)
    };
    moved().map_err(|source| SpoolError::io("quarantine", &to, source))
}

/// Copies a segment into quarantine under a name that is not a segment's, with the reason beside it.
pub(crate) fn quarantine_copy(
    disk: &dyn Disk,
    directory: &Path,
    id: SegmentId,
    reason: &str,
) -> Result<(), SpoolError> {
    let quarantine = directory.join(QUARANTINE);
    let copied = || {
        files::copy(disk, &directory.join(id.file_name()), &quarantine.join(format!("{id}{TORN}")))?;
        write_atomically(disk, &quarantine, &format!("{id}{TORN}{REASON}"), reason.as_bytes())
    };
    copied().map_err(|source| SpoolError::io("copy to", &quarantine, source))
}
