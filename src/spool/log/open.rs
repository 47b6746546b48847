//! Opens a log and gives access to it.

use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::account::{RecentRecords, SealTotals, SegmentAccount};
use super::disk::Disk;
use super::error::SpoolError;
use super::frame::EncodeRecord;
use super::state::{ActiveStatus, LogState, SealedFile, SegmentSink, now_ms};
use super::usage::{DiskUsage, quarantined_bytes};
use super::writer::ack::Ack;
use super::writer::active::ActiveSegment;
use super::writer::begin::LogStart;
use super::writer::queue::{AppendQueue, SpaceLimit};
use super::writer::space::SpaceMonitor;
use super::writer::thread;
use crate::config::{MAX_SEAL_ROWS, SpoolLimits};

/// A directory that was read and, if there was space for it, repaired.
pub(crate) struct RecoveredLog<A> {
    /// Oldest first.
    pub(crate) sealed: Vec<SealedFile>,
    start: LogStart<A>,
    /// `None`: there is no space for a segment.
    active: Option<ActiveSegment<A>>,
}

impl<A: SegmentAccount> RecoveredLog<A> {
    /// Reads a directory whose lock the caller holds, and repairs it as far as there is space.
    ///
    /// # Errors
    /// When the disk fails otherwise than for want of space.
    pub(crate) fn open(
        disk: &dyn Disk,
        directory: &Path,
        recent: &mut impl RecentRecords<A>,
    ) -> Result<Self, SpoolError> {
        let (mut start, mut sealed) = LogStart::read(disk, directory, recent)?;
        let active = match start.begin(disk, directory, |segment| sealed.push(segment)) {
            Ok(active) => Some(active),
            // What is sealed can be shipped all the same, and makes room.
            Err(error) if error.is_no_space() => None,
            Err(error) => return Err(error),
        };
        Ok(Self { sealed, start, active })
    }

    /// Totals of all segments, sealed or not.
    pub(crate) fn totals(&self) -> SealTotals {
        self.sealed.iter().fold(self.start.totals(), |[first, second], segment| {
            [first + segment.seal.totals[0], second + segment.seal.totals[1]]
        })
    }

    /// What was repaired or quarantined, for the log.
    pub(crate) fn take_notes(&mut self) -> Vec<String> {
        self.start.take_notes()
    }

    /// Starts the writer. `sink` must hold the sealed segments already.
    pub(crate) fn start(
        self,
        disk: Arc<dyn Disk>,
        directory: &Path,
        limits: &SpoolLimits,
        sink: Arc<dyn SegmentSink>,
    ) -> Result<SegmentLog<A>, SpoolError> {
        let Self { sealed, start, active } = self;
        let segments = sealed.iter().map(|segment| segment.bytes).sum::<u64>()
            + start.bytes()
            + active.as_ref().map_or(0, |active| active.end);
        let usage = Arc::new(DiskUsage::new(segments, quarantined_bytes(&*disk, directory)?));
        let mut space = SpaceMonitor::new(limits.reserve);
        let no_space = space.check(&*disk, directory);
        let state = Arc::new(LogState {
            disk,
            directory: directory.to_owned(),
            collector: start.id.collector,
            limits: SpoolLimits { seal_rows: limits.seal_rows.min(MAX_SEAL_ROWS), ..limits.clone() },
            queue: AppendQueue::new(usage.clone(), limits.max_bytes, active.is_some()),
            usage,
            sink,
            active: Mutex::new(ActiveStatus { totals: start.totals(), created: now_ms() }),
            broken: std::sync::OnceLock::new(),
            broke: Notify::new(),
        });
        // A quota, which the check does not see, may be used up.
        let unknown = || SpoolError::NoSpace { free: 0, reserve: limits.reserve.unwrap_or_default() };
        state.set_no_space(no_space.or_else(|| active.is_none().then(unknown)));
        let writer = std::thread::Builder::new()
            .name("spool".into())
            .spawn({
                let state = state.clone();
                move || thread::run(&state, active, start, space)
            })
            .map_err(|source| SpoolError::io("start the writer of", directory, source))?;
        Ok(SegmentLog { state, writer: Mutex::new(Some(writer)) })
    }
}

/// A log that accepts records. Dropping it closes it.
pub(crate) struct SegmentLog<A: SegmentAccount> {
    pub(crate) state: Arc<LogState<A>>,
    writer: Mutex<Option<std::thread::JoinHandle<()>>>,
}

impl<A: SegmentAccount> SegmentLog<A> {
    /// Appends a record, or refuses it at once. The ack resolves when the record is synced.
    pub(crate) fn append(&self, record: &impl EncodeRecord, limit: SpaceLimit) -> Result<Ack, SpoolError> {
        self.state.queue.push(record, limit)
    }

    pub(crate) async fn broken(&self) -> SpoolError {
        loop {
            let mut broke = std::pin::pin!(self.state.broke.notified());
            broke.as_mut().enable();
            if let Some(error) = self.state.broken.get() {
                return error.clone();
            }
            broke.await;
        }
    }

    /// Refuses appends from now on, waits until everything accepted is synced and sealed, and ends the writer.
    pub(crate) fn close(&self) {
        self.state.queue.close();
        if let Some(writer) = self.writer.lock().take() {
            // A panic of the writer has broken the log, and was logged.
            let _ = writer.join();
        }
    }
}

impl<A: SegmentAccount> Drop for SegmentLog<A> {
    fn drop(&mut self) {
        self.close();
    }
}
