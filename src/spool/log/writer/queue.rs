//! What waits for the next write: a byte buffer under a short lock, swapped with the writer's.
//!
//! An append copies its frame and takes a share in the batch's ack; it allocates nothing once the buffer has grown, and
//! wakes the writer only if that sleeps. What does not fit the bounds is refused here, at once.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Waker;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, MutexGuard};

use crate::event::DropReason;
use crate::spool::SpoolError;
use crate::spool::log::frame::{self, Frame, Kind, MAX_FRAME_LEN};
use crate::spool::log::writer::ack::{Ack, Batch};

/// Bound on what waits in memory while the disk is slow: a second of full load.
pub(crate) const MAX_WAITING: usize = 32 << 20;
/// Dropped events are booked with the next write, or after this long when there is none.
pub(crate) const BOOK_AFTER: Duration = Duration::from_secs(1);
/// A buffer that a burst has grown beyond this is given back.
const KEEP_BUFFER: usize = 4 << 20;

type DroppedBySite = HashMap<Box<str>, [u32; DropReason::ALL.len()], foldhash::fast::RandomState>;

pub(crate) struct Queue {
    waiting: Mutex<Waiting>,
    work: Condvar,
    /// Bytes of the spool on disk; kept by the writer and the shipper.
    pub(crate) on_disk: AtomicU64,
    max_bytes: u64,
}

struct Waiting {
    frames: Vec<u8>,
    count: u32,
    batch: Arc<Batch>,
    /// The batch that the writer took last: it may still be on its way to the disk.
    taken: Arc<Batch>,
    dropped: DroppedBySite,
    dropped_since: Option<Instant>,
    /// Why appends are refused, once they are for good.
    refusal: Option<SpoolError>,
    /// Why events alone are refused, for as long as it lasts.
    short: Option<SpoolError>,
    /// Whether there is a segment to write to.
    begun: bool,
    writer_sleeps: bool,
}

/// What the writer is to do.
pub(crate) enum Work {
    /// Write and sync this, then tell the batch.
    Write(Load),
    /// The time came.
    Due,
    /// Nothing waits, and nothing will.
    Closed,
}

/// Everything that waited.
pub(crate) struct Load {
    /// Encoded frames, not stamped.
    pub(crate) frames: Vec<u8>,
    pub(crate) count: u32,
    pub(crate) dropped: DroppedBySite,
    pub(crate) batch: Arc<Batch>,
}

impl Queue {
    pub(crate) fn new(on_disk: u64, max_bytes: u64, begun: bool) -> Self {
        let done = Arc::new(Batch::default());
        done.finish(Ok(()));
        let waiting = Waiting {
            frames: Vec::new(),
            count: 0,
            batch: Arc::default(),
            taken: done,
            dropped: HashMap::default(),
            dropped_since: None,
            refusal: None,
            short: None,
            begun,
            writer_sleeps: false,
        };
        Self { waiting: Mutex::new(waiting), work: Condvar::new(), on_disk: on_disk.into(), max_bytes }
    }

    /// Takes a frame with `count` rows. Frames of events are refused over the size of the spool, others are not: they
    /// are few, and losing them helps nobody.
    pub(crate) fn push(&self, kind: Kind, count: u32, frame: &Frame<'_>) -> Result<Ack, SpoolError> {
        let len = frame::encoded_len(frame);
        if len > MAX_FRAME_LEN || frame.site.len() > usize::from(u16::MAX) {
            return Err(SpoolError::TooLarge { bytes: len });
        }
        let mut waiting = self.waiting.lock();
        if let Some(refusal) = &waiting.refusal {
            return Err(refusal.clone());
        }
        if let Some(short) = waiting.short.as_ref().filter(|_| kind == Kind::Events) {
            return Err(short.clone());
        }
        let on_disk = self.on_disk.load(Ordering::Relaxed);
        let over = on_disk + (waiting.frames.len() + len) as u64 > self.max_bytes && kind == Kind::Events;
        if over || waiting.frames.len() + len > MAX_WAITING {
            return Err(SpoolError::Full { bytes: on_disk, max: self.max_bytes });
        }
        frame::encode(kind, count, frame, &mut waiting.frames);
        waiting.count += 1;
        let ack = Ack::of(waiting.batch.clone());
        self.wake(waiting);
        Ok(ack)
    }

    /// An ack for all that was pushed before.
    pub(crate) fn sync_point(&self) -> Ack {
        let waiting = self.waiting.lock();
        if let Some(short) = waiting.short.as_ref().filter(|_| !waiting.begun) {
            // Nothing is written for now: whoever asks is to come again rather than to wait.
            let refused = Arc::new(Batch::default());
            refused.finish(Err(short.clone()));
            return Ack::of(refused);
        }
        Ack::of(if waiting.count > 0 { waiting.batch.clone() } else { waiting.taken.clone() })
    }

    /// Books events that are not stored.
    pub(crate) fn drop_events(&self, site: &str, reason: DropReason, events: u32) {
        if events == 0 {
            return;
        }
        let mut waiting = self.waiting.lock();
        if !waiting.dropped.contains_key(site) {
            waiting.dropped.insert(site.into(), Default::default());
        }
        let counts = waiting.dropped.get_mut(site).expect("it was put there above");
        counts[reason as usize] = counts[reason as usize].saturating_add(events);
        if waiting.dropped_since.is_none() {
            waiting.dropped_since = Some(Instant::now());
            self.wake(waiting);
        }
    }

    /// Refuses appends from now on, lets the writer finish what waits and then go.
    pub(crate) fn close(&self) {
        let mut waiting = self.waiting.lock();
        waiting.refusal.get_or_insert(SpoolError::Closed);
        self.wake(waiting);
    }

    /// Refuses everything from now on and fails what waits and what was taken.
    pub(crate) fn fail(&self, error: &SpoolError) {
        let (batch, taken) = {
            let mut waiting = self.waiting.lock();
            waiting.refusal = Some(error.clone());
            waiting.frames = Vec::new();
            (waiting.batch.clone(), waiting.taken.clone())
        };
        batch.finish(Err(error.clone()));
        if !taken.is_finished() {
            taken.finish(Err(error.clone()));
        }
    }

    /// Refuses events for now, or takes them again.
    pub(crate) fn set_short(&self, short: Option<SpoolError>) {
        self.waiting.lock().short = short;
    }

    /// Why events are refused for now.
    pub(crate) fn short(&self) -> Option<SpoolError> {
        self.waiting.lock().short.clone()
    }

    /// There is a segment to write to from now on.
    pub(crate) fn begin(&self) {
        self.waiting.lock().begun = true;
    }

    /// Waits so long, or until it is closed; says whether it is.
    pub(crate) fn wait_for_close(&self, longest: Duration) -> bool {
        let until = Instant::now() + longest;
        let mut waiting = self.waiting.lock();
        while waiting.refusal.is_none() {
            waiting.writer_sleeps = true;
            if self.work.wait_until(&mut waiting, until).timed_out() {
                break;
            }
        }
        waiting.writer_sleeps = false;
        waiting.refusal.is_some()
    }

    /// How many frames wait.
    pub(crate) fn count(&self) -> u32 {
        self.waiting.lock().count
    }

    /// Waits until there is something to write or `due` has come. `frames` and `wakers` are emptied ones of before.
    pub(crate) fn take(&self, frames: Vec<u8>, wakers: Vec<Waker>, due: Option<Instant>) -> Work {
        debug_assert!(frames.is_empty() && wakers.is_empty());
        let mut waiting = self.waiting.lock();
        loop {
            let book_at = waiting.dropped_since.map(|since| since + BOOK_AFTER);
            let closed = waiting.refusal.is_some();
            let book = book_at.is_some_and(|at| closed || at <= Instant::now());
            if waiting.count > 0 || book {
                return Work::Write(waiting.load(frames, wakers));
            }
            if closed {
                return Work::Closed;
            }
            let until = [due, book_at].into_iter().flatten().min();
            if due.is_some_and(|due| due <= Instant::now()) {
                return Work::Due;
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
    fn wake(&self, mut waiting: MutexGuard<'_, Waiting>) {
        let sleeps = std::mem::take(&mut waiting.writer_sleeps);
        drop(waiting);
        if sleeps {
            self.work.notify_one();
        }
    }
}

impl Waiting {
    fn load(&mut self, mut frames: Vec<u8>, wakers: Vec<Waker>) -> Load {
        if frames.capacity() > KEEP_BUFFER {
            frames = Vec::new();
        }
        self.dropped_since = None;
        let batch = std::mem::replace(&mut self.batch, Arc::new(Batch::with_room(wakers)));
        self.taken = batch.clone();
        Load {
            frames: std::mem::replace(&mut self.frames, frames),
            count: std::mem::take(&mut self.count),
            dropped: std::mem::take(&mut self.dropped),
            batch,
        }
    }
}
