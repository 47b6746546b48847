//! What is on record of events that are gone: lost to damage, or discarded because someone asked.
//!
//! Only [`discard`] deletes, and it leaves a record in the place of the events, which is never written over. What is of no loss is not
//! deleted: rows of the audit go on as a segment of their own. The record is written before anything is deleted; a segment that has one
//! counts as discarded although its file is still there, and to discard it again deletes the rest.

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::spool::accounting::counts::{Count, Tally};
use crate::spool::log::disk::{Disk, RealDisk};
use crate::spool::log::frame::Kind;
use crate::spool::log::recovery::{self, ASIDE, REASON, Scan};
use crate::spool::log::segment::{Header, Name};
use crate::spool::quarantine::requeue::{self, Contents, RETRY, SALVAGED};
use crate::spool::{SpoolError, now_ms};

/// Ending of the record of a discarded segment that the audit does not know yet.
pub(crate) const DISCARDING: &str = ".discarding";
/// The same once the audit knows it.
pub(crate) const DISCARDED: &str = ".discarded";
/// Ending of the record of what a salvaged segment held beside its whole frames.
const LOST: &str = ".salvaged.lost";
/// Ending of the copy of a segment whose tail was cut.
const TORN: &str = ".torn";
const SEGMENT: &str = ".segment";

/// What stays of events that are gone.
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    segment: String,
    /// Unix ms.
    time: i64,
    reason: String,
    /// Events, if it is known how many there were.
    events: Option<u64>,
    /// Audit rows that are gone too, if it is known how many there were.
    #[serde(default)]
    audit: Option<u64>,
    /// Whether there was anything to delete; if not, it was acknowledged that the segment is lost.
    #[serde(default = "yes")]
    held: bool,
    books: Vec<Entry>,
}

/// What a record without the word says: before there was the word, most had a file.
fn yes() -> bool {
    true
}

/// A line of a record's books.
#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    day: u16,
    site: String,
    stored: u64,
    dropped: Vec<u64>,
}

impl Record {
    fn new(name: Name, reason: &str, gone: Option<Contents>, held: bool) -> Self {
        let entry = |(site, count): (&str, &Count)| Entry {
            day: count.day,
            site: site.to_owned(),
            stored: count.stored,
            dropped: count.dropped.into(),
        };
        Self {
            segment: name.to_string(),
            time: now_ms(),
            reason: reason.to_owned(),
            events: gone.as_ref().map(|gone| gone.events),
            audit: gone.as_ref().map(|gone| gone.audit),
            held,
            books: gone.iter().flat_map(|gone| gone.books.iter()).map(entry).collect(),
        }
    }

    fn tally(&self) -> Tally {
        let mut books = Tally::default();
        for entry in &self.books {
            let mut count = Count { day: entry.day, stored: entry.stored, ..Count::default() };
            for (slot, events) in count.dropped.iter_mut().zip(&entry.dropped) {
                *slot = *events;
            }
            books.add(&entry.site, count);
        }
        books
    }
}

/// What a segment lost to damage.
#[derive(Debug, Clone, Serialize)]
pub struct Loss {
    /// Its name.
    pub segment: String,
    /// Events; none: it is not known, since its books are damaged too.
    pub events: Option<u64>,
    /// Audit rows, in the same way.
    pub audit: Option<u64>,
    /// Its events and dropped events, by day and site.
    #[serde(skip)]
    pub books: Tally,
}

/// What was discarded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Discarded {
    /// A copy of a torn segment: nothing that anybody was told was taken.
    Copy,
    /// A segment.
    Segment {
        /// Events that are gone with it; none: it is not known.
        events: Option<u64>,
        /// Rows of the audit that wait to be shipped as this segment.
        audit: Option<(Name, u64)>,
    },
}

/// Keeps on record what is not among the whole frames of a segment that was set aside. Returns the events, if its seal tells.
pub(crate) fn record_loss(
    disk: &dyn Disk,
    aside: &Path,
    name: Name,
    salvaged: &Contents,
) -> io::Result<Option<u64>> {
    let lost = sealed_contents(disk, &aside.join(name.file())).map(|held| Contents {
        events: held.events.saturating_sub(salvaged.events),
        audit: held.audit.saturating_sub(salvaged.audit),
        books: held.books.less(&salvaged.books),
    });
    let events = lost.as_ref().map(|lost| lost.events);
    let record = Record::new(name, "damaged", lost, true);
    recovery::write_whole(disk, aside, &format!("{name}{LOST}"), &serde_json::to_vec(&record)?)?;
    Ok(events)
}

/// What a segment holds by its seal, if that is whole.
fn sealed_contents(disk: &dyn Disk, path: &Path) -> Option<Contents> {
    let Scan { seal: Some(_), events, audit, tally, .. } = recovery::scan(disk, path, None).ok()? else {
        return None;
    };
    Some(Contents { events, audit, books: tally })
}

/// Deletes a segment that was set aside, with the copy of its torn tail and what is left of it when it was salvaged; or, when there is
/// no such file, acknowledges that a segment is lost. What it held stays on record.
///
/// # Errors
/// When the segment waits to be shipped, when it was discarded before, or when the disk fails.
pub fn discard(directory: &Path, name: Name, why: &str) -> Result<Discarded, SpoolError> {
    let disk = &RealDisk;
    let aside = directory.join(ASIDE);
    let failed = |source| SpoolError::io("discard", &aside.join(name.file()), source);
    let is_there = |ending: &str| aside.join(format!("{name}{ending}")).exists();
    let waits = directory.join(name.file()).exists() || directory.join(RETRY).join(name.file()).exists();
    let held = [SEGMENT, SALVAGED, LOST].into_iter().any(is_there);
    let known = record(disk, &aside, name);
    if (waits || !held) && is_there(TORN) {
        remove(disk, &aside, name, &[TORN]).map_err(failed)?;
        return Ok(Discarded::Copy);
    }
    if waits {
        return Err(failed(io::Error::new(io::ErrorKind::InvalidInput, "it waits to be shipped")));
    }
    let mut audit = None;
    let record = match known {
        Some(_) if !held => {
            let what = "it was discarded before, and nothing of it is left but its record";
            return Err(failed(io::Error::new(io::ErrorKind::AlreadyExists, what)));
        }
        // A process that died in the middle left the rest to us.
        Some(record) if record.held => record,
        _ => {
            audit = hand_on_audit(disk, directory, name).map_err(failed)?;
            let mut gone = contents(directory, name)?;
            if let (Some(gone), Some((_, rows))) = (&mut gone, audit) {
                gone.audit = gone.audit.saturating_sub(rows);
            }
            let record = Record::new(name, why, gone, held);
            let bytes = serde_json::to_vec(&record).map_err(|error| failed(error.into()))?;
            recovery::write_whole(disk, &aside, &format!("{name}{DISCARDING}"), &bytes).map_err(failed)?;
            record
        }
    };
    remove(disk, &aside, name, &[SEGMENT, SALVAGED, LOST, TORN]).map_err(failed)?;
    Ok(Discarded::Segment { events: record.events, audit })
}

/// What goes with a segment that is discarded; none: that cannot be known.
fn contents(directory: &Path, name: Name) -> Result<Option<Contents>, SpoolError> {
    let aside = directory.join(ASIDE);
    let path = aside.join(name.file());
    if path.exists() {
        if let Some(held) = sealed_contents(&RealDisk, &path) {
            return Ok(Some(held));
        }
        let found = requeue::examine(directory, name, false)?;
        // Of a damaged segment without a seal nobody knows what lay in its gaps.
        let known = found.unreadable.is_none();
        return Ok(known.then_some(Contents {
            events: found.events,
            audit: found.audit,
            books: found.books,
        }));
    }
    if let Some(loss) = read(&RealDisk, &aside.join(format!("{name}{LOST}"))) {
        let (events, audit) = (loss.events, loss.audit);
        let books = loss.tally();
        return Ok(events.map(|events| Contents { events, audit: audit.unwrap_or(0), books }));
    }
    // Salvaged before losses were kept on record: what was whole was shipped, or waits under another name.
    Ok(aside.join(format!("{name}{SALVAGED}")).exists().then(Contents::default))
}

/// Puts the audit's rows of a segment into one of their own, which waits to be shipped: nobody refused them.
fn hand_on_audit(disk: &dyn Disk, directory: &Path, name: Name) -> io::Result<Option<(Name, u64)>> {
    let file = match disk.read(&directory.join(ASIDE).join(name.file())) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let Ok((header, start)) = Header::read(&*file)? else { return Ok(None) };
    let mut frames = Vec::new();
    requeue::walk(&*file, &header, start..file.length()?, |frame| {
        if frame.kind == Kind::Audit {
            requeue::copy(frame, &mut frames);
        }
    })?;
    if frames.is_empty() {
        return Ok(None);
    }
    requeue::make_retry(disk, directory)?;
    // The same name each time, and with it the same token: should we die before the record is written, it is shipped once.
    let segment = requeue::derived(name, "audit");
    let handed_on = requeue::build(disk, &directory.join(RETRY), &header, segment, frames)?;
    Ok(Some((segment, handed_on.audit)))
}

fn remove(disk: &dyn Disk, aside: &Path, name: Name, endings: &[&str]) -> io::Result<()> {
    for ending in endings {
        let reason = if *ending == SEGMENT { "" } else { *ending };
        // It tells of what is no more; that it stays when this fails does no harm.
        let _ = disk.remove(&aside.join(format!("{name}{reason}{REASON}")));
        match disk.remove(&aside.join(format!("{name}{ending}"))) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    disk.sync_directory(aside)
}

/// Whether what a segment held is on record as discarded.
pub(crate) fn is_recorded(disk: &dyn Disk, aside: &Path, name: Name) -> bool {
    record(disk, aside, name).is_some_and(|record| record.held)
}

fn record(disk: &dyn Disk, aside: &Path, name: Name) -> Option<Record> {
    [DISCARDING, DISCARDED].iter().find_map(|ending| read(disk, &aside.join(format!("{name}{ending}"))))
}

fn read(disk: &dyn Disk, path: &Path) -> Option<Record> {
    let file = disk.read(path).ok()?;
    let mut bytes = vec![0; usize::try_from(file.length().ok()?).ok()?];
    let length = file.read_at(&mut bytes, 0).ok()?;
    serde_json::from_slice(&bytes[..length]).ok()
}

/// What segments lost to damage and nobody has discarded.
pub(crate) fn losses(disk: &dyn Disk, directory: &Path) -> Vec<Loss> {
    let aside = directory.join(ASIDE);
    let files = disk.list(&aside).unwrap_or_default();
    let names = files.iter().filter_map(|file| Name::of_text(file.strip_suffix(LOST)?));
    // Until the segment is out of the way, it is counted itself.
    let counts = |name: &Name| !files.contains(&name.file()) && !is_recorded(disk, &aside, *name);
    let loss = |name: Name| {
        let record = read(disk, &aside.join(format!("{name}{LOST}")));
        Loss {
            segment: name.to_string(),
            events: record.as_ref().and_then(|record| record.events),
            audit: record.as_ref().and_then(|record| record.audit),
            books: record.map(|record| record.tally()).unwrap_or_default(),
        }
    };
    names.filter(counts).map(loss).collect()
}

/// The books of all segments that were discarded.
pub(crate) fn discarded(directory: &Path) -> Vec<Tally> {
    let aside = directory.join(ASIDE);
    let files = RealDisk.list(&aside).unwrap_or_default();
    let records = files.iter().filter(|file| file.ends_with(DISCARDING) || file.ends_with(DISCARDED));
    records.filter_map(|file| read(&RealDisk, &aside.join(file))).map(|record| record.tally()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spool::tests::{append, limits, wait};
    use crate::spool::{Retried, Spool, inspect, retry};

    /// A directory with a segment of three beacons of two events each and an audit row, which was set aside.
    fn set_aside() -> (tempfile::TempDir, Name) {
        let directory = tempfile::tempdir().unwrap();
        let (spool, _) = Spool::open(directory.path(), &limits()).unwrap();
        for page_load in 1..4 {
            wait(append(&spool, page_load, &[0, 1]).unwrap()).unwrap();
        }
        wait(spool.append_audit("key turned", "{}").unwrap()).unwrap();
        spool.close();
        let sealed = spool.oldest_sealed().unwrap();
        spool.set_aside(&sealed, "refused").unwrap();
        (directory, sealed.name)
    }

    fn file(directory: &Path, name: Name, ending: &str) -> std::path::PathBuf {
        directory.join(ASIDE).join(format!("{name}{ending}"))
    }

    /// Changes a byte of the second beacon's rows.
    fn spoil(path: &Path) {
        let mut bytes = std::fs::read(path).unwrap();
        let middle = memchr::memmem::find_iter(&bytes, b"clinic").nth(1).unwrap();
        bytes[middle] ^= 1;
        std::fs::write(path, bytes).unwrap();
    }

    fn stored(books: &[Tally]) -> u64 {
        books.iter().flat_map(Tally::iter).map(|(_, count)| count.stored).sum()
    }

    #[test]
    fn what_a_damaged_segment_lost_is_on_record_until_it_is_discarded_and_after_that() {
        let (directory, name) = set_aside();
        let directory = directory.path();
        spoil(&file(directory, name, SEGMENT));
        let Ok(Retried::Salvaged { segment, events: 4, lost: Some(2) }) = retry(directory, name) else {
            panic!("four of six events are whole")
        };
        let [loss] = &inspect(directory).unwrap().lost[..] else { panic!("one loss") };
        assert_eq!((&loss.segment, loss.events, loss.audit), (&name.to_string(), Some(2), Some(0)));
        assert_eq!(stored(std::slice::from_ref(&loss.books)), 2);
        let gone = Discarded::Segment { events: Some(2), audit: None };
        assert_eq!(discard(directory, name, "the disk").unwrap(), gone);
        let after = inspect(directory).unwrap();
        assert_eq!((after.lost.len(), after.leftovers.len(), stored(&after.discarded)), (0, 0, 2));
        assert!(directory.join(RETRY).join(segment.file()).exists(), "what was whole still waits");
    }

    #[test]
    fn a_damaged_segment_that_is_discarded_counts_as_its_seal_says() {
        let (directory, name) = set_aside();
        spoil(&file(directory.path(), name, SEGMENT));
        assert!(matches!(
            discard(directory.path(), name, "the disk"),
            Ok(Discarded::Segment { events: Some(6), audit: Some((_, 1)) })
        ));
        assert_eq!(stored(&inspect(directory.path()).unwrap().discarded), 6);
    }

    #[test]
    fn audit_rows_of_a_discarded_segment_go_on_alone() {
        let (directory, name) = set_aside();
        let Ok(Discarded::Segment { events: Some(6), audit: Some((segment, 1)) }) =
            discard(directory.path(), name, "")
        else {
            panic!("six events and an audit row")
        };
        let (spool, _) = Spool::open(directory.path(), &limits()).unwrap();
        assert_eq!(spool.take_up().unwrap(), [segment]);
        let sealed = spool.shared.sealed.lock().iter().find(|it| it.name == segment).copied().unwrap();
        assert_eq!((sealed.seal.events, sealed.seal.audit), (0, 1));
    }

    #[test]
    fn a_record_is_never_written_over() {
        let (directory, name) = set_aside();
        discard(directory.path(), name, "once").unwrap();
        let record = file(directory.path(), name, DISCARDING);
        let before = std::fs::read(&record).unwrap();
        let again = discard(directory.path(), name, "twice").unwrap_err();
        assert!(crate::error_chain::error_chain(&again).contains("discarded before"), "{again:?}");
        assert_eq!(std::fs::read(&record).unwrap(), before);
    }

    #[test]
    fn a_crash_between_the_record_and_the_deletion_leaves_a_segment_that_counts_as_discarded() {
        let (directory, name) = set_aside();
        let directory = directory.path();
        let segment = file(directory, name, SEGMENT);
        let bytes = std::fs::read(&segment).unwrap();
        discard(directory, name, "").unwrap();
        std::fs::write(&segment, bytes).unwrap();
        let inventory = inspect(directory).unwrap();
        let offered = inventory.aside.iter().any(|aside| aside.name == name.to_string());
        assert!(!offered, "it is not offered again");
        assert_eq!((stored(&inventory.discarded), inventory.leftovers.len()), (6, 1));
        assert!(retry(directory, name).is_err());
        discard(directory, name, "").unwrap();
        assert!(!segment.exists());
        assert_eq!(stored(&inspect(directory).unwrap().discarded), 6);
    }

    #[test]
    fn a_segment_that_was_given_up_for_lost_and_came_back_can_be_discarded_with_what_it_holds() {
        let (directory, name) = set_aside();
        let directory = directory.path();
        let segment = file(directory, name, SEGMENT);
        let bytes = std::fs::read(&segment).unwrap();
        std::fs::remove_file(&segment).unwrap();
        assert_eq!(discard(directory, name, "").unwrap(), Discarded::Segment { events: None, audit: None });
        std::fs::write(&segment, bytes).unwrap();
        assert_eq!(inspect(directory).unwrap().aside.len(), 1);
        discard(directory, name, "").unwrap();
        assert_eq!(stored(&inspect(directory).unwrap().discarded), 6);
    }

    #[test]
    fn copies_and_remains_are_listed_and_deleted_and_half_made_files_go_at_the_start() {
        let (directory, name) = set_aside();
        let directory = directory.path();
        for ending in [TORN, ".torn.reason", SALVAGED, ".salvaged.reason"] {
            std::fs::write(file(directory, name, ending), "rows").unwrap();
        }
        std::fs::create_dir(directory.join(RETRY)).unwrap();
        let half_made = [directory.join(RETRY).join("a.new"), directory.join(ASIDE).join("b.new")];
        half_made.iter().for_each(|path| std::fs::write(path, "rows").unwrap());
        drop(Spool::open(directory, &limits()).unwrap());
        assert!(half_made.iter().all(|path| !path.exists()));
        let left: Vec<_> =
            inspect(directory).unwrap().leftovers.into_iter().map(|it| (it.file, it.bytes)).collect();
        assert_eq!(left, [(format!("{name}{SALVAGED}"), 4), (format!("{name}{TORN}"), 4)]);
        discard(directory, name, "").unwrap();
        let files = RealDisk.list(&directory.join(ASIDE)).unwrap();
        assert_eq!(files, [format!("{name}{DISCARDING}")]);
    }

    #[test]
    fn the_copy_of_a_torn_segment_is_deleted_and_nothing_is_put_on_record() {
        let (directory, name) = set_aside();
        let directory = directory.path();
        std::fs::rename(file(directory, name, SEGMENT), file(directory, name, TORN)).unwrap();
        assert_eq!(discard(directory, name, "").unwrap(), Discarded::Copy);
        assert!(inspect(directory).unwrap().discarded.is_empty());
    }
}
