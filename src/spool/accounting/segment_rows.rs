//! The account of a shipped segment, as rows for the store: how many events it has, by day of receipt, site and outcome.

use super::counts::SegmentCounts;
use crate::event::{UnixSeconds, row_binary};
use crate::spool::log::segment::SegmentId;

/// Columns of the rows that [`encode_segment_rows`] writes, in their order.
pub(crate) const SEGMENT_COLUMNS: &[&str] =
    &["day", "site", "collector", "segment", "part", "outcome", "events", "expires"];

/// Encodes the counts in RowBinary: one row at least, so that the store learns of every segment number.
///
/// `origin` is the segment that its events were first written to. `part` tells the parts of a split segment apart, and is 0 for a whole
/// one. `created` is Unix ms.
pub(crate) fn encode_segment_rows(
    counts: &SegmentCounts,
    origin: SegmentId,
    part: u64,
    created: i64,
) -> Vec<u8> {
    let mut out = Vec::new();
    let mut put = |day: u16, site: &str, outcome: &str, events: u64, expires: u16| {
        out.extend_from_slice(&day.to_le_bytes());
        row_binary::put_text(site, &mut out);
        for number in [origin.collector, origin.number, part] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        row_binary::put_text(outcome, &mut out);
        out.extend_from_slice(&events.to_le_bytes());
        out.extend_from_slice(&expires.to_le_bytes());
    };
    for (site, day) in counts.iter() {
        for (outcome, events) in day.outcomes() {
            put(day.day, site, outcome, events, day.expires);
        }
    }
    if counts.is_empty() {
        put(UnixSeconds::from_millis(created).day().0, "", "", 0, 0);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::counts::DayCounts;
    use super::*;

    #[test]
    fn a_segment_without_counts_has_one_row_without_a_site() {
        let origin = SegmentId { collector: 7, number: 9 };
        let rows = encode_segment_rows(&SegmentCounts::default(), origin, 0, 86_400_000);
        assert_eq!(rows.len(), 2 + 1 + 3 * 8 + 1 + 8 + 2);
        assert_eq!(rows[..3], [1, 0, 0]);
    }

    #[test]
    fn each_outcome_that_has_events_has_a_row() {
        let mut counts = SegmentCounts::default();
        counts.add("a", DayCounts { day: 9, expires: 20, stored: 5, dropped: [1, 0, 0, 0, 0, 0, 0] });
        let rows = encode_segment_rows(&counts, SegmentId { collector: 7, number: 9 }, 3, 0);
        assert_eq!(memchr::memmem::find_iter(&rows, "stored").count(), 1);
        assert_eq!(memchr::memmem::find_iter(&rows, "optout").count(), 1);
        assert_eq!(rows.len(), 2 * (2 + 2 + 3 * 8 + 7 + 8 + 2));
    }
}
