//! The key's file, which keeps the key across restarts.
//!
//! ```text
//! footfall key 1\n   15 bytes, the format
//! epoch              u32, little-endian: Unix time in s at which the key came into force; it never decreases
//! since              i64, little-endian: Unix time in s by the wall clock at which the key was made
//! key                32 bytes
//! checksum           first 8 bytes of SHA-256 of all bytes before
//! ```
//!
//! In a fleet the file has the state from which the day's key is derived ([`fleet`](super::fleet)):
//!
//! ```text
//! footfall fleet 1\n 17 bytes, the format; then epoch and since as above
//! fleet              8 bytes, the fleet's public name
//! day                i32, little-endian: the civil day of the state, days since 1970-01-01
//! state              32 bytes
//! checksum           as above
//! ```
//!
//! The file has mode 0600. Its directory belongs to the collector's user, is not writable for others (it is created with
//! mode 0700) and is on a RAM-backed file system, unless the operator allows a disk. A new key replaces the old one so:
//!
//! 1. Write the new key to `key.next` and sync it.
//! 2. Overwrite the bytes of `key` in place with zeros and sync.
//! 3. Rename `key.next` to `key` and sync the directory.
//!
//! | crash | `key` | `key.next` | the next start |
//! |---|---|---|---|
//! | during step 1 | old | damaged | keeps the old key and wipes `key.next` |
//! | after step 1 | old | new | keeps the old key and wipes `key.next` |
//! | during step 2 | damaged | new | wipes `key` and renames `key.next` |
//! | after step 2 | zeros | new | renames `key.next` |
//! | after step 3 | new | – | reads the new key |
//!
//! Before step 1 the key of the old epoch's duplicate filter is added to `filter`. It is removed an hour after the turn.
//!
//! ```text
//! footfall filter 1\n  18 bytes, the format; then for each key:
//! ends               i64, little-endian: the machine's uptime in s at which it must be wiped
//! key                32 bytes
//! checksum           first 8 bytes of SHA-256 of all bytes before, behind all keys
//! ```
//!
//! Without space for a second file the new key is written over the old one. A file that is damaged, or that others could
//! read, is overwritten and removed.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use jiff::SignedDuration;
use zeroize::Zeroizing;

use super::error::KeyError;
use super::format::{
    LONGEST_FILTERS, LONGEST_KEY, MOST_FILTERS, StoredFilterKey, StoredKey, decode, decode_filters, encode,
    encode_filters, is_other_version,
};
use crate::secret::directory;
use crate::secret::file_lock::FileLock;
use crate::secret::file_version::FileVersion;

/// How long a filter's key lives after the turn.
pub(super) const FILTER_KEPT: SignedDuration = SignedDuration::from_hours(1);

/// Whether a filter's key that ends at `ends` must be wiped. One of before the machine's start may end far ahead.
pub(super) fn is_over(ends: SignedDuration, uptime: SignedDuration) -> bool {
    uptime >= ends || ends - uptime > FILTER_KEPT
}

/// The directory of the key file, checked.
pub(super) struct KeyFile {
    directory: PathBuf,
    /// Whether a key of a filter that ended may still be in its file.
    wiping_failed: AtomicBool,
}

impl KeyFile {
    /// Creates the directory if need be and checks that it may hold a key.
    pub(super) fn new(directory: &Path, on_disk_allowed: bool) -> Result<Self, KeyError> {
        let fail = |action, source| KeyError::Io { action, path: directory.to_owned(), source };
        if !directory.exists() {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(directory)
                .map_err(|error| fail("make", error))?;
        }
        inspect_directory(directory, on_disk_allowed)?;
        Ok(Self { directory: directory.to_owned(), wiping_failed: AtomicBool::new(false) })
    }

    /// What would keep a collector from using the directory. Changes nothing.
    pub(super) fn check(directory: &Path, on_disk_allowed: bool) -> Result<(), KeyError> {
        let existing = directory::check_usable(directory)?;
        if std::path::absolute(directory).is_ok_and(|directory| directory != existing) {
            return if on_disk_allowed || is_ram_backed(&existing)? {
                Ok(())
            } else {
                Err(KeyError::OnDisk(directory.to_owned()))
            };
        }
        inspect_directory(directory, on_disk_allowed)?;
        directory::check_entries(directory)?;
        let file = Self { directory: directory.to_owned(), wiping_failed: AtomicBool::new(false) };
        for path in [file.path(), file.next_path()] {
            file.read_one(&path)?;
        }
        Ok(())
    }

    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Waits for other collectors that use the directory.
    pub(super) fn lock(&self) -> Result<FileLock, KeyError> {
        let path = self.directory.join("lock");
        FileLock::acquire(&path).map_err(|source| KeyError::Io { action: "lock", path: path.clone(), source })
    }

    /// The key in the file; `None` without a complete file. A damaged file is wiped and logged.
    pub(super) fn read(&self, _lock: &FileLock) -> Result<Option<(StoredKey, FileVersion)>, KeyError> {
        match self.read_one(&self.path())? {
            KeyFileContent::Whole(stored, version) => {
                wipe(&self.next_path())?;
                return Ok(Some((stored, version)));
            }
            KeyFileContent::Damaged(why) => {
                tracing::warn!(path = %self.path().display(), "key file {why}: it is wiped, and pseudonyms start anew");
                wipe(&self.path())?;
            }
            // A crash after step 2 left the old file zeroed and the new one whole.
            KeyFileContent::Nothing | KeyFileContent::Wiped => {}
        }
        match self.read_one(&self.next_path())? {
            KeyFileContent::Whole(stored, version) => {
                self.rename()?;
                Ok(Some((stored, version)))
            }
            KeyFileContent::Nothing => Ok(None),
            KeyFileContent::Damaged(_) | KeyFileContent::Wiped => {
                wipe(&self.next_path())?;
                Ok(None)
            }
        }
    }

    /// Replaces the old key and overwrites its bytes.
    ///
    /// Without space for a second file the new key is written over the old one: a full disk must not keep an old key. A
    /// crash during that leaves no whole key, and the new epoch ends early.
    pub(super) fn replace(&self, _lock: &FileLock, stored: &StoredKey) -> Result<FileVersion, KeyError> {
        match self.write_beside(stored) {
            Err(KeyError::Io { source, .. }) if is_no_space(&source) && self.path().exists() => {
                tracing::warn!(path = %self.path().display(), "no space for a new key file: the new key overwrites the old one in place");
                wipe(&self.next_path())?;
                self.write_over(stored)
            }
            written => {
                let version = written?;
                overwrite(&self.path())?;
                self.rename()?;
                Ok(version)
            }
        }
    }

    /// Overwrites the key and deletes its file.
    pub(super) fn destroy(&self, _lock: &FileLock) -> Result<(), KeyError> {
        wipe(&self.next_path())?;
        wipe(&self.path())
    }

    /// Adds the filter's key of the epoch that ends. Without space it is not kept: then a beacon that is sent again after a restart may be
    /// stored twice, but no key stays longer than it must.
    pub(super) fn keep_filter(
        &self,
        lock: &FileLock,
        added: StoredFilterKey,
        uptime: SignedDuration,
    ) -> Result<(), KeyError> {
        let mut filters = self.read_filters(lock, uptime)?;
        // A turn that fails is tried again.
        filters.retain(|filter| filter.key.as_slice() != added.key.as_slice());
        filters.push(added);
        let surplus = filters.len().saturating_sub(MOST_FILTERS);
        self.write_filters(&filters[surplus..])
    }

    /// The filters' keys whose hour is not over. The others, and a damaged file, are wiped.
    pub(super) fn read_filters(
        &self,
        _lock: &FileLock,
        uptime: SignedDuration,
    ) -> Result<Vec<StoredFilterKey>, KeyError> {
        let path = self.filter_path();
        let mut bytes = Zeroizing::new([0; LONGEST_FILTERS + 1]);
        let read = open(&path, OpenOptions::new().read(true)).and_then(|mut file| {
            let is_private = file.metadata()?.mode() & 0o077 == 0;
            Ok((read_up_to(&mut file, bytes.as_mut_slice())?, is_private))
        });
        let decoded = match read {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(KeyError::Io { action: "read", path, source }),
            Ok((length, is_private)) => decode_filters(&bytes[..length]).filter(|_| is_private),
        };
        let Some(mut filters) = decoded else {
            wipe(&path)?;
            return Ok(Vec::new());
        };
        let before = filters.len();
        filters.retain(|filter| !is_over(filter.ends, uptime));
        if filters.len() < before {
            let written = self.write_filters(&filters);
            self.wiping_failed.store(written.is_err(), Ordering::Relaxed);
            written?;
        }
        Ok(filters)
    }

    /// Whether wiping keys from the file failed.
    pub(super) fn has_filters_to_wipe(&self) -> bool {
        self.wiping_failed.load(Ordering::Relaxed)
    }

    /// Replaces the file, whose old bytes are overwritten first. A crash in between loses the keys.
    fn write_filters(&self, filters: &[StoredFilterKey]) -> Result<(), KeyError> {
        let path = self.filter_path();
        wipe(&path)?;
        if filters.is_empty() {
            return Ok(());
        }
        let bytes = encode_filters(filters);
        let write = || {
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
            file.write_all(&bytes)?;
            file.sync_all()
        };
        match write() {
            Err(error) if is_no_space(&error) => wipe(&path),
            written => written.map_err(|source| KeyError::Io { action: "write", path: path.clone(), source }),
        }
    }

    fn filter_path(&self) -> PathBuf {
        self.directory.join("filter")
    }

    fn write_beside(&self, stored: &StoredKey) -> Result<FileVersion, KeyError> {
        let path = self.next_path();
        wipe(&path)?;
        let write = || {
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
            file.write_all(&encode(stored))?;
            file.sync_all()?;
            FileVersion::from_file(&file)
        };
        write().map_err(|source| KeyError::Io { action: "write", path: path.clone(), source })
    }

    fn write_over(&self, stored: &StoredKey) -> Result<FileVersion, KeyError> {
        let path = self.path();
        let write = || {
            let mut file = open(&path, OpenOptions::new().write(true))?;
            let bytes = encode(stored);
            file.write_all(&bytes)?;
            file.set_len(bytes.len() as u64)?;
            file.sync_all()?;
            FileVersion::from_file(&file)
        };
        write().map_err(|source| KeyError::Io { action: "write over", path: path.clone(), source })
    }

    /// `None` when there is no file or it cannot be read.
    pub(super) fn version(&self) -> Option<FileVersion> {
        FileVersion::from_path(&self.path()).ok()
    }

    fn path(&self) -> PathBuf {
        self.directory.join("key")
    }

    fn next_path(&self) -> PathBuf {
        self.directory.join("key.next")
    }

    fn rename(&self) -> Result<(), KeyError> {
        let rename = || {
            fs::rename(self.next_path(), self.path())?;
            File::open(&self.directory)?.sync_all()
        };
        rename().map_err(|source| KeyError::Io { action: "rename", path: self.next_path(), source })
    }

    fn read_one(&self, path: &Path) -> Result<KeyFileContent, KeyError> {
        let fail = |source| KeyError::Io { action: "read", path: path.to_owned(), source };
        let mut file = match open(path, OpenOptions::new().read(true)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(KeyFileContent::Nothing),
            Err(error) => return Err(fail(error)),
        };
        if file.metadata().map_err(fail)?.mode() & 0o077 != 0 {
            return Ok(KeyFileContent::Damaged("could be read by others"));
        }
        // One byte more than a whole file, to notice a longer one.
        let mut bytes = Zeroizing::new([0; LONGEST_KEY + 1]);
        let length = read_up_to(&mut file, bytes.as_mut_slice()).map_err(fail)?;
        if bytes[..length].iter().all(|byte| *byte == 0) {
            return Ok(KeyFileContent::Wiped);
        }
        if is_other_version(&bytes[..length]) {
            return Err(KeyError::Newer(path.to_owned()));
        }
        Ok(match decode(&bytes[..length]) {
            Some(stored) => KeyFileContent::Whole(stored, FileVersion::from_file(&file).map_err(fail)?),
            None => KeyFileContent::Damaged("is damaged"),
        })
    }
}

enum KeyFileContent {
    Nothing,
    Wiped,
    Damaged(&'static str),
    Whole(StoredKey, FileVersion),
}

/// Checks that an existing directory may hold a key.
fn inspect_directory(directory: &Path, on_disk_allowed: bool) -> Result<(), KeyError> {
    let metadata = fs::symlink_metadata(directory).map_err(inspect_failed(directory))?;
    if !metadata.is_dir() {
        return Err(KeyError::NotADirectory(directory.to_owned()));
    }
    if metadata.uid() != rustix::process::geteuid().as_raw() {
        return Err(KeyError::Foreign(directory.to_owned()));
    }
    if metadata.mode() & 0o022 != 0 {
        return Err(KeyError::Open(directory.to_owned(), metadata.mode() & 0o777));
    }
    if on_disk_allowed || is_ram_backed(directory)? {
        Ok(())
    } else {
        Err(KeyError::OnDisk(directory.to_owned()))
    }
}

fn is_ram_backed(directory: &Path) -> Result<bool, KeyError> {
    directory::is_ram_backed(directory).map_err(inspect_failed(directory))
}

fn inspect_failed(path: &Path) -> impl Fn(io::Error) -> KeyError {
    move |source| KeyError::Io { action: "inspect", path: path.to_owned(), source }
}

/// Reads until the buffer is full or the file ends. Returns the number of bytes.
fn read_up_to(file: &mut File, bytes: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while length < bytes.len() {
        match file.read(&mut bytes[length..])? {
            0 => break,
            read => length += read,
        }
    }
    Ok(length)
}

/// Overwrites a file's bytes and removes it. A missing file is not an error.
pub(super) fn wipe(path: &Path) -> Result<(), KeyError> {
    if overwrite(path)? {
        fs::remove_file(path).map_err(|source| KeyError::Io {
            action: "remove",
            path: path.to_owned(),
            source,
        })?;
    }
    Ok(())
}

/// Overwrites a file's bytes in place with zeros. Returns whether the file exists.
fn overwrite(path: &Path) -> Result<bool, KeyError> {
    let overwrite = || -> io::Result<()> {
        let mut file = open(path, OpenOptions::new().write(true))?;
        // Not beyond its end: a full disk has no space for more.
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(0))?;
        io::copy(&mut io::repeat(0).take(length), &mut file)?;
        file.sync_all()
    };
    match overwrite() {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(source) => Err(KeyError::Io { action: "overwrite", path: path.to_owned(), source }),
    }
}

/// Opens a file that must not be a symbolic link.
fn open(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    options.custom_flags(rustix::fs::OFlags::NOFOLLOW.bits() as i32).open(path)
}

fn is_no_space(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
