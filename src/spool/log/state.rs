//! What the log's handle and its writer share.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::account::{SealTotals, SegmentAccount};
use super::disk::Disk;
use super::error::SpoolError;
use super::segment::{Seal, SegmentId};
use super::usage::DiskUsage;
use super::writer::queue::AppendQueue;
use crate::config::SpoolLimits;

/// A segment file that is sealed and durable.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SealedFile {
    pub(crate) id: SegmentId,
    pub(crate) seal: Seal,
    /// Length of the file.
    pub(crate) bytes: u64,
    /// Unix ms.
    pub(crate) created: i64,
    /// Found by recovery: an earlier process may have passed it on.
    pub(crate) is_recovered: bool,
}

pub(crate) trait SegmentSink: Send + Sync {
    fn accept(&self, segment: SealedFile);
    /// Segments that it holds.
    fn backlog(&self) -> usize;
}

/// The segment that is being written.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ActiveStatus {
    pub(crate) totals: SealTotals,
    /// When it was created, Unix ms.
    pub(crate) created: i64,
}

impl ActiveStatus {
    /// Whether it may have rows that were synced before `moment` (Unix ms).
    pub(crate) fn may_have_rows_before(&self, moment: i64) -> bool {
        self.totals != SealTotals::default() && self.created <= moment
    }
}

pub(crate) struct LogState<A: SegmentAccount> {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) directory: PathBuf,
    /// The first part of its segments' ids.
    pub(crate) collector: u64,
    pub(crate) limits: SpoolLimits,
    pub(crate) usage: Arc<DiskUsage>,
    pub(crate) queue: AppendQueue<A::Deferred>,
    pub(crate) sink: Arc<dyn SegmentSink>,
    pub(crate) active: Mutex<ActiveStatus>,
    pub(crate) broken: OnceLock<SpoolError>,
    /// Notified when `broken` is set.
    pub(crate) broke: Notify,
}

impl<A: SegmentAccount> LogState<A> {
    /// Refuses bounded records for want of space, or accepts them again; logs when that changes.
    pub(crate) fn set_no_space(&self, no_space: Option<SpoolError>) {
        let directory = self.directory.display();
        match (self.queue.no_space(), &no_space) {
            (None, Some(error)) => {
                tracing::warn!(%directory, %error, "disk nearly full, beacons are refused")
            }
            (Some(_), None) => tracing::info!(%directory, "disk has space again, beacons are accepted"),
            _ => {}
        }
        self.queue.set_no_space(no_space);
    }

    /// Breaks the log for good: every append fails from now on, and those that wait fail now.
    pub(crate) fn fail(&self, error: &SpoolError) {
        let broken = match error {
            SpoolError::Broken(_) => error.clone(),
            other => SpoolError::Broken(other.to_string().into()),
        };
        tracing::error!(directory = %self.directory.display(), "{broken}");
        let _ = self.broken.set(broken.clone());
        self.queue.fail(&broken);
        self.broke.notify_waiters();
    }
}

pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
