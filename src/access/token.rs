//! A token and its fingerprint.
//!
//! A token has 256 random bits, so nobody can try them all, and its plain SHA-256 may be stored on disk. Slow hashes are for
//! passwords that people make up.

use std::fmt;

use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::secret::random::{self, TOKEN_LETTERS};

/// Every token begins with this, so that scanners of source code and logs find leaked ones.
pub(super) const PREFIX: &str = "ff_";
const LETTERS: usize = PREFIX.len() + TOKEN_LETTERS;

/// The text of a token. It is printed once, and wiped from memory when dropped.
pub struct AccessToken(Zeroizing<String>);

impl AccessToken {
    /// # Errors
    /// When the system gives no random numbers.
    pub fn random() -> Result<Self, getrandom::Error> {
        random::token(PREFIX).map(Self)
    }

    /// The text, for the one place that prints it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// SHA-256 of a token.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TokenFingerprint([u8; 32]);

impl TokenFingerprint {
    /// `None` when the text does not have the form of a token.
    pub fn from_token(presented: &str) -> Option<Self> {
        (presented.len() == LETTERS && presented.starts_with(PREFIX))
            .then(|| Self(Sha256::digest(presented).into()))
    }

    /// Parses 64 hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        if text.len() != 64 || !text.is_ascii() {
            return None;
        }
        for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().as_chunks::<2>().0) {
            *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
        }
        Some(Self(bytes))
    }

    /// The comparison takes the same time wherever they differ.
    pub fn matches(&self, other: &Self) -> bool {
        self.0.iter().zip(other.0).fold(0, |sum, (a, b)| sum | (a ^ b)) == 0
    }
}

impl fmt::Display for TokenFingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for TokenFingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[fingerprint]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_token_has_the_same_form_and_is_never_printed() {
        let token = AccessToken::random().unwrap();
        assert_eq!((token.expose().len(), &token.expose()[..3]), (LETTERS, "ff_"));
        assert_eq!(format!("{token:?}"), "[redacted]");
    }

    #[test]
    fn a_fingerprint_survives_being_written_and_matches_its_token_only() {
        let (one, other) = (AccessToken::random().unwrap(), AccessToken::random().unwrap());
        let fingerprint = TokenFingerprint::from_token(one.expose()).unwrap();
        let read = TokenFingerprint::parse(&fingerprint.to_string()).unwrap();
        assert!(read.matches(&fingerprint));
        assert!(!read.matches(&TokenFingerprint::from_token(other.expose()).unwrap()));
        assert!(
            TokenFingerprint::parse("zz").is_none() && TokenFingerprint::parse(&"é".repeat(32)).is_none()
        );
        for no_token in ["", "ff_", "swordfish", &"x".repeat(LETTERS)] {
            assert!(TokenFingerprint::from_token(no_token).is_none(), "{no_token}");
        }
    }
}
