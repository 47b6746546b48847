//! A plain model of what a spool must do, beside the spool that does it: who was acknowledged, what the store has by
//! token, what was set aside; and the audit of one against the other.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::spool::log::segment::{Header, Reader, Step as FrameStep};
use crate::spool::log::test_disk::{Fault, TestDisk};
use crate::spool::quarantine::requeue::{RETRY, retry_on};
use crate::spool::tests::{append, limits, rows, until, wait};
use crate::spool::*;

pub(super) const DIRECTORY: &str = "/spool";
/// Segments are sealed at this many rows, so that a short script has several.
const SEAL_ROWS: u32 = 9;
/// A spool that does not open in so many starts never will.
const MOST_STARTS: usize = 8;

pub(super) fn open(disk: &TestDisk, limits: &SpoolLimits) -> Result<(Arc<Spool>, Recovered), SpoolError> {
    Spool::open_on(Arc::new(disk.clone()), Path::new(DIRECTORY), limits)
}

pub(super) fn aside() -> PathBuf {
    Path::new(DIRECTORY).join(recovery::ASIDE)
}

/// What one segment holds, as the store gets it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Held {
    /// Page load of each event, in order.
    pub(super) events: Vec<u64>,
    audits: Vec<u64>,
    /// Events stored and dropped, by its books.
    booked: (u64, u64),
}

impl Held {
    fn book(&mut self, rows: &[u8]) {
        let mut books = Tally::default();
        books.decode(rows).unwrap();
        for (_, count) in books.iter() {
            self.booked.0 += count.stored;
            self.booked.1 += count.dropped.iter().sum::<u64>();
        }
    }
}

/// Length of the model's audit rows: a time, the action in one letter, and eight digits.
const AUDIT_LEN: usize = 19;

fn audit_number(row: &[u8]) -> u64 {
    std::str::from_utf8(&row[AUDIT_LEN - 8..]).unwrap().parse().unwrap()
}

/// Reads a sealed segment as it would be shipped.
pub(super) fn held(spool: &Spool, sealed: Sealed) -> Result<Held, UnloadError> {
    let unload = Unload::open(spool, sealed)?;
    let mut held = Held::default();
    for part in unload.parts() {
        let mut bytes = Vec::new();
        unload.rows(&part, &[], |chunk| {
            bytes.extend_from_slice(&chunk);
            true
        })?;
        match part.table.as_str() {
            "events" => {
                let page_load = |row: &[u8]| u64::from_le_bytes(row[..8].try_into().unwrap());
                held.events = bytes.chunks_exact(rows(0, &[0]).len()).map(page_load).collect();
            }
            "audit" => held.audits = bytes.chunks_exact(AUDIT_LEN).map(audit_number).collect(),
            "books" => held.book(&bytes),
            // Fingerprints are held against the real store's elsewhere.
            "segments" => {}
            other => panic!("a part for table {other}"),
        }
    }
    Ok(held)
}

/// What is done to a spool.
#[derive(Debug, Clone)]
pub(super) enum Step {
    /// Beacons, each with so many events.
    Append(Vec<u32>),
    Dropped,
    Audit,
    /// The oldest sealed segment is stored and confirmed.
    Ship,
    /// It is stored, and the collector does not hear of it.
    ShipAndLoseTheAnswer,
    SetAside,
    /// The store refuses rows of the oldest sealed segment, of which it has none.
    Split,
    /// An operator has everything that was set aside tried again.
    Retry,
    Reopen,
    Fault {
        after: u64,
        fault: Fault,
    },
    /// What is due to be sealed is sealed, for scripts.
    Settle,
}

/// The spool, and what the world knows of it.
pub(super) struct World {
    pub(super) disk: TestDisk,
    spool: Option<Arc<Spool>>,
    limits: SpoolLimits,
    random: fastrand::Rng,
    /// Of what was not synced, this share of eight is on the disk after a power cut.
    survives: u8,
    next: u64,
    /// Events of each beacon that was ever sent.
    sent: BTreeMap<u64, usize>,
    acknowledged: BTreeSet<u64>,
    next_audit: u64,
    audits: BTreeSet<u64>,
    /// Dropped events: those that are surely durable, and all.
    dropped: (u64, u64),
    /// Dropped events since the spool was opened that the next acknowledged write makes durable.
    dropped_waiting: u64,
    /// What the store took, each token once.
    store: BTreeMap<Name, Held>,
    set_aside: bool,
    /// A segment was split: its halves go by names of their own.
    split: bool,
}

impl World {
    pub(super) fn new(seed: u64, survives: u8, sealed_by_time: bool) -> Self {
        let seal_after = if sealed_by_time { Duration::from_millis(1) } else { limits().seal_after };
        Self {
            disk: TestDisk::default(),
            spool: None,
            limits: SpoolLimits { seal_rows: SEAL_ROWS, seal_after, ..limits() },
            random: fastrand::Rng::with_seed(seed),
            survives,
            next: 1,
            sent: BTreeMap::new(),
            acknowledged: BTreeSet::new(),
            next_audit: 0,
            audits: BTreeSet::new(),
            dropped: (0, 0),
            dropped_waiting: 0,
            store: BTreeMap::new(),
            set_aside: false,
            split: false,
        }
    }

    /// What a step needs is open, or will be.
    fn spool(&mut self) -> Arc<Spool> {
        if self.spool.is_none() {
            self.reopen();
        }
        self.spool.clone().expect("it was opened above")
    }

    pub(super) fn take(&mut self, step: &Step) {
        if let Step::Fault { after, fault } = step {
            self.disk.fault_after(*after, *fault);
            return;
        }
        let spool = self.spool();
        match step {
            Step::Append(beacons) => self.append(&spool, beacons),
            Step::Dropped => {
                self.dropped.1 += 1;
                self.dropped_waiting += 1;
                spool.count_dropped("clinic", DropReason::Duplicate, 1);
            }
            Step::Audit => {
                let number = self.next_audit;
                self.next_audit += 1;
                let taken = spool.append_audit("a", &format!("{number:08}")).and_then(wait);
                if taken.is_ok() {
                    self.audits.insert(number);
                    self.dropped.0 += std::mem::take(&mut self.dropped_waiting);
                }
            }
            Step::Ship => self.ship(&spool, true),
            Step::ShipAndLoseTheAnswer => self.ship(&spool, false),
            Step::SetAside => {
                if let Some(sealed) = spool.oldest_sealed() {
                    self.set_aside = true;
                    // Where it fails the segment is where it was.
                    let _ = spool.set_aside(&sealed, "a test");
                }
            }
            Step::Split => {
                take_up(&spool);
                if let Some(sealed) = spool.oldest_sealed().filter(|it| !self.store.contains_key(&it.name)) {
                    self.split = true;
                    // Where it fails it is ended the next time, or the segment is where it was.
                    let _ = spool.split(&sealed);
                }
            }
            Step::Retry => {
                for name in recovery::names(&self.disk, &aside()).unwrap_or_default() {
                    let _ = retry_on(&self.disk, Path::new(DIRECTORY), name);
                }
                take_up(&spool);
            }
            // The writer seals in its own time, after it has acknowledged.
            Step::Settle => until(|| {
                let active = spool.shared.active_events.load(Ordering::Relaxed);
                let status = spool.status();
                active < u64::from(SEAL_ROWS) || status.broken.is_some() || status.short.is_some()
            }),
            Step::Reopen => {
                drop((spool, self.spool.take()));
                return self.reopen();
            }
            Step::Fault { .. } => unreachable!("it was dealt with above"),
        }
        if spool.status().broken.is_some() {
            let refused = append(&spool, u64::MAX, &[0]).and_then(wait);
            assert!(matches!(refused, Err(SpoolError::Broken(_))), "it is broken for good: {refused:?}");
            drop((spool, self.spool.take()));
            self.reopen();
        }
    }

    fn append(&mut self, spool: &Spool, beacons: &[u32]) {
        let mut acks = Vec::new();
        for events in beacons {
            let seqs: Vec<_> = (0..*events).collect();
            acks.push((self.next, append(spool, self.next, &seqs)));
            self.sent.insert(self.next, seqs.len());
            self.next += 1;
        }
        for (page_load, ack) in acks {
            if ack.and_then(wait).is_ok() {
                self.acknowledged.insert(page_load);
                self.dropped.0 += std::mem::take(&mut self.dropped_waiting);
            }
        }
    }

    /// As the shipper does.
    fn ship(&mut self, spool: &Spool, confirm: bool) {
        take_up(spool);
        let Some(sealed) = spool.oldest_sealed() else { return };
        // A disk that fails here is asked again, by the shipper; here, with the next step.
        let Ok(held) = held(spool, sealed) else { return };
        let identities: Vec<_> = held.events.iter().map(|page_load| (*page_load, 0)).collect();
        let known = self.store.entry(sealed.name).or_insert_with(|| held.clone());
        assert_eq!(*known, held, "what is sent again under a token is what was sent before");
        if confirm {
            spool.keep_identities(&sealed, &identities);
            let _ = spool.confirm(&sealed);
        }
    }

    /// Opens again until the disk lets it, and looks at what is there.
    fn reopen(&mut self) {
        let mut notes = Vec::new();
        for _ in 0..MOST_STARTS {
            // The machine may have lost its power, or the process alone may have ended.
            if self.disk.is_off() || self.random.u8(0..4) == 0 {
                let (random, survives) = (&mut self.random, self.survives);
                let cut = random.usize(..);
                self.disk =
                    self.disk.after_torn_write(|| random.u8(0..8) < survives, |length| cut % (length + 1));
            }
            match open(&self.disk, &self.limits) {
                Ok((spool, found)) => {
                    // Their beacons are answered as duplicates when they come again: that is a promise too.
                    self.acknowledged.extend(found.identities.iter().map(|(page_load, _)| *page_load));
                    if spool.status().short.is_some() {
                        // It has begun as far as it could; the rest comes when there is space.
                        self.disk.mend();
                        until(|| spool.status().short.is_none() || spool.status().broken.is_some());
                    }
                    self.spool = Some(spool);
                    // What was not durable is gone with the process that counted it.
                    self.dropped_waiting = 0;
                    self.audit(&found.notes);
                    return;
                }
                Err(error) => notes.push(error.to_string()),
            }
            if notes.len() > 2 {
                self.disk.mend();
            }
        }
        panic!("it does not open: {notes:?}");
    }

    /// Holds everything that is anywhere against what was said.
    fn audit(&mut self, notes: &[String]) {
        let spool = self.spool.clone().expect("it is open");
        let mut all = self.store.clone();
        for sealed in sealed(&spool) {
            let held = match held(&spool, sealed) {
                Ok(held) => held,
                Err(error) => {
                    assert!(matches!(error, UnloadError::Spool(_)), "a crash is no damage: {error}");
                    return;
                }
            };
            let known = all.entry(sealed.name).or_insert_with(|| held.clone());
            assert_eq!(*known, held, "segment {} has the same rows wherever it is: {notes:?}", sealed.name);
        }
        for place in [recovery::ASIDE, RETRY] {
            let Some(set_aside) = self.read(&Path::new(DIRECTORY).join(place)) else { return };
            for (name, held) in set_aside {
                all.entry(name).or_insert(held);
            }
        }
        let mut events: Vec<_> = all.values().flat_map(|held| &held.events).copied().collect();
        if self.split {
            events.sort_unstable();
        }
        let mut beacons = events.clone();
        beacons.dedup();
        let distinct: BTreeSet<_> = beacons.iter().copied().collect();
        assert!(beacons.is_sorted() && distinct.len() == beacons.len(), "in order, once each: {beacons:?}");
        let whole = |beacon: &&[u64]| self.sent.get(&beacon[0]) == Some(&beacon.len());
        let parts: Vec<_> = events.chunk_by(|one, other| one == other).filter(|it| !whole(it)).collect();
        assert!(parts.is_empty(), "each beacon whole and once: {parts:?}");
        let missing: Vec<_> = self.acknowledged.difference(&distinct).collect();
        assert!(missing.is_empty(), "{missing:?} were acknowledged: {notes:?}");
        let audits: Vec<_> = all.values().flat_map(|held| &held.audits).copied().collect();
        let distinct: BTreeSet<_> = audits.iter().copied().collect();
        assert!(self.audits.is_subset(&distinct), "{audits:?} of {:?}", self.audits);
        for (name, held) in &all {
            assert_eq!(held.booked.0, held.events.len() as u64, "the books of segment {name}");
        }
        let dropped = all.values().map(|held| held.booked.1).sum::<u64>();
        assert!(
            (self.dropped.0..=self.dropped.1).contains(&dropped),
            "{dropped} of {:?} in {all:?}: {notes:?}",
            self.dropped
        );
        (self.dropped.0, self.dropped_waiting) = (dropped, 0);
        self.compare_status(&spool);
    }

    /// What was set aside, or is to be tried again, and asserts that nothing was that nobody asked for. None: the disk fails.
    fn read(&self, directory: &Path) -> Option<Vec<(Name, Held)>> {
        let mut found = Vec::new();
        let names = recovery::names_if_any(&self.disk, directory).ok()?;
        for name in names {
            assert!(self.set_aside, "a crash is no damage, but segment {name} was set aside");
            let file = self.disk.read(&directory.join(name.file())).ok()?;
            let (header, start) = Header::read(&*file).ok()?.expect("it was whole");
            let mut reader = Reader::new(&*file, header.salt, start..file.length().ok()?);
            let mut held = Held::default();
            loop {
                let frame = match reader.step().ok()? {
                    FrameStep::End => break,
                    FrameStep::Bad => panic!("segment {name} was whole"),
                    FrameStep::Frame(frame) => frame,
                };
                match frame.kind {
                    Kind::Events => held.events.extend(frame.identities().map(|(page_load, _)| page_load)),
                    Kind::Audit => held.audits.push(audit_number(frame.rows)),
                    Kind::Books => held.book(frame.rows),
                    Kind::Dropped | Kind::Seal => {}
                }
            }
            found.push((name, held));
        }
        Some(found)
    }

    /// What the spool says of itself is what lies on the disk.
    fn compare_status(&self, spool: &Spool) {
        let mut seen = String::new();
        let mut agrees = || {
            let status = spool.status();
            let is_segment = |path: &&PathBuf| path.extension().is_some_and(|it| it == "segment");
            let here = self.disk.lengths(Path::new(DIRECTORY));
            let here: u64 = here.iter().filter(|(path, _)| is_segment(path)).map(|(_, length)| length).sum();
            let aside: u64 = self.disk.lengths(&aside()).values().sum();
            seen = format!("{status:?}, but {here} bytes here and {aside} aside");
            status.bytes == here + aside || status.broken.is_some()
        };
        // The writer may be about to seal.
        for _ in 0..1000 {
            if agrees() {
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        panic!("{seen}");
    }
}

/// As the shipper does at the start and once a second. Where it fails it is ended the next time.
fn take_up(spool: &Spool) {
    let _ = spool.end_splits().and_then(|()| spool.take_up());
}

/// What is sealed, oldest first.
pub(super) fn sealed(spool: &Spool) -> Vec<Sealed> {
    spool.shared.sealed.lock().iter().copied().collect()
}
