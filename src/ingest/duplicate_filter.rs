//! Remembers recent events, so that a beacon that is sent twice is stored once.
//!
//! It holds at most [`SLOTS`] fingerprints; a new one replaces the oldest of its bucket. Duplicates that come hours later are
//! removed in the store, when their day is closed. A fingerprint is a hash of the page load's random id and the event's
//! number, under a random key of this process. It tells nothing about the visitor.

use std::hash::BuildHasher;

use parking_lot::{Mutex, MutexGuard};

/// Fingerprints, 8 MiB: those of 17 seconds at 60,000 events a second, those of hours on most sites.
const SLOTS: usize = 1 << 20;
/// Fingerprints in one bucket: one cache line.
const BUCKET: usize = 8;
/// Locks: enough that threads seldom wait for each other.
const SHARDS: usize = 64;

const _: () = assert!(SLOTS.is_multiple_of(SHARDS * BUCKET), "shards hold whole buckets");

/// The fingerprints of one shard, the newest first in each bucket.
type Shard = Box<[[u64; BUCKET]]>;

pub(super) struct DuplicateFilter {
    shards: Box<[Mutex<Shard>]>,
    hasher: foldhash::quality::RandomState,
}

impl DuplicateFilter {
    pub(super) fn new() -> Self {
        let buckets = SLOTS / SHARDS / BUCKET;
        let shard = || Mutex::new(vec![[0; BUCKET]; buckets].into_boxed_slice());
        Self {
            shards: (0..SHARDS).map(|_| shard()).collect(),
            hasher: foldhash::quality::RandomState::default(),
        }
    }

    /// Locks the events of one page load. A second copy of a beacon waits here until the first one is in the spool's queue or
    /// was refused.
    pub(super) fn lock_page(&self, page_load: u64) -> PageLoadEvents<'_> {
        let shard = self.hasher.hash_one(page_load) as usize % SHARDS;
        PageLoadEvents { shard: self.shards[shard].lock(), hasher: &self.hasher, page_load }
    }
}

/// The recent events of one page load, locked. It must not be held over an `await`.
pub(super) struct PageLoadEvents<'a> {
    shard: MutexGuard<'a, Shard>,
    hasher: &'a foldhash::quality::RandomState,
    page_load: u64,
}

impl PageLoadEvents<'_> {
    /// Adds an event. Returns false when it was there already.
    pub(super) fn insert(&mut self, seq: u32) -> bool {
        let (bucket, fingerprint) = self.bucket(seq);
        if bucket.contains(&fingerprint) {
            return false;
        }
        bucket.copy_within(..BUCKET - 1, 1);
        bucket[0] = fingerprint;
        true
    }

    /// Removes an event that could not be stored, so that it is accepted when it is sent again.
    pub(super) fn remove(&mut self, seq: u32) {
        let (bucket, fingerprint) = self.bucket(seq);
        for slot in bucket.iter_mut().filter(|slot| **slot == fingerprint) {
            *slot = 0;
        }
    }

    fn bucket(&mut self, seq: u32) -> (&mut [u64; BUCKET], u64) {
        // 0 marks an empty slot.
        let fingerprint = self.hasher.hash_one((self.page_load, seq)).max(1);
        let buckets = self.shard.len();
        (&mut self.shard[(fingerprint >> 32) as usize % buckets], fingerprint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_new_only_once() {
        let filter = DuplicateFilter::new();
        assert!(filter.lock_page(1).insert(0));
        assert!(filter.lock_page(1).insert(1) && filter.lock_page(2).insert(0));
        assert!(
            !filter.lock_page(1).insert(0)
                && !filter.lock_page(1).insert(1)
                && !filter.lock_page(2).insert(0)
        );
    }

    #[test]
    fn an_event_that_was_not_stored_is_new_again() {
        let filter = DuplicateFilter::new();
        filter.lock_page(1).insert(0);
        filter.lock_page(1).remove(0);
        assert!(filter.lock_page(1).insert(0));
    }

    #[test]
    fn the_last_hundred_thousand_events_are_known() {
        let filter = DuplicateFilter::new();
        for page_load in 0..300_000 {
            filter.lock_page(page_load).insert(0);
        }
        let known = (200_000..300_000).filter(|page_load| !filter.lock_page(*page_load).insert(0)).count();
        assert!(known > 99_900, "{known}");
    }

    #[test]
    fn only_one_of_two_concurrent_copies_is_new() {
        let filter = DuplicateFilter::new();
        let new = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| {
                        (0..10_000).filter(|page_load| filter.lock_page(*page_load).insert(7)).count()
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum::<usize>()
        });
        assert_eq!(new, 10_000);
    }
}
