//! The name of a fleet.

use std::fmt;

/// The public name of a fleet: random, made with its first state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FleetId([u8; Self::BYTES]);

impl FleetId {
    pub(in crate::privacy::key) const BYTES: usize = 8;

    pub(in crate::privacy::key) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Reads the hexadecimal digits of [`FleetId`]'s `Display`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let number = u64::from_str_radix(text, 16).ok().filter(|_| text.len() == 2 * Self::BYTES)?;
        Some(Self(number.to_be_bytes()))
    }
}

impl From<[u8; 8]> for FleetId {
    fn from(bytes: [u8; 8]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for FleetId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", u64::from_be_bytes(self.0))
    }
}
