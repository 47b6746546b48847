//! How full the spool is, and how far behind the store.

use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::spool::{Spool, SpoolError, now_ms};

/// How full the spool is.
#[derive(Debug, Clone)]
pub struct SpoolStatus {
    /// Bytes on disk, segments set aside among them.
    pub bytes: u64,
    /// The bound on them.
    pub max_bytes: u64,
    /// Sealed segments that wait to be shipped.
    pub sealed: usize,
    /// Rows of `events` on disk that are not confirmed yet.
    pub events: u64,
    /// Age of the oldest segment with rows.
    pub oldest: Option<Duration>,
    /// Why it takes no more for now: the disk is nearly full.
    pub short: Option<SpoolError>,
    /// Why it takes no more, if it is broken.
    pub broken: Option<SpoolError>,
}

impl Spool {
    /// How full it is.
    pub fn status(&self) -> SpoolStatus {
        let shared = &self.shared;
        let active = shared.active_events.load(Ordering::Relaxed);
        let sealed = shared.sealed.lock();
        let begun = sealed.front().map(|segment| segment.created);
        let begun = begun.or((active > 0).then(|| shared.active_since.load(Ordering::Relaxed)));
        SpoolStatus {
            bytes: shared.queue.on_disk.load(Ordering::Relaxed),
            max_bytes: shared.limits.max_bytes,
            sealed: sealed.len(),
            events: active + sealed.iter().map(|segment| segment.seal.events).sum::<u64>(),
            oldest: begun.map(|begun| Duration::from_millis((now_ms() - begun).max(0).cast_unsigned())),
            short: shared.queue.short(),
            broken: shared.broken.get().cloned(),
        }
    }
}
