//! The wall clock behind a trait, so that a test can turn it forwards and back.

use jiff::Timestamp;

/// Tells what time it is.
pub trait Clock: Send + Sync {
    /// Now, by the wall clock: it may jump either way.
    fn now(&self) -> Timestamp;
}

/// The system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}
