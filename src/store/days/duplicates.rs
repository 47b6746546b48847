//! Copies of one event that slipped past the collector's memory: found by page load and number, and removed.
//!
//! Of the copies the earliest received stays, the others are deleted. Copies that were received in one millisecond were made by the
//! store, of one that was shipped: one more is written, marked in column `kept`, which stays in their place. Copies received at
//! different times were shipped each, and what is taken out of them is written down before: event by event in the segments (as rows of
//! collector 0), whose rows are known by what they name, and then so many in the books that these say the same. So whoever is
//! interrupted at any step does it again, and the outcome is the same. Two runs at once leave a copy too many at worst, never none:
//! what stays is never what another run deletes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use sha2::{Digest, Sha256};

use crate::event::{COLUMNS, UnixMillis};
use crate::spool::{self, DIGEST_COLUMNS, fingerprint};
use crate::store::days::{Target, VisitsError};
use crate::store::reconcile::text_of;

/// Events whose copies are removed by one statement.
const BATCH: usize = 1_000;
/// Copies of one event that are removed by one statement.
const COPIES: usize = 100;
/// Longest statement, in bytes: `BATCH` times `COPIES` rows of a site id and five numbers fit.
const MAX_QUERY: &str = "33554432";
/// Name of their line in the books.
const ENTRY: &str = "copy";
/// Rows among which copies are looked for at once; bounds the memory of the look-up to some tens of MB.
const ROWS_AT_ONCE: u64 = 1_000_000;

/// An event of which there are copies.
#[derive(clickhouse::Row, serde::Deserialize)]
struct Copied {
    site: String,
    page_load: u64,
    seq: u32,
    /// `received`, Unix ms, and `kept` of the copies: the one that stays first.
    copies: Vec<(i64, u8)>,
}

/// A stretch of events, as Unix seconds.
#[derive(Clone, Copy)]
pub(crate) struct Stretch {
    pub(crate) since: i64,
    pub(crate) until: i64,
    /// How many events there are, about.
    pub(crate) rows: u64,
}

/// Whether there are copies of any event of the stretch.
pub(crate) async fn any(target: &Target, stretch: Stretch) -> Result<bool, VisitsError> {
    let buckets = stretch.buckets();
    for bucket in 0..buckets {
        if !find(target, stretch, buckets, bucket).await?.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Removes the copies of the stretch's events, and says of how many events there were any.
pub(crate) async fn remove(target: &Target, stretch: Stretch) -> Result<u64, VisitsError> {
    let buckets = stretch.buckets();
    let mut removed = 0;
    for bucket in 0..buckets {
        loop {
            let copied = find(target, stretch, buckets, bucket).await?;
            if copied.is_empty() {
                break;
            }
            keep_one(target, stretch, &copied).await?;
            removed += copied.len() as u64;
        }
    }
    Ok(removed)
}

impl Stretch {
    /// The condition that a row is one of these events.
    fn holds<'a>(&self, events: impl Iterator<Item = &'a Copied>) -> String {
        let events: Vec<_> = events.map(|event| format!("({})", event.identity())).collect();
        format!(
            "time >= fromUnixTimestamp({}) AND time < fromUnixTimestamp({}) AND (site, page_load, seq) IN ({})",
            self.since,
            self.until,
            events.join(",")
        )
    }

    /// The partitions of `events` that it lies in, as `toYYYYMM(time)` names them.
    fn months(&self) -> impl Iterator<Item = i32> {
        let month = |second| {
            let date = Timestamp::from_second(second).unwrap_or_default().to_zoned(TimeZone::UTC).date();
            i32::from(date.year()) * 12 + i32::from(date.month()) - 1
        };
        (month(self.since)..=month(self.until - 1)).map(|month| month / 12 * 100 + month % 12 + 1)
    }

    fn buckets(&self) -> u64 {
        self.rows / ROWS_AT_ONCE + 1
    }
}

async fn find(
    target: &Target,
    stretch: Stretch,
    buckets: u64,
    bucket: u64,
) -> Result<Vec<Copied>, VisitsError> {
    let sql = format!(
        "SELECT toString(site) AS site, page_load, seq, arraySlice(arraySort(copy -> (copy.1, -copy.2), \
         groupArray((toUnixTimestamp64Milli(events.received), kept))), 1, {COPIES}) AS copies FROM events \
         WHERE time >= fromUnixTimestamp({{since:Int64}}) AND time < fromUnixTimestamp({{until:Int64}}) \
         AND page_load % {{buckets:UInt64}} = {{bucket:UInt64}} \
         GROUP BY site, page_load, seq HAVING count() > 1 LIMIT {BATCH}"
    );
    let copied = target
        .client
        .query(&sql)
        .param("since", stretch.since)
        .param("until", stretch.until)
        .param("buckets", buckets)
        .param("bucket", bucket)
        .fetch_all::<Copied>()
        .await?;
    Ok(copied)
}

async fn keep_one(target: &Target, stretch: Stretch, copied: &[Copied]) -> Result<(), VisitsError> {
    tell_segments(target, copied).await?;
    tell_books(target, copied).await?;
    let alike: Vec<_> = copied.iter().filter(|event| event.is_alike()).collect();
    if !alike.is_empty() {
        write_another(target, stretch, &alike).await?;
    }
    let mut going = String::new();
    for event in copied {
        for (received, kept) in event.going() {
            // Writing to a text cannot fail.
            let _ = write!(going, "({},{received},{kept}),", event.identity());
        }
    }
    let (table, events) = (target.local("events"), stretch.holds(copied.iter()));
    let going = going.trim_end_matches(',');
    // By partition: ClickHouse would touch each part of the table, years of them.
    for month in stretch.months() {
        let delete = format!(
            "DELETE FROM {table} IN PARTITION {month} WHERE {events} \
             AND (site, page_load, seq, toUnixTimestamp64Milli(received), kept) IN ({going})"
        );
        target.run_long(&delete, MAX_QUERY).await?;
    }
    Ok(())
}

/// Writes one more copy of events of which those that should stay are alike.
async fn write_another(target: &Target, stretch: Stretch, alike: &[&Copied]) -> Result<(), VisitsError> {
    let columns = COLUMNS.join(", ");
    let values: Vec<_> = COLUMNS.iter().map(|column| format!("copy.{column}")).collect();
    // Not to be taken for one that was written, and deleted, before.
    let insert = format!(
        "INSERT INTO events ({columns}, kept) SETTINGS insert_deduplicate = 0 \
         SELECT {}, copy.kept + 1 FROM events AS copy WHERE {} \
         ORDER BY copy.received, copy.kept DESC LIMIT 1 BY copy.site, copy.page_load, copy.seq",
        values.join(", "),
        stretch.holds(alike.iter().copied()),
    );
    target.run_long(&insert, MAX_QUERY).await
}

/// Tells the segments which events that were shipped go. A row is known by the number that stands for its event and the time of
/// receipt, so that one that is written twice counts once.
async fn tell_segments(target: &Target, copied: &[Copied]) -> Result<(), VisitsError> {
    let mut rows = String::new();
    for event in copied {
        for received in event.shipped_again() {
            let day = text_of(day_of(received));
            let site = text(&event.site);
            let number = event.number(received);
            let print = fingerprint(event.page_load, event.seq);
            // Literals, since the embedded store evaluates no expressions among values: a number is a time in its own unit.
            let _ = write!(rows, "('{day}',{site},0,{number},1,{print},{received},{received}),");
        }
    }
    if rows.is_empty() {
        return Ok(());
    }
    let columns = DIGEST_COLUMNS.join(", ");
    let insert = format!("INSERT INTO segments ({columns}) VALUES {}", rows.trim_end_matches(','));
    // A row that is there already does no harm, and one that is not must not be taken for it.
    let query = target.client.query(&insert).with_setting("max_query_size", MAX_QUERY);
    Ok(query.with_setting("insert_deduplicate", "0").execute().await?)
}

/// Brings the books of the days and sites of these events up to what the segments say was taken out.
async fn tell_books(target: &Target, copied: &[Copied]) -> Result<(), VisitsError> {
    let mut keys = BTreeSet::new();
    for event in copied {
        let days = event.shipped_again().into_iter().map(day_of);
        keys.extend(days.map(|day| format!("({day},{})", text(&event.site))));
    }
    if keys.is_empty() {
        return Ok(());
    }
    let keys = keys.into_iter().collect::<Vec<_>>().join(",");
    let sums = async |table: &str, which: &str| -> Result<BTreeMap<(u16, String), u64>, VisitsError> {
        let sql = format!(
            "SELECT toUInt16(day) AS date, toString(site) AS id, sum(events) FROM {table} \
             WHERE {which} AND (date, id) IN ({keys}) GROUP BY date, id"
        );
        let query = target.client.query(&sql).with_setting("max_query_size", MAX_QUERY);
        let rows = query.fetch_all::<(u16, String, u64)>().await?;
        Ok(rows.into_iter().map(|(day, site, events)| ((day, site), events)).collect())
    };
    let booked = sums("books", &format!("entry = '{ENTRY}'")).await?;
    for (key, told) in sums("segments FINAL", "collector = 0").await? {
        let missing = told.saturating_sub(booked.get(&key).copied().unwrap_or_default());
        if missing > 0 {
            book(target, &key, missing, told).await?;
        }
    }
    Ok(())
}

/// Books events that were taken out, by which there are `told` of the day and site in all: two runs that do it at once do it once.
async fn book(
    target: &Target,
    (day, site): &(u16, String),
    events: u64,
    told: u64,
) -> Result<(), VisitsError> {
    let (day, site) = (text_of(*day), text(site));
    let insert = format!(
        "INSERT INTO books (day, site, entry, events, expires) VALUES ('{day}',{site},'{ENTRY}',{events},'{}')",
        text_of(u16::MAX)
    );
    let token = format!("{ENTRY}-{day}-{site}-{told}");
    Ok(target.client.query(&insert).with_setting("insert_deduplication_token", token).execute().await?)
}

impl Copied {
    /// Whether the copies from which the one that stays is taken cannot be told apart.
    fn is_alike(&self) -> bool {
        self.copies[0] == self.copies[1]
    }

    /// `received` and `kept` of what is deleted.
    fn going(&self) -> BTreeSet<(i64, u8)> {
        let stays = usize::from(!self.is_alike());
        self.copies[stays..].iter().copied().collect()
    }

    /// When those were received that were shipped again, after the one that stays.
    fn shipped_again(&self) -> BTreeSet<i64> {
        let stays = self.copies[0].0;
        self.copies.iter().map(|(received, _)| *received).filter(|received| *received != stays).collect()
    }

    /// What the event is known by, as parts of an SQL tuple.
    fn identity(&self) -> String {
        format!("{},{},{}", text(&self.site), self.page_load, self.seq)
    }

    /// The number in table `segments` that stands for the copy received then.
    fn number(&self, received: i64) -> u64 {
        let digest = Sha256::digest(format!("{},{received}", self.identity()));
        u64::from_le_bytes(*digest.first_chunk().expect("a digest has 32 bytes"))
    }
}

/// The day of receipt, days since 1970-01-01, UTC.
fn day_of(received: i64) -> u16 {
    spool::day_of(UnixMillis(received))
}

/// A string literal for ClickHouse.
fn text(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stretch_over_the_end_of_a_year_lies_in_two_partitions() {
        let second = |text: &str| text.parse::<Timestamp>().unwrap().as_second();
        let months = |since, until| {
            Stretch { since: second(since), until: second(until), rows: 0 }.months().collect::<Vec<_>>()
        };
        assert_eq!(months("2026-12-31T23:00:00Z", "2027-01-01T00:00:01Z"), [202_612, 202_701]);
        assert_eq!(months("2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z"), [202_612]);
    }
}
