//! A token and its fingerprint.
//!
//! A token is 256 random bits, so nobody can try them all, and a plain SHA-256 of it may lie on a disk: slow hashes are
//! for passwords that people make up. The fingerprint cannot be turned back into the token, and comparing takes the same
//! time whatever was given.

use std::fmt;

use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::secret::random::{self, TOKEN_LETTERS};

/// How every token begins, so that scanners of source code and logs can find one that was spilt.
pub(super) const PREFIX: &str = "ff_";
const LETTERS: usize = PREFIX.len() + TOKEN_LETTERS;

/// A token itself. It is shown once and wiped when dropped.
pub struct Token(Zeroizing<String>);

impl Token {
    /// Makes one up.
    ///
    /// # Errors
    /// When the system gives no random numbers.
    pub fn random() -> Result<Self, getrandom::Error> {
        random::token(PREFIX).map(Self)
    }

    /// The token, for the one place that prints it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// SHA-256 of a token.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// The fingerprint of what was presented; of nothing when it cannot be a token, which says no more than its form.
    pub fn of(presented: &str) -> Option<Self> {
        (presented.len() == LETTERS && presented.starts_with(PREFIX))
            .then(|| Self(Sha256::digest(presented).into()))
    }

    /// Reads 64 hexadecimal digits.
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

    /// Whether both are the same, in a time that does not depend on where they differ.
    pub fn matches(&self, other: &Self) -> bool {
        self.0.iter().zip(other.0).fold(0, |sum, (a, b)| sum | (a ^ b)) == 0
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[fingerprint]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_new_each_time_and_of_one_form() {
        let (one, other) = (Token::random().unwrap(), Token::random().unwrap());
        assert_ne!(one.expose(), other.expose());
        assert_eq!((one.expose().len(), &one.expose()[..3]), (LETTERS, "ff_"));
        assert_eq!(format!("{one:?}"), "[redacted]");
    }

    #[test]
    fn a_fingerprint_survives_being_written_and_fits_its_token_alone() {
        let (one, other) = (Token::random().unwrap(), Token::random().unwrap());
        let fingerprint = Fingerprint::of(one.expose()).unwrap();
        let read = Fingerprint::parse(&fingerprint.to_string()).unwrap();
        assert!(read.matches(&fingerprint));
        assert!(!read.matches(&Fingerprint::of(other.expose()).unwrap()));
        assert!(Fingerprint::parse("zz").is_none() && Fingerprint::parse(&"é".repeat(32)).is_none());
        for no_token in ["", "ff_", "swordfish", &"x".repeat(LETTERS)] {
            assert!(Fingerprint::of(no_token).is_none(), "{no_token}");
        }
    }
}
