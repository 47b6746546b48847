//! Digests: for each day and site of a segment the number of its events, a hash of which events they are, and when they were
//! received. The store computes the same over its rows.

use std::collections::BTreeMap;

use super::day::day_of;
use super::record::{EventId, RecordKind, RecordRef};
use crate::event::{UnixMillis, row_binary};
use crate::spool::log::segment::SegmentId;

/// Columns of the rows that [`SegmentDigests::encode`] writes, in their order.
pub(crate) const DIGEST_COLUMNS: &[&str] =
    &["day", "site", "collector", "number", "events", "digest", "first", "last"];
/// Spreads the numbers of a page load's events over all 64 bits: 2^64 divided by the golden ratio.
const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;
/// Seed of ClickHouse's `intHash64`.
const SEED: u64 = 0x4cf2_d2ba_ae6d_a887;

/// The fingerprint of one event. Those of several are added, modulo 2^64.
///
/// It is ClickHouse's `intHash64`: the finaliser of MurmurHash3 after a seed.
pub fn fingerprint(page_load: u64, seq: u32) -> u64 {
    let mut hash = page_load.wrapping_add(u64::from(seq).wrapping_mul(GOLDEN)) ^ SEED;
    hash = (hash ^ hash >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ hash >> 33).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ hash >> 33
}

/// The digest of the events of one day and site.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DayDigest {
    pub events: u64,
    /// Sum of [`fingerprint`] of all events, modulo 2^64.
    pub fingerprint: u64,
    /// When the first was received, Unix ms.
    pub first: i64,
    /// When the last was received, Unix ms.
    pub last: i64,
}

/// The digests of a segment, by day of receipt (UTC, days since 1970-01-01) and site.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SegmentDigests(BTreeMap<(u16, Box<str>), DayDigest>);

impl SegmentDigests {
    /// Adds a record, which is ignored unless it holds events. `fallback`, in Unix ms, stands for the time of receipt if a row is too
    /// short to tell.
    pub(crate) fn add_record(&mut self, record: &RecordRef<'_>, fallback: i64) {
        if record.kind == RecordKind::Events {
            let received = record.received().unwrap_or(fallback);
            self.add_events(record.site, received, record.event_ids());
        }
    }

    /// Adds events that were received together.
    pub(crate) fn add_events(&mut self, site: &str, received: i64, ids: impl Iterator<Item = EventId>) {
        let key = (day_of(UnixMillis(received)), site.into());
        let empty = DayDigest { events: 0, fingerprint: 0, first: received, last: received };
        let digest = self.0.entry(key).or_insert(empty);
        for (page_load, seq) in ids {
            digest.events += 1;
            digest.fingerprint = digest.fingerprint.wrapping_add(fingerprint(page_load, seq));
        }
        digest.first = digest.first.min(received);
        digest.last = digest.last.max(received);
    }

    /// Returns day, site and digest, sorted.
    pub fn iter(&self) -> impl Iterator<Item = (u16, &str, &DayDigest)> {
        self.0.iter().map(|((day, site), digest)| (*day, &**site, digest))
    }

    pub fn get(&self, day: u16, site: &str) -> Option<DayDigest> {
        self.0.get(&(day, site.into())).copied()
    }

    /// Returns rows in RowBinary: one at least, so that the store learns of every segment number.
    pub(crate) fn encode(&self, id: SegmentId, created: i64) -> Vec<u8> {
        let mut out = Vec::new();
        for (day, site, digest) in self.iter() {
            encode_row(day, site, id, digest, &mut out);
        }
        if out.is_empty() {
            let none = DayDigest { events: 0, fingerprint: 0, first: created, last: created };
            encode_row(day_of(UnixMillis(created)), "", id, &none, &mut out);
        }
        out
    }
}

fn encode_row(day: u16, site: &str, id: SegmentId, digest: &DayDigest, out: &mut Vec<u8>) {
    out.extend_from_slice(&day.to_le_bytes());
    row_binary::put_text(site, out);
    for number in [id.collector, id.number, digest.events, digest.fingerprint] {
        out.extend_from_slice(&number.to_le_bytes());
    }
    for time in [digest.first, digest.last] {
        out.extend_from_slice(&time.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_without_events_has_one_row_without_a_site() {
        let id = SegmentId { collector: 7, number: 9 };
        let row = SegmentDigests::default().encode(id, 86_400_000);
        assert_eq!(row.len(), 2 + 1 + 4 * 8 + 2 * 8);
        assert_eq!(row[..3], [1, 0, 0]);
    }

    #[test]
    fn events_that_are_added_together_or_apart_have_one_digest() {
        let mut together = SegmentDigests::default();
        together.add_events("clinic", 5, [(1, 0), (1, 1), (9, 4)].into_iter());
        let mut apart = SegmentDigests::default();
        for (time, id) in [(5, (9, 4)), (5, (1, 1)), (5, (1, 0))] {
            apart.add_events("clinic", time, [id].into_iter());
        }
        assert_eq!(together, apart);
        assert_ne!(fingerprint(1, 1), fingerprint(2, 0));
    }
}
