//! Remembers recent events, so that a beacon that is sent twice is stored once.
//!
//! It holds at most [`SLOTS`] filter ids (`privacy::identity`); a new one replaces the oldest of its bucket. Duplicates that come hours
//! later are removed in the store, when their day is closed. In the first hour of an epoch the ids of the previous one count, too.

use std::hash::BuildHasher;

use parking_lot::{Mutex, MutexGuard};

use crate::spool::FilterId;

/// Filter ids, 8 MiB: those of 17 seconds at 60,000 events a second, those of hours on most sites.
const SLOTS: usize = 1 << 20;
/// Ids in one bucket: one cache line.
const BUCKET: usize = 8;
/// Locks: enough that threads seldom wait for each other.
const SHARDS: usize = 64;

const _: () = assert!(SLOTS.is_multiple_of(SHARDS * BUCKET), "shards hold whole buckets");

/// The ids of one shard, the newest first in each bucket.
type FilterShard = Box<[[FilterId; BUCKET]]>;

pub(super) struct DuplicateFilter {
    /// Each is locked for the events of one page load at a time.
    page_loads: Box<[Mutex<()>]>,
    /// Chooses the lock of a page load. It is random to this process, and nothing that it makes is stored.
    hasher: foldhash::quality::RandomState,
    shards: Box<[Mutex<FilterShard>]>,
}

impl DuplicateFilter {
    /// A filter that knows these ids, oldest first.
    pub(super) fn new(ids: &[FilterId]) -> Self {
        let buckets = SLOTS / SHARDS / BUCKET;
        let shard = || Mutex::new(vec![[0; BUCKET]; buckets].into_boxed_slice());
        let filter = Self {
            page_loads: (0..SHARDS).map(|_| Mutex::default()).collect(),
            hasher: foldhash::quality::RandomState::default(),
            shards: (0..SHARDS).map(|_| shard()).collect(),
        };
        for id in ids {
            filter.with_bucket(*id, insert);
        }
        filter
    }

    /// Locks the events of one page load, by the id that the script made. A second copy of a beacon waits here until the first one is in
    /// the spool's queue or was refused.
    pub(super) fn lock_page(&self, page_load: u64) -> PageLoadEvents<'_> {
        let lock = self.hasher.hash_one(page_load) as usize % SHARDS;
        PageLoadEvents { filter: self, _lock: self.page_loads[lock].lock() }
    }

    fn with_bucket<T>(&self, id: FilterId, act: impl FnOnce(&mut [FilterId; BUCKET], FilterId) -> T) -> T {
        // 0 marks an empty slot.
        let id = id.max(1);
        let mut shard = self.shards[id as usize % SHARDS].lock();
        let buckets = shard.len();
        act(&mut shard[(id >> 32) as usize % buckets], id)
    }
}

/// The recent events of one page load, locked. It must not be held over an `await`.
pub(super) struct PageLoadEvents<'a> {
    filter: &'a DuplicateFilter,
    _lock: MutexGuard<'a, ()>,
}

impl PageLoadEvents<'_> {
    /// Adds an event. Returns false when it was there already, under this id or one of previous epochs.
    pub(super) fn insert(&mut self, id: FilterId, mut previous: impl Iterator<Item = FilterId>) -> bool {
        let is_known = |id| self.filter.with_bucket(id, |bucket, id| bucket.contains(&id));
        !previous.any(is_known) && self.filter.with_bucket(id, insert)
    }

    /// Removes an event that could not be stored, so that it is accepted when it is sent again.
    pub(super) fn remove(&mut self, id: FilterId) {
        self.filter.with_bucket(id, |bucket, id| {
            bucket.iter_mut().filter(|slot| **slot == id).for_each(|slot| *slot = 0);
        });
    }
}

/// Puts an id in front of a bucket. Returns false when it was there already.
fn insert(bucket: &mut [FilterId; BUCKET], id: FilterId) -> bool {
    if bucket.contains(&id) {
        return false;
    }
    bucket.copy_within(..BUCKET - 1, 1);
    bucket[0] = id;
    true
}

#[cfg(test)]
mod tests {
    use std::iter::{empty, once};

    use super::*;

    /// Spread over all 64 bits, as filter ids are.
    fn id(number: u64) -> FilterId {
        (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    #[test]
    fn an_event_is_new_only_once() {
        let filter = DuplicateFilter::new(&[id(9)]);
        assert!(filter.lock_page(1).insert(id(0), empty()));
        assert!(filter.lock_page(1).insert(id(1), empty()) && filter.lock_page(2).insert(id(2), empty()));
        for known in [0, 1, 2, 9] {
            assert!(!filter.lock_page(1).insert(id(known), empty()));
        }
    }

    #[test]
    fn an_event_of_the_previous_epoch_is_not_new() {
        let filter = DuplicateFilter::new(&[]);
        assert!(filter.lock_page(1).insert(id(0), empty()));
        assert!(!filter.lock_page(1).insert(id(1), once(id(0))));
        assert!(filter.lock_page(1).insert(id(2), once(id(3))));
    }

    #[test]
    fn an_event_that_was_not_stored_is_new_again() {
        let filter = DuplicateFilter::new(&[]);
        filter.lock_page(1).insert(id(0), empty());
        filter.lock_page(1).remove(id(0));
        assert!(filter.lock_page(1).insert(id(0), empty()));
    }

    #[test]
    fn the_last_hundred_thousand_events_are_known() {
        let filter = DuplicateFilter::new(&(0..300_000).map(id).collect::<Vec<_>>());
        let known =
            (200_000..300_000).filter(|number| !filter.lock_page(0).insert(id(*number), empty())).count();
        assert!(known > 99_900, "{known}");
    }

    #[test]
    fn only_one_of_two_concurrent_copies_is_new() {
        let filter = DuplicateFilter::new(&[]);
        let new = std::thread::scope(|scope| {
            let copies = |_| {
                scope.spawn(|| {
                    (0..10_000)
                        .filter(|number| filter.lock_page(*number).insert(id(*number), empty()))
                        .count()
                })
            };
            let threads: Vec<_> = (0..4).map(copies).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum::<usize>()
        });
        assert_eq!(new, 10_000);
    }
}
