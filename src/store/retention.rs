//! Retention that the store's TTL does not enforce or record: hours, and the account of what expired.
//!
//! A site with a retention in hours loses its events hour by hour. Each pass has a number, which is in `settings`:
//!
//! 1. Read the number of the pass.
//! 2. Book the events that were received before the hour in `removed_events`: one row for each segment and hour of receipt, named by the pass and
//!    that hour, unless there is one.
//! 3. Delete these events from `events` and `blocked_events`, and the booking of those that were blocked.
//! 4. Write another number into `settings`.
//!
//! | crash after step | recovery |
//! |---|---|
//! | 1 | nothing was changed |
//! | 2, 3 | the pass has the same number, so what is booked is not booked again; the rest is deleted |
//! | 4 | nothing is left to do; events of the same hours that arrive late are booked under another number |
//!
//! The days are due then, because the numbers of their events differ.

use crate::store::days::{CloseDayError, Tables};
use crate::store::{Client, dates, sql};

const HOUR: i64 = 3600;

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

    /// Deletes a site's events that were received before `until` (Unix s), in whole hours. Returns how many, and the hour.
    ///
    /// # Errors
    /// When the store refuses or cannot be reached. So in all functions here.
    pub async fn delete_before(&self, site: &str, until: i64) -> Result<(u64, i64), CloseDayError> {
        let until = until.div_euclid(HOUR) * HOUR;
        let setting = format!("retention of {site}");
        let pass = self.number(&setting).await?;
        let name = sql::string(site);
        let before = format!("site = {name} AND received < fromUnixTimestamp({until})");
        let mut events = 0;
        for table in ["events", "blocked_events"] {
            let sql =
                format!("SELECT toYYYYMM(time) AS month, count() FROM {table} WHERE {before} GROUP BY month");
            let months = self.tables.client().query(&sql).fetch_all::<(u32, u64)>().await?;
            if !months.is_empty() {
                self.book(table, &name, &before, pass).await?;
            }
            if table == "blocked_events" && !months.is_empty() {
                let blocked = format!(
                    "SELECT collector, segment, cityHash64(page_load, seq) FROM blocked_events WHERE {before}"
                );
                let unbook = format!(
                    "DELETE FROM removed_events WHERE site = {name} AND reason = 'blocked' AND (collector, segment, event_id) IN ({blocked})"
                );
                self.tables.run(&unbook, &[]).await?;
            }
            events += months.iter().map(|(_, events)| events).sum::<u64>();
            for (month, _) in months {
                let local = self.tables.local(table);
                let delete = format!("DELETE FROM {local} IN PARTITION {month} WHERE {before}");
                self.tables.run(&delete, &[]).await?;
            }
        }
        if events > 0 {
            self.set(&setting, jiff::Timestamp::now().as_millisecond()).await?;
        }
        Ok((events, until))
    }

    /// Step 2.
    async fn book(&self, table: &str, site: &str, before: &str, pass: i64) -> Result<(), CloseDayError> {
        let removal =
            format!("cityHash64('retention {table}', {pass}, intDiv(toUnixTimestamp(received), {HOUR}))");
        let booked = format!(
            "SELECT collector, segment, event_id, expires FROM removed_events WHERE site = {site} AND reason = 'retention'"
        );
        let insert = format!(
            "INSERT INTO removed_events (day, site, collector, segment, event_id, reason, events, expires) SETTINGS insert_deduplicate = 0 \
             SELECT toDate(received, 'UTC') AS day, site, collector, segment, {removal} AS removal, 'retention', uniqExact(page_load, seq), expires \
             FROM {table} WHERE {before} AND (collector, segment, {removal}, expires) GLOBAL NOT IN ({booked}) \
             GROUP BY day, site, collector, segment, removal, expires"
        );
        self.tables.run(&insert, &[]).await
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

impl ExpiringEvents {
    /// The day on which the store deletes them by their last day.
    pub fn removed_on(&self) -> jiff::civil::Date {
        dates::day_date(self.expires.saturating_add(1))
    }
}
