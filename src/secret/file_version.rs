//! Notices that a file was replaced, changed in place, or given other permissions.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// One state of a file. Two states differ when another file took its place, its content was written, or its permissions
/// changed. Renaming a file keeps its version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileVersion {
    device: u64,
    inode: u64,
    length: u64,
    mode: u32,
    modified_s: i64,
    modified_ns: i64,
}

impl FileVersion {
    pub(crate) fn from_path(path: &Path) -> io::Result<Self> {
        std::fs::metadata(path).map(|metadata| Self::from_metadata(&metadata))
    }

    pub(crate) fn from_file(file: &File) -> io::Result<Self> {
        file.metadata().map(|metadata| Self::from_metadata(&metadata))
    }

    fn from_metadata(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            length: metadata.len(),
            mode: metadata.mode(),
            modified_s: metadata.mtime(),
            modified_ns: metadata.mtime_nsec(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_version_changes_with_the_file_its_content_and_its_permissions_and_not_with_its_name() {
        let directory = tempfile::tempdir().unwrap();
        let (path, other) = (directory.path().join("a"), directory.path().join("b"));
        let version = || FileVersion::from_path(&path).unwrap();
        fs::write(&path, "one").unwrap();
        let first = version();
        assert_eq!(version(), first);
        fs::write(&path, "longer").unwrap();
        let second = version();
        assert_ne!(second, first);
        fs::set_permissions(&path, Permissions::from_mode(0o666)).unwrap();
        let third = version();
        assert_ne!(third, second);
        fs::rename(&path, &other).unwrap();
        fs::rename(&other, &path).unwrap();
        assert_eq!(version(), third);
        fs::write(&other, "longer").unwrap();
        fs::set_permissions(&other, Permissions::from_mode(0o666)).unwrap();
        fs::rename(&other, &path).unwrap();
        assert_ne!(version(), third);
    }
}
