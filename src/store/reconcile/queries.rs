//! The queries of reconciliation.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use super::digest_sum::{DigestSum, SegmentTotals, ShippedSegment};
use super::segment_search::BUCKET_MS;
use crate::spool::{SegmentId, SpoolError};
use crate::store::Client;

/// The digest of events; [`fingerprint`](crate::spool::fingerprint) computes that of one event.
pub const DIGEST_SQL: &str = "sum(intHash64(page_load + seq * 11400714819323198485))";

/// A day of receipt (UTC, days since 1970-01-01) and a site id.
pub type DaySite = (u16, String);

#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    /// The store did not answer, or refused a query.
    #[error("cannot read the event counts from the store")]
    Store(#[from] clickhouse::error::Error),
    #[error("cannot read the event counts from the spool")]
    Spool(#[from] SpoolError),
    /// An answer that does not have the expected form.
    #[error("the store answered {0:?} to a query for event counts")]
    Answer(String),
}

/// Events and earliest expiry, by outcome.
pub(super) type OutcomeCounts = BTreeMap<String, (u64, u16)>;

/// The rows of `event_counts`, summed by day and site.
pub(super) async fn event_counts(
    client: &Client,
    days: &RangeInclusive<u16>,
) -> Result<BTreeMap<DaySite, OutcomeCounts>, ReconcileError> {
    let sql = "SELECT toUInt16(day), site, outcome, sum(events), toUInt16(min(expires)) FROM event_counts \
               WHERE day BETWEEN toDate({first:UInt16}) AND toDate({last:UInt16}) GROUP BY day, site, outcome";
    let mut lines: BTreeMap<DaySite, OutcomeCounts> = BTreeMap::new();
    for row in rows(client, sql, &range(days)).await? {
        let [day, site, outcome, events, expires] = row.as_slice() else { return Err(malformed(&row)) };
        let number = |text: &String| text.parse::<u64>().map_err(|_| malformed(&row));
        let key = (day.parse().map_err(|_| malformed(&row))?, site.clone());
        let expires = expires.parse().map_err(|_| malformed(&row))?;
        lines.entry(key).or_default().insert(outcome.clone(), (number(events)?, expires));
    }
    Ok(lines)
}

/// The stored events, counted by day of receipt and site.
pub(super) async fn stored_events(
    client: &Client,
    days: &RangeInclusive<u16>,
) -> Result<BTreeMap<DaySite, DigestSum>, ReconcileError> {
    // An event is received at most a day after its time, by which the table is partitioned.
    let sql = format!(
        "SELECT toUInt16(toDate(received, 'UTC')) AS day, site, count(), {DIGEST_SQL} FROM events \
         WHERE day BETWEEN {{first:UInt16}} AND {{last:UInt16}} \
         AND time >= toDateTime64(toDate({{first:UInt16}}), 3, 'UTC') - INTERVAL 2 DAY \
         AND time < toDateTime64(toDate({{last:UInt16}}), 3, 'UTC') + INTERVAL 2 DAY GROUP BY day, site"
    );
    let mut lines = BTreeMap::new();
    for row in rows(client, &sql, &range(days)).await? {
        let [day, site, events, digest] = row.as_slice() else { return Err(malformed(&row)) };
        let sum = DigestSum { events: number(&row, events)?, digest: number(&row, digest)? };
        lines.insert((number(&row, day)?, site.clone()), sum);
    }
    Ok(lines)
}

fn range(days: &RangeInclusive<u16>) -> [(&'static str, String); 2] {
    [("first", days.start().to_string()), ("last", days.end().to_string())]
}

/// The rows of an answer. Site ids and outcomes have no character that TabSeparated escapes.
async fn rows(
    client: &Client,
    sql: &str,
    parameters: &[(&str, String)],
) -> clickhouse::error::Result<Vec<Vec<String>>> {
    let parameters: Vec<_> = parameters.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let bytes = client.bytes(sql, &parameters, "TabSeparated")?.collect().await?;
    let text = String::from_utf8_lossy(&bytes);
    Ok(text.lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect())
}

fn number<T: std::str::FromStr>(row: &[String], text: &str) -> Result<T, ReconcileError> {
    text.parse().map_err(|_| malformed(row))
}

/// The rows of `segments`, summed by day and site.
pub(super) async fn segment_totals(
    client: &Client,
    days: &RangeInclusive<u16>,
) -> Result<BTreeMap<DaySite, SegmentTotals>, ReconcileError> {
    let sql = "SELECT toUInt16(day), site, sumIf(events, collector != 0), sumIf(digest, collector != 0), \
               sumIf(events, collector = 0), sumIf(digest, collector = 0) FROM segments FINAL \
               WHERE day BETWEEN toDate({first:UInt16}) AND toDate({last:UInt16}) AND events > 0 GROUP BY day, site";
    let mut totals = BTreeMap::new();
    let parameters = [("first", days.start().to_string()), ("last", days.end().to_string())];
    for row in rows(client, sql, &parameters).await? {
        let [day, site, numbers @ ..] = row.as_slice() else { continue };
        let [events, digest, removed, of_removed] = numbers else { continue };
        let sum = |events: &String, digest: &String| -> Result<DigestSum, ReconcileError> {
            Ok(DigestSum { events: number(&row, events)?, digest: number(&row, digest)? })
        };
        let shipped = sum(events, digest)?;
        let removed = sum(removed, of_removed)?;
        totals.insert((number(&row, day)?, site.clone()), SegmentTotals { shipped, removed });
    }
    Ok(totals)
}

/// Whether `segments` covers all of a day: each collector that shipped on it has a segment of an earlier day, or its very first one.
/// A segment that was made from another one has that one's number.
pub(super) async fn covers_whole_day(client: &Client, day: u16) -> Result<bool, ReconcileError> {
    let sql = "SELECT count() FROM (SELECT min(day) AS since, min(number) AS lowest, max(number) AS highest FROM segments \
               WHERE collector IN (SELECT collector FROM segments WHERE day = toDate({day:UInt16}) AND collector != 0) \
               GROUP BY collector) WHERE since >= toDate({day:UInt16}) AND lowest > 0 AND NOT (lowest = highest AND lowest IN ( \
               SELECT number FROM segments WHERE day BETWEEN toDate({day:UInt16}) - 1 AND toDate({day:UInt16}) AND collector IN ( \
               SELECT collector FROM segments WHERE collector != 0 AND (day < toDate({day:UInt16}) OR number = 0))))";
    match rows(client, sql, &[("day", day.to_string())]).await?.as_slice() {
        [row] if row.len() == 1 => Ok(number::<u64>(row, &row[0])? == 0),
        answer => Err(malformed(&answer.concat())),
    }
}

pub(super) async fn shipped_segments(
    client: &Client,
    (day, site): &DaySite,
) -> Result<Vec<ShippedSegment>, ReconcileError> {
    let sql = "SELECT collector, number, events, digest, toUnixTimestamp64Milli(first), \
               toUnixTimestamp64Milli(last) FROM segments FINAL \
               WHERE day = toDate({day:UInt16}) AND site = {site:String} AND collector != 0 AND events > 0 \
               ORDER BY number, collector";
    let parameters = [("day", day.to_string()), ("site", site.clone())];
    let mut segments = Vec::new();
    for row in rows(client, sql, &parameters).await? {
        let [collector, place, events, digest, first, last] = row.as_slice() else { continue };
        segments.push(ShippedSegment {
            id: SegmentId { collector: number(&row, collector)?, number: number(&row, place)? },
            sum: DigestSum { events: number(&row, events)?, digest: number(&row, digest)? },
            first: number(&row, first)?,
            last: number(&row, last)?,
        });
    }
    Ok(segments)
}

/// The number of stored events of a day and site by time of receipt, in buckets of [`BUCKET_MS`].
pub(super) async fn events_by_time(
    client: &Client,
    (day, site): &DaySite,
) -> Result<BTreeMap<i64, u64>, ReconcileError> {
    let sql = format!(
        "SELECT intDiv(toUnixTimestamp64Milli(received), {BUCKET_MS}) AS bucket, count() FROM events \
         WHERE toDate(received, 'UTC') = toDate({{day:UInt16}}) AND site = {{site:String}} \
         AND time >= toDateTime64(toDate({{day:UInt16}}), 3, 'UTC') - INTERVAL 2 DAY \
         AND time < toDateTime64(toDate({{day:UInt16}}), 3, 'UTC') + INTERVAL 2 DAY GROUP BY bucket"
    );
    let parameters = [("day", day.to_string()), ("site", site.clone())];
    let mut buckets = BTreeMap::new();
    for row in rows(client, &sql, &parameters).await? {
        let [bucket, events] = row.as_slice() else { continue };
        buckets.insert(number(&row, bucket)?, number(&row, events)?);
    }
    Ok(buckets)
}

/// Ranges of segment numbers of a collector, from `since` on: each gap in `segments`, and the range from the lowest to the highest number.
pub(super) async fn number_ranges(
    client: &Client,
    collector: u64,
    since: u64,
) -> Result<Vec<(u64, u64)>, ReconcileError> {
    let sql = "SELECT before + 1, toUInt64(number - 1) FROM (SELECT number, \
               lagInFrame(number, 1, number) OVER (ORDER BY number ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS before \
               FROM (SELECT DISTINCT number FROM segments WHERE collector = {collector:UInt64} AND number >= {since:UInt64})) \
               WHERE number > before + 1 \
               UNION ALL SELECT min(number), max(number) FROM segments \
               WHERE collector = {collector:UInt64} AND number >= {since:UInt64} HAVING count() > 0";
    let parameters = [("collector", collector.to_string()), ("since", since.to_string())];
    let answer = rows(client, sql, &parameters).await?;
    let ranges = answer.iter().map(|row| match row.as_slice() {
        [from, to] => Ok((number::<u64>(row, from)?, number::<u64>(row, to)?)),
        _ => Err(malformed(row)),
    });
    ranges.collect()
}

fn malformed(row: &[String]) -> ReconcileError {
    ReconcileError::Answer(row.join("\t"))
}
