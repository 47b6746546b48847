//! The wall clock behind a trait, so that a test can set it.

use jiff::Timestamp;

pub trait Clock: Send + Sync {
    /// The time of the wall clock, which may jump in both directions.
    fn now(&self) -> Timestamp;
}

#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}
