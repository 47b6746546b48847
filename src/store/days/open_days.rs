//! Computes open days, above all today, while reports are requested.
//!
//! A report reads tables only. [`OpenDays::refresh`] is called before each report. It starts a computation when the last one is some
//! seconds old, and waits for it when the figures would be too old. Nobody computes anything while nobody asks.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use tokio::sync::{Mutex, watch};
use tracing::warn;

use super::calendar::{Calendar, Day};
use super::computation::{Computation, ShardDay};
use super::compute;
use super::counts::{self, DayKind};
use super::publish::Publisher;
use super::shards::{PinnedShard, PinnedShards};
use super::tables::CloseDayError;
use crate::store::{Client, dates, redacted_chain};

/// A report starts a computation when the last one began so long ago, and at least twice as long ago as it took, so that a store with large
/// days has time for reports.
const REFRESH_AFTER: Duration = Duration::from_secs(3);
/// A report waits for a computation when the last one began so long ago.
const STALE_AFTER: Duration = Duration::from_secs(10);
/// The longest wait of a report, unless another is set. Then it shows the figures that there are, and says how old they are.
const LONGEST_WAIT: Duration = Duration::from_secs(2);
/// A longer computation waits for a store that will not answer.
const LONGEST_COMPUTATION: Duration = Duration::from_secs(600);
/// Days that ended so long ago are closed, or wait for the closing of days.
const OLDEST: Duration = Duration::from_secs(3 * 24 * 3600);

/// Cheap to clone; all clones share the last computation.
#[derive(Clone)]
pub struct OpenDays {
    shared: Arc<Shared>,
    longest_wait: Duration,
}

struct Shared {
    client: Client,
    calendar: Calendar,
    zone: String,
    publisher: Option<Publisher>,
    /// Held by the computation that runs.
    running: Arc<Mutex<()>>,
    latest: watch::Sender<Latest>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Latest {
    /// When the last computation began, and how long it took, also if it failed.
    attempt: Option<(Instant, Duration)>,
    /// When the last successful computation began, by both clocks.
    computed: Option<(Instant, Timestamp)>,
    /// Whether the last computation failed because a newer version has migrated the tables, which is said once.
    is_older: bool,
}

/// What `days` records of a day.
#[derive(clickhouse::Row, serde::Deserialize)]
struct RecordedDay {
    day: u16,
    starts: i64,
    ends: i64,
    timezone: String,
    is_closed: bool,
    events: u64,
}

impl OpenDays {
    /// # Errors
    /// When the zone has no IANA name.
    pub fn new(client: Client, zone: TimeZone) -> Result<Self, CloseDayError> {
        Self::with_publisher(client, zone, None)
    }

    /// The same, which also publishes the totals of open days.
    ///
    /// # Errors
    /// As [`OpenDays::new`].
    pub fn with_publisher(
        client: Client,
        zone: TimeZone,
        publisher: Option<Publisher>,
    ) -> Result<Self, CloseDayError> {
        let name = zone.iana_name().ok_or(CloseDayError::Zone)?.to_owned();
        let shared = Shared {
            client,
            calendar: Calendar { zone },
            zone: name,
            publisher,
            running: Arc::default(),
            latest: watch::Sender::default(),
        };
        Ok(Self { shared: Arc::new(shared), longest_wait: LONGEST_WAIT })
    }

    /// The same, with another longest wait of a report.
    #[must_use]
    pub fn with_longest_wait(mut self, longest_wait: Duration) -> Self {
        self.longest_wait = longest_wait;
        self
    }

    /// Makes the figures of open days at most some seconds old, unless that takes longer than 2 s. Returns the time as of which they are,
    /// or `None` if no computation has succeeded yet.
    pub async fn refresh(&self) -> Option<Timestamp> {
        let mut latest = self.shared.latest.subscribe();
        let Latest { attempt, computed, .. } = *latest.borrow_and_update();
        let is_due = |(began, took): (Instant, Duration)| began.elapsed() >= REFRESH_AFTER.max(2 * took);
        if attempt.is_none_or(is_due) {
            self.start();
        }
        let is_running = self.shared.running.try_lock().is_err();
        if is_running && computed.is_none_or(|(began, _)| began.elapsed() >= STALE_AFTER) {
            // After a timeout, or a failure that was logged, the reader gets what there is.
            let _ = tokio::time::timeout(self.longest_wait, latest.changed()).await;
        }
        latest.borrow().computed.map(|(_, time)| time)
    }

    /// Starts a computation in the background, unless one runs.
    fn start(&self) {
        let Ok(running) = self.shared.running.clone().try_lock_owned() else { return };
        let open_days = self.clone();
        tokio::spawn(async move {
            let (began, time) = (Instant::now(), Timestamp::now());
            let computation = tokio::time::timeout(LONGEST_COMPUTATION, open_days.compute(time)).await;
            let result = computation.unwrap_or(Err(CloseDayError::Store(clickhouse::error::Error::TimedOut)));
            let is_older = matches!(result, Err(CloseDayError::OtherVersion(_)));
            let was_older = open_days.shared.latest.borrow().is_older;
            if let Err(error) = &result
                && !(is_older && was_older)
            {
                let error = redacted_chain(error);
                warn!(error, "computing open days failed; a later report tries again");
            }
            open_days.shared.latest.send_modify(|latest| {
                latest.is_older = is_older;
                latest.attempt = Some((began, began.elapsed()));
                if result.is_ok() {
                    latest.computed = Some((began, time));
                }
            });
            // Whoever finds that none runs finds its result.
            drop(running);
        });
    }

    /// Computes each day that is open at `now`, or over and not closed yet, and whose events changed since it was computed. Returns these
    /// days.
    ///
    /// # Errors
    /// When the store refuses or cannot be reached.
    pub async fn compute(&self, now: Timestamp) -> Result<Vec<Date>, CloseDayError> {
        let shards = PinnedShards::pin_while_rows_change(&self.shared.client).await?;
        shards.while_they_answer(self.compute_on(&shards, now)).await
    }

    async fn compute_on(&self, shards: &PinnedShards, now: Timestamp) -> Result<Vec<Date>, CloseDayError> {
        let Shared { zone, publisher, .. } = &*self.shared;
        let began = Timestamp::now();
        let mut due: BTreeMap<Date, (Day, Vec<ShardDay<'_>>)> = BTreeMap::new();
        for shard in &shards.shards {
            for (day, events) in self.due(shard, now).await? {
                let (_, parts) = due.entry(day.date).or_insert_with(|| (day, Vec::new()));
                parts.push(ShardDay { shard, events, removed: 0 });
            }
        }
        let mut computed = Vec::new();
        for (date, (day, parts)) in due {
            let day = &day;
            let computation = Computation { day, zone, is_open: true, began, shards, parts };
            compute::compute(&computation, publisher.as_ref(), None).await?;
            computed.push(date);
        }
        if !computed.is_empty() {
            compute::delete_replaced(shards, true).await?;
        }
        Ok(computed)
    }

    /// The days to compute at `now` on one shard, with the number of their events.
    async fn due(&self, shard: &PinnedShard, now: Timestamp) -> Result<Vec<(Day, u64)>, CloseDayError> {
        let Shared { calendar, zone, .. } = &*self.shared;
        let oldest = now.as_second() - i64::try_from(OLDEST.as_secs()).unwrap_or(0);
        let recorded = self.recorded(shard, now).await?;
        let incomplete = counts::incomplete(&shard.tables, DayKind::Open, self.first_recorded(now)).await?;
        let counts = counts::by_quarter(&shard.tables, oldest).await?;
        let with_events = counts.keys().filter_map(|quarter| calendar.day_at(*quarter));
        // All events of a day may have been erased.
        let known = recorded.keys().filter_map(|date| calendar.day(*date));
        let days: BTreeMap<Date, Day> = with_events.chain(known).map(|day| (day.date, day)).collect();
        let days = days.into_values().filter(|day| day.starts >= oldest);
        let days = days.map(|day| (day, counts::sum(&counts, day.starts, day.ends)));
        let is_up_to_date = |day: &Day, events: u64| {
            recorded.get(&day.date).is_some_and(|known| {
                // A day that has not ended was closed by a clock that was ahead.
                let is_closed = known.is_closed && day.closes() <= now.as_second();
                let is_same = (known.starts, known.ends, known.events) == (day.starts, day.ends, events)
                    && !incomplete.contains(&day.date);
                known.timezone == *zone && (is_closed || is_same)
            })
        };
        Ok(days.filter(|(day, events)| !is_up_to_date(day, *events)).collect())
    }

    /// The first day whose record is read, as ClickHouse's `Date` counts days.
    fn first_recorded(&self, now: Timestamp) -> u16 {
        let today = now.to_zoned(self.shared.calendar.zone.clone()).date();
        dates::day_number(today.saturating_sub(4.days())).unwrap_or_default()
    }

    /// The days of the last days that were computed.
    async fn recorded(
        &self,
        shard: &PinnedShard,
        now: Timestamp,
    ) -> Result<BTreeMap<Date, RecordedDay>, CloseDayError> {
        let since = self.first_recorded(now);
        let sql = format!(
            "SELECT toUInt16(day) AS day, toInt64(toUnixTimestamp(recorded.starts)) AS starts, \
             toInt64(toUnixTimestamp(recorded.ends)) AS ends, toString(timezone) AS timezone, is_closed, events \
             FROM {} AS recorded FINAL WHERE recorded.day >= toDate({{since:UInt16}})",
            shard.tables.local("days")
        );
        let query = shard.tables.client().query(&sql).param("since", since);
        let rows = query.fetch_all::<RecordedDay>().await?;
        Ok(rows.into_iter().map(|row| (dates::day_date(row.day), row)).collect())
    }
}
