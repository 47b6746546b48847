//! Tombstones: what stays of rows that are gone, because a segment was damaged or discarded. A tombstone of rows is never overwritten.
//!
//! | file in `quarantine` | what it tells |
//! |---|---|
//! | `NAME.tombstone.pending` | a discarded segment that is not in the audit yet |
//! | `NAME.tombstone` | the same, once it is in the audit |
//! | `NAME.expired-DAY.tombstone.pending` | events of a segment whose retention ended on `DAY`; not in the audit yet |
//! | `NAME.expired-DAY.tombstone` | the same, once it is in the audit |
//! | `NAME.erased-REQUEST.tombstone` | events of a segment that were erased on a visitor's request |
//! | `NAME.salvaged.tombstone` | what a salvaged segment held beside its whole frames, until it is discarded |

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::names::{
    PENDING_TOMBSTONE, SALVAGED_TOMBSTONE, TOMBSTONE, expired_name, is_erased_name, parse_expired_name,
};
use crate::spool::accounting::contents::SegmentContents;
use crate::spool::accounting::counts::{DayCounts, SegmentCounts};
use crate::spool::log::disk::Disk;
use crate::spool::log::files::{QUARANTINE, read_all, write_atomically};
use crate::spool::log::recovery::scan;
use crate::spool::log::segment::SegmentId;
use crate::spool::log::state::now_ms;

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Tombstone {
    segment: String,
    /// When it was written, Unix ms.
    time: i64,
    reason: String,
    /// Events that are gone; `None` if nobody knows.
    pub(crate) events: Option<u64>,
    /// Rows of the audit that are gone; `None` if nobody knows.
    pub(crate) audit: Option<u64>,
    /// Whether there was a file to delete. If not, the operator acknowledged that the segment is lost.
    pub(crate) had_file: bool,
    counts: Vec<TombstoneCounts>,
}

#[derive(Debug, Serialize, Deserialize)]
struct TombstoneCounts {
    day: u16,
    site: String,
    stored: u64,
    dropped: Vec<u64>,
}

impl Tombstone {
    /// `gone`: what is gone; `None` if nobody knows.
    pub(crate) fn new(id: SegmentId, reason: &str, gone: Option<SegmentContents>, had_file: bool) -> Self {
        let counts = |(site, counts): (&str, &DayCounts)| TombstoneCounts {
            day: counts.day,
            site: site.to_owned(),
            stored: counts.stored,
            dropped: counts.dropped.into(),
        };
        Self {
            segment: id.to_string(),
            time: now_ms(),
            reason: reason.to_owned(),
            events: gone.as_ref().map(|gone| gone.events),
            audit: gone.as_ref().map(|gone| gone.audit),
            had_file,
            counts: gone.iter().flat_map(|gone| gone.counts.iter()).map(counts).collect(),
        }
    }

    pub(crate) fn counts(&self) -> SegmentCounts {
        let mut sum = SegmentCounts::default();
        for gone in &self.counts {
            let mut counts = DayCounts { day: gone.day, stored: gone.stored, ..DayCounts::default() };
            for (slot, events) in counts.dropped.iter_mut().zip(&gone.dropped) {
                *slot = *events;
            }
            sum.add(&gone.site, counts);
        }
        sum
    }

    pub(crate) fn write(&self, disk: &dyn Disk, quarantine: &Path, file: &str) -> io::Result<()> {
        write_atomically(disk, quarantine, file, &serde_json::to_vec(self)?)
    }

    /// `None`: there is no such tombstone, or it cannot be read.
    pub(crate) fn read(disk: &dyn Disk, path: &Path) -> Option<Self> {
        serde_json::from_slice(&read_all(disk, path).ok()?).ok()
    }
}

/// What a segment holds by its seal. `None`: the seal is not whole.
pub(crate) fn sealed_contents(disk: &dyn Disk, path: &Path) -> Option<SegmentContents> {
    let scan = scan::<SegmentContents>(disk, path, None).ok()?;
    scan.seal.map(|_| scan.account)
}

pub(crate) fn read_discarded(disk: &dyn Disk, quarantine: &Path, id: SegmentId) -> Option<Tombstone> {
    let endings = [PENDING_TOMBSTONE, TOMBSTONE];
    endings.iter().find_map(|ending| Tombstone::read(disk, &quarantine.join(format!("{id}{ending}"))))
}

/// Whether a tombstone tells what a segment's file held. The segment then counts as discarded although its file may still be there.
pub(crate) fn is_discarded(disk: &dyn Disk, quarantine: &Path, id: SegmentId) -> bool {
    read_discarded(disk, quarantine, id).is_some_and(|tombstone| tombstone.had_file)
}

/// Writes the tombstone of a segment's events that might be kept until `day`, unless there is one: it may be in the audit already.
/// One that cannot be parsed is written again.
pub(crate) fn write_expired(
    disk: &dyn Disk,
    quarantine: &Path,
    id: SegmentId,
    day: u16,
    tombstone: &Tombstone,
) -> io::Result<()> {
    let name = expired_name(id, day);
    let mut file = format!("{name}{PENDING_TOMBSTONE}");
    // In this order: the audit renames the first to the second.
    for ending in [PENDING_TOMBSTONE, TOMBSTONE] {
        let known = format!("{name}{ending}");
        match read_all(disk, &quarantine.join(&known)) {
            Ok(text) if serde_json::from_slice::<Tombstone>(&text).is_ok() => return Ok(()),
            Ok(_) => file = known,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    tombstone.write(disk, quarantine, &file)
}

/// The last days of retention that tombstones record as expired for the segment's events. The segment's file holds none of these events, or
/// a crash came before they were deleted; they count as discarded in both cases.
pub(crate) fn expired_days(disk: &dyn Disk, quarantine: &Path, id: SegmentId) -> io::Result<BTreeSet<u16>> {
    let day = |file: &String| {
        let name = file.strip_suffix(PENDING_TOMBSTONE).or_else(|| file.strip_suffix(TOMBSTONE))?;
        parse_expired_name(name).filter(|(segment, _)| *segment == id).map(|(_, day)| day)
    };
    Ok(disk.list(quarantine)?.iter().filter_map(day).collect())
}

/// Takes away from the contents of a segment's file what tombstones of expired events count.
pub(crate) fn exclude_expired(
    disk: &dyn Disk,
    quarantine: &Path,
    id: SegmentId,
    contents: &mut SegmentContents,
) -> io::Result<()> {
    let removed = contents.counts.remove_stored_until(&expired_days(disk, quarantine, id)?);
    contents.events = contents.events.saturating_sub(removed);
    Ok(())
}

/// What a segment lost to damage.
#[derive(Debug, Clone, Serialize)]
pub struct SegmentLoss {
    pub segment: String,
    /// Lost events; `None` if nobody knows, since the seal is damaged too.
    pub events: Option<u64>,
    /// Lost rows of the audit; `None` if nobody knows.
    pub audit: Option<u64>,
    #[serde(skip)]
    pub counts: SegmentCounts,
}

/// What segments lost to damage and nobody has discarded.
pub(crate) fn losses(disk: &dyn Disk, directory: &Path) -> Vec<SegmentLoss> {
    let quarantine = directory.join(QUARANTINE);
    let files = disk.list(&quarantine).unwrap_or_default();
    let ids = files.iter().filter_map(|file| SegmentId::from_name_with_suffix(file, SALVAGED_TOMBSTONE));
    // As long as the segment's file is there, the file itself is counted.
    let is_counted =
        |id: &SegmentId| !files.contains(&id.file_name()) && !is_discarded(disk, &quarantine, *id);
    let loss = |id: SegmentId| {
        let tombstone = Tombstone::read(disk, &quarantine.join(format!("{id}{SALVAGED_TOMBSTONE}")));
        SegmentLoss {
            segment: id.to_string(),
            events: tombstone.as_ref().and_then(|tombstone| tombstone.events),
            audit: tombstone.as_ref().and_then(|tombstone| tombstone.audit),
            counts: tombstone.map(|tombstone| tombstone.counts()).unwrap_or_default(),
        }
    };
    ids.filter(is_counted).map(loss).collect()
}

/// What discarded segments held, and expired events.
pub(crate) fn discarded_counts(disk: &dyn Disk, directory: &Path) -> Vec<SegmentCounts> {
    let quarantine = directory.join(QUARANTINE);
    let is_discarded = |file: &&String| {
        let name = file.strip_suffix(PENDING_TOMBSTONE).or_else(|| file.strip_suffix(TOMBSTONE));
        name.is_some_and(|name| {
            SegmentId::parse(name).is_some() || parse_expired_name(name).is_some() || is_erased_name(name)
        })
    };
    let files = disk.list(&quarantine).unwrap_or_default();
    let tombstones = files.iter().filter(is_discarded);
    tombstones
        .filter_map(|file| Tombstone::read(disk, &quarantine.join(file)))
        .map(|tombstone| tombstone.counts())
        .collect()
}
