//! What a collector finds that an operator put there: segments to be tried again, and records of discarded ones for the audit.
//!
//! It is looked for at the start and every second. Segments are taken up by the task that ships, so that none is while another moves
//! aside; the audit is written by one of its own, since on a full disk it waits for the space that shipping makes.

use std::io;
use std::path::Path;

use crate::spool::log::recovery::{self, ASIDE};
use crate::spool::log::segment::Name;
use crate::spool::quarantine::discard::{DISCARDED, DISCARDING};
use crate::spool::quarantine::requeue::RETRY;
use crate::spool::{Disk, Spool, SpoolError};

impl Spool {
    /// Takes up what lies in `retry/`; returns the names. A segment that turns out damaged goes aside again. What a failing disk cuts
    /// short is ended the next time.
    pub(crate) fn take_up(&self) -> Result<Vec<Name>, SpoolError> {
        let shared = &self.shared;
        let retry = shared.directory.join(RETRY);
        let names = recovery::names_if_any(&*shared.disk, &retry)?;
        // Before any is moved: a disk may say that it failed to, and have done it.
        let mut moving = shared.taking_up.lock();
        moving.extend(names);
        moving.sort_unstable_by_key(|name| (name.number, name.collector));
        moving.dedup();
        let mut taken = Vec::new();
        while let Some(&name) = moving.first() {
            if self.take_up_one(&retry, name)? {
                taken.push(name);
            }
            moving.remove(0);
        }
        Ok(taken)
    }

    /// Moves a segment from `retry/` to those that wait, unless that was done; `false` when it is damaged, or nowhere any more.
    fn take_up_one(&self, retry: &Path, name: Name) -> Result<bool, SpoolError> {
        let shared = &self.shared;
        let path = shared.directory.join(name.file());
        let is_gone = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
        let put_back = || {
            match shared.disk.rename(&retry.join(name.file()), &path) {
                Err(error) if !is_gone(&error) => return Err(error),
                _ => {}
            }
            shared.disk.sync_directory(&shared.directory)?;
            shared.disk.sync_directory(retry)
        };
        put_back().map_err(|source| SpoolError::io("take up", &path, source))?;
        match shared.disk.read(&path) {
            // The operator took it away, or it went aside again and the disk failed to make that durable.
            Err(error) if is_gone(&error) => return Ok(false),
            read => read.map_err(|source| SpoolError::io("read", &path, source))?,
        };
        match recovery::take_in(&*shared.disk, &shared.directory, name)? {
            Some(sealed) => {
                shared.take_in(sealed);
                Ok(true)
            }
            None => {
                tracing::error!(segment = %name, "damaged, and set aside again");
                Ok(false)
            }
        }
    }

    /// Counts the bytes of what lies aside, which others may have added to or deleted.
    pub(crate) fn recount_aside(&self) {
        self.shared.count_aside();
    }

    /// Writes a row of the audit for each segment that was discarded, once. A crash in the middle may write it twice. Waits for
    /// each, on a full disk until there is space; two at a time would write a row each.
    pub(crate) async fn audit_discarded(&self) -> Result<(), SpoolError> {
        let shared = &self.shared;
        let aside = shared.directory.join(ASIDE);
        let files = shared.disk.list(&aside).map_err(|source| SpoolError::io("list", &aside, source))?;
        for name in files.iter().filter_map(|file| file.strip_suffix(DISCARDING)) {
            let (from, to) =
                (aside.join(format!("{name}{DISCARDING}")), aside.join(format!("{name}{DISCARDED}")));
            let failed = |source| SpoolError::io("note", &from, source);
            // Site ids and counts; no row.
            let detail = read_text(&*shared.disk, &from).map_err(failed)?;
            self.append_audit("segment discarded", &detail)?.await?;
            shared
                .disk
                .rename(&from, &to)
                .and_then(|()| shared.disk.sync_directory(&aside))
                .map_err(failed)?;
        }
        Ok(())
    }
}

/// The whole of a file that was written whole.
fn read_text(disk: &dyn Disk, path: &Path) -> io::Result<String> {
    let file = disk.read(path)?;
    let mut text = vec![0; usize::try_from(file.length()?).map_err(io::Error::other)?];
    file.read_at(&mut text, 0)?;
    String::from_utf8(text).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::spool::log::test_disk::{Fault, TestDisk};
    use crate::spool::quarantine::requeue::{Retried, retry_on};
    use crate::spool::tests::{append, limits, wait};

    #[test]
    fn a_whole_segment_that_a_failing_disk_does_not_give_back_is_not_taken_for_a_damaged_one() {
        for after in 0.. {
            let disk = TestDisk::default();
            let directory = Path::new("/spool");
            let spool = Spool::open_on(Arc::new(disk.clone()), directory, &limits()).unwrap().0;
            wait(append(&spool, 1, &[0, 1]).unwrap()).unwrap();
            spool.close();
            let sealed = spool.oldest_sealed().unwrap();
            spool.set_aside(&sealed, "a test").unwrap();
            let error = Fault::Error { kind: io::ErrorKind::Other, done: false, lasting: false };
            disk.fault_after(after, error);
            let told = retry_on(&disk, directory, sealed.name);
            assert!(!matches!(told, Ok(Retried::Salvaged { .. })), "after {after} operations");
            if !disk.fault_came() {
                assert!(after > 8, "it takes more operations than that");
                break;
            }
        }
    }

    #[test]
    fn a_segment_whose_taking_up_a_failing_disk_cut_short_is_taken_up_the_next_time() {
        for done in [true, false] {
            for after in 0.. {
                let disk = TestDisk::default();
                let directory = Path::new("/spool");
                let open = || Spool::open_on(Arc::new(disk.clone()), directory, &limits()).unwrap().0;
                let spool = open();
                wait(append(&spool, 1, &[0, 1]).unwrap()).unwrap();
                spool.close();
                let name = spool.oldest_sealed().unwrap().name;
                drop(spool);
                let retry = directory.join(RETRY);
                disk.create_directory(&retry).unwrap();
                disk.rename(&directory.join(name.file()), &retry.join(name.file())).unwrap();
                let spool = open();
                disk.fault_after(after, Fault::Error { kind: io::ErrorKind::Other, done, lasting: false });
                let first = spool.take_up();
                let came = disk.fault_came();
                disk.mend();
                let mut taken = first.unwrap_or_default();
                taken.extend(spool.take_up().unwrap());
                assert_eq!(taken, [name], "after {after} operations, done: {done}");
                assert!(spool.holds(name), "after {after} operations, done: {done}");
                if !came {
                    assert!(after > 4, "taking up takes more operations than that");
                    break;
                }
            }
        }
    }
}
