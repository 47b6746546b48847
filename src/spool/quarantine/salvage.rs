//! Ships the whole frames of a damaged segment under a derived id. The damaged file is never shipped under its own id.
//!
//! 1. Write the whole records to `requeue/SALVAGED.segment`: as `.new`, sealed, synced, renamed, directory synced.
//! 2. Write the tombstone `quarantine/NAME.salvaged.tombstone`: what the seal names beside the whole frames.
//! 3. Write `quarantine/NAME.salvaged.reason`.
//! 4. Rename `quarantine/NAME.segment` to `quarantine/NAME.salvaged`, and sync the directory.
//!
//! | crash | what happens next |
//! |---|---|
//! | in step 1 | the start deletes the `.new` file; the segment is in quarantine |
//! | after step 1, 2 or 3 | `SALVAGED` is shipped; a second requeue writes the same records under the same id, and they are stored once |
//! | after step 4 | nothing |
//!
//! The loss counts only once `quarantine/NAME.segment` is gone; before, the file itself is counted. Tests:
//! `quarantine::discard::tests::what_a_damaged_segment_lost_is_on_record_until_it_is_discarded_and_after_that`.

use std::io;
use std::path::Path;

use super::names::{SALVAGED, SALVAGED_TOMBSTONE};
use super::rebuild::{build_segment, derived_id};
use super::tombstone::{Tombstone, exclude_expired, sealed_contents};
use crate::spool::log::disk::Disk;
use crate::spool::log::files::{QUARANTINE, REASON, REQUEUE, write_atomically};
use crate::spool::log::segment::{Header, SegmentId};

/// A damaged segment in quarantine.
pub(crate) struct SalvageSource<'a> {
    pub(crate) id: SegmentId,
    pub(crate) header: &'a Header,
    /// Its whole records, encoded, to be stamped.
    pub(crate) frames: Vec<u8>,
    /// Events in `frames`.
    pub(crate) events: u64,
}

/// Salvages a segment. Returns the id of the new one, and the number of lost events if the seal tells.
pub(crate) fn salvage(
    disk: &dyn Disk,
    directory: &Path,
    source: SalvageSource<'_>,
) -> io::Result<(SegmentId, Option<u64>)> {
    let SalvageSource { id, header, frames, events } = source;
    let quarantine = directory.join(QUARANTINE);
    let path = quarantine.join(id.file_name());
    let segment = derived_id(id, "salvaged");
    let salvaged = build_segment(disk, &directory.join(REQUEUE), header, segment, frames)?;
    let mut lost = sealed_contents(disk, &path).map(|sealed| sealed.saturating_sub(&salvaged));
    if let Some(lost) = &mut lost {
        exclude_expired(disk, &quarantine, id, lost)?;
    }
    let lost_events = lost.as_ref().map(|lost| lost.events);
    let tombstone = Tombstone::new(id, "damaged", lost, true);
    tombstone.write(disk, &quarantine, &format!("{id}{SALVAGED_TOMBSTONE}"))?;
    let reason = format!("its whole frames, {events} events, were put into segment {segment}");
    write_atomically(disk, &quarantine, &format!("{id}{SALVAGED}{REASON}"), reason.as_bytes())?;
    disk.rename(&path, &quarantine.join(format!("{id}{SALVAGED}")))?;
    disk.sync_directory(&quarantine)?;
    Ok((segment, lost_events))
}
