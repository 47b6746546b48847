//! Exclusive locks between processes (`flock`). The kernel releases them when a process ends, however it ends.

use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

/// Pause between two attempts.
const PAUSE: Duration = Duration::from_millis(5);

/// A lock that is held until this value is dropped.
#[derive(Debug)]
pub(crate) struct FileLock(#[expect(dead_code, reason = "closing the file releases the lock")] File);

impl FileLock {
    /// Waits without limit for the lock on `path`. Creates the file with mode 0600.
    pub(crate) fn acquire(path: &Path) -> io::Result<Self> {
        let file = open_or_create(path)?;
        file.lock()?;
        Ok(Self(file))
    }

    /// Like [`FileLock::acquire`], but fails with [`io::ErrorKind::WouldBlock`] when another process still holds the
    /// lock after `timeout`.
    pub(crate) fn try_acquire(path: &Path, timeout: Duration) -> io::Result<Self> {
        let file = open_or_create(path)?;
        let deadline = Instant::now() + timeout;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self(file)),
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => std::thread::sleep(PAUSE),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Whether a process holds the lock on `path`. A missing file is not locked.
    ///
    /// The check takes a shared lock for a moment, so [`FileLock::try_acquire`] needs a timeout of some milliseconds.
    pub(crate) fn is_held(path: &Path) -> bool {
        File::open(path).is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
    }
}

/// Opens a file for writing. Creates it with mode 0600 when it does not exist, and keeps its content when it does.
pub(crate) fn open_or_create(path: &Path) -> io::Result<File> {
    File::options().write(true).create(true).truncate(false).mode(0o600).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_held_until_it_is_dropped() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lock");
        assert!(!FileLock::is_held(&path), "the file does not exist");
        let lock = FileLock::acquire(&path).unwrap();
        assert!(FileLock::is_held(&path));
        let refused = FileLock::try_acquire(&path, Duration::from_millis(20)).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::WouldBlock);
        drop(lock);
        assert!(!FileLock::is_held(&path));
        FileLock::try_acquire(&path, Duration::ZERO).unwrap();
    }
}
