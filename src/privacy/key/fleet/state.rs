//! The state of a fleet on one day, and its steps.

use zeroize::Zeroizing;

use super::id::FleetId;
use super::randomness::{KnownRandomness, TurnRandomness};
use crate::privacy::key::error::KeyError;
use crate::privacy::mac::{KEY_BYTES, KeyBytes, PseudonymHmac, STATE_BYTES, prepare};

/// Wiped when it is dropped.
pub(in crate::privacy::key) struct FleetState {
    fleet: FleetId,
    /// Days since 1970-01-01.
    day: i32,
    secret: KeyBytes,
}

impl FleetState {
    pub(in crate::privacy::key) fn new(fleet: FleetId, day: i32, secret: KeyBytes) -> Self {
        Self { fleet, day, secret }
    }

    /// The first state of a new fleet.
    pub(super) fn random(day: i32) -> Result<Self, KeyError> {
        let mut fleet = [0; FleetId::BYTES];
        getrandom::fill(&mut fleet).map_err(KeyError::Random)?;
        let mut secret = Box::new(Zeroizing::new([0; KEY_BYTES]));
        getrandom::fill(secret.as_mut_slice()).map_err(KeyError::Random)?;
        Ok(Self::new(fleet.into(), day, secret))
    }

    pub(in crate::privacy::key) fn fleet(&self) -> FleetId {
        self.fleet
    }

    pub(in crate::privacy::key) fn day(&self) -> i32 {
        self.day
    }

    pub(in crate::privacy::key) fn secret(&self) -> &KeyBytes {
        &self.secret
    }

    /// The key of the state's day.
    pub(in crate::privacy::key) fn day_key(&self) -> KeyBytes {
        self.derive(&[b"day key", &self.day.to_le_bytes()])
    }

    /// The state of `day`; `None` if the random number of a day up to it is unknown, or if `day` has passed.
    pub(in crate::privacy::key) fn advanced(mut self, day: i32, known: &KnownRandomness) -> Option<Self> {
        while self.day < day {
            let next = self.day + 1;
            let randomness = known.get(self.fleet, next)?;
            self = self.next(randomness);
        }
        (self.day == day).then_some(self)
    }

    fn next(self, randomness: &TurnRandomness) -> Self {
        let day = self.day + 1;
        let secret = self.derive(&[b"next state", &day.to_le_bytes(), randomness]);
        Self { fleet: self.fleet, day, secret }
    }

    fn derive(&self, parts: &[&[u8]]) -> KeyBytes {
        let mut state = Zeroizing::new([0; STATE_BYTES]);
        prepare(&self.secret, &mut state);
        let mut derived = Box::new(Zeroizing::new([0; KEY_BYTES]));
        let code = parts.iter().fold(PseudonymHmac::new(&state), |mac, part| mac.part(part));
        code.finish_into(&mut derived);
        derived
    }
}
