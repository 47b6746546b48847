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

use super::directory::KeyDirectory;
use super::epoch_key::{EpochKey, KeyFingerprint, KeyOrigin, seconds};
use super::error::KeyError;
use super::file::{FILTER_KEPT, KeyFile};
use super::fleet::{DAYS_AHEAD, FleetError, FleetId, KnownRandomness, wipe_expired_request};
use super::format::StoredFilterKey;
use super::previous_filters::{FilterList, PreviousFilters};
use super::source::KeySource;
use crate::privacy::clock::Clock;
use crate::privacy::epoch::EpochSchedule;
use crate::secret::file_lock::FileLock;
use crate::secret::stack;

/// Bytes of the stack on which reading and making a key may leave pieces of it.
const STACK_BYTES: usize = 64 << 10;

/// A change of keys, for the audit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyTurn {
    /// The key that was wiped, or none.
    pub ended: KeyFingerprint,
    /// The key in force from now on, or none.
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
    pub origin: KeyOrigin,
    /// Whether its memory cannot be swapped out. RLIMIT_MEMLOCK may forbid that.
    pub locked: bool,
}

/// The days of a fleet whose random numbers must be known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FleetDays {
    pub fleet: FleetId,
    /// The day of the key in force, days since 1970-01-01.
    pub today: i32,
    /// What this member has noted.
    pub known: KnownRandomness,
}

impl FleetDays {
    /// The days whose numbers are wanted.
    pub fn wanted(&self) -> std::ops::RangeInclusive<i32> {
        self.today + 1..=self.today + DAYS_AHEAD
    }

    /// Midnights that the collector can pass without the store.
    pub fn ahead(&self) -> i32 {
        self.known.last_day(self.today) - self.today
    }
}

pub struct KeyRing {
    place: KeyDirectory,
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
        Self::open_from(KeySource::Own, directory, on_disk_allowed, zone, clock)
    }

    /// The same for keys of this source. A member of a fleet without its state has no key.
    ///
    /// # Errors
    /// As [`KeyRing::open`].
    pub fn open_from(
        source: KeySource,
        directory: &Path,
        on_disk_allowed: bool,
        zone: TimeZone,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, KeyError> {
        let place = KeyDirectory::open(directory, on_disk_allowed, EpochSchedule::new(zone), source)?;
        let lock = place.file.lock()?;
        let now = clock.now();
        report(wipe_expired_request(&place.file, now).map_err(fleet_error));
        let (key, turn) = match place.read(&lock)? {
            None => (place.next(&lock, None, seconds(now), now)?, None),
            Some((key, state)) if key.is_due(now) || !key.is_from(source) => {
                report(place.file.keep_filter(&lock, filter_of(&key, &*clock), clock.uptime()));
                let epoch = key.next_epoch(place.schedule.last_turn(now));
                let next = place.next(&lock, state, epoch, now)?;
                let turn = KeyTurn { ended: key.fingerprint, began: next.fingerprint, epoch: next.epoch };
                (next, Some(turn))
            }
            Some((key, _)) => (key, None),
        };
        warn_if_missing(&key);
        let stored = report(place.file.read_filters(&lock, clock.uptime())).unwrap_or_default();
        let previous_filters = PreviousFilters::new(stored)?;
        drop(lock);
        stack::wipe::<STACK_BYTES>();
        let current = ArcSwap::from_pointee(key);
        Ok(Self { place, clock, current, previous_filters, turning: Mutex::new(turn) })
    }

    /// Destroys the key in a directory's file if its epoch has ended, and keys of filters whose hour is over. It makes no new key, but the state
    /// of a fleet is replaced by that of today if it can be computed. Returns the epoch and the fingerprint of the key that was destroyed. No collector may be running.
    ///
    /// # Errors
    /// As [`KeyRing::open`], and when the file cannot be overwritten.
    pub fn expire(
        directory: &Path,
        on_disk_allowed: bool,
        zone: TimeZone,
        clock: &dyn Clock,
    ) -> Result<Option<(u32, KeyFingerprint)>, KeyError> {
        let schedule = EpochSchedule::new(zone);
        let place = KeyDirectory::open(directory, on_disk_allowed, schedule, KeySource::Fleet)?;
        let lock = place.file.lock()?;
        report(place.file.read_filters(&lock, clock.uptime()));
        report(wipe_expired_request(&place.file, clock.now()).map_err(fleet_error));
        let Some((key, state)) = place.read(&lock)? else { return Ok(None) };
        let now = clock.now();
        if !key.is_due(now) {
            return Ok(None);
        }
        report(place.file.keep_filter(&lock, filter_of(&key, clock), clock.uptime()));
        // The next key needs a state.
        place.next(&lock, state, key.epoch, now)?;
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
        if self.previous_filters.wipe_ended(self.clock.uptime()) || self.place.file.has_filters_to_wipe() {
            let lock = self.place.file.lock();
            report(lock.and_then(|lock| self.place.file.read_filters(&lock, self.clock.uptime())));
        }
        report(wipe_expired_request(&self.place.file, self.clock.now()).map_err(fleet_error));
        let now = self.clock.now();
        let (due, changed) = {
            let current = self.current.load();
            (
                current.is_due(now),
                self.place.file.version().is_some_and(|found| Some(found) != current.version),
            )
        };
        if !due && !changed {
            return None;
        }
        let turn = self.turn(|schedule| schedule.last_turn(now), now, TurnCause::Due);
        stack::wipe::<STACK_BYTES>();
        turn.inspect_err(|error| {
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
    /// When the key file cannot be replaced; the old key stays in force. In a fleet always.
    pub fn rotate(&self) -> Result<KeyTurn, KeyError> {
        if self.place.source == KeySource::Fleet {
            return Err(KeyError::FleetRotation);
        }
        let _turning = self.turning.lock();
        let now = self.clock.now();
        let turn = self.turn(|_| now, now, TurnCause::Asked);
        stack::wipe::<STACK_BYTES>();
        Ok(turn?.expect("a turn that is asked for always makes a key"))
    }

    pub fn status(&self) -> KeyStatus {
        let current = self.current.load();
        // A missing key cannot grow old.
        let since = if current.is_missing() { self.clock.now() } else { current.since };
        let age = self.clock.now().duration_since(since);
        KeyStatus {
            epoch: current.epoch,
            age: age.try_into().unwrap_or_default(),
            next_turn: current.next_turn,
            fingerprint: current.fingerprint,
            origin: current.origin(),
            locked: current.page.locked(),
        }
    }

    /// Writes the filter's key of the current epoch to its file before the epoch's key is replaced, so that a crash loses neither.
    fn keep_filter(&self, lock: &FileLock) {
        if self.current.load().is_missing() {
            return;
        }
        let stored = filter_of(&self.current.load(), &*self.clock);
        report(self.place.file.keep_filter(lock, stored, self.clock.uptime()));
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
        let lock = self.place.file.lock()?;
        let (version, next_epoch, due, ended) = {
            let current = self.current.load();
            let begins = begins(&self.place.schedule);
            (current.version, current.next_epoch(begins), current.is_due(now), current.fingerprint)
        };
        let (found, state) = self.place.read(&lock)?.unzip();
        let state = state.flatten();
        let next = match found.filter(|key| key.version != version) {
            Some(key) if why == TurnCause::Due && self.may_adopt(&key, now, next_epoch) => key,
            Some(key) => {
                let epoch = key.next_epoch(self.place.schedule.last_turn(now)).max(next_epoch);
                self.keep_filter(&lock);
                self.place.next(&lock, state, epoch, now)?
            }
            None if due || why == TurnCause::Asked => {
                self.keep_filter(&lock);
                self.place.next(&lock, state, next_epoch, now)?
            }
            None => return Ok(None),
        };
        warn_if_missing(&next);
        // Before the turn, so that a reader of the new key knows the filter of the old one.
        self.previous_filters.add(filter_of(&self.current.load(), &*self.clock))?;
        let turn = KeyTurn { ended, began: next.fingerprint, epoch: next.epoch };
        let mut old = self.current.swap(Arc::new(next));
        // A computation takes microseconds. Then no reader holds the old key, and dropping it wipes its page.
        while let Err(held) = Arc::try_unwrap(old).map(drop) {
            old = held;
            thread::yield_now();
        }
        // A state that is imported again, or that is still missing, changes nothing.
        Ok((turn.ended != turn.began).then_some(turn))
    }

    /// Whether a key that another process put into the file may be in force. In a fleet every member has the same epochs.
    fn may_adopt(&self, key: &EpochKey, now: Timestamp, next_epoch: u32) -> bool {
        let source = self.place.source;
        key.is_from(source) && !key.is_due(now) && (source == KeySource::Fleet || key.epoch >= next_epoch)
    }

    /// Of a fleet, the days whose random numbers must be known; `None` without a key of a fleet.
    pub fn fleet_days(&self) -> Option<FleetDays> {
        let (fleet, since) = {
            let current = self.current.load();
            (current.fleet()?, current.since)
        };
        let known = self.place.randomness.read().unwrap_or_else(|error| {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the random numbers of coming days cannot be read"
            );
            KnownRandomness::default()
        });
        let known = known.for_fleet(fleet);
        Some(FleetDays { fleet, today: self.place.schedule.day(since), known })
    }

    /// Notes random numbers of coming days, as the store has them.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn note_randomness(&self, found: &KnownRandomness) -> Result<(), KeyError> {
        let lock = self.place.file.lock()?;
        // What the file has counts: another key may have been imported in the meantime.
        let stored = self.place.read(&lock)?.and_then(|(key, _)| Some((key.fleet()?, key.since)));
        stack::wipe::<STACK_BYTES>();
        let Some((fleet, since)) = stored.filter(|(fleet, _)| found.is_of(*fleet)) else { return Ok(()) };
        let before = self.place.randomness.read().map_err(fleet_error)?.for_fleet(fleet);
        let mut known = before.clone();
        known.merge(found, self.place.schedule.day(since));
        if known == before {
            return Ok(());
        }
        self.place.randomness.write(&known).map_err(fleet_error)
    }
}

/// Says what an operator has to do.
fn warn_if_missing(key: &EpochKey) {
    if key.is_missing() {
        tracing::error!(
            "this collector has no key of its fleet, and answers beacons with 503; run `footfall key import --request` here, \
             or `footfall key init` for a new fleet"
        );
    }
}

fn fleet_error(error: FleetError) -> KeyError {
    KeyError::Fleet(error.into())
}

/// Logs an error of a file that is an aid: it must not keep a key in force.
fn report<T>(result: Result<T, KeyError>) -> Option<T> {
    result
        .inspect_err(|error| {
            let cause = std::error::Error::source(error).map(ToString::to_string);
            tracing::error!(%error, cause, "a file beside the key cannot be kept in order");
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
