//! The key in force and its turns.
//!
//! Readers take the key without a lock for the length of one computation. A turn waits for them: when
//! [`KeyRing::rotate`] returns, no copy of the old key is left.
//!
//! When the clock is set back, the key stays in force until the clock has passed its turn again. When it was set back by
//! more than a day, the key turns at once, because it would outlive its day. Several days of downtime make one turn.

use std::path::Path;
use std::sync::Arc;
use std::thread;

use arc_swap::{ArcSwap, Guard};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use parking_lot::Mutex;
use zeroize::Zeroizing;

use super::epoch_key::{EpochKey, KeyFingerprint, seconds};
use super::error::KeyError;
use super::file::{FILTER_KEPT, KeyFile, StoredFilterKey, StoredKey};
use super::previous_filters::{FilterList, PreviousFilters};
use crate::privacy::clock::Clock;
use crate::privacy::epoch::EpochSchedule;
use crate::privacy::mac::KEY_BYTES;
use crate::secret::file_lock::FileLock;

/// A change of keys, for the audit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyTurn {
    /// The key that was wiped.
    pub ended: KeyFingerprint,
    /// The key in force from now on.
    pub began: KeyFingerprint,
    /// The new epoch.
    pub epoch: u32,
}

/// State of the key in force.
#[derive(Debug, Clone, Copy)]
pub struct KeyStatus {
    /// Unix time in s at which it came into force; never lower than that of the previous key.
    pub epoch: u32,
    /// Time since it was made; zero when the clock was set back before that.
    pub age: std::time::Duration,
    /// When it will be wiped.
    pub next_turn: Timestamp,
    pub fingerprint: KeyFingerprint,
    /// Whether its memory cannot be swapped out. RLIMIT_MEMLOCK may forbid that.
    pub locked: bool,
}

pub struct KeyRing {
    file: KeyFile,
    schedule: EpochSchedule,
    clock: Arc<dyn Clock>,
    current: ArcSwap<EpochKey>,
    previous_filters: PreviousFilters,
    /// Locked during a turn. Holds the turn of `open` until `turn_if_due` returns it.
    turning: Mutex<Option<KeyTurn>>,
}

impl KeyRing {
    /// Reads the key of the last run if its epoch has not ended, or makes a new one.
    ///
    /// # Errors
    /// When the directory cannot be used: it is on a disk without permission, or other users own it or may write to it.
    pub fn open(
        directory: &Path,
        on_disk_allowed: bool,
        zone: TimeZone,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, KeyError> {
        let file = KeyFile::new(directory, on_disk_allowed)?;
        let schedule = EpochSchedule::new(zone);
        let lock = file.lock()?;
        let now = clock.now();
        let (key, turn) = match file.read(&lock)? {
            None => (make(&file, &lock, &schedule, seconds(now), now)?, None),
            Some((stored, version)) => {
                let key = EpochKey::new(stored, version, &schedule)?;
                if key.is_due(now) {
                    report(file.keep_filter(&lock, filter_of(&key, &*clock), clock.uptime()));
                    let next = make(&file, &lock, &schedule, key.next_epoch(schedule.last_turn(now)), now)?;
                    let turn = KeyTurn { ended: key.fingerprint, began: next.fingerprint, epoch: next.epoch };
                    (next, Some(turn))
                } else {
                    (key, None)
                }
            }
        };
        let stored = report(file.read_filters(&lock, clock.uptime())).unwrap_or_default();
        let previous_filters = PreviousFilters::new(stored)?;
        drop(lock);
        let current = ArcSwap::from_pointee(key);
        Ok(Self { file, schedule, clock, current, previous_filters, turning: Mutex::new(turn) })
    }

    /// Destroys the key in a directory's file if its epoch has ended, and keys of filters whose hour is over. It makes no new key. Returns
    /// the epoch and the fingerprint of the key that was destroyed. No collector may be running.
    ///
    /// # Errors
    /// As [`KeyRing::open`], and when the file cannot be overwritten.
    pub fn expire(
        directory: &Path,
        on_disk_allowed: bool,
        zone: TimeZone,
        clock: &dyn Clock,
    ) -> Result<Option<(u32, KeyFingerprint)>, KeyError> {
        let file = KeyFile::new(directory, on_disk_allowed)?;
        let schedule = EpochSchedule::new(zone);
        let lock = file.lock()?;
        report(file.read_filters(&lock, clock.uptime()));
        let Some((stored, version)) = file.read(&lock)? else { return Ok(None) };
        let key = EpochKey::new(stored, version, &schedule)?;
        if !key.is_due(clock.now()) {
            return Ok(None);
        }
        report(file.keep_filter(&lock, filter_of(&key, clock), clock.uptime()));
        file.destroy(&lock)?;
        Ok(Some((key.epoch, key.fingerprint)))
    }

    /// What would keep [`KeyRing::open`] from using the directory. Changes nothing.
    ///
    /// # Errors
    /// As [`KeyRing::open`].
    pub fn check(directory: &Path, on_disk_allowed: bool) -> Result<(), KeyError> {
        KeyFile::check(directory, on_disk_allowed)
    }

    /// Changes the key when it is due, or adopts the key that another collector made in the same directory. Returns the
    /// change. It is cheap when nothing is due: call it every second.
    ///
    /// A failure is logged, and the next call tries again.
    pub fn turn_if_due(&self) -> Option<KeyTurn> {
        let mut opening = self.turning.lock();
        if let Some(turn) = opening.take() {
            return Some(turn);
        }
        if self.previous_filters.wipe_ended(self.clock.uptime()) || self.file.has_filters_to_wipe() {
            let lock = self.file.lock();
            report(lock.and_then(|lock| self.file.read_filters(&lock, self.clock.uptime())));
        }
        let now = self.clock.now();
        let (due, changed) = {
            let current = self.current.load();
            (current.is_due(now), self.file.version().is_some_and(|found| found != current.version))
        };
        if !due && !changed {
            return None;
        }
        self.turn(|schedule| schedule.last_turn(now), now, TurnCause::Due)
            .inspect_err(|error| {
                metrics::counter!("footfall_key_turn_failures_total").increment(1);
                let cause = std::error::Error::source(error).map(ToString::to_string);
                tracing::error!(%error, cause, "key turn failed; the old key stays in force until the next attempt");
            })
            .ok()
            .flatten()
    }

    /// Changes the key now.
    ///
    /// # Errors
    /// When the key file cannot be replaced; the old key stays in force.
    pub fn rotate(&self) -> Result<KeyTurn, KeyError> {
        let _turning = self.turning.lock();
        let now = self.clock.now();
        let turn = self.turn(|_| now, now, TurnCause::Asked)?;
        Ok(turn.expect("a turn that is asked for always makes a key"))
    }

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

    /// Writes the filter's key of the current epoch to its file before the epoch's key is replaced, so that a crash loses neither.
    fn keep_filter(&self, lock: &FileLock) {
        let stored = filter_of(&self.current.load(), &*self.clock);
        report(self.file.keep_filter(lock, stored, self.clock.uptime()));
    }

    /// The filters of epochs that ended in the last hour, for one computation. Load them after the key.
    pub(in crate::privacy) fn previous_filters(&self) -> Guard<Arc<FilterList>> {
        self.previous_filters.load()
    }

    /// The key in force, for one computation. It must not be kept.
    pub(in crate::privacy) fn current(&self) -> Guard<Arc<EpochKey>> {
        self.current.load()
    }

    /// Adopts the key that another collector made if it is newer and not due, or makes a new key.
    fn turn(
        &self,
        begins: impl FnOnce(&EpochSchedule) -> Timestamp,
        now: Timestamp,
        why: TurnCause,
    ) -> Result<Option<KeyTurn>, KeyError> {
        let lock = self.file.lock()?;
        let (version, next_epoch, due, ended) = {
            let current = self.current.load();
            let begins = begins(&self.schedule);
            (current.version, current.next_epoch(begins), current.is_due(now), current.fingerprint)
        };
        let stored = self.file.read(&lock)?.filter(|(_, found)| *found != version);
        let adopted =
            stored.map(|(stored, found)| EpochKey::new(stored, found, &self.schedule)).transpose()?;
        let next = match adopted {
            Some(key) if why == TurnCause::Due && !key.is_due(now) && key.epoch >= next_epoch => key,
            Some(key) => {
                let epoch = key.next_epoch(self.schedule.last_turn(now)).max(next_epoch);
                self.keep_filter(&lock);
                make(&self.file, &lock, &self.schedule, epoch, now)?
            }
            None if due || why == TurnCause::Asked => {
                self.keep_filter(&lock);
                make(&self.file, &lock, &self.schedule, next_epoch, now)?
            }
            None => return Ok(None),
        };
        // Before the turn, so that a reader of the new key knows the filter of the old one.
        self.previous_filters.add(filter_of(&self.current.load(), &*self.clock))?;
        let turn = KeyTurn { ended, began: next.fingerprint, epoch: next.epoch };
        let mut old = self.current.swap(Arc::new(next));
        // A computation takes microseconds. Then no reader holds the old key, and dropping it wipes its page.
        while let Err(held) = Arc::try_unwrap(old).map(drop) {
            old = held;
            thread::yield_now();
        }
        Ok(Some(turn))
    }
}

/// Logs an error of the filter's file, which is an aid: it must not keep a key in force.
fn report<T>(result: Result<T, KeyError>) -> Option<T> {
    result
        .inspect_err(|error| {
            let cause = std::error::Error::source(error).map(ToString::to_string);
            tracing::error!(%error, cause, "the file of the duplicate filter's keys cannot be kept in order");
        })
        .ok()
}

/// The key of an epoch's filter, to be kept for an hour from now on.
fn filter_of(key: &EpochKey, clock: &dyn Clock) -> StoredFilterKey {
    StoredFilterKey { ends: clock.uptime() + FILTER_KEPT, key: key.filter_key() }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum TurnCause {
    Due,
    Asked,
}

/// Makes a key and writes it to the file.
fn make(
    file: &KeyFile,
    lock: &FileLock,
    schedule: &EpochSchedule,
    epoch: u32,
    now: Timestamp,
) -> Result<EpochKey, KeyError> {
    let mut key = Box::new(Zeroizing::new([0; KEY_BYTES]));
    getrandom::fill(key.as_mut_slice()).map_err(KeyError::Random)?;
    // The file holds whole seconds: a key must look the same before and after a restart.
    let since = Timestamp::from_second(now.as_second()).unwrap_or(now);
    let stored = StoredKey { epoch, since, key };
    let version = file.replace(lock, &stored)?;
    EpochKey::new(stored, version, schedule)
}
