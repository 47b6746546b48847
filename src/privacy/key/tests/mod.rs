//! The key's promises under a clock that the test turns: ids change when they must and only then, and an old key is gone.

mod file;
mod filters;
mod turns;

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::sync::atomic::{AtomicI64, Ordering};

use tempfile::TempDir;
use zeroize::Zeroize;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::*;
use crate::privacy::clock::Clock;
use crate::privacy::mac::PseudonymHmac;

/// A wall clock that stands where it was put.
pub(super) struct TestClock(pub(super) AtomicI64);

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(self.0.load(Ordering::Relaxed)).unwrap()
    }

    /// This clock is never set back in tests of what depends on it.
    fn uptime(&self) -> SignedDuration {
        SignedDuration::from_secs(self.0.load(Ordering::Relaxed))
    }
}

/// A key directory that outlives restarts, and its clock.
struct Bench {
    directory: TempDir,
    clock: Arc<TestClock>,
    zone: &'static str,
}

impl Bench {
    fn new(zone: &'static str, now: &str) -> Self {
        let bench = Self {
            directory: tempfile::tempdir().unwrap(),
            clock: Arc::new(TestClock(AtomicI64::new(0))),
            zone,
        };
        bench.set(now);
        bench
    }

    /// In winter it is midnight there at 01:00 UTC.
    fn azores(now: &str) -> Self {
        Self::new("Atlantic/Azores", now)
    }

    fn set(&self, now: &str) {
        self.clock.0.store(at(now).as_second(), Ordering::Relaxed);
    }

    fn open(&self) -> KeyRing {
        self.try_open().unwrap()
    }

    fn try_open(&self) -> Result<KeyRing, KeyError> {
        let zone = TimeZone::get(self.zone).unwrap();
        KeyRing::open(self.directory.path(), true, zone, self.clock.clone())
    }

    fn file(&self) -> PathBuf {
        self.directory.path().join("key")
    }

    /// The key in the file, by the format's description.
    fn stored_key(&self) -> Vec<u8> {
        fs::read(self.file()).unwrap()[27..59].to_vec()
    }
}

pub(super) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(super) fn id(ring: &KeyRing) -> u64 {
    ring.current().mac().part(b"somebody").finish()
}
