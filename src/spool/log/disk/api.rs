//! The traits of a disk and of an open file.
//!
//! No implementation retries. After a failed sync nobody knows whether the page cache's contents are on the disk, and a second sync
//! would report success without writing them.

use std::fmt::Debug;
use std::io;
use std::path::Path;

/// A directory tree that can be synced.
pub trait Disk: Debug + Send + Sync {
    /// Creates a directory and its missing parents.
    fn create_directory(&self, path: &Path) -> io::Result<()>;
    /// Creates an empty file for reading and writing. An existing file of that name is emptied.
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;
    /// Opens a file for reading and writing.
    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;
    /// Opens a file for reading only.
    fn read(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;
    /// Renames a file; durable after [`Disk::sync_directory`] of both directories.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Deletes a file; durable after [`Disk::sync_directory`].
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Returns the names in a directory, in no order.
    fn list(&self, path: &Path) -> io::Result<Vec<String>>;
    /// Makes creations, renames and deletions in the directory durable.
    fn sync_directory(&self, path: &Path) -> io::Result<()>;
    /// Returns the space of the file system that holds `path`.
    fn space(&self, path: &Path) -> io::Result<Space>;
    /// Takes a lock that is held until the returned value is dropped or the process ends.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] when another process holds it.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send + Sync>>;
}

/// Space of a file system, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// Bytes that this process may still use.
    pub free: u64,
    pub total: u64,
}

pub trait DiskFile: Send + Sync {
    /// Writes all of `bytes` at `offset`.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Reads at `offset` until `buffer` is full or the file ends; returns the number of bytes read.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Makes contents and length durable.
    fn sync(&self) -> io::Result<()>;
    /// Returns the length in bytes.
    fn length(&self) -> io::Result<u64>;
    /// Cuts or extends the file.
    fn set_length(&self, length: u64) -> io::Result<()>;
}
