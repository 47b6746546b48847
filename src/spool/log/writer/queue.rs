//! The records that wait for the next write: a byte buffer under a short lock, swapped with the writer's.
//!
//! An append copies its record and takes a share in the batch's ack. It allocates nothing once the buffer has grown, and wakes the
//! writer only if that sleeps. A record beyond the bounds is refused here, at once.

use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, MutexGuard};

use super::ack::{Ack, Commit};
use crate::spool::log::error::SpoolError;
use crate::spool::log::frame::{self, EncodeRecord, MAX_FRAME_LEN};
use crate::spool::log::usage::DiskUsage;

/// Bound on the bytes that wait in memory while the disk is slow: a second of full load.
pub(crate) const MAX_WAITING: usize = 32 << 20;
/// Deferred facts are written with the next batch, or after this time if there is none.
const DEFER_AT_MOST: Duration = Duration::from_secs(1);
/// A buffer that a burst has grown beyond this is freed.
const KEEP_BUFFER: usize = 4 << 20;

/// Whether a record is refused when the spool or the disk is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SpaceLimit {
    Enforced,
    /// For records that are few and must not be lost.
    Exempt,
}

pub(crate) struct AppendQueue<D> {
    waiting: Mutex<WaitingRecords<D>>,
    /// Notified when the writer has something to do.
    work: Condvar,
    usage: Arc<DiskUsage>,
    max_bytes: u64,
}

struct WaitingRecords<D> {
    frames: Vec<u8>,
    count: u32,
    commit: Arc<Commit>,
    /// Of the batch that the writer took last, which may not be on the disk yet.
    in_flight: Arc<Commit>,
    deferred: D,
    deferred_since: Option<Instant>,
    /// Set when every append is refused for good.
    refusal: Option<SpoolError>,
    /// Set while records with an enforced limit are refused.
    no_space: Option<SpoolError>,
    /// Whether there is a segment to write to.
    has_segment: bool,
    /// Whether the segment must be sealed behind these records.
    seal: bool,
    writer_sleeps: bool,
    /// How often the writer was asked for a sign of life, and how many of these questions it has answered.
    asked: u64,
    answered: u64,
}

pub(crate) enum WriterTask<D> {
    /// Write and sync this, then finish its commit.
    Write(Batch<D>),
    /// Seal the segment.
    Seal,
    /// The time for which the writer asked has come.
    TimerDue,
    /// Nothing waits, and nothing will come.
    Closed,
}

/// All records that waited.
pub(crate) struct Batch<D> {
    /// Encoded frames, to be stamped.
    pub(crate) frames: Vec<u8>,
    pub(crate) count: u32,
    pub(crate) deferred: D,
    pub(crate) commit: Arc<Commit>,
    /// Whether the segment must be sealed behind it.
    pub(crate) seal: bool,
}

impl<D: Default> AppendQueue<D> {
    pub(crate) fn new(usage: Arc<DiskUsage>, max_bytes: u64, has_segment: bool) -> Self {
        let finished = Arc::new(Commit::default());
        finished.finish(Ok(()));
        let waiting = WaitingRecords {
            frames: Vec::new(),
            count: 0,
            commit: Arc::default(),
            in_flight: finished,
            deferred: D::default(),
            deferred_since: None,
            refusal: None,
            no_space: None,
            has_segment,
            seal: false,
            writer_sleeps: false,
            asked: 0,
            answered: 0,
        };
        Self { waiting: Mutex::new(waiting), work: Condvar::new(), usage, max_bytes }
    }

    /// # Errors
    /// [`SpoolError::TooLarge`], [`SpoolError::Full`], [`SpoolError::NoSpace`], or the error for which the queue was closed.
    pub(crate) fn push(&self, record: &impl EncodeRecord, limit: SpaceLimit) -> Result<Ack, SpoolError> {
        let len = frame::encoded_len(record);
        if len > MAX_FRAME_LEN {
            return Err(SpoolError::TooLarge { bytes: len });
        }
        let is_bounded = limit == SpaceLimit::Enforced;
        let mut waiting = self.waiting.lock();
        if let Some(refusal) = &waiting.refusal {
            return Err(refusal.clone());
        }
        if let Some(no_space) = waiting.no_space.as_ref().filter(|_| is_bounded) {
            return Err(no_space.clone());
        }
        let on_disk = self.usage.total();
        let is_full = is_bounded && on_disk + (waiting.frames.len() + len) as u64 > self.max_bytes;
        if is_full || waiting.frames.len() + len > MAX_WAITING {
            return Err(SpoolError::Full { bytes: on_disk, max: self.max_bytes });
        }
        frame::encode_record(record, &mut waiting.frames);
        waiting.count += 1;
        let ack = Ack::new(waiting.commit.clone());
        self.wake_writer(waiting);
        Ok(ack)
    }

    /// Returns an ack for everything that was pushed before.
    pub(crate) fn sync_point(&self) -> Ack {
        let waiting = self.waiting.lock();
        if let Some(no_space) = waiting.no_space.as_ref().filter(|_| !waiting.has_segment) {
            // Nothing is written for now: the caller must retry rather than wait.
            let refused = Arc::new(Commit::default());
            refused.finish(Err(no_space.clone()));
            return Ack::new(refused);
        }
        Ack::new(if waiting.count > 0 { waiting.commit.clone() } else { waiting.in_flight.clone() })
    }

    /// Changes the deferred facts, which are written with the next batch, or within [`DEFER_AT_MOST`].
    pub(crate) fn defer(&self, change: impl FnOnce(&mut D)) {
        let mut waiting = self.waiting.lock();
        change(&mut waiting.deferred);
        if waiting.deferred_since.is_none() {
            waiting.deferred_since = Some(Instant::now());
            self.wake_writer(waiting);
        }
    }

    /// Seals the segment behind what was pushed before.
    pub(crate) fn seal(&self) {
        let mut waiting = self.waiting.lock();
        waiting.seal = true;
        self.wake_writer(waiting);
    }

    /// Refuses appends from now on. The writer writes what waits and then ends.
    pub(crate) fn close(&self) {
        let mut waiting = self.waiting.lock();
        waiting.refusal.get_or_insert(SpoolError::Closed);
        self.wake_writer(waiting);
    }

    /// Refuses everything from now on, and fails the records that wait or are in flight.
    pub(crate) fn fail(&self, error: &SpoolError) {
        let (commit, in_flight) = {
            let mut waiting = self.waiting.lock();
            waiting.refusal = Some(error.clone());
            waiting.frames = Vec::new();
            (waiting.commit.clone(), waiting.in_flight.clone())
        };
        commit.finish(Err(error.clone()));
        if !in_flight.is_finished() {
            in_flight.finish(Err(error.clone()));
        }
    }

    /// Refuses records with an enforced limit for now, or accepts them again.
    pub(crate) fn set_no_space(&self, no_space: Option<SpoolError>) {
        self.waiting.lock().no_space = no_space;
    }

    pub(crate) fn no_space(&self) -> Option<SpoolError> {
        self.waiting.lock().no_space.clone()
    }

    pub(crate) fn set_has_segment(&self) {
        self.waiting.lock().has_segment = true;
    }

    /// Waits for `longest`, or until the queue is closed; returns whether it is.
    pub(crate) fn wait_for_close(&self, longest: Duration) -> bool {
        let until = Instant::now() + longest;
        let mut waiting = self.waiting.lock();
        while waiting.refusal.is_none() {
            waiting.answered = waiting.asked;
            waiting.writer_sleeps = true;
            if self.work.wait_until(&mut waiting, until).timed_out() {
                break;
            }
        }
        waiting.writer_sleeps = false;
        waiting.refusal.is_some()
    }

    /// Asks the writer for a sign of life, which it gives as soon as it looks for work.
    pub(crate) fn ask_writer(&self) {
        let mut waiting = self.waiting.lock();
        waiting.asked += 1;
        self.wake_writer(waiting);
    }

    /// Whether the writer has looked for work since it was asked last.
    pub(crate) fn writer_answered(&self) -> bool {
        let waiting = self.waiting.lock();
        waiting.answered == waiting.asked
    }

    pub(crate) fn count(&self) -> u32 {
        self.waiting.lock().count
    }

    /// Waits until there is something to write or `due` has come. `frames` and `wakers` are empty buffers for reuse.
    pub(crate) fn next_task(
        &self,
        frames: Vec<u8>,
        wakers: Vec<Waker>,
        due: Option<Instant>,
    ) -> WriterTask<D> {
        debug_assert!(frames.is_empty() && wakers.is_empty());
        let mut waiting = self.waiting.lock();
        loop {
            waiting.answered = waiting.asked;
            let deferred_until = waiting.deferred_since.map(|since| since + DEFER_AT_MOST);
            let is_closed = waiting.refusal.is_some();
            let write_deferred = deferred_until.is_some_and(|until| is_closed || until <= Instant::now());
            if waiting.count > 0 || write_deferred {
                return WriterTask::Write(waiting.take_batch(frames, wakers));
            }
            if is_closed {
                return WriterTask::Closed;
            }
            if std::mem::take(&mut waiting.seal) {
                return WriterTask::Seal;
            }
            let until = [due, deferred_until].into_iter().flatten().min();
            if due.is_some_and(|due| due <= Instant::now()) {
                return WriterTask::TimerDue;
            }
            waiting.writer_sleeps = true;
            match until {
                Some(until) => drop(self.work.wait_until(&mut waiting, until)),
                None => self.work.wait(&mut waiting),
            }
            waiting.writer_sleeps = false;
        }
    }

    /// Unlocks, and wakes the writer if it sleeps.
    fn wake_writer(&self, mut waiting: MutexGuard<'_, WaitingRecords<D>>) {
        let sleeps = std::mem::take(&mut waiting.writer_sleeps);
        drop(waiting);
        if sleeps {
            self.work.notify_one();
        }
    }
}

impl<D: Default> WaitingRecords<D> {
    fn take_batch(&mut self, mut frames: Vec<u8>, wakers: Vec<Waker>) -> Batch<D> {
        if frames.capacity() > KEEP_BUFFER {
            frames = Vec::new();
        }
        self.deferred_since = None;
        let commit = std::mem::replace(&mut self.commit, Arc::new(Commit::with_buffer(wakers)));
        self.in_flight = commit.clone();
        Batch {
            frames: std::mem::replace(&mut self.frames, frames),
            count: std::mem::take(&mut self.count),
            deferred: std::mem::take(&mut self.deferred),
            commit,
            seal: std::mem::take(&mut self.seal),
        }
    }
}
