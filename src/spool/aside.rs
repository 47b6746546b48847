//! Segments that were set aside: looked into, tried again, discarded; each only when someone asks.
//!
//! The commands work beside a running collector. What is to be tried again is put into `retry/`, where the collector finds it within
//! a second, or when it starts. What is whole keeps its name, so that the store knows its token. What is damaged is never
//! shipped under its own name: its whole frames become a new segment, whose name is made from the old one, so that doing it twice
//! makes the same name; the damaged file stays aside. Only [`discard`] deletes, and leaves a record in the place of the events.

use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::disk::{Disk, DiskFile, RealDisk};
use super::frame::{self, Frame, Kind, Whole};
use super::layout::Layout;
use super::recovery::{self, ASIDE, REASON};
use super::segment::{Header, Name, Reader, Step};
use super::tally::{self, Tally};
use super::{SpoolError, now_ms, random, writer};

/// Where the collector looks for segments that are to be tried again.
pub(crate) const RETRY: &str = "retry";
/// Ending of what is left of a damaged segment whose whole frames were put into another.
pub(crate) const SALVAGED: &str = ".salvaged";
/// Ending of the record of a discarded segment that the audit does not know yet.
pub(crate) const DISCARDING: &str = ".discarding";
/// The same once the audit knows it.
pub(crate) const DISCARDED: &str = ".discarded";

/// A place in a segment where no whole frame is.
#[derive(Debug, Clone, Serialize)]
pub struct Damage {
    /// Byte of the file.
    pub byte: u64,
    /// Whole frames between the damage before this one and this one.
    pub frames_before: u64,
    /// Byte where the next whole frame begins, if there is one.
    pub resumes: Option<u64>,
}

/// What is in a segment's file.
#[derive(Debug, Clone, Serialize)]
pub struct Examined {
    /// The segment.
    pub name: String,
    /// The file.
    pub file: PathBuf,
    /// Length of the file.
    pub bytes: u64,
    /// Why it was set aside.
    pub reason: String,
    /// Why nothing of it can be read, if that is so.
    pub unreadable: Option<String>,
    /// When it was begun, Unix ms.
    pub created: i64,
    /// Whether it was sealed.
    pub sealed: bool,
    /// Tables and their columns, for which its rows are.
    pub tables: Vec<(String, String)>,
    /// Whole frames.
    pub frames: u64,
    /// Rows of `events` in whole frames.
    pub events: u64,
    /// Rows of `audit` in whole frames.
    pub audit: u64,
    /// Where it is damaged.
    pub damage: Vec<Damage>,
    /// Events and dropped events of whole frames, by day and site.
    #[serde(skip)]
    pub books: Tally,
    /// The rows of whole frames, decoded: personal data, given only to who asks.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rows: Vec<serde_json::Value>,
}

/// What became of a segment that was to be tried again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Retried {
    /// It waits to be shipped as it is.
    Whole,
    /// Its whole frames wait to be shipped as this segment; so many events.
    Salvaged(Name, u64),
}

/// Looks into a segment that waits, was set aside, or was salvaged. `rows`: the rows are wanted too.
///
/// # Errors
/// When there is no such segment, or it cannot be read.
pub fn examine(directory: &Path, name: Name, rows: bool) -> Result<Examined, SpoolError> {
    let path = find(directory, name)?;
    let failed = |source| SpoolError::io("read", &path, source);
    let file = RealDisk.read(&path).map_err(failed)?;
    let aside = directory.join(ASIDE);
    let reason = |ending: &str| std::fs::read_to_string(aside.join(format!("{name}{ending}{REASON}"))).ok();
    let mut found = Examined {
        name: name.to_string(),
        file: path.clone(),
        bytes: file.length().map_err(failed)?,
        reason: reason("").or_else(|| reason(SALVAGED)).unwrap_or_default(),
        unreadable: None,
        created: 0,
        sealed: false,
        tables: Vec::new(),
        frames: 0,
        events: 0,
        audit: 0,
        damage: Vec::new(),
        books: Tally::default(),
        rows: Vec::new(),
    };
    match Header::read(&*file).map_err(failed)? {
        Ok((header, start)) => found.read(&*file, &header, start, rows).map_err(failed)?,
        Err(reason) => found.unreadable = Some(reason),
    }
    Ok(found)
}

impl Examined {
    fn read(&mut self, file: &dyn DiskFile, header: &Header, start: u64, rows: bool) -> io::Result<()> {
        self.created = header.created;
        self.tables = header.tables.iter().map(|it| (it.name.clone(), it.columns.clone())).collect();
        let layout = header.table(Kind::Events).filter(|_| rows).and_then(Layout::of);
        let bytes = self.bytes;
        let damage = walk(file, header, start..bytes, |frame| {
            self.frames += 1;
            match frame.kind {
                Kind::Events => {
                    self.events += u64::from(frame.count);
                    self.books.add_rows(frame.site, frame.count, frame.rows, header.created);
                    self.rows.extend(layout.iter().flat_map(|layout| decode(layout, frame)));
                }
                Kind::Audit => self.audit += u64::from(frame.count),
                Kind::Dropped => {
                    if let Some(count) = tally::decode_dropped(frame.rows) {
                        self.books.add(frame.site, count);
                    }
                }
                Kind::Books => {}
                Kind::Seal => self.sealed = true,
            }
        })?;
        self.damage = damage;
        Ok(())
    }
}

fn decode(layout: &Layout, frame: &Whole<'_>) -> Vec<serde_json::Value> {
    let mut rest = frame.rows;
    let lengths = layout.lengths(rest, frame.count).unwrap_or_default();
    let mut rows = Vec::new();
    for length in lengths {
        let (row, after) = rest.split_at(length);
        rows.extend(layout.json(row));
        rest = after;
    }
    rows
}

/// Shows every whole frame of a range to `see`, also behind damage, and says where it is damaged.
fn walk(
    file: &dyn DiskFile,
    header: &Header,
    range: std::ops::Range<u64>,
    mut see: impl FnMut(&Whole<'_>),
) -> io::Result<Vec<Damage>> {
    let mut reader = Reader::new(file, header.salt, range);
    let (mut damage, mut frames) = (Vec::new(), 0);
    loop {
        match reader.step()? {
            Step::Frame(frame) => {
                frames += 1;
                see(&frame);
            }
            Step::End => return Ok(damage),
            Step::Bad => {
                let byte = reader.offset();
                let resumes = reader.seek()?.then(|| reader.offset());
                damage.push(Damage { byte, frames_before: std::mem::take(&mut frames), resumes });
                if resumes.is_none() {
                    return Ok(damage);
                }
            }
        }
    }
}

/// Puts a segment that was set aside into the queue again, or, if it is damaged, its whole frames.
///
/// # Errors
/// When it was not set aside, when nothing of it can be read, or when the disk fails.
pub fn retry(directory: &Path, name: Name) -> Result<Retried, SpoolError> {
    let disk = &RealDisk;
    let (aside, retry) = (directory.join(ASIDE), directory.join(RETRY));
    let path = aside.join(name.file());
    let failed = |source| SpoolError::io("try again", &path, source);
    disk.create_directory(&retry).map_err(failed)?;
    let file = disk.read(&path).map_err(failed)?;
    let (header, start) = match Header::read(&*file).map_err(failed)? {
        Ok(header) => header,
        Err(reason) => return Err(failed(io::Error::other(reason))),
    };
    let mut frames = Vec::new();
    let mut events = 0;
    let length = file.length().map_err(failed)?;
    let damage = walk(&*file, &header, start..length, |frame| {
        if matches!(frame.kind, Kind::Events | Kind::Audit | Kind::Dropped) {
            events += if frame.kind == Kind::Events { u64::from(frame.count) } else { 0 };
            copy(frame, &mut frames);
        }
    })
    .map_err(failed)?;
    if damage.is_empty() && is_consistent(disk, &path, events) {
        let put_back = || {
            disk.rename(&path, &retry.join(name.file()))?;
            disk.sync_directory(&retry)?;
            disk.sync_directory(&aside)
        };
        put_back().map_err(failed)?;
        // It tells of what is no more; that it stays when this fails does no harm.
        let _ = disk.remove(&aside.join(format!("{name}{REASON}")));
        return Ok(Retried::Whole);
    }
    let salvaged = derived(name, "salvaged");
    let put_in = || {
        build(disk, &retry, &header, salvaged, frames)?;
        let reason = format!("its whole frames, {events} events, were put into segment {salvaged}");
        recovery::write_whole(disk, &aside, &format!("{name}{SALVAGED}{REASON}"), reason.as_bytes())?;
        disk.rename(&path, &aside.join(format!("{name}{SALVAGED}")))?;
        disk.sync_directory(&aside)
    };
    put_in().map_err(failed)?;
    Ok(Retried::Salvaged(salvaged, events))
}

/// Whether a segment's seal, where it has one, says what is in it.
fn is_consistent(disk: &dyn Disk, path: &Path, events: u64) -> bool {
    recovery::scan(disk, path, None).is_ok_and(|scan| scan.events == events)
}

/// Appends a copy of a frame, to be stamped anew.
pub(crate) fn copy(frame: &Whole<'_>, out: &mut Vec<u8>) {
    let seqs: Vec<u32> = match frame.kind {
        Kind::Events => frame.identities().map(|(_, seq)| seq).collect(),
        _ => Vec::new(),
    };
    let copy = Frame { site: frame.site, page_load: frame.page_load, seqs: &seqs, rows: frame.rows };
    frame::encode(frame.kind, frame.count, &copy, out);
}

/// A name that follows from another: no collector has its first half, and it is the same each time.
pub(crate) fn derived(name: Name, why: &str) -> Name {
    let digest = Sha256::digest(format!("{why} {name}"));
    let collector = u64::from_le_bytes(*digest.first_chunk().expect("a digest has 32 bytes"));
    Name { collector, number: name.number }
}

/// Makes a sealed segment of encoded frames, for the tables of another one's header.
pub(crate) fn build(
    disk: &dyn Disk,
    directory: &Path,
    like: &Header,
    name: Name,
    mut frames: Vec<u8>,
) -> io::Result<()> {
    let header = Header { name, salt: random() as u32, ..like.clone() };
    let (mut events, mut audit, mut books) = (0, 0, Tally::default());
    frame::stamp(&mut frames, header.salt, 0, |frame| match frame.kind {
        Kind::Events => {
            events += u64::from(frame.count);
            books.add_rows(frame.site, frame.count, frame.rows, header.created);
        }
        Kind::Audit => audit += u64::from(frame.count),
        Kind::Dropped => books.add(frame.site, tally::decode_dropped(frame.rows).unwrap_or_default()),
        Kind::Books | Kind::Seal => {}
    });
    let new = directory.join(format!("{name}.new"));
    let bytes = header.encode();
    let file = disk.create(&new)?;
    file.write_at(&bytes, 0)?;
    file.write_at(&frames, bytes.len() as u64)?;
    let end = (bytes.len() + frames.len()) as u64;
    // Seals and syncs.
    writer::seal(&*file, header.salt, end, 1, (events, audit, &books))?;
    disk.rename(&new, &directory.join(name.file()))?;
    disk.sync_directory(directory)
}

/// What is left of a segment that was discarded.
#[derive(Debug, Serialize, serde::Deserialize)]
struct Record {
    segment: String,
    /// Unix ms.
    time: i64,
    reason: String,
    /// Events, if they could be read.
    events: Option<u64>,
    books: Vec<Entry>,
}

/// A line of a discarded segment's books.
#[derive(Debug, Serialize, serde::Deserialize)]
struct Entry {
    day: u16,
    site: String,
    stored: u64,
    dropped: Vec<u64>,
}

/// Deletes a segment that was set aside, what is left of a salvaged one, or, when there is no such file, acknowledges that a segment
/// is lost. What it held stays on record.
///
/// # Errors
/// When the segment waits to be shipped, or the disk fails.
pub fn discard(directory: &Path, name: Name, why: &str) -> Result<Option<u64>, SpoolError> {
    let disk = &RealDisk;
    let aside = directory.join(ASIDE);
    let failed = |source| SpoolError::io("discard", &aside.join(name.file()), source);
    let whole = aside.join(name.file());
    let salvaged = aside.join(format!("{name}{SALVAGED}"));
    if directory.join(name.file()).exists() || directory.join(RETRY).join(name.file()).exists() {
        let waits = io::Error::new(io::ErrorKind::InvalidInput, "it waits to be shipped");
        return Err(failed(waits));
    }
    // What a salvaged segment held was shipped or waits under another name.
    let found = if whole.exists() { Some(examine(directory, name, false)?) } else { None };
    let known = found.filter(|found| found.unreadable.is_none());
    let mut books = Vec::new();
    for (site, count) in known.iter().flat_map(|found| found.books.iter()) {
        let (day, stored) = (count.day, count.stored);
        books.push(Entry { day, site: site.to_owned(), stored, dropped: count.dropped.into() });
    }
    let events = known.map(|found| found.events);
    let record = Record { segment: name.to_string(), time: now_ms(), reason: why.to_owned(), events, books };
    let write = || {
        let bytes = serde_json::to_vec(&record)?;
        recovery::write_whole(disk, &aside, &format!("{name}{DISCARDING}"), &bytes)?;
        for file in [whole, salvaged] {
            match disk.remove(&file) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        for ending in [REASON.to_owned(), format!("{SALVAGED}{REASON}")] {
            // The record has the last word.
            let _ = disk.remove(&aside.join(format!("{name}{ending}")));
        }
        disk.sync_directory(&aside)
    };
    write().map_err(failed)?;
    Ok(events)
}

/// The books of all segments that were discarded.
pub(crate) fn discarded(directory: &Path) -> Vec<Tally> {
    let aside = directory.join(ASIDE);
    let files = RealDisk.list(&aside).unwrap_or_default();
    let records = files.iter().filter(|file| file.ends_with(DISCARDING) || file.ends_with(DISCARDED));
    records
        .filter_map(|file| std::fs::read(aside.join(file)).ok())
        .filter_map(|bytes| tally_of(&bytes))
        .collect()
}

fn tally_of(record: &[u8]) -> Option<Tally> {
    let record: Record = serde_json::from_slice(record).ok()?;
    let mut books = Tally::default();
    for entry in record.books {
        let mut count = tally::Count { day: entry.day, stored: entry.stored, ..tally::Count::default() };
        for (slot, events) in count.dropped.iter_mut().zip(entry.dropped) {
            *slot = events;
        }
        books.add(&entry.site, count);
    }
    Some(books)
}

fn find(directory: &Path, name: Name) -> Result<PathBuf, SpoolError> {
    let aside = directory.join(ASIDE);
    let places = [
        aside.join(name.file()),
        directory.join(name.file()),
        directory.join(RETRY).join(name.file()),
        aside.join(format!("{name}{SALVAGED}")),
    ];
    let found = places.iter().find(|path| path.exists());
    found
        .cloned()
        .ok_or_else(|| SpoolError::io("find", &aside.join(name.file()), io::ErrorKind::NotFound.into()))
}
