//! Small text files that only their owner may read.
//!
//! A file is changed under a lock and replaced as a whole: staged, synced, renamed. After a crash either the old or the new
//! text is there. A file belongs to the owner of its directory, so that a command under `sudo` does not take it away from
//! the collector.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::secret::file_lock::{FileLock, open_or_create};

#[derive(Debug, thiserror::Error)]
pub enum PrivateFileError {
    #[error("{}: cannot {action}", path.display())]
    Io { path: PathBuf, action: &'static str, source: io::Error },
    #[error("{}: only its owner may read it; run this command as the user that the collector runs as", .0.display())]
    NotOwner(PathBuf),
    /// Others could read secrets or put their own in.
    #[error("{}: others may {access} it; make it `chmod 600`", path.display())]
    Exposed { path: PathBuf, access: &'static str },
    #[error("{}: is longer than {max_bytes} bytes", path.display())]
    TooLong { path: PathBuf, max_bytes: u64 },
}

/// What users other than the owner may do with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OthersMay {
    /// The file holds hashes, which may be known.
    Read,
    /// The file holds secrets.
    Nothing,
}

/// Held while a file is read, changed and replaced.
pub(crate) struct PrivateFileLock {
    path: PathBuf,
    _lock: FileLock,
}

/// `None` when the file does not exist.
pub(crate) fn read(
    path: &Path,
    others_may: OthersMay,
    max_bytes: u64,
) -> Result<Option<Zeroizing<String>>, PrivateFileError> {
    let fail = |source| PrivateFileError::Io { path: path.to_owned(), action: "read it", source };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            return Err(PrivateFileError::NotOwner(path.to_owned()));
        }
        Err(error) => return Err(fail(error)),
    };
    let metadata = file.metadata().map_err(fail)?;
    let (forbidden, access) = match others_may {
        OthersMay::Read => (0o022, "change"),
        OthersMay::Nothing => (0o077, "read or change"),
    };
    if metadata.mode() & forbidden != 0 {
        return Err(PrivateFileError::Exposed { path: path.to_owned(), access });
    }
    if metadata.len() > max_bytes {
        return Err(PrivateFileError::TooLong { path: path.to_owned(), max_bytes });
    }
    // A text that grows would leave copies of itself in freed memory.
    let capacity = usize::try_from(metadata.len()).unwrap_or_default() + 1;
    let mut text = Zeroizing::new(String::with_capacity(capacity));
    file.take(metadata.len()).read_to_string(&mut text).map_err(fail)?;
    Ok(Some(text))
}

/// Waits until no other process changes the file. Creates its directory if need be.
pub(crate) fn lock(path: &Path) -> Result<PrivateFileLock, PrivateFileError> {
    let fail = |action| move |source| PrivateFileError::Io { path: path.to_owned(), action, source };
    fs::create_dir_all(directory_of(path)).map_err(fail("create its directory"))?;
    let lock_path = path.with_extension("lock");
    let lock_file = open_or_create(&lock_path).map_err(fail("lock it"))?;
    give_to_directory_owner(&lock_file, &lock_path)
        .map_err(fail("give its lock to the owner of the directory"))?;
    let lock = FileLock::acquire(&lock_path).map_err(fail("lock it"))?;
    Ok(PrivateFileLock { path: path.to_owned(), _lock: lock })
}

impl PrivateFileLock {
    pub(crate) fn replace(&self, text: &str) -> Result<(), PrivateFileError> {
        let staged = self.path.with_extension("new");
        let write = || {
            // A file that a killed command left may belong to another user.
            let _ = fs::remove_file(&staged);
            let mut file = open_or_create(&staged)?;
            give_to_directory_owner(&file, &staged)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&staged, &self.path)?;
            File::open(directory_of(&self.path))?.sync_all()
        };
        write().map_err(|source| PrivateFileError::Io { path: self.path.clone(), action: "write it", source })
    }
}

fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Gives a file that a command under `sudo` made to the owner of its directory, who must read it.
pub(crate) fn give_to_directory_owner(file: &File, path: &Path) -> io::Result<()> {
    let directory = fs::metadata(directory_of(path))?;
    if file.metadata()?.uid() == directory.uid() {
        return Ok(());
    }
    std::os::unix::fs::fchown(file, Some(directory.uid()), Some(directory.gid()))
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_text_is_read_back_and_its_file_is_private() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("new/secrets.txt");
        assert!(read(&path, OthersMay::Nothing, 10).unwrap().is_none());
        lock(&path).unwrap().replace("one").unwrap();
        lock(&path).unwrap().replace("two").unwrap();
        assert_eq!(*read(&path, OthersMay::Nothing, 10).unwrap().unwrap(), "two");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert!(matches!(read(&path, OthersMay::Nothing, 2), Err(PrivateFileError::TooLong { .. })));
    }

    #[test]
    fn a_file_that_is_open_to_others_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secrets.txt");
        fs::write(&path, "one").unwrap();
        for (mode, secret_is_exposed, hash_is_exposed) in [
            (0o600, false, false),
            (0o640, true, false),
            (0o604, true, false),
            (0o620, true, true),
            (0o602, true, true),
        ] {
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            let is_exposed =
                |others_may| matches!(read(&path, others_may, 10), Err(PrivateFileError::Exposed { .. }));
            assert_eq!(is_exposed(OthersMay::Nothing), secret_is_exposed, "{mode:o}");
            assert_eq!(is_exposed(OthersMay::Read), hash_is_exposed, "{mode:o}");
        }
    }
}
