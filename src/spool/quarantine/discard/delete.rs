//! Discarding, which is the only command that deletes rows. The collector discards a segment too, when the retention of all
//! its events has [passed](crate::spool::quarantine::expire).
//!
//! 1. Write the rows of the audit in the segment to `requeue/AUDIT.segment`, under a derived id: nobody asked to delete those.
//! 2. Write the tombstone `quarantine/NAME.tombstone.pending`.
//! 3. Delete `NAME.segment`, `NAME.salvaged`, `NAME.salvaged.tombstone`, `NAME.torn` and their reasons; sync `quarantine`.
//! 4. The collector writes a row of the audit with the tombstone's contents, and waits until it is durable.
//! 5. The collector renames `NAME.tombstone.pending` to `NAME.tombstone` and syncs `quarantine`.
//!
//! | crash | what happens next |
//! |---|---|
//! | after step 1 | the segment is in quarantine; a second discard makes the same audit segment again |
//! | after step 2, or in step 3 | it counts as discarded and cannot be requeued; a second discard deletes the rest and keeps the tombstone |
//! | after step 3 | the collector goes on with step 4 |
//! | in step 4 or 5 | the row of the audit may be written twice |
//!
//! Steps 4 and 5 are in [`audit`](super::audit). Tests: `quarantine::discard::tests`, and for steps 4 and 5 on a full disk
//! `store::ship::crash_tests`.

use std::io;
use std::path::Path;

use crate::spool::accounting::contents::SegmentContents;
use crate::spool::accounting::record::{RecordKind, RecordRef};
use crate::spool::log::disk::{Disk, RealDisk};
use crate::spool::log::error::SpoolError;
use crate::spool::log::files::{QUARANTINE, REASON, REQUEUE, TORN, exists};
use crate::spool::log::identity::check_format;
use crate::spool::log::segment::{Header, SegmentId};
use crate::spool::quarantine::lock::lock_quarantine;
use crate::spool::quarantine::names::{PENDING_TOMBSTONE, SALVAGED, SALVAGED_TOMBSTONE, SEGMENT};
use crate::spool::quarantine::rebuild::{build_segment, copy_frame, derived_id, visit_whole_frames};
use crate::spool::quarantine::requeue::create_requeue_directory;
use crate::spool::quarantine::tombstone::{self, Tombstone, exclude_expired, sealed_contents};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DiscardOutcome {
    /// A copy of a torn segment. Nothing in it was acknowledged that is not in the segment.
    Copy,
    Segment {
        /// Events that are gone with it; `None` if nobody knows.
        events: Option<u64>,
        /// The segment as which its rows of the audit wait to be shipped, and their number.
        audit: Option<(SegmentId, u64)>,
    },
}

/// Deletes a quarantined segment, with the copy of its torn tail and what is left of it if it was salvaged. Without such a file it
/// acknowledges that a segment is lost. A tombstone stays.
///
/// # Errors
/// When the segment waits to be shipped, when it was discarded before, or when the disk fails.
pub fn discard(directory: &Path, id: SegmentId, why: &str) -> Result<DiscardOutcome, SpoolError> {
    check_format(&RealDisk, directory)?;
    let _lock = lock_quarantine(&RealDisk, directory)?;
    discard_on(&RealDisk, directory, id, why)
}

/// [`discard`] by a caller that holds the quarantine's lock.
pub(crate) fn discard_on(
    disk: &dyn Disk,
    directory: &Path,
    id: SegmentId,
    why: &str,
) -> Result<DiscardOutcome, SpoolError> {
    let quarantine = directory.join(QUARANTINE);
    let failed = |source| SpoolError::io("discard", &quarantine.join(id.file_name()), source);
    let exists = |ending: &str| exists(disk, &quarantine.join(format!("{id}{ending}"))).map_err(failed);
    let is_waiting = is_waiting(disk, directory, id).map_err(failed)?;
    let has_file = exists(SEGMENT)? || exists(SALVAGED)? || exists(SALVAGED_TOMBSTONE)?;
    if (is_waiting || !has_file) && exists(TORN)? {
        remove(disk, &quarantine, id, &[TORN]).map_err(failed)?;
        return Ok(DiscardOutcome::Copy);
    }
    if is_waiting {
        return Err(failed(io::Error::new(io::ErrorKind::InvalidInput, "it waits to be shipped")));
    }
    let mut audit = None;
    let tombstone = match tombstone::read_discarded(disk, &quarantine, id) {
        Some(_) if !has_file => {
            let what = "it was discarded before, and nothing of it is left but its tombstone";
            return Err(failed(io::Error::new(io::ErrorKind::AlreadyExists, what)));
        }
        // An interrupted discard left the deletion to this one.
        Some(tombstone) if tombstone.had_file => tombstone,
        _ => {
            audit = move_audit_rows(disk, directory, id).map_err(failed)?;
            let mut gone = contents(disk, directory, id).map_err(failed)?;
            if let (Some(gone), Some((_, rows))) = (&mut gone, audit) {
                gone.audit = gone.audit.saturating_sub(rows);
            }
            let tombstone = Tombstone::new(id, why, gone, has_file);
            let file = format!("{id}{PENDING_TOMBSTONE}");
            tombstone.write(disk, &quarantine, &file).map_err(failed)?;
            tombstone
        }
    };
    remove(disk, &quarantine, id, &[SEGMENT, SALVAGED, SALVAGED_TOMBSTONE, TORN]).map_err(failed)?;
    Ok(DiscardOutcome::Segment { events: tombstone.events, audit })
}

/// Whether a segment waits to be shipped, or for the collector to pick it up.
pub(crate) fn is_waiting(disk: &dyn Disk, directory: &Path, id: SegmentId) -> io::Result<bool> {
    let file = id.file_name();
    Ok(exists(disk, &directory.join(&file))? || exists(disk, &directory.join(REQUEUE).join(&file))?)
}

/// What is gone with a discarded segment. `None`: nobody knows.
fn contents(disk: &dyn Disk, directory: &Path, id: SegmentId) -> io::Result<Option<SegmentContents>> {
    let quarantine = directory.join(QUARANTINE);
    let path = quarantine.join(id.file_name());
    if exists(disk, &path)? {
        // Of a damaged segment without a seal nobody knows what lay in the gaps; its whole frames are counted.
        let mut contents = match sealed_contents(disk, &path) {
            Some(contents) => Some(contents),
            None => whole_contents(disk, &path)?,
        };
        if let Some(contents) = &mut contents {
            exclude_expired(disk, &quarantine, id, contents)?;
        }
        return Ok(contents);
    }
    let lost = Tombstone::read(disk, &quarantine.join(format!("{id}{SALVAGED_TOMBSTONE}")));
    Ok(lost.and_then(|lost| {
        let counts = lost.counts();
        Some(SegmentContents { events: lost.events?, audit: lost.audit.unwrap_or(0), counts })
    }))
}

/// What the whole frames of a segment hold. `None`: its header cannot be read.
fn whole_contents(disk: &dyn Disk, path: &Path) -> io::Result<Option<SegmentContents>> {
    let file = disk.read(path)?;
    let Ok((header, start)) = Header::read(&*file)? else { return Ok(None) };
    let mut contents = SegmentContents::default();
    visit_whole_frames(&*file, &header, start..file.length()?, |frame| {
        if let Some(record) = RecordRef::parse(frame) {
            contents.add_record(&record, header.created);
        }
    })?;
    Ok(Some(contents))
}

/// Copies the rows of the audit of a segment into a segment of their own, which waits to be shipped: nobody refused them.
fn move_audit_rows(disk: &dyn Disk, directory: &Path, id: SegmentId) -> io::Result<Option<(SegmentId, u64)>> {
    let file = match disk.read(&directory.join(QUARANTINE).join(id.file_name())) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let Ok((header, start)) = Header::read(&*file)? else { return Ok(None) };
    let mut frames = Vec::new();
    visit_whole_frames(&*file, &header, start..file.length()?, |frame| {
        if RecordRef::parse(frame).is_some_and(|record| record.kind == RecordKind::Audit) {
            copy_frame(frame, &mut frames);
        }
    })?;
    if frames.is_empty() {
        return Ok(None);
    }
    create_requeue_directory(disk, directory)?;
    // The same id each time, and with it the same token: after a crash before the tombstone it is shipped once.
    let segment = derived_id(id, "audit");
    let moved = build_segment(disk, &directory.join(REQUEUE), &header, segment, frames)?;
    Ok(Some((segment, moved.audit)))
}

/// Deletes files of a segment and their reasons, and makes that durable.
pub(crate) fn remove(disk: &dyn Disk, quarantine: &Path, id: SegmentId, endings: &[&str]) -> io::Result<()> {
    for ending in endings {
        let reason = if *ending == SEGMENT { "" } else { *ending };
        // The reason no longer applies. If this fails, it stays and does no harm.
        let _ = disk.remove(&quarantine.join(format!("{id}{reason}{REASON}")));
        match disk.remove(&quarantine.join(format!("{id}{ending}"))) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    disk.sync_directory(quarantine)
}
