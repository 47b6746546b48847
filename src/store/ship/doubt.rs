//! What the store has of a segment that may have been sent before.
//!
//! ClickHouse's memory of tokens is bounded and does not outlive a power cut, so it is asked for the events themselves.

use std::collections::{BTreeSet, HashSet};

use clickhouse::error::Error;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::{ANSWER_TIMEOUT, ShipError, Shipper, blocking, refusal, unreadable};
use crate::spool::{Identity, Sealed, Unload};

/// Events that the store is asked for at once: their query stays well under ClickHouse's `max_query_size` of 256 KiB.
const ASKED_AT_ONCE: usize = 4_096;
const _: () = assert!(ASKED_AT_ONCE * "(18446744073709551615,4294967295),".len() < 200 << 10);

impl Shipper {
    /// Which events of a segment the store holds, in their order. An insert is stored whole but for the months of its events, which
    /// ClickHouse keeps apart: a power cut may have taken one month and left another. Of some, copies may have been taken out again.
    pub(super) async fn held(&self, unload: &Unload) -> Result<Vec<bool>, ShipError> {
        let mut held = Vec::with_capacity(unload.identities().len());
        for identities in unload.identities().chunks(ASKED_AT_ONCE) {
            let (found, of) = self.look_for(unload, identities).await?;
            if found == 0 && held.is_empty() && is_in_one_month(unload) {
                return Ok(vec![false; unload.identities().len()]);
            }
            if found == 0 || found == of {
                held.resize(held.len() + identities.len(), found > 0);
            } else {
                let stored = self.list(unload, identities).await?;
                held.extend(identities.iter().map(|identity| stored.contains(identity)));
            }
        }
        Ok(held)
    }

    /// Whether the store holds no event of a segment.
    pub(super) async fn is_absent(&self, sealed: Sealed) -> Result<bool, ShipError> {
        let spool = self.spool.clone();
        let unload = blocking(move || Unload::open(&spool, sealed)).await.map_err(unreadable)?;
        for identities in unload.identities().chunks(ASKED_AT_ONCE) {
            if self.look_for(&unload, identities).await?.0 > 0 {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// How many of some events of a segment the store holds, of how many.
    async fn look_for(&self, unload: &Unload, identities: &[Identity]) -> Result<(usize, usize), ShipError> {
        let distinct: HashSet<&Identity> = identities.iter().collect();
        let answer = self.ask(unload, "uniqExact(page_load, seq)", &distinct).await?;
        let Some(answer) = answer else { return Ok((0, distinct.len())) };
        let found = answer.trim().parse().map_err(|_| no_number(unload))?;
        Ok((found, distinct.len()))
    }

    /// Which of some events of a segment the store holds.
    async fn list(&self, unload: &Unload, identities: &[Identity]) -> Result<HashSet<Identity>, ShipError> {
        let answer = self.ask(unload, "DISTINCT page_load, seq", &identities.iter().collect()).await?;
        let event = |line: &str| {
            let (page_load, seq) = line.split_once('\t')?;
            Some((page_load.parse().ok()?, seq.parse().ok()?))
        };
        let answer = answer.unwrap_or_default();
        answer.lines().map(|line| event(line).ok_or_else(|| no_number(unload))).collect()
    }

    /// Asks for something of some of a segment's events that are stored; no answer for a segment without events.
    async fn ask(
        &self,
        unload: &Unload,
        what: &str,
        distinct: &HashSet<&Identity>,
    ) -> Result<Option<String>, ShipError> {
        let Some(sql) = question(unload, what, distinct) else { return Ok(None) };
        let failed = |source| failed(unload, source);
        let mut asked = self.client.bytes(&sql, &[], "TabSeparated").map_err(failed)?;
        let answer = tokio::time::timeout(ANSWER_TIMEOUT, asked.collect()).await;
        let answer = answer.map_err(|_| failed(Error::TimedOut))?.map_err(failed)?;
        Ok(Some(String::from_utf8_lossy(&answer).into_owned()))
    }
}

fn failed(unload: &Unload, source: Error) -> ShipError {
    ShipError::Store { name: unload.name().to_string(), source: refusal::without_values(source) }
}

fn no_number(unload: &Unload) -> ShipError {
    failed(unload, Error::Custom("the answer is no number".to_owned()))
}

/// Days before the first receipt and after the last one within which a segment's events happened: an event is at most a day old when it is
/// received, and clocks differ.
const DAYS_BEFORE: i64 = 2;
const DAYS_AFTER: i64 = 1;

/// Whether all events of a segment are of one month, by which `events` is partitioned.
fn is_in_one_month(unload: &Unload) -> bool {
    let Some((_, received)) = unload.events() else { return true };
    let month = |ms: i64, days: i64| {
        let moment = Timestamp::from_millisecond(ms).unwrap_or_default();
        let moment = moment.saturating_add(SignedDuration::from_hours(24 * days)).unwrap_or_default();
        moment.to_zoned(TimeZone::UTC).date().first_of_month()
    };
    month(*received.start(), -DAYS_BEFORE) == month(*received.end(), DAYS_AFTER)
}

/// Asks for something of some of a segment's events that are stored; none for a segment without events.
fn question(unload: &Unload, what: &str, distinct: &HashSet<&Identity>) -> Option<String> {
    let (table, received) = unload.events()?;
    let list: Vec<String> = distinct.iter().map(|(page_load, seq)| format!("({page_load},{seq})")).collect();
    let sites: BTreeSet<_> = unload.sites().collect();
    let sites: Vec<_> = sites
        .into_iter()
        .map(|site| format!("'{}'", site.replace('\\', "\\\\").replace('\'', "\\'")))
        .collect();
    let moment = |ms: &i64| format!("fromUnixTimestamp64Milli({ms}, 'UTC')");
    let (first, last) = (moment(received.start()), moment(received.end()));
    // Another collector may have taken a copy of an event, at another time. Spools of the first version have no times of receipt.
    let own = if unload.tells_receipt() {
        format!("AND received BETWEEN {first} AND {last} ")
    } else {
        String::new()
    };
    // The times of events bound the parts that are read.
    Some(format!(
        "SELECT {what} FROM {table} WHERE site IN ({}) \
         AND time BETWEEN {first} - INTERVAL {DAYS_BEFORE} DAY AND {last} + INTERVAL {DAYS_AFTER} DAY \
         {own}AND (page_load, seq) IN ({})",
        sites.join(","),
        list.join(",")
    ))
}
