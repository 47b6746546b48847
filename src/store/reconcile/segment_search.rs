//! Finds the segments that explain a difference between what is stored and what was shipped.
//!
//! A segment is named only if its digest, alone or added to those of others, is exactly the difference. One or two segments are found
//! by looking their digests up. More are found by the times at which the stored events were received, and then checked
//! against the digest.

use std::collections::{BTreeMap, HashMap};

use super::digest_sum::{DigestSum, ShippedSegment};
use crate::spool::SegmentId;

/// Width in ms of the time buckets in which the store's events are counted by their time of receipt.
pub(super) const BUCKET_MS: i64 = 100;
/// Among so many segments every combination is tried: two halves of 3^10 combinations each.
const COMBINED: usize = 20;
/// A segment counts as affected when its deviation is at least this share of the largest one. Neighbours deviate a little, because
/// their times overlap.
const AFFECTED: f64 = 0.5;

/// Most words of 64 sums that are examined to find whether a number is the sum of some segments: 10,000 segments and a million
/// events, a quarter of a second. Beyond it the answer is no.
const MAX_WORDS: usize = 1 << 28;

/// A segment and how many times too often it is stored; −1 means that it is missing.
pub(super) type SegmentFault = (ShippedSegment, i64);

/// One or two missing or doubled segments whose digests explain the difference.
pub(super) fn one_or_two(segments: &[ShippedSegment], difference: DigestSum) -> Option<Vec<SegmentFault>> {
    let known: HashMap<DigestSum, usize> =
        segments.iter().enumerate().map(|(at, segment)| (segment.sum, at)).collect();
    let find = |wanted: DigestSum| {
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

/// Whether `wanted` is the sum of some of the sizes, each taken at most once.
pub(super) fn is_sum_of_some(sizes: &[u64], wanted: u64) -> bool {
    let Ok(wanted) = usize::try_from(wanted) else { return false };
    let words = wanted / 64 + 1;
    if words.saturating_mul(sizes.len()) > MAX_WORDS {
        return false;
    }
    // One bit for each sum that is possible with the sizes so far.
    let mut sums = vec![0_u64; words];
    sums[0] = 1;
    for size in sizes.iter().filter_map(|size| usize::try_from(*size).ok()).filter(|size| *size <= wanted) {
        let (whole, bits) = (size / 64, size % 64);
        for word in (whole..words).rev() {
            let below = if bits > 0 && word > whole { sums[word - whole - 1] >> (64 - bits) } else { 0 };
            // Downwards, so that no size is added twice. A size of 0 changes nothing.
            sums[word] |= sums[word - whole] << bits | below;
        }
    }
    sums[wanted / 64] >> (wanted % 64) & 1 == 1
}

/// For each segment, how many events more than were shipped the store received in the segment's time. Negative: fewer.
pub(super) fn deviations(segments: &[ShippedSegment], stored: &BTreeMap<i64, u64>) -> Vec<f64> {
    let begin = segments.iter().map(|segment| bucket(segment.first)).min().unwrap_or(0);
    let end = segments.iter().map(|segment| bucket(segment.last)).max().unwrap_or(0) + 1;
    let length = usize::try_from(end - begin).unwrap_or(0);
    let place = |bucket: i64| usize::try_from((bucket - begin).clamp(0, end - begin)).unwrap_or(0);
    // Expected and actual events of each bucket, then the sums of their differences up to each bucket.
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

/// Any number of missing or doubled segments, as their deviations suggest, if their digests explain the difference.
pub(super) fn by_time(
    segments: &[ShippedSegment],
    deviations: &[f64],
    difference: DigestSum,
) -> Option<Vec<SegmentFault>> {
    let rounded: Vec<SegmentFault> = segments
        .iter()
        .zip(deviations)
        .filter(|(segment, _)| segment.sum.events > 0)
        .map(|(segment, deviation)| (*segment, (deviation / segment.sum.events as f64).round() as i64))
        .filter(|(_, times)| *times != 0)
        .collect();
    let sum = rounded
        .iter()
        .fold(DigestSum::default(), |sum, (segment, times)| sum.plus(segment.sum.times(*times)));
    if sum == difference {
        return Some(rounded);
    }
    let mut order: Vec<usize> = (0..segments.len()).collect();
    order.sort_by(|one, other| deviations[*other].abs().total_cmp(&deviations[*one].abs()));
    let likely: Vec<ShippedSegment> = order.into_iter().take(COMBINED).map(|at| segments[at]).collect();
    combination(&likely, difference)
}

/// Tries every combination of missing, present and doubled segments: all sums of one half are looked up in those of the other.
fn combination(segments: &[ShippedSegment], difference: DigestSum) -> Option<Vec<SegmentFault>> {
    let (one, other) = segments.split_at(segments.len() / 2);
    let sums: HashMap<DigestSum, usize> = combinations(one).enumerate().map(|(at, sum)| (sum, at)).collect();
    let (code, at) = combinations(other)
        .enumerate()
        .find_map(|(code, sum)| sums.get(&difference.minus(sum)).map(|at| (code, *at)))?;
    let faults = |segments: &[ShippedSegment], mut code: usize| -> Vec<SegmentFault> {
        let times = segments.iter().map(|segment| {
            let times = code as i64 % 3 - 1;
            code /= 3;
            (*segment, times)
        });
        times.filter(|(_, times)| *times != 0).collect()
    };
    Some([faults(one, at), faults(other, code)].concat())
}

/// The sum of each combination. Its index in base 3 has a digit for each segment: 0 missing, 1 present, 2 doubled.
fn combinations(segments: &[ShippedSegment]) -> impl Iterator<Item = DigestSum> {
    let mut sums = vec![DigestSum::default()];
    for segment in segments {
        let sum = segment.sum;
        let each = |times| sums.iter().map(move |before: &DigestSum| before.plus(sum.times(times)));
        sums = each(-1).chain(each(0)).chain(each(1)).collect();
    }
    sums.into_iter()
}

/// The first and the last segment whose time has the largest deviation in the direction of `difference`.
pub(super) fn affected(
    segments: &[ShippedSegment],
    deviations: &[f64],
    difference: DigestSum,
) -> Option<(SegmentId, SegmentId)> {
    let sign = if difference.events < 0 { -1.0 } else { 1.0 };
    let largest = deviations.iter().map(|deviation| deviation * sign).fold(0.0, f64::max);
    let is_affected = |(_, deviation): &(&ShippedSegment, &f64)| {
        difference.events != 0 && largest > 0.0 && **deviation * sign >= largest * AFFECTED
    };
    let mut names: Vec<_> =
        segments.iter().zip(deviations).filter(is_affected).map(|(segment, _)| segment.id).collect();
    if names.is_empty() {
        names = segments.iter().map(|segment| segment.id).collect();
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
    fn segments() -> Vec<ShippedSegment> {
        let segment = |number: u64| ShippedSegment {
            id: SegmentId { collector: 1, number },
            sum: DigestSum {
                events: 1000 + (number % 3).cast_signed(),
                digest: crate::spool::fingerprint(number, 0),
            },
            first: number.cast_signed() * 2000 - 30,
            last: number.cast_signed() * 2000 + 2030,
        };
        (1..41).map(segment).collect()
    }

    fn stored(segments: &[ShippedSegment], times: impl Fn(u64) -> u64) -> (DigestSum, BTreeMap<i64, u64>) {
        let (mut sum, mut buckets) = (DigestSum::default(), BTreeMap::new());
        for segment in segments {
            let times = times(segment.id.number);
            sum = sum.plus(segment.sum.times(times.cast_signed() - 1));
            for event in 0..segment.sum.events.cast_unsigned() * times {
                let span = (segment.last - segment.first).cast_unsigned();
                let time = segment.first + (event * 7919 % span).cast_signed();
                *buckets.entry(bucket(time)).or_default() += 1;
            }
        }
        (sum, buckets)
    }

    fn names(faults: Option<Vec<SegmentFault>>) -> Option<Vec<(u64, i64)>> {
        let mut names: Vec<_> = faults?.iter().map(|(segment, times)| (segment.id.number, *times)).collect();
        names.sort_unstable();
        Some(names)
    }

    #[test]
    fn one_or_two_segments_are_found_by_their_digests() {
        let segments = segments();
        let of = |times: &dyn Fn(u64) -> u64| stored(&segments, times).0;
        assert_eq!(names(one_or_two(&segments, of(&|number| u64::from(number != 7)))), Some(vec![(7, -1)]));
        assert_eq!(
            names(one_or_two(&segments, of(&|number| 1 + u64::from(number == 7)))),
            Some(vec![(7, 1)])
        );
        // Both have the same number of events, so the counts agree.
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
        assert!(!is_sum_of_some(&[1; 10], u64::MAX), "more than is examined");
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
    fn an_incomplete_segment_is_found_by_its_time() {
        let segments = segments();
        let (difference, mut stored) = stored(&segments, |_| 1);
        for at in 0..5 {
            stored.entry(bucket(12 * 2000 + 500 + at * BUCKET_MS)).and_modify(|events| *events -= 40);
        }
        let difference = difference.plus(DigestSum { events: -200, digest: 12345 });
        let deviations = deviations(&segments, &stored);
        assert_eq!(names(one_or_two(&segments, difference)), None);
        assert_eq!(names(by_time(&segments, &deviations, difference)), None);
        let (from, to) = affected(&segments, &deviations, difference).unwrap();
        assert_eq!((from.number, to.number), (12, 12));
    }
}
