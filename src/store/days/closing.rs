//! The closing of days: finds the days that are due, removes their duplicate events and computes them (`compute.rs`).
//!
//! A day is due some minutes after its end, and again when the number of its events differs from the recorded one. On a cluster each shard has its own
//! events, numbers and records, so a day may be due on some shards alone.
//!
//! 1. Pin a replica of each shard (`shards.rs`). All steps of the round read and change these. Stop if a newer version of Footfall has migrated the tables:
//!    a collector that is not upgraded yet goes on shipping, and leaves days to the others. Each computation asks again.
//! 2. Find the days that are due by the numbers of events of each shard.
//! 3. Take the lease.
//! 4. For each day: on each shard that is due remove duplicates (`duplicates.rs`), count the events that are left, and compute the day from them
//!    (`compute.rs`).
//! 5. Delete the rows of generations that were replaced, and release the lease.
//!
//! | crash after step | recovery |
//! |---|---|
//! | 1 to 3 | nothing was changed; the lease ends after two minutes |
//! | 4, for some days | the others are still due |
//! | 5 | nothing is left to do |
//!
//! When the pinned replica is lost in between, or stops answering, the round fails, and the next one pins another. Several collectors may run this. One at a time holds the
//! lease; two that hold it at once do no harm: what they delete and what stays is the same for both, and both computations are complete.
//!
//! A day whose rows are not all there is due, too (`counts.rs`). They are counted when another replica is pinned than in the last round, and once an hour.
//!
//! A shard without any replica that can be pinned stops the closing of all days, because nobody can read its part of them.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use parking_lot::Mutex;
use tokio::task::JoinSet;
use tracing::{error, info, warn};

use super::calendar::{Calendar, Day, QUARTER};
use super::computation::{Computation, ShardDay};
use super::compute;
use super::counts::{self, DayKind};
use super::duplicates::{self, Interval};
use super::lease::Lease;
use super::publish::Publisher;
use super::shards::{PinnedShard, PinnedShards};
use super::tables::CloseDayError;
use crate::store::{Client, dates, redacted_chain, schema};

/// How often days that are due are searched for.
const EVERY: Duration = Duration::from_secs(60);
/// A longer round waits for a store that will not answer. The largest day took far less.
const LONGEST_ROUND: Duration = Duration::from_secs(6 * 3600);
/// How often the rows of closed days are counted. It reads two columns of all of them.
const COUNT_EVERY: Duration = Duration::from_secs(3600);
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
    pub(super) client: Client,
    pub(super) calendar: Calendar,
    pub(super) zone: String,
    pub(super) lease: Lease,
    pub(super) publisher: Option<Publisher>,
    /// Clones share it.
    complete: Arc<Mutex<Option<CompleteDays>>>,
}

/// All closed days had all their rows.
struct CompleteDays {
    /// Names of the pinned replicas.
    replicas: Vec<String>,
    counted: Instant,
}

impl DayCloser {
    /// # Errors
    /// When the zone has no IANA name, and when the system has no random numbers.
    pub fn new(client: Client, zone: TimeZone) -> Result<Self, CloseDayError> {
        let name = zone.iana_name().ok_or(CloseDayError::Zone)?.to_owned();
        let lease = Lease::new(client.clone())?;
        let complete = Arc::default();
        Ok(Self { lease, client, calendar: Calendar { zone }, zone: name, publisher: None, complete })
    }

    /// The same, which also publishes what viewers may read of a day.
    #[must_use]
    pub fn with_publisher(self, publisher: Option<Publisher>) -> Self {
        Self { publisher, ..self }
    }

    /// Closes days that are due, now and once a minute, until `shutdown`. A round that fails is logged and repeated.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        tokio::pin!(shutdown);
        let mut is_older = false;
        loop {
            let round = async {
                let closed = tokio::time::timeout(LONGEST_ROUND, self.close_due(Timestamp::now())).await;
                let closed = closed.unwrap_or(Err(CloseDayError::Store(clickhouse::error::Error::TimedOut)));
                log(closed, &mut is_older);
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
        let shards = Arc::new(PinnedShards::pin(&self.client).await?);
        shards.while_they_answer(self.close_due_on(&shards, now.as_second())).await
    }

    async fn close_due_on(&self, shards: &Arc<PinnedShards>, now: i64) -> Result<Closed, CloseDayError> {
        let mut closed = Closed::default();
        schema::check_version(shards.any().client()).await?;
        let complete = CompleteDays { replicas: shards.names(), counted: Instant::now() };
        let counts_rows = match &*self.complete.lock() {
            Some(last) => last.replicas != complete.replicas || last.counted.elapsed() >= COUNT_EVERY,
            None => true,
        };
        let (due, recent) = self.find(shards, now, counts_rows).await?;
        let mut has_duplicates = false;
        for (shard, interval) in shards.shards.iter().zip(&recent) {
            has_duplicates |= due.is_empty() && duplicates::any(&shard.tables, *interval).await?;
        }
        if due.is_empty() && !has_duplicates {
            if counts_rows {
                *self.complete.lock() = Some(complete);
            }
            compute::delete_replaced(shards, false).await?;
            return Ok(closed);
        }
        let closer = self.at(shards);
        if !closer.lease.take().await? {
            closed.is_elsewhere = true;
            return Ok(closed);
        }
        let mut due = due.into_values();
        let mut closing: JoinSet<Result<_, CloseDayError>> = JoinSet::new();
        loop {
            for due in due.by_ref().take(AT_ONCE - closing.len()) {
                let (closer, shards) = (closer.clone(), shards.clone());
                closing.spawn(async move { Ok((due.day.date, closer.close(&shards, &due).await?)) });
            }
            let Some(done) = closing.join_next().await else { break };
            // Dropping the others on an error leaves what a crash would leave.
            let (day, duplicates) = done.expect("closing does not panic and is not aborted")?;
            closed.duplicates += duplicates;
            closed.days.push(day);
            closer.lease.renew().await?;
        }
        closed.days.sort_unstable();
        for (shard, interval) in shards.shards.iter().zip(&recent) {
            closed.duplicates += duplicates::remove(shard, *interval).await?;
        }
        if let Err(error) = compute::merge_daily(shards, &closed.days).await {
            // Reports are right without it, only slower.
            warn!(error = redacted_chain(&error), "merging daily figures failed");
        }
        compute::delete_replaced(shards, false).await?;
        closer.lease.release().await?;
        Ok(closed)
    }

    /// The same, whose lease is read and written at a pinned replica.
    pub(super) fn at(&self, shards: &PinnedShards) -> Self {
        Self { lease: self.lease.at(shards.any().client()), ..self.clone() }
    }

    /// The days to close at `now`, and in which times each shard is searched for recent duplicates.
    async fn find(
        &self,
        shards: &PinnedShards,
        now: i64,
        counts_rows: bool,
    ) -> Result<(BTreeMap<Date, DueDay>, Vec<Interval>), CloseDayError> {
        let (mut due, mut recent) = (BTreeMap::new(), Vec::new());
        let since = now - RECENT;
        for (at, shard) in shards.shards.iter().enumerate() {
            let counts = counts::by_quarter(&shard.tables, i64::MIN).await?;
            let incomplete = match counts_rows {
                true => counts::incomplete(&shard.tables, DayKind::Closed, 0).await?,
                false => BTreeSet::new(),
            };
            for day in &incomplete {
                warn!(%day, shard = shard.number, "a day lacks visits or figures that it had; computing it again");
            }
            for day in self.due(shard, &counts, &incomplete, now).await? {
                let rows = counts::sum(&counts, day.starts, day.ends);
                let due = due.entry(day.date).or_insert_with(|| DueDay { day, rows: BTreeMap::new() });
                due.rows.insert(at, rows);
            }
            let rows = counts::sum(&counts, since - QUARTER, i64::MAX);
            recent.push(Interval { since, until: now + QUARTER, rows });
        }
        Ok((due, recent))
    }

    /// The days to close at `now` on one shard, in order.
    async fn due(
        &self,
        shard: &PinnedShard,
        counts: &BTreeMap<i64, u64>,
        incomplete: &BTreeSet<Date>,
        now: i64,
    ) -> Result<Vec<Day>, CloseDayError> {
        let sql = format!(
            "SELECT toUInt16(day), toInt64(toUnixTimestamp(starts)), toInt64(toUnixTimestamp(ends)), events, \
             is_closed AND timezone = {{zone:String}} FROM {} FINAL",
            shard.tables.local("days")
        );
        let query = shard.tables.client().query(&sql).param("zone", &self.zone);
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
            let recorded = recorded.get(&day.date).copied().flatten();
            let is_due = recorded != Some((day.starts, day.ends, events)) || incomplete.contains(&day.date);
            day.closes() <= now && is_due
        };
        Ok(days.into_values().filter(is_due).collect())
    }

    /// Returns how many of the day's events had duplicates.
    pub(super) async fn close(&self, shards: &PinnedShards, due: &DueDay) -> Result<u64, CloseDayError> {
        let (day, mut parts) = (&due.day, Vec::new());
        let began = Timestamp::now();
        for (at, rows) in &due.rows {
            let shard = &shards.shards[*at];
            let whole = Interval { since: day.starts, until: day.ends, rows: *rows };
            let removed = duplicates::remove(shard, whole).await?;
            // Before the visits are computed: events that arrive in between change the number, and the day is due again.
            let events = counts::of_day(&shard.tables, day).await?;
            parts.push(ShardDay { shard, events, removed });
        }
        let sum = |of: fn(&ShardDay<'_>) -> u64| parts.iter().map(of).sum::<u64>();
        let (events, removed) = (sum(|part| part.events), sum(|part| part.removed));
        let computation = Computation { day, zone: &self.zone, is_open: false, began, shards, parts };
        compute::compute(&computation, self.publisher.as_ref(), Some(&self.lease)).await?;
        info!(day = %day.date, events, duplicates = removed, "day closed");
        Ok(removed)
    }
}

/// A day to close, with the number of its events on each shard that is due, by its place among the shards.
pub(super) struct DueDay {
    pub(super) day: Day,
    pub(super) rows: BTreeMap<usize, u64>,
}

/// `is_older`: whether the last round found that a newer version has migrated the tables, which is said once.
fn log(closed: Result<Closed, CloseDayError>, is_older: &mut bool) {
    let was_older = std::mem::replace(is_older, matches!(closed, Err(CloseDayError::OtherVersion(_))));
    match closed {
        Ok(Closed { duplicates: 0, .. }) => {}
        Ok(Closed { duplicates, .. }) => warn!(events = duplicates, "duplicate events removed"),
        Err(CloseDayError::OtherVersion(_)) if was_older => {}
        Err(error @ CloseDayError::OtherVersion(_)) => {
            let error: &dyn std::error::Error = &error;
            error!(
                error,
                "this collector closes no day until it is upgraded; it goes on accepting and shipping"
            );
        }
        Err(error) => {
            // A statement that removes doubled rows names events.
            warn!(error = redacted_chain(&error), "closing of days failed; retrying in a minute");
        }
    }
}
