//! The noise key: the secret under which all noise of published figures is drawn.
//!
//! It outlives the keys of pseudonyms, because the same figure must have the same noise for as long as it is published. The collectors of a
//! fleet have copies of one file. A person who has it can remove the noise from published figures, so it lies beside the other secrets
//! and not in the store. If it is lost, a new one is made: published days stay as they are.

use std::path::{Path, PathBuf};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::config::Config;
use crate::secret::private_file::{self, OthersMay, PrivateFileError};
use crate::secret::{Secret, random};
use crate::store::days::calendar::Day;

const FILE: &str = "noise.key";
const PREFIX: &str = "noise_";
/// Longest file in bytes: a key, and a line end.
const MAX_BYTES: u64 = 128;

#[derive(Debug, thiserror::Error)]
pub enum NoiseKeyError {
    #[error(transparent)]
    File(#[from] PrivateFileError),
    #[error(
        "{}: is not a noise key; restore it from a backup, or move it away, and a new one is made: published days stay as they are",
        .0.display()
    )]
    Damaged(PathBuf),
    #[error("the operating system gives no random numbers")]
    Random,
}

/// Cheap to clone, never printed.
#[derive(Debug, Clone)]
pub struct NoiseKey(Secret);

impl NoiseKey {
    /// The key of a configuration. It is made if its file does not exist.
    ///
    /// # Errors
    /// When the file cannot be read or written, is open to others or holds no key.
    pub fn open(config: &Config) -> Result<Self, NoiseKeyError> {
        Self::open_file(&Self::path(config))
    }

    pub fn path(config: &Config) -> PathBuf {
        config.published.noise_key.clone().unwrap_or_else(|| config.data.join(FILE))
    }

    /// As [`NoiseKey::open`].
    ///
    /// # Errors
    /// As [`NoiseKey::open`].
    pub fn open_file(path: &Path) -> Result<Self, NoiseKeyError> {
        if let Some(key) = Self::read(path)? {
            return Ok(key);
        }
        let key = random::token(PREFIX).map_err(|_| NoiseKeyError::Random)?;
        Self(Secret::new(key.to_string())).keep(path)
    }

    /// Writes the key, unless the file has one. Returns the one that the file has.
    ///
    /// # Errors
    /// As [`NoiseKey::open`].
    pub fn keep(self, path: &Path) -> Result<Self, NoiseKeyError> {
        let lock = private_file::lock(path)?;
        if let Some(key) = Self::read(path)? {
            return Ok(key);
        }
        lock.replace(self.0.expose())?;
        Ok(self)
    }

    /// The key of an existing file; `None` if there is none.
    ///
    /// # Errors
    /// As [`NoiseKey::open`].
    pub fn read(path: &Path) -> Result<Option<Self>, NoiseKeyError> {
        let Some(text) = private_file::read(path, OthersMay::Nothing, MAX_BYTES)? else { return Ok(None) };
        let key = text.trim();
        let is_key = key.strip_prefix(PREFIX).is_some_and(|random| random.len() == random::TOKEN_LETTERS);
        if is_key {
            Ok(Some(Self(Secret::new(key.to_owned()))))
        } else {
            Err(NoiseKeyError::Damaged(path.to_owned()))
        }
    }

    /// The key of one publication of a day. The store gets no other, so a statement that it logs or shows tells nothing of other days.
    pub(super) fn of_publication(&self, day: &Day, draw: u16) -> [u64; 2] {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(self.0.expose().as_bytes()).expect("a key may have any length");
        mac.update(b"published figures");
        // In another zone a date has other events.
        mac.update(&day.starts.to_le_bytes());
        mac.update(&day.ends.to_le_bytes());
        mac.update(&draw.to_le_bytes());
        let code = mac.finalize().into_bytes();
        let (halves, _) = code.as_chunks::<8>();
        [u64::from_le_bytes(halves[0]), u64::from_le_bytes(halves[1])]
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    use jiff::civil::date;

    use super::*;

    fn day(starts: i64) -> Day {
        Day { date: date(2026, 11, 20), starts, ends: starts + 86_400 }
    }

    #[test]
    fn a_key_is_made_once_and_is_private() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("noise.key");
        assert!(NoiseKey::read(&path).unwrap().is_none());
        let made = NoiseKey::open_file(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        let read = NoiseKey::open_file(&path).unwrap();
        assert_eq!(made.of_publication(&day(0), 1), read.of_publication(&day(0), 1));
        assert!(!format!("{made:?}").contains(made.0.expose()));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(NoiseKey::open_file(&path), Err(NoiseKeyError::File(_))));
    }

    #[test]
    fn a_file_that_holds_no_key_is_refused_and_stays() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("noise.key");
        for text in ["", "noise_", "secret", "noise_short"] {
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            assert!(matches!(NoiseKey::open_file(&path), Err(NoiseKeyError::Damaged(_))), "{text}");
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
    }

    #[test]
    fn each_publication_has_a_key_of_its_own() {
        let directory = tempfile::tempdir().unwrap();
        let key = NoiseKey::open_file(&directory.path().join("noise.key")).unwrap();
        let mut keys = vec![
            key.of_publication(&day(0), 1),
            key.of_publication(&day(0), 2),
            key.of_publication(&day(3_600), 1),
        ];
        let all = keys.len();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), all);
    }
}
