//! Segments that were set aside: looked into and tried again, only when someone asks.
//!
//! The commands work beside a running collector. What is to be tried again is put into `retry/`, where the collector finds it within
//! a second, or when it starts. What is whole keeps its name, so that the store knows its token. What is damaged is never
//! shipped under its own name: its whole frames become a new segment, whose name is made from the old one, so that doing it twice
//! makes the same name; the damaged file stays aside, with a record of what is lost. What is deleted, and when, is [`discard`](crate::spool::quarantine::discard)'s.

use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::spool::accounting::counts::{self, Tally};
use crate::spool::accounting::row_layout::Layout;
use crate::spool::log::disk::{Disk, DiskFile, RealDisk};
use crate::spool::log::frame::{self, Frame, Kind, Whole};
use crate::spool::log::recovery::{self, ASIDE, Damage, NEW, REASON};
use crate::spool::log::segment::{Header, Name, Reader, Step};
use crate::spool::log::writer::thread;
use crate::spool::quarantine::discard;
use crate::spool::{SpoolError, random};

/// Where the collector looks for segments that are to be tried again.
pub(crate) const RETRY: &str = "retry";
/// Ending of what is left of a damaged segment whose whole frames were put into another.
pub(crate) const SALVAGED: &str = ".salvaged";

/// A place in a segment where no whole frame is.
#[derive(Debug, Clone, Serialize)]
pub struct Gap {
    /// Byte of the file.
    pub byte: u64,
    /// Whole frames between the gap before this one and this one.
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
    pub damage: Vec<Gap>,
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
    /// It is damaged: its whole frames wait to be shipped as another segment.
    Salvaged {
        /// That segment.
        segment: Name,
        /// Events in it.
        events: u64,
        /// Events that are lost, if the damaged segment's own books say how many there were.
        lost: Option<u64>,
    },
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
        let mut held = Contents::default();
        self.damage = walk(file, header, start..bytes, |frame| {
            self.frames += 1;
            self.sealed |= frame.kind == Kind::Seal;
            held.add(frame, header.created);
            if frame.kind == Kind::Events {
                self.rows.extend(layout.iter().flat_map(|layout| decode(layout, frame)));
            }
        })?;
        (self.events, self.audit, self.books) = (held.events, held.audit, held.books);
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
pub(crate) fn walk(
    file: &dyn DiskFile,
    header: &Header,
    range: std::ops::Range<u64>,
    mut see: impl FnMut(&Whole<'_>),
) -> io::Result<Vec<Gap>> {
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
                damage.push(Gap { byte, frames_before: std::mem::take(&mut frames), resumes });
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
/// When it was not set aside, when it is discarded, when nothing of it can be read, or when the disk fails.
pub fn retry(directory: &Path, name: Name) -> Result<Retried, SpoolError> {
    retry_on(&RealDisk, directory, name)
}

/// The same, on any disk.
pub(crate) fn retry_on(disk: &dyn Disk, directory: &Path, name: Name) -> Result<Retried, SpoolError> {
    let (aside, retry) = (directory.join(ASIDE), directory.join(RETRY));
    let path = aside.join(name.file());
    let failed = |source| SpoolError::io("try again", &path, source);
    if discard::is_recorded(disk, &aside, name) {
        return Err(failed(io::Error::other(
            "it is discarded; discard it again to delete what is left of it",
        )));
    }
    make_retry(disk, directory).map_err(failed)?;
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
    if damage.is_empty() && is_consistent(disk, &path, events).map_err(failed)? {
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
    let segment = derived(name, "salvaged");
    let put_in = || {
        let salvaged = build(disk, &retry, &header, segment, frames)?;
        let lost = discard::record_loss(disk, &aside, name, &salvaged)?;
        let reason = format!("its whole frames, {events} events, were put into segment {segment}");
        recovery::write_whole(disk, &aside, &format!("{name}{SALVAGED}{REASON}"), reason.as_bytes())?;
        disk.rename(&path, &aside.join(format!("{name}{SALVAGED}")))?;
        disk.sync_directory(&aside)?;
        Ok(lost)
    };
    let lost = put_in().map_err(failed)?;
    Ok(Retried::Salvaged { segment, events, lost })
}

/// Makes `retry/` where there is none.
pub(crate) fn make_retry(disk: &dyn Disk, directory: &Path) -> io::Result<()> {
    disk.create_directory(&directory.join(RETRY))?;
    disk.sync_directory(directory)
}

/// Whether a segment's seal, where it has one, says what is in it.
fn is_consistent(disk: &dyn Disk, path: &Path, events: u64) -> io::Result<bool> {
    match recovery::scan(disk, path, None) {
        Ok(scan) => Ok(scan.events == events),
        Err(Damage::Damaged(_)) => Ok(false),
        Err(Damage::Io(error)) => Err(error),
    }
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

/// What a segment holds.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    pub(crate) events: u64,
    pub(crate) audit: u64,
    pub(crate) books: Tally,
}

impl Contents {
    /// Adds what a frame holds. `created`, in Unix ms, stands for the time of receipt where a row is too short to tell.
    fn add(&mut self, frame: &Whole<'_>, created: i64) {
        match frame.kind {
            Kind::Events => {
                self.events += u64::from(frame.count);
                self.books.add_rows(frame.site, frame.count, frame.rows, created);
            }
            Kind::Audit => self.audit += u64::from(frame.count),
            Kind::Dropped => {
                if let Some(count) = counts::decode_dropped(frame.rows) {
                    self.books.add(frame.site, count);
                }
            }
            Kind::Books | Kind::Seal => {}
        }
    }
}

/// Makes a sealed segment of encoded frames, for the tables of another one's header; says what is in it.
pub(crate) fn build(
    disk: &dyn Disk,
    directory: &Path,
    like: &Header,
    name: Name,
    mut frames: Vec<u8>,
) -> io::Result<Contents> {
    let header = Header { name, salt: random() as u32, ..like.clone() };
    let mut held = Contents::default();
    frame::stamp(&mut frames, header.salt, 0, |frame| held.add(frame, header.created));
    let new = directory.join(format!("{name}{NEW}"));
    let bytes = header.encode();
    let file = disk.create(&new)?;
    file.write_at(&bytes, 0)?;
    file.write_at(&frames, bytes.len() as u64)?;
    let end = (bytes.len() + frames.len()) as u64;
    // Seals and syncs.
    thread::seal(&*file, header.salt, end, 1, (held.events, held.audit, &held.books))?;
    disk.rename(&new, &directory.join(name.file()))?;
    disk.sync_directory(directory)?;
    Ok(held)
}

/// Deletes what a process that died was still making, here or in `retry/`. What cannot be deleted does no harm.
pub(crate) fn sweep(disk: &dyn Disk, directory: &Path) {
    for place in [ASIDE, RETRY].map(|place| directory.join(place)) {
        for file in disk.list(&place).unwrap_or_default().iter().filter(|file| file.ends_with(NEW)) {
            let _ = disk.remove(&place.join(file));
        }
    }
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
    found.cloned().ok_or_else(|| {
        let what = "no such segment waits or was set aside; `footfall spool list` shows those there are";
        SpoolError::io("find", &aside.join(name.file()), io::Error::new(io::ErrorKind::NotFound, what))
    })
}
