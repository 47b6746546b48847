//! Reads the counts of the store and of the spool, and compares them.
//!
//! Collectors go on meanwhile. A collector inserts a segment's events first and its rows of `segments` then, so a segment may differ while
//! it is shipped. Therefore a difference counts only if it is the same a moment later, and if the segment does not wait in the spool.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

use super::discrepancy::Discrepancy;
use super::queries::{
    DaySite, EXPIRED, OutcomeCounts, ReconcileError, SegmentDifference, outcome_counts, removed_events,
    segment_differences, store_today, stored_events,
};
use super::spool_losses::{damaged_segments, lost_segments};
use crate::event::{DropReason, UnixSeconds};
use crate::spool::{Inventory, STORED, SegmentCounts, inspect};
use crate::store::Client;

/// Pause before differences are read again.
const PAUSE: Duration = Duration::from_millis(500);
/// How often differences are read. Those that every read finds count: rows of a segment follow its events, and the closing of a day names
/// duplicates before it deletes them.
const READS: usize = 5;
/// Events of another collector's segment may be without an account for so many seconds: an insert may be slow, and a collector may start anew.
const IN_FLIGHT: u32 = 600;

/// The counts of one day of receipt and site.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize)]
pub struct ReconciledCounts {
    /// Events in the store, within their retention.
    pub stored: u64,
    /// Events that were shipped and are within their retention, without those that were removed on purpose.
    pub confirmed: u64,
    /// Events in this collector's spool that the store has not confirmed.
    pub spooled: u64,
    /// Events of quarantined segments.
    pub quarantined: u64,
    /// Dropped events, by the number of the reason.
    pub dropped: [u64; DropReason::ALL.len()],
    /// Events removed from the store on purpose: duplicates and erased events.
    pub removed: u64,
    /// Shipped events whose retention has passed.
    pub expired: u64,
    /// Events of discarded segments.
    pub discarded: u64,
    /// Events lost to damage on this collector's disk, and not discarded.
    pub lost: u64,
    /// Acknowledged events that the store lacks.
    pub missing: u64,
    /// Events that the store has beyond those that were shipped.
    pub surplus: u64,
}

impl ReconciledCounts {
    /// Whether no event is missing or surplus.
    pub fn is_reconciled(&self) -> bool {
        self.missing == 0 && self.surplus == 0
    }

    /// Every event that reached the collectors.
    pub fn received(&self) -> u64 {
        self.confirmed
            + self.removed
            + self.expired
            + self.spooled
            + self.quarantined
            + self.discarded
            + self.lost
            + self.dropped.iter().sum::<u64>()
    }
}

/// The counts of all days and sites, and what differs.
#[derive(Debug, Clone, Default)]
pub struct Reconciliation {
    pub days: BTreeMap<DaySite, ReconciledCounts>,
    /// Segments in the spool or in quarantine that cannot be read. Their events are not counted.
    pub unreadable: Vec<String>,
    pub discrepancies: Vec<Discrepancy>,
}

impl Reconciliation {
    /// Whether every event is accounted for.
    pub fn is_reconciled(&self) -> bool {
        self.unreadable.is_empty() && self.discrepancies.is_empty()
    }

    /// Compares `days` (days since 1970-01-01) in the store and in the spool in `directory`.
    pub async fn read(
        client: &Client,
        directory: &Path,
        days: RangeInclusive<u16>,
    ) -> Result<Self, ReconcileError> {
        // The store deletes rows by the date of its own zone.
        let today = crate::spool::today().max(store_today(client).await?);
        let mut reconciliation = Self::default();
        let outcomes = outcome_counts(client, &days, today).await?;
        for (key, outcomes) in &outcomes {
            reconciliation.add_outcomes(key, outcomes);
        }
        for (key, events) in stored_events(client, &days, today).await? {
            reconciliation.days.entry(key).or_default().stored = events;
        }
        for (key, events) in removed_events(client, &days, today).await? {
            let counts = reconciliation.days.entry(key).or_default();
            counts.removed = events;
            counts.confirmed = counts.confirmed.saturating_sub(events);
        }
        let inventory = if directory.exists() { Some(inspect(directory)?) } else { None };
        if let Some(inventory) = &inventory {
            reconciliation.add_spool(inventory, &days);
        }
        let received: BTreeSet<u16> = reconciliation.days.keys().map(|(day, _)| *day).collect();
        for day in received {
            for difference in lasting_differences(client, directory, day, today).await? {
                if !is_in_flight(&difference, inventory.as_ref()) {
                    reconciliation.add_difference(difference);
                }
            }
        }
        if let Some(inventory) = &inventory {
            reconciliation.discrepancies.extend(damaged_segments(inventory, &days));
            reconciliation.discrepancies.extend(lost_segments(client, inventory).await?);
        }
        Ok(reconciliation)
    }

    fn add_outcomes(&mut self, key: &DaySite, outcomes: &OutcomeCounts) {
        let counts = self.days.entry(key.clone()).or_default();
        for (outcome, events) in outcomes {
            match DropReason::from_name(outcome) {
                Some(reason) => counts.dropped[reason as usize] += events,
                None if outcome == STORED => counts.confirmed += events,
                None if outcome == EXPIRED => counts.expired += events,
                None => {}
            }
        }
    }

    fn add_difference(&mut self, difference: SegmentDifference) {
        let SegmentDifference { id, day, site, shipped, stored, distinct, .. } = difference;
        let counts = self.days.entry((day, site.clone())).or_default();
        let segment = id.to_string();
        // Some events may be missing while others are there twice.
        let missing = shipped.saturating_sub(distinct);
        let surplus = (stored + missing).saturating_sub(shipped);
        counts.missing += missing;
        counts.surplus += surplus;
        if missing > 0 {
            let site = site.clone();
            let segment = segment.clone();
            self.discrepancies.push(Discrepancy::Missing { segment, events: missing, shipped, day, site });
        }
        if surplus > 0 {
            self.discrepancies.push(if shipped == 0 {
                Discrepancy::Unknown { segment, events: surplus, day, site }
            } else {
                Discrepancy::Doubled { segment, events: surplus, day, site }
            });
        }
    }

    fn add_spool(&mut self, inventory: &Inventory, range: &RangeInclusive<u16>) {
        let days = &mut self.days;
        let mut add = |segment: &SegmentCounts, apply: &dyn Fn(&mut ReconciledCounts, u64)| {
            for (site, count) in segment.iter().filter(|(_, count)| range.contains(&count.day)) {
                apply(days.entry((count.day, site.to_owned())).or_default(), count.stored);
            }
        };
        let waiting = || inventory.segments.iter().map(|segment| &segment.counts);
        let quarantined = || inventory.quarantined.iter().filter_map(|segment| segment.counts.as_ref());
        let lost = || inventory.lost.iter().map(|loss| &loss.counts);
        waiting().for_each(|segment| add(segment, &|counts, events| counts.spooled += events));
        quarantined().for_each(|segment| add(segment, &|counts, events| counts.quarantined += events));
        inventory.discarded.iter().for_each(|one| add(one, &|counts, events| counts.discarded += events));
        lost().for_each(|segment| add(segment, &|counts, events| counts.lost += events));
        let all = waiting().chain(quarantined()).chain(&inventory.discarded).chain(lost());
        for (site, count) in all.flat_map(SegmentCounts::iter) {
            if range.contains(&count.day) {
                let counts = self.days.entry((count.day, site.to_owned())).or_default();
                for (sum, events) in counts.dropped.iter_mut().zip(count.dropped) {
                    *sum += events;
                }
            }
        }
        let damaged = inventory.segments.iter().filter(|segment| segment.is_damaged()).map(|it| &it.id);
        let unknown =
            inventory.quarantined.iter().filter(|segment| segment.counts.is_none()).map(|it| &it.id);
        self.unreadable = damaged.chain(unknown).cloned().collect();
    }
}

/// The differences of a day that stay the same from one read to the next, without segments that wait in the spool.
async fn lasting_differences(
    client: &Client,
    directory: &Path,
    day: u16,
    today: u16,
) -> Result<Vec<SegmentDifference>, ReconcileError> {
    let mut found = segment_differences(client, day, today).await?;
    for _ in 1..READS {
        if found.is_empty() {
            break;
        }
        let waiting: BTreeSet<_> =
            if directory.exists() { inspect(directory)?.origins().collect() } else { BTreeSet::new() };
        tokio::time::sleep(PAUSE).await;
        let again = segment_differences(client, day, today).await?;
        found.retain(|difference| again.contains(difference) && !waiting.contains(&difference.id));
    }
    Ok(found)
}

/// Whether another collector may be about to account for these events.
fn is_in_flight(difference: &SegmentDifference, inventory: Option<&Inventory>) -> bool {
    let own = inventory.and_then(|inventory| inventory.first_segment).map(|first| first.collector);
    let now = UnixSeconds::from_millis(jiff::Timestamp::now().as_millisecond());
    difference.shipped == 0
        && own != Some(difference.id.collector)
        && now.0.saturating_sub(difference.last) < IN_FLIGHT
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spool::SegmentId;

    fn found(shipped: u64, stored: u64, distinct: u64) -> Vec<(&'static str, u64)> {
        let id = SegmentId { collector: 7, number: 9 };
        let mut reconciliation = Reconciliation::default();
        reconciliation.add_difference(SegmentDifference {
            id,
            day: 1,
            site: "clinic".to_owned(),
            shipped,
            stored,
            distinct,
            last: 0,
        });
        let names = reconciliation.discrepancies.iter().map(|found| match found {
            Discrepancy::Missing { events, .. } => ("missing", *events),
            Discrepancy::Doubled { events, .. } => ("doubled", *events),
            Discrepancy::Unknown { events, .. } => ("unknown", *events),
            other => panic!("{other:?}"),
        });
        names.collect()
    }

    #[test]
    fn what_is_missing_or_doubled_is_told_apart_by_the_number_of_different_events() {
        assert_eq!(found(10, 0, 0), [("missing", 10)]);
        assert_eq!(found(10, 7, 7), [("missing", 3)]);
        assert_eq!(found(10, 20, 10), [("doubled", 10)]);
        assert_eq!(found(10, 10, 9), [("missing", 1), ("doubled", 1)]);
        assert_eq!(found(0, 5, 5), [("unknown", 5)]);
    }

    #[test]
    fn everything_that_was_received_is_one_of_the_counts() {
        let outcomes =
            [(STORED, 20), (EXPIRED, 4), ("bot", 3), ("", 0)].map(|(name, events)| (name.to_owned(), events));
        let key = (1, "clinic".to_owned());
        let mut reconciliation = Reconciliation::default();
        reconciliation.add_outcomes(&key, &outcomes.into());
        let counts = &reconciliation.days[&key];
        assert_eq!((counts.received(), counts.dropped, counts.expired), (27, [0, 3, 0, 0, 0, 0, 0], 4));
    }
}
