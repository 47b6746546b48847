//! The spool: what keeps the promise that an answer of 2xx means *on disk, synced, delivered exactly once*.
//!
//! [`Spool::append`] takes the rows of one beacon as one [`Frame`]: all of them or none. One writer thread takes what
//! waits, writes once, syncs once and wakes all (group commit). Frames gather in a segment, which is sealed at so many
//! rows, bytes or seconds; [`store::ship`](crate::store::ship) sends sealed segments in order, each as one insert with the
//! segment's name as its deduplication token, and deletes a segment once the store has confirmed it.
//!
//! Refused here: more than the configured bytes ([`SpoolError::Full`]); events while less space is left on the disk than is
//! kept free ([`SpoolError::NoSpace`]), whether at the start or later, until there is more; anything after a failed write or sync
//! ([`SpoolError::Broken`]: the process is to exit, and recovery will say what is on the disk); a second collector in
//! the same directory ([`SpoolError::Locked`]). Nothing that was acknowledged is ever deleted before the store has it:
//! a segment that cannot be read, or that the store refuses for what is in it, goes to `aside/` with the reason beside it.
//!
//! # The directory
//!
//! | file | what it is |
//! |---|---|
//! | `lock` | locked (`flock`) by the collector that works here |
//! | `identity` | the directory's random number and the lowest segment number still free, as text |
//! | `COLLECTOR-NUMBER.segment` | a segment: 16 hexadecimal and 10 decimal digits |
//! | `counted` | the collector, and its first segment from which on each has a row in table `segments`: below it a number may lack |
//! | `next` | a segment in the making; disposable |
//! | `recent/NAME.recent` | page load and number of the events of a segment that was shipped not long ago |
//! | `halves/NAME.segment`, `aside/NAME.split` | a segment that the store refuses, on its way to be split in two |
//! | `aside/NAME.segment`, `aside/NAME.reason` | a segment that was set aside, and why |
//! | `aside/NAME.salvaged`, `aside/NAME.salvaged.reason` | a damaged one whose whole frames were put into another segment |
//! | `aside/NAME.discarding`, `aside/NAME.discarded` | the books of one that was discarded, before and after the audit knows it |
//! | `retry/NAME.segment` | one that is to be shipped after all; the collector takes it from there |
//! | `aside/NAME.torn`, `aside/NAME.torn.reason` | a copy of a segment whose tail was cut although whole frames lay behind the cut |
//!
//! A name is never used twice: the random number is made with the directory, so that a lost directory's names do not
//! come back, and the segment with the highest number stays until there is a higher one. What is made of a damaged or refused
//! segment gets a name of its own that follows from the old one.
//!
//! # The segment, format 1
//!
//! All numbers are little-endian. CRC is CRC-32 (IEEE).
//!
//! ```text
//! header    0  8  magic "FOOTSPOL"          frame    0  4  salt of the segment
//!           8  4  CRC of all from 12 on              4  4  CRC of all from 8 on, begun with the salt
//!          12  4  length of the header               8  4  length of the frame, at most 4 MiB
//!          16  2  format: 1                         12  4  number of the batch, from 0
//!          18  2  number of tables                  16  1  kind
//!          20  4  salt, random                      17  1  1: the batch's last frame
//!          24  8  collector                         18  2  length of the site
//!          32  8  number                            20  4  count of rows
//!          40  8  created, Unix ms                  24  8  page load
//!          48     tables: kind (1), name, columns   32     site, count × seq (4, events only), rows
//!                 (each 2 for its length, text)
//! ```
//!
//! | kind | holds | site | count | rows |
//! |---|---|---|---|---|
//! | 1 events | one beacon's events | its site | events | RowBinary of table `events` |
//! | 2 audit | one audit row | empty | 1 | RowBinary of table `audit` |
//! | 3 dropped | events not stored, since the last such frame | their site | 0 | day (2), a count (4) for each reason |
//! | 4 books | the segment's books, at seal | empty | rows | RowBinary of table `books` |
//! | 5 seal | the end of a sealed segment | empty | 0 | offset of the books (8), rows of events, audit, books (8 each) |
//!
//! The header names the tables and columns that its rows are for, so that a later version ships an older spool as it was
//! meant. The salt binds frames to their segment. The batch number tells a torn tail from damage: batch *n*+1 is written
//! only when batch *n* is synced, so a bad frame with a whole one of a *later* batch behind it was good once, and the
//! segment is set aside; a bad frame with none behind it is the tail of a batch that nobody was told about, and is cut.
//!
//! Recovery trusts nothing that may be in the page cache alone: after a failed sync pages count as clean and are still not
//! on the disk. Only the newest segment can have such; of it, the last batch or the books and the seal are written again
//! and synced before anything is made of them.
//!
//! # Books
//!
//! For each segment, day of receipt (UTC) and site: events stored, and events dropped by reason. They are written at
//! seal and shipped after the events, so that `verify` can hold what the store has against what was taken. Counts of
//! dropped events become durable with the next write, or within a second when there is none.
//!
//! What is shipped leaves a fingerprint too (`prints`), and every number of a collector is shipped, if need be as a segment without
//! a frame, so that a hole in the numbers means that a file was taken from the disk.

mod ack;
mod again;
mod aside;
#[cfg(test)]
mod crash_tests;
mod disk;
mod frame;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod inventory;
mod layout;
mod prints;
mod queue;
mod recent;
mod recovery;
mod segment;
mod space;
mod split;
mod start;
mod tally;
#[cfg(test)]
pub(crate) mod test_disk;
#[cfg(test)]
mod tests;
mod unload;
mod writer;

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use tokio::sync::Notify;

pub use ack::Ack;
pub use aside::{Damage, Examined, Retried, discard, examine, retry};
pub use disk::{Disk, DiskFile, RealDisk, Space};
pub use frame::{Frame, MAX_FRAME_LEN};
pub use inventory::{Aside, Inventory, SegmentState, SegmentStatus, inspect};
pub use prints::{FINGERPRINT_SQL, Print, Prints, fingerprint};
pub use recovery::{RECENT_ROWS, Recovered};
pub use segment::Name;
pub use tally::{Count, STORED, Tally};

pub(crate) use recent::Identity;
pub(crate) use unload::{Part, Unload, UnloadError};

use crate::config::{MAX_SEAL_ROWS, SpoolLimits};
use crate::event::{Dropped, Milliseconds};
use frame::Kind;
use queue::Queue;
use recent::Recent;
use segment::Seal;
use space::Watch;
use start::Start;
use writer::Active;

/// Columns of table `audit`.
pub(crate) const AUDIT_COLUMNS: &[&str] = &["time", "action", "detail"];
/// Columns of table `books`.
pub(crate) const BOOKS_COLUMNS: &[&str] = tally::COLUMNS;
/// Columns of table `segments`.
pub(crate) const SEGMENTS_COLUMNS: &[&str] = prints::COLUMNS;
/// The most rows that a segment can have: just under the bound it may get one more batch.
pub(crate) const MAX_SEGMENT_ROWS: u64 = MAX_SEAL_ROWS as u64 + (queue::MAX_WAITING / MIN_ROW_LEN) as u64;
/// Each column of a row takes a byte at least.
const MIN_ROW_LEN: usize = crate::event::COLUMNS.len();
/// Where the spool lies within the data directory.
pub const DIRECTORY: &str = "spool";
const LOCK: &str = "lock";
const IDENTITY: &str = "identity";
const COUNTED: &str = "counted";

/// Whether an ack waits for the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// The ack resolves when the frame is synced.
    Synced,
    /// The ack resolves at once; the frame is synced with the next batch, and lost if the machine dies before.
    Buffered,
}

/// Why the spool did not take something.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SpoolError {
    /// It holds as much as it may, or the disk is behind by more than memory may hold.
    #[error("the spool is full: it holds {bytes} of at most {max} bytes")]
    Full {
        /// Bytes on disk.
        bytes: u64,
        /// The bound.
        max: u64,
    },
    /// Less space is left on the disk than is to be kept free.
    #[error(
        "the disk has {free} bytes left, and the spool keeps {reserve} free; make room, or lower spool.reserve"
    )]
    NoSpace {
        /// Bytes left on its file system.
        free: u64,
        /// What is kept free.
        reserve: u64,
    },
    /// A write or a sync failed; only a restart helps.
    #[error("the spool is broken: {0}")]
    Broken(Arc<str>),
    /// It was closed.
    #[error("the spool is closed")]
    Closed,
    /// The frame is over [`MAX_FRAME_LEN`].
    #[error("a frame of {bytes} bytes is over the bound of {MAX_FRAME_LEN}")]
    TooLarge {
        /// Length of the frame.
        bytes: usize,
    },
    /// Another process works in the directory.
    #[error("{0} is in use by another collector; give each its own data directory")]
    Locked(PathBuf),
    /// The identity file is not one.
    #[error("{0} is not the identity of a spool; move it away, and a new one will be made")]
    Identity(PathBuf),
    /// The disk said no.
    #[error("cannot {action} {path}: {source}")]
    Io {
        /// What was to be done.
        action: &'static str,
        /// To what.
        path: PathBuf,
        /// What the system said.
        source: Arc<io::Error>,
    },
}

impl SpoolError {
    fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { action, path: path.to_owned(), source: Arc::new(source) }
    }

    /// Whether the disk, or what this process may take of it, is full.
    fn is_no_space(&self) -> bool {
        use io::ErrorKind::{QuotaExceeded, StorageFull};
        matches!(self, Self::Io { source, .. } if matches!(source.kind(), StorageFull | QuotaExceeded))
    }
}

/// The spool of one collector.
pub struct Spool {
    shared: Arc<Shared>,
    writer: Mutex<Option<std::thread::JoinHandle<()>>>,
    /// Freed after [`Drop::drop`] has seen the writer off.
    _lock: Box<dyn Send + Sync>,
}

/// What the front door, the writer and the shipper share.
struct Shared {
    disk: Arc<dyn Disk>,
    directory: PathBuf,
    /// First half of the names of segments that are written here.
    collector: u64,
    limits: SpoolLimits,
    queue: Queue,
    /// Oldest first.
    sealed: Mutex<VecDeque<Sealed>>,
    sealed_changed: Notify,
    /// Bytes in `aside/`.
    aside_bytes: AtomicU64,
    recent: Recent,
    /// Rows of the active segment.
    active_events: AtomicU64,
    /// When the active segment was begun, Unix ms.
    active_since: AtomicI64,
    broken: OnceLock<SpoolError>,
    broke: Notify,
}

/// A segment that waits to be shipped.
#[derive(Debug, Clone, Copy)]
pub struct Sealed {
    /// Its name and token.
    pub name: Name,
    pub(crate) seal: Seal,
    /// Length of its file.
    pub(crate) bytes: u64,
    /// Unix ms.
    pub(crate) created: i64,
}

/// How full the spool is.
#[derive(Debug, Clone)]
pub struct SpoolStatus {
    /// Bytes on disk, segments set aside among them.
    pub bytes: u64,
    /// The bound on them.
    pub max_bytes: u64,
    /// Sealed segments that wait to be shipped.
    pub sealed: usize,
    /// Rows of `events` on disk that are not confirmed yet.
    pub events: u64,
    /// Age of the oldest segment with rows.
    pub oldest: Option<Duration>,
    /// Why it takes no more for now: the disk is nearly full.
    pub short: Option<SpoolError>,
    /// Why it takes no more, if it is broken.
    pub broken: Option<SpoolError>,
}

impl Sealed {
    /// Rows of `events`.
    pub fn events(&self) -> u64 {
        self.seal.events
    }
}

impl Spool {
    /// Opens the spool in `directory`, making it where there is none, repairs what a crash left, and starts the writer.
    ///
    /// # Errors
    /// When another collector has the directory, or the disk fails.
    pub fn open(directory: &Path, limits: &SpoolLimits) -> Result<(Arc<Self>, Recovered), SpoolError> {
        Self::open_on(Arc::new(RealDisk), directory, limits)
    }

    /// [`Spool::open`] on another disk.
    ///
    /// # Errors
    /// As [`Spool::open`].
    pub fn open_on(
        disk: Arc<dyn Disk>,
        directory: &Path,
        limits: &SpoolLimits,
    ) -> Result<(Arc<Self>, Recovered), SpoolError> {
        let aside = directory.join(recovery::ASIDE);
        disk.create_directory(&aside).map_err(|source| SpoolError::io("make", &aside, source))?;
        let lock = disk.lock(&directory.join(LOCK)).map_err(|source| match source.kind() {
            io::ErrorKind::WouldBlock => SpoolError::Locked(directory.to_owned()),
            _ => SpoolError::io("lock", directory, source),
        })?;
        split::complete(&*disk, directory)
            .map_err(|source| SpoolError::io("end a split in", directory, source))?;
        let (mut start, mut sealed) = Start::look(&*disk, directory)?;
        let collector = start.name().collector;
        let begun = start.begin(&*disk, directory, |segment| sealed.push(segment));
        let active = match begun {
            Ok(active) => Some(active),
            // What is sealed can be shipped all the same, and makes room.
            Err(error) if error.is_no_space() => None,
            Err(error) => return Err(error),
        };
        let found = start.found();
        let sealed_events = sealed.iter().map(|segment| segment.seal.events).sum::<u64>();
        let mut recovered = Recovered {
            identities: std::mem::take(&mut found.identities),
            notes: std::mem::take(&mut found.notes),
            events: sealed_events + found.events(),
        };
        let wanted = RECENT_ROWS.saturating_sub(recovered.events);
        let (recent, mut shipped) = Recent::open(&*disk, directory, wanted)
            .map_err(|source| SpoolError::io("read the recent events of", directory, source))?;
        shipped.append(&mut recovered.identities);
        recovered.identities = shipped;
        let aside = inventory::aside_bytes(&*disk, directory)?;
        let on_disk = sealed.iter().map(|segment| segment.bytes).sum::<u64>()
            + aside
            + found.bytes()
            + active.as_ref().map_or(0, Active::bytes);
        let mut watch = Watch::new(limits.reserve);
        let short = watch.look(&*disk, directory);
        let shared = Arc::new(Shared {
            disk,
            directory: directory.to_owned(),
            collector,
            limits: SpoolLimits { seal_rows: limits.seal_rows.min(MAX_SEAL_ROWS), ..limits.clone() },
            queue: Queue::new(on_disk, limits.max_bytes, active.is_some()),
            sealed: Mutex::new(sealed.into()),
            sealed_changed: Notify::new(),
            aside_bytes: aside.into(),
            recent,
            active_events: AtomicU64::new(found.events()),
            active_since: AtomicI64::new(now_ms()),
            broken: OnceLock::new(),
            broke: Notify::new(),
        });
        // Quotas, which a look does not see, may be what is used up.
        let none = || SpoolError::NoSpace { free: 0, reserve: limits.reserve.unwrap_or_default() };
        shared.set_short(short.or_else(|| active.is_none().then(none)));
        for note in &recovered.notes {
            tracing::warn!(directory = %directory.display(), "{note}");
        }
        let writer = std::thread::Builder::new()
            .name("spool".into())
            .spawn({
                let shared = shared.clone();
                move || writer::run(&shared, active, start, watch)
            })
            .map_err(|source| SpoolError::io("start the writer of", directory, source))?;
        let spool = Self { shared, writer: Mutex::new(Some(writer)), _lock: lock };
        Ok((Arc::new(spool), recovered))
    }

    /// Takes the events of one beacon, or refuses them at once; the ack says when they are durable.
    ///
    /// # Errors
    /// [`SpoolError::Full`], [`SpoolError::TooLarge`], [`SpoolError::Broken`] or [`SpoolError::Closed`].
    pub fn append(&self, frame: Frame<'_>, durability: Durability) -> Result<Ack, SpoolError> {
        let count = u32::try_from(frame.seqs.len()).unwrap_or(u32::MAX);
        let ack = self.shared.queue.push(Kind::Events, count, &frame)?;
        Ok(match durability {
            Durability::Synced => ack,
            Durability::Buffered => Ack::ready(),
        })
    }

    /// Resolves when all that was appended before is durable: for beacons all of whose events are duplicates.
    pub fn sync_point(&self) -> Ack {
        self.shared.queue.sync_point()
    }

    /// Books events that were not stored. Durable with the next write, or within a second.
    pub fn count_dropped(&self, site: &str, reason: Dropped, events: u32) {
        self.shared.queue.drop_events(site, reason, events);
    }

    /// Appends a row to table `audit`: what was done now, and its circumstances as a JSON object. It goes the way of
    /// events, but is taken even when the spool is full.
    ///
    /// # Errors
    /// [`SpoolError::TooLarge`], [`SpoolError::Broken`] or [`SpoolError::Closed`].
    pub fn append_audit(&self, action: &str, detail: &str) -> Result<Ack, SpoolError> {
        let mut rows = now_ms().to_le_bytes().to_vec();
        for text in [action, detail] {
            tally::encode_text(text, &mut rows);
        }
        let frame = Frame { site: "", page_load: 0, seqs: &[], rows: &rows };
        self.shared.queue.push(Kind::Audit, 1, &frame)
    }

    /// How full it is.
    pub fn status(&self) -> SpoolStatus {
        let shared = &self.shared;
        let active = shared.active_events.load(Ordering::Relaxed);
        let sealed = shared.sealed.lock();
        let begun = sealed.front().map(|segment| segment.created);
        let begun = begun.or((active > 0).then(|| shared.active_since.load(Ordering::Relaxed)));
        SpoolStatus {
            bytes: shared.queue.on_disk.load(Ordering::Relaxed),
            max_bytes: shared.limits.max_bytes,
            sealed: sealed.len(),
            events: active + sealed.iter().map(|segment| segment.seal.events).sum::<u64>(),
            oldest: begun.map(|begun| Duration::from_millis((now_ms() - begun).max(0).cast_unsigned())),
            short: shared.queue.short(),
            broken: shared.broken.get().cloned(),
        }
    }

    /// Sets the gauges of what waits and for how long.
    pub(crate) fn record_gauges(&self) {
        let status = self.status();
        metrics::gauge!("footfall_spool_bytes").set(status.bytes as f64);
        metrics::gauge!("footfall_spool_segments").set(status.sealed as f64);
        metrics::gauge!("footfall_spool_rows").set(status.events as f64);
        metrics::gauge!("footfall_spool_oldest_seconds").set(status.oldest.unwrap_or_default().as_secs_f64());
    }

    /// Resolves when the spool is broken: the process is to exit then.
    pub async fn broken(&self) -> SpoolError {
        loop {
            let mut broke = std::pin::pin!(self.shared.broke.notified());
            broke.as_mut().enable();
            if let Some(error) = self.shared.broken.get() {
                return error.clone();
            }
            broke.await;
        }
    }

    /// Refuses appends from now on, waits until all that was taken is synced and sealed, and ends the writer.
    pub fn close(&self) {
        self.shared.queue.close();
        if let Some(writer) = self.writer.lock().take() {
            // Should it have panicked, the spool is broken, and has said so.
            let _ = writer.join();
        }
    }

    /// The directory.
    pub fn directory(&self) -> &Path {
        &self.shared.directory
    }

    /// The oldest sealed segment, once there is one. It stays until it is confirmed or set aside.
    pub async fn next_sealed(&self) -> Sealed {
        loop {
            let mut changed = std::pin::pin!(self.shared.sealed_changed.notified());
            changed.as_mut().enable();
            if let Some(sealed) = self.oldest_sealed() {
                return sealed;
            }
            changed.await;
        }
    }

    /// The oldest sealed segment, if there is one.
    pub fn oldest_sealed(&self) -> Option<Sealed> {
        self.shared.sealed.lock().front().copied()
    }

    /// Keeps page load and number of a shipped segment's events, so that they are known again after a restart. To be
    /// called before [`Spool::confirm`]; a disk that fails here only makes that memory shorter.
    pub(crate) fn keep_identities(&self, sealed: &Sealed, identities: &[Identity]) {
        if let Err(error) = self.shared.recent.keep(&*self.shared.disk, sealed.name, identities) {
            tracing::warn!(segment = %sealed.name, %error, "its events will not be known again after a restart");
        }
    }

    /// Deletes a segment that the store has.
    ///
    /// # Errors
    /// When the disk fails. A segment that comes back in a crash is sent again, and the store knows its token.
    pub fn confirm(&self, sealed: &Sealed) -> Result<(), SpoolError> {
        let shared = &self.shared;
        let path = shared.directory.join(sealed.name.file());
        let failed = |source| SpoolError::io("delete", &path, source);
        shared.disk.remove(&path).map_err(failed)?;
        shared.queue.on_disk.fetch_sub(sealed.bytes, Ordering::Relaxed);
        shared.remove_sealed(sealed);
        shared.disk.sync_directory(&shared.directory).map_err(failed)
    }

    /// Moves a segment that cannot be shipped to `aside/`, with the reason. It goes on counting towards the bound.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn set_aside(&self, sealed: &Sealed, reason: &str) -> Result<(), SpoolError> {
        let shared = &self.shared;
        let moved = recovery::set_aside(&*shared.disk, &shared.directory, sealed.name, reason);
        let path = shared.directory.join(sealed.name.file());
        let is_gone = || shared.disk.read(&path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound);
        // Moved, though the disk failed to make that durable: it is no longer here to be shipped.
        if moved.is_ok() || is_gone() {
            shared.remove_sealed(sealed);
            shared.queue.on_disk.fetch_sub(sealed.bytes, Ordering::Relaxed);
        }
        shared.count_aside();
        moved
    }

    /// Whether a segment was written by a collector here, and not put together from another one.
    pub(crate) fn is_own(&self, name: Name) -> bool {
        name.collector == self.shared.collector
    }

    /// Opens a sealed segment for reading.
    ///
    /// # Errors
    /// When the disk fails.
    pub(crate) fn read(&self, sealed: &Sealed) -> Result<Box<dyn DiskFile>, SpoolError> {
        let path = self.shared.directory.join(sealed.name.file());
        self.shared.disk.read(&path).map_err(|source| SpoolError::io("read", &path, source))
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        self.close();
    }
}

impl Shared {
    fn push_sealed(&self, sealed: Sealed) {
        self.sealed.lock().push_back(sealed);
        self.sealed_changed.notify_waiters();
    }

    /// Refuses events for want of space, or takes them again; says so when that changes.
    fn set_short(&self, short: Option<SpoolError>) {
        let directory = self.directory.display();
        match (self.queue.short(), &short) {
            (None, Some(error)) => tracing::warn!(%directory, %error, "beacons are refused"),
            (Some(_), None) => tracing::info!(%directory, "there is space again; beacons are taken"),
            _ => {}
        }
        self.queue.set_short(short);
    }

    /// Brings up to date what is held in `aside/`: segments, reasons, and what a failure left there.
    fn count_aside(&self) {
        // A disk that does not say leaves the count as it was, until the next start.
        if let Ok(now) = inventory::aside_bytes(&*self.disk, &self.directory) {
            let before = self.aside_bytes.swap(now, Ordering::Relaxed);
            // Wraps back to what it should be when there is less than before.
            self.queue.on_disk.fetch_add(now.wrapping_sub(before), Ordering::Relaxed);
        }
    }

    /// Puts a segment where its number has it among those that wait.
    fn push_in_order(&self, segment: Sealed) {
        let mut sealed = self.sealed.lock();
        let order = |name: Name| (name.number, name.collector);
        let at = sealed.partition_point(|other| order(other.name) < order(segment.name));
        sealed.insert(at, segment);
        drop(sealed);
        self.sealed_changed.notify_waiters();
    }

    fn remove_sealed(&self, sealed: &Sealed) {
        self.sealed.lock().retain(|other| other.name != sealed.name);
    }

    fn fail(&self, error: &SpoolError) {
        let broken = match error {
            SpoolError::Broken(_) => error.clone(),
            other => SpoolError::Broken(other.to_string().into()),
        };
        tracing::error!(directory = %self.directory.display(), "{broken}");
        let _ = self.broken.set(broken.clone());
        self.queue.fail(&broken);
        self.broke.notify_waiters();
    }
}

impl std::fmt::Debug for Spool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Spool").field("directory", &self.shared.directory).finish_non_exhaustive()
    }
}

/// The collector of a directory, and its first segment of which the store is told whatever is in it.
fn counted(disk: &dyn Disk, directory: &Path) -> Option<Name> {
    let mut text = [0; 64];
    let read = disk.read(&directory.join(COUNTED)).ok()?.read_at(&mut text, 0).ok()?;
    Name::of_text(std::str::from_utf8(&text[..read]).ok()?.trim_end())
}

/// Today in UTC, days since 1970-01-01.
pub(crate) fn today() -> u16 {
    tally::day_of(Milliseconds(now_ms()))
}

/// Unix time in ms.
fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

fn random() -> u64 {
    getrandom::u64().expect("the system's random source works, or no key could have been made")
}
