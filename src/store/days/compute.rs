//! Computes a day: its visits and its daily figures, under a new generation.
//!
//! 1. Insert its visits into `visits_stored`.
//! 2. Insert its daily figures, computed from these visits and its events, into `daily_stored`.
//! 3. Insert what viewers may read of it into `daily_published_stored` (`publish.rs`).
//! 4. If the day was computed before, wait until no query is planned any more that does not see these rows.
//! 5. Put in force what is published, and insert the day's row into `days`. This makes visits and figures visible together.
//!
//! | crash after step | recovery |
//! |---|---|
//! | 1 to 4 | readers see the generation before; the rows of the new one are deleted after the next computation |
//! | 5 | nothing is left to do |
//!
//! Two computations of a day at once do no harm: the higher generation is in force, and each is complete.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};

use super::computation::{Computation, EVENTS_AT_ONCE, RECENT, StoredGeneration};
use super::lease::Lease;
use super::publish::{self, Publisher};
use super::tables::{CloseDayError, Tables, moment};
use crate::store::{dates, schema};

/// A generation holds the time of its computation above this many random bits.
const RANDOM_BITS: u32 = 20;
/// A generation stays until the one that replaced it was computed so long ago: a reader may have looked it up.
const KEEP: SignedDuration = SignedDuration::from_secs(15);
/// ClickHouse fixes the parts that a query reads before it looks up the generations in force. So the rows of a generation must be there for
/// longer than a query is planned, before the generation is in force.
const SETTLE: Duration = Duration::from_millis(500);
/// Tables with the rows of generations.
const TABLES: [&str; 3] = ["visits_stored", "daily_stored", publish::TABLE];

/// Computes a day and makes the result visible. Renews a lease meanwhile. Without a publisher nothing new is published.
pub(super) async fn compute(
    tables: &Tables,
    computation: &Computation<'_>,
    publisher: Option<&Publisher>,
    lease: Option<&Lease>,
) -> Result<(), CloseDayError> {
    let latest = latest_generation(tables, computation).await?;
    let generation = new_generation(computation, latest)?;
    let inserted = async {
        insert(tables, computation, generation, lease).await?;
        match publisher {
            Some(publisher) => publish::insert(tables, computation, publisher, generation, lease).await,
            None => Ok(publish::Inserted::new()),
        }
    };
    let published = inserted.await;
    if published.is_err() {
        // Otherwise each attempt would leave its rows. If this fails, too, they are deleted after the next computation.
        for table in TABLES {
            let _ = delete(tables, table, computation.day.date, computation.is_open, generation).await;
        }
    }
    let published = published?;
    if latest > 0 {
        tokio::time::sleep(SETTLE).await;
    }
    if let Some(publisher) = publisher {
        publish::put_in_force(tables, computation, publisher, generation, &published).await?;
    }
    put_in_force(tables, computation, generation).await
}

/// Inserts the rows of a generation.
async fn insert(
    tables: &Tables,
    computation: &Computation<'_>,
    generation: u64,
    lease: Option<&Lease>,
) -> Result<(), CloseDayError> {
    let renew = async || if let Some(lease) = lease { lease.renew().await } else { Ok(()) };
    let buckets = computation.events / EVENTS_AT_ONCE + 1;
    for bucket in 0..buckets {
        insert_visits(tables, computation, generation, buckets, bucket).await?;
        renew().await?;
    }
    // One query is faster, and makes one part.
    let queries = match buckets {
        1 => vec![schema::whole_daily_query()],
        _ => schema::daily_queries().collect(),
    };
    for query in queries {
        insert_daily(tables, computation, generation, &query).await?;
        renew().await?;
    }
    Ok(())
}

/// The day's highest generation so far, or 0.
async fn latest_generation(tables: &Tables, computation: &Computation<'_>) -> Result<u64, CloseDayError> {
    let sql = "SELECT max(generation) FROM days WHERE day = toDate({day:UInt16})";
    Ok(tables.client().query(sql).param("day", computation.day_number()).fetch_one::<u64>().await?)
}

/// Higher than the day's latest generation, also when the clock was set back.
fn new_generation(computation: &Computation<'_>, latest: u64) -> Result<u64, CloseDayError> {
    let random = getrandom::u64().map_err(|_| CloseDayError::Random)? >> (u64::BITS - RANDOM_BITS);
    let first = first_generation(computation.began).max(((latest >> RANDOM_BITS) + 1) << RANDOM_BITS);
    Ok(first | random)
}

/// The lowest generation of computations that begin at a moment.
fn first_generation(began: Timestamp) -> u64 {
    u64::try_from(began.as_millisecond()).unwrap_or(0) << RANDOM_BITS
}

async fn insert_visits(
    tables: &Tables,
    computation: &Computation<'_>,
    generation: u64,
    buckets: u64,
    bucket: u64,
) -> Result<(), CloseDayError> {
    let Computation { day, is_open, .. } = computation;
    let columns = Tables::columns("visits_stored");
    let view = tables.qualified("visits_between");
    let select = format!(
        "SELECT {columns}, {generation} AS generation, {is_open} AS is_open \
         FROM {view}(since = {}, before = {}, buckets = {buckets}, bucket = {bucket})",
        moment(day.starts),
        moment(day.ends),
    );
    let select = tables.on_each_shard(select);
    tables.run(&format!("INSERT INTO visits_stored ({columns}, generation, is_open) {select}"), &[]).await
}

async fn insert_daily(
    tables: &Tables,
    computation: &Computation<'_>,
    generation: u64,
    query: &str,
) -> Result<(), CloseDayError> {
    let Computation { day, is_open, zone, .. } = computation;
    let columns = Tables::columns("daily_stored");
    let (date, since, before) = (day.date, moment(day.starts), moment(day.ends));
    // `time` alone would not find the day in the table's order, which has `toDate(time)`.
    let insert = format!(
        "INSERT INTO daily_stored ({columns}, generation, is_open)\n\
         WITH\n    visits AS (SELECT * FROM {} WHERE day = '{date}' AND generation = {generation}),\n    \
         events AS (SELECT * FROM {} WHERE toDate(time) >= toDate({since}) AND toDate(time) <= toDate({before}) \
         AND time >= {since} AND time < {before} AND expires >= today())\n\
         SELECT {columns}, {generation}, {is_open}\nFROM\n(\n{query}\n)",
        tables.qualified("visits_stored"),
        tables.qualified("events"),
    );
    tables.run(&insert, &[("timezone", zone)]).await
}

async fn put_in_force(
    tables: &Tables,
    computation: &Computation<'_>,
    generation: u64,
) -> Result<(), CloseDayError> {
    let Computation { day, zone, events, removed, is_open, began } = computation;
    let sql = "INSERT INTO days (day, starts, ends, timezone, generation, is_closed, events, removed, computed) \
               SELECT toDate({day:UInt16}), fromUnixTimestamp({starts:Int64}), fromUnixTimestamp({ends:Int64}), \
               {zone:String}, {generation:UInt64}, NOT {is_open:Bool}, {events:UInt64}, {removed:UInt64}, \
               fromUnixTimestamp64Milli({began:Int64})";
    let query = tables
        .client()
        .query(sql)
        .param("day", computation.day_number())
        .param("starts", day.starts)
        .param("ends", day.ends)
        .param("zone", zone)
        .param("generation", generation)
        .param("is_open", is_open)
        .param("events", events)
        .param("removed", removed)
        .param("began", began.as_millisecond());
    Ok(query.execute().await?)
}

/// Deletes the rows of generations that were replaced, except those that a reader may have looked up just before. A generation above the one
/// in force is under way, or was left by a crash and is deleted after the next computation.
///
/// `is_open`: of open days alone, which have partitions of their own and are dropped at once.
pub(super) async fn delete_replaced(tables: &Tables, is_open: bool) -> Result<(), CloseDayError> {
    let sql = format!(
        "SELECT toUInt16(day), max(generation) FROM days GROUP BY day HAVING max(computed) > now64(3) - {RECENT}"
    );
    let in_force = tables.client().query(&sql).fetch_all::<(u16, u64)>().await?;
    let in_force: BTreeMap<u16, u64> = in_force.into_iter().collect();
    let now = Timestamp::now();
    // After the clock was set back, generations lie in the future.
    let recent = first_generation(now - KEEP)..=first_generation(now + KEEP);
    for table in ["visits_stored", "daily_stored"] {
        let condition = if is_open { "is_open" } else { "true" };
        let sql = format!(
            "SELECT DISTINCT toUInt16(day) AS day, is_open, generation FROM {table} WHERE {condition} \
             AND day GLOBAL IN (SELECT day FROM days GROUP BY day HAVING max(computed) > now64(3) - {RECENT}) \
             ORDER BY generation DESC"
        );
        let stored = tables.client().query(&sql).fetch_all::<StoredGeneration>().await?;
        let mut successors = BTreeMap::new();
        for StoredGeneration { day, is_open, generation } in stored {
            let Some(current) = in_force.get(&day).filter(|current| generation < **current) else { continue };
            let successor = successors.insert(day, generation);
            let is_looked_up = match successor {
                Some(successor) => recent.contains(&successor),
                None => *current >= *recent.start(),
            };
            if !is_looked_up {
                delete(tables, table, dates::day_date(day), is_open, generation).await?;
            }
        }
    }
    for replaced in publish::replaced(tables, is_open, *recent.start()).await? {
        let StoredGeneration { day, is_open, generation } = replaced;
        delete(tables, publish::TABLE, dates::day_date(day), is_open, generation).await?;
    }
    Ok(())
}

async fn delete(
    tables: &Tables,
    table: &str,
    day: Date,
    is_open: bool,
    generation: u64,
) -> Result<(), CloseDayError> {
    let (local, month) = (tables.local(table), day.strftime("%Y%m"));
    let sql = if is_open {
        format!("ALTER TABLE {local} DROP PARTITION ({month}, {generation})")
    } else {
        format!("DELETE FROM {local} IN PARTITION ({month}, 0) WHERE generation = {generation}")
    };
    tables.run(&sql, &[]).await
}

/// Merges the daily figures of closed days, published ones too: what a report reads of them costs less than opening each of their parts.
pub(super) async fn merge_daily(tables: &Tables, days: &[Date]) -> Result<(), CloseDayError> {
    let months: BTreeSet<_> = days.iter().map(|day| day.strftime("%Y%m").to_string()).collect();
    for month in months {
        for table in ["daily_stored", "daily_published_stored"] {
            let local = tables.local(table);
            tables.run(&format!("OPTIMIZE TABLE {local} PARTITION ({month}, 0) FINAL"), &[]).await?;
        }
    }
    Ok(())
}
