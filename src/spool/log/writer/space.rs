//! The space that is kept free on the spool's file system, so that beacons are refused before the disk is full.
//!
//! Whoever fills the disk, it is looked at by the one who writes: before a batch when the last look is a second old, after
//! so many bytes, at each seal, and every second while it is short. What was taken by then is written into the reserve.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::spool::SpoolError;
use crate::spool::log::disk::Disk;

/// How old a look may be: a disk that others fill is noticed, and space that came is used, within a second. Tests do not wait that long.
pub(crate) const LOOK_EVERY: Duration =
    if cfg!(test) { Duration::from_millis(5) } else { Duration::from_secs(1) };
/// Bytes that may be written from one look to the next: far below any reserve, and dear enough to hide the look.
const LOOK_AFTER: u64 = 4 << 20;
/// The reserve where none is set: eight times what may wait in memory, and room for a store on the same disk to merge.
const DEFAULT_RESERVE: u64 = 256 << 20;
/// On a small disk it is this part of the whole.
const SMALL_DISK_PART: u64 = 20;

/// Looks at the space that is left.
#[derive(Debug)]
pub(crate) struct Watch {
    reserve: Option<u64>,
    looked: Option<Instant>,
    written: u64,
}

impl Watch {
    pub(crate) fn new(reserve: Option<u64>) -> Self {
        Self { reserve, looked: None, written: 0 }
    }

    /// Whether it is time to look again, now that so many bytes more were written.
    pub(crate) fn is_due(&mut self, bytes: u64) -> bool {
        self.written += bytes;
        self.written >= LOOK_AFTER || self.looked.is_none_or(|looked| looked.elapsed() >= LOOK_EVERY)
    }

    /// Looks. [`SpoolError::NoSpace`] when less is left than is to be kept; nothing when there is enough or the disk does
    /// not say.
    pub(crate) fn look(&mut self, disk: &dyn Disk, directory: &Path) -> Option<SpoolError> {
        (self.looked, self.written) = (Some(Instant::now()), 0);
        let space = disk.space(directory).ok()?;
        metrics::gauge!("footfall_spool_free_bytes").set(space.free as f64);
        let reserve = self.reserve.unwrap_or(DEFAULT_RESERVE.min(space.total / SMALL_DISK_PART));
        (space.free < reserve).then_some(SpoolError::NoSpace { free: space.free, reserve })
    }
}
