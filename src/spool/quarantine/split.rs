//! A segment whose content the store refuses, split in two, and again, until the row that it means stands alone.
//!
//! The halves are segments of their own: each has a name that follows from the segment's, and with it a token, books and prints. A
//! third one keeps the segment's own name, so that its number is no hole, and what it holds beside events. They are made in `halves/`. That the segment
//! is moved to `aside/NAME.split` is the decision: before it a crash leaves the segment as it was, and the halves are made anew; after
//! it the halves are what there is, and take its place. So no row is ever in two files that are shipped.

use std::io;
use std::path::{Path, PathBuf};

use crate::spool::accounting::row_layout::Layout;
use crate::spool::log::disk::{Disk, DiskFile};
use crate::spool::log::frame::{self, Frame, Kind, Whole};
use crate::spool::log::recovery::{self, ASIDE, Damage, Scan};
use crate::spool::log::segment::{Header, Name, Reader, Step};
use crate::spool::quarantine::requeue::{build, copy, derived};
use crate::spool::{Sealed, Spool, SpoolError};

/// Where halves are made.
const HALVES: &str = "halves";
/// Ending of a segment whose halves take its place.
const SPLIT: &str = ".split";
/// What the halves' names are made from.
const HALF: [&str; 2] = ["first half", "second half"];

impl Spool {
    /// Puts two halves in the place of a segment; `false` when it holds a single event, or cannot be taken apart.
    ///
    /// # Errors
    /// When the disk fails. Unless the segment is no longer [held](Spool::holds) nothing was changed; what was begun and could
    /// not be ended is so by [`Spool::end_splits`], or at the next start.
    pub(crate) fn split(&self, sealed: &Sealed) -> Result<bool, SpoolError> {
        self.end_splits()?;
        let shared = &self.shared;
        let (disk, directory) = (&*shared.disk, &*shared.directory);
        let failed = |source| SpoolError::io("split", &directory.join(sealed.name.file()), source);
        let made = make(disk, directory, sealed);
        if matches!(made, Ok(false)) {
            return Ok(false);
        }
        // Whatever a failing disk says of what it did: what has the name once the split is ended is what there is.
        self.forget(sealed);
        shared.placed.lock().push(sealed.name);
        self.end_splits()?;
        made.or_else(|error| {
            self.holds(derived(sealed.name, HALF[0])).then_some(true).ok_or_else(|| failed(error))
        })
    }

    /// Takes in the halves of segments whose split was decided and could not be ended at once.
    pub(crate) fn end_splits(&self) -> Result<(), SpoolError> {
        let shared = &self.shared;
        let (disk, directory) = (&*shared.disk, &*shared.directory);
        let mut placed = shared.placed.lock();
        // None is taken in before all are in their place for good.
        complete(disk, directory, &mut placed)
            .map_err(|source| SpoolError::io("end a split in", directory, source))?;
        while let Some(&name) = placed.first() {
            match recovery::take_in(disk, directory, name) {
                Ok(part) => part.into_iter().for_each(|part| shared.take_in(part)),
                // Somebody took the file away.
                Err(error) if error.is_missing() => {}
                Err(error) => return Err(error),
            }
            placed.remove(0);
        }
        Ok(())
    }
}

/// Makes the halves and decides for them.
fn make(disk: &dyn Disk, directory: &Path, sealed: &Sealed) -> io::Result<bool> {
    let path = directory.join(sealed.name.file());
    let file = disk.read(&path)?;
    let (header, start) = Header::read(&*file)?.map_err(io::Error::other)?;
    let Some([first, second, rest]) = halves(&*file, &header, start, sealed)? else { return Ok(false) };
    let staged = directory.join(HALVES);
    disk.create_directory(&staged)?;
    disk.sync_directory(directory)?;
    for (frames, half) in [first, second].into_iter().zip(HALF) {
        build(disk, &staged, &header, derived(sealed.name, half), frames)?;
    }
    build(disk, &staged, &header, sealed.name, rest)?;
    let aside = directory.join(ASIDE);
    disk.rename(&path, &aside.join(format!("{}{SPLIT}", sealed.name)))?;
    disk.sync_directory(&aside)?;
    disk.sync_directory(directory)?;
    Ok(true)
}

/// Ends what a split began: puts the halves in the place of the segment if that was decided, and throws them away if not. Notes
/// the names of what it puts in.
pub(crate) fn complete(disk: &dyn Disk, directory: &Path, placed: &mut Vec<Name>) -> io::Result<()> {
    let (staged, aside) = (directory.join(HALVES), directory.join(ASIDE));
    let files = match disk.list(&staged) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        files => files?,
    };
    let decided = decided(disk, directory)?;
    if !decided.is_empty() {
        // A decision that a power cut takes back, with a half in its place, would leave that half beside the whole.
        disk.sync_directory(&aside)?;
    }
    for file in files {
        match Name::of_file(&file).filter(|name| is_part_of(&decided, *name)) {
            Some(name) => {
                // Before it is moved: a disk may say that it failed to, and have done it.
                if !placed.contains(&name) {
                    placed.push(name);
                }
                disk.rename(&staged.join(&file), &directory.join(&file))?;
            }
            None => disk.remove(&staged.join(&file))?,
        }
    }
    if !decided.is_empty() {
        disk.sync_directory(directory)?;
        disk.sync_directory(&staged)?;
        for name in decided {
            disk.remove(&aside.join(format!("{name}{SPLIT}")))?;
        }
        disk.sync_directory(&aside)?;
    }
    Ok(())
}

/// A segment, its file and what is in it.
type Scanned = (Name, PathBuf, Result<Scan, Damage>);

/// Reads what waits in a spool, also while a split is under way, or was when the collector died: halves that were decided for, but are
/// not in their place yet, and not what they take the place of.
pub(crate) fn waiting(disk: &dyn Disk, directory: &Path) -> Result<Vec<Scanned>, SpoolError> {
    let halves = undone(disk, directory).map_err(|source| SpoolError::io("list", directory, source))?;
    // Later than the halves: they move from there to here.
    let mut names = recovery::names(disk, directory)?;
    names.extend(&halves);
    names.sort_by_key(|name| (name.number, name.collector));
    names.dedup();
    let scan = |name: Name| {
        let staged = directory.join(HALVES).join(name.file());
        if halves.contains(&name) {
            match recovery::scan(disk, &staged, None) {
                Err(Damage::Io(error)) if error.kind() == io::ErrorKind::NotFound => {}
                scan => return (name, staged, scan),
            }
        }
        let path = directory.join(name.file());
        let scan = recovery::scan(disk, &path, None);
        (name, path, scan)
    };
    Ok(names.into_iter().map(scan).collect())
}

/// Halves whose split was decided and not ended.
fn undone(disk: &dyn Disk, directory: &Path) -> io::Result<Vec<Name>> {
    match decided(disk, directory) {
        Ok(decided) if decided.is_empty() => Ok(Vec::new()),
        Ok(decided) => {
            let files = disk.list(&directory.join(HALVES))?;
            let names = files.iter().filter_map(|file| Name::of_file(file));
            Ok(names.filter(|name| is_part_of(&decided, *name)).collect())
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// Segments whose parts take their place. One that was ended may come back in a power cut, when none of its parts is there any more.
fn decided(disk: &dyn Disk, directory: &Path) -> io::Result<Vec<Name>> {
    let files = disk.list(&directory.join(ASIDE))?;
    Ok(files.iter().filter_map(|file| Name::of_text(file.strip_suffix(SPLIT)?)).collect())
}

/// Whether a segment takes the place of one of these, with others.
fn is_part_of(decided: &[Name], part: Name) -> bool {
    decided.iter().any(|whole| part == *whole || HALF.iter().any(|half| part == derived(*whole, half)))
}

/// The frames of a segment in two parts with an event each at least, none where there is but one event. Frames stay whole unless there
/// is but one with events; and the frames of the audit and of dropped events, which nobody refused.
fn halves(
    file: &dyn DiskFile,
    header: &Header,
    start: u64,
    sealed: &Sealed,
) -> io::Result<Option<[Vec<u8>; 3]>> {
    let events = sealed.seal.events;
    if events < 2 {
        return Ok(None);
    }
    let (mut first, mut second, mut rest) = (Vec::new(), Vec::new(), Vec::new());
    let mut taken = 0;
    let mut reader = Reader::new(file, header.salt, start..sealed.seal.books_at);
    loop {
        let frame = match reader.step()? {
            Step::Frame(frame) => frame,
            Step::End => return Ok(Some([first, second, rest])),
            Step::Bad => return Err(io::Error::new(io::ErrorKind::InvalidData, "a frame is damaged")),
        };
        let count = u64::from(frame.count);
        if frame.kind != Kind::Events {
            copy(&frame, &mut rest);
        } else if count == events {
            let Some(rows) = row_halves(header, &frame) else { return Ok(None) };
            let [one, other] = rows;
            first.extend_from_slice(&one);
            second.extend_from_slice(&other);
        } else if taken == 0 || (second.is_empty() && taken + count <= events / 2) {
            taken += count;
            copy(&frame, &mut first);
        } else {
            copy(&frame, &mut second);
        }
    }
}

/// A frame's rows in two frames.
fn row_halves(header: &Header, frame: &Whole<'_>) -> Option<[Vec<u8>; 2]> {
    let lengths = Layout::of(header.table(Kind::Events)?)?.lengths(frame.rows, frame.count)?;
    let seqs: Vec<u32> = frame.identities().map(|(_, seq)| seq).collect();
    let half = lengths.len() / 2;
    let (rows, other_rows) = frame.rows.split_at(lengths[..half].iter().sum());
    let (seqs, other_seqs) = seqs.split_at(half);
    Some([(seqs, rows), (other_seqs, other_rows)].map(|(seqs, rows)| {
        let mut out = Vec::new();
        let part = Frame { site: frame.site, page_load: frame.page_load, seqs, rows };
        frame::encode(Kind::Events, seqs.len() as u32, &part, &mut out);
        out
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spool::log::test_disk::{Fault, TestDisk};
    use crate::spool::tests::{append, limits, until, wait};
    use crate::spool::*;
    use std::collections::BTreeSet;

    const DIRECTORY: &str = "/spool";

    fn open(disk: &TestDisk) -> Result<Arc<Spool>, SpoolError> {
        Ok(Spool::open_on(Arc::new(disk.clone()), Path::new(DIRECTORY), &limits())?.0)
    }

    /// A disk with a sealed segment of four beacons, with 1, 2, 3 and 1 events.
    fn sealed() -> TestDisk {
        let disk = TestDisk::default();
        let spool = open(&disk).unwrap();
        for (page_load, seqs) in [(1, &[0][..]), (2, &[0, 1]), (3, &[0, 1, 2]), (4, &[0])] {
            wait(append(&spool, page_load, seqs).unwrap()).unwrap();
        }
        spool.close();
        until(|| spool.oldest_sealed().is_some());
        drop(spool);
        disk.after_power_loss(|| false)
    }

    /// Events of everything that would be shipped, as often as it would be.
    fn events(spool: &Spool) -> Vec<(u64, u32)> {
        let sealed: Vec<_> = spool.shared.sealed.lock().iter().copied().collect();
        let identities = |sealed: Sealed| Unload::open(spool, sealed).unwrap().identities().to_vec();
        let mut events: Vec<_> = sealed.into_iter().flat_map(identities).collect();
        events.sort_unstable();
        events
    }

    /// Events that wait by what lies on the disk, without a spool having been opened there.
    fn on_record(disk: &TestDisk) -> u64 {
        let waiting = waiting(disk, Path::new(DIRECTORY)).unwrap();
        waiting.into_iter().map(|(_, _, scan)| scan.map_or(0, |scan| scan.events)).sum()
    }

    fn all() -> Vec<(u64, u32)> {
        vec![(1, 0), (2, 0), (2, 1), (3, 0), (3, 1), (3, 2), (4, 0)]
    }

    fn full(spool: &Spool) -> Vec<Sealed> {
        spool.shared.sealed.lock().iter().copied().filter(|sealed| sealed.seal.events > 0).collect()
    }

    #[test]
    fn halves_hold_every_event_once_and_no_number_is_missing() {
        let spool = open(&sealed()).unwrap();
        let whole = full(&spool)[0];
        assert!(spool.split(&whole).unwrap());
        assert_eq!(events(&spool), all());
        let names: BTreeSet<_> = spool.shared.sealed.lock().iter().map(|sealed| sealed.name).collect();
        assert!(names.contains(&whole.name), "an empty segment keeps the number");
        let counts: Vec<_> = spool.shared.sealed.lock().iter().map(|sealed| sealed.seal.events).collect();
        let halves: Vec<_> = counts.into_iter().filter(|events| *events > 0).collect();
        assert_eq!(halves.iter().sum::<u64>(), 7);
        assert_eq!(halves.len(), 2);
    }

    #[test]
    fn audit_rows_and_counts_of_dropped_events_stay_with_the_name_and_not_with_what_is_refused() {
        let disk = TestDisk::default();
        let spool = open(&disk).unwrap();
        spool.count_dropped("clinic", crate::event::DropReason::Bot, 3);
        wait(append(&spool, 1, &[0, 1]).unwrap()).unwrap();
        wait(spool.append_audit("key turned", "{}").unwrap()).unwrap();
        spool.close();
        let whole = full(&spool)[0];
        let books = |name: Name| {
            let path = Path::new(DIRECTORY).join(name.file());
            recovery::scan(&disk, &path, None).unwrap().tally
        };
        let before = books(whole.name);
        assert!(spool.split(&whole).unwrap());
        let sealed: Vec<_> = spool.shared.sealed.lock().iter().copied().collect();
        for part in &sealed {
            let is_own = part.name == whole.name;
            assert_eq!((part.seal.audit, part.seal.events), if is_own { (1, 0) } else { (0, 1) });
        }
        let mut after = Tally::default();
        sealed.iter().for_each(|part| after.merge(&books(part.name)));
        let told = |tally: &Tally| -> BTreeSet<String> {
            tally.iter().map(|(site, count)| format!("{site} {count:?}")).collect()
        };
        assert_eq!(told(&after), told(&before));
    }

    #[test]
    fn a_power_cut_at_any_operation_of_a_split_leaves_every_event_once() {
        for after in 0.. {
            let disk = sealed();
            let spool = open(&disk).unwrap();
            let whole = full(&spool)[0];
            disk.fault_after(after, Fault::PowerCut);
            let done = spool.split(&whole);
            let is_over = !disk.is_off();
            disk.mend();
            drop(spool);
            for survives in [true, false] {
                let disk = disk.after_power_loss(|| survives);
                assert_eq!(on_record(&disk), 7, "after {after} operations; unsynced survives: {survives}");
                let spool = open(&disk).unwrap();
                assert_eq!(events(&spool), all(), "after {after} operations; unsynced survives: {survives}");
            }
            if is_over {
                assert!(done.unwrap(), "halved");
                assert!(after > 10, "a split takes more operations than that");
                return;
            }
        }
    }

    #[test]
    fn what_an_error_left_of_a_split_decides_for_no_other() {
        for first in 0.. {
            for second in 0.. {
                let disk = sealed();
                let spool = open(&disk).unwrap();
                wait(append(&spool, 5, &[0]).unwrap()).unwrap();
                wait(append(&spool, 6, &[0]).unwrap()).unwrap();
                spool.close();
                let [one, other] = full(&spool)[..] else { panic!("two segments have events") };
                disk.fault_after(
                    first,
                    Fault::Error { kind: io::ErrorKind::Other, done: true, lasting: false },
                );
                let _ = spool.split(&one);
                if !disk.fault_came() {
                    return;
                }
                disk.fault_after(second, Fault::PowerCut);
                let _ = spool.split(&other);
                drop(spool);
                let is_over = !disk.is_off();
                let spool = open(&disk.after_power_loss(|| false)).unwrap();
                let expected = [all(), vec![(5, 0), (6, 0)]].concat();
                assert_eq!(events(&spool), expected, "{first} and {second} operations");
                if is_over {
                    break;
                }
            }
        }
    }

    #[test]
    fn a_split_that_was_cut_short_and_whose_ending_is_cut_short_leaves_every_event_once() {
        for first in 0.. {
            for second in 0.. {
                let disk = sealed();
                let spool = open(&disk).unwrap();
                disk.fault_after(
                    first,
                    Fault::Error { kind: io::ErrorKind::Other, done: false, lasting: true },
                );
                let _ = spool.split(&full(&spool)[0]);
                drop(spool);
                if !disk.fault_came() {
                    assert!(first > 10, "a split takes more operations than that");
                    return;
                }
                disk.mend();
                disk.fault_after(second, Fault::PowerCut);
                drop(open(&disk));
                let is_over = !disk.is_off();
                let mut random = fastrand::Rng::with_seed(first);
                for _ in 0..2 {
                    let spool = open(&disk.after_power_loss(|| random.bool())).unwrap();
                    assert_eq!(events(&spool), all(), "{first} and {second} operations");
                }
                if is_over {
                    break;
                }
            }
        }
    }

    #[test]
    fn an_error_at_any_operation_of_a_split_leaves_every_event_once_and_nothing_lying_about() {
        for done in [true, false] {
            for after in 0.. {
                let disk = sealed();
                let spool = open(&disk).unwrap();
                let whole = full(&spool)[0];
                disk.fault_after(after, Fault::Error { kind: io::ErrorKind::Other, done, lasting: false });
                let is_split = spool.split(&whole).is_ok_and(|is_split| is_split);
                let came = disk.fault_came();
                disk.mend();
                spool.end_splits().unwrap();
                assert_eq!(events(&spool), all(), "{after}, {done}");
                drop(spool);
                for survives in [true, false] {
                    let disk = disk.after_power_loss(|| survives);
                    let spool = open(&disk).unwrap();
                    assert_eq!(events(&spool), all(), "{after}, {done}; unsynced survives: {survives}");
                    assert!(disk.lengths(&Path::new(DIRECTORY).join(HALVES)).is_empty(), "{after}, {done}");
                }
                if !came {
                    assert!(is_split && after > 10, "a split takes more operations than that");
                    break;
                }
            }
        }
    }
}
