//! Deletes events in quarantine whose retention has passed.
//!
//! The shipper's task calls this at the start, once an hour and after midnight in UTC. An event has expired when the last day on which it
//! may be kept is before today. Events whose last day is unknown (0) never expire. Each file with events is handled alone:
//!
//! 1. Take the quarantine's lock. Skip a segment that also waits.
//! 2. If a tombstone says that the segment is discarded, delete what is left of it.
//! 3. Read the file through. Stop here if nothing in it has expired.
//! 4. Sync the spool's directory and `requeue`, so that no earlier copy of the segment can come back.
//! 5. If the file is not a whole segment, or no event would be left: stop here unless everything that can be read has expired, then
//!    [discard](super::discard::delete) the segment. A `.torn` copy is only deleted, as nothing of it is counted.
//! 6. For each last day that has passed, write the tombstone `quarantine/NAME.expired-DAY.tombstone.pending`, unless there is one. **This
//!    is the decision**: events of that day now count as discarded. Sync `quarantine`.
//! 7. Write the other records to `quarantine/NAME.new`, sealed and synced; rename it to `quarantine/NAME.segment`; sync `quarantine`.
//! 8. The collector writes a row of the audit for each tombstone and renames it, as for a discarded segment.
//!
//! | crash | what happens next |
//! |---|---|
//! | in steps 1 to 4 | nothing was changed |
//! | in step 5 | the next call goes on: with step 5 before the discard's tombstone is written, with step 2 after that |
//! | in step 6 | events of a day that has a tombstone count as discarded only; the next call writes the missing tombstones |
//! | after step 6, or in step 7 | the same; the next call finds the tombstones, keeps them, and replaces the segment |
//! | in step 7, the rename lost | the same |
//! | after step 7 | the segment has no event of these days; step 8 follows |
//! | in step 8 | the row of the audit may be written twice |
//!
//! Between steps 6 and 7 the commands see to it that nothing is counted twice: a requeue deletes the events first, and a discard leaves
//! them out of its tombstone. The new segment has the id, the origin and the time of creation of the old one. A file that cannot be read at
//! all is left alone: nobody knows what is in it, and an operator decides.
//!
//! On a full disk steps 5 to 7 fail and are tried again; step 8 is in [`discard::audit`](super::discard). Tests: [`tests`].

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

use super::discard::DiscardOutcome;
use super::discard::delete::{discard_on, is_waiting, remove};
use super::lock::lock_quarantine;
use super::names::{SALVAGED, SEGMENT, day_text};
use super::rebuild::{build_segment, copy_frame, visit_whole_frames};
use super::requeue::has_consistent_seal;
use super::tombstone::{Tombstone, is_discarded, sealed_contents, write_expired};
use crate::spool::accounting::contents::SegmentContents;
use crate::spool::accounting::counts::SegmentCounts;
use crate::spool::accounting::record::{RecordKind, RecordRef};
use crate::spool::delivery::spool::Spool;
use crate::spool::log::disk::Disk;
use crate::spool::log::error::SpoolError;
use crate::spool::log::files::{QUARANTINE, REQUEUE, TORN, exists};
use crate::spool::log::frame::FrameKind;
use crate::spool::log::segment::{Header, SegmentId};

#[cfg(test)]
mod tests;

/// The reason in the tombstone of a segment whose events must all be deleted.
const WHY: &str = "its retention has passed";

impl Spool {
    /// Deletes events in quarantine that might be kept until a day before `today`, in days since 1970-01-01. Returns how many there
    /// were, as far as they are counted. It blocks, and reads files that have expired events or no seal.
    ///
    /// # Errors
    /// When the disk fails for some file. The other files are handled all the same, and the next call goes on.
    pub(crate) fn expire_quarantined(&self, today: u16) -> Result<u64, SpoolError> {
        let expired = expire_quarantined(self.disk(), self.directory(), today);
        self.recount_quarantine();
        expired
    }
}

fn expire_quarantined(disk: &dyn Disk, directory: &Path, today: u16) -> Result<u64, SpoolError> {
    let quarantine = directory.join(QUARANTINE);
    let files = disk.list(&quarantine).map_err(|source| SpoolError::io("list", &quarantine, source))?;
    let (mut events, mut failure) = (0, None);
    for file in &files {
        for ending in [SEGMENT, SALVAGED, TORN] {
            let Some(id) = SegmentId::from_name_with_suffix(file, ending) else { continue };
            match expire_file(disk, directory, id, ending, today) {
                Ok(expired) => {
                    if expired > 0 {
                        tracing::info!(file, events = expired, "quarantined events expired, deleted them");
                    }
                    events += expired;
                }
                Err(error) => failure = failure.or(Some(error)),
            }
        }
    }
    failure.map_or(Ok(events), Err)
}

/// Handles one file; returns how many events were deleted.
fn expire_file(
    disk: &dyn Disk,
    directory: &Path,
    id: SegmentId,
    ending: &str,
    today: u16,
) -> Result<u64, SpoolError> {
    let _lock = lock_quarantine(disk, directory)?;
    let quarantine = directory.join(QUARANTINE);
    let path = quarantine.join(format!("{id}{ending}"));
    let failed = |source| SpoolError::io("delete expired events of", &path, source);
    let discarded = |outcome| match outcome {
        DiscardOutcome::Segment { events, .. } => events.unwrap_or(0),
        DiscardOutcome::Copy => 0,
    };
    if must_stay(disk, directory, id, ending).map_err(failed)? {
        return Ok(0);
    }
    if is_discarded(disk, &quarantine, id) {
        // They were counted when the tombstone was written.
        return discard_on(disk, directory, id, WHY).map(|_| 0);
    }
    let Some(file) = ExpiringFile::read(disk, &path, ending, today).map_err(failed)? else { return Ok(0) };
    let sync = || {
        disk.sync_directory(directory)?;
        match disk.sync_directory(&directory.join(REQUEUE)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    };
    if file.is_whole && file.kept_events > 0 {
        sync().map_err(failed)?;
        return file.replace(disk, &quarantine, id).map_err(failed);
    }
    if !file.has_expired_whole(today) {
        return Ok(0);
    }
    sync().map_err(failed)?;
    if ending == TORN {
        return remove(disk, &quarantine, id, &[TORN]).map(|()| 0).map_err(failed);
    }
    discard_on(disk, directory, id, WHY).map(discarded)
}

/// Whether a file is gone, belongs to a segment that waits, or is the rest of a salvage that is not finished.
fn must_stay(disk: &dyn Disk, directory: &Path, id: SegmentId, ending: &str) -> io::Result<bool> {
    let quarantine = directory.join(QUARANTINE);
    Ok(!exists(disk, &quarantine.join(format!("{id}{ending}")))?
        || (ending != TORN && is_waiting(disk, directory, id)?)
        || (ending == SALVAGED && exists(disk, &quarantine.join(id.file_name()))?))
}

/// Whether events with this last day of retention have expired.
fn is_past(expires: u16, today: u16) -> bool {
    0 < expires && expires < today
}

/// What was read of a file in quarantine.
struct ExpiringFile {
    header: Header,
    is_whole: bool,
    /// The last days of all events, also of those that are named by the summary alone.
    last_days: BTreeSet<u16>,
    /// Expired events by their last day.
    expired: BTreeMap<u16, SegmentContents>,
    /// Records without expired events, encoded, to be stamped.
    kept: Vec<u8>,
    /// Events in `kept`.
    kept_events: u64,
}

impl ExpiringFile {
    /// `None`: nothing has expired in it, or nothing can be read.
    fn read(disk: &dyn Disk, path: &Path, ending: &str, today: u16) -> io::Result<Option<Self>> {
        // The counts of a sealed segment tell without a look at its events.
        let sealed = if ending == SEGMENT { sealed_contents(disk, path) } else { None };
        if sealed.is_some_and(|sealed| !last_days(&sealed.counts).any(|day| is_past(day, today))) {
            return Ok(None);
        }
        let file = disk.read(path)?;
        let Ok((header, start)) = Header::read(&*file)? else { return Ok(None) };
        let created = header.created;
        let mut read = Self {
            header,
            is_whole: false,
            last_days: BTreeSet::new(),
            expired: BTreeMap::new(),
            kept: Vec::new(),
            kept_events: 0,
        };
        let (mut events, mut is_sealed) = (0, false);
        let header = read.header.clone();
        let damage = visit_whole_frames(&*file, &header, start..file.length()?, |frame| {
            let mut counts = SegmentCounts::default();
            if frame.kind == FrameKind::Summary && counts.decode(frame.payload).is_some() {
                read.last_days.extend(last_days(&counts));
            }
            is_sealed |= frame.kind == FrameKind::Seal;
            let Some(record) = RecordRef::parse(frame) else { return };
            if record.kind != RecordKind::Events || record.count == 0 {
                return copy_frame(frame, &mut read.kept);
            }
            events += u64::from(record.count);
            let expires = record.expires();
            read.last_days.insert(expires);
            if is_past(expires, today) {
                read.expired.entry(expires).or_default().add_record(&record, created);
            } else {
                read.kept_events += u64::from(record.count);
                copy_frame(frame, &mut read.kept);
            }
        })?;
        let is_sound = ending == SEGMENT && is_sealed && damage.is_empty();
        read.is_whole = is_sound && has_consistent_seal(disk, path, events)?;
        let has_expired = read.last_days.iter().any(|day| is_past(*day, today));
        Ok(has_expired.then_some(read))
    }

    /// Whether everything that can be read of it has expired.
    fn has_expired_whole(&self, today: u16) -> bool {
        !self.last_days.is_empty() && self.last_days.iter().all(|day| is_past(*day, today))
    }

    /// Steps 6 and 7.
    fn replace(self, disk: &dyn Disk, quarantine: &Path, id: SegmentId) -> io::Result<u64> {
        if self.expired.is_empty() {
            return Ok(0);
        }
        let mut events = 0;
        for (day, gone) in self.expired {
            events += gone.events;
            let reason = format!("the retention of these events ended on {}", day_text(day));
            write_expired(disk, quarantine, id, day, &Tombstone::new(id, &reason, Some(gone), true))?;
        }
        // Also for tombstones that were there: an error may have come before they were durable.
        disk.sync_directory(quarantine)?;
        build_segment(disk, quarantine, &self.header, id, self.kept)?;
        Ok(events)
    }
}

/// The last days of retention of stored events.
fn last_days(counts: &SegmentCounts) -> impl Iterator<Item = u16> {
    counts.iter().filter(|(_, counts)| counts.stored > 0).map(|(_, counts)| counts.expires)
}
