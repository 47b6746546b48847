//! The spool of one collector: appends go to the log, sealed segments come back through the queue.

use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;

use super::queue::DeliveryQueue;
use crate::event::DropReason;
use crate::spool::accounting::audit_chain::{AuditChain, AuditHead};
use crate::spool::accounting::contents::SegmentContents;
use crate::spool::accounting::record::{EventRecord, PlainRecord, RecordKind};
use crate::spool::accounting::shipped_ids::ShippedIds;
use crate::spool::log::disk::Disk;
use crate::spool::log::error::SpoolError;
use crate::spool::log::files::{AUDIT_HEAD, write_atomically};
use crate::spool::log::frame::EncodeRecord;
use crate::spool::log::open::SegmentLog;
use crate::spool::log::segment::SegmentId;
use crate::spool::log::state::now_ms;
use crate::spool::log::writer::ack::Ack;
use crate::spool::log::writer::queue::SpaceLimit;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// The ack resolves when the record is synced.
    Synced,
    /// The ack resolves at once. The record is synced with the next batch, and lost if the machine dies before.
    Buffered,
}

/// The spool of one collector. Dropping it closes it.
pub struct Spool {
    pub(in crate::spool) log: SegmentLog<SegmentContents>,
    pub(in crate::spool) queue: Arc<DeliveryQueue>,
    pub(in crate::spool) shipped_ids: ShippedIds,
    /// Segments on their way from the directory of requeued ones into the queue.
    pub(in crate::spool) pending_requeues: Mutex<Vec<SegmentId>>,
    /// Split parts that are in their place on disk and maybe not in the queue yet.
    pub(in crate::spool) installed_parts: Mutex<Vec<SegmentId>>,
    /// Locked while a row of the audit is appended.
    pub(in crate::spool) audit_chain: Mutex<AuditChain>,
    /// Dropped after the log, whose drop ends the writer.
    pub(in crate::spool) _lock: Box<dyn Send + Sync>,
}

impl Spool {
    /// Appends the events of one beacon, or refuses them at once. The ack says when they are durable.
    ///
    /// # Errors
    /// [`SpoolError::Full`], [`SpoolError::NoSpace`], [`SpoolError::TooLarge`], [`SpoolError::Broken`] or [`SpoolError::Closed`].
    pub fn append(&self, record: EventRecord<'_>, durability: Durability) -> Result<Ack, SpoolError> {
        if record.site.len() > usize::from(u16::MAX) {
            return Err(SpoolError::TooLarge { bytes: record.payload_len() });
        }
        let ack = self.log.append(&record, SpaceLimit::Enforced)?;
        Ok(match durability {
            Durability::Synced => ack,
            Durability::Buffered => Ack::ready(),
        })
    }

    /// Resolves when everything that was appended before is durable. It is for beacons whose events are all duplicates.
    pub fn sync_point(&self) -> Ack {
        self.log.state.queue.sync_point()
    }

    /// Counts events that were not stored. The count is durable with the next write, or within a second.
    pub fn count_dropped(&self, site: &str, reason: DropReason, events: u32) {
        if events > 0 {
            self.log.state.queue.defer(|dropped| dropped.add(site, reason, events));
        }
    }

    /// Seals the active segment, if it has records.
    pub fn seal(&self) {
        self.log.state.queue.seal();
    }

    /// Appends a row of the audit: `action` was done now; `detail` is a JSON object. It is accepted even when the spool is full.
    ///
    /// # Errors
    /// [`SpoolError::TooLarge`], [`SpoolError::Broken`] or [`SpoolError::Closed`].
    pub fn append_audit(&self, action: &str, detail: &str) -> Result<Ack, SpoolError> {
        // Held until the row is appended: the chain has the order of the log.
        let mut chain = self.audit_chain.lock();
        let (rows, digest) = chain.encode(now_ms(), action, detail);
        let record = PlainRecord { kind: RecordKind::Audit, site: "", count: 1, rows: &rows };
        let ack = self.log.append(&record, SpaceLimit::Exempt)?;
        chain.advance(digest);
        Ok(ack)
    }

    /// The last row of the audit that this run appended.
    pub fn audit_head(&self) -> Option<AuditHead> {
        self.audit_chain.lock().head()
    }

    /// Notes which row of the audit is durable, for the chain of the next run and for `footfall audit verify`. Call it when `head` is.
    ///
    /// # Errors
    /// When the disk fails. The next run then links to an earlier row.
    pub fn keep_audit_head(&self, head: &AuditHead) -> Result<(), SpoolError> {
        let path = self.directory().join(AUDIT_HEAD);
        let text = serde_json::to_vec(head).map_err(std::io::Error::other);
        let written =
            text.and_then(|text| write_atomically(self.disk(), self.directory(), AUDIT_HEAD, &text));
        written.map_err(|source| SpoolError::io("write", &path, source))
    }

    /// Asks the writer's thread for a sign of life. It gives one when it has nothing else to do, or between two batches.
    pub fn ask_writer(&self) {
        self.log.state.queue.ask_writer();
    }

    /// Whether the writer's thread has answered [`Self::ask_writer`].
    pub fn writer_answered(&self) -> bool {
        self.log.state.queue.writer_answered()
    }

    /// Resolves when the spool is broken. The process must exit then.
    pub async fn broken(&self) -> SpoolError {
        self.log.broken().await
    }

    /// Refuses appends from now on, waits until everything accepted is synced and sealed, and ends the writer.
    pub fn close(&self) {
        self.log.close();
    }

    /// The number that identifies this collector in the store.
    pub fn collector(&self) -> u64 {
        self.log.state.collector
    }

    pub fn directory(&self) -> &Path {
        &self.log.state.directory
    }

    pub(in crate::spool) fn disk(&self) -> &dyn Disk {
        &*self.log.state.disk
    }
}

impl std::fmt::Debug for Spool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Spool").field("directory", &self.directory()).finish_non_exhaustive()
    }
}
