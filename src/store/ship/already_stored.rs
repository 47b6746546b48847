//! Which events of a segment the store has already, for a segment that may have been sent before.
//!
//! ClickHouse remembers a bounded number of deduplication tokens and does not sync them, so a power cut may lose them.
//! Therefore the store is asked for the events themselves.

use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

use clickhouse::error::Error;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::error::{ShipError, redact};
use super::table::EVENTS;
use crate::spool::{EventId, Shipment};
use crate::store::{Client, sql};

/// Most events in one query: its text stays well under ClickHouse's default `max_query_size` of 256 KiB.
const EVENTS_PER_QUERY: usize = 4_096;
const _: () = assert!(EVENTS_PER_QUERY * "(18446744073709551615,4294967295),".len() < 200 << 10);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(120);
/// A segment's events happened at most so many days before its first receipt, and at most so many after its last: an event is at
/// most a day old when it is received, and clocks differ.
const DAYS_BEFORE: i64 = 2;
const DAYS_AFTER: i64 = 1;

/// For each event of a segment, in order, whether the store has it.
///
/// ClickHouse stores an insert whole for each month, because months are partitions. A power cut may keep one month and lose another.
pub(super) async fn already_stored(client: &Client, shipment: &Shipment) -> Result<Vec<bool>, ShipError> {
    let mut stored = Vec::with_capacity(shipment.event_ids().len());
    for ids in shipment.event_ids().chunks(EVENTS_PER_QUERY) {
        let (found, distinct) = count(client, shipment, ids).await?;
        if found == 0 && stored.is_empty() && is_in_one_month(shipment) {
            return Ok(vec![false; shipment.event_ids().len()]);
        }
        if found == 0 || found == distinct {
            stored.resize(stored.len() + ids.len(), found > 0);
        } else {
            let present = list(client, shipment, ids).await?;
            stored.extend(ids.iter().map(|id| present.contains(id)));
        }
    }
    Ok(stored)
}

/// Whether the store has no event of a segment.
pub(super) async fn is_absent(client: &Client, shipment: &Shipment) -> Result<bool, ShipError> {
    for ids in shipment.event_ids().chunks(EVENTS_PER_QUERY) {
        if count(client, shipment, ids).await?.0 > 0 {
            return Ok(false);
        }
    }
    Ok(true)
}

/// How many of some events of a segment the store has, and how many distinct ones there are.
async fn count(client: &Client, shipment: &Shipment, ids: &[EventId]) -> Result<(usize, usize), ShipError> {
    let distinct: HashSet<&EventId> = ids.iter().collect();
    let answer = query(client, shipment, "uniqExact(page_load, seq)", &distinct).await?;
    let Some(answer) = answer else { return Ok((0, distinct.len())) };
    let found = answer.trim().parse().map_err(|_| not_a_number(shipment))?;
    Ok((found, distinct.len()))
}

/// Which of some events of a segment the store has.
async fn list(client: &Client, shipment: &Shipment, ids: &[EventId]) -> Result<HashSet<EventId>, ShipError> {
    let answer = query(client, shipment, "DISTINCT page_load, seq", &ids.iter().collect()).await?;
    let event = |line: &str| {
        let (page_load, seq) = line.split_once('\t')?;
        Some((page_load.parse().ok()?, seq.parse().ok()?))
    };
    let answer = answer.unwrap_or_default();
    answer.lines().map(|line| event(line).ok_or_else(|| not_a_number(shipment))).collect()
}

/// Selects `what` of the stored events among `distinct`; `None` for a segment without events.
async fn query(
    client: &Client,
    shipment: &Shipment,
    what: &str,
    distinct: &HashSet<&EventId>,
) -> Result<Option<String>, ShipError> {
    let Some(sql) = select(shipment, what, distinct) else { return Ok(None) };
    let failed = |source| failed(shipment, source);
    let mut cursor = client.bytes(&sql, &[], "TabSeparated").map_err(failed)?;
    let answer = tokio::time::timeout(ANSWER_TIMEOUT, cursor.collect()).await;
    let answer = answer.map_err(|_| failed(Error::TimedOut))?.map_err(failed)?;
    Ok(Some(String::from_utf8_lossy(&answer).into_owned()))
}

fn failed(shipment: &Shipment, source: Error) -> ShipError {
    ShipError::Store { name: shipment.id().to_string(), source: redact(source) }
}

fn not_a_number(shipment: &Shipment) -> ShipError {
    failed(shipment, Error::Custom("the answer is not a number".to_owned()))
}

/// Whether all events of a segment lie in one month, which is one partition of `events`.
fn is_in_one_month(shipment: &Shipment) -> bool {
    let Some(received) = shipment.received() else { return true };
    let month = |ms: i64, days: i64| {
        let moment = Timestamp::from_millisecond(ms).unwrap_or_default();
        let moment = moment.saturating_add(SignedDuration::from_hours(24 * days)).unwrap_or_default();
        moment.to_zoned(TimeZone::UTC).date().first_of_month()
    };
    month(*received.start(), -DAYS_BEFORE) == month(*received.end(), DAYS_AFTER)
}

fn select(shipment: &Shipment, what: &str, distinct: &HashSet<&EventId>) -> Option<String> {
    let received = shipment.received()?;
    let list: Vec<String> = distinct.iter().map(|(page_load, seq)| format!("({page_load},{seq})")).collect();
    let sites: BTreeSet<_> = shipment.sites().collect();
    let sites: Vec<_> = sites.into_iter().map(sql::string).collect();
    let moment = |ms: &i64| format!("fromUnixTimestamp64Milli({ms}, 'UTC')");
    let (first, last) = (moment(received.start()), moment(received.end()));
    // Another collector may have taken a copy of an event, at another time.
    let own = if shipment.has_received_column() {
        format!("AND received BETWEEN {first} AND {last} ")
    } else {
        String::new()
    };
    // The times of events bound the parts that ClickHouse reads.
    Some(format!(
        "SELECT {what} FROM {EVENTS} WHERE site IN ({}) \
         AND time BETWEEN {first} - INTERVAL {DAYS_BEFORE} DAY AND {last} + INTERVAL {DAYS_AFTER} DAY \
         {own}AND (page_load, seq) IN ({})",
        sites.join(","),
        list.join(",")
    ))
}
