//! The books of one segment: for each day and site, how many events it stores and how many were dropped, and why.
//!
//! Counts alone; which event it was that was dropped is not known here.

use std::collections::HashMap;

use crate::event::row_binary::{put_text, take, take_text};
use crate::event::{DropReason, UnixMillis};

/// Columns of table `books`, in the order of [`Tally::encode`].
pub(crate) const COLUMNS: &[&str] = &["day", "site", "entry", "events", "expires"];
/// Entry of events that are stored; the other entries are the names of [`DropReason`].
pub const STORED: &str = "stored";
/// A frame of books is ended when it has this many bytes; one site adds little to it.
const PART_LEN: usize = 1 << 20;
const MS_PER_DAY: i64 = 24 * 60 * 60 * 1000;
/// Where `received` and `expires` stand in an encoded row: after page_load, seq and time.
const RECEIVED: std::ops::Range<usize> = 20..28;
const EXPIRES: std::ops::Range<usize> = 28..30;

/// What happened on one day on one site.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct Count {
    /// Days since 1970-01-01, UTC, of `received`.
    pub day: u16,
    /// The last day on which all of the rows are kept; 0 when there are none.
    pub expires: u16,
    /// Events stored.
    pub stored: u64,
    /// Events dropped, by the number of the reason.
    pub dropped: [u64; DropReason::ALL.len()],
}

impl Count {
    fn add(&mut self, other: &Self) {
        self.expires = match (self.expires, other.expires) {
            (0, expires) | (expires, 0) => expires,
            (one, other) => one.min(other),
        };
        self.stored += other.stored;
        for (sum, more) in self.dropped.iter_mut().zip(other.dropped) {
            *sum += more;
        }
    }
}

/// Counts by site and day.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    sites: HashMap<Box<str>, Vec<Count>, foldhash::fast::RandomState>,
}

impl Tally {
    /// Adds counts of a site; those of the same day become one.
    pub fn add(&mut self, site: &str, count: Count) {
        if !self.sites.contains_key(site) {
            self.sites.insert(site.into(), Vec::with_capacity(1));
        }
        let days = self.sites.get_mut(site).expect("it was put there above");
        // A segment spans seconds: there are one or two days.
        match days.iter_mut().find(|known| known.day == count.day) {
            Some(known) => known.add(&count),
            None => days.push(count),
        }
    }

    /// Adds the rows of one frame of events. `now`, in Unix ms, gives the day where a row is too short to tell.
    pub(crate) fn add_rows(&mut self, site: &str, count: u32, rows: &[u8], now: i64) {
        let expires = rows.get(EXPIRES).and_then(|bytes| bytes.try_into().ok());
        self.add(
            site,
            Count {
                day: day_of(UnixMillis(received(rows).unwrap_or(now))),
                expires: expires.map_or(0, u16::from_le_bytes),
                stored: count.into(),
                ..Count::default()
            },
        );
    }

    /// Adds everything of another.
    pub fn merge(&mut self, other: &Self) {
        for (site, count) in other.iter() {
            self.add(site, *count);
        }
    }

    /// What is here and not in another, never less than nothing.
    pub(crate) fn less(&self, other: &Self) -> Self {
        let mut rest = Self::default();
        for (site, count) in self.iter() {
            let mut count = *count;
            let days = other.sites.get(site).into_iter().flatten();
            for known in days.filter(|known| known.day == count.day) {
                count.stored = count.stored.saturating_sub(known.stored);
                for (slot, known) in count.dropped.iter_mut().zip(known.dropped) {
                    *slot = slot.saturating_sub(known);
                }
            }
            if count.stored + count.dropped.iter().sum::<u64>() > 0 {
                rest.add(site, count);
            }
        }
        rest
    }

    /// Sites and their days, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Count)> {
        self.sites.iter().flat_map(|(site, days)| days.iter().map(move |count| (&**site, count)))
    }

    /// Whether nothing was counted.
    pub fn is_empty(&self) -> bool {
        self.sites.is_empty()
    }

    /// The rows of table `books` in RowBinary, with their number, in parts that each fit a frame.
    pub(crate) fn encode(&self) -> Vec<(u32, Vec<u8>)> {
        let mut parts = Vec::new();
        let (mut rows, mut out) = (0, Vec::new());
        for (site, count) in self.iter() {
            let dropped = DropReason::ALL.into_iter().map(DropReason::name).zip(count.dropped);
            for (entry, events) in [(STORED, count.stored)].into_iter().chain(dropped) {
                if events > 0 {
                    encode_row(site, count, entry, events, &mut out);
                    rows += 1;
                }
            }
            if out.len() >= PART_LEN {
                parts.push((std::mem::take(&mut rows), std::mem::take(&mut out)));
            }
        }
        if rows > 0 {
            parts.push((rows, out));
        }
        parts
    }

    /// Adds rows that [`Tally::encode`] wrote. None: they are not such rows.
    pub(crate) fn decode(&mut self, mut rows: &[u8]) -> Option<()> {
        while !rows.is_empty() {
            let day = u16::from_le_bytes(*take(&mut rows)?);
            let site = std::str::from_utf8(take_text(&mut rows)?).ok()?;
            let entry = take_text(&mut rows)?;
            let events = u64::from_le_bytes(*take(&mut rows)?);
            let expires = u16::from_le_bytes(*take(&mut rows)?);
            let mut count = Count { day, expires, ..Count::default() };
            match DropReason::ALL.into_iter().find(|reason| reason.name().as_bytes() == entry) {
                Some(reason) => count.dropped[reason as usize] = events,
                None if entry == STORED.as_bytes() => count.stored = events,
                None => return None,
            }
            self.add(site, count);
        }
        Some(())
    }
}

fn encode_row(site: &str, count: &Count, entry: &str, events: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(&count.day.to_le_bytes());
    put_text(site, out);
    put_text(entry, out);
    out.extend_from_slice(&events.to_le_bytes());
    out.extend_from_slice(&count.expires.to_le_bytes());
}

/// Body of a frame of dropped events.
pub(crate) fn encode_dropped(day: u16, dropped: &[u32; DropReason::ALL.len()]) -> Vec<u8> {
    let mut rows = day.to_le_bytes().to_vec();
    rows.extend(dropped.iter().flat_map(|events| events.to_le_bytes()));
    rows
}

/// Reads what [`encode_dropped`] wrote; reasons that are new since then count 0.
pub(crate) fn decode_dropped(rows: &[u8]) -> Option<Count> {
    let (day, reasons) = rows.split_first_chunk::<2>()?;
    let mut count = Count { day: u16::from_le_bytes(*day), ..Count::default() };
    for (slot, events) in count.dropped.iter_mut().zip(reasons.chunks_exact(4)) {
        *slot = u32::from_le_bytes(events.try_into().ok()?).into();
    }
    Some(count)
}

/// When the first of some encoded rows was received, Unix ms.
pub(crate) fn received(rows: &[u8]) -> Option<i64> {
    rows.get(RECEIVED)?.try_into().ok().map(i64::from_le_bytes)
}

/// The day of a time, as ClickHouse's `Date` counts; days that it cannot hold become its first or last.
pub(crate) fn day_of(time: UnixMillis) -> u16 {
    u16::try_from(time.0.div_euclid(MS_PER_DAY).clamp(0, u16::MAX.into())).expect("it was clamped")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{EventRow, UnixDay};

    #[test]
    fn the_day_and_the_expiry_are_read_off_an_encoded_row() {
        let row = EventRow {
            received: UnixMillis(3 * MS_PER_DAY + 5),
            expires: UnixDay(400),
            ..EventRow::default()
        };
        let mut bytes = Vec::new();
        row.encode(&mut bytes);
        let mut tally = Tally::default();
        tally.add_rows("clinic", 2, &bytes, 0);
        let counts: Vec<_> = tally.iter().collect();
        assert_eq!(counts, [("clinic", &Count { day: 3, expires: 400, stored: 2, dropped: [0; 3] })]);
    }

    #[test]
    fn books_are_read_back_as_they_were_written() {
        let mut tally = Tally::default();
        let long = "x".repeat(300);
        for site in ["clinic", &long] {
            tally.add(site, Count { day: 9, expires: 20, stored: 5, dropped: [1, 0, 7] });
            tally.add(site, Count { day: 9, expires: 10, stored: 1, dropped: [0, 0, 1] });
        }
        let parts = tally.encode();
        let [(6, rows)] = parts.as_slice() else {
            panic!("one part of six rows, none without events: {parts:?}")
        };
        let mut read = Tally::default();
        read.decode(rows).unwrap();
        let mut counts: Vec<_> = read.iter().map(|(site, count)| (site.len(), *count)).collect();
        counts.sort_by_key(|(len, _)| *len);
        let count = Count { day: 9, expires: 10, stored: 6, dropped: [1, 0, 8] };
        assert_eq!(counts, [(6, count), (300, count)]);
        assert!(Tally::default().decode(&rows[..rows.len() - 1]).is_none());
    }
}
