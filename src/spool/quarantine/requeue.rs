//! Puts a quarantined segment back among those that wait, on an operator's request.
//!
//! A whole segment keeps its id, and the store recognises it:
//!
//! 1. Refuse if a tombstone says that the segment is discarded.
//! 2. Create `requeue` and sync the spool's directory.
//! 3. Read the segment through. It must be whole, and its seal must fit its frames; a damaged one is [salvaged](super::salvage).
//!    If a crash came before expired events were deleted, [delete them](super::expire) now.
//! 4. Rename `quarantine/NAME.segment` to `requeue/NAME.segment`; sync `requeue`, then `quarantine`.
//! 5. Remove `quarantine/NAME.reason`.
//! 6. The collector, within a second or at its next start, renames it to `NAME.segment`; it syncs the spool's directory, then `requeue`.
//! 7. The collector scans it as recovery does and adds it to the queue.
//!
//! | crash | what happens next |
//! |---|---|
//! | in steps 1 to 3 | the segment stays in quarantine |
//! | in step 4, in both directories | [`finish_moves`](super::moves::finish_moves) keeps the copy in `requeue` |
//! | after step 4 or 5 | the collector continues with step 6 |
//! | in step 6, in both directories | [`finish_moves`](super::moves::finish_moves) keeps the waiting copy |
//! | after step 6 | recovery finds it among those that wait |
//!
//! Steps 6 and 7 are in [`pending`](super::pending). A segment that the disk cannot read in step 3 is not taken for a damaged one: the
//! command fails. Tests: `crash_tests::exhaustive` (step `Requeue`) and those of [`pending`](super::pending).

use std::io;
use std::path::Path;

use super::lock::lock_quarantine;
use super::rebuild::{build_segment, copy_frame, visit_whole_frames};
use super::salvage::{SalvageSource, salvage};
use super::tombstone;
use crate::spool::accounting::contents::SegmentContents;
use crate::spool::accounting::record::{RecordKind, RecordRef};
use crate::spool::log::disk::{Disk, RealDisk};
use crate::spool::log::error::SpoolError;
use crate::spool::log::files::{QUARANTINE, REASON, REQUEUE};
use crate::spool::log::identity::check_format;
use crate::spool::log::recovery::{ScanError, scan};
use crate::spool::log::segment::{Header, SegmentId};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequeueOutcome {
    /// It waits to be shipped as it is.
    Whole,
    /// It is damaged: its whole frames wait to be shipped as another segment.
    Salvaged {
        segment: SegmentId,
        /// Events in the other segment.
        events: u64,
        /// Events that are lost, if the damaged segment's seal says how many there were.
        lost: Option<u64>,
    },
}

/// Requeues a quarantined segment, or, if it is damaged, its whole frames.
///
/// # Errors
/// When the segment is not in quarantine, is discarded, has no readable header, or when the disk fails.
pub fn requeue(directory: &Path, id: SegmentId) -> Result<RequeueOutcome, SpoolError> {
    check_format(&RealDisk, directory)?;
    let _lock = lock_quarantine(&RealDisk, directory)?;
    requeue_on(&RealDisk, directory, id)
}

pub(crate) fn requeue_on(
    disk: &dyn Disk,
    directory: &Path,
    id: SegmentId,
) -> Result<RequeueOutcome, SpoolError> {
    let (quarantine, requeue) = (directory.join(QUARANTINE), directory.join(REQUEUE));
    let path = quarantine.join(id.file_name());
    let failed = |source| SpoolError::io("requeue", &path, source);
    if tombstone::is_discarded(disk, &quarantine, id) {
        let what = "it is discarded; discard it again to delete what is left of it";
        return Err(failed(io::Error::other(what)));
    }
    create_requeue_directory(disk, directory).map_err(failed)?;
    let file = disk.read(&path).map_err(failed)?;
    let (header, start) = Header::read(&*file).map_err(failed)?.map_err(io::Error::other).map_err(failed)?;
    let expired = tombstone::expired_days(disk, &quarantine, id).map_err(failed)?;
    let mut frames = Vec::new();
    let (mut events, mut expired_events) = (0, 0);
    let length = file.length().map_err(failed)?;
    let damage = visit_whole_frames(&*file, &header, start..length, |frame| {
        if let Some(record) = RecordRef::parse(frame) {
            let count = if record.kind == RecordKind::Events { u64::from(record.count) } else { 0 };
            if count > 0 && expired.contains(&record.expires()) {
                expired_events += count;
                return;
            }
            events += count;
            copy_frame(frame, &mut frames);
        }
    })
    .map_err(failed)?;
    if damage.is_empty() && has_consistent_seal(disk, &path, events + expired_events).map_err(failed)? {
        let mut moved = || {
            if expired_events > 0 {
                build_segment(disk, &quarantine, &header, id, std::mem::take(&mut frames))?;
            } else if !expired.is_empty() {
                // A sync that failed may have left an earlier file of that name on the disk.
                disk.sync_directory(&quarantine)?;
            }
            disk.rename(&path, &requeue.join(id.file_name()))?;
            disk.sync_directory(&requeue)?;
            disk.sync_directory(&quarantine)
        };
        moved().map_err(failed)?;
        // The reason no longer applies. If this fails, it stays and does no harm.
        let _ = disk.remove(&quarantine.join(format!("{id}{REASON}")));
        return Ok(RequeueOutcome::Whole);
    }
    let source = SalvageSource { id, header: &header, frames, events };
    let (segment, lost) = salvage(disk, directory, source).map_err(failed)?;
    Ok(RequeueOutcome::Salvaged { segment, events, lost })
}

pub(crate) fn create_requeue_directory(disk: &dyn Disk, directory: &Path) -> io::Result<()> {
    disk.create_directory(&directory.join(REQUEUE))?;
    disk.sync_directory(directory)
}

/// Whether a segment's seal, if it has one, names as many events as its frames hold.
pub(crate) fn has_consistent_seal(disk: &dyn Disk, path: &Path, events: u64) -> io::Result<bool> {
    match scan::<SegmentContents>(disk, path, None) {
        Ok(scan) => Ok(scan.account.events == events),
        Err(ScanError::Damaged(_)) => Ok(false),
        Err(ScanError::Io(error)) => Err(error),
    }
}
