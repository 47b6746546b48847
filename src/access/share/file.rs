//! The file of share links, `DATA/shares.json`: the key that signs them, and names, sites, times and hashes of passwords.
//!
//! It contains no token, but who reads the key can make every token. So only the owner may read the file. A missing file means that
//! there are no links. The key is made with the first link and stays; without the file all links end.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::link::ShareLink;
use super::password::PasswordHash;
use crate::access::token_file::{MAX_NAME, is_valid_name};
use crate::secret::private_file::{self, OthersMay, PrivateFileError};
use crate::secret::{Secret, random};

const FILE: &str = "shares.json";
/// Most links in the file: people look through the list.
const MAX_LINKS: usize = 1000;
/// Longest file, in bytes: room for [`MAX_LINKS`] with a password each.
const MAX_BYTES: u64 = 1 << 20;

#[derive(Debug, thiserror::Error)]
pub enum ShareFileError {
    /// It cannot be read or written, or others may read or write it.
    #[error(transparent)]
    File(#[from] PrivateFileError),
    #[error("{path}: {reason}; restore it from a copy, or remove it and add links anew", path = path.display())]
    Damaged { path: PathBuf, reason: String },
    #[error("site {site:?} has a share link {name:?} already; revoke it first, or choose another name")]
    DuplicateName { site: String, name: String },
    #[error("site {site:?} has no share link {name:?}; `footfall share list` shows those there are")]
    UnknownName { site: String, name: String },
    #[error("a link's name is 1 to {MAX_NAME} of a-z, A-Z, 0-9, - _ . and @, not {0:?}")]
    InvalidName(String),
    #[error("there are {MAX_LINKS} share links already; revoke those that are not used")]
    Full,
    #[error("the system gives no random numbers")]
    Random(#[from] getrandom::Error),
}

/// What a new link is made of.
#[derive(Debug)]
pub struct NewShareLink {
    pub name: String,
    pub site: String,
    /// Who makes it.
    pub by: String,
    pub expires: Timestamp,
    pub password: Option<PasswordHash>,
}

#[derive(Debug, Clone)]
pub struct ShareFile {
    path: PathBuf,
}

/// What the file holds.
#[derive(Debug, Default)]
pub(super) struct ShareLinks {
    /// `None` before the first link was made.
    pub(super) key: Option<Secret>,
    pub(super) links: Vec<ShareLink>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ShareFileJson {
    key: String,
    links: Vec<ShareJson>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ShareJson {
    name: String,
    site: String,
    id: String,
    by: String,
    created: Timestamp,
    expires: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    password: Option<String>,
}

impl ShareFile {
    /// The file need not exist.
    pub fn new(data: &Path) -> Self {
        Self { path: data.join(FILE) }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The links in the order in which they were added, also those that have expired.
    ///
    /// # Errors
    /// When the file cannot be read, others may read or write it, or it is damaged.
    pub fn links(&self) -> Result<Vec<ShareLink>, ShareFileError> {
        Ok(self.read()?.links)
    }

    pub(super) fn read(&self) -> Result<ShareLinks, ShareFileError> {
        let Some(text) = private_file::read(&self.path, OthersMay::Nothing, MAX_BYTES)? else {
            return Ok(ShareLinks::default());
        };
        let damaged = |reason: String| ShareFileError::Damaged { path: self.path.clone(), reason };
        // The error names a line and a column, and repeats no value of a field that is a text.
        let file: ShareFileJson = serde_json::from_str(&text).map_err(|error| damaged(error.to_string()))?;
        if file.key.len() < random::TOKEN_LETTERS {
            return Err(damaged("has no key".to_owned()));
        }
        let link = |share: ShareJson| link_from_json(share).map_err(|reason| damaged(reason.to_owned()));
        let links = file.links.into_iter().map(link).collect::<Result<_, _>>()?;
        Ok(ShareLinks { key: Some(Secret::new(file.key)), links })
    }

    /// Adds a link and returns its token.
    ///
    /// # Errors
    /// When the name exists already or is invalid, or the file cannot be used.
    pub fn add(&self, new: NewShareLink) -> Result<String, ShareFileError> {
        let NewShareLink { name, site, by, expires, password } = new;
        if !is_valid_name(&name) {
            return Err(ShareFileError::InvalidName(name));
        }
        // The token has whole seconds.
        let expires = Timestamp::from_second(expires.as_second()).expect("it is a time already");
        let (id, created) = (ShareLink::random_id()?, Timestamp::now());
        let link = ShareLink { name, site, id, by, created, expires, password };
        self.change(|key, links| {
            // Links that have expired need no list to be refused.
            links.retain(|known| !known.expired(created));
            if links.iter().any(|known| known.site == link.site && known.name == link.name) {
                return Err(ShareFileError::DuplicateName { site: link.site, name: link.name });
            }
            if links.len() >= MAX_LINKS {
                return Err(ShareFileError::Full);
            }
            let token = link.token(key);
            links.push(link);
            Ok(token)
        })
    }

    /// Removes a link.
    ///
    /// # Errors
    /// When the site has no link of this name, or the file cannot be used.
    pub fn revoke(&self, site: &str, name: &str) -> Result<(), ShareFileError> {
        self.change(|_, links| {
            let before = links.len();
            links.retain(|known| known.site != site || known.name != name);
            let is_known = links.len() < before;
            let unknown = || ShareFileError::UnknownName { site: site.to_owned(), name: name.to_owned() };
            is_known.then_some(()).ok_or_else(unknown)
        })
    }

    /// Reads, changes and writes under the lock, so that two changes at once lose nothing.
    fn change<T>(
        &self,
        change: impl FnOnce(&Secret, &mut Vec<ShareLink>) -> Result<T, ShareFileError>,
    ) -> Result<T, ShareFileError> {
        let lock = private_file::lock(&self.path)?;
        let ShareLinks { key, mut links } = self.read()?;
        let key = match key {
            Some(key) => key,
            None => Secret::new(random::token("")?.to_string()),
        };
        let result = change(&key, &mut links)?;
        let links = links.iter().map(link_to_json).collect();
        let file = ShareFileJson { key: key.expose().to_owned(), links };
        let text = serde_json::to_string_pretty(&file).expect("texts and lists are always JSON");
        lock.replace(&format!("{text}\n"))?;
        Ok(result)
    }
}

fn link_from_json(share: ShareJson) -> Result<ShareLink, &'static str> {
    let ShareJson { name, site, id, by, created, expires, password } = share;
    if !is_valid_name(&name) {
        return Err("has an invalid name");
    }
    let password = match password {
        None => None,
        // A link whose password cannot be read must not become one without.
        Some(text) => Some(PasswordHash::parse(text).ok_or("has an invalid hash of a password")?),
    };
    Ok(ShareLink { name, site, id, by, created, expires, password })
}

fn link_to_json(link: &ShareLink) -> ShareJson {
    let ShareLink { name, site, id, by, created, expires, password } = link.clone();
    let password = password.map(|hash| hash.as_str().to_owned());
    ShareJson { name, site, id, by, created, expires, password }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn new(site: &str, name: &str) -> NewShareLink {
        let expires = Timestamp::now() + jiff::SignedDuration::from_hours(1);
        NewShareLink {
            name: name.to_owned(),
            site: site.to_owned(),
            by: "anna".to_owned(),
            expires,
            password: None,
        }
    }

    #[test]
    fn names_are_unique_on_a_site_and_not_over_sites() {
        let directory = tempfile::tempdir().unwrap();
        let file = ShareFile::new(directory.path());
        let one = file.add(new("clinic", "board")).unwrap();
        let other = file.add(new("library", "board")).unwrap();
        assert!(one.starts_with("clinic~") && other.starts_with("library~"));
        assert!(matches!(file.add(new("clinic", "board")), Err(ShareFileError::DuplicateName { .. })));
        file.revoke("clinic", "board").unwrap();
        assert!(matches!(file.revoke("clinic", "board"), Err(ShareFileError::UnknownName { .. })));
        assert_eq!(file.links().unwrap().len(), 1);
        assert!(matches!(file.add(new("clinic", "a b")), Err(ShareFileError::InvalidName(_))));
        let text = fs::read_to_string(file.path()).unwrap();
        assert!(!text.contains(&other) && !text.contains(other.rsplit('~').next().unwrap()), "{text}");
    }

    #[test]
    fn a_file_that_others_may_read_or_that_is_damaged_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let file = ShareFile::new(directory.path());
        file.add(new("clinic", "board")).unwrap();
        let good = fs::read_to_string(file.path()).unwrap();
        fs::set_permissions(file.path(), fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(file.links(), Err(ShareFileError::File(PrivateFileError::Exposed { .. }))));
        let key = good.split('"').nth(3).unwrap().to_owned();
        for text in [
            String::new(),
            "{}".to_owned(),
            good.replace("board", "a b"),
            good.replace(&key, ""),
            good.replace("\"by\"", "\"password\": \"swordfish\", \"by\""),
        ] {
            fs::write(file.path(), &text).unwrap();
            fs::set_permissions(file.path(), fs::Permissions::from_mode(0o600)).unwrap();
            let error = file.links().unwrap_err();
            assert!(matches!(error, ShareFileError::Damaged { .. }), "{text}");
            assert!(!error.to_string().contains(&key) && !error.to_string().contains("swordfish"), "{error}");
        }
    }
}
