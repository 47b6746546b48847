//! Finds events of a visitor in the spool, and erases them from the quarantine. Waiting segments are shipped and erased in the store.
//!
//! A record holds the events of one beacon, so it is erased whole. Each file with events of the visitor is handled alone:
//!
//! 1. Take the quarantine's lock. Skip a segment that also waits: it is shipped first.
//! 2. Write the tombstone `quarantine/NAME.erased-REQUEST.tombstone`, unless there is one. From here on these events count as discarded.
//! 3. Of a whole segment: write the other records to `quarantine/NAME.new`, sealed and synced; rename it to `quarantine/NAME.segment`.
//!    Without other records: delete the segment.
//!    Of a damaged one, and of copies (`.torn`, `.salvaged`): write a copy in which the records are zeros, and rename it to its name.
//! 4. Sync `quarantine`.
//!
//! | crash | what happens next |
//! |---|---|
//! | in step 1 | nothing was changed |
//! | after step 2 | the events count as quarantined and as discarded, until the request, which is durable, is carried out again |
//! | in step 3 or 4 | the same; the tombstone of the first attempt stays |
//! | after step 4 | nothing is left to do |
//!
//! A damaged segment has a tombstone of what could be read of it. What copies hold is counted elsewhere, so they need none. A damaged
//! range may hold events that nobody can read; the request names these files.

use std::io;
use std::path::Path;

use serde_json::Value;

use super::discard::delete::{is_waiting, remove};
use super::lock::lock_quarantine;
use super::names::{SALVAGED, SEGMENT, erased_name};
use super::rebuild::{build_segment, copy_frame};
use super::tombstone::Tombstone;
use crate::spool::accounting::contents::SegmentContents;
use crate::spool::accounting::record::{RecordKind, RecordRef};
use crate::spool::accounting::row_layout::RowLayout;
use crate::spool::delivery::spool::Spool;
use crate::spool::log::disk::{Disk, DiskFile};
use crate::spool::log::error::SpoolError;
use crate::spool::log::files::{NEW, QUARANTINE, REQUEUE, TORN, exists};
use crate::spool::log::frame::{FrameKind, FrameRef};
use crate::spool::log::segment::{Header, ReadStep, SegmentId, SegmentReader};

#[cfg(test)]
mod tests;

/// Where the spool has an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SpoolPlace {
    /// It waits to be shipped.
    Waiting,
    Quarantine,
}

/// What was erased from the quarantine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ErasedFromQuarantine {
    pub(crate) events: u64,
    /// Files that are damaged, or have columns that this version does not know: not all of their events can be read.
    pub(crate) unreadable: Vec<String>,
}

/// Tells whether an event, as JSON with the names of its columns, is meant.
type IsMeant<'a> = &'a dyn Fn(&Value) -> bool;

impl Spool {
    /// Passes every event in the spool's files to `visit`, as JSON with the names of its columns. A file that goes away meanwhile was
    /// shipped. Returns the names of files that cannot be read completely. It blocks, and reads every file.
    ///
    /// # Errors
    /// When the disk fails.
    pub(crate) fn visit_events(
        &self,
        visit: &mut dyn FnMut(SpoolPlace, Value),
    ) -> Result<Vec<String>, SpoolError> {
        visit_events(self.disk(), self.directory(), visit)
    }

    /// Erases events from the quarantine. `request` is the id of the visitor's request. It blocks.
    ///
    /// # Errors
    /// When the disk fails for some file. The other files are handled all the same, and the next call goes on.
    pub(crate) fn erase_quarantined(
        &self,
        request: &str,
        is_meant: IsMeant<'_>,
    ) -> Result<ErasedFromQuarantine, SpoolError> {
        let erased = erase_quarantined(self.disk(), self.directory(), request, is_meant);
        self.recount_quarantine();
        erased
    }
}

fn visit_events(
    disk: &dyn Disk,
    directory: &Path,
    visit: &mut dyn FnMut(SpoolPlace, Value),
) -> Result<Vec<String>, SpoolError> {
    let mut unreadable = Vec::new();
    let quarantine = directory.join(QUARANTINE);
    let places = [
        (SpoolPlace::Waiting, directory.to_owned()),
        (SpoolPlace::Waiting, directory.join(REQUEUE)),
        (SpoolPlace::Quarantine, quarantine),
    ];
    for (place, folder) in places {
        for (file, _, ending) in event_files(disk, &folder)? {
            // Copies hold what is counted elsewhere.
            if ending != SEGMENT {
                continue;
            }
            let path = folder.join(&file);
            let read = match disk.read(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                read => read.and_then(|file| {
                    read_records(&*file, &mut |record| {
                        record.rows.into_iter().for_each(|row| visit(place, row))
                    })
                }),
            };
            let is_whole = read.map_err(|source| SpoolError::io("read", &path, source))?.is_whole;
            // The open segment has no seal yet, and room for more behind its last frame.
            if !is_whole && place == SpoolPlace::Quarantine {
                unreadable.push(file);
            }
        }
    }
    Ok(unreadable)
}

/// The files of a directory that may hold events: name, segment and ending. A directory that is missing has none.
fn event_files(disk: &dyn Disk, folder: &Path) -> Result<Vec<(String, SegmentId, &'static str)>, SpoolError> {
    let mut files = match disk.list(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        files => files.map_err(|source| SpoolError::io("list", folder, source))?,
    };
    files.sort();
    let parse = |file: String| {
        let endings = [SEGMENT, SALVAGED, TORN].into_iter();
        let (id, ending) = endings
            .filter_map(|ending| Some((SegmentId::from_name_with_suffix(&file, ending)?, ending)))
            .next()?;
        Some((file, id, ending))
    };
    Ok(files.into_iter().filter_map(parse).collect())
}

fn erase_quarantined(
    disk: &dyn Disk,
    directory: &Path,
    request: &str,
    is_meant: IsMeant<'_>,
) -> Result<ErasedFromQuarantine, SpoolError> {
    let quarantine = directory.join(QUARANTINE);
    let (mut erased, mut failure) = (ErasedFromQuarantine::default(), None);
    for (file, id, ending) in event_files(disk, &quarantine)? {
        let _lock = lock_quarantine(disk, directory)?;
        match erase_from_file(disk, directory, (id, ending), request, is_meant) {
            Ok((events, is_whole)) => {
                // Copies repeat what other files hold.
                erased.events += if ending == SEGMENT { events } else { 0 };
                if !is_whole {
                    erased.unreadable.push(file);
                }
            }
            Err(error) => {
                let path = quarantine.join(file);
                failure = failure.or(Some(SpoolError::io("erase events of", &path, error)));
            }
        }
    }
    failure.map_or(Ok(erased), Err)
}

/// Returns how many events were erased, and whether all of the file can be read.
fn erase_from_file(
    disk: &dyn Disk,
    directory: &Path,
    (id, ending): (SegmentId, &str),
    request: &str,
    is_meant: IsMeant<'_>,
) -> io::Result<(u64, bool)> {
    let quarantine = directory.join(QUARANTINE);
    let path = quarantine.join(format!("{id}{ending}"));
    if !exists(disk, &path)? || (ending == SEGMENT && is_waiting(disk, directory, id)?) {
        return Ok((0, true));
    }
    let file = disk.read(&path)?;
    let (mut gone, mut kept, mut ranges) = (SegmentContents::default(), Vec::new(), Vec::new());
    let read = read_records(&*file, &mut |record| {
        if record.rows.iter().any(is_meant) {
            gone.add_record(&record.parsed, record.created);
            ranges.push(record.range.clone());
        } else {
            copy_frame(record.frame, &mut kept);
        }
    })?;
    if ranges.is_empty() {
        return Ok((0, read.is_whole));
    }
    let events = gone.events;
    if ending == SEGMENT {
        let name = erased_name(id, request);
        if !exists(disk, &quarantine.join(&name))? {
            let reason = format!("erased on request {request}");
            Tombstone::new(id, &reason, Some(gone), true).write(disk, &quarantine, &name)?;
        }
    }
    match &read.header {
        Some(_) if ending == SEGMENT && read.is_whole && kept.is_empty() => {
            remove(disk, &quarantine, id, &[SEGMENT])?;
        }
        Some(header) if ending == SEGMENT && read.is_whole => {
            build_segment(disk, &quarantine, header, id, kept)?;
        }
        _ => overwrite(disk, &*file, (&quarantine, &format!("{id}{ending}")), &ranges)?,
    }
    Ok((events, read.is_whole))
}

/// Replaces a file by a copy in which these ranges are zeros.
fn overwrite(
    disk: &dyn Disk,
    file: &dyn DiskFile,
    (directory, name): (&Path, &str),
    ranges: &[std::ops::Range<u64>],
) -> io::Result<()> {
    let mut bytes = vec![0; usize::try_from(file.length()?).map_err(io::Error::other)?];
    let read = file.read_at(&mut bytes, 0)?;
    bytes.truncate(read);
    for range in ranges {
        let range = range.start as usize..(range.end as usize).min(bytes.len());
        bytes[range].fill(0);
    }
    let new = directory.join(format!("{name}{NEW}"));
    let copy = disk.create(&new)?;
    copy.write_at(&bytes, 0)?;
    copy.sync()?;
    disk.rename(&new, &directory.join(name))?;
    disk.sync_directory(directory)
}

/// A record of a file, and its events if it has any.
struct ReadRecord<'a> {
    frame: &'a FrameRef<'a>,
    parsed: RecordRef<'a>,
    /// Where its frame lies in the file.
    range: std::ops::Range<u64>,
    /// When the segment was created, Unix ms.
    created: i64,
    rows: Vec<Value>,
}

struct ReadFile {
    /// `None`: it cannot be read.
    header: Option<Header>,
    /// Whether it is sealed, and every frame and every event can be read.
    is_whole: bool,
}

/// Passes each record of a segment's file to `visit`.
fn read_records(file: &dyn DiskFile, visit: &mut dyn FnMut(ReadRecord<'_>)) -> io::Result<ReadFile> {
    let Ok((header, start)) = Header::read(file)? else {
        return Ok(ReadFile { header: None, is_whole: false });
    };
    let columns = header.schema(FrameKind::Record(RecordKind::Events as u8).to_byte()).unwrap_or_default();
    let layout = RowLayout::parse(columns);
    let (mut is_sound, mut is_sealed) = (true, false);
    let mut reader = SegmentReader::new(file, header.salt, start..file.length()?);
    loop {
        let from = reader.offset();
        let is_end = match reader.step()? {
            ReadStep::End => true,
            ReadStep::Invalid => {
                is_sound = false;
                !reader.seek()?
            }
            ReadStep::Frame(frame) => {
                is_sealed |= frame.kind == FrameKind::Seal;
                let range = from..from + frame.len() as u64;
                match RecordRef::parse(&frame) {
                    Some(parsed) => {
                        let rows = rows(&parsed, layout.as_ref());
                        is_sound &= rows.is_some();
                        let (rows, created) = (rows.unwrap_or_default(), header.created);
                        visit(ReadRecord { frame: &frame, parsed, range, created, rows });
                    }
                    None => is_sound &= !matches!(frame.kind, FrameKind::Record(_)),
                }
                false
            }
        };
        if is_end {
            return Ok(ReadFile { header: Some(header), is_whole: is_sound && is_sealed });
        }
    }
}

/// The events of a record. `None`: this version cannot read them.
fn rows(record: &RecordRef<'_>, layout: Option<&RowLayout>) -> Option<Vec<Value>> {
    if record.kind != RecordKind::Events {
        return Some(Vec::new());
    }
    let layout = layout?;
    record.event_rows().map(|row| layout.decode(row)).collect()
}
