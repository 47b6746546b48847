//! The lock of the quarantine. A command that requeues or discards a segment works beside the collector, which deletes expired events:
//! without the lock the collector could put a file back that the command has just moved away.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::spool::log::disk::Disk;
use crate::spool::log::error::SpoolError;

/// Its name in the spool's directory.
const QUARANTINE_LOCK: &str = "quarantine.lock";

/// How long another process may hold it: the time to read a full segment and to write it again on a slow disk.
const WAIT: Duration = Duration::from_secs(10);

/// Takes the lock, which is held until the returned value is dropped.
///
/// # Errors
/// When another process still holds the lock after 10 s, or when the disk fails.
pub(crate) fn lock_quarantine(disk: &dyn Disk, directory: &Path) -> Result<Box<dyn Send + Sync>, SpoolError> {
    let path = directory.join(QUARANTINE_LOCK);
    let began = Instant::now();
    loop {
        match disk.lock(&path) {
            // The disk itself pauses between its attempts.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && began.elapsed() < WAIT => {}
            lock => return lock.map_err(|source| SpoolError::io("lock", &path, source)),
        }
    }
}
