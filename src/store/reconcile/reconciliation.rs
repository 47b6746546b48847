//! Reads the counts of the store and of the spool, and compares them.
//!
//! Collectors go on meanwhile, so the order of the reads makes the result exact: `event_counts`, `segments`, `events`, the spool,
//! `segments` again, `event_counts` again. A collector inserts a segment's events first, then its row of `segments`, then
//! its counts, and segments in order. So the stored events lie between what is read first and what is read last plus the
//! oldest segment of the spool. Days that `segments` does not cover, and days with rows past their retention, are
//! compared by counts only.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::Path;

use super::digest_check::DigestCheck;
use super::digest_sum::DigestSum;
use super::discrepancy::Discrepancy;
use super::queries::{DaySite, OutcomeCounts, ReconcileError, event_counts, segment_totals, stored_events};
use super::spool_losses::{damaged_segments, lost_segments};
use crate::event::DropReason;
use crate::spool::{Inventory, STORED, SegmentCounts, inspect};
use crate::store::Client;

/// The counts of one day of receipt and site.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize)]
pub struct ReconciledCounts {
    pub stored: u64,
    /// Events that the store confirmed, by `event_counts`, without those removed on purpose.
    pub confirmed: u64,
    /// Events in this collector's spool that the store has not confirmed.
    pub spooled: u64,
    /// Of those, events that are being shipped, so that the store may have them already.
    pub shipping: u64,
    /// Events of quarantined segments.
    pub quarantined: u64,
    /// Dropped events, by the number of the reason.
    pub dropped: [u64; DropReason::ALL.len()],
    /// Events removed from the store on purpose: duplicates and erased events.
    pub removed: u64,
    /// Events of discarded segments.
    pub discarded: u64,
    /// Events lost to damage on this collector's disk, and not discarded.
    pub lost: u64,
    /// Rows have passed their retention, so the store may have fewer than it confirmed.
    pub expired: bool,
    /// Table `segments` covers all of its events, so their digest was compared, not only their number.
    pub is_checked_by_digest: bool,
}

impl ReconciledCounts {
    /// Acknowledged events that the store lacks.
    pub fn missing(&self) -> u64 {
        if self.expired { 0 } else { self.confirmed.saturating_sub(self.stored) }
    }

    /// Events that the store has beyond those it confirmed or is receiving.
    pub fn surplus(&self) -> u64 {
        self.stored.saturating_sub(self.confirmed + self.shipping)
    }

    pub fn is_reconciled(&self) -> bool {
        self.missing() == 0 && self.surplus() == 0
    }

    /// Every event that reached the collectors.
    pub fn received(&self) -> u64 {
        self.confirmed
            + self.removed
            + self.spooled
            + self.quarantined
            + self.discarded
            + self.lost
            + self.dropped.iter().sum::<u64>()
    }
}

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
        self.unreadable.is_empty()
            && self.discrepancies.is_empty()
            && self.days.values().all(ReconciledCounts::is_reconciled)
    }

    /// Compares `days` (days since 1970-01-01) in the store and in the spool in `directory`.
    pub async fn read(
        client: &Client,
        directory: &Path,
        days: RangeInclusive<u16>,
    ) -> Result<Self, ReconcileError> {
        let today = crate::spool::today();
        let first = event_counts(client, &days).await?;
        let before = segment_totals(client, &days).await?;
        let stored = stored_events(client, &days).await?;
        let inventory = if directory.exists() { Some(inspect(directory)?) } else { None };
        let after = segment_totals(client, &days).await?;
        let last = event_counts(client, &days).await?;
        let mut reconciliation = Self::default();
        for (key, outcomes) in &last {
            reconciliation.add_event_counts(key, outcomes, today);
        }
        for (key, sum) in &stored {
            reconciliation.days.entry(key.clone()).or_default().stored = sum.events.unsigned_abs();
        }
        if let Some(inventory) = &inventory {
            reconciliation.add_spool(inventory, &days);
        }
        reconciliation.settle_between_reads(&first);
        let shipping = inventory.as_ref().map(Inventory::shipping).unwrap_or_default();
        let check = DigestCheck { client, before, after, shipping };
        reconciliation.check_digests(&check, &first, &stored).await?;
        if let Some(inventory) = &inventory {
            reconciliation.discrepancies.extend(damaged_segments(inventory, &days));
            reconciliation.discrepancies.extend(lost_segments(client, inventory).await?);
        }
        Ok(reconciliation)
    }

    /// Compares digests where `segments` covers the day, and collects the discrepancies.
    async fn check_digests(
        &mut self,
        check: &DigestCheck<'_>,
        before: &BTreeMap<DaySite, OutcomeCounts>,
        stored: &BTreeMap<DaySite, DigestSum>,
    ) -> Result<(), ReconcileError> {
        let mut covered = BTreeMap::new();
        for (key, counts) in &mut self.days {
            let (confirmed, removed) = before.get(key).map(stored_and_removed).unwrap_or_default();
            if counts.expired {
                continue;
            }
            let actual = stored.get(key).copied().unwrap_or_default();
            if check.covers(key, confirmed, removed) {
                counts.is_checked_by_digest = true;
                covered.insert(key.clone(), actual);
            } else if check.explains_excess(key, actual, confirmed).await? {
                counts.is_checked_by_digest = true;
                counts.confirmed = counts.stored;
            }
        }
        self.discrepancies = check.discrepancies(&covered).await?;
        for (key, counts) in self.days.iter().filter(|(_, counts)| !counts.is_reconciled()) {
            if !self.discrepancies.iter().any(|found| found.is_of(key)) {
                let events = counts.surplus().cast_signed() - counts.missing().cast_signed();
                self.discrepancies.push(Discrepancy::Counted { events, day: key.0, site: key.1.clone() });
            }
        }
        Ok(())
    }

    fn add_event_counts(&mut self, key: &DaySite, outcomes: &OutcomeCounts, today: u16) {
        let counts = self.days.entry(key.clone()).or_default();
        for (outcome, (events, expires)) in outcomes {
            match DropReason::ALL.into_iter().find(|reason| reason.name() == outcome) {
                Some(reason) => counts.dropped[reason as usize] += events,
                None if outcome == STORED => {
                    counts.confirmed += events;
                    counts.expired = *expires < today;
                }
                // Every other outcome counts events that were removed on purpose.
                None => counts.removed += events,
            }
        }
        counts.confirmed = counts.confirmed.saturating_sub(counts.removed);
    }

    fn add_spool(&mut self, inventory: &Inventory, range: &RangeInclusive<u16>) {
        let days = &mut self.days;
        let mut add = |tally: &SegmentCounts, apply: &dyn Fn(&mut ReconciledCounts, u64)| {
            for (site, count) in tally.iter().filter(|(_, count)| range.contains(&count.day)) {
                apply(days.entry((count.day, site.to_owned())).or_default(), count.stored);
            }
        };
        for (place, segment) in inventory.segments.iter().enumerate() {
            add(&segment.counts, &|counts, events| {
                counts.spooled += events;
                counts.shipping += if place == 0 { events } else { 0 };
            });
        }
        let quarantined = || inventory.quarantined.iter().filter_map(|segment| segment.counts.as_ref());
        quarantined().for_each(|tally| add(tally, &|counts, events| counts.quarantined += events));
        inventory.discarded.iter().for_each(|tally| add(tally, &|counts, events| counts.discarded += events));
        let lost = || inventory.lost.iter().map(|loss| &loss.counts);
        lost().for_each(|tally| add(tally, &|counts, events| counts.lost += events));
        let waiting = inventory.segments.iter().map(|segment| &segment.counts);
        let all = waiting.chain(quarantined()).chain(&inventory.discarded).chain(lost());
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

    /// If the stored events lie between the two reads of `event_counts`, they are the confirmed ones.
    fn settle_between_reads(&mut self, before: &BTreeMap<DaySite, OutcomeCounts>) {
        for (key, counts) in &mut self.days {
            let events =
                before.get(key).and_then(|outcomes| outcomes.get(STORED)).map_or(0, |(events, _)| *events);
            let before = events.saturating_sub(counts.removed);
            if (before..counts.confirmed).contains(&counts.stored) {
                counts.confirmed = counts.stored;
            }
        }
    }
}

/// Events stored and removed on purpose.
fn stored_and_removed(outcomes: &OutcomeCounts) -> (u64, u64) {
    let is_dropped = |outcome: &str| DropReason::ALL.into_iter().any(|reason| reason.name() == outcome);
    let sum = |wanted: fn(&str) -> bool| {
        let outcomes = outcomes.iter().filter(|(outcome, _)| wanted(outcome) && !is_dropped(outcome));
        outcomes.map(|(_, (events, _))| events).sum()
    };
    (sum(|outcome| outcome == STORED), sum(|outcome| outcome != STORED))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(stored: u64, confirmed: u64, shipping: u64) -> ReconciledCounts {
        ReconciledCounts { stored, confirmed, shipping, spooled: shipping, ..ReconciledCounts::default() }
    }

    #[test]
    fn events_that_are_confirmed_but_not_stored_are_missing() {
        assert_eq!(counts(9, 10, 0).missing(), 1);
        assert_eq!(ReconciledCounts { expired: true, ..counts(9, 10, 0) }.missing(), 0);
        assert!(counts(10, 10, 0).is_reconciled());
    }

    #[test]
    fn events_beyond_the_confirmed_ones_are_a_surplus_unless_they_are_being_shipped() {
        assert_eq!(counts(11, 10, 0).surplus(), 1);
        assert!(counts(11, 10, 1).is_reconciled());
        assert_eq!(counts(12, 10, 1).surplus(), 1);
    }

    #[test]
    fn counts_that_arrive_while_the_events_are_counted_make_no_difference() {
        let key = (1, "clinic".to_owned());
        let outcomes = |events| OutcomeCounts::from([(STORED.to_owned(), (events, 9))]);
        let mut reconciliation = Reconciliation::default();
        reconciliation.add_event_counts(&key, &outcomes(20), 1);
        reconciliation.days.get_mut(&key).unwrap().stored = 15;
        assert!(!reconciliation.is_reconciled());
        reconciliation.settle_between_reads(&BTreeMap::from([(key.clone(), outcomes(15))]));
        assert!(reconciliation.is_reconciled());
        reconciliation.days.get_mut(&key).unwrap().stored = 9;
        reconciliation.settle_between_reads(&BTreeMap::from([(key, outcomes(10))]));
        assert!(!reconciliation.is_reconciled());
    }

    #[test]
    fn events_that_were_removed_on_purpose_are_not_missing() {
        let key = (1, "clinic".to_owned());
        let outcomes = OutcomeCounts::from([
            (STORED.to_owned(), (20, 9)),
            ("removed".to_owned(), (2, 0)),
            ("bot".to_owned(), (3, 0)),
        ]);
        let mut reconciliation = Reconciliation::default();
        reconciliation.add_event_counts(&key, &outcomes, 1);
        let counts = reconciliation.days.get_mut(&key).unwrap();
        counts.stored = 18;
        assert_eq!((counts.is_reconciled(), counts.received(), counts.dropped), (true, 23, [0, 3, 0]));
    }
}
