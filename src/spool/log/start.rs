//! From what lies in a directory to a spool that writes.
//!
//! Looking writes next to nothing and so works on a full disk: what is sealed can be shipped, which makes room. The rest
//! needs space: the next name, the seals of what was not sealed, the reasons of what is set aside, the first segment. If
//! there is none it is tried again, step by step, until there is; meanwhile events are refused.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use crate::spool::log::disk::Disk;
use crate::spool::log::recovery::{self, Found, write_whole};
use crate::spool::log::segment::Name;
use crate::spool::log::writer::space::LOOK_EVERY;
use crate::spool::log::writer::thread::Active;
use crate::spool::{COUNTED, IDENTITY, Sealed, Shared, SpoolError, counted, random};

/// A spool on its way to be writing.
pub(crate) struct Start {
    /// What is still to be brought in order.
    found: Found,
    name: Name,
    /// The oldest segment that is here, or the first that will be.
    first: Name,
}

impl Start {
    /// Looks at a directory. Returns the sealed segments too, oldest first.
    pub(crate) fn look(disk: &dyn Disk, directory: &Path) -> Result<(Self, Vec<Sealed>), SpoolError> {
        let name = next_name(disk, directory)?;
        let mut found = recovery::look(disk, directory)?;
        let first = found.first().unwrap_or(name);
        let sealed = std::mem::take(&mut found.sealed);
        Ok((Self { found, name, first }, sealed))
    }

    /// The name of the segment that will be written first.
    pub(crate) fn name(&self) -> Name {
        self.name
    }

    pub(crate) fn found(&mut self) -> &mut Found {
        &mut self.found
    }

    /// Does what needs space, from where it failed the last time; hands what was sealed to `each`.
    pub(crate) fn begin(
        &mut self,
        disk: &dyn Disk,
        directory: &Path,
        mut each: impl FnMut(Sealed),
    ) -> Result<Active, SpoolError> {
        self.found.mend(disk, directory, &mut each)?;
        // On another try the same name again: nothing was written under it but a header.
        let active = Active::create(disk, directory, self.name)?;
        // Once the segment exists: a crash before this line skips no number, for a hole in them tells of a lost segment.
        write_identity(disk, directory, self.name)?;
        // What is sealed is shipped from now on, each with its rows of table `segments`.
        count_from(disk, directory, self.first, self.name.collector)?;
        Ok(active)
    }
}

/// Tries to begin until there is space. None: the spool was closed, or the disk failed.
pub(crate) fn begin_when_there_is_space(shared: &Shared, mut start: Start) -> Option<Active> {
    loop {
        let closed = shared.queue.wait_for_close(LOOK_EVERY);
        let before = start.found.bytes();
        let mut sealed = Vec::new();
        let begun = start.begin(&*shared.disk, &shared.directory, |segment| sealed.push(segment));
        let bytes = sealed.iter().map(|segment| segment.bytes).sum::<u64>() + start.found.bytes();
        // Wraps back when a torn tail was cut.
        shared.queue.on_disk.fetch_add(bytes.wrapping_sub(before), Ordering::Relaxed);
        let events = start.found.events();
        shared.active_events.store(events, Ordering::Relaxed);
        for segment in sealed {
            shared.push_sealed(segment);
        }
        shared.count_aside();
        for note in start.found.notes.drain(..) {
            tracing::warn!(directory = %shared.directory.display(), "{note}");
        }
        match begun {
            Ok(active) => {
                shared.queue.on_disk.fetch_add(active.bytes(), Ordering::Relaxed);
                shared.queue.begin();
                return Some(active);
            }
            Err(error) if error.is_no_space() && !closed => {}
            Err(error) => {
                shared.fail(&error);
                return None;
            }
        }
    }
}

/// The name of the next segment: above all that are here, or were.
fn next_name(disk: &dyn Disk, directory: &Path) -> Result<Name, SpoolError> {
    let path = directory.join(IDENTITY);
    let known = match disk.read(&path) {
        Ok(file) => {
            let mut text = [0; 64];
            let read = file.read_at(&mut text, 0).map_err(|source| SpoolError::io("read", &path, source))?;
            Some(parse_identity(&text[..read]).ok_or_else(|| SpoolError::Identity(PathBuf::from(&path)))?)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(source) => return Err(SpoolError::io("read", &path, source)),
    };
    let mut names = recovery::names(disk, directory)?;
    names.extend(recovery::names(disk, &directory.join(recovery::ASIDE))?);
    let above = names.iter().map(|name| name.number + 1).max().unwrap_or(0);
    Ok(match known {
        Some(free) => Name { number: free.number.max(above), ..free },
        None => Name { collector: random(), number: above },
    })
}

/// Keeps the collector's number and the lowest number that is free once `name` is in use.
fn write_identity(disk: &dyn Disk, directory: &Path, name: Name) -> Result<(), SpoolError> {
    let text = format!("{:016x} {}\n", name.collector, name.number + 1);
    write_whole(disk, directory, IDENTITY, text.as_bytes())
        .map_err(|source| SpoolError::io("write", &directory.join(IDENTITY), source))
}

/// Keeps the first number from which on the store is told of every segment, unless it is kept already.
fn count_from(disk: &dyn Disk, directory: &Path, first: Name, collector: u64) -> Result<(), SpoolError> {
    if counted(disk, directory).is_some_and(|counted| counted.collector == collector) {
        return Ok(());
    }
    let text = format!("{}\n", Name { collector, ..first });
    write_whole(disk, directory, COUNTED, text.as_bytes())
        .map_err(|source| SpoolError::io("write", &directory.join(COUNTED), source))
}

fn parse_identity(text: &[u8]) -> Option<Name> {
    let (collector, number) = std::str::from_utf8(text).ok()?.trim_end().split_once(' ')?;
    Some(Name { collector: u64::from_str_radix(collector, 16).ok()?, number: number.parse().ok()? })
}
