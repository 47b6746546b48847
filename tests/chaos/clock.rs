//! Sets the collector's clock with Debian's `libfaketime`. Without that library, the clock is not changed.

use std::path::{Path, PathBuf};

use crate::common::Collector;

const LIBRARY: &str = "libfaketimeMT.so.1";

pub struct AdjustableClock {
    /// Contains the offset from the true time in seconds; `libfaketime` reads it once a second.
    offset: PathBuf,
}

impl AdjustableClock {
    /// Keeps the offset in a file in `directory`. Returns `None` if the library is not installed.
    pub fn new(directory: &Path) -> Option<Self> {
        library()?;
        let clock = Self { offset: directory.join("clock") };
        clock.set(0);
        Some(clock)
    }

    /// Makes a collector that does not run yet use this clock.
    pub fn install_in(&self, collector: Collector) -> Collector {
        let library = library().expect("`new` has found it");
        collector
            .environment("LD_PRELOAD", library)
            .environment("FAKETIME_TIMESTAMP_FILE", &self.offset)
            .environment("FAKETIME_CACHE_DURATION", "1")
            .environment("FAKETIME_DONT_FAKE_MONOTONIC", "1")
    }

    /// Sets the offset from the true time; a negative one sets the clock back.
    pub fn set(&self, seconds: i64) {
        let new = self.offset.with_extension("new");
        std::fs::write(&new, format!("{seconds:+}\n")).expect("the clock's file can be written");
        std::fs::rename(&new, &self.offset).expect("the clock's file can be replaced");
    }
}

/// Removes the shared memory that the library leaves behind when its process is killed.
pub fn remove_leftovers(pid: u32) {
    for name in [format!("faketime_shm_{pid}"), format!("sem.faketime_sem_{pid}")] {
        let _ = std::fs::remove_file(Path::new("/dev/shm").join(name));
    }
}

fn library() -> Option<PathBuf> {
    let directories = std::fs::read_dir("/usr/lib").ok()?;
    directories.flatten().map(|entry| entry.path().join("faketime").join(LIBRARY)).find(|path| path.exists())
}
