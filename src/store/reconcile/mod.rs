//! The books held against the store: received = stored + spooled + quarantined + discarded + lost + dropped by reason, for each day and site.
//!
//! Collectors go on while this looks. What it reads is therefore read in an order that makes the answer exact: books,
//! segments, events, spool, segments again, books again. A segment's events are stored before its rows of `segments`, and those
//! before its books, in one order for all segments, so the events lie between what is read first and what is read last with the
//! oldest segment of the spool. `proof` holds the segments' fingerprints against the events, the lines here the books' counts;
//! days that the segments do not tell of, and days of which retention has taken rows, go by their counts alone.

mod culprit;
mod proof;

use std::collections::BTreeMap;
use std::path::Path;

use clickhouse::error::Result;

use jiff::civil::Date;

use crate::event::DropReason;
use crate::spool::{Inventory, STORED, SegmentCounts, SpoolError, inspect};
use crate::store::Client;
use culprit::Sum;
pub use proof::Finding;
use proof::Proof;

/// The digest of events, as ClickHouse computes it: the sum of [`fingerprint`](crate::spool::fingerprint), modulo 2^64.
pub const FINGERPRINT_SQL: &str = "sum(intHash64(page_load + seq * 11400714819323198485))";

/// A day of receipt (UTC, days since 1970-01-01) and a site.
pub type Key = (u16, String);

/// Why the books could not be read.
#[derive(Debug, thiserror::Error)]
pub enum BooksError {
    /// The store does not answer, or refuses.
    #[error("the store's books cannot be read")]
    Store(#[from] clickhouse::error::Error),
    /// The spool's directory cannot be read.
    #[error("the spool's books cannot be read")]
    Spool(#[from] SpoolError),
    /// An answer that is none.
    #[error("the store answered {0:?} when asked for its books")]
    Answer(String),
}

/// One line of the books.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize)]
pub struct Line {
    /// Events in the store.
    pub stored: u64,
    /// Events that the store was given and has confirmed, by the books, less those taken out again on purpose.
    pub booked: u64,
    /// Events on this collector's disk that the store has not confirmed.
    pub spooled: u64,
    /// Of those, the ones that the store may have by now: they are being shipped.
    pub shipping: u64,
    /// Events of quarantined segments.
    pub quarantined: u64,
    /// Events dropped, by the number of the reason.
    pub dropped: [u64; DropReason::ALL.len()],
    /// Events taken out of the store again on purpose: copies, and what subjects had erased.
    pub removed: u64,
    /// Events of segments that were discarded.
    pub discarded: u64,
    /// Events that were lost to damage on this collector's disk, and were not discarded.
    pub lost: u64,
    /// Retention has taken rows: the store may have fewer than were booked.
    pub expired: bool,
    /// The segments tell of all of its events: not only their number, but which they are was looked at.
    pub proven: bool,
}

impl Line {
    /// Events that were acknowledged and are nowhere.
    pub fn missing(&self) -> u64 {
        if self.expired { 0 } else { self.booked.saturating_sub(self.stored) }
    }

    /// Events that are stored more often than they were taken.
    pub fn surplus(&self) -> u64 {
        self.stored.saturating_sub(self.booked + self.shipping)
    }

    /// Whether all is accounted for.
    pub fn balances(&self) -> bool {
        self.missing() == 0 && self.surplus() == 0
    }

    /// Every event that reached the collectors.
    pub fn received(&self) -> u64 {
        self.booked
            + self.removed
            + self.spooled
            + self.quarantined
            + self.discarded
            + self.lost
            + self.dropped.iter().sum::<u64>()
    }
}

/// The books of all days and sites.
#[derive(Debug, Clone, Default)]
pub struct Balance {
    /// By day and site.
    pub lines: BTreeMap<Key, Line>,
    /// Segments in the spool or in quarantine that cannot be read: what they hold is not in the lines.
    pub unreadable: Vec<String>,
    /// What is not as it should be, segment by segment where that is known.
    pub findings: Vec<Finding>,
}

impl Balance {
    /// Whether everything is accounted for.
    pub fn balances(&self) -> bool {
        self.unreadable.is_empty() && self.findings.is_empty() && self.lines.values().all(Line::balances)
    }

    /// Reads the books of `days` (days since 1970-01-01) from the store and the spool in `directory`.
    ///
    /// # Errors
    /// When the store or the directory cannot be read.
    pub async fn read(
        client: &Client,
        directory: &Path,
        days: std::ops::RangeInclusive<u16>,
    ) -> std::result::Result<Self, BooksError> {
        let today = crate::spool::today();
        let first = booked(client, &days).await?;
        let before = proof::totals(client, &days).await?;
        let stored = stored(client, &days).await?;
        let inventory = if directory.exists() { Some(inspect(directory)?) } else { None };
        let after = proof::totals(client, &days).await?;
        let last = booked(client, &days).await?;
        let mut balance = Self::default();
        for (key, entries) in &last {
            balance.add_books(key, entries, today);
        }
        for (key, sum) in &stored {
            balance.lines.entry(key.clone()).or_default().stored = sum.events.unsigned_abs();
        }
        if let Some(inventory) = &inventory {
            balance.add_spool(inventory, &days);
        }
        balance.between(&first);
        let shipping = inventory.as_ref().map(Inventory::shipping).unwrap_or_default();
        let proof = Proof { client, before, after, shipping };
        balance.prove(&proof, &first, &stored).await?;
        if let Some(inventory) = &inventory {
            balance.findings.extend(proof::damaged(inventory, &days));
            balance.findings.extend(proof::lost(client, inventory).await?);
        }
        Ok(balance)
    }

    /// Looks at which events are stored, where the segments tell, and says what is wrong.
    async fn prove(
        &mut self,
        proof: &Proof<'_>,
        first: &BTreeMap<Key, Entries>,
        stored: &BTreeMap<Key, Sum>,
    ) -> std::result::Result<(), BooksError> {
        let mut covered = BTreeMap::new();
        for (key, line) in &mut self.lines {
            let (booked, removed) = first.get(key).map(booked_and_removed).unwrap_or_default();
            if line.expired {
                continue;
            }
            let actual = stored.get(key).copied().unwrap_or_default();
            if proof.covers(key, booked, removed) {
                line.proven = true;
                covered.insert(key.clone(), actual);
            } else if proof.outweighs(key, actual, booked).await? {
                line.proven = true;
                line.booked = line.stored;
            }
        }
        self.findings = proof.judge(&covered).await?;
        for (key, line) in self.lines.iter().filter(|(_, line)| !line.balances()) {
            if !self.findings.iter().any(|finding| finding.is_of(key)) {
                let events = line.surplus().cast_signed() - line.missing().cast_signed();
                self.findings.push(Finding::Counted { events, day: key.0, site: key.1.clone() });
            }
        }
        Ok(())
    }

    fn add_books(&mut self, key: &Key, entries: &Entries, today: u16) {
        let line = self.lines.entry(key.clone()).or_default();
        for (entry, (events, expires)) in entries {
            match DropReason::ALL.into_iter().find(|reason| reason.name() == entry) {
                Some(reason) => line.dropped[reason as usize] += events,
                None if entry == STORED => {
                    line.booked += events;
                    line.expired = *expires < today;
                }
                // Whatever else stands there was written by who took events out again.
                None => line.removed += events,
            }
        }
        line.booked = line.booked.saturating_sub(line.removed);
    }

    fn add_spool(&mut self, inventory: &Inventory, days: &std::ops::RangeInclusive<u16>) {
        let lines = &mut self.lines;
        let mut add = |books: &SegmentCounts, see: &dyn Fn(&mut Line, u64)| {
            for (site, count) in books.iter().filter(|(_, count)| days.contains(&count.day)) {
                see(lines.entry((count.day, site.to_owned())).or_default(), count.stored);
            }
        };
        for (place, segment) in inventory.segments.iter().enumerate() {
            add(&segment.counts, &|line, events| {
                line.spooled += events;
                line.shipping += if place == 0 { events } else { 0 };
            });
        }
        let quarantined = || inventory.quarantined.iter().filter_map(|segment| segment.counts.as_ref());
        quarantined().for_each(|books| add(books, &|line, events| line.quarantined += events));
        inventory.discarded.iter().for_each(|books| add(books, &|line, events| line.discarded += events));
        let lost = || inventory.lost.iter().map(|loss| &loss.counts);
        lost().for_each(|books| add(books, &|line, events| line.lost += events));
        let waiting = inventory.segments.iter().map(|segment| &segment.counts);
        let all = waiting.chain(quarantined()).chain(&inventory.discarded).chain(lost());
        for (site, count) in all.flat_map(SegmentCounts::iter) {
            if days.contains(&count.day) {
                let line = self.lines.entry((count.day, site.to_owned())).or_default();
                for (sum, events) in line.dropped.iter_mut().zip(count.dropped) {
                    *sum += events;
                }
            }
        }
        let damaged = inventory.segments.iter().filter(|segment| segment.is_damaged()).map(|it| &it.id);
        let unknown =
            inventory.quarantined.iter().filter(|segment| segment.counts.is_none()).map(|it| &it.id);
        self.unreadable = damaged.chain(unknown).cloned().collect();
    }

    /// Where the events read between the two readings of the books lie between them, they are what was booked.
    fn between(&mut self, first: &BTreeMap<Key, Entries>) {
        for (key, line) in &mut self.lines {
            let entries = first.get(key);
            let events = |entry: &str| entries.and_then(|it| it.get(entry)).map_or(0, |(events, _)| *events);
            let before = events(STORED).saturating_sub(line.removed);
            if (before..line.booked).contains(&line.stored) {
                line.booked = line.stored;
            }
        }
    }
}

/// Events and earliest expiry by entry.
type Entries = BTreeMap<String, (u64, u16)>;

async fn booked(
    client: &Client,
    days: &std::ops::RangeInclusive<u16>,
) -> std::result::Result<BTreeMap<Key, Entries>, BooksError> {
    let sql = "SELECT toUInt16(day), site, entry, sum(events), toUInt16(min(expires)) FROM books \
               WHERE day BETWEEN toDate({first:UInt16}) AND toDate({last:UInt16}) GROUP BY day, site, entry";
    let mut lines: BTreeMap<Key, Entries> = BTreeMap::new();
    for row in rows(client, sql, &range(days)).await? {
        let [day, site, entry, events, expires] = row.as_slice() else { return Err(answer(&row)) };
        let number = |text: &String| text.parse::<u64>().map_err(|_| answer(&row));
        let key = (day.parse().map_err(|_| answer(&row))?, site.clone());
        let expires = expires.parse().map_err(|_| answer(&row))?;
        lines.entry(key).or_default().insert(entry.clone(), (number(events)?, expires));
    }
    Ok(lines)
}

/// Events stored and removed, by some entries.
fn booked_and_removed(entries: &Entries) -> (u64, u64) {
    let is_dropped = |entry: &str| DropReason::ALL.into_iter().any(|reason| reason.name() == entry);
    let sum = |wanted: fn(&str) -> bool| {
        let entries = entries.iter().filter(|(entry, _)| wanted(entry) && !is_dropped(entry));
        entries.map(|(_, (events, _))| events).sum()
    };
    (sum(|entry| entry == STORED), sum(|entry| entry != STORED))
}

async fn stored(
    client: &Client,
    days: &std::ops::RangeInclusive<u16>,
) -> std::result::Result<BTreeMap<Key, Sum>, BooksError> {
    // An event is received at most a day after its time, by which the table is partitioned.
    let sql = format!(
        "SELECT toUInt16(toDate(received, 'UTC')) AS day, site, count(), {FINGERPRINT_SQL} FROM events \
         WHERE day BETWEEN {{first:UInt16}} AND {{last:UInt16}} \
         AND time >= toDateTime64(toDate({{first:UInt16}}), 3, 'UTC') - INTERVAL 2 DAY \
         AND time < toDateTime64(toDate({{last:UInt16}}), 3, 'UTC') + INTERVAL 2 DAY GROUP BY day, site"
    );
    let mut lines = BTreeMap::new();
    for row in rows(client, &sql, &range(days)).await? {
        let [day, site, events, fingerprint] = row.as_slice() else { return Err(answer(&row)) };
        let sum = Sum { events: number(&row, events)?, fingerprint: number(&row, fingerprint)? };
        lines.insert((number(&row, day)?, site.clone()), sum);
    }
    Ok(lines)
}

fn range(days: &std::ops::RangeInclusive<u16>) -> [(&'static str, String); 2] {
    [("first", days.start().to_string()), ("last", days.end().to_string())]
}

/// An answer's rows. Site ids and entries have no character that TabSeparated escapes.
async fn rows(client: &Client, sql: &str, parameters: &[(&str, String)]) -> Result<Vec<Vec<String>>> {
    let parameters: Vec<_> = parameters.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let bytes = client.bytes(sql, &parameters, "TabSeparated")?.collect().await?;
    let text = String::from_utf8_lossy(&bytes);
    Ok(text.lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect())
}

/// A number of an answer's row.
fn number<T: std::str::FromStr>(row: &[String], text: &str) -> std::result::Result<T, BooksError> {
    text.parse().map_err(|_| answer(row))
}

/// 1970-01-01, from which days count.
const FIRST_DAY: Date = jiff::civil::date(1970, 1, 1);

/// A day as people write it.
pub fn text_of(day: u16) -> String {
    FIRST_DAY
        .checked_add(jiff::Span::new().days(i64::from(day)))
        .map_or_else(|_| day.to_string(), |date| date.to_string())
}

/// The number of a day, if it is one that the store can hold.
pub fn number_of(date: Date) -> Option<u16> {
    u16::try_from((date - FIRST_DAY).get_days()).ok()
}

/// Writes a day into JSON.
fn date<S: serde::Serializer>(day: &u16, serializer: S) -> std::result::Result<S::Ok, S::Error> {
    serializer.serialize_str(&text_of(*day))
}

fn answer(row: &[String]) -> BooksError {
    BooksError::Answer(row.join("\t"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(stored: u64, booked: u64, shipping: u64) -> Line {
        Line { stored, booked, shipping, spooled: shipping, ..Line::default() }
    }

    #[test]
    fn events_that_are_booked_but_not_stored_are_missing() {
        assert_eq!(line(9, 10, 0).missing(), 1);
        assert_eq!(Line { expired: true, ..line(9, 10, 0) }.missing(), 0);
        assert!(line(10, 10, 0).balances());
    }

    #[test]
    fn events_stored_more_often_than_booked_are_a_surplus_unless_they_are_being_shipped() {
        assert_eq!(line(11, 10, 0).surplus(), 1);
        assert!(line(11, 10, 1).balances());
        assert_eq!(line(12, 10, 1).surplus(), 1);
    }

    #[test]
    fn books_written_while_the_events_were_counted_do_not_unbalance() {
        let key = (1, "clinic".to_owned());
        let entries = |events| Entries::from([(STORED.to_owned(), (events, 9))]);
        let mut balance = Balance::default();
        balance.add_books(&key, &entries(20), 1);
        balance.lines.get_mut(&key).unwrap().stored = 15;
        assert!(!balance.balances());
        balance.between(&BTreeMap::from([(key.clone(), entries(15))]));
        assert!(balance.balances());
        balance.lines.get_mut(&key).unwrap().stored = 9;
        balance.between(&BTreeMap::from([(key, entries(10))]));
        assert!(!balance.balances());
    }

    #[test]
    fn what_was_taken_out_on_purpose_is_not_missing() {
        let key = (1, "clinic".to_owned());
        let entries = Entries::from([
            (STORED.to_owned(), (20, 9)),
            ("removed".to_owned(), (2, 0)),
            ("bot".to_owned(), (3, 0)),
        ]);
        let mut balance = Balance::default();
        balance.add_books(&key, &entries, 1);
        let line = balance.lines.get_mut(&key).unwrap();
        line.stored = 18;
        assert_eq!((line.balances(), line.received(), line.dropped), (true, 23, [0, 3, 0]));
    }
}
