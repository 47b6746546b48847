//! Finds and removes duplicate events: rows with the same site, page load and number that the collector's filter did not see.
//!
//! The duplicate that was received first stays. Duplicates with different times of receipt were shipped several times. Duplicates with
//! the same time are identical rows that the store made of one shipped event, after it lost a token.
//!
//! 1. Insert a row of collector 0 into `segments` for each duplicate that was shipped again. The row's number is derived from the
//!    event and its time of receipt, so a row that is inserted twice counts once.
//! 2. Raise the `removed_duplicate` counts of `event_counts` to what `segments` says for the day and site.
//! 3. If the duplicates that should stay are identical, insert one more with a higher `copy_number`, which then stays.
//! 4. Delete the others.
//!
//! | crash after step | recovery |
//! |---|---|
//! | 1, 2, 3 | the duplicates are still there, so all steps are repeated with the same result |
//! | 4 | nothing is left to do |
//!
//! Two runs at once leave at worst one duplicate too many and never delete all: what stays is the same for both.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use sha2::{Digest, Sha256};

use super::tables::{CloseDayError, Tables};
use crate::event::{COLUMNS, UnixMillis};
use crate::spool::{self, DIGEST_COLUMNS, fingerprint};
use crate::store::dates::day_date;
use crate::store::sql;

/// Most events whose duplicates are removed by one statement.
const BATCH: usize = 1_000;
/// Most duplicates of one event that are removed by one statement.
const COPIES: usize = 100;
/// Longest statement in bytes: `BATCH` times `COPIES` rows of a site id and five numbers fit.
const MAX_QUERY: &str = "33554432";
/// Their outcome in `event_counts`.
const OUTCOME: &str = "removed_duplicate";
/// Rows among which duplicates are searched for at once. It bounds the memory of the query to some tens of MB.
const ROWS_AT_ONCE: u64 = 1_000_000;

#[derive(clickhouse::Row, serde::Deserialize)]
struct DuplicatedEvent {
    site: String,
    page_load: u64,
    seq: u32,
    /// `received` (Unix ms) and `copy_number` of the duplicates; the one that stays comes first.
    copies: Vec<(i64, u8)>,
}

/// A range of event times, in Unix seconds.
#[derive(Clone, Copy)]
pub(crate) struct Interval {
    pub(crate) since: i64,
    pub(crate) until: i64,
    /// About how many events there are.
    pub(crate) rows: u64,
}

/// Whether any event of the interval has duplicates.
pub(crate) async fn any(tables: &Tables, interval: Interval) -> Result<bool, CloseDayError> {
    let buckets = interval.buckets();
    for bucket in 0..buckets {
        if !find(tables, interval, buckets, bucket).await?.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Returns how many of the interval's events had duplicates.
pub(crate) async fn remove(tables: &Tables, interval: Interval) -> Result<u64, CloseDayError> {
    let buckets = interval.buckets();
    let mut removed = 0;
    for bucket in 0..buckets {
        loop {
            let duplicated = find(tables, interval, buckets, bucket).await?;
            if duplicated.is_empty() {
                break;
            }
            keep_one(tables, interval, &duplicated).await?;
            removed += duplicated.len() as u64;
        }
    }
    Ok(removed)
}

impl Interval {
    /// The SQL condition that a row is one of these events.
    fn holds<'a>(&self, events: impl Iterator<Item = &'a DuplicatedEvent>) -> String {
        let events: Vec<_> = events.map(|event| format!("({})", event.identity())).collect();
        format!(
            "time >= fromUnixTimestamp({}) AND time < fromUnixTimestamp({}) AND (site, page_load, seq) IN ({})",
            self.since,
            self.until,
            events.join(",")
        )
    }

    /// Its partitions of `events`, named as by `toYYYYMM(time)`.
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
    tables: &Tables,
    interval: Interval,
    buckets: u64,
    bucket: u64,
) -> Result<Vec<DuplicatedEvent>, CloseDayError> {
    let sql = format!(
        "SELECT toString(site) AS site, page_load, seq, arraySlice(arraySort(copy -> (copy.1, -copy.2), \
         groupArray((toUnixTimestamp64Milli(events.received), copy_number))), 1, {COPIES}) AS copies FROM events \
         WHERE time >= fromUnixTimestamp({{since:Int64}}) AND time < fromUnixTimestamp({{until:Int64}}) \
         AND page_load % {{buckets:UInt64}} = {{bucket:UInt64}} \
         GROUP BY site, page_load, seq HAVING count() > 1 LIMIT {BATCH}"
    );
    let duplicated = tables
        .client()
        .query(&sql)
        .param("since", interval.since)
        .param("until", interval.until)
        .param("buckets", buckets)
        .param("bucket", bucket)
        .fetch_all::<DuplicatedEvent>()
        .await?;
    Ok(duplicated)
}

async fn keep_one(
    tables: &Tables,
    interval: Interval,
    duplicated: &[DuplicatedEvent],
) -> Result<(), CloseDayError> {
    record_in_segments(tables, duplicated).await?;
    record_in_event_counts(tables, duplicated).await?;
    let identical: Vec<_> = duplicated.iter().filter(|event| event.is_identical()).collect();
    if !identical.is_empty() {
        insert_another(tables, interval, &identical).await?;
    }
    let mut deleted = String::new();
    for event in duplicated {
        for (received, copy_number) in event.deleted() {
            // Writing to a text cannot fail.
            let _ = write!(deleted, "({},{received},{copy_number}),", event.identity());
        }
    }
    let (table, events) = (tables.local("events"), interval.holds(duplicated.iter()));
    let deleted = deleted.trim_end_matches(',');
    // By partition, because otherwise ClickHouse would rewrite parts of all years.
    for month in interval.months() {
        let delete = format!(
            "DELETE FROM {table} IN PARTITION {month} WHERE {events} \
             AND (site, page_load, seq, toUnixTimestamp64Milli(received), copy_number) IN ({deleted})"
        );
        tables.run_long(&delete, MAX_QUERY).await?;
    }
    Ok(())
}

/// Inserts one more row for each event whose first duplicates are identical.
async fn insert_another(
    tables: &Tables,
    interval: Interval,
    identical: &[&DuplicatedEvent],
) -> Result<(), CloseDayError> {
    let columns = COLUMNS.join(", ");
    let values: Vec<_> = COLUMNS.iter().map(|column| format!("copy.{column}")).collect();
    // Otherwise ClickHouse might ignore it as a repetition of a row that was inserted, and deleted, before.
    let insert = format!(
        "INSERT INTO events ({columns}, copy_number) SETTINGS insert_deduplicate = 0 \
         SELECT {}, copy.copy_number + 1 FROM events AS copy WHERE {} \
         ORDER BY copy.received, copy.copy_number DESC LIMIT 1 BY copy.site, copy.page_load, copy.seq",
        values.join(", "),
        interval.holds(identical.iter().copied()),
    );
    tables.run_long(&insert, MAX_QUERY).await
}

/// Inserts a row of `segments` for each duplicate that was shipped again.
async fn record_in_segments(tables: &Tables, duplicated: &[DuplicatedEvent]) -> Result<(), CloseDayError> {
    let mut rows = String::new();
    for event in duplicated {
        for received in event.shipped_again() {
            let day = day_date(day_of(received));
            let site = sql::string(&event.site);
            let number = event.number(received);
            let digest = fingerprint(event.page_load, event.seq);
            // Only literals, because the embedded store evaluates no expressions in VALUES. A number is a time in ms.
            let _ = write!(rows, "('{day}',{site},0,{number},1,{digest},{received},{received}),");
        }
    }
    if rows.is_empty() {
        return Ok(());
    }
    let columns = DIGEST_COLUMNS.join(", ");
    let insert = format!("INSERT INTO segments ({columns}) VALUES {}", rows.trim_end_matches(','));
    // Inserting a row twice does no harm, but an insert that is ignored by mistake would.
    let query = tables.client().query(&insert).with_setting("max_query_size", MAX_QUERY);
    Ok(query.with_setting("insert_deduplicate", "0").execute().await?)
}

/// Raises the counts of `event_counts` for the days and sites of these events to what `segments` says was removed.
async fn record_in_event_counts(
    tables: &Tables,
    duplicated: &[DuplicatedEvent],
) -> Result<(), CloseDayError> {
    let mut keys = BTreeSet::new();
    for event in duplicated {
        let days = event.shipped_again().into_iter().map(day_of);
        keys.extend(days.map(|day| format!("({day},{})", sql::string(&event.site))));
    }
    if keys.is_empty() {
        return Ok(());
    }
    let keys = keys.into_iter().collect::<Vec<_>>().join(",");
    let sums = async |table: &str, which: &str| -> Result<BTreeMap<(u16, String), u64>, CloseDayError> {
        let sql = format!(
            "SELECT toUInt16(day) AS date, toString(site) AS id, sum(events) FROM {table} \
             WHERE {which} AND (date, id) IN ({keys}) GROUP BY date, id"
        );
        let query = tables.client().query(&sql).with_setting("max_query_size", MAX_QUERY);
        let rows = query.fetch_all::<(u16, String, u64)>().await?;
        Ok(rows.into_iter().map(|(day, site, events)| ((day, site), events)).collect())
    };
    let counted = sums("event_counts", &format!("outcome = '{OUTCOME}'")).await?;
    for (key, total) in sums("segments FINAL", "collector = 0").await? {
        let missing = total.saturating_sub(counted.get(&key).copied().unwrap_or_default());
        if missing > 0 {
            raise_count(tables, &key, missing, total).await?;
        }
    }
    Ok(())
}

/// Adds `events` to the counts of a day and site, which then are `total`. The token makes two concurrent runs count once.
async fn raise_count(
    tables: &Tables,
    (day, site): &(u16, String),
    events: u64,
    total: u64,
) -> Result<(), CloseDayError> {
    let (day, site) = (day_date(*day), sql::string(site));
    let insert = format!(
        "INSERT INTO event_counts (day, site, outcome, events, expires) VALUES ('{day}',{site},'{OUTCOME}',{events},'{}')",
        day_date(u16::MAX)
    );
    let token = format!("{OUTCOME}-{day}-{site}-{total}");
    Ok(tables.client().query(&insert).with_setting("insert_deduplication_token", token).execute().await?)
}

impl DuplicatedEvent {
    /// Whether the first two duplicates cannot be told apart.
    fn is_identical(&self) -> bool {
        self.copies[0] == self.copies[1]
    }

    /// `received` and `copy_number` of the rows to delete.
    fn deleted(&self) -> BTreeSet<(i64, u8)> {
        let stays = usize::from(!self.is_identical());
        self.copies[stays..].iter().copied().collect()
    }

    /// The times of receipt of the duplicates that were shipped again after the one that stays.
    fn shipped_again(&self) -> BTreeSet<i64> {
        let stays = self.copies[0].0;
        self.copies.iter().map(|(received, _)| *received).filter(|received| *received != stays).collect()
    }

    /// The event's identity as items of an SQL tuple.
    fn identity(&self) -> String {
        format!("{},{},{}", sql::string(&self.site), self.page_load, self.seq)
    }

    /// The number of the row of `segments` for the duplicate received at that time.
    fn number(&self, received: i64) -> u64 {
        let digest = Sha256::digest(format!("{},{received}", self.identity()));
        u64::from_le_bytes(*digest.first_chunk().expect("a digest has 32 bytes"))
    }
}

/// The day of receipt, days since 1970-01-01, UTC.
fn day_of(received: i64) -> u16 {
    spool::day_of(UnixMillis(received))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_over_the_end_of_a_year_lies_in_two_partitions() {
        let second = |text: &str| text.parse::<Timestamp>().unwrap().as_second();
        let months = |since, until| {
            Interval { since: second(since), until: second(until), rows: 0 }.months().collect::<Vec<_>>()
        };
        assert_eq!(months("2026-12-31T23:00:00Z", "2027-01-01T00:00:01Z"), [202_612, 202_701]);
        assert_eq!(months("2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z"), [202_612]);
    }
}
