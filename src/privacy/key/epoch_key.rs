//! One epoch's key and its fingerprint.

use std::fmt;

use jiff::{SignedDuration, Timestamp};

use super::error::KeyError;
use super::file::StoredKey;
use super::page::LockedPage;
use crate::privacy::epoch::EpochSchedule;
use crate::privacy::mac::PseudonymHmac;
use crate::secret::file_version::FileVersion;

/// Longest time by which a key may come from the future of the clock. No day is longer, and no key may outlive its day.
const MAX_AHEAD: SignedDuration = SignedDuration::from_hours(25);

pub(in crate::privacy) struct EpochKey {
    pub(super) page: LockedPage,
    pub(super) epoch: u32,
    pub(super) since: Timestamp,
    pub(super) next_turn: Timestamp,
    pub(super) fingerprint: KeyFingerprint,
    pub(super) version: FileVersion,
}

impl EpochKey {
    pub(super) fn new(
        stored: StoredKey,
        version: FileVersion,
        schedule: &EpochSchedule,
    ) -> Result<Self, KeyError> {
        let page = LockedPage::new(stored.key)?;
        let code = PseudonymHmac::new(page.state()).part(b"fingerprint").finish();
        Ok(Self {
            page,
            epoch: stored.epoch,
            since: stored.since,
            next_turn: schedule.next_turn(stored.since),
            fingerprint: KeyFingerprint((code >> 32) as u32),
            version,
        })
    }

    pub(in crate::privacy) fn mac(&self) -> PseudonymHmac<'_> {
        PseudonymHmac::new(self.page.state())
    }

    /// Unix time in s at which the key came into force.
    pub(in crate::privacy) fn epoch(&self) -> u32 {
        self.epoch
    }

    pub(super) fn is_due(&self, now: Timestamp) -> bool {
        now >= self.next_turn || self.since.duration_since(now) > MAX_AHEAD
    }

    /// The epoch that begins at `begins`, or the next number if that is not after this epoch.
    pub(super) fn next_epoch(&self, begins: Timestamp) -> u32 {
        seconds(begins).max(self.epoch.saturating_add(1))
    }
}

/// Distinguishes keys in the audit: 32 bits of an HMAC under the key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct KeyFingerprint(u32);

impl fmt::Display for KeyFingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
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
