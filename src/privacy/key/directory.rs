//! The key's directory, and how the next key is made in it: at random, or from the state of a fleet.

use std::path::Path;

use jiff::Timestamp;
use zeroize::Zeroizing;

use super::epoch_key::{EpochKey, seconds};
use super::error::KeyError;
use super::file::KeyFile;
use super::fleet::{FleetState, RandomnessFile};
use super::format::{StoredKey, StoredSecret};
use super::source::KeySource;
use crate::privacy::epoch::EpochSchedule;
use crate::privacy::mac::KEY_BYTES;
use crate::secret::file_lock::FileLock;

pub(super) struct KeyDirectory {
    pub(super) file: KeyFile,
    pub(super) randomness: RandomnessFile,
    pub(super) schedule: EpochSchedule,
    pub(super) source: KeySource,
}

impl KeyDirectory {
    pub(super) fn open(
        directory: &Path,
        on_disk_allowed: bool,
        schedule: EpochSchedule,
        source: KeySource,
    ) -> Result<Self, KeyError> {
        let file = KeyFile::new(directory, on_disk_allowed)?;
        Ok(Self { file, randomness: RandomnessFile::new(directory), schedule, source })
    }

    /// The key in the file, and the state from which it was derived.
    pub(super) fn read(&self, lock: &FileLock) -> Result<Option<(EpochKey, Option<FleetState>)>, KeyError> {
        let Some((stored, version)) = self.file.read(lock)? else { return Ok(None) };
        EpochKey::new(stored, version, &self.schedule).map(Some)
    }

    /// Makes the key of an epoch that begins now, and wipes the one before with its state. In a fleet it follows from that state, or is
    /// missing.
    pub(super) fn next(
        &self,
        lock: &FileLock,
        state: Option<FleetState>,
        epoch: u32,
        now: Timestamp,
    ) -> Result<EpochKey, KeyError> {
        let (epoch, secret) = match self.source {
            KeySource::Own => {
                let mut key = Box::new(Zeroizing::new([0; KEY_BYTES]));
                getrandom::fill(key.as_mut_slice()).map_err(KeyError::Random)?;
                (epoch, StoredSecret::Own(key))
            }
            KeySource::Fleet => {
                // The same for all members, whenever their clocks come to the turn.
                let epoch = seconds(self.schedule.last_turn(now));
                let today = self.schedule.day(now);
                // A file that cannot be read now may be readable at the next attempt; the state would be gone for good.
                let known = self.randomness.read().map_err(|error| KeyError::Fleet(error.into()))?;
                match state.and_then(|state| state.advanced(today, &known)) {
                    Some(state) => (epoch, StoredSecret::Fleet(state)),
                    None => {
                        self.file.destroy(lock)?;
                        return EpochKey::missing(epoch, now, &self.schedule);
                    }
                }
            }
        };
        // The file holds whole seconds: a key must look the same before and after a restart.
        let since = Timestamp::from_second(now.as_second()).unwrap_or(now);
        let stored = StoredKey { epoch, since, secret };
        let version = self.file.replace(lock, &stored)?;
        EpochKey::new(stored, version, &self.schedule).map(|(key, _)| key)
    }
}
