//! The closing of days: finds the days that are due, removes their duplicate events and computes them (`compute.rs`).
//!
//! A day is due some minutes after its end, and again when the number of its events differs from the recorded one. Several collectors may
//! run this. One at a time holds the lease; two that hold it at once do no harm.

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tokio::task::JoinSet;
use tracing::{info, warn};

use super::calendar::{Calendar, Day, QUARTER};
use super::computation::Computation;
use super::compute;
use super::counts;
use super::duplicates::{self, Interval};
use super::lease::Lease;
use super::publish::Publisher;
use super::tables::{CloseDayError, Tables};
use crate::store::{Client, dates};

/// How often days that are due are searched for.
const EVERY: Duration = Duration::from_secs(60);
/// A longer round waits for a store that will not answer. The largest day took far less.
const LONGEST_ROUND: Duration = Duration::from_secs(6 * 3600);
/// How far back duplicates are searched for in each round, in seconds.
const RECENT: i64 = 15 * 60;

/// Days that are closed at once. A day of little traffic takes the store some tenths of a second on one core, whatever its events, and the first
/// round after a long outage, or of a demonstration, has many.
const AT_ONCE: usize = 2;

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
    pub(super) tables: Tables,
    pub(super) calendar: Calendar,
    pub(super) zone: String,
    pub(super) lease: Lease,
    pub(super) publisher: Option<Publisher>,
}

impl DayCloser {
    /// # Errors
    /// When the zone has no IANA name, and when the system has no random numbers.
    pub fn new(client: Client, zone: TimeZone) -> Result<Self, CloseDayError> {
        let name = zone.iana_name().ok_or(CloseDayError::Zone)?.to_owned();
        let tables = Tables::new(client);
        let lease = Lease::new(tables.clone())?;
        Ok(Self { lease, tables, calendar: Calendar { zone }, zone: name, publisher: None })
    }

    /// The same, which also publishes what viewers may read of a day.
    #[must_use]
    pub fn with_publisher(self, publisher: Option<Publisher>) -> Self {
        Self { publisher, ..self }
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
        let counts = counts::by_quarter(&self.tables, i64::MIN).await?;
        let due = self.due(&counts, now).await?;
        let since = now - RECENT;
        let rows = counts::sum(&counts, since - QUARTER, i64::MAX);
        let recent = Interval { since, until: now + QUARTER, rows };
        if due.is_empty() && !duplicates::any(&self.tables, recent).await? {
            compute::delete_replaced(&self.tables, false).await?;
            return Ok(closed);
        }
        if !self.lease.take().await? {
            closed.is_elsewhere = true;
            return Ok(closed);
        }
        let mut due = due.into_iter();
        let mut closing: JoinSet<Result<_, CloseDayError>> = JoinSet::new();
        loop {
            for day in due.by_ref().take(AT_ONCE - closing.len()) {
                let (closer, rows) = (self.clone(), counts::sum(&counts, day.starts, day.ends));
                closing.spawn(async move { Ok((day.date, closer.close(&day, rows).await?)) });
            }
            let Some(done) = closing.join_next().await else { break };
            // Dropping the others on an error leaves what a crash would leave.
            let (day, duplicates) = done.expect("closing does not panic and is not aborted")?;
            closed.duplicates += duplicates;
            closed.days.push(day);
            self.lease.renew().await?;
        }
        closed.days.sort_unstable();
        closed.duplicates += duplicates::remove(&self.tables, recent).await?;
        if let Err(error) = compute::merge_daily(&self.tables, &closed.days).await {
            // Reports are right without it, only slower.
            warn!(error = &error as &dyn std::error::Error, "merging daily figures failed");
        }
        compute::delete_replaced(&self.tables, false).await?;
        self.lease.release().await?;
        Ok(closed)
    }

    /// The days to close at `now`, in order.
    async fn due(&self, counts: &BTreeMap<i64, u64>, now: i64) -> Result<Vec<Day>, CloseDayError> {
        let sql = "SELECT toUInt16(day), toInt64(toUnixTimestamp(starts)), toInt64(toUnixTimestamp(ends)), events, \
                   is_closed AND timezone = {zone:String} FROM days FINAL";
        let query = self.tables.client().query(sql).param("zone", &self.zone);
        let rows = query.fetch_all::<(u16, i64, i64, u64, bool)>().await?;
        // Of a day that was computed as an open one, or in another zone, all events may be gone.
        let recorded: BTreeMap<_, _> = rows
            .into_iter()
            .map(|(day, starts, ends, events, is_closed)| {
                (dates::day_date(day), is_closed.then_some((starts, ends, events)))
            })
            .collect();
        let with_events = counts.keys().filter_map(|quarter| self.calendar.day_at(*quarter));
        let known = recorded.keys().filter_map(|date| self.calendar.day(*date));
        let days: BTreeMap<_, _> = with_events.chain(known).map(|day| (day.date, day)).collect();
        let is_due = |day: &Day| {
            let events = counts::sum(counts, day.starts, day.ends);
            day.closes() <= now
                && recorded.get(&day.date).copied().flatten() != Some((day.starts, day.ends, events))
        };
        Ok(days.into_values().filter(is_due).collect())
    }

    /// Returns how many of the day's events had duplicates.
    pub(super) async fn close(&self, day: &Day, rows: u64) -> Result<u64, CloseDayError> {
        let whole = Interval { since: day.starts, until: day.ends, rows };
        let removed = duplicates::remove(&self.tables, whole).await?;
        // Before the visits are computed: events that arrive in between change the number, and the day is due again.
        let began = Timestamp::now();
        let events = counts::of_day(&self.tables, day).await?;
        let computation = Computation { day, zone: &self.zone, events, removed, is_open: false, began };
        compute::compute(&self.tables, &computation, self.publisher.as_ref(), Some(&self.lease)).await?;
        info!(day = %day.date, events, duplicates = removed, "day closed");
        Ok(removed)
    }
}

impl Closed {
    fn log(&self) {
        if self.duplicates > 0 {
            warn!(events = self.duplicates, "duplicate events removed");
        }
    }
}
