//! Retention that the store's TTL does not enforce or record: hours, and the account of what expired.
//!
//! A site with a retention in hours loses its events hour by hour. Each pass has a number, which is in `settings`. On a cluster each shard does steps 2 and 3
//! with its own events, on one replica (`days/shards.rs`); events and their records lie on one shard:
//!
//! 1. Pin a replica of each shard, and read the number of the pass on one of them: another node may lack the number that the last pass wrote.
//! 2. Record the events that were received before the hour in `removed_events`: one row for each segment, hour of receipt and month of events, named
//!    by the pass too. A row with fewer events than there are now is replaced.
//! 3. Count again, and delete, by their numbers, from `events` and `blocked_events` the groups that have as many events as are recorded, and the records of those that
//!    were blocked. A group that has more was joined by events meanwhile, and stays.
//! 4. Write another number into `settings`, unless a group stayed because it has more.
//!
//! | crash after step | recovery |
//! |---|---|
//! | 1 | nothing was changed |
//! | 2, 3 | the pass has the same number, so what is recorded is not recorded again; the rest is deleted |
//! | 4 | nothing is left to do; events of the same hours that arrive late are recorded under another number |
//!
//! Events that join a group after it was deleted, and before step 4, are fewer than were recorded: they stay for the next number.
//!
//! The days are due then, because the numbers of their events differ.

use std::collections::BTreeSet;

use crate::store::days::{CloseDayError, PinnedShards, Tables};
use crate::store::{Client, dates, sql};

const HOUR: i64 = 3600;
/// Most bytes of a statement.
const MAX_STATEMENT: &str = "1048576";
/// Most groups or events that a deletion names. A replicated table keeps its text in ZooKeeper, which takes 1 MiB at once.
const AT_ONCE: usize = 5_000;

#[derive(Clone)]
pub struct RetentionStore {
    tables: Tables,
}

/// Events that will leave the store.
#[derive(Debug, Clone, PartialEq, Eq, clickhouse::Row, serde::Deserialize)]
pub struct ExpiringEvents {
    pub site: String,
    /// Day of receipt, days since 1970-01-01.
    pub day: u16,
    /// The last day on which they are kept.
    pub expires: u16,
    pub events: u64,
    /// When the first of them was received, Unix s.
    pub first: u32,
}

impl RetentionStore {
    pub fn new(client: Client) -> Self {
        Self { tables: Tables::new(client) }
    }

    /// Deletes a site's events that were received before `until` (Unix s), in whole hours. Returns how many, and the hour. Events that are
    /// inserted meanwhile may stay for the next call.
    ///
    /// # Errors
    /// When the store refuses or cannot be reached. So in all functions here.
    pub async fn delete_before(&self, site: &str, until: i64) -> Result<(u64, i64), CloseDayError> {
        let until = until.div_euclid(HOUR) * HOUR;
        let pinned = PinnedShards::pin(self.tables.client()).await?;
        pinned.while_they_answer(Self::delete_before_on(&pinned, site, until)).await
    }

    async fn delete_before_on(
        pinned: &PinnedShards,
        site: &str,
        until: i64,
    ) -> Result<(u64, i64), CloseDayError> {
        let setting = format!("retention of {site}");
        let store = Self { tables: pinned.any().clone() };
        let pass = store.number(&setting).await?;
        let (mut events, mut found, mut has_grown) = (0, false, false);
        for shard in &pinned.shards {
            for table in ["events", "blocked_events"] {
                let (tables, expired) = (&shard.tables, Expired::new(table, site, until, pass));
                if expired.count(tables).await? == 0 {
                    continue;
                }
                found = true;
                expired.record(tables).await?;
                shard.secure("removed_events").await;
                let groups = expired.groups(tables).await?;
                has_grown |= groups.iter().any(|group| group.present > group.recorded);
                events += expired.delete(tables, &groups).await?;
            }
        }
        if found && !has_grown {
            store.set(&setting, jiff::Timestamp::now().as_millisecond()).await?;
        }
        Ok((events, until))
    }

    /// The days whose last day of retention is before `today` and that were not recorded, with the events of a collector by site. They are
    /// those that the store's TTL deletes.
    pub async fn expired_unrecorded(
        &self,
        collector: u64,
        today: u16,
    ) -> Result<Vec<(u16, String, u64)>, CloseDayError> {
        let setting = format!("expired of {collector:016x}");
        let recorded = self.number(&setting).await?;
        let sql = "SELECT toUInt16(expires) AS last, toString(site), toUInt64(greatest(sum(kept), 0)) AS events FROM ( \
                       SELECT expires, site, toInt64(events) AS kept FROM segments FINAL WHERE collector = {collector:UInt64} AND outcome = 'stored' \
                       AND toUInt16(expires) > {recorded:Int64} AND toUInt16(expires) < {today:UInt16} \
                       UNION ALL SELECT expires, site, -toInt64(events) AS kept FROM removed_events FINAL WHERE collector = {collector:UInt64} \
                       AND toUInt16(expires) > {recorded:Int64} AND toUInt16(expires) < {today:UInt16} \
                   ) GROUP BY last, site HAVING events > 0 ORDER BY last, site";
        let query = self.tables.client().query(sql).param("collector", collector);
        Ok(query.param("recorded", recorded).param("today", today).fetch_all::<(u16, String, u64)>().await?)
    }

    /// Notes that everything that expired before `today` is recorded.
    pub async fn set_recorded(&self, collector: u64, today: u16) -> Result<(), CloseDayError> {
        self.set(&format!("expired of {collector:016x}"), i64::from(today.saturating_sub(1))).await
    }

    /// Events by site, day of receipt and last day, of all that is stored: for `footfall retention --dry-run`.
    pub async fn expiring(&self) -> Result<Vec<ExpiringEvents>, CloseDayError> {
        let sql = "SELECT toString(site) AS site, toUInt16(toDate(received, 'UTC')) AS day, toUInt16(expires) AS expires, count() AS events, \
                   toUInt32(min(toUnixTimestamp(received))) AS first FROM events GROUP BY site, day, expires ORDER BY site, day, expires";
        Ok(self.tables.client().query(sql).fetch_all::<ExpiringEvents>().await?)
    }

    async fn number(&self, name: &str) -> Result<i64, CloseDayError> {
        let sql = "SELECT argMax(value, changed) FROM settings WHERE name = {name:String}";
        let value = self.tables.client().query(sql).param("name", name).fetch_one::<String>().await?;
        // There is none before the first pass.
        Ok(value.parse().unwrap_or(0))
    }

    async fn set(&self, name: &str, value: i64) -> Result<(), CloseDayError> {
        let sql = "INSERT INTO settings SELECT {name:String}, toString({value:Int64}), now64(3)";
        Ok(self.tables.client().query(sql).param("name", name).param("value", value).execute().await?)
    }
}

/// The events of a site and table that one pass removes.
struct Expired {
    table: &'static str,
    /// Their condition.
    condition: String,
    /// The number of an event's group: those of a segment, an hour of receipt and a month are recorded and deleted together.
    removal: String,
    /// The condition of records in `removed_events`.
    records: String,
    /// The site's name as SQL.
    site: String,
}

/// Events that are recorded and deleted together.
#[derive(Debug, clickhouse::Row, serde::Deserialize)]
struct ExpiredGroup {
    removal: u64,
    month: u32,
    present: u64,
    recorded: u64,
}

impl Expired {
    fn new(table: &'static str, site: &str, until: i64, pass: i64) -> Self {
        let site = sql::string(site);
        Self {
            table,
            condition: format!("site = {site} AND received < fromUnixTimestamp({until})"),
            removal: format!(
                "cityHash64('retention {table}', {pass}, collector, segment, intDiv(toUnixTimestamp(received), {HOUR}), toYYYYMM(time), expires)"
            ),
            records: format!("site = {site} AND reason = 'retention'"),
            site,
        }
    }

    async fn count(&self, tables: &Tables) -> Result<u64, CloseDayError> {
        let sql = format!("SELECT count() FROM {} WHERE {}", tables.local(self.table), self.condition);
        Ok(tables.client().query(&sql).fetch_one::<u64>().await?)
    }

    /// Step 2.
    async fn record(&self, tables: &Tables) -> Result<(), CloseDayError> {
        let Self { condition, removal, records, .. } = self;
        let (table, removed) = (tables.local(self.table), tables.local("removed_events"));
        let insert = format!(
            "INSERT INTO {removed} (day, site, collector, segment, event_id, reason, events, expires) SETTINGS insert_deduplicate = 0 \
             SELECT day, site, collector, segment, removal, 'retention', present, expires FROM (\
                 SELECT toDate(received, 'UTC') AS day, site, collector, segment, {removal} AS removal, uniqExact(page_load, seq) AS present, expires \
                 FROM {table} WHERE {condition} GROUP BY day, site, collector, segment, removal, expires\
             ) AS found LEFT JOIN (SELECT event_id AS removal, events AS recorded FROM {removed} FINAL WHERE {records}) AS records \
             USING (removal) WHERE present > recorded"
        );
        tables.run(&insert, &[]).await
    }

    /// What is there after recording.
    async fn groups(&self, tables: &Tables) -> Result<Vec<ExpiredGroup>, CloseDayError> {
        let Self { condition, removal, records, .. } = self;
        let (table, removed) = (tables.local(self.table), tables.local("removed_events"));
        let sql = format!(
            "SELECT removal, month, present, recorded FROM (\
                 SELECT {removal} AS removal, toYYYYMM(time) AS month, uniqExact(page_load, seq) AS present \
                 FROM {table} WHERE {condition} GROUP BY removal, month\
             ) AS found LEFT JOIN (SELECT event_id AS removal, events AS recorded FROM {removed} FINAL WHERE {records}) AS records \
             USING (removal)"
        );
        Ok(tables.client().query(&sql).fetch_all::<ExpiredGroup>().await?)
    }

    /// Step 3. Returns how many events were deleted.
    async fn delete(&self, tables: &Tables, groups: &[ExpiredGroup]) -> Result<u64, CloseDayError> {
        let recorded: Vec<&ExpiredGroup> =
            groups.iter().filter(|group| group.present == group.recorded).collect();
        // A deletion names what it deletes: each replica of a shard runs it by itself, and a subquery might find something else there.
        for recorded in recorded.chunks(AT_ONCE) {
            let numbers: Vec<String> = recorded.iter().map(|group| group.removal.to_string()).collect();
            let condition = format!("{} AND {} IN ({})", self.condition, self.removal, numbers.join(", "));
            if self.table == "blocked_events" {
                self.delete_records(tables, &condition).await?;
            }
            let months: BTreeSet<u32> = recorded.iter().map(|group| group.month).collect();
            for month in months {
                let local = tables.local(self.table);
                let delete = format!("DELETE FROM {local} IN PARTITION {month} WHERE {condition}");
                tables.run_long(&delete, &[], MAX_STATEMENT).await?;
            }
        }
        Ok(recorded.iter().map(|group| group.present).sum())
    }

    /// Deletes the records of blocked events that are deleted next.
    async fn delete_records(&self, tables: &Tables, condition: &str) -> Result<(), CloseDayError> {
        let sql = format!(
            "SELECT DISTINCT collector, segment, cityHash64(page_load, seq) FROM {} WHERE {condition}",
            tables.local("blocked_events")
        );
        let query = tables.client().query(&sql).with_setting("max_query_size", MAX_STATEMENT);
        let blocked = query.fetch_all::<(u64, u64, u64)>().await?;
        for blocked in blocked.chunks(AT_ONCE) {
            let named =
                blocked.iter().map(|(collector, segment, event)| format!("({collector},{segment},{event})"));
            let deletion = format!(
                "DELETE FROM {} WHERE site = {} AND reason = 'blocked' AND (collector, segment, event_id) IN ({})",
                tables.local("removed_events"),
                self.site,
                named.collect::<Vec<_>>().join(",")
            );
            tables.run_long(&deletion, &[], MAX_STATEMENT).await?;
        }
        Ok(())
    }
}

impl ExpiringEvents {
    /// The day on which the store deletes them by their last day.
    pub fn removed_on(&self) -> jiff::civil::Date {
        dates::day_date(self.expires.saturating_add(1))
    }
}
