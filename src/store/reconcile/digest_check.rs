//! Compares the digests of `segments` with the stored events, for each day and site.
//!
//! Segments arrive meanwhile. `segments` is read before the events and after them. So the store must have the events that were
//! shipped before, plus the first few of each collector's segments that arrived between the two reads, in the order of
//! their numbers, with or without the segment that this machine's collector is sending now. If no such combination matches,
//! [`segment_search`] finds the segments at fault.

use std::collections::{BTreeMap, HashSet};

use super::digest_sum::{DigestSum, SegmentTotals, ShippedSegment};
use super::discrepancy::Discrepancy;
use super::queries::{DaySite, ReconcileError, covers_whole_day, events_by_time, shipped_segments};
use super::segment_search::{self, SegmentFault};
use crate::spool::{SegmentDigests, SegmentId};
use crate::store::Client;

/// For so many days and sites the segments are named. For further ones only numbers are reported.
const MAX_NAMED: usize = 32;
/// Most segments of a collector that may arrive between the first and the last query.
const MAX_BETWEEN: usize = 64;
/// Most combinations of segments that may have been on their way. Beyond it the caller reads again.
const MAX_CHOICES: usize = 20_000;

/// What was read before and after the stored events were counted.
pub(super) struct DigestCheck<'a> {
    pub(super) client: &'a Client,
    pub(super) before: BTreeMap<DaySite, SegmentTotals>,
    pub(super) after: BTreeMap<DaySite, SegmentTotals>,
    /// Segments that this machine's collector may be sending now.
    pub(super) shipping: Vec<(SegmentId, SegmentDigests)>,
}

impl DigestCheck<'_> {
    /// Whether `segments` has all events of a day and site that `event_counts` had: `stored` and `removed` ones.
    pub(super) fn covers(&self, key: &DaySite, stored: u64, removed: u64) -> bool {
        let totals = self.after.get(key).copied().unwrap_or_default();
        totals.shipped.events >= stored.cast_signed() && totals.removed.events >= removed.cast_signed()
    }

    /// Whether the stored events of a day and site are exactly those of `segments`, although `event_counts` counts more.
    ///
    /// A store that forgets a token in a power cut adds a segment's counts twice. Then the excess is the sum of some segments' counts. If
    /// `segments` does not cover the whole day, the excess may be lost events instead, and the answer is no.
    pub(super) async fn explains_excess(
        &self,
        key: &DaySite,
        actual: DigestSum,
        confirmed: u64,
    ) -> Result<bool, ReconcileError> {
        let totals = |totals: &BTreeMap<DaySite, SegmentTotals>| totals.get(key).copied().unwrap_or_default();
        let (before, after) = (totals(&self.before), totals(&self.after));
        if after.shipped.events == 0 {
            return Ok(false);
        }
        let segments = shipped_segments(self.client, key).await?;
        let matches = [before.expected(), after.expected()].contains(&actual)
            || self.choices(key, &segments, before, after).contains(&actual);
        let excess = confirmed.saturating_sub(before.shipped.events.unsigned_abs());
        let sizes: Vec<_> = segments.iter().map(|segment| segment.sum.events.unsigned_abs()).collect();
        Ok(matches
            && segment_search::is_sum_of_some(&sizes, excess)
            && covers_whole_day(self.client, key.0).await?)
    }

    pub(super) async fn discrepancies(
        &self,
        stored: &BTreeMap<DaySite, DigestSum>,
    ) -> Result<Vec<Discrepancy>, ReconcileError> {
        let mut discrepancies = Vec::new();
        let mut named = 0;
        for (key, actual) in stored {
            let totals =
                |totals: &BTreeMap<DaySite, SegmentTotals>| totals.get(key).copied().unwrap_or_default();
            let (before, after) = (totals(&self.before), totals(&self.after));
            if [before.expected(), after.expected()].contains(actual) {
                continue;
            }
            named += 1;
            if named > MAX_NAMED {
                discrepancies.push(unnamed(key, actual.minus(after.expected()), None));
                continue;
            }
            let segments = shipped_segments(self.client, key).await?;
            let expected = self.choices(key, &segments, before, after);
            if !expected.contains(actual) {
                discrepancies.extend(self.explain(key, &segments, *actual, &expected).await?);
            }
        }
        Ok(discrepancies)
    }

    /// Every sum that the store may have of a day and site, the most likely first.
    fn choices(
        &self,
        key: &DaySite,
        segments: &[ShippedSegment],
        before: SegmentTotals,
        after: SegmentTotals,
    ) -> Vec<DigestSum> {
        let all = segments.iter().fold(DigestSum::default(), |sum, segment| sum.plus(segment.sum));
        let between = all.events - before.shipped.events;
        let mut choices = vec![all.minus(after.removed)];
        let mut collectors: BTreeMap<u64, Vec<&ShippedSegment>> = BTreeMap::new();
        for segment in segments {
            collectors.entry(segment.id.collector).or_default().push(segment);
        }
        for segments in collectors.values_mut() {
            segments.sort_by_key(|segment| std::cmp::Reverse(segment.id.number));
            let mut suffix = DigestSum::default();
            let known = choices.clone();
            for segment in segments.iter().take(MAX_BETWEEN) {
                suffix = suffix.plus(segment.sum);
                if suffix.events > between || choices.len() > MAX_CHOICES {
                    break;
                }
                choices.extend(known.iter().map(|choice| choice.minus(suffix)));
            }
        }
        let known: HashSet<SegmentId> = segments.iter().map(|segment| segment.id).collect();
        for (name, prints) in &self.shipping {
            if let Some(print) = prints.get(key.0, &key.1).filter(|_| !known.contains(name)) {
                let sum = DigestSum { events: print.events.cast_signed(), digest: print.fingerprint };
                choices.extend(choices.clone().into_iter().map(|choice| choice.plus(sum)));
            }
        }
        choices
    }

    /// The discrepancies of a day and site that has `actual` events instead of one of the `expected` sums.
    async fn explain(
        &self,
        key: &DaySite,
        segments: &[ShippedSegment],
        actual: DigestSum,
        expected: &[DigestSum],
    ) -> Result<Vec<Discrepancy>, ReconcileError> {
        let mut found = expected
            .iter()
            .take(MAX_BETWEEN)
            .find_map(|choice| segment_search::one_or_two(segments, actual.minus(*choice)));
        let difference = actual.minus(expected[0]);
        if found.is_none() {
            let stored = events_by_time(self.client, key).await?;
            let deviations = segment_search::deviations(segments, &stored);
            found = segment_search::by_time(segments, &deviations, difference);
            if found.is_none() {
                let range = segment_search::affected(segments, &deviations, difference);
                return Ok(vec![unnamed(key, difference, range)]);
            }
        }
        let mut found = found.unwrap_or_default();
        found.sort_by_key(|(segment, _)| (segment.id.number, segment.id.collector));
        Ok(found.into_iter().map(|fault| named(key, fault)).collect())
    }
}

fn named((day, site): &DaySite, (segment, times): SegmentFault) -> Discrepancy {
    let events = segment.sum.events.unsigned_abs() * times.unsigned_abs();
    let (segment, day, site) = (segment.id.to_string(), *day, site.clone());
    if times < 0 {
        Discrepancy::Missing { segment, events, day, site }
    } else {
        Discrepancy::Doubled { segment, events, day, site }
    }
}

fn unnamed(
    (day, site): &DaySite,
    difference: DigestSum,
    range: Option<(SegmentId, SegmentId)>,
) -> Discrepancy {
    let text = |name: Option<SegmentId>| name.map_or_else(|| "?".to_owned(), |name| name.to_string());
    let (from, to) = (text(range.map(|it| it.0)), text(range.map(|it| it.1)));
    Discrepancy::Events { events: difference.events, from, to, day: *day, site: site.clone() }
}
