//! What a segment holds, told apart from every other segment: for each day and site the number of events, a fingerprint of
//! which events they are, and when they were received.
//!
//! Nothing is decided here; [`store::books`](crate::store::reconcile) holds the fingerprints against the store's.

use std::collections::BTreeMap;

use crate::event::{UnixMillis, row_binary};
use crate::spool::accounting::counts;
use crate::spool::log::frame::{Kind, Whole};
use crate::spool::log::segment::Name;

/// Columns of table `segments`, in the order of [`Prints::encode`].
pub(crate) const COLUMNS: &[&str] =
    &["day", "site", "collector", "number", "events", "fingerprint", "first", "last"];
/// The table.
pub(crate) const TABLE: &str = "segments";
/// Spreads the numbers of a page load's events over all 64 bits: 2^64 divided by the golden ratio.
const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;
/// What `intHash64` begins with.
const SEED: u64 = 0x4cf2_d2ba_ae6d_a887;
/// The fingerprint of events, as ClickHouse computes it.
pub const FINGERPRINT_SQL: &str = "sum(intHash64(page_load + seq * 11400714819323198485))";

/// The fingerprint of one event; those of several are added, modulo 2^64.
///
/// It is ClickHouse's `intHash64`, the finaliser of MurmurHash3 after a seed, so that the store computes the same over its rows.
pub fn fingerprint(page_load: u64, seq: u32) -> u64 {
    let mut hash = page_load.wrapping_add(u64::from(seq).wrapping_mul(GOLDEN)) ^ SEED;
    hash = (hash ^ hash >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ hash >> 33).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ hash >> 33
}

/// The events of one day and site.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Print {
    /// How many.
    pub events: u64,
    /// Which: the sum of [`fingerprint`], modulo 2^64.
    pub fingerprint: u64,
    /// When the first was received, Unix ms.
    pub first: i64,
    /// When the last was received, Unix ms.
    pub last: i64,
}

/// The prints of a segment, by day of receipt (UTC, days since 1970-01-01) and site.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Prints(BTreeMap<(u16, Box<str>), Print>);

impl Prints {
    /// Adds a frame of events. `created`, in Unix ms, stands for the time of receipt where a row is too short to tell.
    pub(crate) fn add(&mut self, frame: &Whole<'_>, created: i64) {
        if frame.kind == Kind::Events {
            self.add_events(frame.site, counts::received(frame.rows).unwrap_or(created), frame.identities());
        }
    }

    /// Adds events that were received together.
    pub(crate) fn add_events(
        &mut self,
        site: &str,
        received: i64,
        identities: impl Iterator<Item = (u64, u32)>,
    ) {
        let key = (counts::day_of(UnixMillis(received)), site.into());
        let empty = Print { events: 0, fingerprint: 0, first: received, last: received };
        let print = self.0.entry(key).or_insert(empty);
        for (page_load, seq) in identities {
            print.events += 1;
            print.fingerprint = print.fingerprint.wrapping_add(fingerprint(page_load, seq));
        }
        print.first = print.first.min(received);
        print.last = print.last.max(received);
    }

    /// Days and sites with their prints.
    pub fn iter(&self) -> impl Iterator<Item = (u16, &str, &Print)> {
        self.0.iter().map(|((day, site), print)| (*day, &**site, print))
    }

    /// The print of a day and site.
    pub fn get(&self, day: u16, site: &str) -> Option<Print> {
        self.0.get(&(day, site.into())).copied()
    }

    /// Rows of table `segments` in RowBinary: one at least, so that each number of a collector is known to the store.
    pub(crate) fn encode(&self, name: Name, created: i64) -> Vec<u8> {
        let mut out = Vec::new();
        for (day, site, print) in self.iter() {
            encode_row(day, site, name, print, &mut out);
        }
        if out.is_empty() {
            let none = Print { events: 0, fingerprint: 0, first: created, last: created };
            encode_row(counts::day_of(UnixMillis(created)), "", name, &none, &mut out);
        }
        out
    }
}

fn encode_row(day: u16, site: &str, name: Name, print: &Print, out: &mut Vec<u8>) {
    out.extend_from_slice(&day.to_le_bytes());
    row_binary::put_text(site, out);
    for number in [name.collector, name.number, print.events, print.fingerprint] {
        out.extend_from_slice(&number.to_le_bytes());
    }
    for time in [print.first, print.last] {
        out.extend_from_slice(&time.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_without_events_has_one_row_of_no_site() {
        let name = Name { collector: 7, number: 9 };
        let row = Prints::default().encode(name, 86_400_000);
        assert_eq!(row.len(), 2 + 1 + 4 * 8 + 2 * 8);
        assert_eq!(row[..3], [1, 0, 0]);
    }

    #[test]
    fn events_that_are_counted_together_or_apart_have_one_fingerprint() {
        let mut together = Prints::default();
        together.add_events("clinic", 5, [(1, 0), (1, 1), (9, 4)].into_iter());
        let mut apart = Prints::default();
        for (time, identity) in [(5, (9, 4)), (5, (1, 1)), (5, (1, 0))] {
            apart.add_events("clinic", time, [identity].into_iter());
        }
        assert_eq!(together, apart);
        assert_ne!(fingerprint(1, 1), fingerprint(2, 0));
    }
}
