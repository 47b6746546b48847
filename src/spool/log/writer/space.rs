//! The reserve: appends are refused while the file system has less free space than this.
//!
//! The writer checks the space, because other programs may fill the disk too: before a batch if the last check is a second old, after some
//! bytes, at each seal, and every second while space is short. Batches that were accepted by then are written into the reserve.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::spool::log::disk::{Disk, Space};
use crate::spool::log::error::SpoolError;

/// How old a check may be. So it takes at most a second to notice a disk that others fill, and space that became free.
/// Tests do not wait that long.
pub(crate) const CHECK_EVERY: Duration =
    if cfg!(test) { Duration::from_millis(5) } else { Duration::from_secs(1) };
/// Bytes that may be written between two checks: far below any reserve, and enough to hide the cost of a check.
const CHECK_AFTER: u64 = 4 << 20;
/// The reserve if none is configured: eight times what may wait in memory, and room for a store on the same disk to merge.
const DEFAULT_RESERVE: u64 = 256 << 20;
/// On a small disk the default reserve is this fraction of it.
const SMALL_DISK_FRACTION: u64 = 20;

/// The reserve on a file system: the configured one, or the default.
pub(crate) fn reserve(configured: Option<u64>, space: Space) -> u64 {
    configured.unwrap_or(DEFAULT_RESERVE.min(space.total / SMALL_DISK_FRACTION))
}

#[derive(Debug)]
pub(crate) struct SpaceMonitor {
    reserve: Option<u64>,
    checked: Option<Instant>,
    /// Bytes written since the last check.
    written: u64,
}

impl SpaceMonitor {
    pub(crate) fn new(reserve: Option<u64>) -> Self {
        Self { reserve, checked: None, written: 0 }
    }

    /// Adds `bytes` that were written. Returns whether a check is due.
    pub(crate) fn is_due(&mut self, bytes: u64) -> bool {
        self.written += bytes;
        self.written >= CHECK_AFTER || self.checked.is_none_or(|checked| checked.elapsed() >= CHECK_EVERY)
    }

    /// Returns [`SpoolError::NoSpace`] when less than the reserve is free. A disk that does not tell counts as having enough.
    pub(crate) fn check(&mut self, disk: &dyn Disk, directory: &Path) -> Option<SpoolError> {
        (self.checked, self.written) = (Some(Instant::now()), 0);
        let space = disk.space(directory).ok()?;
        let reserve = reserve(self.reserve, space);
        (space.free < reserve).then_some(SpoolError::NoSpace { free: space.free, reserve })
    }
}
