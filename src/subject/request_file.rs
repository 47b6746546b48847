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
/// Some ten thousand requests.
const MAX_BYTES: u64 = 64 << 20;
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

    /// The file is synced when this returns.
    pub(super) fn write(&self, requests: &[SubjectRequest]) -> Result<(), RequestFileError> {
        let text = serde_json::to_string_pretty(requests)
            .map_err(|source| RequestFileError::Malformed { path: self.0.clone(), source })?;
        Ok(private_file::lock(&self.0)?.replace(&text)?)
    }
}

/// Proves that somebody may read the data directory. Without it, every user of the machine could ask on loopback whether an address visited.
pub(super) struct LocalSecret(Zeroizing<String>);

impl LocalSecret {
    /// Makes one and writes it to its file.
    pub(super) fn make(data: &Path) -> Result<Self, RequestFileError> {
        let secret = random::token("fs_")?;
        private_file::lock(&data.join(SECRET))?.replace(&secret)?;
        Ok(Self(secret))
    }

    /// Digests are compared, so that the time tells nothing.
    pub(super) fn is(&self, given: &[u8]) -> bool {
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
