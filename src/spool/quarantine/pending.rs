//! Steps 6 and 7 of [requeueing](super::requeue): the collector installs the segments that an operator requeued.
//!
//! The shipper's task calls this at the start and every second, so no segment is installed while another is quarantined.

use std::io;
use std::path::Path;

use crate::spool::accounting::contents::SegmentContents;
use crate::spool::delivery::spool::Spool;
use crate::spool::log::error::SpoolError;
use crate::spool::log::files::{REQUEUE, segment_ids_if_any};
use crate::spool::log::recovery::load_segment;
use crate::spool::log::segment::SegmentId;

impl Spool {
    /// Moves requeued segments into the queue; returns their ids. A damaged one is quarantined again. What a failing disk interrupts is
    /// finished by the next call.
    pub(crate) fn install_requeued(&self) -> Result<Vec<SegmentId>, SpoolError> {
        let requeue = self.directory().join(REQUEUE);
        let ids = segment_ids_if_any(self.disk(), &requeue)?;
        // Noted before any is moved: a disk may report an error for a move that it has done.
        let mut pending = self.pending_requeues.lock();
        pending.extend(ids);
        pending.sort_unstable_by_key(|id| id.creation_order());
        pending.dedup();
        let mut installed = Vec::new();
        while let Some(&id) = pending.first() {
            if self.install_one(&requeue, id)? {
                installed.push(id);
            }
            pending.remove(0);
        }
        Ok(installed)
    }

    /// Moves one segment, unless that was done. Returns `false` when it is damaged, or gone.
    fn install_one(&self, requeue: &Path, id: SegmentId) -> Result<bool, SpoolError> {
        let path = self.directory().join(id.file_name());
        let is_gone = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
        let moved = || {
            match self.disk().rename(&requeue.join(id.file_name()), &path) {
                Err(error) if !is_gone(&error) => return Err(error),
                _ => {}
            }
            self.disk().sync_directory(self.directory())?;
            self.disk().sync_directory(requeue)
        };
        moved().map_err(|source| SpoolError::io("install requeued", &path, source))?;
        match self.disk().read(&path) {
            // The operator took it away, or it was quarantined again and the disk failed to make that durable.
            Err(error) if is_gone(&error) => return Ok(false),
            read => read.map_err(|source| SpoolError::io("read", &path, source))?,
        };
        match load_segment::<SegmentContents>(self.disk(), self.directory(), id)? {
            Some(sealed) => {
                self.enqueue(sealed);
                Ok(true)
            }
            None => {
                tracing::error!(segment = %id, "requeued segment is damaged, quarantined again");
                Ok(false)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spool::log::disk::Disk as _;
    use crate::spool::quarantine::requeue::{RequeueOutcome, requeue_on};
    use crate::spool::testing::*;

    #[test]
    fn a_whole_segment_that_a_failing_disk_does_not_return_does_not_count_as_damaged() {
        for after in 0.. {
            let disk = TestDisk::default();
            let directory = Path::new("/spool");
            let spool = Spool::open_on(Arc::new(disk.clone()), directory, &limits()).unwrap().0;
            wait(append(&spool, 1, &[0, 1]).unwrap()).unwrap();
            spool.close();
            let sealed = spool.oldest_sealed().unwrap();
            spool.quarantine(&sealed, "a test").unwrap();
            let error = Fault::Error { kind: io::ErrorKind::Other, done: false, lasting: false };
            disk.fault_after(after, error);
            let outcome = requeue_on(&disk, directory, sealed.id);
            assert!(!matches!(outcome, Ok(RequeueOutcome::Salvaged { .. })), "after {after} operations");
            if !disk.fault_came() {
                assert!(after > 8, "it takes more operations than that");
                break;
            }
        }
    }

    #[test]
    fn an_interrupted_installation_is_finished_by_the_next_call() {
        for done in [true, false] {
            for after in 0.. {
                let disk = TestDisk::default();
                let directory = Path::new("/spool");
                let open = || Spool::open_on(Arc::new(disk.clone()), directory, &limits()).unwrap().0;
                let spool = open();
                wait(append(&spool, 1, &[0, 1]).unwrap()).unwrap();
                spool.close();
                let id = spool.oldest_sealed().unwrap().id;
                drop(spool);
                let requeue = directory.join(REQUEUE);
                disk.create_directory(&requeue).unwrap();
                disk.rename(&directory.join(id.file_name()), &requeue.join(id.file_name())).unwrap();
                let spool = open();
                disk.fault_after(after, Fault::Error { kind: io::ErrorKind::Other, done, lasting: false });
                let first = spool.install_requeued();
                let came = disk.fault_came();
                disk.clear_fault();
                let mut installed = first.unwrap_or_default();
                installed.extend(spool.install_requeued().unwrap());
                assert_eq!(installed, [id], "after {after} operations, done: {done}");
                assert!(spool.is_waiting(id), "after {after} operations, done: {done}");
                if !came {
                    assert!(after > 4, "it takes more operations than that");
                    break;
                }
            }
        }
    }
}
