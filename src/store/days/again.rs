//! Computes days again whose events were changed on purpose: at once, or in the next round of closing.
//!
//! A day whose number of events differs from the recorded one is due anyway. But on a busy site, as many events may arrive as were erased. And the
//! figures of an erased or blocked visitor must not wait for the next round.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;

use super::closing::{DayCloser, DueDay};
use super::computation::{Computation, ShardDay};
use super::compute;
use super::counts;
use super::shards::{PinnedShard, PinnedShards};
use super::tables::CloseDayError;
use crate::store::{Client, dates};

/// How often, and how long each time, to wait for a round of closing.
const ATTEMPTS: u32 = 600;
const PAUSE: Duration = Duration::from_secs(1);

/// Makes days due whose events changed although their number did not. Reports have their old figures until they are computed again:
/// within a minute if a collector runs.
///
/// # Errors
/// When the store refuses or cannot be reached. Doing it twice does no harm.
pub async fn make_due(client: &Client, days: &[u16]) -> Result<(), CloseDayError> {
    for shard in &PinnedShards::pin(client).await?.shards {
        let recorded = shard.tables.local("days");
        // No computed day has 0 events, so an open day differs, too.
        let sql = format!(
            "INSERT INTO {recorded} (day, shard, starts, ends, timezone, generation, is_closed, events, removed, visits, figures, computed) \
             SELECT day, shard, starts, ends, timezone, generation, false, 0, removed, visits, figures, computed FROM {recorded} FINAL \
             WHERE toUInt16(day) IN {{days:Array(UInt16)}}"
        );
        let query = shard.tables.client().query(&sql).param("days", days);
        shard.tables.bounded(query).execute().await?;
    }
    Ok(())
}

impl DayCloser {
    /// Computes those of the days that were computed before. Their figures then have all changes that were made before the call.
    ///
    /// # Errors
    /// When the store refuses or cannot be reached, and when another collector has been closing days for too long.
    pub(crate) async fn compute_again(&self, dates: &BTreeSet<Date>) -> Result<(), CloseDayError> {
        let shards = PinnedShards::pin(&self.client).await?;
        shards.while_they_answer(self.compute_again_on(&shards, dates)).await
    }

    async fn compute_again_on(
        &self,
        shards: &PinnedShards,
        dates: &BTreeSet<Date>,
    ) -> Result<(), CloseDayError> {
        let closer = self.at(shards);
        let mut known = BTreeSet::new();
        for shard in &shards.shards {
            known.extend(recorded_days(shard).await?);
        }
        let now = Timestamp::now();
        let days = dates.intersection(&known).filter_map(|date| self.calendar.day(*date));
        let (closed, open): (Vec<_>, Vec<_>) = days.partition(|day| day.closes() <= now.as_second());
        for day in &open {
            let began = Timestamp::now();
            let mut parts = Vec::new();
            for shard in &shards.shards {
                let events = counts::of_day(&shard.tables, day).await?;
                parts.push(ShardDay { shard, events, removed: 0 });
            }
            let zone = &*self.zone;
            let computation = Computation { day, zone, is_open: true, began, shards, parts };
            compute::compute(&computation, self.publisher.as_ref(), None).await?;
        }
        if !closed.is_empty() {
            closer.wait_for_lease().await?;
            for day in closed {
                let mut rows = BTreeMap::new();
                for (at, shard) in shards.shards.iter().enumerate() {
                    rows.insert(at, counts::of_day(&shard.tables, &day).await?);
                }
                closer.close(shards, &DueDay { day, rows }).await?;
            }
            closer.lease.release().await?;
        }
        Ok(())
    }

    async fn wait_for_lease(&self) -> Result<(), CloseDayError> {
        for _ in 0..ATTEMPTS {
            if self.lease.take().await? {
                return Ok(());
            }
            tokio::time::sleep(PAUSE).await;
        }
        Err(CloseDayError::Leased)
    }
}

async fn recorded_days(shard: &PinnedShard) -> Result<BTreeSet<Date>, CloseDayError> {
    let sql = format!("SELECT DISTINCT toUInt16(day) FROM {}", shard.tables.local("days"));
    let days = shard.tables.client().query(&sql).fetch_all::<u16>().await?;
    Ok(days.into_iter().map(dates::day_date).collect())
}
