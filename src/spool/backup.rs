//! Copies of a spool, for backups: taken while a collector works in it, and put in the place of a lost one.
//!
//! A copy has every event that was acknowledged before it began, unless the store has the event already. It is taken before the backup of
//! the store: what is shipped in between is in both, and the store is asked for it before it is shipped again.
//!
//! Not copied are `identity` and `first-segment`: a restored spool numbers its segments anew, because the store may know numbers that the
//! copy does not. Nor are shipped ids, which recognise repeated beacons for some minutes.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::spool::accounting::contents::SegmentContents;
use crate::spool::log::disk::RealDisk;
use crate::spool::log::error::SpoolError;
use crate::spool::log::files::{NEW, QUARANTINE, REQUEUE};
use crate::spool::log::identity::check_format;
use crate::spool::log::recovery::{SegmentScan, scan};
use crate::spool::log::segment::SegmentId;
use crate::spool::quarantine::names::SPLIT;
use crate::spool::quarantine::split::install::{WaitingSegment, read_waiting};

/// The directory is read again until a pass finds nothing new, but no more often: segments move while it is read.
const MOST_PASSES: usize = 10;

/// A segment of a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpoolSegment {
    pub id: SegmentId,
    /// The segment that its events were first written to. The store knows them by its id.
    pub origin: SegmentId,
    /// Events that wait to be shipped, or are quarantined.
    pub events: u64,
    pub is_quarantined: bool,
}

impl SpoolSegment {
    /// Tells the parts of a split segment apart in the store; 0 for a whole one.
    pub(crate) fn part(&self) -> u64 {
        if self.id == self.origin { 0 } else { self.id.collector }
    }
}

/// Copies the spool in `directory` to `to`, which it creates. Returns the copied files, below `to`.
///
/// # Errors
/// When a directory cannot be read or written.
pub fn copy(directory: &Path, to: &Path) -> Result<BTreeSet<PathBuf>, SpoolError> {
    let failed = |action, path: &Path| {
        let path = path.to_owned();
        move |source| SpoolError::io(action, &path, source)
    };
    make_directory(to).map_err(failed("create", to))?;
    let mut copied = BTreeSet::new();
    if !directory.exists() {
        return Ok(copied);
    }
    check_format(&RealDisk, directory)?;
    for pass in 0..MOST_PASSES {
        let before = copied.len();
        for waiting in read_waiting(&RealDisk, directory)? {
            let name = PathBuf::from(waiting.id.file_name());
            if !copied.contains(&name)
                && copy_waiting(&waiting, &to.join(&name)).map_err(failed("copy", &waiting.path))?
            {
                copied.insert(name);
            }
        }
        for place in [REQUEUE, QUARANTINE] {
            let from = directory.join(place);
            for name in names(&from).map_err(failed("list", &from))? {
                let name = Path::new(place).join(name);
                let (source, target) = (directory.join(&name), to.join(&name));
                if !copied.contains(&name)
                    && copy_file(&source, &target, None).map_err(failed("copy", &source))?
                {
                    copied.insert(name);
                }
            }
        }
        // A segment may have moved behind the back of the first pass.
        if pass > 0 && copied.len() == before {
            break;
        }
    }
    Ok(copied)
}

/// The segments of a copy.
///
/// # Errors
/// When the copy cannot be read.
pub fn segments(copy: &Path) -> Result<Vec<SpoolSegment>, SpoolError> {
    let mut segments = Vec::new();
    for place in ["", REQUEUE, QUARANTINE] {
        let directory = copy.join(place);
        let names = names(&directory).map_err(|source| SpoolError::io("list", &directory, source))?;
        for id in names.iter().filter_map(|name| SegmentId::from_file_name(name)) {
            // Of a damaged one only the name is known.
            let read: Option<SegmentScan<SegmentContents>> =
                scan(&RealDisk, &directory.join(id.file_name()), None).ok();
            let origin = read.as_ref().map_or(id.collector, |scan| scan.header.origin);
            segments.push(SpoolSegment {
                id,
                origin: SegmentId { collector: origin, number: id.number },
                events: read.map_or(0, |scan| scan.account.events),
                is_quarantined: place == QUARANTINE,
            });
        }
    }
    Ok(segments)
}

/// Puts a copy in the place of a spool that does not exist, without the segments of `left_out`.
///
/// # Errors
/// When there is a spool already, or the disk fails. Then no spool is there.
pub fn install(copy: &Path, directory: &Path, left_out: &BTreeSet<SegmentId>) -> Result<(), SpoolError> {
    let staged = directory.with_extension("restoring");
    let failed = |action, path: &Path| {
        let path = path.to_owned();
        move |source| SpoolError::io(action, &path, source)
    };
    match fs::remove_dir_all(&staged) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(failed("remove", &staged)(error));
        }
        _ => {}
    }
    make_directory(&staged.join(QUARANTINE)).map_err(failed("create", &staged))?;
    for place in ["", REQUEUE, QUARANTINE] {
        let from = copy.join(place);
        for name in names(&from).map_err(failed("list", &from))? {
            let id = name.split('.').next().and_then(SegmentId::parse);
            // What became of a segment by the tombstones stays known.
            let is_left_out = id.is_some_and(|id| left_out.contains(&id)) && !name.contains("tombstone");
            if !is_left_out {
                let target = staged.join(place).join(&name);
                copy_file(&from.join(&name), &target, None).map_err(failed("copy", &target))?;
            }
        }
    }
    // An empty directory of a collector that never started is replaced; any other makes this fail.
    fs::rename(&staged, directory).map_err(failed("put the restored spool at", directory))?;
    let parent = directory.parent().unwrap_or(directory);
    File::open(parent).and_then(|parent| parent.sync_all()).map_err(failed("sync", parent))
}

/// Copies a segment that waits. Of one that is being written only the whole frames: the rest may change while it is read. Returns whether
/// it is still there.
fn copy_waiting(waiting: &WaitingSegment, to: &Path) -> io::Result<bool> {
    // What cannot be read now is copied as it is. It is quarantined when the copy is opened.
    let whole = waiting.scan.as_ref().ok().filter(|scan| scan.seal.is_none()).map(|scan| scan.end);
    copy_file(&waiting.path, to, whole)
}

/// Copies a file, or its first bytes, and syncs the copy. Returns whether the file is still there.
fn copy_file(from: &Path, to: &Path, bytes: Option<u64>) -> io::Result<bool> {
    let file = match File::open(from) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        file => file?,
    };
    if let Some(parent) = to.parent() {
        make_directory(parent)?;
    }
    let mut copy = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(to)?;
    io::copy(&mut file.take(bytes.unwrap_or(u64::MAX)), &mut copy)?;
    copy.flush()?;
    copy.sync_all()?;
    Ok(true)
}

fn make_directory(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// The names of finished files in a directory that may not exist. A split that was decided is one of its parts already.
fn names(directory: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            names.extend(entry.file_name().into_string().ok());
        }
    }
    names.retain(|name| !name.ends_with(NEW) && !name.ends_with(SPLIT));
    names.sort_unstable();
    Ok(names)
}
