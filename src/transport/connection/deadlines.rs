//! The phase of each connection, and one coarse timer per worker that ends connections whose phase lasts too long.
//!
//! Each connection notes its phase and the tick at which the phase began. A sweep over all connections of a worker, twice
//! a second, instructs late ones to end. Only the worker's thread touches the fields, except for the instructions of a
//! drain; relaxed atomics cost as much as plain fields here.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, OnceLock, Weak};
use std::task::Waker;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::secret::stack;
use crate::transport::bounds::Timeouts;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Phase {
    /// Waiting for the first byte of the next request.
    Idle = 0,
    /// Reading a request's headers.
    Head = 1,
    /// Reading a body, or waiting for the handler.
    Busy = 2,
    /// Sending the response.
    Writing = 3,
    /// Closed for sending, waiting for the client to stop.
    Lingering = 4,
}

/// What a connection must do; a greater instruction is a stricter one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum Instruction {
    Continue = 0,
    /// Finish the open requests and close.
    Drain = 1,
    /// The headers are late: answer 408 and close.
    RejectLateHead = 2,
    CloseIdle = 3,
    /// Close at once.
    Abort = 4,
}

#[derive(Debug)]
pub(in crate::transport) struct ConnectionProgress {
    clock: Arc<CoarseClock>,
    phase: AtomicU8,
    since: AtomicU32,
    instruction: AtomicU8,
    /// Requests without a response: at most one in HTTP/1.1, many in HTTP/2.
    open_requests: AtomicU32,
    waker: OnceLock<Waker>,
}

impl ConnectionProgress {
    pub(super) fn instruction(&self) -> Instruction {
        match self.instruction.load(Relaxed) {
            0 => Instruction::Continue,
            1 => Instruction::Drain,
            2 => Instruction::RejectLateHead,
            3 => Instruction::CloseIdle,
            _ => Instruction::Abort,
        }
    }

    pub(super) fn phase(&self) -> Phase {
        match self.phase.load(Relaxed) {
            0 => Phase::Idle,
            1 => Phase::Head,
            2 => Phase::Busy,
            3 => Phase::Writing,
            _ => Phase::Lingering,
        }
    }

    pub(super) fn enter(&self, phase: Phase) {
        self.phase.store(phase as u8, Relaxed);
        self.since.store(self.clock.now.load(Relaxed), Relaxed);
    }

    /// The headers of a request are complete.
    pub(super) fn request_started(&self) {
        self.open_requests.store(self.open_requests.load(Relaxed) + 1, Relaxed);
        self.enter(Phase::Busy);
    }

    /// The response to a request was found, or its future was dropped. After the last one `next` begins.
    pub(super) fn request_finished(&self, next: Phase) {
        let open = self.open_requests.load(Relaxed).saturating_sub(1);
        self.open_requests.store(open, Relaxed);
        self.enter(if open == 0 { next } else { Phase::Busy });
    }

    /// Sets the waker that instructions use. Only the first call counts, since a task keeps its waker.
    pub(super) fn set_waker(&self, waker: &Waker) {
        self.waker.get_or_init(|| waker.clone());
    }

    /// Gives an instruction, unless a stricter one was given.
    fn instruct(&self, instruction: Instruction) {
        if self.instruction.fetch_max(instruction as u8, Relaxed) < instruction as u8
            && let Some(waker) = self.waker.get()
        {
            waker.wake_by_ref();
        }
    }

    /// Returns the instruction for a connection whose phase lasts too long at `now`.
    fn overdue(&self, now: u32, timeouts: &Timeouts, crowded: bool) -> Option<Instruction> {
        let elapsed = Duration::from_millis(u64::from(now.wrapping_sub(self.since.load(Relaxed))));
        let (timeout, instruction) = match self.phase() {
            Phase::Idle if crowded => (timeouts.idle_crowded.min(timeouts.idle), Instruction::CloseIdle),
            Phase::Idle => (timeouts.idle, Instruction::CloseIdle),
            Phase::Head if crowded => (timeouts.head_crowded.min(timeouts.head), Instruction::RejectLateHead),
            Phase::Head => (timeouts.head, Instruction::RejectLateHead),
            Phase::Busy => (timeouts.response, Instruction::Abort),
            Phase::Writing => (timeouts.write, Instruction::Abort),
            Phase::Lingering => (timeouts.linger, Instruction::Abort),
        };
        (elapsed > timeout).then_some(instruction)
    }
}

/// The clock of a worker, as of its last sweep.
#[derive(Debug)]
pub(in crate::transport) struct CoarseClock {
    start: Instant,
    /// Milliseconds since the start.
    now: AtomicU32,
}

impl CoarseClock {
    /// Milliseconds since the worker's start, as of the last sweep. It goes on while the worker lives.
    pub(in crate::transport) fn now(&self) -> u32 {
        self.now.load(Relaxed)
    }
}

pub(in crate::transport) struct Deadlines {
    clock: Arc<CoarseClock>,
    connections: Mutex<Vec<Weak<ConnectionProgress>>>,
    draining: AtomicBool,
}

impl Deadlines {
    pub(in crate::transport) fn new() -> Self {
        let clock = Arc::new(CoarseClock { start: Instant::now(), now: AtomicU32::new(0) });
        Self { clock, connections: Mutex::new(Vec::new()), draining: AtomicBool::new(false) }
    }

    pub(in crate::transport) fn clock(&self) -> Arc<CoarseClock> {
        self.clock.clone()
    }

    pub(super) fn register(&self) -> Arc<ConnectionProgress> {
        let mut connections = self.connections.lock();
        // Read under the lock, so that a drain that begins now finds this connection in the list.
        let draining = self.draining.load(Relaxed);
        let instruction = if draining { Instruction::Drain } else { Instruction::Continue };
        let progress = Arc::new(ConnectionProgress {
            clock: self.clock.clone(),
            phase: AtomicU8::new(Phase::Idle as u8),
            since: AtomicU32::new(self.clock.now.load(Relaxed)),
            instruction: AtomicU8::new(instruction as u8),
            open_requests: AtomicU32::new(0),
            waker: OnceLock::new(),
        });
        connections.push(Arc::downgrade(&progress));
        progress
    }

    /// Lets every connection, present and future, finish its open requests and close.
    pub(in crate::transport) fn drain(&self) {
        self.draining.store(true, Relaxed);
        self.for_each(|progress| progress.instruct(Instruction::Drain));
    }

    pub(in crate::transport) fn abort(&self) {
        self.draining.store(true, Relaxed);
        self.for_each(|progress| progress.instruct(Instruction::Abort));
    }

    /// Checks every connection at each `timeouts.sweep`, and has what requests left on the thread's stack wiped. Never returns.
    pub(in crate::transport) async fn sweep(&self, timeouts: &Timeouts, crowded: impl Fn() -> bool) {
        let mut interval = tokio::time::interval(timeouts.sweep);
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            interval.tick().await;
            // It wraps after 49 days, and so do differences of it.
            let now = self.clock.start.elapsed().as_millis() as u32;
            self.clock.now.store(now, Relaxed);
            let crowded = crowded();
            self.for_each(|progress| {
                if let Some(instruction) = progress.overdue(now, timeouts, crowded) {
                    progress.instruct(instruction);
                }
            });
            stack::request_wipe();
        }
    }

    /// Calls `apply` for each open connection, and forgets closed ones.
    fn for_each(&self, apply: impl Fn(&ConnectionProgress)) {
        self.connections
            .lock()
            .retain(|connection| connection.upgrade().inspect(|progress| apply(progress)).is_some());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_phase_has_its_timeout_and_its_instruction() {
        let timeouts = Timeouts::default();
        let deadlines = Deadlines::new();
        let progress = deadlines.register();
        for (phase, ms, instruction) in [
            (Phase::Idle, 10_001, Instruction::CloseIdle),
            (Phase::Head, 10_001, Instruction::RejectLateHead),
            (Phase::Busy, 60_001, Instruction::Abort),
            (Phase::Writing, 30_001, Instruction::Abort),
            (Phase::Lingering, 2_001, Instruction::Abort),
        ] {
            progress.enter(phase);
            assert_eq!(progress.overdue(ms, &timeouts, false), Some(instruction));
            assert_eq!(progress.overdue(ms - 1, &timeouts, false), None);
        }
        progress.enter(Phase::Idle);
        assert_eq!(progress.overdue(5_001, &timeouts, true), Some(Instruction::CloseIdle));
        progress.enter(Phase::Head);
        assert_eq!(progress.overdue(5_001, &timeouts, true), Some(Instruction::RejectLateHead));
    }

    #[test]
    fn a_milder_instruction_does_not_replace_a_stricter_one() {
        let progress = Deadlines::new().register();
        progress.instruct(Instruction::Abort);
        progress.instruct(Instruction::Drain);
        assert_eq!(progress.instruction(), Instruction::Abort);
    }

    #[test]
    fn a_connection_that_is_accepted_during_a_drain_is_drained() {
        let deadlines = Deadlines::new();
        deadlines.drain();
        assert_eq!(deadlines.register().instruction(), Instruction::Drain);
    }
}
