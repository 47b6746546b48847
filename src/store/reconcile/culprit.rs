//! Which segments it was: from the difference between what is stored and what was shipped to the segments that make it up.
//!
//! A segment is named only where its fingerprint, alone or with those of others, is exactly the difference. One or two are found by
//! looking their fingerprints up; more by when the store's events were received, and then held against the fingerprint too.

use std::collections::{BTreeMap, HashMap};

use crate::spool::SegmentId;

/// The store's events are counted by this many ms of their time of receipt.
pub(crate) const BUCKET_MS: i64 = 100;
/// Segments among which every combination is tried, in two halves of 3^10 each.
const COMBINED: usize = 20;
/// A segment is taken to be touched when the events of its time differ by this share of the largest difference: neighbours differ
/// a little, since their times overlap.
const TOUCHED: f64 = 0.5;

/// Words of 64 sums that are looked at to tell whether a number is the sum of some segments, a quarter of a second's work: 10,000
/// segments and a million events. What is beyond counts as none.
const MAX_WORDS: usize = 1 << 28;

/// A number of events and their fingerprint; both may be negative, modulo 2^64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Sum {
    pub(crate) events: i64,
    pub(crate) fingerprint: u64,
}

impl Sum {
    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            events: self.events.wrapping_add(other.events),
            fingerprint: self.fingerprint.wrapping_add(other.fingerprint),
        }
    }

    pub(crate) fn minus(self, other: Self) -> Self {
        Self {
            events: self.events.wrapping_sub(other.events),
            fingerprint: self.fingerprint.wrapping_sub(other.fingerprint),
        }
    }

    fn times(self, times: i64) -> Self {
        Self {
            events: self.events.wrapping_mul(times),
            fingerprint: self.fingerprint.wrapping_mul(times.cast_unsigned()),
        }
    }
}

/// What one segment brought to a day and site.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shipped {
    pub(crate) name: SegmentId,
    pub(crate) sum: Sum,
    /// Unix ms of receipt.
    pub(crate) first: i64,
    pub(crate) last: i64,
}

/// A segment, and how many times it is there too often: −1 when it is missing.
pub(crate) type Culprit = (Shipped, i64);

/// One or two segments that are missing or doubled.
pub(crate) fn one_or_two(segments: &[Shipped], difference: Sum) -> Option<Vec<Culprit>> {
    let known: HashMap<Sum, usize> =
        segments.iter().enumerate().map(|(at, segment)| (segment.sum, at)).collect();
    let find = |wanted: Sum| {
        let times = |times| known.get(&wanted.times(times)).map(|&at| (at, times));
        times(-1).or_else(|| times(1))
    };
    if let Some((at, times)) = find(difference) {
        return Some(vec![(segments[at], times)]);
    }
    for (at, segment) in segments.iter().enumerate() {
        for times in [-1, 1] {
            let rest = difference.minus(segment.sum.times(times));
            if let Some((other, others)) = find(rest).filter(|(other, _)| *other != at) {
                return Some(vec![(*segment, times), (segments[other], others)]);
            }
        }
    }
    None
}

/// Whether a number of events is that of some segments together, each taken once at most.
pub(crate) fn is_sum_of_some(sizes: &[u64], wanted: u64) -> bool {
    let Ok(wanted) = usize::try_from(wanted) else { return false };
    let words = wanted / 64 + 1;
    if words.saturating_mul(sizes.len()) > MAX_WORDS {
        return false;
    }
    // A bit for each sum that can be had so far.
    let mut sums = vec![0_u64; words];
    sums[0] = 1;
    for size in sizes.iter().filter_map(|size| usize::try_from(*size).ok()).filter(|size| *size <= wanted) {
        let (whole, bits) = (size / 64, size % 64);
        for word in (whole..words).rev() {
            let below = if bits > 0 && word > whole { sums[word - whole - 1] >> (64 - bits) } else { 0 };
            // Downwards, so that none is taken twice; a size of 0 changes nothing.
            sums[word] |= sums[word - whole] << bits | below;
        }
    }
    sums[wanted / 64] >> (wanted % 64) & 1 == 1
}

/// How far the store's events received in a segment's time are from what was shipped in it, in events.
pub(crate) fn deviations(segments: &[Shipped], stored: &BTreeMap<i64, u64>) -> Vec<f64> {
    let begin = segments.iter().map(|segment| bucket(segment.first)).min().unwrap_or(0);
    let end = segments.iter().map(|segment| bucket(segment.last)).max().unwrap_or(0) + 1;
    let length = usize::try_from(end - begin).unwrap_or(0);
    let place = |bucket: i64| usize::try_from((bucket - begin).clamp(0, end - begin)).unwrap_or(0);
    // What each bucket should have and has; then the sums up to each bucket.
    let mut expected = vec![0.0; length + 1];
    for segment in segments {
        let (from, to) = (place(bucket(segment.first)), place(bucket(segment.last) + 1));
        let share = segment.sum.events as f64 / (to - from).max(1) as f64;
        expected[from..to].iter_mut().for_each(|events| *events += share);
    }
    let mut actual = vec![0.0; length + 1];
    for (at, events) in stored.range(begin..end) {
        actual[place(*at)] += *events as f64;
    }
    let mut sum = 0.0;
    let sums: Vec<f64> = std::iter::once(0.0)
        .chain(actual.iter().zip(&expected).map(|(actual, expected)| {
            sum += actual - expected;
            sum
        }))
        .collect();
    segments
        .iter()
        .map(|segment| sums[place(bucket(segment.last) + 1)] - sums[place(bucket(segment.first))])
        .collect()
}

/// Any number of segments, each missing or too often by as much as its time says, if their fingerprints agree.
pub(crate) fn by_time(segments: &[Shipped], deviations: &[f64], difference: Sum) -> Option<Vec<Culprit>> {
    let rounded: Vec<Culprit> = segments
        .iter()
        .zip(deviations)
        .filter(|(segment, _)| segment.sum.events > 0)
        .map(|(segment, deviation)| (*segment, (deviation / segment.sum.events as f64).round() as i64))
        .filter(|(_, times)| *times != 0)
        .collect();
    let sum =
        rounded.iter().fold(Sum::default(), |sum, (segment, times)| sum.plus(segment.sum.times(*times)));
    if sum == difference {
        return Some(rounded);
    }
    let mut order: Vec<usize> = (0..segments.len()).collect();
    order.sort_by(|one, other| deviations[*other].abs().total_cmp(&deviations[*one].abs()));
    let likely: Vec<Shipped> = order.into_iter().take(COMBINED).map(|at| segments[at]).collect();
    combination(&likely, difference)
}

/// Tries every combination of missing, there and doubled, in two halves that meet.
fn combination(segments: &[Shipped], difference: Sum) -> Option<Vec<Culprit>> {
    let (one, other) = segments.split_at(segments.len() / 2);
    let sums: HashMap<Sum, usize> = combinations(one).enumerate().map(|(at, sum)| (sum, at)).collect();
    let (code, at) = combinations(other)
        .enumerate()
        .find_map(|(code, sum)| sums.get(&difference.minus(sum)).map(|at| (code, *at)))?;
    let culprits = |segments: &[Shipped], mut code: usize| -> Vec<Culprit> {
        let times = segments.iter().map(|segment| {
            let times = code as i64 % 3 - 1;
            code /= 3;
            (*segment, times)
        });
        times.filter(|(_, times)| *times != 0).collect()
    };
    Some([culprits(one, at), culprits(other, code)].concat())
}

/// The sum of each combination; the digits of its place, to the base 3, say what each segment is taken times, plus one.
fn combinations(segments: &[Shipped]) -> impl Iterator<Item = Sum> {
    let mut sums = vec![Sum::default()];
    for segment in segments {
        let sum = segment.sum;
        let each = |times| sums.iter().map(move |before: &Sum| before.plus(sum.times(times)));
        sums = each(-1).chain(each(0)).chain(each(1)).collect();
    }
    sums.into_iter()
}

/// The first and the last segment in whose time most events are missing, or too many where `difference` says so.
pub(crate) fn touched(
    segments: &[Shipped],
    deviations: &[f64],
    difference: Sum,
) -> Option<(SegmentId, SegmentId)> {
    let sign = if difference.events < 0 { -1.0 } else { 1.0 };
    let largest = deviations.iter().map(|deviation| deviation * sign).fold(0.0, f64::max);
    let touched = |(_, deviation): &(&Shipped, &f64)| {
        difference.events != 0 && largest > 0.0 && **deviation * sign >= largest * TOUCHED
    };
    let mut names: Vec<_> =
        segments.iter().zip(deviations).filter(touched).map(|(segment, _)| segment.name).collect();
    if names.is_empty() {
        names = segments.iter().map(|segment| segment.name).collect();
    }
    names.sort_by_key(|name| (name.number, name.collector));
    Some((*names.first()?, *names.last()?))
}

fn bucket(time: i64) -> i64 {
    time.div_euclid(BUCKET_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Forty segments of two seconds each; the times of neighbours overlap, as they do under load.
    fn segments() -> Vec<Shipped> {
        let segment = |number: u64| Shipped {
            name: SegmentId { collector: 1, number },
            sum: Sum {
                events: 1000 + (number % 3).cast_signed(),
                fingerprint: crate::spool::fingerprint(number, 0),
            },
            first: number.cast_signed() * 2000 - 30,
            last: number.cast_signed() * 2000 + 2030,
        };
        (1..41).map(segment).collect()
    }

    fn stored(segments: &[Shipped], times: impl Fn(u64) -> u64) -> (Sum, BTreeMap<i64, u64>) {
        let (mut sum, mut buckets) = (Sum::default(), BTreeMap::new());
        for segment in segments {
            let times = times(segment.name.number);
            sum = sum.plus(segment.sum.times(times.cast_signed() - 1));
            for event in 0..segment.sum.events.cast_unsigned() * times {
                let span = (segment.last - segment.first).cast_unsigned();
                let time = segment.first + (event * 7919 % span).cast_signed();
                *buckets.entry(bucket(time)).or_default() += 1;
            }
        }
        (sum, buckets)
    }

    fn names(culprits: Option<Vec<Culprit>>) -> Option<Vec<(u64, i64)>> {
        let mut names: Vec<_> =
            culprits?.iter().map(|(segment, times)| (segment.name.number, *times)).collect();
        names.sort_unstable();
        Some(names)
    }

    #[test]
    fn one_or_two_segments_are_found_by_their_fingerprints() {
        let segments = segments();
        let of = |times: &dyn Fn(u64) -> u64| stored(&segments, times).0;
        assert_eq!(names(one_or_two(&segments, of(&|number| u64::from(number != 7)))), Some(vec![(7, -1)]));
        assert_eq!(
            names(one_or_two(&segments, of(&|number| 1 + u64::from(number == 7)))),
            Some(vec![(7, 1)])
        );
        // The two have the same number of events: by counting alone nothing is wrong.
        let swapped = of(&|number| if number == 6 { 0 } else { 1 + u64::from(number == 9) });
        assert_eq!(swapped.events, 0);
        assert_eq!(names(one_or_two(&segments, swapped)), Some(vec![(6, -1), (9, 1)]));
        let three = of(&|number| u64::from(![3, 4, 5].contains(&number)));
        assert_eq!(names(one_or_two(&segments, three)), None);
    }

    #[test]
    fn a_number_is_a_sum_of_segments_that_are_each_taken_once() {
        let sizes = [3, 70, 128, 200];
        let sums: Vec<u64> = (0..16_u64)
            .map(|taken| sizes.iter().enumerate().map(|(at, size)| size * (taken >> at & 1)).sum())
            .collect();
        for wanted in 0..500 {
            assert_eq!(is_sum_of_some(&sizes, wanted), sums.contains(&wanted), "{wanted}");
        }
        assert!(!is_sum_of_some(&[1; 10], u64::MAX), "more than is looked at");
    }

    #[test]
    fn any_number_of_segments_is_found_by_their_times() {
        let segments = segments();
        for (missing, doubled) in [(3..6, 20..22), (1..31, 0..0), (1..41, 0..0), (9..9, 10..17)] {
            let times =
                |number| if missing.contains(&number) { 0 } else { 1 + u64::from(doubled.contains(&number)) };
            let (difference, stored) = stored(&segments, times);
            let found = names(by_time(&segments, &deviations(&segments, &stored), difference));
            let right: Vec<_> = missing.clone().map(|it| (it, -1)).chain(doubled.map(|it| (it, 1))).collect();
            assert_eq!(found, Some(right));
        }
    }

    #[test]
    fn a_part_of_a_segment_is_no_segment_but_its_time_is_known() {
        let segments = segments();
        let (difference, mut stored) = stored(&segments, |_| 1);
        for at in 0..5 {
            stored.entry(bucket(12 * 2000 + 500 + at * BUCKET_MS)).and_modify(|events| *events -= 40);
        }
        let difference = difference.plus(Sum { events: -200, fingerprint: 12345 });
        let deviations = deviations(&segments, &stored);
        assert_eq!(names(one_or_two(&segments, difference)), None);
        assert_eq!(names(by_time(&segments, &deviations, difference)), None);
        let (from, to) = touched(&segments, &deviations, difference).unwrap();
        assert_eq!((from.number, to.number), (12, 12));
    }
}
