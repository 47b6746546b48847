//! Bytes that the spool takes on the disk: its segments and everything in quarantine.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use super::disk::Disk;
use super::error::SpoolError;
use super::files::{self, QUARANTINE};

/// Bytes on disk. The writer, and everything that removes segments, keeps them up to date.
#[derive(Debug)]
pub(crate) struct DiskUsage {
    total: AtomicU64,
    /// The part of `total` that lies in quarantine.
    quarantined: AtomicU64,
}

impl DiskUsage {
    /// `segments` bytes of segments, and `quarantined` ones beside them.
    pub(crate) fn new(segments: u64, quarantined: u64) -> Self {
        Self { total: (segments + quarantined).into(), quarantined: quarantined.into() }
    }

    pub(crate) fn total(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }

    pub(crate) fn add(&self, bytes: u64) {
        self.total.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn subtract(&self, bytes: u64) {
        self.total.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Replaces the bytes of one thing by its new length.
    pub(crate) fn replace(&self, before: u64, now: u64) {
        // Wraps back to the right sum when there is less than before.
        self.total.fetch_add(now.wrapping_sub(before), Ordering::Relaxed);
    }

    /// Measures the quarantine again. Commands in other processes change it.
    pub(crate) fn recount_quarantine(&self, disk: &dyn Disk, directory: &Path) {
        // A disk that returns an error leaves the number as it was, until the next time.
        if let Ok(now) = quarantined_bytes(disk, directory) {
            let before = self.quarantined.swap(now, Ordering::Relaxed);
            self.replace(before, now);
        }
    }
}

pub(crate) fn quarantined_bytes(disk: &dyn Disk, directory: &Path) -> Result<u64, SpoolError> {
    let quarantine = directory.join(QUARANTINE);
    let files = disk.list(&quarantine).map_err(|source| SpoolError::io("list", &quarantine, source))?;
    let mut sum = 0;
    for path in files.iter().map(|file| quarantine.join(file)) {
        match files::length(disk, &path) {
            Ok(bytes) => sum += bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(SpoolError::io("read", &path, source)),
        }
    }
    Ok(sum)
}
