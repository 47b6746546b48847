//! The collector's clock, set by Debian's `libfaketime` between it and the system; without that library clocks stay right.

use std::path::{Path, PathBuf};

use crate::common::Collector;

const LIBRARY: &str = "libfaketimeMT.so.1";

/// What a collector's clock is ahead of the true one by.
pub struct Clock {
    offset: PathBuf,
}

impl Clock {
    /// A clock that can be set, kept in `directory`; none without the library.
    pub fn new(directory: &Path) -> Option<Self> {
        library()?;
        let clock = Self { offset: directory.join("clock") };
        clock.set(0);
        Some(clock)
    }

    /// Gives it to a collector that does not run yet.
    pub fn worn_by(&self, collector: Collector) -> Collector {
        let library = library().expect("it was there when the clock was made");
        collector
            .environment("LD_PRELOAD", library)
            .environment("FAKETIME_TIMESTAMP_FILE", &self.offset)
            .environment("FAKETIME_CACHE_DURATION", "1")
            .environment("FAKETIME_DONT_FAKE_MONOTONIC", "1")
    }

    /// Sets it so many seconds ahead of the true time, or behind.
    pub fn set(&self, seconds: i64) {
        let new = self.offset.with_extension("new");
        std::fs::write(&new, format!("{seconds:+}\n")).expect("the clock's file can be written");
        std::fs::rename(&new, &self.offset).expect("the clock's file can be replaced");
    }
}

/// Removes what the library of a killed process left behind.
pub fn forget(pid: u32) {
    for name in [format!("faketime_shm_{pid}"), format!("sem.faketime_sem_{pid}")] {
        let _ = std::fs::remove_file(Path::new("/dev/shm").join(name));
    }
}

fn library() -> Option<PathBuf> {
    let directories = std::fs::read_dir("/usr/lib").ok()?;
    directories.flatten().map(|entry| entry.path().join("faketime").join(LIBRARY)).find(|path| path.exists())
}
