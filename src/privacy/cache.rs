//! A cache of fixed size from 64-bit keys to shared values.
//!
//! It is set-associative: a key belongs to one set of a few entries, and a new entry replaces the least recently used one.
//! It never grows and never holds what a key was made of. Keys must be spread evenly over their upper bits: hash them first.

use std::sync::Arc;

use parking_lot::Mutex;

/// Entries of a set. A look-up compares at most this many keys.
const WAYS: usize = 4;

pub(crate) struct SharedCache<V> {
    sets: Box<[Mutex<CacheSet<V>>]>,
    /// Bits of a key below the number of its set.
    shift: u32,
}

/// Entries in the order of their last use.
type CacheSet<V> = [Option<(u64, Arc<V>)>; WAYS];

impl<V> SharedCache<V> {
    /// A cache for `entries` values, rounded up to a power of two.
    pub(crate) fn new(entries: usize) -> Self {
        let sets = entries.div_ceil(WAYS).next_power_of_two().max(2);
        Self {
            sets: (0..sets).map(|_| Mutex::new([const { None }; WAYS])).collect(),
            shift: u64::BITS - sets.trailing_zeros(),
        }
    }

    /// The value of `key`, computed now if it is not cached.
    pub(crate) fn get(&self, key: u64, compute: impl FnOnce() -> V) -> Arc<V> {
        // The shift leaves as many bits as there are sets.
        let set = &self.sets[(key >> self.shift) as usize];
        if let Some(value) = look_up(&mut set.lock(), key) {
            return value;
        }
        // Without the lock: two requests may compute the same value, and neither waits for the other.
        let value = Arc::new(compute());
        let mut entries = set.lock();
        entries.rotate_right(1);
        entries[0] = Some((key, value.clone()));
        value
    }
}

/// Finds an entry and moves it to the front.
fn look_up<V>(entries: &mut CacheSet<V>, key: u64) -> Option<Arc<V>> {
    let at = entries.iter().position(|entry| entry.as_ref().is_some_and(|(found, _)| *found == key))?;
    entries[..=at].rotate_right(1);
    entries[0].as_ref().map(|(_, value)| value.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_worked_out_once_while_it_is_remembered() {
        let cache = SharedCache::new(16);
        assert_eq!(*cache.get(7, || "first"), "first");
        assert_eq!(*cache.get(7, || "second"), "first");
    }

    #[test]
    fn the_entry_unused_longest_goes_first() {
        let cache = SharedCache::new(WAYS);
        for key in 0..WAYS as u64 {
            cache.get(key, || key);
        }
        cache.get(0, || unreachable!("it is remembered"));
        cache.get(100, || 100);
        assert_eq!(*cache.get(0, || 999), 0, "used lately");
        assert_eq!(*cache.get(1, || 999), 999, "unused longest");
    }

    #[test]
    fn it_never_holds_more_than_it_was_made_for() {
        let cache = SharedCache::new(64);
        let values: Vec<_> =
            (0..10_000u64).map(|key| cache.get(key.wrapping_mul(0x9e37_79b9_7f4a_7c15), || key)).collect();
        let kept = values.iter().filter(|value| Arc::strong_count(value) > 1).count();
        assert!(kept <= 64, "{kept}");
    }
}
