//! Everything that keeps `serve` from starting, or from doing a part of its work, found before anything is started.
//!
//! `footfall config check` and `serve` use the same check, so that the one says what the other will do. It changes nothing: it makes no
//! file, and binds an address only for a moment. All problems are found at once.

mod files;
mod listeners;
#[cfg(test)]
mod tests;

use std::os::unix::fs::MetadataExt;

use crate::config::{ReadConfig, Severity};
use crate::spool;

/// For whom a configuration is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CheckedFor {
    /// This process, which is about to start the collector.
    ThisProcess,
    /// An operator. Root checks for the collector's user, if the data directory belongs to one.
    Operator,
}

/// Adds what the machine shows to the problems of a configuration. `passed` are the settings whose sockets the service manager has passed: they
/// are in use. Returns whether another collector works in the data directory.
pub(crate) fn check(read: &mut ReadConfig, checked_for: CheckedFor, passed: &[&str]) -> bool {
    let directory = read.config().data.join(spool::DIRECTORY);
    let in_use = spool::is_in_use(&directory);
    if in_use {
        let what =
            format!("a collector works in {}; it must end before another one can start", directory.display());
        read.note(Severity::Remark, "data", &what);
    }
    let collector_user = (checked_for == CheckedFor::Operator).then(|| other_owner(read)).flatten();
    if let Some(user) = collector_user {
        let what = format!(
            "it belongs to user {user}, and root may do more than that user: run this check as the collector's user, too"
        );
        read.note(Severity::Remark, "data", &what);
    }
    listeners::check(read, in_use, passed);
    files::check(read, collector_user.is_some());
    in_use
}

/// The user who owns the data directory, if this process is root's and that user is another.
fn other_owner(read: &ReadConfig) -> Option<u32> {
    let owner = std::fs::metadata(&read.config().data).ok()?.uid();
    (rustix::process::geteuid().is_root() && owner != 0).then_some(owner)
}
