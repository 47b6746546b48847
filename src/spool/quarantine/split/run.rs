//! A split by the running collector.

use std::io;
use std::path::Path;

use super::divide::{DividedFrames, divide};
use super::install::{HALVES, PARTS, finish_splits};
use crate::spool::accounting::contents::SegmentContents;
use crate::spool::delivery::queue::SealedSegment;
use crate::spool::delivery::spool::Spool;
use crate::spool::log::disk::Disk;
use crate::spool::log::error::SpoolError;
use crate::spool::log::files::QUARANTINE;
use crate::spool::log::recovery::load_segment;
use crate::spool::log::segment::Header;
use crate::spool::quarantine::names::SPLIT;
use crate::spool::quarantine::rebuild::{build_segment, derived_id};

impl Spool {
    /// Replaces a segment by its parts. Returns `false` when it has a single event or cannot be divided.
    ///
    /// # Errors
    /// When the disk fails. If the segment is still [waiting](Spool::is_waiting), nothing was changed. Otherwise
    /// [`Spool::finish_splits`], or the next start, finishes the split.
    pub(crate) fn split(&self, sealed: &SealedSegment) -> Result<bool, SpoolError> {
        self.finish_splits()?;
        let (disk, directory) = (self.disk(), self.directory());
        let failed = |source| SpoolError::io("split", &directory.join(sealed.id.file_name()), source);
        let decided = write_parts_and_decide(disk, directory, sealed);
        if matches!(decided, Ok(false)) {
            return Ok(false);
        }
        // A failing disk may report an error for the decision that it has made durable. What has the id after the split is finished
        // is what there is.
        self.forget(sealed);
        self.installed_parts.lock().push(sealed.id);
        self.finish_splits()?;
        decided.or_else(|error| {
            self.is_waiting(derived_id(sealed.id, HALVES[0])).then_some(true).ok_or_else(|| failed(error))
        })
    }

    /// Finishes splits that an error interrupted, and adds their parts to the queue.
    pub(crate) fn finish_splits(&self) -> Result<(), SpoolError> {
        let (disk, directory) = (self.disk(), self.directory());
        let mut installed = self.installed_parts.lock();
        // No part is added before all of them are in their place durably.
        finish_splits(disk, directory, &mut installed)
            .map_err(|source| SpoolError::io("finish a split in", directory, source))?;
        while let Some(&id) = installed.first() {
            match load_segment::<SegmentContents>(disk, directory, id) {
                Ok(part) => part.into_iter().for_each(|part| self.enqueue(part)),
                // Somebody took the file away.
                Err(error) if error.is_missing() => {}
                Err(error) => return Err(error),
            }
            installed.remove(0);
        }
        Ok(())
    }
}

/// Steps 2 and 3.
fn write_parts_and_decide(disk: &dyn Disk, directory: &Path, sealed: &SealedSegment) -> io::Result<bool> {
    let path = directory.join(sealed.id.file_name());
    let file = disk.read(&path)?;
    let (header, start) = Header::read(&*file)?.map_err(io::Error::other)?;
    let Some(DividedFrames { halves, rest }) = divide(&*file, &header, start, sealed)? else {
        return Ok(false);
    };
    let parts = directory.join(PARTS);
    disk.create_directory(&parts)?;
    disk.sync_directory(directory)?;
    for (frames, half) in halves.into_iter().zip(HALVES) {
        build_segment(disk, &parts, &header, derived_id(sealed.id, half), frames)?;
    }
    build_segment(disk, &parts, &header, sealed.id, rest)?;
    let quarantine = directory.join(QUARANTINE);
    disk.rename(&path, &quarantine.join(format!("{}{SPLIT}", sealed.id)))?;
    disk.sync_directory(&quarantine)?;
    disk.sync_directory(directory)?;
    Ok(true)
}
