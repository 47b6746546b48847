//! Shared by integration tests, chaos tests and benchmarks: collectors, stores, an HTTP client, free ports.
//!
//! Everything is a real process and a real socket; nothing is mocked. Dropping a [`Collector`] or a [`StoreProcess`]
//! ends its process.

// Each user of this module needs only a part of it.
#![allow(dead_code, unused_imports)]

pub mod beacon;
pub mod collector;
pub mod http;
pub mod ports;
pub mod process;
pub mod pseudonyms;
pub mod store;

pub use beacon::{good_beacon, page_load_id};
pub use collector::Collector;
pub use http::{HttpConnection, HttpResponse};
pub use pseudonyms::EpochKeys;
pub use store::{StoreClient, StoreProcess};

use std::error::Error;
use std::fmt::Debug;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// [`eventually`] checks its condition at least this often.
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// Waits until `done` returns true. Fails after [`allowed`] time and names the condition.
#[track_caller]
pub fn eventually(what: &str, timeout: Duration, mut done: impl FnMut() -> bool) {
    let started = Instant::now();
    let mut pause = Duration::from_millis(1);
    while !done() {
        let elapsed = started.elapsed();
        assert!(elapsed < timeout || elapsed < allowed(timeout), "not within {elapsed:?}: {what}");
        std::thread::sleep(pause);
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// The time that work may take if it takes at most `timeout` on a machine with no more running tasks than cores.
///
/// Work takes longer in proportion to the tasks that share a core.
pub fn allowed(timeout: Duration) -> Duration {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let running: f64 = load.split(' ').next().and_then(|number| number.parse().ok()).unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    timeout.mul_f64((running / cores as f64).max(1.0))
}

/// Sets the flag when it is dropped.
///
/// A test that fails would else wait for ever for the threads of its scope, which run until the flag is set.
pub struct SetOnDrop<'a>(pub &'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Waits until `progress` returns `None`. Fails if its value does not change for `timeout`.
///
/// For work whose duration depends on the machine's load.
#[track_caller]
pub fn eventually_while_progressing<T: PartialEq + Debug>(
    what: &str,
    timeout: Duration,
    mut progress: impl FnMut() -> Option<T>,
) {
    let mut last = None;
    let mut changed = Instant::now();
    while let Some(now) = progress() {
        if last.as_ref() != Some(&now) {
            last = Some(now);
            changed = Instant::now();
        }
        assert!(changed.elapsed() < timeout, "no progress for {timeout:?} from {last:?}: {what}");
        std::thread::sleep(LONGEST_PAUSE);
    }
}

/// An error and its causes, as the program prints them.
pub fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text += &format!(": {error}");
        cause = error.source();
    }
    text
}

/// The name of a time zone where it is between noon and 1 p.m. now. No day ends and no key rotates during the test.
pub fn noon_zone() -> String {
    let hour = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).hour();
    // These names give the hours west of Greenwich.
    format!("Etc/GMT{:+}", hour - 12)
}

/// Returns the seed in `TEST_SEED`, or draws a new one, and prints it.
pub fn seed() -> u64 {
    let seed = match std::env::var("TEST_SEED") {
        Ok(text) => text.parse().expect("TEST_SEED must be a number"),
        Err(_) => fastrand::u64(..),
    };
    println!("repeat this run with TEST_SEED={seed}");
    seed
}
