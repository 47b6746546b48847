//! Which events came a moment ago, so that a beacon that is sent twice is stored once.
//!
//! The memory is bounded: [`SLOTS`] fingerprints, of which the oldest of a bucket gives way. What slips past, hours
//! later, is removed when the day is materialised in the store. A fingerprint is a hash of the page load's random id and
//! the event's number under a key of this process; it holds nothing about the visitor.

use std::hash::BuildHasher;

use parking_lot::{Mutex, MutexGuard};

/// Fingerprints that are remembered: 8 MiB, a quarter of a minute at 60,000 events a second, hours on most sites.
const SLOTS: usize = 1 << 20;
/// Fingerprints in one bucket: one cache line.
const BUCKET: usize = 8;
/// Locks, so that threads seldom wait for one another.
const SHARDS: usize = 64;

const _: () = assert!(SLOTS.is_multiple_of(SHARDS * BUCKET), "shards hold whole buckets");

/// The fingerprints of one shard, newest first in each bucket.
type Shard = Box<[[u64; BUCKET]]>;

/// The recent events.
pub(crate) struct Recent {
    shards: Box<[Mutex<Shard>]>,
    hasher: foldhash::quality::RandomState,
}

impl Recent {
    pub(crate) fn new() -> Self {
        let buckets = SLOTS / SHARDS / BUCKET;
        let shard = || Mutex::new(vec![[0; BUCKET]; buckets].into_boxed_slice());
        Self {
            shards: (0..SHARDS).map(|_| shard()).collect(),
            hasher: foldhash::quality::RandomState::default(),
        }
    }

    /// The events of one page load. Whoever holds this decides alone about them: a second copy of a beacon waits until
    /// the first one stands in the spool's queue, or was refused.
    pub(crate) fn of_page(&self, page_load: u64) -> PageEvents<'_> {
        let shard = self.hasher.hash_one(page_load) as usize % SHARDS;
        PageEvents { shard: self.shards[shard].lock(), hasher: &self.hasher, page_load }
    }
}

/// The recent events of one page load, locked. Not to be held over an `await`.
pub(crate) struct PageEvents<'a> {
    shard: MutexGuard<'a, Shard>,
    hasher: &'a foldhash::quality::RandomState,
    page_load: u64,
}

impl PageEvents<'_> {
    /// Remembers an event; `false` when it was remembered already.
    pub(crate) fn remember(&mut self, seq: u32) -> bool {
        let (bucket, print) = self.bucket(seq);
        if bucket.contains(&print) {
            return false;
        }
        bucket.copy_within(..BUCKET - 1, 1);
        bucket[0] = print;
        true
    }

    /// Forgets an event that could not be stored after all, so that it is taken when it is sent again.
    pub(crate) fn forget(&mut self, seq: u32) {
        let (bucket, print) = self.bucket(seq);
        for slot in bucket.iter_mut().filter(|slot| **slot == print) {
            *slot = 0;
        }
    }

    fn bucket(&mut self, seq: u32) -> (&mut [u64; BUCKET], u64) {
        // 0 marks an empty slot.
        let print = self.hasher.hash_one((self.page_load, seq)).max(1);
        let buckets = self.shard.len();
        (&mut self.shard[(print >> 32) as usize % buckets], print)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_new_once() {
        let recent = Recent::new();
        assert!(recent.of_page(1).remember(0));
        assert!(recent.of_page(1).remember(1) && recent.of_page(2).remember(0));
        assert!(
            !recent.of_page(1).remember(0)
                && !recent.of_page(1).remember(1)
                && !recent.of_page(2).remember(0)
        );
    }

    #[test]
    fn an_event_that_was_not_stored_is_new_again() {
        let recent = Recent::new();
        recent.of_page(1).remember(0);
        recent.of_page(1).forget(0);
        assert!(recent.of_page(1).remember(0));
    }

    #[test]
    fn the_last_hundred_thousand_events_are_known() {
        let recent = Recent::new();
        for page_load in 0..300_000 {
            recent.of_page(page_load).remember(0);
        }
        let known = (200_000..300_000).filter(|page_load| !recent.of_page(*page_load).remember(0)).count();
        assert!(known > 99_900, "{known}");
    }

    #[test]
    fn of_two_at_once_one_is_new() {
        let recent = Recent::new();
        let new = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| {
                        (0..10_000).filter(|page_load| recent.of_page(*page_load).remember(7)).count()
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum::<usize>()
        });
        assert_eq!(new, 10_000);
    }
}
