//! Quarantines a segment that the store refuses, or that cannot be read back.

use std::io;

use crate::spool::delivery::queue::SealedSegment;
use crate::spool::delivery::spool::Spool;
use crate::spool::log::error::SpoolError;
use crate::spool::log::recovery::quarantine_file::{quarantine_file, quarantine_file_without_reason};

impl Spool {
    /// Moves a segment into quarantine with the reason beside it. On a full disk the reason is left out: the segments behind this one must
    /// be shipped, or there will never be space. It still counts towards the maximum of bytes.
    ///
    /// # Errors
    /// When the disk fails. The segment then still waits, unless its file is gone.
    pub fn quarantine(&self, sealed: &SealedSegment, reason: &str) -> Result<(), SpoolError> {
        let (disk, directory) = (self.disk(), self.directory());
        let moved = match quarantine_file(disk, directory, sealed.id, reason) {
            Err(error) if error.is_no_space() => {
                tracing::warn!(segment = %sealed.id, reason, "no space for the reason, quarantining the segment without it");
                quarantine_file_without_reason(disk, directory, sealed.id)
            }
            moved => moved,
        };
        let path = directory.join(sealed.id.file_name());
        let is_gone = || disk.read(&path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound);
        // A move that a failing disk did not make durable has still taken the file away.
        if moved.is_ok() || is_gone() {
            self.forget(sealed);
        }
        self.recount_quarantine();
        moved
    }

    /// Measures the quarantine again, because commands add and delete files there.
    pub(crate) fn recount_quarantine(&self) {
        self.log.state.usage.recount_quarantine(self.disk(), self.directory());
    }
}
