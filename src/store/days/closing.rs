//! The closing of days.
//!
//! A day is closed in these steps:
//!
//! 1. Remove duplicate events of the day.
//! 2. Count the day's events.
//! 3. Compute its visits in a staging table, and replace the day's partition of `visits_closed` by it.
//! 4. Compute its daily figures in a staging table, and replace the day's partition of `daily_closed` by it.
//! 5. Insert its row in `days`, with the count of step 2. This makes the closed day visible.
//!
//! | crash after step | recovery |
//! |---|---|
//! | 1 to 4 | the day has no row in `days`, or one with an old count: it is due again, and all steps are repeated |
//! | 5 | nothing is left to do |
//!
//! A day is closed again when the number of its events differs from the recorded one. Several collectors may run this. One at a time
//! holds the lease; two that hold it at once do no harm, because each has its own staging tables.

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tracing::{info, warn};

use super::calendar::{Calendar, Day, QUARTER};
use super::duplicates::{self, Interval};
use super::tables::{CloseDayError, Tables, moment};
use crate::store::{Client, dates, schema};

/// How often days that are due are searched for.
const EVERY: Duration = Duration::from_secs(60);
/// A longer round waits for a store that will not answer. The largest day took far less.
const LONGEST_ROUND: Duration = Duration::from_secs(6 * 3600);
/// Events from which visits are computed at once. It bounds the memory for a day of any size.
const EVENTS_AT_ONCE: u64 = 500_000;
/// How far back duplicates are searched for in each round, in seconds.
const RECENT: i64 = 15 * 60;
/// How long the lease lasts, in seconds: longer than one bucket of a large day takes, and short enough to wait for after a crash.
const LEASE: u32 = 120;

/// What one round did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Closed {
    /// The days that were closed now, in order.
    pub days: Vec<jiff::civil::Date>,
    /// Events that had duplicates, which were removed.
    pub duplicates: u64,
    /// Another collector holds the lease, so nothing was done.
    pub is_elsewhere: bool,
}

#[derive(Clone)]
pub struct DayCloser {
    tables: Tables,
    calendar: Calendar,
    zone: String,
    holder: String,
}

impl DayCloser {
    /// # Errors
    /// When the zone has no IANA name, and when the system has no random numbers.
    pub fn new(client: Client, zone: TimeZone) -> Result<Self, CloseDayError> {
        let name = zone.iana_name().ok_or(CloseDayError::Zone)?.to_owned();
        let holder = format!("{:016x}", getrandom::u64().map_err(|_| CloseDayError::Random)?);
        Ok(Self { tables: Tables::new(client), calendar: Calendar { zone }, zone: name, holder })
    }

    /// Closes days that are due, now and once a minute, until `shutdown`. A round that fails is logged and repeated.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        tokio::pin!(shutdown);
        loop {
            let round = async {
                let closed = tokio::time::timeout(LONGEST_ROUND, self.close_due(Timestamp::now())).await;
                match closed.unwrap_or(Err(CloseDayError::Store(clickhouse::error::Error::TimedOut))) {
                    Ok(closed) => closed.log(),
                    Err(error) => warn!(
                        error = &error as &dyn std::error::Error,
                        "closing of days failed; retrying in a minute"
                    ),
                }
                tokio::time::sleep(EVERY).await;
            };
            tokio::select! {
                () = &mut shutdown => return,
                () = round => {}
            }
        }
    }

    /// Closes every day that can be closed at `now` and is not closed, or whose events changed since.
    ///
    /// # Errors
    /// When the store refuses or cannot be reached. Days that are closed stay closed.
    pub async fn close_due(&self, now: Timestamp) -> Result<Closed, CloseDayError> {
        let now = now.as_second();
        let mut closed = Closed::default();
        let counts = self.counts().await?;
        let due = self.due(&counts, now).await?;
        let since = now - RECENT;
        let rows = sum(&counts, since - QUARTER, i64::MAX);
        let recent = Interval { since, until: now + QUARTER, rows };
        if due.is_empty() && !duplicates::any(&self.tables, recent).await? {
            return Ok(closed);
        }
        if !self.take_lease().await? {
            closed.is_elsewhere = true;
            return Ok(closed);
        }
        // Rounds that were killed may have left some.
        self.tables.drop_staging_tables(&self.holder).await?;
        for day in due {
            closed.duplicates += self.close(&day, sum(&counts, day.starts, day.ends)).await?;
            closed.days.push(day.date);
            self.renew_lease().await?;
        }
        closed.duplicates += duplicates::remove(&self.tables, recent).await?;
        self.release_lease().await?;
        Ok(closed)
    }

    /// Events within their retention by quarter of an hour (Unix s), from the projection of `events`.
    async fn counts(&self) -> Result<BTreeMap<i64, u64>, CloseDayError> {
        let sql = "SELECT toInt64(toUnixTimestamp(toStartOfFifteenMinutes(time))) AS quarter, count() FROM events \
                   WHERE expires >= today() GROUP BY quarter";
        Ok(self.tables.client().query(sql).fetch_all::<(i64, u64)>().await?.into_iter().collect())
    }

    /// The days to close at `now`, in order.
    async fn due(&self, counts: &BTreeMap<i64, u64>, now: i64) -> Result<Vec<Day>, CloseDayError> {
        let sql = "SELECT toUInt16(day), toInt64(toUnixTimestamp(starts)), toInt64(toUnixTimestamp(ends)), events FROM days FINAL \
                   WHERE timezone = {zone:String} ORDER BY day";
        let rows = self
            .tables
            .client()
            .query(sql)
            .param("zone", &self.zone)
            .fetch_all::<(u16, i64, i64, u64)>()
            .await?;
        let recorded: BTreeMap<_, _> = rows
            .into_iter()
            .map(|(day, starts, ends, events)| (dates::day_date(day), (starts, ends, events)))
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
            let events = sum(counts, day.starts, day.ends);
            if recorded.get(&day.date) != Some(&(day.starts, day.ends, events)) {
                due.push(day);
            }
            last = Some(day);
        }
        // Of the days without events behind the last one, only the newest is closed: the open day begins after it.
        if let Some(after) = last.and_then(|day| self.calendar.closable(day.ends, now).last()) {
            due.push(after);
        }
        Ok(due)
    }

    /// Returns how many of the day's events had duplicates.
    async fn close(&self, day: &Day, rows: u64) -> Result<u64, CloseDayError> {
        let whole = Interval { since: day.starts, until: day.ends, rows };
        let removed = duplicates::remove(&self.tables, whole).await?;
        // Before the visits are computed: events that arrive in between change the number, and the day is due again.
        let events = self.count(day).await?;
        self.close_visits(day, events).await?;
        self.close_daily(day).await?;
        self.record(day, events, removed).await?;
        info!(day = %day.date, events, duplicates = removed, "day closed");
        Ok(removed)
    }

    async fn count(&self, day: &Day) -> Result<u64, CloseDayError> {
        let sql = "SELECT count() FROM events WHERE expires >= today() \
                   AND toStartOfFifteenMinutes(time) >= fromUnixTimestamp({since:Int64}) \
                   AND toStartOfFifteenMinutes(time) < fromUnixTimestamp({before:Int64})";
        let query = self.tables.client().query(sql).param("since", day.starts).param("before", day.ends);
        Ok(query.fetch_one::<u64>().await?)
    }

    async fn close_visits(&self, day: &Day, events: u64) -> Result<(), CloseDayError> {
        let staging = self.tables.create_staging("visits_closed", &self.holder).await?;
        let buckets = events / EVENTS_AT_ONCE + 1;
        for bucket in 0..buckets {
            let source = format!(
                "visits_between(since = {}, before = {}, buckets = {buckets}, bucket = {bucket})",
                moment(day.starts),
                moment(day.ends),
            );
            self.tables.fill("visits_closed", &staging, &self.tables.qualified(&source)).await?;
            if bucket > 0 {
                self.renew_lease().await?;
            }
        }
        self.tables.replace(day.date, "visits_closed", &staging).await
    }

    async fn close_daily(&self, day: &Day) -> Result<(), CloseDayError> {
        let staging = self.tables.create_staging("daily_closed", &self.holder).await?;
        // The view's query, over the stored visits of the day.
        let of_visits = format!(
            "(WITH visits_open AS (SELECT * FROM {} WHERE day = '{}')\n{})",
            self.tables.own_rows("visits_closed"),
            day.date,
            schema::view("daily_of_visits")
        );
        self.tables.fill("daily_closed", &staging, &of_visits).await?;
        let of_events =
            format!("daily_of_events(since = {}, before = {})", moment(day.starts), moment(day.ends));
        self.tables.fill("daily_closed", &staging, &self.tables.qualified(&of_events)).await?;
        self.tables.replace(day.date, "daily_closed", &staging).await
    }

    async fn record(&self, day: &Day, events: u64, removed: u64) -> Result<(), CloseDayError> {
        let sql = "INSERT INTO days (day, starts, ends, timezone, events, removed, closed) \
                   SELECT toDate({day:UInt16}), fromUnixTimestamp({starts:Int64}), fromUnixTimestamp({ends:Int64}), \
                   {zone:String}, {events:UInt64}, {removed:UInt64}, now64(3)";
        self.tables
            .client()
            .query(sql)
            .param("day", dates::day_number(day.date).unwrap_or_default())
            .param("starts", day.starts)
            .param("ends", day.ends)
            .param("zone", &self.zone)
            .param("events", events)
            .param("removed", removed)
            .execute()
            .await?;
        Ok(())
    }

    /// Takes the lease unless another holds it.
    async fn take_lease(&self) -> Result<bool, CloseDayError> {
        let sql = "SELECT count() FROM (SELECT argMax(value, changed) AS holder, max(changed) AS since FROM settings \
                   WHERE name = 'day_closer') \
                   WHERE holder NOT IN ('', {holder:String}) AND since > now64(3) - toIntervalSecond({lease:UInt32})";
        let others = async || {
            let query = self.tables.client().query(sql).param("holder", &self.holder).param("lease", LEASE);
            query.fetch_one::<u64>().await
        };
        if others().await? > 0 {
            return Ok(false);
        }
        self.renew_lease().await?;
        Ok(others().await? == 0)
    }

    async fn renew_lease(&self) -> Result<(), CloseDayError> {
        self.write_lease(&self.holder).await
    }

    async fn release_lease(&self) -> Result<(), CloseDayError> {
        self.write_lease("").await
    }

    async fn write_lease(&self, holder: &str) -> Result<(), CloseDayError> {
        let sql = "INSERT INTO settings SELECT 'day_closer', {holder:String}, now64(3)";
        Ok(self.tables.client().query(sql).param("holder", holder).execute().await?)
    }
}

impl Closed {
    fn log(&self) {
        if self.duplicates > 0 {
            warn!(events = self.duplicates, "duplicate events removed");
        }
    }
}

/// Events from `since` to before `until`, both at quarters of an hour.
fn sum(counts: &BTreeMap<i64, u64>, since: i64, until: i64) -> u64 {
    counts.range(since..until).map(|(_, events)| events).sum()
}
