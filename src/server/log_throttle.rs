//! Log lines that strangers cause: at most one of each kind in an interval, with the number of suppressed ones.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Its keys come from fixed lists and the configuration, so it does not grow with what is sent.
#[derive(Debug)]
pub(super) struct LogThrottle<K> {
    interval: Duration,
    lines: Mutex<HashMap<K, LastLine>>,
}

#[derive(Debug)]
struct LastLine {
    at: Instant,
    suppressed: u64,
}

impl<K: Eq + Hash> LogThrottle<K> {
    pub(super) fn new(interval: Duration) -> Self {
        Self { interval, lines: Mutex::default() }
    }

    /// Returns `None` if a line of this kind must not be written now. Otherwise returns how many were suppressed since the last one.
    pub(super) fn admit(&self, key: K, now: Instant) -> Option<u64> {
        let mut lines = self.lines.lock();
        let Some(line) = lines.get_mut(&key) else {
            lines.insert(key, LastLine { at: now, suppressed: 0 });
            return Some(0);
        };
        if now.saturating_duration_since(line.at) < self.interval {
            line.suppressed += 1;
            return None;
        }
        line.at = now;
        Some(std::mem::take(&mut line.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_written_once_in_the_interval_and_says_how_many_were_not() {
        let throttle = LogThrottle::new(Duration::from_secs(60));
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(throttle.admit("a", at(0)), Some(0));
        assert_eq!(throttle.admit("b", at(0)), Some(0));
        for second in 1..=59 {
            assert_eq!(throttle.admit("a", at(second)), None);
        }
        assert_eq!(throttle.admit("a", at(60)), Some(59));
        assert_eq!(throttle.admit("b", at(200)), Some(0));
    }
}
