//! The parts of days that a store has. A demonstration that runs again adds only the missing ones.
//!
//! Each batch of rows stands for a segment. The number of the segment says what the batch holds:
//!
//! | bits | meaning |
//! |---|---|
//! | 15 | a hash of the seed, the number of visitors and the time zone |
//! | 16 | the day, since 1970-01-01 |
//! | 17 | the second of the day before which its events lie; the largest number stands for the end of the day |
//! | 16 | the number of the batch within this part of the day |
//!
//! A day that was not over when it was written gets a further part later. The same seed makes the same events, so the parts of a day have
//! each event once. Days are written one after another, and a batch is recorded after it was inserted. So after an interruption only the
//! day that was written last can lack a batch.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Range, RangeInclusive};

use jiff::civil::Date;

use crate::demo::draw::mix;
use crate::store::dates::{day_date, day_number};

/// A part of a day, in seconds since its beginning.
pub(crate) type SecondsOfDay = Range<u32>;

/// The end of every day: no day has so many seconds.
pub(crate) const WHOLE_DAY: u32 = (1 << UNTIL_BITS) - 1;

const DAY_BITS: u32 = 16;
const UNTIL_BITS: u32 = 17;
const NUMBER_BITS: u32 = 16;
/// Bits of the hash of what the traffic is made from.
const ORIGIN_BITS: u32 = 64 - DAY_BITS - UNTIL_BITS - NUMBER_BITS;

/// What the traffic is made from, as a number of 15 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Origin(u64);

impl Origin {
    pub(super) fn new(seed: u64, visitors: u32, zone: &str) -> Self {
        let zone = zone.bytes().fold(0, |hash, byte| mix(hash, byte.into()));
        Self(mix(mix(seed, visitors.into()), zone) >> (64 - ORIGIN_BITS))
    }
}

/// A part of a day that is to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DayPart {
    pub(super) date: Date,
    pub(super) seconds: SecondsOfDay,
    /// The number of the segment of its first batch; the others follow.
    pub(super) first_segment: u64,
    /// Segments that the store has already.
    pub(super) stored: BTreeSet<u64>,
}

/// The segments of earlier demonstrations in a store, by day and by the end of the part.
#[derive(Debug, Default)]
pub(super) struct StoredParts(BTreeMap<u16, BTreeMap<(u32, Origin), BTreeSet<u64>>>);

impl StoredParts {
    pub(super) fn new(segments: impl IntoIterator<Item = u64>) -> Self {
        let mut days = Self::default();
        for segment in segments {
            let bits = |shift: u32, count: u32| (segment >> shift) & ((1 << count) - 1);
            let until = bits(NUMBER_BITS, UNTIL_BITS) as u32;
            let day = bits(NUMBER_BITS + UNTIL_BITS, DAY_BITS) as u16;
            let origin = Origin(segment >> (64 - ORIGIN_BITS));
            days.0.entry(day).or_default().entry((until, origin)).or_default().insert(segment);
        }
        days
    }

    /// What the store lacks of `days`, of which the last one ends at second `now`. The days before those that are there come last, and
    /// backwards.
    pub(super) fn missing(&self, days: RangeInclusive<Date>, now: u32, origin: Origin) -> Vec<DayPart> {
        let numbers = day_number(*days.start()).zip(day_number(*days.end()));
        let Some((first, today)) = numbers else { return Vec::new() };
        let known = self.0.first_key_value().map_or(first, |(known, _)| *known).clamp(first, today);
        let in_order = (known..=today).chain((first..known).rev());
        let until = |day| if day == today { now } else { WHOLE_DAY };
        in_order.flat_map(|day| self.missing_of(day, until(day), origin)).collect()
    }

    fn missing_of(&self, day: u16, end: u32, origin: Origin) -> Vec<DayPart> {
        let part = |seconds: SecondsOfDay, stored: BTreeSet<u64>| {
            let shifts = [
                (origin.0, 64 - ORIGIN_BITS),
                (day.into(), NUMBER_BITS + UNTIL_BITS),
                (seconds.end.into(), NUMBER_BITS),
            ];
            let first_segment = shifts.iter().map(|(number, shift)| number << shift).sum();
            DayPart { date: day_date(day), seconds, first_segment, stored }
        };
        let is_last_written = [self.0.first_key_value(), self.0.last_key_value()]
            .iter()
            .any(|edge| edge.is_some_and(|(known, _)| *known == day));
        let mut parts = Vec::new();
        let mut from = 0;
        for (&(until, by), stored) in self.0.get(&day).into_iter().flatten() {
            if is_last_written && by == origin {
                parts.push(part(from..until, stored.clone()));
            }
            from = until;
        }
        if from < end {
            parts.push(part(from..end, BTreeSet::new()));
        }
        parts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORIGIN: Origin = Origin(7);

    fn days(from: i8, to: i8) -> RangeInclusive<Date> {
        jiff::civil::date(2026, 11, from)..=jiff::civil::date(2026, 11, to)
    }

    fn written(parts: &[DayPart]) -> Vec<(i8, SecondsOfDay, usize)> {
        parts.iter().map(|part| (part.date.day(), part.seconds.clone(), part.stored.len())).collect()
    }

    /// What is stored once these parts have been written, each in two batches.
    fn stored(parts: &[DayPart]) -> Vec<u64> {
        parts.iter().flat_map(|part| [part.first_segment, part.first_segment + 1]).collect()
    }

    #[test]
    fn a_second_run_completes_the_last_day_and_adds_the_days_since() {
        let first = StoredParts::default().missing(days(1, 3), 40_000, ORIGIN);
        assert_eq!(written(&first), [(1, 0..WHOLE_DAY, 0), (2, 0..WHOLE_DAY, 0), (3, 0..40_000, 0)]);
        let mut segments = stored(&first);
        let again = StoredParts::new(segments.clone()).missing(days(1, 3), 40_000, ORIGIN);
        assert_eq!(
            written(&again),
            [(1, 0..WHOLE_DAY, 2), (3, 0..40_000, 2)],
            "both edges are looked at again"
        );
        let later = StoredParts::new(segments.clone()).missing(days(2, 5), 50, ORIGIN);
        let expected = [(3, 0..40_000, 2), (3, 40_000..WHOLE_DAY, 0), (4, 0..WHOLE_DAY, 0), (5, 0..50, 0)];
        assert_eq!(written(&later), expected);
        segments.extend(stored(&later));
        let last = StoredParts::new(segments).missing(days(5, 5), 60, ORIGIN);
        assert_eq!(written(&last), [(5, 0..50, 2), (5, 50..60, 0)]);
    }

    #[test]
    fn what_another_seed_wrote_is_left_alone_and_not_written_again() {
        let first = StoredParts::default().missing(days(2, 3), 40_000, Origin(1));
        let parts = StoredParts::new(stored(&first));
        let other = parts.missing(days(2, 3), 40_010, Origin(2));
        assert_eq!(written(&other), [(3, 40_000..40_010, 0)]);
        let earlier = parts.missing(days(1, 3), 40_000, Origin(2));
        assert_eq!(written(&earlier), [(1, 0..WHOLE_DAY, 0)]);
    }

    #[test]
    fn after_an_interruption_the_batches_that_are_missing_are_written() {
        let first = StoredParts::default().missing(days(1, 3), 40_000, ORIGIN);
        let interrupted = StoredParts::new(stored(&first).into_iter().take(3));
        let again = interrupted.missing(days(1, 3), 41_000, ORIGIN);
        assert_eq!(written(&again), [(1, 0..WHOLE_DAY, 2), (2, 0..WHOLE_DAY, 1), (3, 0..41_000, 0)]);
        // Of days before those that were there, the earliest was written last.
        let earlier = StoredParts::new(stored(&first)).missing(days(1, 3), 40_000, ORIGIN);
        assert_eq!(earlier.len(), 2);
        let from_later = StoredParts::new(stored(&StoredParts::default().missing(days(3, 3), 9, ORIGIN)));
        assert_eq!(
            written(&from_later.missing(days(1, 3), 9, ORIGIN)),
            [(3, 0..9, 2), (2, 0..WHOLE_DAY, 0), (1, 0..WHOLE_DAY, 0)]
        );
    }

    #[test]
    fn origins_differ_by_seed_visitors_and_zone() {
        let all = [(1, 2_000, "UTC"), (2, 2_000, "UTC"), (1, 2_001, "UTC"), (1, 2_000, "Europe/Moscow")]
            .map(|(seed, visitors, zone)| Origin::new(seed, visitors, zone));
        let different: BTreeSet<_> = all.iter().collect();
        assert_eq!(different.len(), 4);
    }
}
