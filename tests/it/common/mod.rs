//! What integration tests share: a collector in a directory of its own, its store, plain HTTP, free ports.
//!
//! Everything here is a real process and a real socket. Nothing is mocked, and nothing outlives its test: a process
//! that a test started is ended when the test drops it, by its own id.

// Each test module uses its own part of this.
#![allow(dead_code, unused_imports)]

pub mod beacon;
pub mod collector;
pub mod http;
pub mod ports;
pub mod process;
pub mod store;

pub use beacon::{good_beacon, page_load_id};
pub use collector::Collector;
pub use http::{Answer, Http};
pub use store::{Store, StoreProcess};

use std::time::{Duration, Instant};

/// Asks `done` until it says yes, and fails after `patience` with what was waited for.
#[track_caller]
pub fn eventually(what: &str, patience: Duration, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + patience;
    while !done() {
        assert!(Instant::now() < end, "waited {patience:?} in vain: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The seed of this run: `TEST_SEED` repeats one, otherwise a new one is drawn and printed.
pub fn seed() -> u64 {
    let seed = match std::env::var("TEST_SEED") {
        Ok(text) => text.parse().expect("TEST_SEED must be a number"),
        Err(_) => fastrand::u64(..),
    };
    println!("repeat this run with TEST_SEED={seed}");
    seed
}
