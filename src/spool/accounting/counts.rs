//! The counts of one segment: for each day, site and last day of retention the events that it stores, and the events that were
//! dropped, by reason.

use std::collections::{BTreeSet, HashMap};

use crate::event::DropReason;
use crate::event::row_binary::{put_text, read_text, take};
use crate::spool::log::frame::{HEADER_LEN, MAX_FRAME_LEN};

/// Columns of the rows that [`SegmentCounts::encode`] writes, in their order.
pub(crate) const COLUMNS: &[&str] = &["day", "site", "outcome", "events", "expires"];
/// Outcome of stored events. The other outcomes are the names of [`DropReason`].
pub const STORED: &str = "stored";
/// A frame of counts ends at the first site and day that brings it to this length.
const PART_LEN: usize = 1 << 20;
// The rows of one site and day: one for each outcome, with a site id of at most 64 KiB.
const _: () = assert!(PART_LEN + (1 + DropReason::ALL.len()) * (66 << 10) + HEADER_LEN < MAX_FRAME_LEN);

/// Events of one day and site.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct DayCounts {
    /// Day of receipt in UTC, days since 1970-01-01.
    pub day: u16,
    /// The last day on which the rows are kept; 0 if none are stored.
    pub expires: u16,
    pub stored: u64,
    /// By the number of the reason.
    pub dropped: [u64; DropReason::ALL.len()],
}

impl DayCounts {
    /// Whether both are of one day and kept equally long.
    fn is_like(&self, other: &Self) -> bool {
        (self.day, self.expires) == (other.day, other.expires)
    }

    /// Each outcome that has events, with their number.
    pub(crate) fn outcomes(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let dropped = DropReason::ALL.into_iter().map(DropReason::name).zip(self.dropped);
        [(STORED, self.stored)].into_iter().chain(dropped).filter(|(_, events)| *events > 0)
    }

    fn add(&mut self, other: &Self) {
        self.stored += other.stored;
        for (sum, more) in self.dropped.iter_mut().zip(other.dropped) {
            *sum += more;
        }
    }
}

#[derive(Debug, Clone, Default)]
pub struct SegmentCounts {
    sites: HashMap<Box<str>, Vec<DayCounts>, foldhash::fast::RandomState>,
}

impl SegmentCounts {
    pub fn add(&mut self, site: &str, counts: DayCounts) {
        if !self.sites.contains_key(site) {
            self.sites.insert(site.into(), Vec::with_capacity(1));
        }
        let days = self.sites.get_mut(site).expect("it was inserted above");
        // A segment spans seconds: there are few of them.
        match days.iter_mut().find(|known| known.is_like(&counts)) {
            Some(known) => known.add(&counts),
            None => days.push(counts),
        }
    }

    pub fn merge(&mut self, other: &Self) {
        for (site, counts) in other.iter() {
            self.add(site, *counts);
        }
    }

    pub(crate) fn saturating_sub(&self, other: &Self) -> Self {
        let mut rest = Self::default();
        for (site, counts) in self.iter() {
            let mut counts = *counts;
            let days = other.sites.get(site).into_iter().flatten();
            let like = counts;
            for known in days.filter(|known| known.is_like(&like)) {
                counts.stored = counts.stored.saturating_sub(known.stored);
                for (slot, known) in counts.dropped.iter_mut().zip(known.dropped) {
                    *slot = slot.saturating_sub(known);
                }
            }
            if counts.stored + counts.dropped.iter().sum::<u64>() > 0 {
                rest.add(site, counts);
            }
        }
        rest
    }

    /// Takes away the events that are stored until one of `days`. Returns how many there were.
    pub(crate) fn remove_stored_until(&mut self, days: &BTreeSet<u16>) -> u64 {
        let mut removed = 0;
        for counts in self.sites.values_mut() {
            for like in counts.iter_mut().filter(|counts| days.contains(&counts.expires)) {
                removed += std::mem::take(&mut like.stored);
            }
            counts.retain(|counts| counts.outcomes().next().is_some());
        }
        self.sites.retain(|_, counts| !counts.is_empty());
        removed
    }

    /// Returns sites with the counts of a day, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &DayCounts)> {
        self.sites.iter().flat_map(|(site, days)| days.iter().map(move |counts| (&**site, counts)))
    }

    pub fn is_empty(&self) -> bool {
        self.sites.is_empty()
    }

    /// Returns rows in RowBinary, in parts that each fit a frame.
    pub(crate) fn encode(&self) -> Vec<Vec<u8>> {
        let mut parts = Vec::new();
        let mut out = Vec::new();
        for (site, counts) in self.iter() {
            for (outcome, events) in counts.outcomes() {
                encode_row(site, counts, outcome, events, &mut out);
            }
            if out.len() >= PART_LEN {
                parts.push(std::mem::take(&mut out));
            }
        }
        if !out.is_empty() {
            parts.push(out);
        }
        parts
    }

    /// Adds rows that [`SegmentCounts::encode`] wrote. `None`: they are not such rows.
    pub(crate) fn decode(&mut self, mut rows: &[u8]) -> Option<()> {
        while !rows.is_empty() {
            let day = u16::from_le_bytes(*take(&mut rows)?);
            let site = std::str::from_utf8(read_text(&mut rows)?).ok()?;
            let outcome = read_text(&mut rows)?;
            let events = u64::from_le_bytes(*take(&mut rows)?);
            let expires = u16::from_le_bytes(*take(&mut rows)?);
            let mut counts = DayCounts { day, expires, ..DayCounts::default() };
            match DropReason::ALL.into_iter().find(|reason| reason.name().as_bytes() == outcome) {
                Some(reason) => counts.dropped[reason as usize] = events,
                None if outcome == STORED.as_bytes() => counts.stored = events,
                None => return None,
            }
            self.add(site, counts);
        }
        Some(())
    }
}

fn encode_row(site: &str, counts: &DayCounts, outcome: &str, events: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(&counts.day.to_le_bytes());
    put_text(site, out);
    put_text(outcome, out);
    out.extend_from_slice(&events.to_le_bytes());
    out.extend_from_slice(&counts.expires.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_events_of_a_day_are_taken_away_and_dropped_ones_stay() {
        let mut counts = SegmentCounts::default();
        counts.add("clinic", DayCounts { day: 9, expires: 20, stored: 5, dropped: [1, 0, 0, 0, 0, 0, 0] });
        counts.add("clinic", DayCounts { day: 9, expires: 30, stored: 4, dropped: [0; 7] });
        counts.add("school", DayCounts { day: 9, expires: 20, stored: 3, dropped: [0; 7] });
        assert_eq!(counts.remove_stored_until(&BTreeSet::from([20])), 8);
        let rest: Vec<_> =
            counts.iter().map(|(site, counts)| (site, counts.stored, counts.dropped[0])).collect();
        assert_eq!(rest, [("clinic", 0, 1), ("clinic", 4, 0)]);
    }

    #[test]
    fn counts_are_read_back_as_they_were_written() {
        let mut counts = SegmentCounts::default();
        let long = "x".repeat(300);
        for site in ["clinic", &long] {
            counts.add(site, DayCounts { day: 9, expires: 20, stored: 5, dropped: [1, 0, 7, 0, 2, 0, 0] });
            counts.add(site, DayCounts { day: 9, expires: 20, stored: 1, dropped: [0, 0, 1, 3, 0, 4, 0] });
            counts.add(site, DayCounts { day: 9, expires: 10, stored: 2, dropped: [0; 7] });
        }
        let parts = counts.encode();
        let [rows] = parts.as_slice() else { panic!("one part: {parts:?}") };
        let mut read = SegmentCounts::default();
        read.decode(rows).unwrap();
        let mut known: Vec<_> = read.iter().map(|(site, counts)| (site.len(), *counts)).collect();
        known.sort_by_key(|(len, counts)| (*len, counts.expires));
        let expected = [
            DayCounts { day: 9, expires: 10, stored: 2, dropped: [0; 7] },
            DayCounts { day: 9, expires: 20, stored: 6, dropped: [1, 0, 8, 3, 2, 4, 0] },
        ];
        assert_eq!(known, [6, 300].map(|len| expected.map(|counts| (len, counts))).concat());
        assert!(SegmentCounts::default().decode(&rows[..rows.len() - 1]).is_none());
        assert!(memchr::memmem::find(rows, b"bot").is_none(), "an outcome without events has no row");
    }
}
