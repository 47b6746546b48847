//! The part of a start that needs space: seal what was not sealed, quarantine what is damaged, create the first segment.
//!
//! Reading the directory needs next to no space and so works on a full disk: sealed segments can be shipped, which makes room. The rest is
//! tried again, from the step that failed, until there is space. Records with an enforced limit are refused meanwhile.
//!
//! 1. Seal each unsealed segment behind its last whole frame, oldest first, and pass it to the sink.
//! 2. Quarantine damaged segments.
//! 3. Create the first segment.
//! 4. Write `identity`.
//! 5. Write `first-segment` if there is none.
//!
//! | crash | what recovery does |
//! |---|---|
//! | in step 1 or 2 | scans the directory again; what was sealed or moved is so, the rest is as it was |
//! | after step 3 | the first segment has no frame: it is sealed, and the next one gets a higher number |
//! | after step 4 | the same; writes `first-segment` |
//!
//! `identity` is written after the segment exists: a crash between the two then skips no number, and a hole in the numbers tells of a lost
//! segment. Tests: `crash_tests::repair` and `crash_tests::full`.

use std::path::Path;

use super::active::ActiveSegment;
use super::space::CHECK_EVERY;
use crate::spool::log::account::{RecentRecords, SealTotals, SegmentAccount};
use crate::spool::log::disk::Disk;
use crate::spool::log::error::SpoolError;
use crate::spool::log::identity::{keep_first_segment, next_id, write_identity};
use crate::spool::log::recovery::RecoveryPlan;
use crate::spool::log::segment::SegmentId;
use crate::spool::log::state::{LogState, SealedFile};

/// A log that was read and is not writing yet.
pub(crate) struct LogStart<A> {
    plan: RecoveryPlan<A>,
    /// Id of the first segment that will be written.
    pub(crate) id: SegmentId,
    /// The oldest segment that is here, or the first that will be.
    first: SegmentId,
}

impl<A: SegmentAccount> LogStart<A> {
    /// Reads a directory. Returns the sealed segments too, oldest first.
    pub(crate) fn read(
        disk: &dyn Disk,
        directory: &Path,
        recent: &mut impl RecentRecords<A>,
    ) -> Result<(Self, Vec<SealedFile>), SpoolError> {
        let id = next_id(disk, directory)?;
        let mut plan = RecoveryPlan::read(disk, directory, recent)?;
        let first = plan.first().unwrap_or(id);
        let sealed = std::mem::take(&mut plan.sealed);
        Ok((Self { plan, id, first }, sealed))
    }

    /// Does the steps that need space, from where it failed the last time. Passes each segment that it seals to `on_sealed`.
    pub(crate) fn begin(
        &mut self,
        disk: &dyn Disk,
        directory: &Path,
        mut on_sealed: impl FnMut(SealedFile),
    ) -> Result<ActiveSegment<A>, SpoolError> {
        self.plan.repair(disk, directory, &mut on_sealed)?;
        // Another try uses the same id: only a header was written under it.
        let active = ActiveSegment::create(disk, directory, self.id)?;
        write_identity(disk, directory, self.id)?;
        keep_first_segment(disk, directory, self.first, self.id.collector)?;
        Ok(active)
    }

    /// Bytes of the segments that are not repaired yet.
    pub(crate) fn bytes(&self) -> u64 {
        self.plan.bytes()
    }

    /// Totals of the segments that are not sealed yet.
    pub(crate) fn totals(&self) -> SealTotals {
        self.plan.totals()
    }

    /// What was repaired or quarantined since the last call, for the log.
    pub(crate) fn take_notes(&mut self) -> Vec<String> {
        std::mem::take(&mut self.plan.notes)
    }
}

/// Tries to begin until there is space. Returns `None` when the disk failed, or when the queue was closed and there is still no space.
pub(crate) fn wait_for_space<A: SegmentAccount>(
    state: &LogState<A>,
    mut start: LogStart<A>,
) -> Option<ActiveSegment<A>> {
    loop {
        let is_closed = state.queue.wait_for_close(CHECK_EVERY);
        let before = start.bytes();
        let mut sealed = Vec::new();
        let begun = start.begin(&*state.disk, &state.directory, |segment| sealed.push(segment));
        let bytes = sealed.iter().map(|segment| segment.bytes).sum::<u64>() + start.bytes();
        state.usage.replace(before, bytes);
        {
            // Readers of the status see this as one step, as in the writer.
            let mut status = state.active.lock();
            status.totals = start.totals();
            sealed.into_iter().for_each(|segment| state.sink.accept(segment));
        }
        state.usage.recount_quarantine(&*state.disk, &state.directory);
        for note in start.take_notes() {
            tracing::warn!(directory = %state.directory.display(), "{note}");
        }
        match begun {
            Ok(active) => {
                state.usage.add(active.end);
                state.queue.set_has_segment();
                return Some(active);
            }
            Err(error) if error.is_no_space() && !is_closed => {}
            Err(error) => {
                state.fail(&error);
                return None;
            }
        }
    }
}
