//! How many beacons of each site were refused in the last hours, for the page of reports. It holds nothing that was sent.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Hours that are remembered.
const HOURS: usize = 24;
const HOUR: Duration = Duration::from_secs(3600);

/// Counts by site and reason. Sites are the configured ones and reasons are few, so it stays small.
#[derive(Debug)]
pub struct RecentRefusals {
    started: Instant,
    counts: Mutex<HashMap<Arc<str>, HashMap<&'static str, HourlyCounts>>>,
}

/// A ring of hours. `newest` is the number of the hour that was counted last.
#[derive(Debug, Default)]
struct HourlyCounts {
    newest: u64,
    counts: [u32; HOURS],
}

impl Default for RecentRefusals {
    fn default() -> Self {
        Self { started: Instant::now(), counts: Mutex::default() }
    }
}

impl RecentRefusals {
    /// Counts a refused beacon of a configured site.
    pub fn count(&self, site: &Arc<str>, reason: &'static str, now: Instant) {
        let hour = self.hour(now);
        let mut sites = self.counts.lock();
        sites.entry(site.clone()).or_default().entry(reason).or_default().add(hour);
    }

    /// Refused beacons of the site by reason, the most frequent first: those of the present hour and the 23 before it.
    pub fn by_reason(&self, site: &str, now: Instant) -> Vec<(&'static str, u64)> {
        let hour = self.hour(now);
        let sites = self.counts.lock();
        let reasons = sites.get(site).into_iter().flatten();
        let mut found: Vec<_> = reasons
            .map(|(reason, counts)| (*reason, counts.sum(hour)))
            .filter(|(_, count)| *count > 0)
            .collect();
        found.sort_by_key(|(reason, count)| (std::cmp::Reverse(*count), *reason));
        found
    }

    fn hour(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.started).as_secs() / HOUR.as_secs()
    }
}

impl HourlyCounts {
    fn add(&mut self, hour: u64) {
        // Hours without a count were skipped, and hold counts of a day ago.
        for skipped in (self.newest + 1..=hour).take(HOURS) {
            self.counts[(skipped % HOURS as u64) as usize] = 0;
        }
        if hour > self.newest + HOURS as u64 {
            self.counts = [0; HOURS];
        }
        self.newest = self.newest.max(hour);
        let slot = &mut self.counts[(hour % HOURS as u64) as usize];
        *slot = slot.saturating_add(1);
    }

    fn sum(&self, hour: u64) -> u64 {
        let oldest = (hour + 1).saturating_sub(HOURS as u64);
        (oldest..=self.newest)
            .filter(|counted| counted + HOURS as u64 > self.newest)
            .map(|counted| u64::from(self.counts[(counted % HOURS as u64) as usize]))
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_counted_by_reason_and_forgotten_after_a_day() {
        let refusals = RecentRefusals::default();
        let site: Arc<str> = "clinic".into();
        let at = |hour: u32| refusals.started + HOUR * hour;
        refusals.count(&site, "malformed", at(0));
        refusals.count(&site, "foreign_origin", at(1));
        refusals.count(&site, "foreign_origin", at(23));
        assert_eq!(refusals.by_reason("clinic", at(23)), [("foreign_origin", 2), ("malformed", 1)]);
        assert_eq!(refusals.by_reason("clinic", at(24)), [("foreign_origin", 2)]);
        assert_eq!(refusals.by_reason("clinic", at(46)), [("foreign_origin", 1)]);
        assert_eq!(refusals.by_reason("clinic", at(47)), []);
        refusals.count(&site, "foreign_origin", at(48));
        refusals.count(&site, "malformed", at(100));
        assert_eq!(refusals.by_reason("clinic", at(48)), [("foreign_origin", 1), ("malformed", 1)]);
        assert_eq!(refusals.by_reason("clinic", at(100)), [("malformed", 1)]);
        assert_eq!(refusals.by_reason("other", at(0)), []);
    }
}
