//! Sealed segments on their way out: in which order they wait, and what becomes of them.

use std::io;
use std::sync::atomic::Ordering;

use crate::spool::accounting::shipped_ids::Identity;
use crate::spool::log::disk::DiskFile;
use crate::spool::log::recovery;
use crate::spool::log::segment::{Name, Seal};
use crate::spool::{Shared, Spool, SpoolError, inspect};

/// A segment that waits to be shipped.
#[derive(Debug, Clone, Copy)]
pub struct Sealed {
    /// Its name and token.
    pub name: Name,
    pub(crate) seal: Seal,
    /// Length of its file.
    pub(crate) bytes: u64,
    /// Unix ms.
    pub(crate) created: i64,
    /// It may have been sent before: by this process, or by one before it.
    pub(crate) in_doubt: bool,
}

impl Sealed {
    /// Rows of `events`.
    pub fn events(&self) -> u64 {
        self.seal.events
    }
}

impl Spool {
    /// The oldest sealed segment, once there is one. It stays until it is confirmed or set aside.
    pub async fn next_sealed(&self) -> Sealed {
        loop {
            let mut changed = std::pin::pin!(self.shared.sealed_changed.notified());
            changed.as_mut().enable();
            if let Some(sealed) = self.oldest_sealed() {
                return sealed;
            }
            changed.await;
        }
    }

    /// The oldest sealed segment, if there is one.
    pub fn oldest_sealed(&self) -> Option<Sealed> {
        self.shared.sealed.lock().front().copied()
    }

    /// Keeps page load and number of a shipped segment's events, so that they are known again after a restart. To be
    /// called before [`Spool::confirm`]; a disk that fails here only makes that memory shorter.
    pub(crate) fn keep_identities(&self, sealed: &Sealed, identities: &[Identity]) {
        if let Err(error) = self.shared.recent.keep(&*self.shared.disk, sealed.name, identities) {
            tracing::warn!(segment = %sealed.name, %error, "its events will not be known again after a restart");
        }
    }

    /// Deletes a segment that the store has.
    ///
    /// # Errors
    /// When the disk fails. A segment that comes back in a crash is sent again, and the store knows its token.
    pub fn confirm(&self, sealed: &Sealed) -> Result<(), SpoolError> {
        let shared = &self.shared;
        let path = shared.directory.join(sealed.name.file());
        let failed = |source| SpoolError::io("delete", &path, source);
        shared.disk.remove(&path).map_err(failed)?;
        shared.queue.on_disk.fetch_sub(sealed.bytes, Ordering::Relaxed);
        shared.remove_sealed(sealed);
        shared.disk.sync_directory(&shared.directory).map_err(failed)
    }

    /// Lets go of a segment whose file is gone.
    pub(crate) fn forget(&self, sealed: &Sealed) {
        self.shared.remove_sealed(sealed);
        self.shared.queue.on_disk.fetch_sub(sealed.bytes, Ordering::Relaxed);
    }

    /// Moves a segment that cannot be shipped to `aside/`, with the reason, or without one where there is no space for it: those
    /// behind it must be shipped, or there never will be. It goes on counting towards the bound.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn set_aside(&self, sealed: &Sealed, reason: &str) -> Result<(), SpoolError> {
        let shared = &self.shared;
        let (disk, directory) = (&*shared.disk, &*shared.directory);
        let moved = match recovery::set_aside(disk, directory, sealed.name, reason) {
            Err(error) if error.is_no_space() => {
                tracing::warn!(segment = %sealed.name, reason, "set aside without its reason, for which there is no space");
                recovery::set_aside_without_reason(disk, directory, sealed.name)
            }
            moved => moved,
        };
        let path = shared.directory.join(sealed.name.file());
        let is_gone = || shared.disk.read(&path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound);
        // Moved, though the disk failed to make that durable: it is no longer here to be shipped.
        if moved.is_ok() || is_gone() {
            shared.remove_sealed(sealed);
            shared.queue.on_disk.fetch_sub(sealed.bytes, Ordering::Relaxed);
        }
        shared.count_aside();
        moved
    }

    /// Notes that a segment is being sent: whatever becomes of that, the store may have it from now on.
    pub(crate) fn doubt(&self, name: Name) {
        let mut sealed = self.shared.sealed.lock();
        sealed.iter_mut().filter(|sealed| sealed.name == name).for_each(|sealed| sealed.in_doubt = true);
    }

    /// Whether a segment waits here.
    pub(crate) fn holds(&self, name: Name) -> bool {
        self.shared.sealed.lock().iter().any(|sealed| sealed.name == name)
    }

    /// Whether a segment was written by a collector here, and not put together from another one.
    pub(crate) fn is_own(&self, name: Name) -> bool {
        name.collector == self.shared.collector
    }

    /// Opens a sealed segment for reading.
    ///
    /// # Errors
    /// When the disk fails.
    pub(crate) fn read(&self, sealed: &Sealed) -> Result<Box<dyn DiskFile>, SpoolError> {
        let path = self.shared.directory.join(sealed.name.file());
        self.shared.disk.read(&path).map_err(|source| SpoolError::io("read", &path, source))
    }
}

impl Shared {
    pub(crate) fn push_sealed(&self, sealed: Sealed) {
        self.sealed.lock().push_back(sealed);
        self.sealed_changed.notify_waiters();
    }

    /// Brings up to date what is held in `aside/`: segments, reasons, and what a failure left there.
    pub(crate) fn count_aside(&self) {
        // A disk that does not say leaves the count as it was, until the next start.
        if let Ok(now) = inspect::aside_bytes(&*self.disk, &self.directory) {
            let before = self.aside_bytes.swap(now, Ordering::Relaxed);
            // Wraps back to what it should be when there is less than before.
            self.queue.on_disk.fetch_add(now.wrapping_sub(before), Ordering::Relaxed);
        }
    }

    /// Puts a segment where its number has it among those that wait, in the place of what had its name: that is no longer there,
    /// though a failing disk may have kept anybody from noting it.
    pub(crate) fn take_in(&self, segment: Sealed) {
        let mut sealed = self.sealed.lock();
        let before =
            sealed.iter().filter(|other| other.name == segment.name).map(|other| other.bytes).sum::<u64>();
        sealed.retain(|other| other.name != segment.name);
        // Wraps back to what it should be when there is less than before.
        self.queue.on_disk.fetch_add(segment.bytes.wrapping_sub(before), Ordering::Relaxed);
        let order = |name: Name| (name.number, name.collector);
        let at = sealed.partition_point(|other| order(other.name) < order(segment.name));
        sealed.insert(at, segment);
        drop(sealed);
        self.sealed_changed.notify_waiters();
    }

    pub(crate) fn remove_sealed(&self, sealed: &Sealed) {
        self.sealed.lock().retain(|other| other.name != sealed.name);
    }
}
