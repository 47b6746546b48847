//! Token buckets for addresses and names, in bounded memory that stores neither.
//!
//! The generic cell rate algorithm (ITU-T I.371) stores one time for each bucket: when it will be full again. The buckets
//! are a fixed table of such times. An address finds its slot by a hash under a random key of this process; the hash is not
//! kept. Two addresses with one slot share a bucket, which makes the limit stricter for both. With 65,536 slots that is
//! rare among clients that are active in the same second.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::privacy::Peer;

/// Slots of the table, 512 KiB; a power of two, so that a mask cuts a hash to an index.
const SLOTS: usize = 1 << 16;
const _: () = assert!(SLOTS.is_power_of_two());

pub struct RateLimiter {
    state: RandomState,
    start: Instant,
    /// Time between two requests at the sustained rate, ns; 0 means no limit.
    interval: u64,
    /// How far a bucket may run ahead of the clock, ns: the burst.
    tolerance: u64,
    /// When the bucket of each slot is full again, ns since `start`.
    full_at: Box<[AtomicU64]>,
}

impl RateLimiter {
    /// Allows `rate` requests a second, and `burst` at once. A rate of 0 allows everything.
    pub fn new(rate: u32, burst: u32) -> Self {
        let interval = if rate == 0 { 0 } else { 1_000_000_000 / u64::from(rate) };
        let slots = if rate == 0 { 0 } else { SLOTS };
        Self {
            state: RandomState::new(),
            start: Instant::now(),
            interval,
            tolerance: interval * u64::from(burst.max(1)),
            full_at: (0..slots).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    /// Allows one request each `interval`, and `burst` at once.
    pub fn every(interval: Duration, burst: u32) -> Self {
        let mut limiter = Self::new(1, burst);
        // Nanoseconds of 584 years fit.
        limiter.interval = interval.as_nanos() as u64;
        limiter.tolerance = limiter.interval * u64::from(burst.max(1));
        limiter
    }

    /// # Errors
    /// With the time until the bucket holds a token.
    pub fn acquire_named(&self, name: &str, now: Instant) -> Result<(), Duration> {
        if self.interval == 0 {
            return Ok(());
        }
        self.acquire_slot(self.state.hash_one(name) as usize & (SLOTS - 1), now)
    }

    /// # Errors
    /// With the time until the bucket holds a token.
    pub fn acquire(&self, peer: &Peer, now: Instant) -> Result<(), Duration> {
        if self.interval == 0 {
            return Ok(());
        }
        self.acquire_slot(peer.hash(&self.state) as usize & (SLOTS - 1), now)
    }

    fn acquire_slot(&self, slot: usize, now: Instant) -> Result<(), Duration> {
        // 584 years fit.
        let now = now.saturating_duration_since(self.start).as_nanos() as u64;
        let slot = &self.full_at[slot];
        let mut full_at = slot.load(Ordering::Relaxed);
        loop {
            let next = full_at.max(now) + self.interval;
            if next - now > self.tolerance {
                return Err(Duration::from_nanos(next - now - self.tolerance));
            }
            match slot.compare_exchange_weak(full_at, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Ok(()),
                Err(changed) => full_at = changed,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(limiter: &RateLimiter, ms: u64) -> Instant {
        limiter.start + Duration::from_millis(ms)
    }

    #[test]
    fn a_burst_passes_and_then_the_sustained_rate() {
        let limiter = RateLimiter::new(10, 3);
        for _ in 0..3 {
            assert_eq!(limiter.acquire_slot(7, at(&limiter, 0)), Ok(()));
        }
        assert_eq!(limiter.acquire_slot(7, at(&limiter, 0)), Err(Duration::from_millis(100)));
        assert_eq!(limiter.acquire_slot(7, at(&limiter, 60)), Err(Duration::from_millis(40)));
        assert_eq!(limiter.acquire_slot(7, at(&limiter, 100)), Ok(()));
        assert!(limiter.acquire_slot(7, at(&limiter, 100)).is_err());
        assert_eq!(limiter.acquire_slot(8, at(&limiter, 100)), Ok(()), "another slot has its own bucket");
    }

    #[test]
    fn a_bucket_never_holds_more_than_its_burst() {
        let limiter = RateLimiter::new(10, 2);
        let late = at(&limiter, 3_600_000);
        assert!(limiter.acquire_slot(0, late).is_ok() && limiter.acquire_slot(0, late).is_ok());
        assert!(limiter.acquire_slot(0, late).is_err());
    }

    #[test]
    fn many_threads_take_no_more_than_there_is() {
        let limiter = RateLimiter::new(1, 100);
        let now = at(&limiter, 5);
        let acquired: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| scope.spawn(|| (0..200).filter(|_| limiter.acquire_slot(1, now).is_ok()).count()))
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(acquired, 100);
    }

    #[test]
    fn a_rate_of_zero_does_not_limit() {
        let limiter = RateLimiter::new(0, 1);
        let peer = Peer::new("203.0.113.7".parse().unwrap());
        assert!((0..10_000).all(|_| limiter.acquire(&peer, Instant::now()).is_ok()));
    }
}
