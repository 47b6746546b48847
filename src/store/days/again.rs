//! Computes days again whose events were changed on purpose: at once, or in the next round of closing.
//!
//! A day whose number of events differs from the recorded one is due anyway. But on a busy site, as many events may arrive as were erased. And the
//! figures of an erased or blocked visitor must not wait for the next round.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;

use super::closing::DayCloser;
use super::computation::Computation;
use super::compute;
use super::counts;
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
    // No computed day has 0 events, so an open day differs, too.
    let sql = "INSERT INTO days (day, starts, ends, timezone, generation, is_closed, events, removed, computed) \
               SELECT day, starts, ends, timezone, generation, false, 0, removed, computed FROM days FINAL \
               WHERE toUInt16(day) IN {days:Array(UInt16)}";
    Ok(client.query(sql).param("days", days).execute().await?)
}

impl DayCloser {
    /// Computes those of the days that were computed before. Their figures then have all changes that were made before the call.
    ///
    /// # Errors
    /// When the store refuses or cannot be reached, and when another collector has been closing days for too long.
    pub(crate) async fn compute_again(&self, dates: &BTreeSet<Date>) -> Result<(), CloseDayError> {
        let known = self.recorded_days().await?;
        let now = Timestamp::now();
        let days = dates.intersection(&known).filter_map(|date| self.calendar.day(*date));
        let (closed, open): (Vec<_>, Vec<_>) = days.partition(|day| day.closes() <= now.as_second());
        for day in &open {
            let began = Timestamp::now();
            let events = counts::of_day(&self.tables, day).await?;
            let computation = Computation { day, zone: &self.zone, events, removed: 0, is_open: true, began };
            compute::compute(&self.tables, &computation, self.publisher.as_ref(), None).await?;
        }
        if !closed.is_empty() {
            self.wait_for_lease().await?;
            for day in &closed {
                let events = counts::of_day(&self.tables, day).await?;
                self.close(day, events).await?;
            }
            self.lease.release().await?;
        }
        Ok(())
    }

    async fn recorded_days(&self) -> Result<BTreeSet<Date>, CloseDayError> {
        let query = self.tables.client().query("SELECT DISTINCT toUInt16(day) FROM days");
        Ok(query.fetch_all::<u16>().await?.into_iter().map(dates::day_date).collect())
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
