//! Passwords of share links, kept as salted slow hashes: people make them up, so that a copy of the file must not tell them.

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash as PhcHash;
use argon2::password_hash::{Error, PasswordHasher, PasswordVerifier};

/// Shortest password, in characters: with the limit on attempts, nobody guesses it (NIST SP 800-63B, 5.1.1.2).
pub const MIN_PASSWORD: usize = 8;
/// Longest password, in bytes: a longer one would only cost time.
const MAX_PASSWORD: usize = 256;

/// A password as Argon2id in the PHC format, with 19 MiB and two passes (OWASP's first choice).
#[derive(Clone, PartialEq)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// Takes tens of milliseconds. `None` when the password is too short or too long.
    ///
    /// # Errors
    /// When the system gives no random numbers or no memory.
    pub fn new(password: &str) -> Result<Option<Self>, Error> {
        if password.chars().count() < MIN_PASSWORD || password.len() > MAX_PASSWORD {
            return Ok(None);
        }
        let hash = Argon2::default().hash_password(password.as_bytes())?;
        Ok(Some(Self(hash.to_string())))
    }

    /// Takes tens of milliseconds.
    pub fn matches(&self, password: &str) -> bool {
        let Ok(hash) = PhcHash::new(&self.0) else { return false };
        password.len() <= MAX_PASSWORD
            && Argon2::default().verify_password(password.as_bytes(), &hash).is_ok()
    }

    pub(super) fn parse(text: String) -> Option<Self> {
        PhcHash::new(&text).is_ok().then_some(Self(text))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_matches_its_own_hash_and_no_other_and_is_salted() {
        let hash = PasswordHash::new("пароль от отчёта").unwrap().unwrap();
        let again = PasswordHash::new("пароль от отчёта").unwrap().unwrap();
        assert_ne!(hash, again);
        assert!(hash.matches("пароль от отчёта") && !hash.matches("пароль от отчета"));
        assert!(hash.as_str().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", hash.as_str());
        assert_eq!(PasswordHash::parse(hash.as_str().to_owned()), Some(hash));
        for refused in ["", "1234567", &"x".repeat(257)] {
            assert!(PasswordHash::new(refused).unwrap().is_none(), "{refused}");
        }
    }
}
