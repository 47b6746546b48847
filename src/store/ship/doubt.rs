//! What the store has of a segment that may have been sent before.
//!
//! ClickHouse's memory of tokens is bounded and does not outlive a power cut, so it is asked for the events themselves.

use std::collections::{BTreeSet, HashSet};

use clickhouse::error::Error;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::table::EVENTS;
use super::{ANSWER_TIMEOUT, ShipError, Shipper, blocking, refusal, unreadable};
use crate::spool::{EventId, SealedSegment, Shipment};

/// Events that the store is asked for at once: their query stays well under ClickHouse's `max_query_size` of 256 KiB.
const ASKED_AT_ONCE: usize = 4_096;
const _: () = assert!(ASKED_AT_ONCE * "(18446744073709551615,4294967295),".len() < 200 << 10);

impl Shipper {
    /// Which events of a segment the store holds, in their order. An insert is stored whole but for the months of its events, which
    /// ClickHouse keeps apart: a power cut may have taken one month and left another. Of some, copies may have been taken out again.
    pub(super) async fn already_stored(&self, shipment: &Shipment) -> Result<Vec<bool>, ShipError> {
        let mut already_stored = Vec::with_capacity(shipment.event_ids().len());
        for identities in shipment.event_ids().chunks(ASKED_AT_ONCE) {
            let (found, of) = self.look_for(shipment, identities).await?;
            if found == 0 && already_stored.is_empty() && is_in_one_month(shipment) {
                return Ok(vec![false; shipment.event_ids().len()]);
            }
            if found == 0 || found == of {
                already_stored.resize(already_stored.len() + identities.len(), found > 0);
            } else {
                let stored = self.list(shipment, identities).await?;
                already_stored.extend(identities.iter().map(|identity| stored.contains(identity)));
            }
        }
        Ok(already_stored)
    }

    /// Whether the store holds no event of a segment.
    pub(super) async fn is_absent(&self, sealed: SealedSegment) -> Result<bool, ShipError> {
        let spool = self.spool.clone();
        let shipment = blocking(move || Shipment::open(&spool, sealed)).await.map_err(unreadable)?;
        for identities in shipment.event_ids().chunks(ASKED_AT_ONCE) {
            if self.look_for(&shipment, identities).await?.0 > 0 {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// How many of some events of a segment the store holds, of how many.
    async fn look_for(
        &self,
        shipment: &Shipment,
        identities: &[EventId],
    ) -> Result<(usize, usize), ShipError> {
        let distinct: HashSet<&EventId> = identities.iter().collect();
        let answer = self.ask(shipment, "uniqExact(page_load, seq)", &distinct).await?;
        let Some(answer) = answer else { return Ok((0, distinct.len())) };
        let found = answer.trim().parse().map_err(|_| no_number(shipment))?;
        Ok((found, distinct.len()))
    }

    /// Which of some events of a segment the store holds.
    async fn list(&self, shipment: &Shipment, identities: &[EventId]) -> Result<HashSet<EventId>, ShipError> {
        let answer = self.ask(shipment, "DISTINCT page_load, seq", &identities.iter().collect()).await?;
        let event = |line: &str| {
            let (page_load, seq) = line.split_once('\t')?;
            Some((page_load.parse().ok()?, seq.parse().ok()?))
        };
        let answer = answer.unwrap_or_default();
        answer.lines().map(|line| event(line).ok_or_else(|| no_number(shipment))).collect()
    }

    /// Asks for something of some of a segment's events that are stored; no answer for a segment without events.
    async fn ask(
        &self,
        shipment: &Shipment,
        what: &str,
        distinct: &HashSet<&EventId>,
    ) -> Result<Option<String>, ShipError> {
        let Some(sql) = question(shipment, what, distinct) else { return Ok(None) };
        let failed = |source| failed(shipment, source);
        let mut asked = self.client.bytes(&sql, &[], "TabSeparated").map_err(failed)?;
        let answer = tokio::time::timeout(ANSWER_TIMEOUT, asked.collect()).await;
        let answer = answer.map_err(|_| failed(Error::TimedOut))?.map_err(failed)?;
        Ok(Some(String::from_utf8_lossy(&answer).into_owned()))
    }
}

fn failed(shipment: &Shipment, source: Error) -> ShipError {
    ShipError::Store { name: shipment.id().to_string(), source: refusal::without_values(source) }
}

fn no_number(shipment: &Shipment) -> ShipError {
    failed(shipment, Error::Custom("the answer is no number".to_owned()))
}

/// Days before the first receipt and after the last one within which a segment's events happened: an event is at most a day old when it is
/// received, and clocks differ.
const DAYS_BEFORE: i64 = 2;
const DAYS_AFTER: i64 = 1;

/// Whether all events of a segment are of one month, by which `events` is partitioned.
fn is_in_one_month(shipment: &Shipment) -> bool {
    let Some(received) = shipment.received() else { return true };
    let month = |ms: i64, days: i64| {
        let moment = Timestamp::from_millisecond(ms).unwrap_or_default();
        let moment = moment.saturating_add(SignedDuration::from_hours(24 * days)).unwrap_or_default();
        moment.to_zoned(TimeZone::UTC).date().first_of_month()
    };
    month(*received.start(), -DAYS_BEFORE) == month(*received.end(), DAYS_AFTER)
}

/// Asks for something of some of a segment's events that are stored; none for a segment without events.
fn question(shipment: &Shipment, what: &str, distinct: &HashSet<&EventId>) -> Option<String> {
    let received = shipment.received()?;
    let list: Vec<String> = distinct.iter().map(|(page_load, seq)| format!("({page_load},{seq})")).collect();
    let sites: BTreeSet<_> = shipment.sites().collect();
    let sites: Vec<_> = sites
        .into_iter()
        .map(|site| format!("'{}'", site.replace('\\', "\\\\").replace('\'', "\\'")))
        .collect();
    let moment = |ms: &i64| format!("fromUnixTimestamp64Milli({ms}, 'UTC')");
    let (first, last) = (moment(received.start()), moment(received.end()));
    // Another collector may have taken a copy of an event, at another time. Spools of the first version have no times of receipt.
    let own = if shipment.has_received_column() {
        format!("AND received BETWEEN {first} AND {last} ")
    } else {
        String::new()
    };
    // The times of events bound the parts that are read.
    Some(format!(
        "SELECT {what} FROM {EVENTS} WHERE site IN ({}) \
         AND time BETWEEN {first} - INTERVAL {DAYS_BEFORE} DAY AND {last} + INTERVAL {DAYS_AFTER} DAY \
         {own}AND (page_load, seq) IN ({})",
        sites.join(","),
        list.join(",")
    ))
}
