//! What lies in a spool's directory, for `footfall spool` and `footfall verify`. It only reads, and works beside a running collector.
//!
//! Files come and go while they are read. A file that is gone was shipped, and is left out.

use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::spool::accounting::contents::SegmentContents;
use crate::spool::accounting::counts::SegmentCounts;
use crate::spool::check::is_in_use;
use crate::spool::log::disk::{Disk, RealDisk};
use crate::spool::log::error::SpoolError;
use crate::spool::log::files::{self, QUARANTINE, REASON, REQUEUE};
use crate::spool::log::identity::{check_format, first_segment};
use crate::spool::log::recovery::{ScanError, scan};
use crate::spool::log::segment::SegmentId;
use crate::spool::quarantine::split::install::{WaitingSegment, read_waiting};
use crate::spool::quarantine::tombstone::{
    SegmentLoss, discarded_counts, exclude_expired, is_discarded, losses,
};

#[derive(Debug, Clone, Serialize)]
pub struct Inventory {
    pub directory: PathBuf,
    /// Whether a collector works in it.
    pub in_use: bool,
    /// Segments that wait to be shipped, oldest first.
    pub segments: Vec<SegmentStatus>,
    /// Segments in quarantine, and those that are being requeued.
    pub quarantined: Vec<QuarantinedSegment>,
    /// Other files with rows in quarantine, which are never shipped. They are visitors' data until they are discarded.
    pub leftovers: Vec<QuarantineLeftover>,
    /// What was lost to damage and not discarded yet.
    pub lost: Vec<SegmentLoss>,
    /// What was discarded, and the events in quarantine whose retention has passed.
    #[serde(skip)]
    pub discarded: Vec<SegmentCounts>,
    /// The first segment from which on the store learns of every number.
    #[serde(skip)]
    pub first_segment: Option<SegmentId>,
    /// Every segment that has any file here.
    #[serde(skip)]
    known: Vec<SegmentId>,
}

impl Inventory {
    /// The ids of all segments that have any file here: they wait, are quarantined or requeued, or were discarded.
    pub(crate) fn ids(&self) -> impl Iterator<Item = SegmentId> {
        self.known.iter().copied()
    }

    /// The segments with events that wait here, by the ids that the store knows.
    pub(crate) fn origins(&self) -> impl Iterator<Item = SegmentId> {
        self.segments.iter().filter_map(|segment| segment.origin)
    }
}

/// A segment that waits to be shipped.
#[derive(Debug, Clone, Serialize)]
pub struct SegmentStatus {
    #[serde(rename = "name")]
    pub id: String,
    pub state: SegmentState,
    pub events: u64,
    /// Rows of the audit.
    pub audit: u64,
    /// Length of the file.
    pub bytes: u64,
    /// When it was created, Unix ms.
    pub created: i64,
    #[serde(skip)]
    pub counts: SegmentCounts,
    /// The segment that its events were first written to; `None` if it is damaged.
    #[serde(skip)]
    pub origin: Option<SegmentId>,
}

impl SegmentStatus {
    /// Whether its contents cannot be read.
    pub(crate) fn is_damaged(&self) -> bool {
        self.state == SegmentState::Damaged
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SegmentState {
    /// It is being written, or was left by a collector that died.
    Open,
    Sealed,
    /// It will be quarantined when the collector starts.
    Damaged,
}

/// A segment in quarantine, or one that is being requeued.
#[derive(Debug, Clone, Serialize)]
pub struct QuarantinedSegment {
    #[serde(rename = "name")]
    pub id: String,
    pub reason: String,
    pub bytes: u64,
    /// Events in it, as far as it can be read.
    pub events: Option<u64>,
    /// Its counts, as far as it can be read.
    #[serde(skip)]
    pub counts: Option<SegmentCounts>,
}

/// A copy of a torn segment, the rest of a salvaged one, or a discarded one whose deletion was interrupted.
#[derive(Debug, Clone, Serialize)]
pub struct QuarantineLeftover {
    #[serde(rename = "name")]
    pub id: String,
    /// Name of the file in quarantine.
    pub file: String,
    pub bytes: u64,
}

/// # Errors
/// When the directory has an earlier format or cannot be read.
pub fn inspect(directory: &Path) -> Result<Inventory, SpoolError> {
    let disk = &RealDisk;
    check_format(disk, directory)?;
    let mut segments = Vec::new();
    for waiting in read_waiting(disk, directory)? {
        segments.extend(segment_status(disk, waiting)?);
    }
    let mut known = files::segment_ids(disk, directory)?;
    known.extend([QUARANTINE, REQUEUE].iter().flat_map(|place| ids_of_files(&directory.join(place))));
    known.extend(segments.iter().filter_map(|segment| SegmentId::parse(&segment.id)));
    Ok(Inventory {
        directory: directory.to_owned(),
        in_use: is_in_use(directory),
        segments,
        quarantined: [quarantined(disk, directory)?, requeued(disk, directory)?].concat(),
        leftovers: leftovers(disk, directory),
        lost: losses(disk, directory),
        discarded: discarded_counts(disk, directory),
        first_segment: first_segment(disk, directory),
        known,
    })
}

/// `None`: it is gone.
fn segment_status(disk: &dyn Disk, waiting: WaitingSegment) -> Result<Option<SegmentStatus>, SpoolError> {
    let WaitingSegment { id, path, scan } = waiting;
    let status = match scan {
        Ok(scan) => SegmentStatus {
            id: id.to_string(),
            state: if scan.seal.is_some() { SegmentState::Sealed } else { SegmentState::Open },
            events: scan.account.events,
            audit: scan.account.audit,
            bytes: scan.length,
            created: scan.header.created,
            counts: scan.account.counts,
            origin: Some(SegmentId { collector: scan.header.origin, number: id.number }),
        },
        Err(ScanError::Damaged(_)) => SegmentStatus {
            id: id.to_string(),
            state: SegmentState::Damaged,
            events: 0,
            audit: 0,
            bytes: files::length(disk, &path).unwrap_or(0),
            created: 0,
            counts: SegmentCounts::default(),
            origin: None,
        },
        Err(ScanError::Io(error)) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(ScanError::Io(source)) => return Err(SpoolError::io("read", &path, source)),
    };
    Ok(Some(status))
}

fn ids_of_files(directory: &Path) -> Vec<SegmentId> {
    let files = RealDisk.list(directory).unwrap_or_default();
    files.iter().filter_map(|file| SegmentId::parse(file.split('.').next()?)).collect()
}

fn quarantined(disk: &dyn Disk, directory: &Path) -> Result<Vec<QuarantinedSegment>, SpoolError> {
    let quarantine = directory.join(QUARANTINE);
    let ids = files::segment_ids_if_any(disk, &quarantine)?;
    let ids = ids.into_iter().filter(|id| !is_discarded(disk, &quarantine, *id));
    let reason = |id: SegmentId| std::fs::read_to_string(quarantine.join(format!("{id}{REASON}")));
    Ok(ids.map(|id| not_waiting(disk, &quarantine, id, reason(id).unwrap_or_default())).collect())
}

fn requeued(disk: &dyn Disk, directory: &Path) -> Result<Vec<QuarantinedSegment>, SpoolError> {
    let requeue = directory.join(REQUEUE);
    let ids = files::segment_ids_if_any(disk, &requeue)?;
    Ok(ids.into_iter().map(|id| not_waiting(disk, &requeue, id, "being requeued".to_owned())).collect())
}

fn not_waiting(disk: &dyn Disk, directory: &Path, id: SegmentId, reason: String) -> QuarantinedSegment {
    let path = directory.join(id.file_name());
    let mut contents = scan::<SegmentContents>(disk, &path, None).ok().map(|scan| scan.account);
    if let Some(contents) = &mut contents {
        // A directory that cannot be listed has no tombstones that could be counted either.
        let _ = exclude_expired(disk, directory, id, contents);
    }
    QuarantinedSegment {
        id: id.to_string(),
        reason,
        bytes: files::length(disk, &path).unwrap_or(0),
        events: contents.as_ref().map(|contents| contents.events),
        counts: contents.map(|contents| contents.counts),
    }
}

fn leftovers(disk: &dyn Disk, directory: &Path) -> Vec<QuarantineLeftover> {
    let quarantine = directory.join(QUARANTINE);
    let mut files = disk.list(&quarantine).unwrap_or_default();
    files.sort();
    let leftover = |file: String| {
        let (text, ending) = file.split_once('.')?;
        let id = SegmentId::parse(text)?;
        let is_left = match ending {
            "torn" | "salvaged" => true,
            "segment" => is_discarded(disk, &quarantine, id),
            _ => false,
        };
        let bytes = files::length(disk, &quarantine.join(&file)).ok()?;
        is_left.then(|| QuarantineLeftover { id: id.to_string(), file, bytes })
    };
    files.into_iter().filter_map(leftover).collect()
}
