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
//! | `aside/NAME.salvaged.lost` | the books of what was not whole, until it is discarded |
//! | `aside/NAME.discarding`, `aside/NAME.discarded` | the books of one that was discarded, before and after the audit knows it |
//! | `retry/NAME.segment` | one that is to be shipped after all; the collector takes it from there |
//! | `aside/NAME.torn`, `aside/NAME.torn.reason` | a copy of a segment whose tail was cut although whole frames lay behind the cut |
//! | `aside/*.new`, `retry/*.new` | what a process that died was still making; deleted at the start |
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

mod accounting;
#[cfg(test)]
mod crash_tests;
mod delivery;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod inspect;
mod log;
mod quarantine;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, AtomicU64};
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use parking_lot::Mutex;
use tokio::sync::Notify;

pub(crate) use accounting::counts::day_of;
pub use accounting::counts::{Count, STORED, Tally};
pub use accounting::digests::{FINGERPRINT_SQL, Print, Prints, fingerprint};
pub(crate) use accounting::shipped_ids::Identity;
pub use delivery::queue::Sealed;
pub(crate) use delivery::shipment::{Part, Unload, UnloadError};
pub use delivery::status::SpoolStatus;
pub use inspect::{Aside, Inventory, Leftover, SegmentState, SegmentStatus, inspect};
pub use log::disk::{Disk, DiskFile, RealDisk, Space};
pub use log::error::SpoolError;
pub use log::frame::{Frame, MAX_FRAME_LEN};
pub use log::recovery::{RECENT_ROWS, Recovered};
pub use log::segment::Name;
#[cfg(test)]
pub(crate) use log::test_disk;
pub use log::writer::ack::Ack;
pub use quarantine::discard::{Discarded, Loss, discard};
pub use quarantine::requeue::{Examined, Gap, Retried, examine, retry};

use crate::config::{MAX_SEAL_ROWS, SpoolLimits};
use crate::event::{DropReason, UnixMillis, row_binary};
use accounting::shipped_ids::Recent;
use accounting::{counts, digests};
use log::frame::Kind;
use log::recovery::{self, Found};
use log::start::Start;
use log::writer::queue::{self, Queue};
use log::writer::space::Watch;
use log::writer::thread::{self, Active};
#[cfg(test)]
use log::{frame, segment};
use quarantine::{discard, requeue, split};

/// Columns of table `audit`.
pub(crate) const AUDIT_COLUMNS: &[&str] = &["time", "action", "detail"];
/// Columns of table `books`.
pub(crate) const BOOKS_COLUMNS: &[&str] = counts::COLUMNS;
/// Columns of table `segments`.
pub(crate) const SEGMENTS_COLUMNS: &[&str] = digests::COLUMNS;
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
    /// Segments on their way from `retry/` to those that wait.
    taking_up: Mutex<Vec<Name>>,
    /// Halves that are in their place and are not known to wait there yet.
    placed: Mutex<Vec<Name>>,
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
        requeue::sweep(&*disk, directory);
        recovery::end_moves(&*disk, directory)?;
        split::complete(&*disk, directory, &mut Vec::new())
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
        let (recovered, recent) = what_is_known(&*disk, directory, found, sealed_events)?;
        let aside = inspect::aside_bytes(&*disk, directory)?;
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
            taking_up: Mutex::default(),
            placed: Mutex::default(),
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
                move || thread::run(&shared, active, start, watch)
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
    pub fn count_dropped(&self, site: &str, reason: DropReason, events: u32) {
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
            row_binary::put_text(text, &mut rows);
        }
        let frame = Frame { site: "", page_load: 0, seqs: &[], rows: &rows };
        self.shared.queue.push(Kind::Audit, 1, &frame)
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
}

impl Drop for Spool {
    fn drop(&mut self) {
        self.close();
    }
}

impl Shared {
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

/// What recovery found, with the events of segments that were shipped before.
fn what_is_known(
    disk: &dyn Disk,
    directory: &Path,
    found: &mut Found,
    sealed_events: u64,
) -> Result<(Recovered, Recent), SpoolError> {
    let events = sealed_events + found.events();
    let (recent, mut identities) = Recent::open(disk, directory, RECENT_ROWS.saturating_sub(events))
        .map_err(|source| SpoolError::io("read the recent events of", directory, source))?;
    identities.append(&mut found.identities);
    Ok((Recovered { identities, notes: std::mem::take(&mut found.notes), events }, recent))
}

/// The collector of a directory, and its first segment of which the store is told whatever is in it.
fn counted(disk: &dyn Disk, directory: &Path) -> Option<Name> {
    let mut text = [0; 64];
    let read = disk.read(&directory.join(COUNTED)).ok()?.read_at(&mut text, 0).ok()?;
    Name::of_text(std::str::from_utf8(&text[..read]).ok()?.trim_end())
}

/// Today in UTC, days since 1970-01-01.
pub(crate) fn today() -> u16 {
    day_of(UnixMillis(now_ms()))
}

/// Unix time in ms.
fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

fn random() -> u64 {
    getrandom::u64().expect("the system's random source works, or no key could have been made")
}
