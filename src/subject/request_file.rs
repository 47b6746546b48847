//! The file of requests in the data directory. Only its owner may read it: it has pseudonyms of visitors whose requests are open.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::request::SubjectRequest;
use crate::secret::private_file::{self, OthersMay, PrivateFileError};
use crate::secret::random;

pub(crate) const NAME: &str = "subjects.json";
/// The file with the secret of this run.
pub(crate) const SECRET: &str = "subjects.secret";
/// Some ten thousand requests. What is longer is not written either: it could not be read at the next start.
const MAX_BYTES: u64 = 64 << 20;
/// No request is accepted that would make the file longer: the days and results of all must still fit.
const MAX_ACCEPTED_BYTES: u64 = MAX_BYTES / 2;
/// Longer than any secret.
const MAX_SECRET: u64 = 1 << 10;

#[derive(Debug, thiserror::Error)]
pub enum RequestFileError {
    #[error(transparent)]
    File(#[from] PrivateFileError),
    #[error("{}: is not a list of requests", path.display())]
    Malformed { path: PathBuf, source: serde_json::Error },
    #[error("the operating system gives no random numbers")]
    Random(#[from] getrandom::Error),
}

pub(super) struct RequestFile(PathBuf);

impl RequestFile {
    pub(super) fn new(data: &Path) -> Self {
        Self(data.join(NAME))
    }

    pub(super) fn read(&self) -> Result<Vec<SubjectRequest>, RequestFileError> {
        let Some(text) = private_file::read(&self.0, OthersMay::Nothing, MAX_BYTES)? else {
            return Ok(Vec::new());
        };
        serde_json::from_str(&text)
            .map_err(|source| RequestFileError::Malformed { path: self.0.clone(), source })
    }

    /// Whether these requests can be accepted together.
    pub(super) fn has_room(&self, requests: &[SubjectRequest]) -> Result<bool, RequestFileError> {
        Ok(self.text(requests)?.len() as u64 <= MAX_ACCEPTED_BYTES)
    }

    /// The file is synced when this returns.
    pub(super) fn write(&self, requests: &[SubjectRequest]) -> Result<(), RequestFileError> {
        let text = self.text(requests)?;
        if text.len() as u64 > MAX_BYTES {
            return Err(PrivateFileError::TooLong { path: self.0.clone(), max_bytes: MAX_BYTES }.into());
        }
        Ok(private_file::lock(&self.0)?.replace(&text)?)
    }

    fn text(&self, requests: &[SubjectRequest]) -> Result<String, RequestFileError> {
        serde_json::to_string_pretty(requests)
            .map_err(|source| RequestFileError::Malformed { path: self.0.clone(), source })
    }
}

/// Proves that somebody may read the data directory. Without it, every user of the machine could ask on loopback whether an address visited.
pub(super) struct LocalSecret(Zeroizing<String>);

impl LocalSecret {
    /// Makes one and writes it to its file.
    pub(super) fn create(data: &Path) -> Result<Self, RequestFileError> {
        let secret = random::token("fs_")?;
        private_file::lock(&data.join(SECRET))?.replace(&secret)?;
        Ok(Self(secret))
    }

    /// Digests are compared, so that the time tells nothing.
    pub(super) fn matches(&self, given: &[u8]) -> bool {
        Sha256::digest(given) == Sha256::digest(self.0.as_bytes())
    }
}

/// The secret of the running collector, for a command.
///
/// # Errors
/// When only another user may read it.
pub fn read_local_secret(data: &Path) -> Result<Option<Zeroizing<String>>, PrivateFileError> {
    private_file::read(&data.join(SECRET), OthersMay::Nothing, MAX_SECRET)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::privacy::SubjectScope;
    use crate::subject::{Ground, SubjectAction};

    #[test]
    fn what_could_not_be_read_again_is_not_written() {
        let directory = tempfile::tempdir().unwrap();
        let file = RequestFile::new(directory.path());
        let with_ground = |letters: u64| {
            let ground = Ground { ground: "x".repeat(letters as usize), ..Ground::default() };
            let scope = SubjectScope::Site { site: "clinic".into() };
            [SubjectRequest::new("0".into(), SubjectAction::Erase, scope, ground, false)]
        };
        let small = with_ground(10);
        file.write(&small).unwrap();
        assert!(file.has_room(&small).unwrap() && !file.has_room(&with_ground(MAX_ACCEPTED_BYTES)).unwrap());
        assert!(file.write(&with_ground(MAX_BYTES)).is_err());
        assert_eq!(file.read().unwrap(), small);
    }
}
