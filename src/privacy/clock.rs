//! The clocks behind a trait, so that a test can set them.

use jiff::{SignedDuration, Timestamp};

pub trait Clock: Send + Sync {
    /// The time of the wall clock, which may jump in both directions.
    fn now(&self) -> Timestamp;

    /// The time since the machine started. It never jumps.
    fn uptime(&self) -> SignedDuration;
}

#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn uptime(&self) -> SignedDuration {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        let clock = rustix::time::ClockId::Boottime;
        #[cfg(not(any(target_os = "linux", target_os = "android")))]
        let clock = rustix::time::ClockId::Monotonic;
        let time = rustix::time::clock_gettime(clock);
        SignedDuration::from_secs(time.tv_sec)
    }
}
