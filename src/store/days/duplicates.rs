//! Finds and removes duplicate events: rows of one site with the same `event_id`, which the collector's filter did not see.
//!
//! The duplicate that was received first stays. Duplicates of different segments, or with different times of receipt, were shipped several
//! times. Others are identical rows that the store made of one shipped event, after it lost a token.
//!
//! All duplicates of an event lie on one shard, and all steps read and change one replica of it (`shards.rs`).
//!
//! 1. Insert a row into `removed_events` for each duplicate that was shipped again. A row that is inserted twice counts once.
//! 2. If the duplicates that should stay are identical, insert one more with a higher `copy_number`, drawn at random, which then stays.
//! 3. If another replica is up, wait until it has that row, too.
//! 4. Ask this node of which events one row stays. The others wait for the next round.
//! 5. Delete the others. The statement names each row that it deletes, so that every replica deletes the same.
//!
//! | crash after step | recovery |
//! |---|---|
//! | 1 to 4 | the duplicates are still there, so all steps are repeated with the same result |
//! | 5 | nothing is left to do |
//!
//! If the node is lost for good after step 5 and the others lack the row of step 2, it is lost with everything else that this node alone had.
//!
//! Two runs at once leave at worst one duplicate too many and never delete all: what stays is the same for both, also if they read different replicas.

use std::collections::BTreeSet;
use std::fmt::Write;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::shards::PinnedShard;
use super::tables::{CloseDayError, Tables};
use crate::event::{COLUMNS, UnixSeconds};
use crate::store::dates::day_date;
use crate::store::sql;

/// Most events whose duplicates are removed by one statement.
const BATCH: usize = 1_000;
/// Most duplicates of one event that are removed by one statement.
const COPIES: usize = 100;
/// Longest statement in bytes: `BATCH` times `COPIES` rows of a site id and five numbers fit.
const MAX_QUERY: &str = "33554432";
/// Longest text of a deletion, in bytes, about. A replicated table keeps it in ZooKeeper, which takes 1 MiB at once.
const LONGEST_DELETE: usize = 512 << 10;
/// Most bytes of a row's numbers in that text.
const ROW_BYTES: usize = 64;
/// By how much the `copy_number` of the row that stays grows at most. An event has identical rows a few times in its life.
const LARGEST_STEP: u32 = 32;
/// Why they are in `removed_events`.
const REASON: &str = "duplicate";
/// Rows among which duplicates are searched for at once. It bounds the memory of the query to some tens of MB.
const ROWS_AT_ONCE: u64 = 1_000_000;

#[derive(clickhouse::Row, serde::Deserialize)]
struct DuplicatedEvent {
    site: String,
    event_id: u64,
    /// The one that stays comes first.
    copies: Vec<EventCopy>,
}

/// What tells the copies of an event apart: `received` (Unix s), `collector`, `segment` and `copy_number`; and `expires`.
type EventCopy = (u32, u64, u64, u8, u16);

/// A range of event times, in Unix seconds.
#[derive(Clone, Copy)]
pub(crate) struct Interval {
    pub(crate) since: i64,
    pub(crate) until: i64,
    /// About how many events there are.
    pub(crate) rows: u64,
}

/// Whether any event of the interval has duplicates.
pub(in crate::store) async fn any(tables: &Tables, interval: Interval) -> Result<bool, CloseDayError> {
    let buckets = interval.buckets();
    for bucket in 0..buckets {
        if !find(tables, interval, buckets, bucket).await?.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Returns how many of the interval's events had duplicates.
pub(in crate::store) async fn remove(shard: &PinnedShard, interval: Interval) -> Result<u64, CloseDayError> {
    let buckets = interval.buckets();
    let mut removed = 0;
    for bucket in 0..buckets {
        loop {
            let duplicated = find(&shard.tables, interval, buckets, bucket).await?;
            if duplicated.is_empty() {
                break;
            }
            let kept = keep_one(shard, interval, duplicated).await?;
            removed += kept;
            if kept == 0 {
                break;
            }
        }
    }
    Ok(removed)
}

impl Interval {
    /// The SQL condition that a row is one of these events.
    fn holds<'a>(&self, events: impl Iterator<Item = &'a DuplicatedEvent>) -> String {
        let events: Vec<_> = events.map(|event| format!("({})", event.identity())).collect();
        format!(
            "time >= fromUnixTimestamp({}) AND time < fromUnixTimestamp({}) AND (site, event_id) IN ({})",
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
        "SELECT toString(site) AS site, event_id, arraySlice(arraySort(copy -> (copy.1, copy.2, copy.3, -copy.4), \
         groupArray((toUnixTimestamp(event.received), collector, segment, copy_number, toUInt16(expires)))), 1, {COPIES}) AS copies \
         FROM {events} AS event WHERE time >= fromUnixTimestamp({{since:Int64}}) AND time < fromUnixTimestamp({{until:Int64}}) \
         AND toDate(time) BETWEEN toDate(toDateTime({{since:Int64}}, 'UTC')) AND toDate(toDateTime({{until:Int64}}, 'UTC')) \
         AND event_id % {{buckets:UInt64}} = {{bucket:UInt64}} \
         GROUP BY site, event_id HAVING count() > 1 LIMIT {BATCH}",
        events = tables.local("events"),
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

/// Returns of how many events one row is left now.
async fn keep_one(
    shard: &PinnedShard,
    interval: Interval,
    mut duplicated: Vec<DuplicatedEvent>,
) -> Result<u64, CloseDayError> {
    let tables = &shard.tables;
    record_removed(tables, &duplicated).await?;
    let identical: Vec<_> = duplicated.iter().filter(|event| event.is_identical()).collect();
    if !identical.is_empty() {
        insert_another(tables, interval, &identical).await?;
        shard.secure("events").await;
    }
    let staying = staying(tables, interval, &duplicated).await?;
    duplicated.retain(|event| staying.contains(&(event.site.clone(), event.event_id)));
    let events = tables.local("events");
    let mut rest = &duplicated[..];
    while !rest.is_empty() {
        let (batch, after) = rest.split_at(deleted_at_once(rest));
        let condition = interval.holds(batch.iter());
        // By partition, because otherwise ClickHouse would rewrite parts of all years.
        for month in interval.months() {
            let delete =
                format!("DELETE FROM {events} IN PARTITION {month} WHERE {condition} AND {}", deleted(batch));
            tables.run_long(&delete, &[], MAX_QUERY).await?;
        }
        rest = after;
    }
    Ok(duplicated.len() as u64)
}

/// Those of the events of which a row stays that is not to be deleted.
async fn staying(
    tables: &Tables,
    interval: Interval,
    duplicated: &[DuplicatedEvent],
) -> Result<BTreeSet<(String, u64)>, CloseDayError> {
    let sql = format!(
        "SELECT DISTINCT toString(site), event_id FROM {} WHERE {} AND NOT {}",
        tables.local("events"),
        interval.holds(duplicated.iter()),
        deleted(duplicated),
    );
    let query = tables.client().query(&sql).with_setting("max_query_size", MAX_QUERY);
    Ok(query.fetch_all::<(String, u64)>().await?.into_iter().collect())
}

/// The SQL condition that a row is to be deleted. It names each row.
fn deleted(events: &[DuplicatedEvent]) -> String {
    let mut rows = String::new();
    for event in events {
        for (received, collector, segment, copy_number, _) in event.deleted() {
            // Writing to a text cannot fail.
            let _ = write!(rows, "({},{received},{collector},{segment},{copy_number}),", event.identity());
        }
    }
    format!(
        "(site, event_id, toUnixTimestamp(received), collector, segment, copy_number) IN ({})",
        rows.trim_end_matches(',')
    )
}

/// How many of the first events one statement deletes the duplicates of; at least one.
fn deleted_at_once(events: &[DuplicatedEvent]) -> usize {
    let mut bytes = 0;
    let fits = |event: &&DuplicatedEvent| {
        bytes += (event.identity().len() + ROW_BYTES) * (event.deleted().len() + 1);
        bytes <= LONGEST_DELETE
    };
    events.iter().take_while(fits).count().max(1)
}

/// Inserts one more row for each event whose first duplicates are identical.
async fn insert_another(
    tables: &Tables,
    interval: Interval,
    identical: &[&DuplicatedEvent],
) -> Result<(), CloseDayError> {
    let columns: Vec<_> = COLUMNS.iter().copied().chain(["collector", "segment"]).collect();
    let values: Vec<_> = columns.iter().map(|column| format!("copy.{column}")).collect();
    let columns = columns.join(", ");
    // Two collectors that do this at once would insert identical rows again, and again.
    let step = getrandom::u32().map_err(|_| CloseDayError::Random)? % LARGEST_STEP + 1;
    // Otherwise ClickHouse might ignore it as a repetition of a row that was inserted, and deleted, before.
    let insert = format!(
        "INSERT INTO {events} ({columns}, copy_number) SETTINGS insert_deduplicate = 0 \
         SELECT {}, toUInt8(least(255, copy.copy_number + {step})) FROM {events} AS copy WHERE {} \
         ORDER BY copy.received, copy.collector, copy.segment, copy.copy_number DESC LIMIT 1 BY copy.site, copy.event_id",
        values.join(", "),
        interval.holds(identical.iter().copied()),
        events = tables.local("events"),
    );
    tables.run_long(&insert, &[], MAX_QUERY).await
}

/// Inserts a row of `removed_events` for each duplicate that was shipped again.
async fn record_removed(tables: &Tables, duplicated: &[DuplicatedEvent]) -> Result<(), CloseDayError> {
    let mut rows = String::new();
    for event in duplicated {
        for (received, collector, segment, expires) in event.shipped_again() {
            let (day, expires) = (day_date(UnixSeconds(received).day().0), day_date(expires));
            let (site, id) = (sql::string(&event.site), event.event_id);
            // Only literals, because the embedded store evaluates no expressions in VALUES.
            let _ = write!(rows, "('{day}',{site},{collector},{segment},{id},'{REASON}','{expires}'),");
        }
    }
    if rows.is_empty() {
        return Ok(());
    }
    let insert = format!(
        "INSERT INTO {} (day, site, collector, segment, event_id, reason, expires) SETTINGS insert_deduplicate = 0 VALUES {}",
        tables.local("removed_events"),
        rows.trim_end_matches(',')
    );
    // Inserting a row twice does no harm, but an insert that is ignored by mistake would.
    tables.run_long(&insert, &[], MAX_QUERY).await
}

impl DuplicatedEvent {
    /// Whether the first two duplicates cannot be told apart.
    fn is_identical(&self) -> bool {
        self.copies[0] == self.copies[1]
    }

    /// The rows to delete.
    fn deleted(&self) -> BTreeSet<EventCopy> {
        let stays = usize::from(!self.is_identical());
        self.copies[stays..].iter().copied().collect()
    }

    /// Time of receipt, collector, segment and last day of the duplicates that were shipped again after the one that stays.
    fn shipped_again(&self) -> BTreeSet<(u32, u64, u64, u16)> {
        let shipped = |(received, collector, segment, _, expires): &EventCopy| {
            (*received, *collector, *segment, *expires)
        };
        let stays = shipped(&self.copies[0]);
        self.copies.iter().map(shipped).filter(|copy| *copy != stays).collect()
    }

    /// The event's identity as items of an SQL tuple.
    fn identity(&self) -> String {
        format!("{},{}", sql::string(&self.site), self.event_id)
    }
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
