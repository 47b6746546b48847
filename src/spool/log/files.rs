//! Names of directories and files in the spool's directory, and how small files are read and written.

use std::io;
use std::path::Path;

use super::disk::Disk;
use super::error::SpoolError;
use super::segment::SegmentId;

/// Directory of damaged and refused segments.
pub(crate) const QUARANTINE: &str = "quarantine";
/// Directory of segments that an operator wants shipped after all.
pub(crate) const REQUEUE: &str = "requeue";
/// The directory that earlier formats had in the place of [`QUARANTINE`].
pub(crate) const EARLIER_QUARANTINE: &str = "aside";
/// Locked by the collector that works in the directory.
pub(crate) const LOCK: &str = "lock";
/// The segment under construction; never read.
pub(crate) const NEXT: &str = "next";
/// The last row of the audit that is known to be durable.
pub(crate) const AUDIT_HEAD: &str = "audit-head";
/// Ending of the file that says why a file is in quarantine.
pub(crate) const REASON: &str = ".reason";
/// Ending of the copy of a segment whose tail was cut.
pub(crate) const TORN: &str = ".torn";
/// Ending of a file that is not finished.
pub(crate) const NEW: &str = ".new";

/// Bytes that are copied at once.
const COPY_LEN: usize = 1 << 20;

/// Writes a small file so that it is there whole or not at all, and durable.
pub(crate) fn write_atomically(
    disk: &dyn Disk,
    directory: &Path,
    name: &str,
    bytes: &[u8],
) -> io::Result<()> {
    let new = directory.join(format!("{name}{NEW}"));
    let file = disk.create(&new)?;
    file.write_at(bytes, 0)?;
    file.sync()?;
    disk.rename(&new, &directory.join(name))?;
    disk.sync_directory(directory)
}

pub(crate) fn read_all(disk: &dyn Disk, path: &Path) -> io::Result<Vec<u8>> {
    let file = disk.read(path)?;
    let mut bytes = vec![0; usize::try_from(file.length()?).map_err(io::Error::other)?];
    let read = file.read_at(&mut bytes, 0)?;
    bytes.truncate(read);
    Ok(bytes)
}

/// Copies a file and syncs the copy.
pub(crate) fn copy(disk: &dyn Disk, from: &Path, to: &Path) -> io::Result<()> {
    let from = disk.read(from)?;
    let to = disk.create(to)?;
    let (mut buffer, mut at) = (vec![0; COPY_LEN], 0);
    loop {
        let read = from.read_at(&mut buffer, at)?;
        if read == 0 {
            return to.sync();
        }
        to.write_at(&buffer[..read], at)?;
        at += read as u64;
    }
}

pub(crate) fn length(disk: &dyn Disk, path: &Path) -> io::Result<u64> {
    disk.read(path)?.length()
}

/// Whether there is a file of that name.
pub(crate) fn exists(disk: &dyn Disk, path: &Path) -> io::Result<bool> {
    match disk.read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        file => file.map(|_| true),
    }
}

/// The segments of a directory in the order of their creation.
pub(crate) fn segment_ids(disk: &dyn Disk, directory: &Path) -> Result<Vec<SegmentId>, SpoolError> {
    let files = disk.list(directory).map_err(|source| SpoolError::io("list", directory, source))?;
    let mut ids: Vec<_> = files.iter().filter_map(|file| SegmentId::from_file_name(file)).collect();
    ids.sort_by_key(|id| id.creation_order());
    Ok(ids)
}

/// [`segment_ids`] of a directory that may not exist.
pub(crate) fn segment_ids_if_any(disk: &dyn Disk, directory: &Path) -> Result<Vec<SegmentId>, SpoolError> {
    match segment_ids(disk, directory) {
        Err(error) if error.is_missing() => Ok(Vec::new()),
        ids => ids,
    }
}
