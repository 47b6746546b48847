//! The key that pseudonyms are made with, and its epochs (design, "The key").
//!
//! A random 256-bit key is in force from one turn to the next: once a civil day, at the configured local time. At the
//! turn a new one is made, the old one is wiped from memory and from its file, and nothing can link the pseudonyms of
//! before with those of after. This module refuses to keep an old key, to put a key on a disk (unless told to), and to
//! let an epoch go back when the clock does.
//!
//! Readers take the key without a lock and only for the length of one computation; the turn waits for them, so that
//! when [`KeyRing::rotate`] returns, no copy of the old key is left.
//!
//! When the clock is set back, the key stays in force until the clock has passed its turn again; if it was set back by
//! more than a day, the key turns at once, since it would otherwise outlive its day. Downtime of several days makes one
//! turn. On a machine with swap, give the key directory a file system that is never swapped (`ramfs`, or `tmpfs` with
//! `noswap`), or encrypt the swap.

mod file;
mod page;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{io, thread};

use arc_swap::{ArcSwap, Guard};
use jiff::civil::Time;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use zeroize::Zeroizing;

use super::clock::Clock;
use super::epoch::Schedule;
use super::mac::{KEY_BYTES, Mac};
use crate::secret::file_lock::FileLock;
use crate::secret::file_version::FileVersion;
use file::{KeyFile, Stored};
use page::Page;

/// A key made further ahead than this by the clock would outlive its day: no day is longer.
const MAX_AHEAD: SignedDuration = SignedDuration::from_hours(25);

/// The key in force and its turns.
pub struct KeyRing {
    file: KeyFile,
    schedule: Schedule,
    clock: Arc<dyn Clock>,
    current: ArcSwap<Key>,
    /// Held over a turn; holds the turn that opening made, until somebody asks.
    turning: Mutex<Option<Turn>>,
}

impl KeyRing {
    /// Takes up the key of the last run, if its epoch has not ended, or makes a new one.
    ///
    /// # Errors
    /// When the directory is on a disk and that is not allowed, belongs to or is open to others, or cannot be used.
    pub fn open(
        directory: &Path,
        on_disk_allowed: bool,
        zone: TimeZone,
        rotate_at: Time,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, KeyError> {
        let file = KeyFile::new(directory, on_disk_allowed)?;
        let schedule = Schedule::new(zone, rotate_at);
        let lock = file.lock()?;
        let now = clock.now();
        let (key, turn) = match file.read(&lock)? {
            None => (make(&file, &lock, &schedule, seconds(now), now)?, None),
            Some((stored, version)) => {
                let key = Key::new(stored, version, &schedule)?;
                if key.is_due(now) {
                    let next = make(&file, &lock, &schedule, key.next_epoch(schedule.last_turn(now)), now)?;
                    let turn = Turn { ended: key.fingerprint, began: next.fingerprint, epoch: next.epoch };
                    (next, Some(turn))
                } else {
                    (key, None)
                }
            }
        };
        drop(lock);
        Ok(Self { file, schedule, clock, current: ArcSwap::from_pointee(key), turning: Mutex::new(turn) })
    }

    /// Turns the epoch when its time has come, or takes up the key that another collector with the same directory has
    /// made, and says what happened. Cheap when there is nothing to do: call it every second.
    ///
    /// A turn that fails for want of its file is logged and tried again with the next call.
    pub fn turn_if_due(&self) -> Option<Turn> {
        let mut opening = self.turning.lock();
        if let Some(turn) = opening.take() {
            return Some(turn);
        }
        let now = self.clock.now();
        let (due, changed) = {
            let current = self.current.load();
            (current.is_due(now), self.file.version().is_some_and(|found| found != current.version))
        };
        if !due && !changed {
            return None;
        }
        self.turn(|schedule| schedule.last_turn(now), now, Why::Due)
            .inspect_err(|error| {
                let cause = std::error::Error::source(error).map(ToString::to_string);
                tracing::error!(%error, cause, "the key could not be turned; the old one stays in force");
            })
            .ok()
            .flatten()
    }

    /// Turns the epoch now.
    ///
    /// # Errors
    /// When the key file cannot be replaced; the old key stays in force.
    pub fn rotate(&self) -> Result<Turn, KeyError> {
        let _turning = self.turning.lock();
        let now = self.clock.now();
        let turn = self.turn(|_| now, now, Why::Asked)?;
        Ok(turn.expect("a turn that is asked for always makes a key"))
    }

    /// Which key is in force, and until when.
    pub fn status(&self) -> KeyStatus {
        let current = self.current.load();
        let age = self.clock.now().duration_since(current.since);
        KeyStatus {
            epoch: current.epoch,
            age: age.try_into().unwrap_or_default(),
            next_turn: current.next_turn,
            fingerprint: current.fingerprint,
            locked: current.page.locked(),
        }
    }

    /// The key in force, for one computation; it must not be kept.
    pub(super) fn current(&self) -> Guard<Arc<Key>> {
        self.current.load()
    }

    /// Puts a key in force: the one another collector made, if it is newer and not due itself, or a new one.
    fn turn(
        &self,
        begins: impl FnOnce(&Schedule) -> Timestamp,
        now: Timestamp,
        why: Why,
    ) -> Result<Option<Turn>, KeyError> {
        let lock = self.file.lock()?;
        let (version, next_epoch, due, ended) = {
            let current = self.current.load();
            let begins = begins(&self.schedule);
            (current.version, current.next_epoch(begins), current.is_due(now), current.fingerprint)
        };
        let stored = self.file.read(&lock)?.filter(|(_, found)| *found != version);
        let adopted = stored.map(|(stored, found)| Key::new(stored, found, &self.schedule)).transpose()?;
        let next = match adopted {
            Some(key) if why == Why::Due && !key.is_due(now) && key.epoch >= next_epoch => key,
            Some(key) => {
                let epoch = key.next_epoch(self.schedule.last_turn(now)).max(next_epoch);
                make(&self.file, &lock, &self.schedule, epoch, now)?
            }
            None if due || why == Why::Asked => make(&self.file, &lock, &self.schedule, next_epoch, now)?,
            None => return Ok(None),
        };
        let turn = Turn { ended, began: next.fingerprint, epoch: next.epoch };
        let mut old = self.current.swap(Arc::new(next));
        // A computation takes microseconds; then nobody holds the old key any more and its page can be wiped.
        while let Err(held) = Arc::try_unwrap(old).map(drop) {
            old = held;
            thread::yield_now();
        }
        Ok(Some(turn))
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Why {
    Due,
    Asked,
}

/// One epoch's key.
pub(super) struct Key {
    page: Page,
    epoch: u32,
    since: Timestamp,
    next_turn: Timestamp,
    fingerprint: Fingerprint,
    version: FileVersion,
}

impl Key {
    fn new(stored: Stored, version: FileVersion, schedule: &Schedule) -> Result<Self, KeyError> {
        let page = Page::new(stored.key)?;
        let code = Mac::new(page.state()).part(b"fingerprint").finish();
        Ok(Self {
            page,
            epoch: stored.epoch,
            since: stored.since,
            next_turn: schedule.next_turn(stored.since),
            fingerprint: Fingerprint((code >> 32) as u32),
            version,
        })
    }

    /// Starts a code under this key.
    pub(super) fn mac(&self) -> Mac<'_> {
        Mac::new(self.page.state())
    }

    /// Unix time in s of the coming into force.
    pub(super) fn epoch(&self) -> u32 {
        self.epoch
    }

    fn is_due(&self, now: Timestamp) -> bool {
        now >= self.next_turn || self.since.duration_since(now) > MAX_AHEAD
    }

    /// The epoch that begins at `begins`, if that is after this one, or else the next number.
    fn next_epoch(&self, begins: Timestamp) -> u32 {
        seconds(begins).max(self.epoch.saturating_add(1))
    }
}

/// Tells keys apart, and nothing more: 32 bits of an HMAC under the key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint(u32);

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A change of keys, for the audit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn {
    /// The key that was wiped.
    pub ended: Fingerprint,
    /// The key in force from now on.
    pub began: Fingerprint,
    /// Its epoch.
    pub epoch: u32,
}

/// Which key is in force.
#[derive(Debug, Clone, Copy)]
pub struct KeyStatus {
    /// Unix time in s of its coming into force; never lower than that of the key before.
    pub epoch: u32,
    /// Time since it was made; zero when the clock was set back before that.
    pub age: std::time::Duration,
    /// When it will be wiped.
    pub next_turn: Timestamp,
    /// What it is called in the audit.
    pub fingerprint: Fingerprint,
    /// Whether its memory can never be swapped out; RLIMIT_MEMLOCK may forbid that.
    pub locked: bool,
}

/// Why there is no key. The messages say what to do.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The directory is on a disk.
    #[error(
        "{0} is not on a RAM-backed file system, where no disk or backup would ever see the key; set `key` to a \
         directory below /dev/shm or /run, or set `key_on_disk = true` to accept that"
    )]
    OnDisk(PathBuf),
    /// Something else is in the directory's place.
    #[error("{0} is not a directory; set `key` to another one, or remove it")]
    NotADirectory(PathBuf),
    /// The directory belongs to another user.
    #[error(
        "{0} belongs to another user, who could read the key; remove it or set `key` to another directory"
    )]
    Foreign(PathBuf),
    /// Other users may put files into the directory.
    #[error("other users may write to {0} (mode {1:o}); run `chmod 700` on it")]
    Open(PathBuf, u32),
    /// The file is of another version.
    #[error("{0} was written by another version of footfall; remove it to start with a new key")]
    Newer(PathBuf),
    /// The system's random numbers failed.
    #[error("the system gives no random numbers")]
    Random(#[source] getrandom::Error),
    /// No memory page for the key.
    #[error("cannot get a memory page for the key")]
    Memory(#[source] io::Error),
    /// A file operation failed.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
}

/// Makes a key and puts it in the file.
fn make(
    file: &KeyFile,
    lock: &FileLock,
    schedule: &Schedule,
    epoch: u32,
    now: Timestamp,
) -> Result<Key, KeyError> {
    let mut key = Box::new(Zeroizing::new([0; KEY_BYTES]));
    getrandom::fill(key.as_mut_slice()).map_err(KeyError::Random)?;
    // The file holds whole seconds: a key must look the same before and after a restart.
    let since = Timestamp::from_second(now.as_second()).unwrap_or(now);
    let stored = Stored { epoch, since, key };
    let version = file.replace(lock, &stored)?;
    Key::new(stored, version, schedule)
}

/// Unix time in whole seconds, within an epoch's range: 1970 to 2106.
fn seconds(moment: Timestamp) -> u32 {
    u32::try_from(moment.as_second().max(0)).unwrap_or(u32::MAX)
}
