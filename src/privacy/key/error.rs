//! Why a key cannot be used.

use std::io;
use std::path::PathBuf;

use crate::secret::directory::UnusableDirectory;

/// The messages say what to do.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error(
        "{0} is not on a RAM-backed file system, where no disk or backup would ever see the key; set `key` to a \
         directory below /dev/shm or /run, or set `key_on_disk = true` to accept that"
    )]
    OnDisk(PathBuf),
    #[error("{0} is not a directory; set `key` to another one, or remove it")]
    NotADirectory(PathBuf),
    #[error(
        "{0} belongs to another user, who could read the key; remove it or set `key` to another directory"
    )]
    Foreign(PathBuf),
    /// The mode of the directory lets other users write to it.
    #[error("other users may write to {0} (mode {1:o}); run `chmod 700` on it")]
    Open(PathBuf, u32),
    #[error("{0} was written by another version of footfall; remove it to start with a new key")]
    Newer(PathBuf),
    /// Only a new fleet has another key before midnight.
    #[error(
        "a fleet has one key from midnight to midnight, so one member cannot turn it; `footfall key init --replace` \
         begins a new fleet, whose key every member imports"
    )]
    FleetRotation,
    #[error("the system returns no random numbers")]
    Random(#[source] getrandom::Error),
    #[error("cannot get a memory page for the key")]
    Memory(#[source] io::Error),
    #[error("a file of the fleet cannot be kept in order")]
    Fleet(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error(transparent)]
    Directory(#[from] UnusableDirectory),
    #[error("cannot {action} {}", path.display())]
    Io { action: &'static str, path: PathBuf, source: io::Error },
}
