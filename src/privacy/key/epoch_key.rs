//! One epoch's key, its fingerprint, and the key of its duplicate filter.
//!
//! The filter has a key of its own for each epoch, derived from the epoch's key. It gives neither that key nor any pseudonym.
//! [`previous_filters`](super::previous_filters) says how long it lives.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use zeroize::Zeroizing;

use super::error::KeyError;
use super::fleet::{FleetId, FleetState};
use super::format::{StoredKey, StoredSecret};
use super::page::LockedPage;
use super::source::KeySource;
use crate::privacy::epoch::EpochSchedule;
use crate::privacy::mac::{KEY_BYTES, KeyBytes, PseudonymHmac};
use crate::secret::file_version::FileVersion;

/// How far a key's epoch may lie ahead of the clock. No day is longer, and no key may outlive its day.
const MAX_AHEAD: SignedDuration = SignedDuration::from_hours(25);

pub(in crate::privacy) struct EpochKey {
    pub(super) page: LockedPage,
    pub(super) epoch: u32,
    pub(super) since: Timestamp,
    pub(super) next_turn: Timestamp,
    pub(super) fingerprint: KeyFingerprint,
    /// Absent if the key is missing.
    pub(super) version: Option<FileVersion>,
    origin: KeyOrigin,
    filter: LockedPage,
}

/// Where a key comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyOrigin {
    /// It is this collector's own.
    Own,
    /// It was derived from the state of this fleet.
    Fleet(FleetId),
    /// The collector has no state of its fleet. A random key stands in for it, and must not be used.
    Missing,
}

impl EpochKey {
    /// Returns the key, and the state if it was derived from one.
    pub(super) fn new(
        stored: StoredKey,
        version: FileVersion,
        schedule: &EpochSchedule,
    ) -> Result<(Self, Option<FleetState>), KeyError> {
        let (key, origin, state) = match stored.secret {
            StoredSecret::Own(key) => (key, KeyOrigin::Own, None),
            StoredSecret::Fleet(state) => (state.day_key(), KeyOrigin::Fleet(state.fleet()), Some(state)),
        };
        let page = LockedPage::new(key)?;
        let code = PseudonymHmac::new(page.state()).part(b"fingerprint").finish();
        let key = Self {
            filter: LockedPage::new(filter_key(&page))?,
            page,
            epoch: stored.epoch,
            since: stored.since,
            next_turn: schedule.next_turn(stored.since),
            fingerprint: KeyFingerprint(Some((code >> 32) as u32)),
            version: Some(version),
            origin,
        };
        Ok((key, state))
    }

    /// Stands in for a key that a member of a fleet does not have.
    pub(super) fn missing(epoch: u32, now: Timestamp, schedule: &EpochSchedule) -> Result<Self, KeyError> {
        let mut key: KeyBytes = Box::new(Zeroizing::new([0; KEY_BYTES]));
        getrandom::fill(key.as_mut_slice()).map_err(KeyError::Random)?;
        let page = LockedPage::new(key)?;
        Ok(Self {
            filter: LockedPage::new(filter_key(&page))?,
            page,
            epoch,
            since: now,
            next_turn: schedule.next_turn(now),
            fingerprint: KeyFingerprint(None),
            version: None,
            origin: KeyOrigin::Missing,
        })
    }

    pub(super) fn origin(&self) -> KeyOrigin {
        self.origin
    }

    pub(super) fn fleet(&self) -> Option<FleetId> {
        if let KeyOrigin::Fleet(fleet) = self.origin { Some(fleet) } else { None }
    }

    pub(in crate::privacy) fn is_missing(&self) -> bool {
        self.origin == KeyOrigin::Missing
    }

    /// Whether keys of this source may be in force.
    pub(super) fn is_from(&self, source: KeySource) -> bool {
        match source {
            KeySource::Own => self.origin == KeyOrigin::Own,
            KeySource::Fleet => self.fleet().is_some(),
        }
    }

    /// The key of this epoch's filter, to be kept beyond the turn.
    pub(super) fn filter_key(&self) -> KeyBytes {
        filter_key(&self.page)
    }

    /// Starts an HMAC under the key of this epoch's filter.
    pub(in crate::privacy) fn filter_mac(&self) -> PseudonymHmac<'_> {
        PseudonymHmac::new(self.filter.state())
    }

    pub(in crate::privacy) fn mac(&self) -> PseudonymHmac<'_> {
        PseudonymHmac::new(self.page.state())
    }

    /// Unix time in s at which the key came into force.
    pub(in crate::privacy) fn epoch(&self) -> u32 {
        self.epoch
    }

    /// Unix time in s at which the key must turn.
    pub(in crate::privacy) fn ends(&self) -> u32 {
        seconds(self.next_turn)
    }

    pub(super) fn is_due(&self, now: Timestamp) -> bool {
        // No time makes a missing key; a file does.
        !self.is_missing() && (now >= self.next_turn || self.since.duration_since(now) > MAX_AHEAD)
    }

    /// The epoch that begins at `begins`, or the next number if that is not after this epoch.
    pub(super) fn next_epoch(&self, begins: Timestamp) -> u32 {
        seconds(begins).max(self.epoch.saturating_add(1))
    }
}

/// Derives the key of an epoch's filter.
fn filter_key(page: &LockedPage) -> KeyBytes {
    let mut key: KeyBytes = Box::new(Zeroizing::new([0; KEY_BYTES]));
    for (number, part) in key.as_chunks_mut::<8>().0.iter_mut().enumerate() {
        let code = PseudonymHmac::new(page.state()).part(b"filter key").part(&[number as u8]).finish();
        *part = code.to_be_bytes();
    }
    key
}

/// Distinguishes keys in the audit: 32 bits of an HMAC under the key. A missing key has none.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct KeyFingerprint(Option<u32>);

impl KeyFingerprint {
    /// Whether the key is missing.
    pub fn is_none(self) -> bool {
        self.0.is_none()
    }

    /// The same as a number; `None` without a key.
    pub fn number(self) -> Option<u32> {
        self.0
    }
}

impl fmt::Display for KeyFingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(code) => write!(f, "{code:08x}"),
            None => f.write_str("none"),
        }
    }
}

impl fmt::Debug for KeyFingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Unix time in whole seconds, limited to 1970 to 2106.
pub(super) fn seconds(moment: Timestamp) -> u32 {
    u32::try_from(moment.as_second().max(0)).unwrap_or(u32::MAX)
}
