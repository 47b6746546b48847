//! What would keep a collector from opening a spool, found without changing anything.

use std::path::Path;
use std::sync::Arc;

use crate::secret::directory;
use crate::secret::file_lock::FileLock;
use crate::spool::accounting::shipped_ids::SHIPPED;
use crate::spool::log::disk::{Disk, RealDisk, Space};
use crate::spool::log::error::SpoolError;
use crate::spool::log::files::{LOCK, QUARANTINE, REQUEUE};
use crate::spool::log::identity::{check_format, read_identity};
use crate::spool::quarantine::split::install::PARTS;

/// Every directory of a spool below its own.
const WITHIN: [&str; 4] = [QUARANTINE, REQUEUE, PARTS, SHIPPED];

/// Checks that a collector can open the spool in `directory`, or make one there. Whether another one works there, [`is_in_use`] tells.
///
/// # Errors
/// As [`Spool::open`](crate::spool::Spool::open), and when this process may not use a file.
pub fn check(directory: &Path) -> Result<(), SpoolError> {
    let denied = |error| SpoolError::Unusable(Arc::new(error));
    directory::check_usable(directory).map_err(denied)?;
    if !directory.exists() {
        return Ok(());
    }
    check_format(&RealDisk, directory)?;
    read_identity(&RealDisk, directory)?;
    directory::check_entries(directory).map_err(denied)?;
    for within in WITHIN.map(|name| directory.join(name)).iter().filter(|within| within.exists()) {
        directory::check_usable(within).and_then(|_| directory::check_entries(within)).map_err(denied)?;
    }
    Ok(())
}

/// Whether a collector works in the directory.
pub fn is_in_use(directory: &Path) -> bool {
    FileLock::is_held(&directory.join(LOCK))
}

/// The space of the file system that holds a directory, which exists.
///
/// # Errors
/// When the system does not tell.
pub fn space_of(directory: &Path) -> std::io::Result<Space> {
    RealDisk.space(directory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spool_that_cannot_be_opened_is_refused_and_nothing_is_made() {
        let directory = tempfile::tempdir().unwrap();
        let spool = directory.path().join("data/spool");
        check(&spool).unwrap();
        assert!(!directory.path().join("data").exists());
        std::fs::create_dir_all(spool.join(QUARANTINE)).unwrap();
        check(&spool).unwrap();
        std::fs::write(spool.join("identity"), "nonsense").unwrap();
        assert!(matches!(check(&spool), Err(SpoolError::Identity(_))));
        std::fs::remove_file(spool.join("identity")).unwrap();
        std::fs::write(spool.join(REQUEUE), "").unwrap();
        let error = check(&spool).unwrap_err().to_string();
        assert!(error.contains("requeue is not a directory"), "{error}");
    }
}
