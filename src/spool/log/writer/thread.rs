//! The writer's thread: writes batches, seals the active segment and begins the next one.
//!
//! Sealing:
//!
//! 1. Write summary and seal behind the last batch, set the exact length, and sync the file.
//! 2. Write the header of the next segment to `next` and sync it.
//! 3. Rename `next` to its name and sync the directory.
//! 4. Pass the sealed segment to the sink.
//!
//! | crash | what recovery does |
//! |---|---|
//! | during step 1 | the segment is not sealed: summary and seal are made anew from its frames |
//! | after step 1 or 2 | the segment is sealed; the next one is created under the same number |
//! | after step 3 | both segments are there; the next one has no frame and is sealed |
//!
//! The next segment exists before the sealed one can be deleted, so the highest number is never lost. Tests:
//! `crash_tests::exhaustive` and `crash_tests::repair::a_seal_whose_sync_failed_is_made_again_before_it_is_trusted`.
//!
//! Any error on the way breaks the log: everyone who waits gets the error, and nothing is retried. A second `fdatasync` after a failed
//! one would report success for pages that the kernel has dropped.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::active::ActiveSegment;
use super::begin::{self, LogStart};
use super::pace::BatchPace;
use super::queue::{Batch, WriterTask};
use super::space::{CHECK_EVERY, SpaceMonitor};
use crate::spool::log::account::SegmentAccount;
use crate::spool::log::error::SpoolError;
use crate::spool::log::segment::SegmentId;
use crate::spool::log::state::{ActiveStatus, LogState, SealedFile, now_ms};

/// From this many waiting segments on, a segment is sealed only when it is full, not for its age. It keeps the memory for waiting
/// segments, and what is read of each at the start, small however long the store is away.
pub(crate) const MANY_SEALED: usize = 1000;
/// With so many rows at the age of `seal_after`, a segment is sealed at [`BUSY_AGES`] times that age. An insert costs the store some 60 ms of
/// CPU whatever its size: at 10,000 rows that is more than the rows themselves cost.
const BUSY_ROWS: u64 = 10_000;
/// 10 s by default: reports may be so late while the collector is busy.
const BUSY_AGES: u32 = 5;
/// The longest such age, unless `seal_after` is longer.
const LONGEST_BUSY_AGE: Duration = Duration::from_secs(10);

struct Writer<A: SegmentAccount> {
    state: Arc<LogState<A>>,
    active: ActiveSegment<A>,
    space: SpaceMonitor,
    pace: BatchPace,
}

/// Runs the writer until the queue is closed or the disk fails. Without an `active` segment it first waits for the space to create one.
pub(crate) fn run<A: SegmentAccount>(
    state: &Arc<LogState<A>>,
    active: Option<ActiveSegment<A>>,
    start: LogStart<A>,
    space: SpaceMonitor,
) {
    let _guard = FailOnPanic(state);
    let active = active.or_else(|| begin::wait_for_space(state, start));
    if let Some(active) = active {
        let mut writer = Writer { state: state.clone(), active, space, pace: BatchPace::default() };
        if let Err(error) = writer.work() {
            state.fail(&error);
        }
    }
}

impl<A: SegmentAccount> Writer<A> {
    fn work(&mut self) -> Result<(), SpoolError> {
        let (mut frames, mut wakers) = (Vec::new(), Vec::new());
        loop {
            let due = self.next_timer();
            let buffers = (std::mem::take(&mut frames), std::mem::take(&mut wakers));
            match self.state.queue.next_task(buffers.0, buffers.1, due) {
                WriterTask::Write(batch) => {
                    let (commit, count, seal) = (batch.commit.clone(), batch.count, batch.seal);
                    self.check_space(batch.frames.len() as u64);
                    let began = Instant::now();
                    frames = self.write(batch)?;
                    wakers = commit.finish(Ok(()));
                    frames.clear();
                    self.pace.record(count, began);
                    if seal || self.is_due() {
                        self.seal()?;
                    } else {
                        self.pace.wait(|| self.state.queue.count());
                    }
                }
                WriterTask::Seal if self.active.first_write.is_some() => self.seal()?,
                WriterTask::Seal => {}
                WriterTask::TimerDue => {
                    self.check_space(0);
                    if self.is_due() {
                        self.seal()?;
                    }
                }
                WriterTask::Closed => {
                    return if self.active.first_write.is_some() { self.seal() } else { Ok(()) };
                }
            }
        }
    }

    /// Writes and syncs a batch. Returns its buffer.
    fn write(&mut self, batch: Batch<A::Deferred>) -> Result<Vec<u8>, SpoolError> {
        let Batch { mut frames, count, deferred, .. } = batch;
        let now = now_ms();
        A::encode_deferred(&deferred, now, &mut frames);
        let began = Instant::now();
        self.active
            .write(&mut frames, now)
            .map_err(|source| SpoolError::io("write", &self.active.path, source))?;
        self.state.usage.add(frames.len() as u64);
        let status =
            ActiveStatus { totals: self.active.account.totals(), created: self.active.header.created };
        *self.state.active.lock() = status;
        metrics::histogram!("footfall_spool_sync_duration_seconds").record(began.elapsed());
        metrics::histogram!("footfall_spool_batch_frames").record(f64::from(count));
        metrics::counter!("footfall_spool_appends_total").increment(count.into());
        Ok(frames)
    }

    /// When the writer must act although no record comes.
    fn next_timer(&self) -> Option<Instant> {
        let next_check = || Instant::now() + CHECK_EVERY;
        let seal = self.active.first_write.map(|first| first + self.seal_age());
        let seal = seal.map(|at| if self.has_backlog() { at.max(next_check()) } else { at });
        let check = self.state.queue.no_space().map(|_| next_check());
        seal.into_iter().chain(check).min()
    }

    /// Whether the active segment must be sealed.
    fn is_due(&self) -> bool {
        let limits = &self.state.limits;
        let is_old = || self.active.first_write.is_some_and(|first| first.elapsed() >= self.seal_age());
        self.rows() >= u64::from(limits.seal_rows)
            || self.active.end >= limits.seal_bytes
            || is_old() && !self.has_backlog()
    }

    /// The age at which the active segment is sealed although it is not full.
    fn seal_age(&self) -> Duration {
        let age = self.state.limits.seal_after;
        if self.rows() >= BUSY_ROWS { (age * BUSY_AGES).min(LONGEST_BUSY_AGE).max(age) } else { age }
    }

    fn rows(&self) -> u64 {
        self.active.account.totals().iter().sum()
    }

    fn has_backlog(&self) -> bool {
        self.state.sink.backlog() >= MANY_SEALED
    }

    fn check_space(&mut self, bytes: u64) {
        if self.space.is_due(bytes) {
            self.state.set_no_space(self.space.check(&*self.state.disk, &self.state.directory));
        }
    }

    fn seal(&mut self) -> Result<(), SpoolError> {
        let state = self.state.clone();
        let active = &self.active;
        let (seal, bytes) = active.seal().map_err(|source| SpoolError::io("seal", &active.path, source))?;
        let (id, created) = (active.header.id, active.header.created);
        let next_id = SegmentId { number: id.number + 1, ..id };
        let next = ActiveSegment::create(&*state.disk, &state.directory, next_id)?;
        state.usage.add(bytes - active.end + next.end);
        {
            // Readers of the status see this as one step: the rows are in the active segment or in the sink, never in neither.
            let mut status = state.active.lock();
            status.totals = <_>::default();
            state.sink.accept(SealedFile { id, seal, bytes, created, is_recovered: false });
        }
        self.active = next;
        self.check_space(bytes);
        Ok(())
    }
}

/// Breaks the log if the writer's thread unwinds, so that nobody waits for ever.
struct FailOnPanic<'a, A: SegmentAccount>(&'a LogState<A>);

impl<A: SegmentAccount> Drop for FailOnPanic<'_, A> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.fail(&SpoolError::Broken("its writer panicked".into()));
        }
    }
}
