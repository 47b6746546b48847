//! Opens a spool: finishes what a crash interrupted, recovers the log, and starts the writer.
//!
//! 1. Refuse a directory of an earlier format. Create the directories that are missing, and take the lock.
//! 2. Delete unfinished files in `quarantine` and `requeue`.
//! 3. Finish moves: leave each segment in one directory, and sync the directories.
//! 4. Finish splits.
//! 5. Scan the segments, newest first; write again what may be in the page cache alone.
//! 6. Seal unsealed segments, quarantine damaged ones, create the first segment, and write `identity` and `first-segment`.
//! 7. Read the shipped ids.
//!
//! Step 6 needs space. On a full disk the spool opens without it, ships what is sealed, refuses events, and tries step 6 again every
//! second. Any other error ends the start: nothing is deleted, and the next start does the same again.

use std::io;
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::config::SpoolLimits;
use crate::spool::accounting::audit_chain::{AuditChain, AuditHead};
use crate::spool::accounting::record::FilterId;
use crate::spool::accounting::shipped_ids::{RECENT_ROWS, RecentIds, ShippedIds};
use crate::spool::delivery::queue::DeliveryQueue;
use crate::spool::delivery::spool::Spool;
use crate::spool::log::disk::{Disk, RealDisk};
use crate::spool::log::error::SpoolError;
use crate::spool::log::files::{AUDIT_HEAD, LOCK, QUARANTINE, read_all};
use crate::spool::log::identity::{check_format, random};
use crate::spool::log::open::RecoveredLog;
use crate::spool::quarantine::moves::{delete_unfinished, finish_moves};
use crate::spool::quarantine::split::install::finish_splits;

#[derive(Debug, Default)]
pub struct Recovered {
    /// Filter ids of the most recent events, spooled or shipped, oldest first: all of the newest segments that hold `RECENT_ROWS` rows
    /// together.
    pub ids: Vec<FilterId>,
    /// What was repaired or quarantined, for the log.
    pub notes: Vec<String>,
    /// Number of spooled events.
    pub events: u64,
}

impl Spool {
    /// Opens the spool in `directory`, which is created if it does not exist, repairs what a crash left, and starts the writer.
    ///
    /// # Errors
    /// When the directory has an earlier format, when another collector works in it, or when the disk fails.
    pub fn open(directory: &Path, limits: &SpoolLimits) -> Result<(Arc<Self>, Recovered), SpoolError> {
        Self::open_on(Arc::new(RealDisk), directory, limits)
    }

    /// [`Spool::open`] on another disk.
    pub fn open_on(
        disk: Arc<dyn Disk>,
        directory: &Path,
        limits: &SpoolLimits,
    ) -> Result<(Arc<Self>, Recovered), SpoolError> {
        check_format(&*disk, directory)?;
        let lock = create_and_lock(&*disk, directory)?;
        delete_unfinished(&*disk, directory);
        finish_moves(&*disk, directory)?;
        finish_splits(&*disk, directory, &mut Vec::new())
            .map_err(|source| SpoolError::io("finish a split in", directory, source))?;
        let mut recent = RecentIds::default();
        let mut log = RecoveredLog::open(&*disk, directory, &mut recent)?;
        let [events, _] = log.totals();
        let (shipped_ids, mut ids) = ShippedIds::open(&*disk, directory, RECENT_ROWS.saturating_sub(events))
            .map_err(|source| SpoolError::io("read the shipped ids of", directory, source))?;
        ids.append(&mut recent.into_ids());
        let notes = log.take_notes();
        let last = read_audit_head(&*disk, directory);
        let queue = Arc::new(DeliveryQueue::new(log.sealed.iter().map(|sealed| (*sealed).into())));
        let log = log.start(disk, directory, limits, queue.clone())?;
        let audit_chain = AuditChain::new(log.state.collector, random(), last);
        for note in &notes {
            tracing::warn!(directory = %directory.display(), "{note}");
        }
        let spool = Self {
            log,
            queue,
            shipped_ids,
            pending_requeues: Default::default(),
            installed_parts: Default::default(),
            audit_chain: Mutex::new(audit_chain),
            _lock: lock,
        };
        Ok((Arc::new(spool), Recovered { ids, notes, events }))
    }
}

/// The last row of the audit that an earlier run knew to be durable; `None` if there is none, or the file cannot be read.
pub(super) fn read_audit_head(disk: &dyn Disk, directory: &Path) -> Option<AuditHead> {
    serde_json::from_slice(&read_all(disk, &directory.join(AUDIT_HEAD)).ok()?).ok()
}

/// The same of a directory, beside a running collector.
pub fn audit_head(directory: &Path) -> Option<AuditHead> {
    read_audit_head(&RealDisk, directory)
}

fn create_and_lock(disk: &dyn Disk, directory: &Path) -> Result<Box<dyn Send + Sync>, SpoolError> {
    let quarantine = directory.join(QUARANTINE);
    disk.create_directory(&quarantine).map_err(|source| SpoolError::io("create", &quarantine, source))?;
    disk.lock(&directory.join(LOCK)).map_err(|source| match source.kind() {
        io::ErrorKind::WouldBlock => SpoolError::Locked(directory.to_owned()),
        _ => SpoolError::io("lock", directory, source),
    })
}
