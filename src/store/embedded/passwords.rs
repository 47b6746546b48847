//! The passwords of the store that `serve` starts, `DATA/store.passwords`: made once, kept, and read by whoever asks that store.
//!
//! ```text
//! footfall_writer:PASSWORD
//! footfall_reader:            nothing behind the colon: whoever is on this machine may read
//! ```
//!
//! Only its owner may read the file; one that others may read is refused. What is in it stays: a password is added where one is
//! missing, and none is changed or taken away. No password is printed, and none is written anywhere else.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::access::{READER, Role, WRITER, entries};
use crate::access::{private, random};
use crate::config::{Config, Secret, Store};

/// Name of the file in the data directory: beside the store's own, which the store's process may read.
const FILE: &str = "store.passwords";
/// Bytes of the file at most: two users, and room for passwords that an operator adds.
const MAX_BYTES: u64 = 64 << 10;

/// Why the passwords cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PasswordsError {
    /// It cannot be read or written.
    #[error("{path}: {doing}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// It is somebody else's.
    #[error("{}: its owner alone may read it; run this as the user that the collector runs as", .0.display())]
    Foreign(PathBuf),
    /// Others know what is in it, or choose it.
    #[error(
        "{}: others may read or change it; make it `chmod 600`, or remove it, so that `footfall serve` makes new passwords when it is started again",
        .0.display()
    )]
    Open(PathBuf),
    /// It is not what this program writes.
    #[error(
        "{path}{what}; mend it, or remove it, so that `footfall serve` makes new passwords when it is started again",
        path = path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where, and what is wrong.
        what: String,
    },
    /// The system gives no random numbers.
    #[error("the system gives no random numbers for the passwords of the store")]
    Random(#[source] getrandom::Error),
}

/// What its users show to the store that `serve` starts; empty for who comes without a password.
#[derive(Clone, Default)]
pub struct Passwords {
    writer: Secret,
    reader: Secret,
}

impl std::fmt::Debug for Passwords {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[redacted]")
    }
}

impl Passwords {
    /// The file in this data directory.
    pub fn file(data: &Path) -> PathBuf {
        data.join(FILE)
    }

    /// Those of the embedded store. Where there is no file there are none: a store that was started by hand asks for none.
    ///
    /// # Errors
    /// When the caller may not read the file, others may too, or it is damaged.
    pub fn read(config: &Config) -> Result<Self, PasswordsError> {
        if matches!(config.store, Store::Server { .. }) {
            return Ok(Self::default());
        }
        let path = Self::file(&config.data);
        Ok(read(&path)?.map_or_else(Self::default, |text| Self::of(&text)))
    }

    /// The same for who starts the store: makes the file, or what is missing in it. The reader needs a password where tokens are
    /// asked for on loopback, and beyond it.
    ///
    /// # Errors
    /// As above, or when the file cannot be written.
    pub(super) fn make(config: &Config) -> Result<Self, PasswordsError> {
        let Store::Embedded { listen } = config.store else { return Ok(Self::default()) };
        let path = Self::file(&config.data);
        let reader_too = config.access.loopback_tokens || !listen.ip().is_loopback();
        let missing = |before: &str| completed(before, reader_too).map_err(PasswordsError::Random);
        if let Some(before) = read(&path)?
            && missing(&before)?.lines().eq(before.lines())
        {
            // Nothing is: a full disk holds up no start but the first.
            return Ok(Self::of(&before));
        }
        let failed = |(doing, source)| PasswordsError::Io { path: path.clone(), doing, source };
        let lock = private::lock(&path).map_err(failed)?;
        // Another process may have made it meanwhile.
        let text = missing(&read(&path)?.unwrap_or_default())?;
        private::replace(&lock, &path, &text).map_err(failed)?;
        Ok(Self::of(&text))
    }

    /// The writer's.
    pub(in crate::store) fn writer(&self) -> &Secret {
        &self.writer
    }

    /// The reader's.
    pub(in crate::store) fn reader(&self) -> &Secret {
        &self.reader
    }

    /// The first of each user; of a reader who may come without one, none.
    fn of(text: &str) -> Self {
        let secret = |password: Option<&str>| Secret::new(password.unwrap_or_default().to_owned());
        let free = of(text, Role::Reader).any(str::is_empty);
        let reader = of(text, Role::Reader).next().filter(|_| !free);
        Self { writer: secret(of(text, Role::Writer).next()), reader: secret(reader) }
    }
}

/// The file's text, checked; `None` when there is no file.
fn read(path: &Path) -> Result<Option<Zeroizing<String>>, PasswordsError> {
    let fail = |source| PasswordsError::Io { path: path.to_owned(), doing: "cannot be read", source };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            return Err(PasswordsError::Foreign(path.to_owned()));
        }
        Err(error) => return Err(fail(error)),
    };
    let about = file.metadata().map_err(fail)?;
    if about.mode() & 0o077 != 0 {
        return Err(PasswordsError::Open(path.to_owned()));
    }
    let damaged = |what: String| PasswordsError::Damaged { path: path.to_owned(), what };
    if about.len() > MAX_BYTES {
        return Err(damaged(format!(" is over {MAX_BYTES} bytes")));
    }
    let mut text = Zeroizing::new(String::with_capacity(usize::try_from(MAX_BYTES).unwrap_or_default()));
    file.take(MAX_BYTES).read_to_string(&mut text).map_err(fail)?;
    if let Some((line, _)) = entries(&text).find(|(_, entry)| entry.is_none()) {
        return Err(damaged(format!(":{line}: expected {WRITER}:PASSWORD or {READER}:PASSWORD")));
    }
    Ok(Some(text))
}

/// A user's passwords in a text.
fn of(text: &str, role: Role) -> impl Iterator<Item = &str> {
    let entries = entries(text).filter_map(|(_, entry)| entry);
    entries.filter(move |(known, _)| *known == role).map(|(_, password)| password)
}

/// The text with what is missing in it.
fn completed(before: &str, reader_too: bool) -> Result<Zeroizing<String>, getrandom::Error> {
    let mut text = Zeroizing::new(String::with_capacity(before.len() + 256));
    for line in before.lines() {
        // Who needs a password is not let in without one.
        if !(reader_too && of(line, Role::Reader).any(str::is_empty)) {
            text.push_str(line);
            text.push('\n');
        }
    }
    let mut add = |user: &str, password: &str| {
        for part in [user, ":", password, "\n"] {
            text.push_str(part);
        }
    };
    if of(before, Role::Writer).next().is_none() {
        add(WRITER, &random("")?);
    }
    if !of(before, Role::Reader).any(|password| !(reader_too && password.is_empty())) {
        if reader_too { add(READER, &random("")?) } else { add(READER, "") }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn config(data: &Path, settings: &str) -> Config {
        Config::check("footfall.toml", &format!("data = {data:?}\n{settings}"), &[]).unwrap()
    }

    fn shown(passwords: &Passwords) -> (String, String) {
        (passwords.writer.expose().to_owned(), passwords.reader.expose().to_owned())
    }

    #[test]
    fn passwords_are_made_once_for_their_owner_alone_and_never_printed() {
        let directory = tempfile::tempdir().unwrap();
        let config = config(&directory.path().join("data"), "");
        assert_eq!(shown(&Passwords::read(&config).unwrap()), (String::new(), String::new()));
        let made = Passwords::make(&config).unwrap();
        let (writer, reader) = shown(&made);
        assert_eq!((writer.len(), reader.as_str()), (43, ""), "256 bits, and none for the reader");
        let file = Passwords::file(&config.data);
        let text = fs::read_to_string(&file).unwrap();
        assert_eq!(text, format!("footfall_writer:{writer}\nfootfall_reader:\n"));
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
        for again in [Passwords::make(&config).unwrap(), Passwords::read(&config).unwrap()] {
            assert_eq!(shown(&again), shown(&made));
        }
        assert!(!format!("{made:?}").contains(&writer));
        let other = self::config(&directory.path().join("other"), "");
        assert_ne!(Passwords::make(&other).unwrap().writer.expose(), writer);
    }

    #[test]
    fn the_reader_gets_one_where_tokens_are_asked_for_and_beyond_loopback_and_the_writer_s_stays() {
        let directory = tempfile::tempdir().unwrap();
        for (name, settings) in
            [("a", "[access]\nloopback_tokens = true\n"), ("b", "[store]\nlisten = \"0.0.0.0:8123\"\n")]
        {
            let data = directory.path().join(name);
            let before = shown(&Passwords::make(&config(&data, "")).unwrap());
            let after = shown(&Passwords::make(&config(&data, settings)).unwrap());
            assert_eq!((after.0.as_str(), before.1.as_str(), after.1.len()), (before.0.as_str(), "", 43));
            assert_ne!(after.0, after.1);
            let kept = shown(&Passwords::make(&config(&data, "")).unwrap());
            assert_eq!(kept, after, "none is taken away");
        }
    }

    #[test]
    fn what_an_operator_wrote_is_kept_and_what_is_missing_added() {
        let directory = tempfile::tempdir().unwrap();
        let config = config(directory.path(), "");
        let file = Passwords::file(&config.data);
        let make = |text: &str| {
            fs::write(&file, text).unwrap();
            fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
            Passwords::make(&config)
        };
        let both = "footfall_writer:one\n\nfootfall_reader:two";
        assert_eq!(shown(&make(both).unwrap()), ("one".to_owned(), "two".to_owned()));
        assert_eq!(fs::read_to_string(&file).unwrap(), both);
        assert_eq!(shown(&make("footfall_writer:one").unwrap()), ("one".to_owned(), String::new()));
        assert_eq!(fs::read_to_string(&file).unwrap(), "footfall_writer:one\nfootfall_reader:\n");
        assert_eq!(make("footfall_reader:two\n").unwrap().writer.expose().len(), 43);
        for (text, line) in [("footfall_writer:\n", 1), ("footfall_writer:one\n\nroot:two\n", 3), ("x", 1)] {
            let error = make(text).unwrap_err().to_string();
            assert!(error.contains(&format!("store.passwords:{line}: expected")), "{error}");
            assert_eq!(fs::read_to_string(&file).unwrap(), text, "and stays");
        }
    }

    #[test]
    fn a_file_that_others_may_read_or_change_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let config = config(directory.path(), "");
        Passwords::make(&config).unwrap();
        let file = Passwords::file(&config.data);
        for mode in [0o640, 0o604, 0o620, 0o602] {
            fs::set_permissions(&file, Permissions::from_mode(mode)).unwrap();
            for refused in [Passwords::make(&config), Passwords::read(&config)] {
                assert!(matches!(&refused, Err(PasswordsError::Open(path)) if *path == file), "{mode:o}");
            }
        }
    }

    #[test]
    fn two_that_make_it_at_once_agree() {
        let directory = tempfile::tempdir().unwrap();
        let config = config(directory.path(), "");
        let made: Vec<_> = std::thread::scope(|scope| {
            let make = || shown(&Passwords::make(&config).unwrap());
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(make)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(made.iter().all(|passwords| *passwords == made[0]), "{made:?}");
    }

    #[test]
    fn a_server_has_no_such_file() {
        let directory = tempfile::tempdir().unwrap();
        let config = config(directory.path(), "store = \"http://clickhouse:8123\"\n");
        Passwords::make(&config).unwrap();
        assert!(!Passwords::file(&config.data).exists());
    }
}
