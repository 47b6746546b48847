//! Blocking, unblocking and erasing. Events of the scope are no longer accepted, and all that were accepted are shipped.
//!
//! Blocking:
//!
//! 1. Copy the rows from `events` to `blocked_events`. A row that is copied twice counts once.
//! 2. Book each in `removed_events` as `blocked`, which counts once too.
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
//! 1. Book each row of `events` and `blocked_events` in `removed_events` as `erased`; of a whole site, their number by segment, once.
//! 2. Delete the rows of `removed_events` that book blocked ones.
//! 3. Delete from `events` and from `blocked_events` the rows that are booked.
//! 4. Delete the visits of the scope; of a whole site, its daily figures too.
//! 5. Compute the days again.
//!
//! | crash in step | what the repetition finds |
//! |---|---|
//! | copying or booking | the same rows; what was copied or booked does not count again |
//! | deleting | rows that are left, and days of rows that are gone: the caller remembers the days before the first step |
//! | computing | no rows; the remembered days are computed |
//!
//! Until a change is complete, `footfall verify` may count a row twice; it reads again before it reports.

use std::collections::BTreeSet;

use jiff::civil::Date;
use sha2::{Digest, Sha256};

use super::{SubjectChange, SubjectDays, SubjectStore};
use crate::event::COLUMNS;
use crate::privacy::SubjectScope;
use crate::store::days::CloseDayError;
use crate::store::sql;

/// What tells a row of `events` from all others.
const ROW: &str = "collector, segment, page_load, seq, copy_number";
const EVENT: &str = "collector, segment, cityHash64(page_load, seq)";

/// The tables of figures, and whether a cluster shards them. The first has rows of single visitors; the others of whole sites alone.
const FIGURES: [(&str, bool); 5] = [
    ("visits_stored", true),
    ("daily_stored", true),
    ("daily_published_stored", true),
    ("publications", false),
    ("published_days", false),
];

impl SubjectStore {
    /// The days that have events of the scope, in reports or blocked.
    ///
    /// # Errors
    /// When the store refuses or cannot be reached. So in all functions here.
    pub async fn days_of(&self, scope: &SubjectScope) -> Result<BTreeSet<Date>, CloseDayError> {
        let mut days = self.days("events", scope).await?.days;
        days.extend(self.days("blocked_events", scope).await?.days);
        Ok(days)
    }

    /// Steps 1 to 3 of blocking.
    pub async fn block(&self, scope: &SubjectScope) -> Result<SubjectChange, CloseDayError> {
        let condition = self.condition(scope);
        let found = self.days("events", scope).await?;
        let events = self.number(&format!("SELECT count() FROM events WHERE {condition}")).await?;
        if events > 0 {
            self.copy("events", "blocked_events", &condition.to_string()).await?;
            self.book("events", scope, "blocked").await?;
            let copied = format!("SELECT {ROW} FROM {} WHERE {condition}", self.on_shard("blocked_events"));
            self.delete("events", &found, &format!("{condition} AND ({ROW}) IN ({copied})")).await?;
        }
        Ok(SubjectChange { events, days: found.days })
    }

    /// Steps 1 to 3 of unblocking.
    pub async fn unblock(&self, scope: &SubjectScope) -> Result<SubjectChange, CloseDayError> {
        let condition = self.condition(scope);
        let found = self.days("blocked_events", scope).await?;
        let blocked = format!("SELECT count() FROM blocked_events FINAL WHERE {condition}");
        let events = self.number(&blocked).await?;
        if events > 0 {
            let there = format!("SELECT {ROW} FROM events WHERE {condition}");
            self.copy(
                "blocked_events FINAL",
                "events",
                &format!("{condition} AND ({ROW}) GLOBAL NOT IN ({there})"),
            )
            .await?;
            self.unbook(scope).await?;
            let there = format!("SELECT {ROW} FROM {} WHERE {condition}", self.on_shard("events"));
            self.delete("blocked_events", &found, &format!("{condition} AND ({ROW}) IN ({there})")).await?;
        }
        Ok(SubjectChange { events, days: found.days })
    }

    /// Steps 1 to 4 of erasing. `request` is the id of the request.
    pub async fn erase(&self, scope: &SubjectScope, request: &str) -> Result<SubjectChange, CloseDayError> {
        let condition = self.condition(scope);
        let mut change = SubjectChange::default();
        for table in ["events", "blocked_events"] {
            let found = self.days(table, scope).await?;
            if found.months.is_empty() {
                continue;
            }
            let read = if table == "events" { table } else { "blocked_events FINAL" };
            change.events += self.number(&format!("SELECT count() FROM {read} WHERE {condition}")).await?;
            let site = sql::string(scope.site());
            let booked = match scope {
                SubjectScope::Site { .. } => {
                    let removal = removal_number(request, table);
                    self.book_segments(read, scope, removal).await?;
                    format!(
                        "(collector, segment) IN (SELECT collector, segment FROM removed_events WHERE site = {site} AND event_id = {removal})"
                    )
                }
                _ => {
                    self.book(read, scope, "erased").await?;
                    format!(
                        "({EVENT}) IN (SELECT collector, segment, event_id FROM removed_events WHERE site = {site} AND reason = 'erased')"
                    )
                }
            };
            if table == "blocked_events" {
                self.unbook(scope).await?;
            }
            self.delete(table, &found, &format!("{condition} AND {booked}")).await?;
            change.days.extend(found.days);
        }
        self.erase_figures(scope).await?;
        Ok(change)
    }

    /// Step 4 of erasing. It may be repeated when a computation that began before has inserted its visits since.
    pub async fn erase_figures(&self, scope: &SubjectScope) -> Result<(), CloseDayError> {
        let Some(condition) = self.condition(scope).of_visits() else { return Ok(()) };
        let of_site = matches!(scope, SubjectScope::Site { .. });
        let tables = if of_site { &FIGURES[..] } else { &FIGURES[..1] };
        for &(table, is_sharded) in tables {
            let local = if is_sharded { self.tables.local(table) } else { table.to_owned() };
            if self.number(&format!("SELECT count() FROM {table} WHERE {condition}")).await? > 0 {
                self.tables.run(&format!("DELETE FROM {local} WHERE {condition}"), &[]).await?;
            }
        }
        Ok(())
    }

    /// The last step of each change.
    pub async fn compute_again(&self, days: &BTreeSet<Date>) -> Result<(), CloseDayError> {
        self.closer.compute_again(days).await
    }

    async fn copy(&self, from: &str, to: &str, condition: &str) -> Result<(), CloseDayError> {
        let columns = COLUMNS.iter().copied().chain(["collector", "segment", "copy_number"]);
        let columns = columns.collect::<Vec<_>>().join(", ");
        // Otherwise ClickHouse might ignore rows that were inserted, and deleted, before.
        let insert = format!(
            "INSERT INTO {to} ({columns}) SETTINGS insert_deduplicate = 0 SELECT {columns} FROM {from} WHERE {condition}"
        );
        self.tables.run(&insert, &[]).await
    }

    /// Inserts a row of `removed_events` for each event.
    async fn book(&self, from: &str, scope: &SubjectScope, reason: &str) -> Result<(), CloseDayError> {
        let insert = format!(
            "INSERT INTO removed_events (day, site, collector, segment, event_id, reason, events, expires) SETTINGS insert_deduplicate = 0 \
             SELECT DISTINCT toDate(received, 'UTC'), site, collector, segment, event_id, '{reason}', 1, expires FROM {from} WHERE {}",
            self.condition(scope)
        );
        self.tables.run(&insert, &[]).await
    }

    /// Inserts a row of `removed_events` for each segment, unless an earlier attempt did: its number was that of all rows.
    async fn book_segments(
        &self,
        from: &str,
        scope: &SubjectScope,
        removal: u64,
    ) -> Result<(), CloseDayError> {
        let site = sql::string(scope.site());
        let insert = format!(
            "INSERT INTO removed_events (day, site, collector, segment, event_id, reason, events, expires) SETTINGS insert_deduplicate = 0 \
             SELECT toDate(received, 'UTC') AS day, site, collector, segment, {removal}, 'erased', uniqExact(event_id), expires FROM {from} \
             WHERE {} AND (toDate(received, 'UTC'), collector, segment, expires) GLOBAL NOT IN \
             (SELECT day, collector, segment, expires FROM removed_events WHERE site = {site} AND event_id = {removal}) \
             GROUP BY day, site, collector, segment, expires",
            self.condition(scope)
        );
        self.tables.run(&insert, &[]).await
    }

    /// Deletes the rows of `removed_events` that book blocked events of the scope.
    async fn unbook(&self, scope: &SubjectScope) -> Result<(), CloseDayError> {
        let (condition, site) = (self.condition(scope), sql::string(scope.site()));
        let delete = format!(
            "DELETE FROM removed_events WHERE site = {site} AND reason = 'blocked' AND (collector, segment, event_id) IN \
             (SELECT {EVENT} FROM blocked_events WHERE {condition})"
        );
        self.tables.run(&delete, &[]).await
    }

    /// By partition, because otherwise ClickHouse would look at parts of all years.
    async fn delete(&self, table: &str, found: &SubjectDays, condition: &str) -> Result<(), CloseDayError> {
        let local = self.tables.local(table);
        for month in &found.months {
            let delete = format!("DELETE FROM {local} IN PARTITION {month} WHERE {condition}");
            self.tables.run(&delete, &[]).await?;
        }
        Ok(())
    }

    /// The table in a subquery that each shard runs on its own rows.
    fn on_shard(&self, table: &str) -> String {
        let is_cluster = self.tables.client().cluster().is_some();
        self.tables.qualified(&format!("{table}{}", if is_cluster { "_local" } else { "" }))
    }
}

/// What stands in the place of an event's id where several are booked together.
fn removal_number(request: &str, table: &str) -> u64 {
    let digest = Sha256::digest(format!("removal {request} {table}"));
    u64::from_le_bytes(*digest.first_chunk().expect("a digest has 32 bytes"))
}
