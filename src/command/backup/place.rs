//! Directories of backups: the engine writes into one of its own, and its files are moved from there.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::app::ExitError;
use crate::config::Config;
use crate::store::embedded;

/// The directory in the embedded store's data that the engine may write backups to.
pub(super) fn engine_directory(config: &Config) -> PathBuf {
    embedded::data_directory(config).join(embedded::BACKUPS)
}

/// Creates a directory that only its owner may read: rows are visitors' data.
pub(super) fn make_private(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Moves a directory tree, also to another file system.
pub(super) fn move_tree(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
            copy_tree(from, to)?;
            fs::remove_dir_all(from)
        }
        moved => moved,
    }
}

/// Copies a directory tree. On one file system the files are linked: ClickHouse only reads them.
pub(super) fn link_tree(from: &Path, to: &Path) -> io::Result<()> {
    each_file(from, to, &|from, to| match fs::hard_link(from, to) {
        Ok(()) => Ok(()),
        // Another file system, or one without links.
        Err(_) => fs::copy(from, to).map(drop),
    })
}

fn copy_tree(from: &Path, to: &Path) -> io::Result<()> {
    each_file(from, to, &|from, to| fs::copy(from, to).map(drop))
}

fn each_file(from: &Path, to: &Path, act: &impl Fn(&Path, &Path) -> io::Result<()>) -> io::Result<()> {
    make_private(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            each_file(&entry.path(), &target, act)?;
        } else {
            act(&entry.path(), &target)?;
        }
    }
    Ok(())
}

/// Makes all that was written to the file system of `path` durable.
pub(super) fn sync_file_system(path: &Path) -> io::Result<()> {
    Ok(rustix::fs::syncfs(fs::File::open(path)?)?)
}

/// Refuses a file system with less free space than `bytes`.
pub(super) fn check_space(path: &Path, bytes: u64) -> Result<(), ExitError> {
    let free = crate::spool::space_of(path)?.free;
    if free >= bytes {
        return Ok(());
    }
    let path = path.display();
    Err(format!(
        "the tables take {bytes} bytes, and the file system of {path} has {free} bytes left: make room first"
    )
    .into())
}
