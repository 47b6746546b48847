//! How far each connection is, and the one coarse timer that ends those that take too long.
//!
//! A timer for each request would cost more than its parsing. Instead a connection notes what it is doing and since which
//! tick, and a sweep over all connections of a thread, twice a second, orders the late ones to end. All fields are
//! touched by one thread alone, but for the orders of a drain; the atomics are there for the compiler's sake and are as
//! cheap as plain stores.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, OnceLock, Weak};
use std::task::Waker;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::bounds::Bounds;

/// What a connection is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Phase {
    /// Waiting for the next request; nothing of it has come.
    Idle = 0,
    /// Reading a request's headers.
    Head = 1,
    /// Reading a body, or finding the answer.
    Busy = 2,
    /// Sending the answer.
    Writing = 3,
    /// Closed for sending, waiting for the client to stop.
    Lingering = 4,
}

/// What a connection is told to do; a later order is a stricter one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum Order {
    /// Go on.
    None = 0,
    /// Finish what was begun and close.
    Drain = 1,
    /// The headers are late: answer 408 and close.
    Late = 2,
    /// Nothing was asked for too long: close.
    Leave = 3,
    /// Close at once, whatever is going on.
    Abort = 4,
}

/// The state of one connection.
#[derive(Debug)]
pub(super) struct Progress {
    ticks: Arc<Ticks>,
    phase: AtomicU8,
    since: AtomicU32,
    order: AtomicU8,
    /// Requests that are being answered: at most one in HTTP/1.1, many in HTTP/2.
    in_flight: AtomicU32,
    waker: OnceLock<Waker>,
}

impl Progress {
    /// What the connection was told.
    pub(super) fn order(&self) -> Order {
        match self.order.load(Relaxed) {
            0 => Order::None,
            1 => Order::Drain,
            2 => Order::Late,
            3 => Order::Leave,
            _ => Order::Abort,
        }
    }

    /// What the connection is doing.
    pub(super) fn phase(&self) -> Phase {
        match self.phase.load(Relaxed) {
            0 => Phase::Idle,
            1 => Phase::Head,
            2 => Phase::Busy,
            3 => Phase::Writing,
            _ => Phase::Lingering,
        }
    }

    /// Notes what the connection does from now on.
    pub(super) fn enter(&self, phase: Phase) {
        self.phase.store(phase as u8, Relaxed);
        self.since.store(self.ticks.now.load(Relaxed), Relaxed);
    }

    /// A request has come in whole but for its body.
    pub(super) fn begin(&self) {
        self.in_flight.store(self.in_flight.load(Relaxed) + 1, Relaxed);
        self.enter(Phase::Busy);
    }

    /// Its answer was found, or it was given up; when it was the last, `after` follows.
    pub(super) fn finish(&self, after: Phase) {
        let left = self.in_flight.load(Relaxed).saturating_sub(1);
        self.in_flight.store(left, Relaxed);
        self.enter(if left == 0 { after } else { Phase::Busy });
    }

    /// Who is woken when an order is given; the first one stays.
    pub(super) fn listen(&self, waker: &Waker) {
        let _ = self.waker.set(waker.clone());
    }

    /// Gives an order, unless a stricter one was given.
    pub(super) fn tell(&self, order: Order) {
        if self.order.fetch_max(order as u8, Relaxed) < order as u8
            && let Some(waker) = self.waker.get()
        {
            waker.wake_by_ref();
        }
    }

    /// What must be ordered at `now`, if anything.
    fn overdue(&self, now: u32, bounds: &Bounds, crowded: bool) -> Option<Order> {
        let spent = Duration::from_millis(u64::from(now.wrapping_sub(self.since.load(Relaxed))));
        let (bound, order) = match self.phase() {
            Phase::Idle if crowded => (bounds.idle_crowded.min(bounds.idle), Order::Leave),
            Phase::Idle => (bounds.idle, Order::Leave),
            Phase::Head if crowded => (bounds.head_crowded.min(bounds.head), Order::Late),
            Phase::Head => (bounds.head, Order::Late),
            Phase::Busy => (bounds.answer, Order::Abort),
            Phase::Writing => (bounds.write, Order::Abort),
            Phase::Lingering => (bounds.linger, Order::Abort),
        };
        (spent > bound).then_some(order)
    }
}

/// The coarse clock of a thread: ms since its start, as of the last sweep.
#[derive(Debug)]
struct Ticks {
    start: Instant,
    now: AtomicU32,
}

/// The connections of one thread.
pub(super) struct Watch {
    ticks: Arc<Ticks>,
    watched: Mutex<Vec<Weak<Progress>>>,
    draining: AtomicBool,
}

impl Watch {
    /// Watches nothing yet.
    pub(super) fn new() -> Self {
        let ticks = Arc::new(Ticks { start: Instant::now(), now: AtomicU32::new(0) });
        Self { ticks, watched: Mutex::new(Vec::new()), draining: AtomicBool::new(false) }
    }

    /// Watches one more connection, which is about to send headers.
    pub(super) fn add(&self) -> Arc<Progress> {
        let order = if self.draining.load(Relaxed) { Order::Drain } else { Order::None };
        let progress = Arc::new(Progress {
            ticks: self.ticks.clone(),
            phase: AtomicU8::new(Phase::Idle as u8),
            since: AtomicU32::new(self.ticks.now.load(Relaxed)),
            order: AtomicU8::new(order as u8),
            in_flight: AtomicU32::new(0),
            waker: OnceLock::new(),
        });
        self.watched.lock().push(Arc::downgrade(&progress));
        progress
    }

    /// Tells every connection, and those that are still to come, to finish.
    pub(super) fn drain(&self) {
        self.draining.store(true, Relaxed);
        self.each(|progress| progress.tell(Order::Drain));
    }

    /// Ends every connection at once.
    pub(super) fn abort(&self) {
        self.draining.store(true, Relaxed);
        self.each(|progress| progress.tell(Order::Abort));
    }

    /// Looks at every connection, once in `bounds.sweep`, for ever.
    pub(super) async fn sweep(&self, bounds: &Bounds, crowded: impl Fn() -> bool) {
        let mut interval = tokio::time::interval(bounds.sweep);
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            interval.tick().await;
            // Wraps after 49 days, as do the differences taken of it.
            let now = self.ticks.start.elapsed().as_millis() as u32;
            self.ticks.now.store(now, Relaxed);
            let crowded = crowded();
            self.each(|progress| {
                if let Some(order) = progress.overdue(now, bounds, crowded) {
                    progress.tell(order);
                }
            });
        }
    }

    /// Visits the connections that are still open and forgets the others.
    fn each(&self, visit: impl Fn(&Progress)) {
        self.watched.lock().retain(|watched| watched.upgrade().inspect(|progress| visit(progress)).is_some());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_phase_has_its_bound_and_its_order() {
        let bounds = Bounds::default();
        let watch = Watch::new();
        let progress = watch.add();
        for (phase, ms, order) in [
            (Phase::Idle, 75_001, Order::Leave),
            (Phase::Head, 10_001, Order::Late),
            (Phase::Busy, 60_001, Order::Abort),
            (Phase::Writing, 30_001, Order::Abort),
            (Phase::Lingering, 2_001, Order::Abort),
        ] {
            progress.enter(phase);
            assert_eq!(progress.overdue(ms, &bounds, false), Some(order));
            assert_eq!(progress.overdue(ms - 1, &bounds, false), None);
        }
        progress.enter(Phase::Idle);
        assert_eq!(progress.overdue(5_001, &bounds, true), Some(Order::Leave));
        progress.enter(Phase::Head);
        assert_eq!(progress.overdue(5_001, &bounds, true), Some(Order::Late));
    }

    #[test]
    fn a_stricter_order_replaces_a_milder_one_only() {
        let progress = Watch::new().add();
        progress.tell(Order::Abort);
        progress.tell(Order::Drain);
        assert_eq!(progress.order(), Order::Abort);
    }

    #[test]
    fn a_connection_that_comes_while_draining_is_told_so() {
        let watch = Watch::new();
        watch.drain();
        assert_eq!(watch.add().order(), Order::Drain);
    }
}
