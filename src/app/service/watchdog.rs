//! Signs of life: whether the threads that beacons depend on make progress.
//!
//! | thread | how it shows progress |
//! |---|---|
//! | accept | it counts its rounds, also while no connection comes |
//! | worker | its clock goes on with each sweep over its connections, twice a second |
//! | spool | the writer answers a question that lies beside the records it waits for |
//! | background | the watchdog runs on it |
//!
//! A sign of life is sent only when all of them made progress since the last check. So a disk that hangs in a sync, a lock that nobody
//! releases and a thread that panicked have one end: the service manager kills the process, and recovery finds every acknowledged
//! event.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::notify::ServiceManager;
use crate::spool::Spool;
use crate::transport::ServerProgress;

/// Between two checks, if no service manager asks for more. Threads show progress each half second.
const INTERVAL: Duration = Duration::from_secs(5);
const SHORTEST_INTERVAL: Duration = Duration::from_secs(1);
const LONGEST_INTERVAL: Duration = Duration::from_secs(10);
/// Checks within the time that the service manager waits: one that fails on a busy machine is followed by others.
const CHECKS: u32 = 4;
/// How long a thread may make no progress before `/healthz` says so. A disk may take some seconds.
const STUCK_AFTER: Duration = Duration::from_secs(60);

/// Values of label `thread` of `footfall_watchdog_failures_total`.
pub(crate) const THREADS: [&str; 3] = ["accept", "worker", "spool"];

/// The result of the checks, for `/healthz`.
#[derive(Clone)]
pub(crate) struct Liveness(Arc<Mutex<LastCheck>>);

struct LastCheck {
    /// When all threads were last found making progress.
    alive: Instant,
    stuck: Vec<&'static str>,
}

impl Liveness {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(LastCheck { alive: Instant::now(), stuck: Vec::new() })))
    }

    /// # Errors
    /// With the threads that have made no progress for a minute.
    pub(crate) fn check(&self) -> Result<String, String> {
        let last = self.0.lock();
        if last.alive.elapsed() < STUCK_AFTER {
            Ok("ok".to_owned())
        } else {
            Err(format!("no progress for {} s: {}", last.alive.elapsed().as_secs(), last.stuck.join(", ")))
        }
    }
}

pub(crate) struct Watchdog {
    pub(crate) manager: ServiceManager,
    pub(crate) spool: Arc<Spool>,
    pub(crate) server: ServerProgress,
    pub(crate) liveness: Liveness,
}

impl Watchdog {
    /// Checks the threads until the task is aborted. `status` is what the service manager shows.
    pub(crate) async fn run(self, status: impl Fn() -> String) {
        let watchdog = self.manager.watchdog;
        let interval =
            watchdog.map_or(INTERVAL, |limit| (limit / CHECKS).clamp(SHORTEST_INTERVAL, LONGEST_INTERVAL));
        let mut seen = (self.server.accepts(), self.server.workers());
        let mut was_stuck = Vec::new();
        loop {
            self.spool.ask_writer();
            tokio::time::sleep(interval).await;
            let found = (self.server.accepts(), self.server.workers());
            let stuck = self.stuck(&seen, &found);
            seen = found;
            for &thread in &stuck {
                metrics::counter!("footfall_watchdog_failures_total", "thread" => thread).increment(1);
            }
            if stuck != was_stuck {
                log(&stuck);
            }
            if stuck.is_empty() {
                self.manager.alive(&status());
            } else {
                self.manager.status(&format!("no progress: {}", stuck.join(", ")));
            }
            let mut last = self.liveness.0.lock();
            if stuck.is_empty() {
                last.alive = Instant::now();
            }
            last.stuck.clone_from(&stuck);
            was_stuck = stuck;
        }
    }

    /// The threads that made no progress between two looks at the server, or since the writer was asked.
    fn stuck(&self, seen: &(u64, Vec<u32>), found: &(u64, Vec<u32>)) -> Vec<&'static str> {
        let worker = seen.1.iter().zip(&found.1).any(|(before, after)| before == after);
        let stuck = [seen.0 == found.0, worker, !self.spool.writer_answered()];
        THREADS.into_iter().zip(stuck).filter_map(|(thread, stuck)| stuck.then_some(thread)).collect()
    }
}

fn log(stuck: &[&str]) {
    if stuck.is_empty() {
        tracing::info!("all threads make progress again");
    } else {
        let threads = stuck.join(", ");
        tracing::error!(
            threads,
            "threads make no progress; the service manager is not told that the process is alive"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_may_be_stuck_for_a_minute_before_the_health_check_fails() {
        let minute_ago = Instant::now().checked_sub(STUCK_AFTER).expect("the machine runs for longer");
        let at = |alive| Liveness(Arc::new(Mutex::new(LastCheck { alive, stuck: vec!["spool"] })));
        assert!(at(minute_ago + Duration::from_secs(30)).check().is_ok());
        let error = at(minute_ago).check().unwrap_err();
        assert!(error.starts_with("no progress for 6") && error.ends_with(" s: spool"), "{error}");
    }
}
