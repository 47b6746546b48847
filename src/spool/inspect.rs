//! What lies in a spool's directory, for `spool status` and `verify`: read alone, also beside a running collector.
//!
//! Files come and go while they are looked at; one that went is one that was shipped, and is left out.

use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::secret::file_lock::FileLock;
use crate::spool::log::disk::{Disk, RealDisk};
use crate::spool::log::recovery::{self, ASIDE, Damage, REASON};
use crate::spool::log::segment::{Header, Name, Reader, Step};
use crate::spool::quarantine::requeue::RETRY;
use crate::spool::quarantine::split;
use crate::spool::{Loss, Prints, SpoolError, Tally, discard};

/// Everything in a spool's directory.
#[derive(Debug, Clone, Serialize)]
pub struct Inventory {
    /// The directory.
    pub directory: PathBuf,
    /// Whether a collector works in it.
    pub in_use: bool,
    /// Segments that wait, oldest first.
    pub segments: Vec<SegmentStatus>,
    /// Segments that were set aside.
    pub aside: Vec<Aside>,
    /// What lies beside the segments that were set aside and is never shipped: visitors' data until it is discarded.
    pub leftovers: Vec<Leftover>,
    /// What was lost to damage, and nobody has discarded yet.
    pub lost: Vec<Loss>,
    /// Books of segments that were discarded.
    #[serde(skip)]
    pub discarded: Vec<Tally>,
    /// The collector, and its first segment of which the store is told even if there are no events in it.
    #[serde(skip)]
    pub counted: Option<Name>,
    /// Every segment of which there is a trace here.
    #[serde(skip)]
    known: Vec<Name>,
}

/// Sealed segments, the oldest ones, that may be on their way to the store: the first, and one that was put before it.
const SHIPPING: usize = 2;

impl Inventory {
    /// The names of all segments of which there is a trace here: waiting, set aside, to be tried again, or discarded.
    pub(crate) fn names(&self) -> impl Iterator<Item = Name> {
        self.known.iter().copied()
    }

    /// What is being shipped now. A segment that cannot be read any more was shipped.
    pub(crate) fn shipping(&self) -> Vec<(Name, Prints)> {
        let sealed = self.segments.iter().filter(|segment| segment.state == SegmentState::Sealed);
        let names = sealed.take(SHIPPING).filter_map(|segment| Name::of_text(&segment.name));
        names.filter_map(|name| Some((name, prints(&self.directory, name).ok()?))).collect()
    }
}

/// The prints of a segment, read frame by frame as far as it is whole.
fn prints(directory: &Path, name: Name) -> io::Result<Prints> {
    let file = RealDisk.read(&directory.join(name.file()))?;
    let (header, start) = Header::read(&*file)?.map_err(io::Error::other)?;
    let mut reader = Reader::new(&*file, header.salt, start..file.length()?);
    let mut prints = Prints::default();
    while let Step::Frame(frame) = reader.step()? {
        prints.add(&frame, header.created);
    }
    Ok(prints)
}

/// One segment.
#[derive(Debug, Clone, Serialize)]
pub struct SegmentStatus {
    /// Its name and token.
    pub name: String,
    /// How far it is.
    pub state: SegmentState,
    /// Rows of `events`.
    pub events: u64,
    /// Rows of `audit`.
    pub audit: u64,
    /// Length of the file.
    pub bytes: u64,
    /// When it was begun, Unix ms.
    pub created: i64,
    /// Its books.
    #[serde(skip)]
    pub books: Tally,
}

impl SegmentStatus {
    /// Whether what it holds is not known.
    pub(crate) fn is_damaged(&self) -> bool {
        self.state == SegmentState::Damaged
    }
}

/// How far a segment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SegmentState {
    /// Being written, or left by a collector that died.
    Open,
    /// Waiting to be shipped.
    Sealed,
    /// It will be set aside when the collector starts.
    Damaged,
}

/// A segment that was set aside, or waits in `retry/` for its collector.
#[derive(Debug, Clone, Serialize)]
pub struct Aside {
    /// Its name and token.
    pub name: String,
    /// Why.
    pub reason: String,
    /// Length of the file.
    pub bytes: u64,
    /// Events in it, as far as it can be read.
    pub events: Option<u64>,
    /// Its books, as far as it can be read.
    #[serde(skip)]
    pub books: Option<Tally>,
}

/// A copy of a torn segment, what is left of a salvaged one, or a discarded one whose deletion was cut short.
#[derive(Debug, Clone, Serialize)]
pub struct Leftover {
    /// The segment's name.
    pub name: String,
    /// The file's name in `aside/`.
    pub file: String,
    /// Its length.
    pub bytes: u64,
}

/// Looks at a spool's directory.
///
/// # Errors
/// When it cannot be read.
pub fn inspect(directory: &Path) -> Result<Inventory, SpoolError> {
    let disk = &RealDisk;
    let mut segments = Vec::new();
    for (name, path, scan) in split::waiting(disk, directory)? {
        match scan {
            Ok(scan) => segments.push(SegmentStatus {
                name: name.to_string(),
                state: if scan.seal.is_some() { SegmentState::Sealed } else { SegmentState::Open },
                events: scan.events,
                audit: scan.audit,
                bytes: scan.length,
                created: scan.header.created,
                books: scan.tally,
            }),
            Err(Damage::Damaged(_)) => segments.push(SegmentStatus {
                name: name.to_string(),
                state: SegmentState::Damaged,
                events: 0,
                audit: 0,
                bytes: length(disk, &path).unwrap_or(0),
                created: 0,
                books: Tally::default(),
            }),
            Err(Damage::Io(error)) if error.kind() == io::ErrorKind::NotFound => {}
            Err(Damage::Io(source)) => return Err(SpoolError::io("read", &path, source)),
        }
    }
    let mut known = recovery::names(disk, directory)?;
    known.extend([ASIDE, RETRY].iter().flat_map(|place| traces(&directory.join(place))));
    known.extend(segments.iter().filter_map(|segment| Name::of_text(&segment.name)));
    Ok(Inventory {
        directory: directory.to_owned(),
        in_use: FileLock::is_held(&directory.join(crate::spool::LOCK)),
        segments,
        aside: [aside(disk, directory, ASIDE)?, aside(disk, directory, RETRY)?].concat(),
        leftovers: leftovers(disk, directory),
        lost: discard::losses(disk, directory),
        discarded: discard::discarded(directory),
        counted: crate::spool::counted(disk, directory),
        known,
    })
}

/// Bytes of all files that were set aside.
pub(crate) fn aside_bytes(disk: &dyn Disk, directory: &Path) -> Result<u64, SpoolError> {
    let aside = directory.join(ASIDE);
    let files = disk.list(&aside).map_err(|source| SpoolError::io("list", &aside, source))?;
    let mut sum = 0;
    for path in files.iter().map(|file| aside.join(file)) {
        match length(disk, &path) {
            Ok(bytes) => sum += bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(SpoolError::io("read", &path, source)),
        }
    }
    Ok(sum)
}

/// Segments of which some file is in a directory.
fn traces(directory: &Path) -> Vec<Name> {
    let files = RealDisk.list(directory).unwrap_or_default();
    files.iter().filter_map(|file| Name::of_text(file.split('.').next()?)).collect()
}

fn aside(disk: &dyn Disk, directory: &Path, place: &str) -> Result<Vec<Aside>, SpoolError> {
    let directory = directory.join(place);
    let names = recovery::names_if_any(disk, &directory)?;
    let names =
        names.into_iter().filter(|name| place == RETRY || !discard::is_recorded(disk, &directory, *name));
    Ok(names.map(|name| aside_one(disk, &directory, name, place == RETRY)).collect())
}

fn leftovers(disk: &dyn Disk, directory: &Path) -> Vec<Leftover> {
    let aside = directory.join(ASIDE);
    let mut files = disk.list(&aside).unwrap_or_default();
    files.sort();
    let leftover = |file: String| {
        let (text, ending) = file.split_once('.')?;
        let name = Name::of_text(text)?;
        let is_left = match ending {
            "torn" | "salvaged" => true,
            "segment" => discard::is_recorded(disk, &aside, name),
            _ => false,
        };
        let bytes = length(disk, &aside.join(&file)).ok()?;
        is_left.then(|| Leftover { name: name.to_string(), file, bytes })
    };
    files.into_iter().filter_map(leftover).collect()
}

fn aside_one(disk: &dyn Disk, directory: &Path, name: Name, again: bool) -> Aside {
    let path = directory.join(name.file());
    let scan = recovery::scan(disk, &path, None).ok();
    let reason = std::fs::read_to_string(directory.join(format!("{name}{REASON}")));
    Aside {
        name: name.to_string(),
        reason: if again { "to be tried again".to_owned() } else { reason.unwrap_or_default() },
        bytes: length(disk, &path).unwrap_or(0),
        events: scan.as_ref().map(|scan| scan.events),
        books: scan.map(|scan| scan.tally),
    }
}

fn length(disk: &dyn Disk, path: &Path) -> io::Result<u64> {
    disk.read(path)?.length()
}
