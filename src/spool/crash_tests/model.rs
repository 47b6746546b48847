//! A plain model of what a spool must do, beside a real spool: what was acknowledged, what the store has by token, what was
//! quarantined. After each start the spool is compared with the model.

use std::collections::{BTreeMap, BTreeSet};

use crate::event::row_binary::{read_text, take};
use crate::spool::quarantine::requeue::requeue_on;
use crate::spool::testing::*;
use crate::spool::*;

pub(super) const DIRECTORY: &str = "/spool";
/// Segments are sealed at this many rows, so that a short script has several.
const SEAL_ROWS: u32 = 9;
/// A spool that does not open in so many attempts never will.
const MOST_STARTS: usize = 8;

pub(super) fn open(disk: &TestDisk, limits: &SpoolLimits) -> Result<(Arc<Spool>, Recovered), SpoolError> {
    Spool::open_on(Arc::new(disk.clone()), Path::new(DIRECTORY), limits)
}

pub(super) fn quarantine() -> PathBuf {
    Path::new(DIRECTORY).join(QUARANTINE)
}

/// The rows of one segment, as the store gets them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct SegmentRows {
    /// Page load of each event, in order.
    pub(super) events: Vec<u64>,
    audits: Vec<u64>,
    /// Events stored and dropped, by its counts.
    counted: (u64, u64),
}

impl SegmentRows {
    fn add_counts(&mut self, outcome: &[u8], events: u64) {
        let counted = if outcome == STORED.as_bytes() { &mut self.counted.0 } else { &mut self.counted.1 };
        *counted += events;
    }

    /// Adds the rows of the segment's account, as the store gets them.
    fn add_account(&mut self, mut rows: &[u8]) {
        while !rows.is_empty() {
            take::<2>(&mut rows).unwrap();
            read_text(&mut rows).unwrap();
            take::<24>(&mut rows).unwrap();
            let outcome = read_text(&mut rows).unwrap();
            self.add_counts(outcome, u64::from_le_bytes(*take(&mut rows).unwrap()));
            take::<2>(&mut rows).unwrap();
        }
    }

    /// Adds the counts of a summary frame.
    fn add_summary(&mut self, payload: &[u8]) {
        let mut counts = SegmentCounts::default();
        counts.decode(payload).unwrap();
        for (_, counts) in counts.iter() {
            counts.outcomes().for_each(|(outcome, events)| self.add_counts(outcome.as_bytes(), events));
        }
    }
}

/// Length of the model's audit rows: a time, the action in one letter, eight digits, and the place in the chain.
const AUDIT_LEN: usize = DETAIL_END + 3 * 8 + 65;
const DETAIL_END: usize = 19;

fn audit_number(row: &[u8]) -> u64 {
    std::str::from_utf8(&row[DETAIL_END - 8..DETAIL_END]).unwrap().parse().unwrap()
}

/// Reads a sealed segment as it would be shipped.
pub(super) fn shipped_rows(spool: &Spool, sealed: SealedSegment) -> Result<SegmentRows, ShipmentError> {
    let shipment = Shipment::open(spool, sealed)?;
    let mut segment = SegmentRows::default();
    for batch in shipment.batches() {
        let mut bytes = Vec::new();
        shipment.send_rows(&batch, &[], |chunk| {
            bytes.extend_from_slice(&chunk);
            true
        })?;
        match batch.rows {
            BatchRows::Events => {
                let page_load = |row: &[u8]| u64::from_le_bytes(row[..8].try_into().unwrap());
                // Each row has collector and number of its segment behind it.
                segment.events = bytes.chunks_exact(rows(0, &[0]).len() + 16).map(page_load).collect();
            }
            BatchRows::Audit => segment.audits = bytes.chunks_exact(AUDIT_LEN).map(audit_number).collect(),
            BatchRows::Segment => segment.add_account(&bytes),
        }
    }
    Ok(segment)
}

#[derive(Debug, Clone)]
pub(super) enum Step {
    /// Beacons, each with this many events.
    Append(Vec<u32>),
    Dropped,
    Audit,
    /// The oldest sealed segment is stored and confirmed.
    Ship,
    /// It is stored, and the answer is lost.
    ShipAndLoseTheAnswer,
    Quarantine,
    /// The store refuses rows of the oldest sealed segment, and has none of it.
    Split,
    /// An operator requeues everything in quarantine.
    Requeue,
    Reopen,
    Fault {
        after: u64,
        fault: Fault,
    },
    /// Waits until the writer has sealed what is due; for scripts.
    Settle,
}

/// The spool and its model.
pub(super) struct World {
    pub(super) disk: TestDisk,
    spool: Option<Arc<Spool>>,
    limits: SpoolLimits,
    random: fastrand::Rng,
    /// How many eighths of what was not synced are on the disk after a power cut.
    survives: u8,
    next: u64,
    /// Number of events of each beacon that was ever sent.
    sent: BTreeMap<u64, usize>,
    acknowledged: BTreeSet<u64>,
    next_audit: u64,
    audits: BTreeSet<u64>,
    /// Dropped events: those that are durable for certain, and all.
    dropped: (u64, u64),
    /// Dropped events that the next acknowledged write makes durable.
    dropped_waiting: u64,
    /// What the store accepted, each token once.
    store: BTreeMap<SegmentId, SegmentRows>,
    has_quarantined: bool,
    /// Whether a segment was split. Its parts have ids of their own.
    has_split: bool,
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
            has_quarantined: false,
            has_split: false,
        }
    }

    fn spool(&mut self) -> Arc<Spool> {
        if self.spool.is_none() {
            self.reopen();
        }
        self.spool.clone().expect("it was opened above")
    }

    /// Starts again if the step broke the spool.
    pub(super) fn apply(&mut self, step: &Step) {
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
            Step::Audit => self.append_audit(&spool),
            Step::Ship => self.ship(&spool, true),
            Step::ShipAndLoseTheAnswer => self.ship(&spool, false),
            Step::Quarantine => {
                if let Some(sealed) = spool.oldest_sealed() {
                    self.has_quarantined = true;
                    // If it fails the segment is where it was.
                    let _ = spool.quarantine(&sealed, "a test");
                }
            }
            Step::Split => {
                finish_pending(&spool);
                if let Some(sealed) = spool.oldest_sealed().filter(|it| !self.store.contains_key(&it.id)) {
                    self.has_split = true;
                    // If it fails, the next call finishes it, or the segment is where it was.
                    let _ = spool.split(&sealed);
                }
            }
            Step::Requeue => {
                for id in files::segment_ids(&self.disk, &quarantine()).unwrap_or_default() {
                    let _ = requeue_on(&self.disk, Path::new(DIRECTORY), id);
                }
                finish_pending(&spool);
            }
            // The writer seals after it has acknowledged.
            Step::Settle => until(|| {
                let active = spool.log.state.active.lock().totals[0];
                let status = spool.status();
                active < u64::from(SEAL_ROWS) || status.broken.is_some() || status.no_space.is_some()
            }),
            Step::Reopen => {
                drop((spool, self.spool.take()));
                return self.reopen();
            }
            Step::Fault { .. } => unreachable!("it was handled above"),
        }
        if spool.status().broken.is_some() {
            let refused = append(&spool, u64::MAX, &[0]).and_then(wait);
            assert!(matches!(refused, Err(SpoolError::Broken(_))), "it stays broken: {refused:?}");
            drop((spool, self.spool.take()));
            self.reopen();
        }
    }

    fn append_audit(&mut self, spool: &Spool) {
        let number = self.next_audit;
        self.next_audit += 1;
        let appended = spool.append_audit("a", &format!("{number:08}")).and_then(wait);
        if appended.is_ok() {
            self.audits.insert(number);
            self.dropped.0 += std::mem::take(&mut self.dropped_waiting);
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

    /// Ships the oldest segment as the shipper does.
    fn ship(&mut self, spool: &Spool, confirm: bool) {
        finish_pending(spool);
        let Some(sealed) = spool.oldest_sealed() else { return };
        // If the disk fails here, the shipper tries again; the model does so with the next step.
        let Ok(rows) = shipped_rows(spool, sealed) else { return };
        let ids: Vec<_> = rows.events.iter().map(|page_load| id(*page_load, 0)).collect();
        let known = self.store.entry(sealed.id).or_insert_with(|| rows.clone());
        assert_eq!(*known, rows, "a repeated token has the rows of the first time");
        if confirm {
            spool.keep_shipped_ids(&sealed, &ids);
            let _ = spool.confirm(&sealed);
        }
    }

    /// Opens the spool again, in several attempts if need be, and compares it with the model.
    fn reopen(&mut self) {
        let mut notes = Vec::new();
        for _ in 0..MOST_STARTS {
            // Either the machine lost its power, or only the process ended.
            if self.disk.is_off() || self.random.u8(0..4) == 0 {
                let (random, survives) = (&mut self.random, self.survives);
                let cut = random.usize(..);
                self.disk =
                    self.disk.after_torn_write(|| random.u8(0..8) < survives, |length| cut % (length + 1));
            }
            match open(&self.disk, &self.limits) {
                Ok((spool, found)) => {
                    // A repeated beacon of these is answered as a duplicate, so these are acknowledged too.
                    self.acknowledged.extend(found.ids.iter().copied().map(page_load_of));
                    if spool.status().no_space.is_some() {
                        // It finishes its start when there is space.
                        self.disk.clear_fault();
                        until(|| spool.status().no_space.is_none() || spool.status().broken.is_some());
                    }
                    self.spool = Some(spool);
                    // What was not durable is gone with the process.
                    self.dropped_waiting = 0;
                    self.compare(&found.notes);
                    return;
                }
                Err(error) => notes.push(error.to_string()),
            }
            if notes.len() > 2 {
                self.disk.clear_fault();
            }
        }
        panic!("it does not open: {notes:?}");
    }

    /// Compares everything that is anywhere with what was acknowledged.
    fn compare(&mut self, notes: &[String]) {
        let spool = self.spool.clone().expect("it is open");
        let mut all = self.store.clone();
        for sealed in sealed(&spool) {
            let rows = match shipped_rows(&spool, sealed) {
                Ok(rows) => rows,
                Err(error) => {
                    assert!(matches!(error, ShipmentError::Spool(_)), "a crash is not damage: {error}");
                    return;
                }
            };
            let known = all.entry(sealed.id).or_insert_with(|| rows.clone());
            assert_eq!(*known, rows, "segment {} has the same rows wherever it is: {notes:?}", sealed.id);
        }
        for place in [QUARANTINE, REQUEUE] {
            let Some(quarantined) = self.read(&Path::new(DIRECTORY).join(place)) else { return };
            for (id, rows) in quarantined {
                all.entry(id).or_insert(rows);
            }
        }
        let mut events: Vec<_> = all.values().flat_map(|rows| &rows.events).copied().collect();
        if self.has_split {
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
        let audits: Vec<_> = all.values().flat_map(|rows| &rows.audits).copied().collect();
        let distinct: BTreeSet<_> = audits.iter().copied().collect();
        assert!(self.audits.is_subset(&distinct), "{audits:?} of {:?}", self.audits);
        for (id, rows) in &all {
            assert_eq!(rows.counted.0, rows.events.len() as u64, "the counts of segment {id}");
        }
        let dropped = all.values().map(|rows| rows.counted.1).sum::<u64>();
        assert!(
            (self.dropped.0..=self.dropped.1).contains(&dropped),
            "{dropped} of {:?} in {all:?}: {notes:?}",
            self.dropped
        );
        (self.dropped.0, self.dropped_waiting) = (dropped, 0);
        self.compare_status(&spool);
    }

    /// Reads the segments in quarantine, or those being requeued, and asserts that nothing is there that nobody put there. `None`: the
    /// disk fails.
    fn read(&self, directory: &Path) -> Option<Vec<(SegmentId, SegmentRows)>> {
        let mut found = Vec::new();
        for id in files::segment_ids_if_any(&self.disk, directory).ok()? {
            assert!(self.has_quarantined, "a crash is not damage, but segment {id} was quarantined");
            let file = self.disk.read(&directory.join(id.file_name())).ok()?;
            let (header, start) = Header::read(&*file).ok()?.expect("it was whole");
            let mut reader = SegmentReader::new(&*file, header.salt, start..file.length().ok()?);
            let mut segment = SegmentRows::default();
            loop {
                let frame = match reader.step().ok()? {
                    ReadStep::End => break,
                    ReadStep::Invalid => panic!("segment {id} was whole"),
                    ReadStep::Frame(frame) => frame,
                };
                if frame.kind == FrameKind::Summary {
                    segment.add_summary(frame.payload);
                }
                let Some(record) = RecordRef::parse(&frame) else { continue };
                match record.kind {
                    RecordKind::Events => {
                        segment.events.extend(record.events().map(|event| page_load_of(event.filter_id)));
                    }
                    RecordKind::Audit => segment.audits.push(audit_number(record.rows)),
                    RecordKind::Dropped => {}
                }
            }
            found.push((id, segment));
        }
        Some(found)
    }

    /// Compares the reported bytes with what lies on the disk.
    fn compare_status(&self, spool: &Spool) {
        let mut seen = String::new();
        let mut agrees = || {
            let status = spool.status();
            let is_segment = |path: &&PathBuf| path.extension().is_some_and(|it| it == "segment");
            let here = self.disk.lengths(Path::new(DIRECTORY));
            let here: u64 = here.iter().filter(|(path, _)| is_segment(path)).map(|(_, length)| length).sum();
            let quarantined: u64 = self.disk.lengths(&quarantine()).values().sum();
            seen = format!("{status:?}, but {here} bytes wait and {quarantined} are quarantined");
            status.bytes == here + quarantined || status.broken.is_some()
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

/// As the shipper does at the start and once a second. If it fails, the next call finishes it.
fn finish_pending(spool: &Spool) {
    let _ = spool.finish_splits().and_then(|()| spool.install_requeued());
}

/// Oldest first.
pub(super) fn sealed(spool: &Spool) -> Vec<SealedSegment> {
    spool.queue.segments()
}
