//! What the shipper tells the spool about a segment.
//!
//! Shipping, whose steps 2 to 4 are those of the shipper (`store::ship`):
//!
//! 1. Read the segment through ([`Shipment::open`](super::shipment::Shipment::open)). Every frame must be whole, and the rows must be as
//!    many as the seal says.
//! 2. If the segment is in doubt, ask the store for each of its events.
//! 3. Note that it is in doubt from now on. Insert the events that the store lacks, each with collector and number of the segment, and
//!    with the segment's id as the token.
//! 4. Insert the audit and the segment's account, each with a token of its own.
//! 5. Keep the ids of its events in `shipped/NAME.ids`.
//! 6. Delete `NAME.segment` and sync the directory.
//!
//! | crash | what happens at the next start |
//! |---|---|
//! | in step 1 or 2 | the segment is shipped from step 1 |
//! | in step 3 or 4 | it is in doubt: stored events are left out, and the tokens drop inserts that were applied |
//! | after step 4 or 5 | the store has all events; the tokens drop the other inserts; the segment is deleted |
//! | in step 6 | the deletion may be undone: the segment is shipped again, and nothing is inserted twice |
//!
//! Every segment that recovery finds is in doubt. Tests: `crash_tests::exhaustive`, and
//! `crash_tests::repair::a_confirmed_segment_whose_removal_was_lost_comes_back_under_the_same_token`.

use super::queue::SealedSegment;
use super::spool::Spool;
use crate::spool::accounting::record::FilterId;
use crate::spool::log::disk::DiskFile;
use crate::spool::log::error::SpoolError;
use crate::spool::log::segment::SegmentId;
use crate::spool::log::state::SealedFile;

impl Spool {
    /// Returns the oldest sealed segment, once there is one. It stays until it is confirmed, quarantined or split.
    pub async fn next_sealed(&self) -> SealedSegment {
        self.queue.next().await
    }

    pub fn oldest_sealed(&self) -> Option<SealedSegment> {
        self.queue.oldest()
    }

    /// Keeps the ids of a shipped segment's events beyond a restart. Call it before [`Spool::confirm`]. An error of the disk only makes
    /// that memory shorter.
    pub(crate) fn keep_shipped_ids(&self, sealed: &SealedSegment, ids: &[FilterId]) {
        if let Err(error) = self.shipped_ids.keep(self.disk(), sealed.id, ids) {
            tracing::warn!(segment = %sealed.id, %error, "shipped ids not kept, repeated events may be stored again");
        }
    }

    /// Deletes a segment that the store has.
    ///
    /// # Errors
    /// When the disk fails. If the segment comes back after a crash it is sent again, and the store recognises its token.
    pub fn confirm(&self, sealed: &SealedSegment) -> Result<(), SpoolError> {
        let path = self.directory().join(sealed.id.file_name());
        let failed = |source| SpoolError::io("delete", &path, source);
        self.disk().remove(&path).map_err(failed)?;
        self.forget(sealed);
        self.disk().sync_directory(self.directory()).map_err(failed)
    }

    /// Removes a segment from the queue whose file is gone.
    pub(crate) fn forget(&self, sealed: &SealedSegment) {
        self.queue.remove(sealed.id);
        self.log.state.usage.subtract(sealed.bytes);
    }

    /// Adds a segment to the queue, in the order of creation.
    pub(in crate::spool) fn enqueue(&self, segment: SealedFile) {
        let bytes = segment.bytes;
        let replaced = self.queue.insert(segment.into());
        self.log.state.usage.replace(replaced, bytes);
    }

    /// Notes that a segment is being sent: the store may have it from now on.
    pub(crate) fn set_in_doubt(&self, id: SegmentId) {
        self.queue.set_in_doubt(id);
    }

    pub(crate) fn is_waiting(&self, id: SegmentId) -> bool {
        self.queue.contains(id)
    }

    /// Whether this directory's collector wrote a segment. Those that were made from another segment have other ids.
    pub(crate) fn is_original(&self, id: SegmentId) -> bool {
        id.collector == self.log.state.collector
    }

    pub(in crate::spool) fn open_segment(
        &self,
        sealed: &SealedSegment,
    ) -> Result<Box<dyn DiskFile>, SpoolError> {
        let path = self.directory().join(sealed.id.file_name());
        self.disk().read(&path).map_err(|source| SpoolError::io("read", &path, source))
    }
}
