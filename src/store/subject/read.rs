//! Counting and reading the rows of a scope.

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde_json::Value;

use super::{SubjectDays, SubjectRows, SubjectStore};
use crate::privacy::{Subject, SubjectScope};
use crate::store::days::{CloseDayError, Tables};
use crate::store::{dates, schema, sql};

/// A change of keys, as the audit has it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct DestroyedKey {
    pub destroyed: String,
    /// The fingerprint of the key.
    pub key: String,
}

impl SubjectStore {
    /// # Errors
    /// When the store refuses or cannot be reached. So in all functions here.
    pub async fn count(&self, scope: &SubjectScope) -> Result<SubjectRows, CloseDayError> {
        let condition = self.condition(scope);
        let visits = match condition.of_visits() {
            Some(condition) => {
                self.number(&format!("SELECT count() FROM visits_stored WHERE {condition}")).await?
            }
            None => 0,
        };
        Ok(SubjectRows {
            events: self.number(&format!("SELECT count() FROM events WHERE {condition}")).await?,
            blocked_events: self
                .number(&format!("SELECT count() FROM blocked_events FINAL WHERE {condition}"))
                .await?,
            visits,
        })
    }

    /// The events in reports, by day.
    pub async fn by_day(&self, scope: &SubjectScope) -> Result<BTreeMap<Date, u64>, CloseDayError> {
        let sql = format!(
            "SELECT toUInt16(toDate(time, {{zone:String}})) AS day, count() FROM events WHERE {} GROUP BY day",
            self.condition(scope)
        );
        let rows = self.tables.client().query(&sql).param("zone", &self.zone);
        let rows = rows.fetch_all::<(u16, u64)>().await?;
        Ok(rows.into_iter().map(|(day, events)| (dates::day_date(day), events)).collect())
    }

    /// The visitors who sent a cookie, with the number of their events that have it.
    pub async fn visitors(&self, scope: &SubjectScope) -> Result<Vec<(Subject, u64)>, CloseDayError> {
        let condition = self.condition(scope);
        let sql = format!(
            "SELECT epoch, visitor, count() FROM (SELECT epoch, visitor FROM events WHERE {condition} \
             UNION ALL SELECT epoch, visitor FROM blocked_events FINAL WHERE {condition}) GROUP BY epoch, visitor ORDER BY epoch, visitor LIMIT 1000"
        );
        let rows = self.tables.client().query(&sql).fetch_all::<(u32, u64, u64)>().await?;
        let subject = |epoch, visitor| Subject { site: scope.site().to_owned(), epoch, visitor };
        Ok(rows.into_iter().map(|(epoch, visitor, events)| (subject(epoch, visitor), events)).collect())
    }

    /// All rows of a table: `events`, `blocked_events` or `visits`. A cookie has no visits.
    pub async fn rows(&self, table: &str, scope: &SubjectScope) -> Result<Vec<Value>, CloseDayError> {
        let condition = self.condition(scope);
        let (from, columns, condition, order) = match table {
            "visits" => {
                let Some(condition) = condition.of_visits() else { return Ok(Vec::new()) };
                let columns = Tables::columns("visits_stored");
                (table.to_owned(), columns, condition, "start")
            }
            events => {
                let from = if events == "events" { "events" } else { "blocked_events FINAL" };
                let columns =
                    schema::columns("blocked_events").into_iter().map(|column| sql::identifier(&column.name));
                let columns: Vec<_> = columns.collect();
                (from.to_owned(), columns.join(", "), condition.to_string(), "time")
            }
        };
        let sql = format!("SELECT {columns} FROM {from} WHERE {condition} ORDER BY {order}");
        let query = self.tables.client().query(&sql);
        // Numbers of 64 bits do not fit a JSON reader's.
        let query = query.with_setting("output_format_json_quote_64bit_integers", "1");
        let bytes = query.fetch_bytes("JSONEachRow")?.collect().await?;
        let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines
            .map(serde_json::from_slice)
            .collect::<Result<_, _>>()
            .map_err(|error| clickhouse::error::Error::InvalidParams(error.into()).into())
    }

    /// Keys that were destroyed, the last ones first; with `since` (Unix s), those that were in force then or later, the first ones first.
    pub async fn destroyed_keys(
        &self,
        since: Option<i64>,
        most: usize,
    ) -> Result<Vec<DestroyedKey>, CloseDayError> {
        // A turn names the epoch that begins, an expiry the one that ended.
        let order = if since.is_some() { "" } else { "DESC" };
        let sql = format!(
            "SELECT toString(time), JSONExtractString(detail, 'ended') FROM audit FINAL \
             WHERE action IN ('key turned', 'key expired') \
             AND JSONExtractInt(detail, 'epoch') + (action = 'key expired') > {{since:Int64}} ORDER BY time {order} LIMIT {{most:UInt64}}"
        );
        let query = self.tables.client().query(&sql).param("since", since.unwrap_or(0)).param("most", most);
        let rows = query.fetch_all::<(String, String)>().await?;
        Ok(rows
            .into_iter()
            .map(|(destroyed, key)| DestroyedKey { destroyed: destroyed + " UTC", key })
            .collect())
    }

    /// Days and partitions of `table`, which is `events` or `blocked_events`, that have events of the scope on one node.
    pub(super) async fn days(
        &self,
        tables: &Tables,
        table: &str,
        scope: &SubjectScope,
    ) -> Result<SubjectDays, CloseDayError> {
        let sql = format!(
            "SELECT DISTINCT toUInt16(toDate(time, {{zone:String}})), toYYYYMM(time) FROM {} WHERE {}",
            tables.local(table),
            self.condition(scope)
        );
        let rows = tables.client().query(&sql).param("zone", &self.zone);
        let rows = rows.fetch_all::<(u16, u32)>().await?;
        Ok(SubjectDays {
            days: rows.iter().map(|(day, _)| dates::day_date(*day)).collect(),
            months: rows.iter().map(|(_, month)| *month).collect(),
        })
    }

    async fn number(&self, sql: &str) -> Result<u64, CloseDayError> {
        Ok(self.tables.client().query(sql).fetch_one::<u64>().await?)
    }
}
