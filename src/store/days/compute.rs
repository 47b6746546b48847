//! Computes a day: its visits and its daily figures, under a new generation of each shard.
//!
//! Each shard's visits and exact figures are computed from its own events, on one replica of it (`shards.rs`). All events of a visitor lie on one shard, so the
//! figures of the shards add up. Published figures are made once, from the sum.
//!
//! 1. On each shard that is due: insert its visits into `visits_stored`.
//! 2. On each shard that is due: insert its daily figures, computed from these visits and its events, into `daily_stored`.
//! 3. On a cluster: wait until each replica of every shard has these rows and the events, or lags so far that nobody reads from it.
//! 4. Insert what viewers may read of the day into `daily_published_stored` (`publish/mod.rs`), and wait as in step 3.
//! 5. If the day was computed before, wait until no query is planned any more that does not see these rows.
//! 6. Put in force what is published.
//! 7. On each shard that is due: insert its row of the day into `days`, with the numbers of its rows of steps 1 and 2. This makes its visits and figures
//!    visible together.
//!
//! | crash after step | recovery |
//! |---|---|
//! | 1 to 5 | readers see the generation before; the rows of the new one are deleted after the next computation |
//! | 6 | the day is due again on the same shards; its publication stays (`publish/mod.rs`) |
//! | 7, on some shards | the others are due again; until then their figures are those of the generation before |
//! | 7 | nothing is left to do |
//! | 7, and the node is lost for good while others have its row of `days` alone | the numbers of rows differ: the day is due again (`counts.rs`) |
//!
//! Events are counted before step 1, on the node that computes them. Events that arrive later change the number, and the shard is due again.
//!
//! Two computations of a day at once do no harm: on each shard the higher generation is in force, and each is complete.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};

use super::computation::{Computation, EVENTS_AT_ONCE, Generations, RECENT, ShardDay, StoredGeneration};
use super::lease::Lease;
use super::publish::{self, Publisher};
use super::shards::PinnedShards;
use super::tables::{CloseDayError, Tables, moment};
use crate::store::{dates, schema};

/// A generation holds the time of its computation above this many random bits.
const RANDOM_BITS: u32 = 20;
/// A generation stays until the one that replaced it was computed so long ago: a reader may have looked it up.
const KEEP: SignedDuration = SignedDuration::from_secs(15);
/// ClickHouse fixes the parts that a query reads before it looks up the generations in force. So the rows of a generation must be there for
/// longer than a query is planned, before the generation is in force.
const SETTLE: Duration = Duration::from_millis(500);

/// Computes a day and makes the result visible, unless a newer version of Footfall has migrated the tables. Renews a lease meanwhile. Without a publisher nothing new is published.
pub(super) async fn compute(
    computation: &Computation<'_>,
    publisher: Option<&Publisher>,
    lease: Option<&Lease>,
) -> Result<(), CloseDayError> {
    schema::check_version(computation.shards.any().client()).await?;
    let mut generations = in_force(computation).await?;
    let was_computed = computation.parts.iter().any(|part| generations.contains_key(&part.shard.number));
    // Above those of all shards: the highest is that of the publication, and no two publications may have the same.
    let latest = generations.values().copied().max().unwrap_or(0);
    for part in &computation.parts {
        generations.insert(part.shard.number, new_generation(computation, latest)?);
    }
    let published = insert(computation, &generations, publisher, lease).await;
    if published.is_err() {
        // Otherwise each attempt would leave its rows. If this fails, too, they are deleted after the next computation.
        discard(computation, &generations).await;
    }
    let published = published?;
    if was_computed {
        tokio::time::sleep(SETTLE).await;
    }
    if let Some(publisher) = publisher {
        publish::put_in_force(computation, publisher, &generations, &published).await?;
    }
    for part in &computation.parts {
        put_in_force(computation, part, generations[&part.shard.number]).await?;
    }
    Ok(())
}

/// Steps 1 to 4.
async fn insert(
    computation: &Computation<'_>,
    generations: &Generations,
    publisher: Option<&Publisher>,
    lease: Option<&Lease>,
) -> Result<publish::Inserted, CloseDayError> {
    for part in &computation.parts {
        insert_exact(computation, part, generations[&part.shard.number], lease).await?;
    }
    let waits_for_all = !computation.is_open;
    computation
        .shards
        .confirm(&["events", "visits_stored", "daily_stored"], Instant::now(), waits_for_all)
        .await;
    let Some(publisher) = publisher else { return Ok(publish::Inserted::new()) };
    let inserted = publish::insert(computation, publisher, generations, lease).await?;
    if !inserted.is_empty() {
        computation.shards.confirm(&[publish::TABLE], Instant::now(), waits_for_all).await;
    }
    Ok(inserted)
}

/// Inserts the rows of a generation: what one shard has of the day.
async fn insert_exact(
    computation: &Computation<'_>,
    part: &ShardDay<'_>,
    generation: u64,
    lease: Option<&Lease>,
) -> Result<(), CloseDayError> {
    let renew = async || if let Some(lease) = lease { lease.renew().await } else { Ok(()) };
    let tables = &part.shard.tables;
    let buckets = part.events / EVENTS_AT_ONCE + 1;
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

/// Deletes what was inserted, as far as that succeeds.
async fn discard(computation: &Computation<'_>, generations: &Generations) {
    for shard in &computation.shards.shards {
        let own = computation.parts.iter().any(|part| part.shard.number == shard.number);
        let exact = generations.get(&shard.number).filter(|_| own).copied();
        let published = publish::generation(generations);
        let of_tables =
            [("visits_stored", exact), ("daily_stored", exact), (publish::TABLE, Some(published))];
        for (table, generation) in of_tables {
            let Some(generation) = generation else { continue };
            let _ = delete(&shard.tables, table, computation.day.date, computation.is_open, generation).await;
        }
    }
}

/// The generations of the day that are in force.
async fn in_force(computation: &Computation<'_>) -> Result<Generations, CloseDayError> {
    let mut generations = Generations::new();
    for shard in &computation.shards.shards {
        let days = shard.tables.local("days");
        let sql = format!("SELECT max(generation) FROM {days} WHERE day = toDate({{day:UInt16}})");
        let query = shard.tables.client().query(&sql).param("day", computation.day_number());
        let latest = query.fetch_one::<u64>().await?;
        if latest > 0 {
            generations.insert(shard.number, latest);
        }
    }
    Ok(generations)
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
    let stored = tables.local("visits_stored");
    tables.run(&format!("INSERT INTO {stored} ({columns}, generation, is_open) {select}"), &[]).await
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
        "INSERT INTO {} ({columns}, generation, is_open)\n\
         WITH\n    visits AS (SELECT * FROM {} WHERE day = '{date}' AND generation = {generation}),\n    \
         events AS (SELECT * FROM {} WHERE toDate(time) >= toDate({since}) AND toDate(time) <= toDate({before}) \
         AND time >= {since} AND time < {before} AND expires >= today())\n\
         SELECT {columns}, {generation}, {is_open}\nFROM\n(\n{query}\n)",
        tables.local("daily_stored"),
        tables.local("visits_stored"),
        tables.local("events"),
    );
    tables.run(&insert, &[("timezone", zone)]).await
}

/// Step 7.
async fn put_in_force(
    computation: &Computation<'_>,
    part: &ShardDay<'_>,
    generation: u64,
) -> Result<(), CloseDayError> {
    let Computation { day, zone, is_open, began, .. } = computation;
    let ShardDay { shard, events, removed } = part;
    let rows_of = |table| {
        let condition =
            "day = toDate({day:UInt16}) AND generation = {generation:UInt64} AND expires >= today()";
        format!("(SELECT count() FROM {} WHERE {condition})", shard.tables.local(table))
    };
    let sql = format!(
        "INSERT INTO {} (day, shard, starts, ends, timezone, generation, is_closed, events, removed, visits, figures, computed) \
         SELECT toDate({{day:UInt16}}), {{shard:UInt32}}, fromUnixTimestamp({{starts:Int64}}), fromUnixTimestamp({{ends:Int64}}), \
         {{zone:String}}, {{generation:UInt64}}, NOT {{is_open:Bool}}, {{events:UInt64}}, {{removed:UInt64}}, \
         {}, {}, fromUnixTimestamp64Milli({{began:Int64}})",
        shard.tables.local("days"),
        rows_of("visits_stored"),
        rows_of("daily_stored"),
    );
    let query = shard
        .tables
        .client()
        .query(&sql)
        .param("day", computation.day_number())
        .param("shard", shard.number)
        .param("starts", day.starts)
        .param("ends", day.ends)
        .param("zone", zone)
        .param("generation", generation)
        .param("is_open", is_open)
        .param("events", events)
        .param("removed", removed)
        .param("began", began.as_millisecond());
    Ok(shard.tables.bounded(query).execute().await?)
}

/// Deletes the rows of generations that were replaced, except those that a reader may have looked up just before. A generation above the one
/// in force is under way, or was left by a crash and is deleted after the next computation.
///
/// `is_open`: of open days alone, which have partitions of their own and are dropped at once.
pub(super) async fn delete_replaced(shards: &PinnedShards, is_open: bool) -> Result<(), CloseDayError> {
    let now = Timestamp::now();
    // After the clock was set back, generations lie in the future.
    let recent = first_generation(now - KEEP)..=first_generation(now + KEEP);
    for shard in &shards.shards {
        for table in ["visits_stored", "daily_stored"] {
            delete_replaced_exact(&shard.tables, table, is_open, &recent).await?;
        }
    }
    let published = publish::in_force_by_day(shards.any()).await?;
    for shard in &shards.shards {
        for replaced in publish::replaced(&shard.tables, &published, is_open, *recent.start()).await? {
            let StoredGeneration { day, is_open, generation } = replaced;
            delete(&shard.tables, publish::TABLE, dates::day_date(day), is_open, generation).await?;
        }
    }
    Ok(())
}

async fn delete_replaced_exact(
    tables: &Tables,
    table: &str,
    is_open: bool,
    recent: &RangeInclusive<u64>,
) -> Result<(), CloseDayError> {
    let (days, stored) = (tables.local("days"), tables.local(table));
    let sql = format!(
        "SELECT toUInt16(day), max(generation) FROM {days} GROUP BY day HAVING max(computed) > now64(3) - {RECENT}"
    );
    let in_force = tables.client().query(&sql).fetch_all::<(u16, u64)>().await?;
    let in_force: BTreeMap<u16, u64> = in_force.into_iter().collect();
    let condition = if is_open { "is_open" } else { "true" };
    let sql = format!(
        "SELECT DISTINCT toUInt16(day) AS day, is_open, generation FROM {stored} WHERE {condition} \
         AND day IN (SELECT day FROM {days} GROUP BY day HAVING max(computed) > now64(3) - {RECENT}) \
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
pub(super) async fn merge_daily(shards: &PinnedShards, days: &[Date]) -> Result<(), CloseDayError> {
    let months: BTreeSet<_> = days.iter().map(|day| day.strftime("%Y%m").to_string()).collect();
    for shard in &shards.shards {
        for (month, table) in
            months.iter().flat_map(|month| ["daily_stored", publish::TABLE].map(|table| (month, table)))
        {
            let local = shard.tables.local(table);
            shard.tables.run(&format!("OPTIMIZE TABLE {local} PARTITION ({month}, 0) FINAL"), &[]).await?;
        }
    }
    Ok(())
}
