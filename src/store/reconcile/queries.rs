//! The queries of reconciliation.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use crate::spool::{STORED, SegmentId, SpoolError};
use crate::store::Client;

/// A day of receipt (UTC, days since 1970-01-01) and a site id.
pub type DaySite = (u16, String);

/// Why the counts could not be compared.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    #[error("cannot read the event counts from the store")]
    Store(#[from] clickhouse::error::Error),
    #[error("cannot read the event counts from the spool")]
    Spool(#[from] SpoolError),
}

/// Events by outcome: `stored` ones within their retention, `expired` ones beyond it, and reasons for which events were dropped.
pub(super) type OutcomeCounts = BTreeMap<String, u64>;

/// Outcome of stored events whose retention has passed.
pub(super) const EXPIRED: &str = "expired";

/// A segment whose stored events are not those that were shipped, for one day and site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SegmentDifference {
    pub(super) id: SegmentId,
    pub(super) day: u16,
    pub(super) site: String,
    /// Events that were shipped and not removed on purpose.
    pub(super) shipped: u64,
    pub(super) stored: u64,
    /// Different events among the stored ones.
    pub(super) distinct: u64,
    /// When the last of them was received, Unix s.
    pub(super) last: u32,
}

/// Today in the store's zone, days since 1970-01-01.
pub(super) async fn store_today(client: &Client) -> Result<u16, ReconcileError> {
    Ok(client.query("SELECT toUInt16(today())").fetch_one::<u16>().await?)
}

/// The rows of `segments`, summed by day and site.
pub(super) async fn outcome_counts(
    client: &Client,
    days: &RangeInclusive<u16>,
    today: u16,
) -> Result<BTreeMap<DaySite, OutcomeCounts>, ReconcileError> {
    let sql = format!(
        "SELECT toUInt16(day), toString(site), if(outcome = '{STORED}' AND toUInt16(expires) < {{today:UInt16}}, '{EXPIRED}', \
         toString(outcome)) AS kind, sum(events) FROM segments FINAL \
         WHERE toUInt16(day) BETWEEN {{first:UInt16}} AND {{last:UInt16}} AND events > 0 GROUP BY day, site, kind"
    );
    let rows = query(client, &sql, days, today).fetch_all::<(u16, String, String, u64)>().await?;
    let mut counts: BTreeMap<DaySite, OutcomeCounts> = BTreeMap::new();
    for (day, site, outcome, events) in rows {
        counts.entry((day, site)).or_default().insert(outcome, events);
    }
    Ok(counts)
}

/// The events of `removed_events` within their retention, summed by day and site.
pub(super) async fn removed_events(
    client: &Client,
    days: &RangeInclusive<u16>,
    today: u16,
) -> Result<BTreeMap<DaySite, u64>, ReconcileError> {
    let sql = "SELECT toUInt16(day), toString(site), sum(events) FROM removed_events FINAL \
               WHERE toUInt16(day) BETWEEN {first:UInt16} AND {last:UInt16} AND toUInt16(expires) >= {today:UInt16} \
               GROUP BY day, site";
    by_day_and_site(query(client, sql, days, today)).await
}

/// The stored events within their retention, counted by day of receipt and site.
pub(super) async fn stored_events(
    client: &Client,
    days: &RangeInclusive<u16>,
    today: u16,
) -> Result<BTreeMap<DaySite, u64>, ReconcileError> {
    let sql = format!(
        "SELECT toUInt16(toDate(received, 'UTC')) AS day, toString(site) AS site, count() FROM events \
         WHERE {RECEIVED_WITHIN} GROUP BY day, site"
    );
    by_day_and_site(query(client, &sql, days, today)).await
}

/// The stored events of the days. The table is partitioned by an event's time, and an event is received at most a day after it.
const RECEIVED_WITHIN: &str = "toUInt16(toDate(received, 'UTC')) BETWEEN {first:UInt16} AND {last:UInt16} \
    AND toUInt16(expires) >= {today:UInt16} \
    AND toUInt16(toDate(time, 'UTC')) + 2 >= {first:UInt16} AND toUInt16(toDate(time, 'UTC')) <= {last:UInt16} + 2";

/// The segments of one day whose events differ from their account. Events of visitors who are blocked must be there, too.
pub(super) async fn segment_differences(
    client: &Client,
    day: u16,
    today: u16,
) -> Result<Vec<SegmentDifference>, ReconcileError> {
    let sql = format!(
        "SELECT collector, segment, toString(site) AS site, sum(shipped) AS shipped, sum(stored) AS stored, sum(distinct) AS distinct, max(last) AS last \
         FROM ( \
             SELECT collector, segment, site, toInt64(events) AS shipped, toUInt64(0) AS stored, toUInt64(0) AS distinct, toUInt32(0) AS last \
             FROM segments FINAL WHERE toUInt16(day) = {{first:UInt16}} AND outcome = '{STORED}' \
             AND toUInt16(expires) >= {{today:UInt16}} \
             UNION ALL \
             SELECT collector, segment, site, -toInt64(events) AS shipped, toUInt64(0) AS stored, toUInt64(0) AS distinct, toUInt32(0) AS last \
             FROM removed_events FINAL WHERE toUInt16(day) = {{first:UInt16}} AND toUInt16(expires) >= {{today:UInt16}} AND reason != 'blocked' \
             UNION ALL \
             SELECT collector, segment, site, toInt64(0) AS shipped, count() AS stored, uniqExact(event_id) AS distinct, \
             toUInt32(max(toUnixTimestamp(received))) AS last FROM ( \
                 SELECT collector, segment, site, event_id, received FROM events WHERE {RECEIVED_WITHIN} \
                 UNION ALL SELECT collector, segment, site, event_id, received FROM blocked_events FINAL WHERE {RECEIVED_WITHIN} \
             ) GROUP BY collector, segment, site \
         ) GROUP BY collector, segment, site HAVING shipped != stored OR shipped != distinct ORDER BY segment, collector, site"
    );
    let rows = query(client, &sql, &(day..=day), today)
        .fetch_all::<(u64, u64, String, i64, u64, u64, u32)>()
        .await?;
    Ok(rows
        .into_iter()
        .map(|(collector, number, site, shipped, stored, distinct, last)| SegmentDifference {
            id: SegmentId { collector, number },
            day,
            site,
            shipped: shipped.max(0).unsigned_abs(),
            stored,
            distinct,
            last,
        })
        .collect())
}

/// Ranges of segment numbers of a collector, from `since` on: each gap in `segments`, and the range from the lowest to the highest number.
/// Only of the last 399 days: older rows leave the table at different times.
pub(super) async fn number_ranges(
    client: &Client,
    collector: u64,
    since: u64,
) -> Result<Vec<(u64, u64)>, ReconcileError> {
    let sql = "SELECT before + 1, toUInt64(segment - 1) FROM (SELECT segment, \
               lagInFrame(segment, 1, segment) OVER (ORDER BY segment ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS before \
               FROM (SELECT DISTINCT segment FROM segments WHERE collector = {collector:UInt64} AND segment >= {since:UInt64} AND day >= toDate(now('UTC')) - 399)) \
               WHERE segment > before + 1 \
               UNION ALL SELECT min(segment), max(segment) FROM segments \
               WHERE collector = {collector:UInt64} AND segment >= {since:UInt64} AND day >= toDate(now('UTC')) - 399 HAVING count() > 0";
    let query = client.query(sql).param("collector", collector).param("since", since);
    Ok(query.fetch_all::<(u64, u64)>().await?)
}

fn query(client: &Client, sql: &str, days: &RangeInclusive<u16>, today: u16) -> clickhouse::query::Query {
    client.query(sql).param("first", days.start()).param("last", days.end()).param("today", today)
}

async fn by_day_and_site(query: clickhouse::query::Query) -> Result<BTreeMap<DaySite, u64>, ReconcileError> {
    let rows = query.fetch_all::<(u16, String, u64)>().await?;
    Ok(rows.into_iter().map(|(day, site, events)| ((day, site), events)).collect())
}
