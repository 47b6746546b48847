//! A load generator for beacons over loopback: one thread, non-blocking sockets, keep-alive, no pipelining.
//!
//! It serves the end-to-end benchmark and the fault tests alike, so that what is measured is also what is proven. It
//! is a closed loop: a connection sends its next beacon when the one before is answered. It refuses to guess: a beacon
//! counts as taken only after a whole 204, and one that was not answered is sent again with the same numbers.

// The benchmark and the tests each use a part of this.
#![allow(dead_code, unused_imports)]

mod connection;
mod histogram;
mod ledger;
mod traffic;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use mio::{Events, Poll, Token};

use connection::{Connection, Turn};
pub use histogram::Histogram;
pub use ledger::Ledger;
pub use traffic::{HOST, Traffic, base36, user_agents};

/// Shortest pause before a beacon that failed is sent again: long enough to spare a restarting server, short enough for tests.
pub const RETRY_PAUSE: Duration = Duration::from_millis(50);
/// The longest that an answer may take before the connection counts as dead.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// How often clocks are looked at when nothing happens.
const TICK: Duration = Duration::from_millis(5);

#[derive(Debug, Clone)]
pub struct Plan {
    pub target: SocketAddr,
    /// Connections, all open at once.
    pub connections: usize,
    /// Events in each beacon.
    pub events: u32,
    pub site: String,
    /// The same seed sends the same beacons.
    pub seed: u64,
    /// Beacons a second over all connections; absent means as fast as answers come.
    pub rate: Option<u32>,
    /// The longest pause before a beacon that failed is sent again; each is drawn between [`RETRY_PAUSE`] and this.
    pub longest_pause: Duration,
}

#[derive(Debug, Default)]
pub struct Outcome {
    /// Beacons answered 204.
    pub taken: u64,
    /// Answers other than 204, by status.
    pub refused: std::collections::BTreeMap<u16, u64>,
    /// Connections that broke or could not be made.
    pub broken: u64,
    /// From the first byte sent to the last byte received, for beacons answered 204.
    pub latency: Histogram,
    /// From the first beacon to the last answer.
    pub elapsed: Duration,
}

impl Outcome {
    /// Beacons answered 204 a second.
    pub fn per_second(&self) -> f64 {
        self.taken as f64 / self.elapsed.as_secs_f64()
    }
}

/// Sends for `time`, then returns without waiting for what is still unanswered.
///
/// # Errors
/// When the sockets of this machine fail; a server that fails is part of the outcome.
pub fn run(plan: &Plan, time: Duration) -> io::Result<Outcome> {
    let mut generator = Generator::new(plan, None)?;
    let end = Instant::now() + time;
    while Instant::now() < end {
        generator.turn(true)?;
    }
    Ok(generator.finish())
}

/// A load that runs in a thread of its own until it is told to stop.
pub struct Running {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<io::Result<(Outcome, Ledger)>>,
}

impl Running {
    /// Every acknowledged event goes into `ledger`.
    pub fn start(plan: Plan, ledger: Ledger) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let told = stop.clone();
        let thread = std::thread::spawn(move || {
            let mut generator = Generator::new(&plan, Some(ledger))?;
            while !told.load(Ordering::Relaxed) {
                generator.turn(true)?;
            }
            // What was sent must be settled, or the ledger could not say what the store ought to hold.
            let patience = Instant::now() + Duration::from_secs(120);
            while !generator.settled() {
                if Instant::now() > patience {
                    return Err(io::Error::new(
                        io::ErrorKind::TimedOut,
                        format!(
                            "beacons are still refused 120 s after the end: {:?}",
                            generator.outcome.refused
                        ),
                    ));
                }
                generator.turn(false)?;
            }
            let ledger = generator.ledger.take().expect("the ledger was handed in above");
            Ok((generator.finish(), ledger))
        });
        Self { stop, thread }
    }

    /// Sends no new beacons, repeats the unacknowledged ones until each is acknowledged, and reports.
    pub fn stop(self) -> (Outcome, Ledger) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the load generator panicked").expect("the load generator failed")
    }
}

struct Generator {
    poll: Poll,
    ready: Events,
    connections: Vec<Connection>,
    traffic: Traffic,
    ledger: Option<Ledger>,
    outcome: Outcome,
    started: Instant,
    rate: Option<u32>,
    longest_pause: Duration,
    rng: fastrand::Rng,
    sent: u64,
    ticked: Instant,
}

impl Generator {
    fn new(plan: &Plan, ledger: Option<Ledger>) -> io::Result<Self> {
        let now = Instant::now();
        let mut traffic = Traffic::new(plan.seed, &plan.site, plan.target, plan.events);
        let connections = (0..plan.connections)
            .map(|token| Connection::new(plan.target, Token(token), traffic.page_load()))
            .collect();
        Ok(Self {
            poll: Poll::new()?,
            ready: Events::with_capacity(plan.connections.max(16)),
            connections,
            traffic,
            ledger,
            outcome: Outcome::default(),
            started: now,
            rate: plan.rate,
            longest_pause: plan.longest_pause,
            rng: fastrand::Rng::with_seed(plan.seed),
            sent: 0,
            ticked: now - TICK,
        })
    }

    /// Waits for sockets once and moves every connection on that can move; `fresh` allows new beacons.
    fn turn(&mut self, fresh: bool) -> io::Result<()> {
        let now = Instant::now();
        if now.duration_since(self.ticked) >= TICK {
            self.ticked = now;
            for index in 0..self.connections.len() {
                self.wake(index, now, fresh)?;
            }
            if let Some(ledger) = &mut self.ledger {
                ledger.sync()?;
            }
        }
        if let Err(error) = self.poll.poll(&mut self.ready, Some(TICK))
            && error.kind() != io::ErrorKind::Interrupted
        {
            return Err(error);
        }
        let ready: Vec<usize> = self.ready.iter().map(|event| event.token().0).collect();
        for index in ready {
            let turn = self.connections[index].advance();
            self.settle(index, turn, fresh)?;
        }
        Ok(())
    }

    /// Moves on a connection that waits for time to pass rather than for its socket.
    fn wake(&mut self, index: usize, now: Instant, fresh: bool) -> io::Result<()> {
        if self.connections[index].silent_for(now) > ANSWER_TIMEOUT {
            self.outcome.broken += 1;
            let pause = self.pause();
            self.connections[index].close(now + pause);
        }
        if !self.connections[index].resting(now) {
            return Ok(());
        }
        self.send(index, fresh)
    }

    /// Sends the beacon that is due: an unacknowledged one again, or a fresh one.
    fn send(&mut self, index: usize, fresh: bool) -> io::Result<()> {
        if !self.connections[index].has_beacon() {
            if !fresh || !self.due() {
                return Ok(());
            }
            self.sent += 1;
            let connection = &mut self.connections[index];
            if connection.page.over() {
                connection.page = self.traffic.page_load();
            }
            let (page, request) = connection.next_beacon();
            self.traffic.beacon(page, request);
        }
        let turn = self.connections[index].send(self.poll.registry());
        self.settle(index, turn, fresh)
    }

    /// Whether the rate allows another beacon now.
    fn due(&self) -> bool {
        self.rate
            .is_none_or(|rate| (self.sent as f64) < self.started.elapsed().as_secs_f64() * f64::from(rate))
    }

    fn settle(&mut self, index: usize, turn: Turn, fresh: bool) -> io::Result<()> {
        let pause = self.pause();
        let connection = &mut self.connections[index];
        match turn {
            Turn::Waiting => Ok(()),
            Turn::Broken => {
                self.outcome.broken += 1;
                connection.close(Instant::now() + pause);
                Ok(())
            }
            Turn::Answered { status: 204, took } => {
                self.outcome.taken += 1;
                self.outcome.latency.record(took);
                let (page_load, first, events) = connection.acknowledged();
                if let Some(ledger) = &mut self.ledger {
                    ledger.note(page_load, first, events)?;
                }
                self.send(index, fresh)
            }
            Turn::Answered { status, .. } => {
                *self.outcome.refused.entry(status).or_default() += 1;
                connection.rest(Instant::now() + pause);
                Ok(())
            }
        }
    }

    fn pause(&mut self) -> Duration {
        RETRY_PAUSE + self.longest_pause.saturating_sub(RETRY_PAUSE).mul_f64(self.rng.f64())
    }

    fn settled(&self) -> bool {
        self.connections.iter().all(|connection| !connection.has_beacon())
    }

    fn finish(mut self) -> Outcome {
        self.outcome.elapsed = self.started.elapsed();
        self.outcome
    }
}

#[cfg(test)]
mod tests;
