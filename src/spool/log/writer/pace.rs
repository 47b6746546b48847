//! How long the writer lets records gather under load.

use std::time::{Duration, Instant};

/// Decides how long to wait after a batch. A sync costs the machine some 200 µs of CPU whatever its size, so under load a few
/// milliseconds of gathering pay off. A lone append must not wait.
#[derive(Debug, Default)]
pub(crate) struct BatchPace {
    last_count: u32,
    began: Option<Instant>,
}

impl BatchPace {
    /// After a smaller batch the next one is written at once.
    const BUSY: u32 = 16;
    /// The longest pause between the beginnings of two syncs. A sync may take longer.
    const LONGEST: Duration = Duration::from_millis(3);
    /// How often the number of waiting records is read.
    const STEP: Duration = Duration::from_micros(500);

    /// Notes a batch of `count` records whose write began at `began`.
    pub(crate) fn record(&mut self, count: u32, began: Instant) {
        self.last_count = count;
        self.began = Some(began);
    }

    /// Sleeps as long as records keep coming, up to [`Self::LONGEST`]. `waiting` returns how many wait.
    pub(crate) fn wait(&self, waiting: impl Fn() -> u32) {
        let Some(began) = self.began.filter(|_| self.last_count >= Self::BUSY) else { return };
        let mut before = 0;
        while began.elapsed() + Self::STEP < Self::LONGEST {
            std::thread::sleep(Self::STEP);
            let count = waiting();
            // Few more came: the other senders wait for this very sync.
            if count - before <= count / 8 {
                return;
            }
            before = count;
        }
    }
}
