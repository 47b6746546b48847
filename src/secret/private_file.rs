//! Small files that their owner alone may read: changed under a lock, written as a whole, synced, and given to the owner of the
//! directory that they lie in. What is in them is the business of others.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

/// What could not be done, and what the system said.
pub(crate) type Failed = (&'static str, io::Error);

/// Waits until nobody else changes `file`, whose directory is made if need be; dropping what is returned lets the next one do so.
pub(crate) fn lock(file: &Path) -> Result<File, Failed> {
    let directory = directory(file);
    fs::create_dir_all(directory).map_err(|error| ("its directory cannot be made", error))?;
    let lock = create(&file.with_extension("lock")).map_err(|error| ("cannot be locked", error))?;
    // An administrator's `sudo` must not take it from the collector.
    hand_over(&lock, directory).map_err(|error| ("cannot be given to the owner of its directory", error))?;
    lock.lock().map_err(|error| ("cannot be locked", error))?;
    Ok(lock)
}

/// Puts a text in the place of what is in `file`; whatever is interrupted, the one or the other is there as a whole.
pub(crate) fn replace(_lock: &File, file: &Path, text: &str) -> Result<(), Failed> {
    let staged = file.with_extension("new");
    let write = || {
        // One that a killed command left may have another owner's rights.
        let _ = fs::remove_file(&staged);
        let mut writing = create(&staged)?;
        hand_over(&writing, directory(file))?;
        writing.write_all(text.as_bytes())?;
        writing.sync_all()?;
        fs::rename(&staged, file)?;
        File::open(directory(file))?.sync_all()
    };
    write().map_err(|error| ("cannot be written", error))
}

fn directory(file: &Path) -> &Path {
    file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn create(path: &Path) -> io::Result<File> {
    File::options().write(true).create(true).truncate(false).mode(0o600).open(path)
}

/// Gives a file to the owner of the directory that it lies in, if it is another's.
fn hand_over(file: &File, directory: &Path) -> io::Result<()> {
    let owner = fs::metadata(directory)?;
    if file.metadata()?.uid() == owner.uid() {
        return Ok(());
    }
    std::os::unix::fs::fchown(file, Some(owner.uid()), Some(owner.gid()))
}
