//! The password file of the embedded store, `DATA/store.passwords`. Every program that queries the store reads it.
//!
//! ```text
//! footfall_collector:PASSWORD
//! footfall_reports:PASSWORD
//! footfall_analyst:            no password: everybody on this machine may read
//! ```
//!
//! A file that others may read is refused. A missing password is added; an existing one never changes. Passwords are never printed
//! and never written anywhere else.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::config::{Config, StoreConfig};
use crate::secret::Secret;
use crate::secret::private_file::{self, OthersMay, PrivateFileError};
use crate::secret::random;
use crate::store::embedded::roles::{self, ANALYST};

/// In the data directory, not in the store's, because the engine may read that.
const FILE: &str = "store.passwords";
/// Longest file, in bytes: some users with long passwords that an operator chose.
const MAX_BYTES: u64 = 64 << 10;

#[derive(Debug, thiserror::Error)]
pub enum PasswordsError {
    /// The file cannot be read or written, or others may read or change it.
    #[error(transparent)]
    File(#[from] PrivateFileError),
    #[error(
        "{path}{what}; correct it, or remove it, so that `footfall serve` makes new passwords at its next start",
        path = path.display()
    )]
    Malformed {
        path: PathBuf,
        /// The line, and what is wrong with it.
        what: String,
    },
    #[error("the system gives no random numbers for the passwords of the store")]
    Random(#[source] getrandom::Error),
}

/// The passwords of the embedded store by user. An empty password means that the user needs none.
#[derive(Clone, Default)]
pub struct Passwords(BTreeMap<String, Secret>);

impl std::fmt::Debug for Passwords {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[redacted]")
    }
}

impl Passwords {
    pub fn file(data: &Path) -> PathBuf {
        data.join(FILE)
    }

    /// The passwords of the configured store. Without a file there are none: a store that was started by hand may need none.
    ///
    /// # Errors
    /// When the caller may not read the file, others may, or it is malformed.
    pub fn read(config: &Config) -> Result<Self, PasswordsError> {
        if matches!(config.store, StoreConfig::Server { .. }) {
            return Ok(Self::default());
        }
        Ok(Self::read_file(&Self::file(&config.data))?.unwrap_or_default())
    }

    /// `None` when there is no file.
    ///
    /// # Errors
    /// When the caller may not read the file, others may, or it is malformed.
    pub fn read_file(path: &Path) -> Result<Option<Self>, PasswordsError> {
        Ok(read(path)?.map(|text| Self::from_text(&text)))
    }

    /// The passwords for starting the store. Creates the file, or adds the passwords that are missing. The analyst needs a password
    /// beyond loopback, and where tokens are required on loopback. All other users always need one.
    ///
    /// # Errors
    /// As [`Self::read`], or when the file cannot be written.
    pub(super) fn read_or_create(config: &Config) -> Result<Self, PasswordsError> {
        let StoreConfig::Embedded { listen, .. } = config.store else { return Ok(Self::default()) };
        let path = Self::file(&config.data);
        let analyst_needs_one = config.access.loopback_tokens || !listen.ip().is_loopback();
        let complete = |before: &str| completed(before, analyst_needs_one).map_err(PasswordsError::Random);
        if let Some(before) = read(&path)?
            && complete(&before)?.lines().eq(before.lines())
        {
            // Nothing is missing and nothing is written, so that the store also starts on a full disk.
            return Ok(Self::from_text(&before));
        }
        let lock = private_file::lock(&path)?;
        // Another process may have created it meanwhile.
        let text = complete(&read(&path)?.unwrap_or_default())?;
        lock.replace(&text)?;
        Ok(Self::from_text(&text))
    }

    /// `None` for a user that the file does not name.
    pub fn get(&self, user: &str) -> Option<&Secret> {
        self.0.get(user)
    }

    fn from_text(text: &str) -> Self {
        let entries = lines(text).filter_map(|(_, entry)| entry);
        Self(entries.map(|(user, password)| (user.to_owned(), Secret::new(password.to_owned()))).collect())
    }
}

/// The checked text of the file; `None` when there is no file.
fn read(path: &Path) -> Result<Option<Zeroizing<String>>, PasswordsError> {
    let Some(text) = private_file::read(path, OthersMay::Nothing, MAX_BYTES)? else { return Ok(None) };
    let malformed = |what: String| PasswordsError::Malformed { path: path.to_owned(), what };
    if let Some((line, _)) = lines(&text).find(|(_, entry)| entry.is_none()) {
        return Err(malformed(format!(
            ":{line}: expected USER:PASSWORD with one of the users {}",
            roles::names().join(", ")
        )));
    }
    Ok(Some(text))
}

/// The lines that are not blank, with their numbers from 1. Each has a user and a password; `None` stands for an invalid line. Only
/// the analyst's password may be empty.
fn lines(text: &str) -> impl Iterator<Item = (usize, Option<(&str, &str)>)> {
    let known = roles::names();
    text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()).map(move |(index, line)| {
        let entry = line
            .split_once(':')
            .filter(|(user, password)| known.contains(user) && (*user == ANALYST || !password.is_empty()));
        (index + 1, entry)
    })
}

/// The text with the missing passwords added.
fn completed(before: &str, analyst_needs_one: bool) -> Result<Zeroizing<String>, getrandom::Error> {
    let names = roles::names();
    let mut text = Zeroizing::new(String::with_capacity(before.len() + 128 * names.len()));
    let needs_one = |user: &str, password: &str| user == ANALYST && password.is_empty() && analyst_needs_one;
    for line in before.lines() {
        if !line.split_once(':').is_some_and(|(user, password)| needs_one(user, password)) {
            text.push_str(line);
            text.push('\n');
        }
    }
    for name in names {
        let there = lines(&text).filter_map(|(_, entry)| entry).any(|(user, _)| user == name);
        if !there {
            let password =
                if name == ANALYST && !analyst_needs_one { Zeroizing::default() } else { random::token("")? };
            for part in [name, ":", &password, "\n"] {
                text.push_str(part);
            }
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    use super::super::{COLLECTOR, REPORTS};
    use super::*;

    fn config(data: &Path, settings: &str) -> Config {
        Config::check("footfall.toml", &format!("data = {data:?}\n{settings}"), &[]).unwrap()
    }

    fn shown(passwords: &Passwords) -> Vec<(String, String)> {
        passwords.0.iter().map(|(user, password)| (user.clone(), password.expose().to_owned())).collect()
    }

    fn password_of(passwords: &Passwords, user: &str) -> String {
        passwords.get(user).unwrap().expose().to_owned()
    }

    #[test]
    fn passwords_are_made_once_in_a_private_file_and_never_printed() {
        let directory = tempfile::tempdir().unwrap();
        let config = config(&directory.path().join("data"), "");
        assert_eq!(shown(&Passwords::read(&config).unwrap()), []);
        let made = Passwords::read_or_create(&config).unwrap();
        for (user, password) in shown(&made) {
            let length = if user == ANALYST { 0 } else { 43 };
            assert_eq!(password.len(), length, "{user}: 256 bits, and none for the analyst");
        }
        assert_eq!(shown(&made).len(), roles::names().len());
        let file = Passwords::file(&config.data);
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
        for again in [Passwords::read_or_create(&config).unwrap(), Passwords::read(&config).unwrap()] {
            assert_eq!(shown(&again), shown(&made));
        }
        assert!(!format!("{made:?}").contains(&password_of(&made, COLLECTOR)));
        let other = self::config(&directory.path().join("other"), "");
        assert_ne!(
            password_of(&Passwords::read_or_create(&other).unwrap(), COLLECTOR),
            password_of(&made, COLLECTOR)
        );
    }

    #[test]
    fn the_analyst_gets_a_password_beyond_loopback_and_where_tokens_are_required() {
        let directory = tempfile::tempdir().unwrap();
        for (name, settings) in
            [("a", "[access]\nloopback_tokens = true\n"), ("b", "[store]\nlisten = \"0.0.0.0:8123\"\n")]
        {
            let data = directory.path().join(name);
            let before = Passwords::read_or_create(&config(&data, "")).unwrap();
            let after = Passwords::read_or_create(&config(&data, settings)).unwrap();
            assert_eq!(password_of(&after, COLLECTOR), password_of(&before, COLLECTOR));
            assert_eq!((password_of(&before, ANALYST).len(), password_of(&after, ANALYST).len()), (0, 43));
            let kept = Passwords::read_or_create(&config(&data, "")).unwrap();
            assert_eq!(shown(&kept), shown(&after), "no password is removed");
        }
    }

    #[test]
    fn what_an_operator_wrote_is_kept_and_what_is_missing_is_added() {
        let directory = tempfile::tempdir().unwrap();
        let config = config(directory.path(), "");
        let file = Passwords::file(&config.data);
        let make = |text: &str| {
            fs::write(&file, text).unwrap();
            fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
            Passwords::read_or_create(&config)
        };
        let made = make("footfall_collector:one\n\nfootfall_analyst:two").unwrap();
        assert_eq!(
            (password_of(&made, COLLECTOR), password_of(&made, ANALYST)),
            ("one".to_owned(), "two".to_owned())
        );
        assert_eq!(password_of(&made, REPORTS).len(), 43);
        assert!(
            fs::read_to_string(&file)
                .unwrap()
                .starts_with("footfall_collector:one\n\nfootfall_analyst:two\n")
        );
        for (text, line) in
            [("footfall_collector:\n", 1), ("footfall_collector:one\n\nroot:two\n", 3), ("x", 1)]
        {
            let error = make(text).unwrap_err().to_string();
            assert!(error.contains(&format!("store.passwords:{line}: expected")), "{error}");
            assert_eq!(fs::read_to_string(&file).unwrap(), text, "and stays");
        }
    }

    #[test]
    fn a_file_that_others_may_read_or_change_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let config = config(directory.path(), "");
        Passwords::read_or_create(&config).unwrap();
        let file = Passwords::file(&config.data);
        for mode in [0o640, 0o604, 0o620, 0o602] {
            fs::set_permissions(&file, Permissions::from_mode(mode)).unwrap();
            for refused in [Passwords::read_or_create(&config), Passwords::read(&config)] {
                assert!(
                    matches!(&refused, Err(PasswordsError::File(PrivateFileError::Exposed { path, .. })) if *path == file),
                    "{mode:o}"
                );
            }
        }
    }

    #[test]
    fn two_processes_that_create_the_file_at_once_agree() {
        let directory = tempfile::tempdir().unwrap();
        let config = config(directory.path(), "");
        let made: Vec<_> = std::thread::scope(|scope| {
            let make = || shown(&Passwords::read_or_create(&config).unwrap());
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(make)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(made.iter().all(|passwords| *passwords == made[0]), "{made:?}");
    }

    #[test]
    fn a_configured_server_has_no_password_file() {
        let directory = tempfile::tempdir().unwrap();
        let config = config(directory.path(), "store = \"http://clickhouse:8123\"\n");
        Passwords::read_or_create(&config).unwrap();
        assert!(!Passwords::file(&config.data).exists());
    }
}
