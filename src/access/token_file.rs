//! The file of tokens, `DATA/tokens.json`: names, roles, sites, times and fingerprints. No token is in it.
//!
//! It is written as a whole (staged, synced, renamed) under a lock, readable by its owner alone, and refused when others may
//! write it. A missing file is one without tokens. It is small by its bound, so that comparing with all of them is cheap.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::access::{Fingerprint, Role};
use crate::secret::private_file::{self, OthersMay, PrivateFileError};

/// Name of the file in the data directory.
const FILE: &str = "tokens.json";
/// Tokens in the file at most: each request is compared with all of them.
const MAX_TOKENS: usize = 1000;
/// Letters of a token's name at most.
const MAX_NAME: usize = 64;
/// Bytes of the file at most: what [`MAX_TOKENS`] of many sites need.
const MAX_BYTES: u64 = 4 << 20;

/// One token, as far as it may be known.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Whose it is, or what uses it; unique in the file.
    pub name: String,
    /// What it is good for.
    pub role: Role,
    /// The sites that it is kept to; empty when to none.
    pub sites: Vec<String>,
    /// When it was made.
    pub created: Timestamp,
    /// From when on it is good for nothing.
    pub expires: Option<Timestamp>,
    /// What a presented token is compared with.
    pub fingerprint: Fingerprint,
}

impl Entry {
    /// Whether its time is over.
    pub fn expired(&self, now: Timestamp) -> bool {
        self.expires.is_some_and(|end| now >= end)
    }
}

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// It cannot be read or written, or others could add a token.
    #[error(transparent)]
    File(#[from] PrivateFileError),
    /// It is not what this program writes.
    #[error("{path}: {what}; restore it from a copy, or remove it and add tokens anew", path = path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The name is taken.
    #[error("there is a token {0:?} already; revoke it first, or choose another name")]
    Taken(String),
    /// There is none of this name.
    #[error("there is no token {0:?}; `footfall token list` shows those there are")]
    Unknown(String),
    /// The name is of no use in a log or a table.
    #[error("a token's name is 1 to {MAX_NAME} of a-z, A-Z, 0-9, - _ . and @, not {0:?}")]
    Name(String),
    /// There are too many.
    #[error("there are {MAX_TOKENS} tokens already; revoke what is not used")]
    Full,
}

/// The file in a data directory.
#[derive(Debug, Clone)]
pub struct Ledger {
    path: PathBuf,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    tokens: Vec<Line>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    name: String,
    role: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    sites: Vec<String>,
    created: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires: Option<String>,
    sha256: String,
}

impl Ledger {
    /// The file of this data directory; it need not exist.
    pub fn new(data: &Path) -> Self {
        Self { path: data.join(FILE) }
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Everything in it.
    ///
    /// # Errors
    /// When it cannot be read, others may write to it, or it is damaged.
    pub fn read(&self) -> Result<Vec<Entry>, LedgerError> {
        let Some(text) = private_file::read(&self.path, OthersMay::Read, MAX_BYTES)? else {
            return Ok(Vec::new());
        };
        let damaged = |what: String| LedgerError::Damaged { path: self.path.clone(), what };
        let written: Written = serde_json::from_str(&text).map_err(|error| damaged(error.to_string()))?;
        if written.tokens.len() > MAX_TOKENS {
            return Err(damaged(format!("holds over {MAX_TOKENS} tokens")));
        }
        let entry = |line: Line| entry(line).map_err(|what| damaged(what.to_owned()));
        written.tokens.into_iter().map(entry).collect()
    }

    /// Adds a token.
    ///
    /// # Errors
    /// When its name is taken or unfit, or the file cannot be used.
    pub fn add(&self, entry: Entry) -> Result<(), LedgerError> {
        if !fit(&entry.name) {
            return Err(LedgerError::Name(entry.name));
        }
        self.change(|entries| {
            if entries.iter().any(|known| known.name == entry.name) {
                return Err(LedgerError::Taken(entry.name));
            }
            if entries.len() >= MAX_TOKENS {
                return Err(LedgerError::Full);
            }
            entries.push(entry);
            Ok(())
        })
    }

    /// Takes a token out.
    ///
    /// # Errors
    /// When there is none of this name, or the file cannot be used.
    pub fn revoke(&self, name: &str) -> Result<Entry, LedgerError> {
        self.change(|entries| {
            let at = entries.iter().position(|known| known.name == name);
            at.map(|at| entries.remove(at)).ok_or_else(|| LedgerError::Unknown(name.to_owned()))
        })
    }

    /// Reads, changes and writes under the lock, so that two commands at once lose nothing.
    fn change<T>(
        &self,
        change: impl FnOnce(&mut Vec<Entry>) -> Result<T, LedgerError>,
    ) -> Result<T, LedgerError> {
        let lock = private_file::lock(&self.path)?;
        let mut entries = self.read()?;
        let result = change(&mut entries)?;
        let written = Written { tokens: entries.iter().map(line).collect() };
        let text = serde_json::to_string_pretty(&written).expect("texts and lists are always JSON");
        lock.replace(&format!("{text}\n"))?;
        Ok(result)
    }
}

fn fit(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.@".contains(&byte);
    (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(plain)
}

fn entry(line: Line) -> Result<Entry, &'static str> {
    let time = |text: &str| text.parse::<Timestamp>().map_err(|_| "holds a time that is none");
    if !fit(&line.name) {
        return Err("holds a name that is none");
    }
    Ok(Entry {
        name: line.name,
        role: Role::named(&line.role).ok_or("holds a role that is none")?,
        sites: line.sites,
        created: time(&line.created)?,
        expires: line.expires.as_deref().map(time).transpose()?,
        fingerprint: Fingerprint::parse(&line.sha256).ok_or("holds a hash that is none")?,
    })
}

fn line(entry: &Entry) -> Line {
    Line {
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
    use crate::access::Token;

    fn entry(name: &str) -> Entry {
        let token = Token::random().unwrap();
        Entry {
            name: name.to_owned(),
            role: Role::Analyst,
            sites: vec!["clinic".to_owned()],
            created: Timestamp::from_second(1_795_000_000).unwrap(),
            expires: Timestamp::from_second(1_796_000_000).ok(),
            fingerprint: Fingerprint::of(token.expose()).unwrap(),
        }
    }

    #[test]
    fn what_was_added_is_read_back_until_it_is_revoked() {
        let directory = tempfile::tempdir().unwrap();
        let ledger = Ledger::new(&directory.path().join("data"));
        assert_eq!(ledger.read().unwrap(), []);
        let (anna, boris) = (entry("anna"), entry("boris"));
        ledger.add(anna.clone()).unwrap();
        ledger.add(boris.clone()).unwrap();
        assert_eq!(ledger.read().unwrap(), [anna.clone(), boris.clone()]);
        assert!(matches!(ledger.add(anna.clone()), Err(LedgerError::Taken(_))));
        assert_eq!(ledger.revoke("anna").unwrap(), anna);
        assert!(matches!(ledger.revoke("anna"), Err(LedgerError::Unknown(_))));
        assert_eq!(ledger.read().unwrap(), [boris]);
    }

    #[test]
    fn the_file_is_its_owner_s_alone_and_refused_when_others_may_write_it() {
        let directory = tempfile::tempdir().unwrap();
        let ledger = Ledger::new(directory.path());
        ledger.add(entry("anna")).unwrap();
        let mode = || fs::metadata(ledger.path()).unwrap().mode() & 0o777;
        assert_eq!(mode(), 0o600);
        fs::set_permissions(ledger.path(), fs::Permissions::from_mode(0o660)).unwrap();
        assert!(matches!(ledger.read(), Err(LedgerError::File(PrivateFileError::Exposed { .. }))));
    }

    #[test]
    fn many_commands_at_once_lose_no_token() {
        let directory = tempfile::tempdir().unwrap();
        let ledger = Ledger::new(directory.path());
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let ledger = &ledger;
                scope.spawn(move || {
                    (0..10).for_each(|n| ledger.add(entry(&format!("t{thread}.{n}"))).unwrap())
                });
            }
        });
        assert_eq!(ledger.read().unwrap().len(), 40);
    }

    #[test]
    fn a_damaged_file_is_told_and_not_taken_for_an_empty_one() {
        let directory = tempfile::tempdir().unwrap();
        let ledger = Ledger::new(directory.path());
        let good = serde_json::to_string(&Written { tokens: vec![line(&entry("anna"))] }).unwrap();
        for text in [
            "",
            "{}",
            "{\"tokens\":[{}]}",
            &good.replace("analyst", "root"),
            &good.replace("anna", "a\\nb"),
            &good[..good.len() - 3],
            &good.replace("2026", "soon"),
        ] {
            fs::write(ledger.path(), text).unwrap();
            fs::set_permissions(ledger.path(), fs::Permissions::from_mode(0o600)).unwrap();
            assert!(matches!(ledger.read(), Err(LedgerError::Damaged { .. })), "{text}");
        }
    }

    #[test]
    fn a_name_that_would_spoil_a_log_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["", "a b", "a\nb", "<b>", &"a".repeat(65)] {
            assert!(
                matches!(Ledger::new(directory.path()).add(entry(name)), Err(LedgerError::Name(_))),
                "{name}"
            );
        }
    }
}
