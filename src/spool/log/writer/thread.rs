//! The one thread that writes: takes what waits, writes once, syncs once, wakes all; seals, and starts the next segment.
//!
//! Any error on the way is the end of it: the spool is broken, whoever waits is told so, and nothing is tried again. A
//! second `fdatasync` after a failed one would report success for pages that the kernel has already given up.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::spool::accounting::counts::{self, Tally};
use crate::spool::log::disk::{Disk, DiskFile};
use crate::spool::log::frame::{self, Frame, Kind};
use crate::spool::log::segment::{Header, Name, Seal};
use crate::spool::log::start::{self, Start};
use crate::spool::log::writer::queue::{Load, Work};
use crate::spool::log::writer::space::{LOOK_EVERY, Watch};
use crate::spool::{Sealed, Shared, SpoolError, now_ms, random};

/// The name under which the next segment is prepared; never read.
pub(crate) const NEXT: &str = "next";

/// From so many waiting segments on, none is sealed for its age alone, but only when it is full: what is kept in memory of
/// each (72 bytes), and read of each at the start, stays small however long the store is away.
pub(crate) const MANY_SEALED: usize = 1000;

/// The segment that is being written.
pub(crate) struct Active {
    header: Header,
    path: PathBuf,
    file: Box<dyn DiskFile>,
    /// Where the next batch goes.
    at: u64,
    batch: u32,
    events: u64,
    audit: u64,
    tally: Tally,
    /// When its first frame was written.
    since: Option<Instant>,
}

impl Active {
    /// Starts a segment. Once it has its name its header is durable, so that a segment without one is a damaged one.
    pub(crate) fn create(disk: &dyn Disk, directory: &Path, name: Name) -> Result<Self, SpoolError> {
        let header = Header::new(name, now_ms(), random() as u32);
        let (next, path) = (directory.join(NEXT), directory.join(name.file()));
        let bytes = header.encode();
        let create = || {
            let file = disk.create(&next)?;
            file.write_at(&bytes, 0)?;
            file.sync()?;
            disk.rename(&next, &path)?;
            disk.sync_directory(directory)?;
            Ok(file)
        };
        let file = create().map_err(|source| SpoolError::io("create", &path, source))?;
        Ok(Self {
            header,
            path,
            file,
            at: bytes.len() as u64,
            batch: 0,
            events: 0,
            audit: 0,
            tally: Tally::default(),
            since: None,
        })
    }

    /// Bytes in its file.
    pub(crate) fn bytes(&self) -> u64 {
        self.at
    }

    /// Writes one batch and syncs it.
    fn write(&mut self, frames: &mut [u8], now: i64) -> io::Result<()> {
        let (events, audit, tally) = (&mut self.events, &mut self.audit, &mut self.tally);
        frame::stamp(frames, self.header.salt, self.batch, |frame| match frame.kind {
            Kind::Events => {
                *events += u64::from(frame.count);
                tally.add_rows(frame.site, frame.count, frame.rows, now);
            }
            Kind::Audit => *audit += u64::from(frame.count),
            Kind::Dropped => {
                let count = counts::decode_dropped(frame.rows).expect("the writer encoded it");
                tally.add(frame.site, count);
            }
            Kind::Books | Kind::Seal => {}
        });
        self.file.write_at(frames, self.at)?;
        self.file.sync()?;
        self.at += frames.len() as u64;
        self.batch += 1;
        self.since.get_or_insert_with(Instant::now);
        Ok(())
    }
}

/// Ends a segment's file at `at`: books, seal, exact length, sync. Returns the seal and the file's length.
pub(crate) fn seal(
    file: &dyn DiskFile,
    salt: u32,
    at: u64,
    batch: u32,
    (events, audit, tally): (u64, u64, &Tally),
) -> io::Result<(Seal, u64)> {
    let mut bytes = Vec::new();
    let mut books = 0;
    for (count, rows) in tally.encode() {
        books += u64::from(count);
        frame::encode(
            Kind::Books,
            count,
            &Frame { site: "", page_load: 0, seqs: &[], rows: &rows },
            &mut bytes,
        );
    }
    let seal = Seal { books_at: at, events, audit, books };
    seal.encode(&mut bytes);
    frame::stamp(&mut bytes, salt, batch, |_| {});
    let length = at + bytes.len() as u64;
    file.write_at(&bytes, at)?;
    file.set_length(length)?;
    file.sync()?;
    Ok((seal, length))
}

/// The writer's own state.
struct Writer {
    shared: Arc<Shared>,
    active: Active,
    watch: Watch,
    pace: Pace,
}

/// The writer's thread: begins where the disk was full at the start, then writes until the queue is closed or the disk
/// fails.
pub(crate) fn run(shared: &Arc<Shared>, active: Option<Active>, start: Start, watch: Watch) {
    // A panic must not leave anyone waiting for ever.
    let _guard = FailOnPanic(shared);
    let active = active.or_else(|| start::begin_when_there_is_space(shared, start));
    if let Some(active) = active {
        let mut writer = Writer { shared: shared.clone(), active, watch, pace: Pace::default() };
        if let Err(error) = writer.work() {
            shared.fail(&error);
        }
    }
}

impl Writer {
    fn work(&mut self) -> Result<(), SpoolError> {
        let (mut frames, mut wakers) = (Vec::new(), Vec::new());
        loop {
            let due = self.due();
            match self.shared.queue.take(std::mem::take(&mut frames), std::mem::take(&mut wakers), due) {
                Work::Write(load) => {
                    let (batch, count) = (load.batch.clone(), load.count);
                    self.look_at_space(load.frames.len() as u64);
                    let began = Instant::now();
                    frames = self.write(load)?;
                    wakers = batch.finish(Ok(()));
                    frames.clear();
                    self.pace.done(count, began);
                    if self.is_due() {
                        self.seal()?;
                    } else {
                        self.pace.wait(&self.shared.queue);
                    }
                }
                Work::Due => {
                    self.look_at_space(0);
                    if self.is_due() {
                        self.seal()?;
                    }
                }
                Work::Closed => {
                    return if self.active.since.is_some() { self.seal() } else { Ok(()) };
                }
            }
        }
    }

    fn write(&mut self, load: Load) -> Result<Vec<u8>, SpoolError> {
        let Load { mut frames, count, dropped, .. } = load;
        let now = now_ms();
        for (site, reasons) in &dropped {
            let rows = counts::encode_dropped(counts::day_of(crate::event::UnixMillis(now)), reasons);
            let frame = Frame { site, page_load: 0, seqs: &[], rows: &rows };
            frame::encode(Kind::Dropped, 0, &frame, &mut frames);
        }
        let began = Instant::now();
        self.active
            .write(&mut frames, now)
            .map_err(|source| SpoolError::io("write", &self.active.path, source))?;
        let shared = &self.shared;
        shared.queue.on_disk.fetch_add(frames.len() as u64, Ordering::Relaxed);
        shared.active_events.store(self.active.events, Ordering::Relaxed);
        shared.active_since.store(self.active.header.created, Ordering::Relaxed);
        metrics::histogram!("footfall_spool_sync_seconds").record(began.elapsed());
        metrics::histogram!("footfall_spool_batch_frames").record(f64::from(count));
        metrics::counter!("footfall_spool_appends_total").increment(count.into());
        Ok(frames)
    }

    /// When there is something to do though nothing comes.
    fn due(&self) -> Option<Instant> {
        let soon = || Instant::now() + LOOK_EVERY;
        let seal = self.active.since.map(|since| since + self.shared.limits.seal_after);
        let seal = seal.map(|at| if self.has_backlog() { at.max(soon()) } else { at });
        let look = self.shared.queue.short().map(|_| soon());
        seal.into_iter().chain(look).min()
    }

    fn is_due(&self) -> bool {
        let limits = &self.shared.limits;
        let is_old = || self.active.since.is_some_and(|since| since.elapsed() >= limits.seal_after);
        self.active.events + self.active.audit >= u64::from(limits.seal_rows)
            || self.active.at >= limits.seal_bytes
            || is_old() && !self.has_backlog()
    }

    /// Whether so many segments wait that there is no hurry: a long outage must not make a segment every two seconds.
    fn has_backlog(&self) -> bool {
        self.shared.sealed.lock().len() >= MANY_SEALED
    }

    fn look_at_space(&mut self, bytes: u64) {
        if self.watch.is_due(bytes) {
            self.shared.set_short(self.watch.look(&*self.shared.disk, &self.shared.directory));
        }
    }

    /// Seals the active segment, starts the next and hands the sealed one to the shipper, in this order: the next one
    /// keeps the count of names going even when all before it are gone.
    fn seal(&mut self) -> Result<(), SpoolError> {
        let shared = self.shared.clone();
        let active = &self.active;
        let counts = (active.events, active.audit, &active.tally);
        let (seal, length) = seal(&*active.file, active.header.salt, active.at, active.batch, counts)
            .map_err(|source| SpoolError::io("seal", &active.path, source))?;
        let name = Name { number: active.header.name.number + 1, ..active.header.name };
        let next = Active::create(&*shared.disk, &shared.directory, name)?;
        shared.queue.on_disk.fetch_add(length - active.at + next.bytes(), Ordering::Relaxed);
        shared.active_events.store(0, Ordering::Relaxed);
        let (name, created) = (active.header.name, active.header.created);
        let sealed = Sealed { name, seal, bytes: length, created, in_doubt: false };
        self.active = next;
        shared.push_sealed(sealed);
        self.look_at_space(length);
        Ok(())
    }
}

/// Fails the spool if the writer's thread unwinds.
struct FailOnPanic<'a>(&'a Shared);

impl Drop for FailOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.fail(&SpoolError::Broken("its writer panicked".into()));
        }
    }
}

/// How long the writer lets frames gather under load. A sync costs the machine some 200 µs of CPU whatever it holds, so
/// that under load a few milliseconds of gathering pay; alone, an append must not wait for anyone.
#[derive(Debug, Default)]
struct Pace {
    last: u32,
    began: Option<Instant>,
}

impl Pace {
    /// Batches smaller than this are written as they come.
    const BUSY: u32 = 16;
    /// The longest from one sync's beginning to the next.
    const LONGEST: Duration = Duration::from_millis(3);
    /// How often it looks whether more is coming.
    const STEP: Duration = Duration::from_micros(500);

    fn done(&mut self, count: u32, began: Instant) {
        self.last = count;
        self.began = Some(began);
    }

    /// Sleeps as long as frames keep coming in, within bounds.
    fn wait(&self, queue: &crate::spool::log::writer::queue::Queue) {
        let Some(began) = self.began.filter(|_| self.last >= Self::BUSY) else { return };
        let mut before = 0;
        while began.elapsed() + Self::STEP < Self::LONGEST {
            std::thread::sleep(Self::STEP);
            let count = queue.count();
            // Those who can come have come: the rest of them wait for this very sync.
            if count - before <= count / 8 {
                return;
            }
            before = count;
        }
    }
}
