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
pub mod store;

pub use beacon::{good_beacon, page_load_id};
pub use collector::Collector;
pub use http::{HttpConnection, HttpResponse};
pub use store::{StoreClient, StoreProcess};

use std::fmt::Debug;
use std::time::{Duration, Instant};

/// [`eventually`] checks its condition at least this often.
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// Waits until `done` returns true. Fails after `timeout` and names the condition.
#[track_caller]
pub fn eventually(what: &str, timeout: Duration, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + timeout;
    let mut pause = Duration::from_millis(1);
    while !done() {
        assert!(Instant::now() < end, "not within {timeout:?}: {what}");
        std::thread::sleep(pause);
        pause = (pause * 2).min(LONGEST_PAUSE);
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
