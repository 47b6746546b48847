//! Closes days: computes a finished day's visits and rollups once, in ClickHouse, and puts them where reports read them.
//!
//! A day is closed in tables of its own first, whose partition then takes the place of the day's partition in
//! `visits_closed` and `daily_closed`; the row in `days` that is written last makes it visible. Whatever is interrupted
//! is done again from the start, and what is done twice has the same outcome. The number of events that a day was made
//! of is on record: when it changes, the day is closed again. Several collectors may run this: one at a time holds
//! the lease, and two that hold it at once do no harm, since each has stage tables of its own.
//!
//! It computes nothing itself: the SQL is in `sql/schema`.

mod calendar;
mod duplicates;

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use calendar::{Calendar, Day, QUARTER};
use duplicates::Stretch;
use jiff::Timestamp;
use jiff::civil::Time;
use jiff::tz::TimeZone;
use tracing::{info, warn};

use crate::store::{Client, schema};

/// How often due days are looked for.
const EVERY: Duration = Duration::from_secs(60);
/// A round that takes longer waits for a store that will not answer; far above what the largest day took.
const LONGEST_ROUND: Duration = Duration::from_secs(6 * 3600);
/// Events that are turned into visits at once; bounds the memory that a day of any size takes.
const EVENTS_AT_ONCE: u64 = 500_000;
/// How far back copies of events are looked for between closings, in seconds.
const RECENT: i64 = 15 * 60;
/// How long the lease lasts, in seconds: longer than the closing of a large day's bucket, short enough to wait for
/// after a crash.
const LEASE: u32 = 120;

/// What one round did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Closed {
    /// The days that were closed, or closed again, in order.
    pub days: Vec<jiff::civil::Date>,
    /// Events of which there were copies, now removed.
    pub duplicates: u64,
    /// Another collector is at it.
    pub elsewhere: bool,
}

/// Why days could not be closed. The next round tries again.
#[derive(Debug, thiserror::Error)]
pub enum VisitsError {
    /// The store refused or could not be reached.
    #[error("cannot close a day: the store did not do its part")]
    Store(#[from] clickhouse::error::Error),
    /// The configured time zone has no name that ClickHouse could know.
    #[error("`timezone` must be an IANA name such as Europe/Berlin, for ClickHouse to know it too")]
    Zone,
    /// No random number for this process's stage tables.
    #[error("the system has no random numbers")]
    Random,
}

/// Closes days of one store.
#[derive(Clone)]
pub struct Materialiser {
    target: Target,
    calendar: Calendar,
    zone: String,
    holder: String,
}

impl Materialiser {
    /// One that closes days of `zone`, whose key turns at `rotate_at`.
    ///
    /// # Errors
    /// When the zone has no IANA name, and when the system has no random numbers.
    pub fn new(client: Client, zone: TimeZone, rotate_at: Time) -> Result<Self, VisitsError> {
        let name = zone.iana_name().ok_or(VisitsError::Zone)?.to_owned();
        let holder = format!("{:016x}", getrandom::u64().map_err(|_| VisitsError::Random)?);
        Ok(Self { target: Target { client }, calendar: Calendar { zone, rotate_at }, zone: name, holder })
    }

    /// Closes what is due, now and once a minute, until `shutdown`. A round that fails is logged and tried again.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        tokio::pin!(shutdown);
        loop {
            let round = async {
                let closed = tokio::time::timeout(LONGEST_ROUND, self.close_due(Timestamp::now())).await;
                match closed.unwrap_or(Err(VisitsError::Store(clickhouse::error::Error::TimedOut))) {
                    Ok(closed) => closed.log(),
                    Err(error) => warn!(error = &error as &dyn std::error::Error, "days stay open"),
                }
                tokio::time::sleep(EVERY).await;
            };
            tokio::select! {
                () = &mut shutdown => return,
                () = round => {}
            }
        }
    }

    /// Closes every day that can be closed at `now` and was not, or whose events changed since.
    ///
    /// # Errors
    /// When the store refuses or cannot be reached; days that were closed before stay closed.
    pub async fn close_due(&self, now: Timestamp) -> Result<Closed, VisitsError> {
        let now = now.as_second();
        let mut closed = Closed::default();
        let counts = self.counts().await?;
        let due = self.due(&counts, now).await?;
        let since = now - RECENT;
        let rows = sum(&counts, since - QUARTER, i64::MAX);
        let recent = Stretch { since, until: now + QUARTER, rows };
        if due.is_empty() && !duplicates::any(&self.target, recent).await? {
            return Ok(closed);
        }
        if !self.take_lease().await? {
            closed.elsewhere = true;
            return Ok(closed);
        }
        // What other rounds left when they were killed.
        self.target.drop_stages(&self.holder).await?;
        for day in due {
            closed.duplicates += self.close(&day, sum(&counts, day.starts, day.until)).await?;
            closed.days.push(day.date);
            self.renew_lease().await?;
        }
        closed.duplicates += duplicates::remove(&self.target, recent).await?;
        self.release_lease().await?;
        Ok(closed)
    }

    /// Events that are still to be kept by quarter of an hour (Unix s), from the projection that counts them.
    async fn counts(&self) -> Result<BTreeMap<i64, u64>, VisitsError> {
        let sql = "SELECT toInt64(toUnixTimestamp(toStartOfFifteenMinutes(time))) AS quarter, count() FROM events \
                   WHERE expires >= today() GROUP BY quarter";
        Ok(self.target.client.query(sql).fetch_all::<(i64, u64)>().await?.into_iter().collect())
    }

    /// The days to close at `now`, in order.
    async fn due(&self, counts: &BTreeMap<i64, u64>, now: i64) -> Result<Vec<Day>, VisitsError> {
        let sql = "SELECT toUInt16(day), intDiv(toUnixTimestamp64Milli(starts), 1000), \
                   intDiv(toUnixTimestamp64Milli(until), 1000), events FROM days FINAL \
                   WHERE timezone = {zone:String} ORDER BY day";
        let rows = self
            .target
            .client
            .query(sql)
            .param("zone", &self.zone)
            .fetch_all::<(u16, i64, i64, u64)>()
            .await?;
        let recorded: BTreeMap<_, _> = rows
            .into_iter()
            .filter_map(|(day, starts, until, events)| Some((calendar::date(day)?, (starts, until, events))))
            .collect();

        let mut due = Vec::new();
        let mut last = None;
        let mut candidates = BTreeMap::new();
        for &quarter in counts.keys() {
            if let Some(day) = self.calendar.day_at(quarter).filter(|day| day.closes() <= now) {
                candidates.insert(day.date, day);
            }
        }
        for date in recorded.keys() {
            if let Some(day) = self.calendar.day(*date) {
                candidates.insert(*date, day);
            }
        }
        for day in candidates.into_values() {
            let events = sum(counts, day.starts, day.until);
            if recorded.get(&day.date) != Some(&(day.starts, day.until, events)) {
                due.push(day);
            }
            last = Some(day);
        }
        // Days without events are not closed one by one, but the open day must begin after the last of them.
        if let Some(after) = last.and_then(|day| self.calendar.closable(day.ends, now).last()) {
            due.push(after);
        }
        Ok(due)
    }

    /// Closes one day and says how many of its events had copies.
    async fn close(&self, day: &Day, rows: u64) -> Result<u64, VisitsError> {
        let whole = Stretch { since: day.starts, until: day.until, rows };
        let removed = duplicates::remove(&self.target, whole).await?;
        // Counted before the day is computed: what comes in between makes the number differ, and the day due again.
        let events = self.count(day).await?;
        self.close_visits(day, events).await?;
        self.close_daily(day).await?;
        self.record(day, events, removed).await?;
        info!(day = %day.date, events, duplicates = removed, "closed a day");
        Ok(removed)
    }

    async fn count(&self, day: &Day) -> Result<u64, VisitsError> {
        let sql = "SELECT count() FROM events WHERE expires >= today() \
                   AND toStartOfFifteenMinutes(time) >= fromUnixTimestamp({since:Int64}) \
                   AND toStartOfFifteenMinutes(time) < fromUnixTimestamp({until:Int64})";
        let query = self.target.client.query(sql).param("since", day.starts).param("until", day.until);
        Ok(query.fetch_one::<u64>().await?)
    }

    async fn close_visits(&self, day: &Day, events: u64) -> Result<(), VisitsError> {
        let stage = self.target.make_stage("visits_closed", &self.holder).await?;
        let buckets = events / EVENTS_AT_ONCE + 1;
        for bucket in 0..buckets {
            let select = format!(
                "SELECT * FROM {}.visits_between(since = {}, before = {}, until = {}, buckets = {buckets}, bucket = {bucket})",
                self.target.database(),
                moment(day.starts),
                moment(day.ends),
                moment(day.until),
            );
            self.target.fill(&stage, &select).await?;
            if bucket > 0 {
                self.renew_lease().await?;
            }
        }
        self.target.replace(day, "visits_closed", &stage).await
    }

    async fn close_daily(&self, day: &Day) -> Result<(), VisitsError> {
        let stage = self.target.make_stage("daily_closed", &self.holder).await?;
        let select = format!(
            "SELECT * FROM {}.daily_between(since = {}, before = {}, stored = 1)",
            self.target.database(),
            moment(day.starts),
            moment(day.ends),
        );
        self.target.fill(&stage, &select).await?;
        self.target.replace(day, "daily_closed", &stage).await
    }

    async fn record(&self, day: &Day, events: u64, removed: u64) -> Result<(), VisitsError> {
        let sql = "INSERT INTO days SELECT toDate({day:UInt16}), fromUnixTimestamp({starts:Int64}), \
                   fromUnixTimestamp({ends:Int64}), fromUnixTimestamp({until:Int64}), {zone:String}, \
                   {events:UInt64}, {removed:UInt64}, now64(3)";
        self.target
            .client
            .query(sql)
            .param("day", calendar::number(day.date))
            .param("starts", day.starts)
            .param("ends", day.ends)
            .param("until", day.until)
            .param("zone", &self.zone)
            .param("events", events)
            .param("removed", removed)
            .execute()
            .await?;
        Ok(())
    }

    /// Takes the lease unless another holds it.
    async fn take_lease(&self) -> Result<bool, VisitsError> {
        let sql = "SELECT count() FROM (SELECT argMax(value, changed) AS holder, max(changed) AS since FROM settings \
                   WHERE name = 'materialiser') \
                   WHERE holder NOT IN ('', {holder:String}) AND since > now64(3) - toIntervalSecond({lease:UInt32})";
        let others = async || {
            let query = self.target.client.query(sql).param("holder", &self.holder).param("lease", LEASE);
            query.fetch_one::<u64>().await
        };
        if others().await? > 0 {
            return Ok(false);
        }
        self.renew_lease().await?;
        Ok(others().await? == 0)
    }

    async fn renew_lease(&self) -> Result<(), VisitsError> {
        self.write_lease(&self.holder).await
    }

    async fn release_lease(&self) -> Result<(), VisitsError> {
        self.write_lease("").await
    }

    async fn write_lease(&self, holder: &str) -> Result<(), VisitsError> {
        let sql = "INSERT INTO settings SELECT 'materialiser', {holder:String}, now64(3)";
        Ok(self.target.client.query(sql).param("holder", holder).execute().await?)
    }
}

impl Closed {
    fn log(&self) {
        if self.duplicates > 0 {
            warn!(events = self.duplicates, "removed copies of events that were stored twice");
        }
    }
}

/// Where statements go: what differs between one server and a cluster.
#[derive(Clone)]
struct Target {
    client: Client,
}

impl Target {
    fn database(&self) -> String {
        format!("`{}`", self.client.database())
    }

    /// The name of a sharded table in a statement that changes its rows on every shard.
    fn local(&self, table: &str) -> String {
        match self.client.cluster() {
            None => table.to_owned(),
            Some(cluster) => format!("{}.`{table}_local` ON CLUSTER `{cluster}`", self.database()),
        }
    }

    /// Makes an empty table like `table` for this holder alone.
    async fn make_stage(&self, table: &str, holder: &str) -> Result<String, VisitsError> {
        let stage = format!("{table}_stage_{holder}");
        self.drop_table(&stage).await?;
        for sql in schema::stage(self.client.database(), self.client.cluster(), table, &stage) {
            self.run(&sql).await?;
        }
        Ok(stage)
    }

    /// Fills a stage from what each shard computes.
    async fn fill(&self, stage: &str, select: &str) -> Result<(), VisitsError> {
        let sql = match self.client.cluster() {
            None => format!("INSERT INTO {stage} {select}"),
            Some(cluster) => {
                format!("INSERT INTO {stage} SELECT * FROM cluster('{cluster}', view({select}))")
            }
        };
        self.run(&sql).await
    }

    /// Puts the stage's day in the place of the table's, and drops the stage.
    async fn replace(&self, day: &Day, table: &str, stage: &str) -> Result<(), VisitsError> {
        let suffix = if self.client.cluster().is_some() { "_local" } else { "" };
        let rows = self.client.query(&format!("SELECT count() FROM {stage}")).fetch_one::<u64>().await?;
        // A table that never had a row has no partition to take.
        let change = if rows == 0 {
            format!("DROP PARTITION '{}'", day.date)
        } else {
            format!("REPLACE PARTITION '{}' FROM {}.`{stage}{suffix}`", day.date, self.database())
        };
        let sql = format!("ALTER TABLE {} {change}", self.local(table));
        self.run(&sql).await?;
        self.drop_table(stage).await
    }

    async fn drop_table(&self, table: &str) -> Result<(), VisitsError> {
        match self.client.cluster() {
            None => self.run(&format!("DROP TABLE IF EXISTS {table} SYNC")).await,
            Some(cluster) => {
                self.run(&format!("DROP TABLE IF EXISTS {table} ON CLUSTER `{cluster}` SYNC")).await?;
                self.run(&format!("DROP TABLE IF EXISTS {table}_local ON CLUSTER `{cluster}` SYNC")).await
            }
        }
    }

    /// Drops the stages of other holders: the caller has the lease, so they are dead.
    async fn drop_stages(&self, holder: &str) -> Result<(), VisitsError> {
        let sql = "SELECT name FROM system.tables WHERE database = {database:String} \
                   AND match(name, '^(visits|daily)_closed_stage_[0-9a-f]{16}$') AND NOT endsWith(name, {holder:String})";
        let query = self.client.query(sql).param("database", self.client.database()).param("holder", holder);
        for stage in query.fetch_all::<String>().await? {
            self.drop_table(&stage).await?;
        }
        Ok(())
    }

    /// Runs a statement; on a cluster it answers when all shards have done it.
    async fn run(&self, sql: &str) -> Result<(), VisitsError> {
        self.run_long(sql, "262144").await
    }

    /// Runs a statement whose text has at most `max_query` bytes.
    async fn run_long(&self, sql: &str, max_query: &str) -> Result<(), VisitsError> {
        let mut query = self.client.query(sql).with_setting("max_query_size", max_query);
        if self.client.cluster().is_some() {
            query = query.with_setting("distributed_foreground_insert", "1").with_setting("alter_sync", "2");
        }
        Ok(query.execute().await?)
    }
}

/// Events from `since` to before `until`, both at quarters of an hour.
fn sum(counts: &BTreeMap<i64, u64>, since: i64, until: i64) -> u64 {
    counts.range(since..until).map(|(_, events)| events).sum()
}

/// A Unix time in seconds as a `DateTime64(3, 'UTC')`.
fn moment(second: i64) -> String {
    format!("toDateTime64({second}, 3, 'UTC')")
}
