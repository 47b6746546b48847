//! Blocking, unblocking and erasing. Events of the scope are no longer accepted, and all that were accepted are shipped.
//!
//! On a cluster each shard does the steps with its own rows, on one replica (`days/shards.rs`): an event, its copy in `blocked_events` and its row of
//! `removed_events` lie on one shard. Before rows are deleted whose copies stand for them, another replica that is up has the copies. A deletion names what it
//! deletes: a subquery would be run by each replica, and one that lags would delete other rows.
//!
//! Blocking:
//!
//! 1. Copy the rows from `events` to `blocked_events`. A row that is copied twice counts once.
//! 2. Record each in `removed_events` as `blocked`, which counts once too.
//! 3. Delete from `events` the rows that are in `blocked_events`.
//! 4. Compute the days again.
//!
//! Unblocking:
//!
//! 1. Copy the rows from `blocked_events` to `events`, except those that are there.
//! 2. Delete their rows of `removed_events`.
//! 3. Delete from `blocked_events` the rows that are in `events`.
//! 4. Compute the days again.
//!
//! Erasing:
//!
//! 1. Record each row of `events` and `blocked_events` in `removed_events` as `erased`; of a whole site, their number by segment, once.
//! 2. Delete the rows of `removed_events` that record blocked ones.
//! 3. Delete from `events` and from `blocked_events` the rows that are recorded.
//! 4. Delete the visits of the scope; of a whole site, its daily figures too.
//! 5. Compute the days again.
//!
//! | crash in step | what the repetition finds |
//! |---|---|
//! | copying or recording | the same rows; what was copied or recorded does not count again |
//! | deleting | rows that are left, and days of rows that are gone: the caller remembers the days before the first step |
//! | computing | no rows; the remembered days are computed |
//!
//! Until a change is complete, `footfall verify` may count a row twice; it reads again before it reports.

use std::collections::BTreeSet;

use jiff::civil::Date;
use sha2::{Digest, Sha256};

use super::condition::RowCondition;
use super::{SubjectChange, SubjectDays, SubjectStore, segments};
use crate::event::COLUMNS;
use crate::privacy::SubjectScope;
use crate::store::days::{CloseDayError, PinnedShard, PinnedShards, Tables};
use crate::store::sql;

/// What tells a row of `events` from all others.
const ROW: &str = "collector, segment, page_load, seq, copy_number";
type RowId = (u64, u64, u64, u32, u8);
const EVENT: &str = "collector, segment, cityHash64(page_load, seq)";
type EventKey = (u64, u64, u64);
/// Longest statement, in bytes.
const MAX_STATEMENT: &str = "1048576";
/// Rows that one deletion names. A replicated table keeps its text in ZooKeeper, which takes 1 MiB at once.
const AT_ONCE: usize = 5_000;

/// The sharded tables of figures. The first has rows of single visitors; the others of whole sites alone.
const FIGURES: [&str; 3] = ["visits_stored", "daily_stored", "daily_published_stored"];
/// Tables of figures that all nodes have.
const FIGURES_EVERYWHERE: [&str; 2] = ["publications", "published_days"];

impl SubjectStore {
    /// The days that have events of the scope, in reports or blocked.
    ///
    /// # Errors
    /// When the store refuses or cannot be reached. So in all functions here.
    pub async fn days_of(&self, scope: &SubjectScope) -> Result<BTreeSet<Date>, CloseDayError> {
        let pinned = self.pin().await?;
        let ask = async {
            let mut days = BTreeSet::new();
            for shard in &pinned.shards {
                for table in ["events", "blocked_events"] {
                    days.extend(self.days(&shard.tables, table, scope).await?.days);
                }
            }
            Ok(days)
        };
        pinned.while_they_answer(ask).await
    }

    /// Steps 1 to 3 of blocking.
    pub async fn block(&self, scope: &SubjectScope) -> Result<SubjectChange, CloseDayError> {
        let pinned = self.pin().await?;
        pinned.while_they_answer(self.block_on(&pinned, scope)).await
    }

    async fn block_on(
        &self,
        pinned: &PinnedShards,
        scope: &SubjectScope,
    ) -> Result<SubjectChange, CloseDayError> {
        let condition = RowCondition(scope).to_string();
        let mut change = SubjectChange::default();
        for shard in &pinned.shards {
            let tables = &shard.tables;
            let (events, blocked) = (tables.local("events"), tables.local("blocked_events"));
            let found = self.days(tables, "events", scope).await?;
            let number = number(tables, &format!("SELECT count() FROM {events} WHERE {condition}")).await?;
            if number > 0 {
                copy(tables, &events, &blocked, &condition).await?;
                record(tables, &events, scope, "blocked").await?;
                shard.secure("blocked_events").await;
                let both = format!(
                    "SELECT DISTINCT {ROW} FROM {events} WHERE {condition} AND ({ROW}) IN (SELECT {ROW} FROM {blocked} WHERE {condition})"
                );
                delete_rows(tables, "events", &found, &condition, &both).await?;
            }
            change.add(number, found.days);
        }
        Ok(change)
    }

    /// Steps 1 to 3 of unblocking.
    pub async fn unblock(&self, scope: &SubjectScope) -> Result<SubjectChange, CloseDayError> {
        let pinned = self.pin().await?;
        pinned.while_they_answer(self.unblock_on(&pinned, scope)).await
    }

    async fn unblock_on(
        &self,
        pinned: &PinnedShards,
        scope: &SubjectScope,
    ) -> Result<SubjectChange, CloseDayError> {
        let condition = RowCondition(scope).to_string();
        let mut change = SubjectChange::default();
        for shard in &pinned.shards {
            let tables = &shard.tables;
            let (events, blocked) = (tables.local("events"), tables.local("blocked_events"));
            let found = self.days(tables, "blocked_events", scope).await?;
            let sql = format!("SELECT count() FROM {blocked} FINAL WHERE {condition}");
            let number = number(tables, &sql).await?;
            if number > 0 {
                let there = format!("SELECT {ROW} FROM {events} WHERE {condition}");
                let absent = format!("{condition} AND ({ROW}) NOT IN ({there})");
                copy(tables, &format!("{blocked} FINAL"), &events, &absent).await?;
                shard.secure("events").await;
                delete_records(tables, scope).await?;
                let both = format!(
                    "SELECT DISTINCT {ROW} FROM {blocked} WHERE {condition} AND ({ROW}) IN (SELECT {ROW} FROM {events} WHERE {condition})"
                );
                delete_rows(tables, "blocked_events", &found, &condition, &both).await?;
            }
            change.add(number, found.days);
        }
        Ok(change)
    }

    /// Steps 1 to 4 of erasing. `request` is the id of the request.
    pub async fn erase(&self, scope: &SubjectScope, request: &str) -> Result<SubjectChange, CloseDayError> {
        let pinned = self.pin().await?;
        let erase = async {
            let mut change = SubjectChange::default();
            for shard in &pinned.shards {
                for table in ["events", "blocked_events"] {
                    self.erase_events(shard, table, scope, request, &mut change).await?;
                }
            }
            Ok(change)
        };
        let change = pinned.while_they_answer(erase).await?;
        self.erase_figures(scope).await?;
        Ok(change)
    }

    async fn erase_events(
        &self,
        shard: &PinnedShard,
        table: &str,
        scope: &SubjectScope,
        request: &str,
        change: &mut SubjectChange,
    ) -> Result<(), CloseDayError> {
        let (tables, condition) = (&shard.tables, RowCondition(scope).to_string());
        let found = self.days(tables, table, scope).await?;
        if found.months.is_empty() {
            return Ok(());
        }
        let (local, removed) = (tables.local(table), tables.local("removed_events"));
        let read = if table == "events" { local.clone() } else { format!("{local} FINAL") };
        let events = number(tables, &format!("SELECT count() FROM {read} WHERE {condition}")).await?;
        let site = sql::string(scope.site());
        let recorded = match scope {
            SubjectScope::Site { .. } => {
                let removal = removal_number(request, table);
                book_segments(tables, &read, scope, removal).await?;
                format!(
                    "(collector, segment) IN (SELECT collector, segment FROM {removed} WHERE site = {site} AND event_id = {removal})"
                )
            }
            _ => {
                record(tables, &read, scope, "erased").await?;
                format!(
                    "({EVENT}) IN (SELECT collector, segment, event_id FROM {removed} WHERE site = {site} AND reason = 'erased')"
                )
            }
        };
        shard.secure("removed_events").await;
        if table == "blocked_events" {
            delete_records(tables, scope).await?;
        }
        let of = format!("FROM {local} WHERE {condition} AND {recorded}");
        match scope {
            // One statement a month. On a cluster each replica would run the subquery by itself, on the rows that it has then.
            _ if tables.client().cluster().is_none() => {
                delete(tables, table, &found, &format!("{condition} AND {recorded}")).await?;
            }
            SubjectScope::Site { .. } => {
                let segments = format!("SELECT DISTINCT collector, segment {of}");
                delete_segments(tables, table, &found, &condition, &segments).await?;
            }
            _ => {
                let rows = format!("SELECT DISTINCT {ROW} {of}");
                delete_rows(tables, table, &found, &condition, &rows).await?;
            }
        }
        change.add(events, found.days);
        Ok(())
    }

    /// Step 4 of erasing. It may be repeated when a computation that began before has inserted its visits since.
    pub async fn erase_figures(&self, scope: &SubjectScope) -> Result<(), CloseDayError> {
        let Some(condition) = RowCondition(scope).of_visits() else { return Ok(()) };
        let of_site = matches!(scope, SubjectScope::Site { .. });
        let sharded = if of_site { &FIGURES[..] } else { &FIGURES[..1] };
        let pinned = self.pin().await?;
        let erase = async {
            for (at, shard) in pinned.shards.iter().enumerate() {
                let tables = &shard.tables;
                let everywhere = FIGURES_EVERYWHERE.iter().filter(|_| of_site && at == 0);
                let everywhere = everywhere.map(|table| shard.everywhere(table));
                for table in sharded.iter().map(|table| tables.local(table)).chain(everywhere) {
                    if number(tables, &format!("SELECT count() FROM {table} WHERE {condition}")).await? > 0 {
                        tables.run(&format!("DELETE FROM {table} WHERE {condition}"), &[]).await?;
                    }
                }
            }
            Ok(())
        };
        pinned.while_they_answer(erase).await
    }

    /// The last step of each change.
    pub async fn compute_again(&self, days: &BTreeSet<Date>) -> Result<(), CloseDayError> {
        self.closer.compute_again(days).await
    }
}

impl SubjectChange {
    fn add(&mut self, events: u64, days: BTreeSet<Date>) {
        self.events += events;
        self.days.extend(days);
    }
}

async fn copy(tables: &Tables, from: &str, to: &str, condition: &str) -> Result<(), CloseDayError> {
    let columns = COLUMNS.iter().copied().chain(["collector", "segment", "copy_number"]);
    let columns = columns.collect::<Vec<_>>().join(", ");
    // Otherwise ClickHouse might ignore rows that were inserted, and deleted, before.
    let insert = format!(
        "INSERT INTO {to} ({columns}) SETTINGS insert_deduplicate = 0 SELECT {columns} FROM {from} WHERE {condition}"
    );
    tables.run(&insert, &[]).await
}

/// Inserts a row of `removed_events` for each event.
async fn record(
    tables: &Tables,
    from: &str,
    scope: &SubjectScope,
    reason: &str,
) -> Result<(), CloseDayError> {
    let insert = format!(
        "INSERT INTO {} (day, site, collector, segment, event_id, reason, events, expires) SETTINGS insert_deduplicate = 0 \
         SELECT DISTINCT toDate(received, 'UTC'), site, collector, segment, event_id, '{reason}', 1, expires FROM {from} WHERE {}",
        tables.local("removed_events"),
        RowCondition(scope)
    );
    tables.run(&insert, &[]).await
}

/// Inserts a row of `removed_events` for each segment, unless an earlier attempt did: its number was that of all rows.
async fn book_segments(
    tables: &Tables,
    from: &str,
    scope: &SubjectScope,
    removal: u64,
) -> Result<(), CloseDayError> {
    let (site, removed) = (sql::string(scope.site()), tables.local("removed_events"));
    let insert = format!(
        "INSERT INTO {removed} (day, site, collector, segment, event_id, reason, events, expires) SETTINGS insert_deduplicate = 0 \
         SELECT toDate(received, 'UTC') AS day, site, collector, segment, {removal}, 'erased', uniqExact(event_id), expires FROM {from} \
         WHERE {} AND (toDate(received, 'UTC'), collector, segment, expires) NOT IN \
         (SELECT day, collector, segment, expires FROM {removed} WHERE site = {site} AND event_id = {removal}) \
         GROUP BY day, site, collector, segment, expires",
        RowCondition(scope)
    );
    tables.run(&insert, &[]).await
}

/// Deletes the rows of `removed_events` that record blocked events of the scope.
async fn delete_records(tables: &Tables, scope: &SubjectScope) -> Result<(), CloseDayError> {
    let (condition, site) = (RowCondition(scope), sql::string(scope.site()));
    let blocked =
        format!("SELECT DISTINCT {EVENT} FROM {} WHERE {condition}", tables.local("blocked_events"));
    let blocked = tables.client().query(&blocked).fetch_all::<EventKey>().await?;
    for blocked in blocked.chunks(AT_ONCE) {
        let named =
            blocked.iter().map(|(collector, segment, event)| format!("({collector},{segment},{event})"));
        let delete = format!(
            "DELETE FROM {} WHERE site = {site} AND reason = 'blocked' AND (collector, segment, event_id) IN ({})",
            tables.local("removed_events"),
            named.collect::<Vec<_>>().join(",")
        );
        tables.run_long(&delete, &[], MAX_STATEMENT).await?;
    }
    Ok(())
}

/// Deletes the rows of the segments that the query `segments` selects, month by month. The query ends with a condition, and the month is
/// added to it.
async fn delete_segments(
    tables: &Tables,
    table: &str,
    found: &SubjectDays,
    condition: &str,
    segments: &str,
) -> Result<(), CloseDayError> {
    for month in &found.months {
        let of_month = format!("{segments} AND toYYYYMM(time) = {month} ORDER BY collector, segment");
        let of_month = tables.client().query(&of_month).fetch_all::<(u64, u64)>().await?;
        for named in segments::conditions(&of_month) {
            delete_of_month(tables, table, *month, &format!("{condition} AND {named}")).await?;
        }
    }
    Ok(())
}

/// Deletes the rows that a query selects by [`ROW`].
async fn delete_rows(
    tables: &Tables,
    table: &str,
    found: &SubjectDays,
    condition: &str,
    rows: &str,
) -> Result<(), CloseDayError> {
    let rows = tables.client().query(rows).fetch_all::<RowId>().await?;
    for rows in rows.chunks(AT_ONCE) {
        let named = rows.iter().map(|(collector, segment, page_load, seq, copy)| {
            format!("({collector},{segment},{page_load},{seq},{copy})")
        });
        let named = named.collect::<Vec<_>>().join(",");
        delete(tables, table, found, &format!("{condition} AND ({ROW}) IN ({named})")).await?;
    }
    Ok(())
}

/// By partition, because otherwise ClickHouse would look at parts of all years.
async fn delete(
    tables: &Tables,
    table: &str,
    found: &SubjectDays,
    condition: &str,
) -> Result<(), CloseDayError> {
    for month in &found.months {
        delete_of_month(tables, table, *month, condition).await?;
    }
    Ok(())
}

async fn delete_of_month(
    tables: &Tables,
    table: &str,
    month: u32,
    condition: &str,
) -> Result<(), CloseDayError> {
    let delete = format!("DELETE FROM {} IN PARTITION {month} WHERE {condition}", tables.local(table));
    tables.run_long(&delete, &[], MAX_STATEMENT).await
}

async fn number(tables: &Tables, sql: &str) -> Result<u64, CloseDayError> {
    Ok(tables.client().query(sql).fetch_one::<u64>().await?)
}

/// What stands in the place of an event's id where several are recorded together.
fn removal_number(request: &str, table: &str) -> u64 {
    let digest = Sha256::digest(format!("removal {request} {table}"));
    u64::from_le_bytes(*digest.first_chunk().expect("a digest has 32 bytes"))
}
