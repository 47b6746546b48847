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
        #[cfg(target_os = "linux")]
        let seconds = rustix::system::sysinfo().uptime;
        #[cfg(not(target_os = "linux"))]
        let seconds = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic).tv_sec;
        SignedDuration::from_secs(seconds)
    }
}
