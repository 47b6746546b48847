//! The token file, `DATA/tokens.json`: names, roles, sites, times and fingerprints. It contains no token.
//!
//! A missing file means that there are no tokens. A file that others may write to is refused.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::access::role::Role;
use crate::access::token::TokenFingerprint;
use crate::secret::private_file::{self, OthersMay, PrivateFileError};

const FILE: &str = "tokens.json";
/// Most tokens in the file: each request is compared with all of them.
const MAX_TOKENS: usize = 1000;
/// Longest name of a token, in bytes.
pub(crate) const MAX_NAME: usize = 64;
/// Longest file, in bytes: room for [`MAX_TOKENS`] with many sites each.
const MAX_BYTES: u64 = 4 << 20;

#[derive(Debug, Clone, PartialEq)]
pub struct TokenEntry {
    /// The person or program that uses the token; unique in the file.
    pub name: String,
    pub role: Role,
    /// The only sites that the holder may see; empty means all.
    pub sites: Vec<String>,
    pub created: Timestamp,
    /// From this moment on the token is invalid; `None` means never.
    pub expires: Option<Timestamp>,
    pub fingerprint: TokenFingerprint,
}

impl TokenEntry {
    pub fn expired(&self, now: Timestamp) -> bool {
        self.expires.is_some_and(|end| now >= end)
    }
}

#[derive(Debug, thiserror::Error)]
pub enum TokenFileError {
    /// It cannot be read or written, or others may write to it.
    #[error(transparent)]
    File(#[from] PrivateFileError),
    #[error("{path}: {reason}; restore it from a copy, or remove it and add tokens anew", path = path.display())]
    Damaged { path: PathBuf, reason: String },
    #[error("there is a token {0:?} already; revoke it first, or choose another name")]
    DuplicateName(String),
    #[error("there is no token {0:?}; `footfall token list` shows those there are")]
    UnknownName(String),
    #[error("a token's name is 1 to {MAX_NAME} of a-z, A-Z, 0-9, - _ . and @, not {0:?}")]
    InvalidName(String),
    #[error("there are {MAX_TOKENS} tokens already; revoke those that are not used")]
    Full,
}

#[derive(Debug, Clone)]
pub struct TokenFile {
    path: PathBuf,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenFileJson {
    tokens: Vec<TokenJson>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenJson {
    name: String,
    role: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    sites: Vec<String>,
    created: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires: Option<String>,
    sha256: String,
}

impl TokenFile {
    /// The file need not exist.
    pub fn new(data: &Path) -> Self {
        Self { path: data.join(FILE) }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// In the order in which they were added.
    ///
    /// # Errors
    /// When the file cannot be read, others may write to it, or it is damaged.
    pub fn read(&self) -> Result<Vec<TokenEntry>, TokenFileError> {
        let Some(text) = private_file::read(&self.path, OthersMay::Read, MAX_BYTES)? else {
            return Ok(Vec::new());
        };
        let damaged = |reason: String| TokenFileError::Damaged { path: self.path.clone(), reason };
        let file: TokenFileJson = serde_json::from_str(&text).map_err(|error| damaged(error.to_string()))?;
        if file.tokens.len() > MAX_TOKENS {
            return Err(damaged(format!("has more than {MAX_TOKENS} tokens")));
        }
        let entry = |token: TokenJson| entry_from_json(token).map_err(|reason| damaged(reason.to_owned()));
        file.tokens.into_iter().map(entry).collect()
    }

    /// # Errors
    /// When the name exists already or is invalid, or the file cannot be used.
    pub fn add(&self, entry: TokenEntry) -> Result<(), TokenFileError> {
        if !is_valid_name(&entry.name) {
            return Err(TokenFileError::InvalidName(entry.name));
        }
        self.change(|entries| {
            if entries.iter().any(|known| known.name == entry.name) {
                return Err(TokenFileError::DuplicateName(entry.name));
            }
            if entries.len() >= MAX_TOKENS {
                return Err(TokenFileError::Full);
            }
            entries.push(entry);
            Ok(())
        })
    }

    /// Removes a token and returns it.
    ///
    /// # Errors
    /// When no token has this name, or the file cannot be used.
    pub fn revoke(&self, name: &str) -> Result<TokenEntry, TokenFileError> {
        self.change(|entries| {
            let index = entries.iter().position(|known| known.name == name);
            index
                .map(|index| entries.remove(index))
                .ok_or_else(|| TokenFileError::UnknownName(name.to_owned()))
        })
    }

    /// Reads, changes and writes under the lock, so that two commands at once lose nothing.
    fn change<T>(
        &self,
        change: impl FnOnce(&mut Vec<TokenEntry>) -> Result<T, TokenFileError>,
    ) -> Result<T, TokenFileError> {
        let lock = private_file::lock(&self.path)?;
        let mut entries = self.read()?;
        let result = change(&mut entries)?;
        let file = TokenFileJson { tokens: entries.iter().map(entry_to_json).collect() };
        let text = serde_json::to_string_pretty(&file).expect("texts and lists are always JSON");
        lock.replace(&format!("{text}\n"))?;
        Ok(result)
    }
}

/// Names appear in logs and tables, so they contain no spaces and no control characters.
pub(super) fn is_valid_name(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.@".contains(&byte);
    (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(is_plain)
}

fn entry_from_json(token: TokenJson) -> Result<TokenEntry, &'static str> {
    let time = |text: &str| text.parse::<Timestamp>().map_err(|_| "has an invalid time");
    if !is_valid_name(&token.name) {
        return Err("has an invalid name");
    }
    Ok(TokenEntry {
        name: token.name,
        role: Role::from_name(&token.role).ok_or("has an unknown role")?,
        sites: token.sites,
        created: time(&token.created)?,
        expires: token.expires.as_deref().map(time).transpose()?,
        fingerprint: TokenFingerprint::parse(&token.sha256).ok_or("has an invalid hash")?,
    })
}

fn entry_to_json(entry: &TokenEntry) -> TokenJson {
    TokenJson {
        name: entry.name.clone(),
        role: entry.role.name().to_owned(),
        sites: entry.sites.clone(),
        created: entry.created.to_string(),
        expires: entry.expires.map(|end| end.to_string()),
        sha256: entry.fingerprint.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    use super::*;
    use crate::access::token::AccessToken;

    fn entry(name: &str) -> TokenEntry {
        let token = AccessToken::random().unwrap();
        TokenEntry {
            name: name.to_owned(),
            role: Role::Analyst,
            sites: vec!["clinic".to_owned()],
            created: Timestamp::from_second(1_795_000_000).unwrap(),
            expires: Timestamp::from_second(1_796_000_000).ok(),
            fingerprint: TokenFingerprint::from_token(token.expose()).unwrap(),
        }
    }

    #[test]
    fn what_was_added_is_read_back_until_it_is_revoked() {
        let directory = tempfile::tempdir().unwrap();
        let file = TokenFile::new(&directory.path().join("data"));
        assert_eq!(file.read().unwrap(), []);
        let (anna, boris) = (entry("anna"), entry("boris"));
        file.add(anna.clone()).unwrap();
        file.add(boris.clone()).unwrap();
        assert_eq!(file.read().unwrap(), [anna.clone(), boris.clone()]);
        assert!(matches!(file.add(anna.clone()), Err(TokenFileError::DuplicateName(_))));
        assert_eq!(file.revoke("anna").unwrap(), anna);
        assert!(matches!(file.revoke("anna"), Err(TokenFileError::UnknownName(_))));
        assert_eq!(file.read().unwrap(), [boris]);
    }

    #[test]
    fn only_the_owner_may_read_the_file_and_one_that_others_may_write_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let file = TokenFile::new(directory.path());
        file.add(entry("anna")).unwrap();
        let mode = || fs::metadata(file.path()).unwrap().mode() & 0o777;
        assert_eq!(mode(), 0o600);
        fs::set_permissions(file.path(), fs::Permissions::from_mode(0o660)).unwrap();
        assert!(matches!(file.read(), Err(TokenFileError::File(PrivateFileError::Exposed { .. }))));
    }

    #[test]
    fn many_commands_at_once_lose_no_token() {
        let directory = tempfile::tempdir().unwrap();
        let file = TokenFile::new(directory.path());
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let file = &file;
                scope
                    .spawn(move || (0..10).for_each(|n| file.add(entry(&format!("t{thread}.{n}"))).unwrap()));
            }
        });
        assert_eq!(file.read().unwrap().len(), 40);
    }

    #[test]
    fn a_damaged_file_is_an_error_and_does_not_count_as_empty() {
        let directory = tempfile::tempdir().unwrap();
        let file = TokenFile::new(directory.path());
        let good =
            serde_json::to_string(&TokenFileJson { tokens: vec![entry_to_json(&entry("anna"))] }).unwrap();
        for text in [
            "",
            "{}",
            "{\"tokens\":[{}]}",
            &good.replace("analyst", "root"),
            &good.replace("anna", "a\\nb"),
            &good[..good.len() - 3],
            &good.replace("2026", "soon"),
        ] {
            fs::write(file.path(), text).unwrap();
            fs::set_permissions(file.path(), fs::Permissions::from_mode(0o600)).unwrap();
            assert!(matches!(file.read(), Err(TokenFileError::Damaged { .. })), "{text}");
        }
    }

    #[test]
    fn a_name_that_would_spoil_a_log_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["", "a b", "a\nb", "<b>", &"a".repeat(65)] {
            assert!(
                matches!(
                    TokenFile::new(directory.path()).add(entry(name)),
                    Err(TokenFileError::InvalidName(_))
                ),
                "{name}"
            );
        }
    }
}
