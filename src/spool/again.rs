//! What a collector finds that an operator put there: segments to be tried again, and records of discarded ones for the audit.
//!
//! It is looked for at the start and every second. Segments are taken up by the task that ships, so that none is while another moves
//! aside; the audit is written by one of its own, since on a full disk it waits for the space that shipping makes.

use std::io;
use std::path::Path;
use std::sync::atomic::Ordering;

use super::aside::{DISCARDED, DISCARDING, RETRY};
use super::recovery::{self, ASIDE};
use super::segment::Name;
use super::{Disk, Spool, SpoolError};

impl Spool {
    /// Takes up what lies in `retry/`; returns the names. A segment that turns out damaged goes aside again.
    pub(crate) fn take_up(&self) -> Result<Vec<Name>, SpoolError> {
        let shared = &self.shared;
        let retry = shared.directory.join(RETRY);
        let files = match shared.disk.list(&retry) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            listed => listed.map_err(|source| SpoolError::io("list", &retry, source))?,
        };
        let mut taken = Vec::new();
        for name in files.iter().filter_map(|file| Name::of_file(file)) {
            let path = shared.directory.join(name.file());
            let put_back = || {
                shared.disk.rename(&retry.join(name.file()), &path)?;
                shared.disk.sync_directory(&shared.directory)?;
                shared.disk.sync_directory(&retry)
            };
            put_back().map_err(|source| SpoolError::io("take up", &path, source))?;
            match recovery::take_in(&*shared.disk, &shared.directory, name)? {
                Some(sealed) => {
                    shared.queue.on_disk.fetch_add(sealed.bytes, Ordering::Relaxed);
                    shared.push_in_order(sealed);
                    taken.push(name);
                }
                None => tracing::error!(segment = %name, "damaged, and set aside again"),
            }
        }
        Ok(taken)
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
