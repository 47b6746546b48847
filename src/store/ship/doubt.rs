//! What the store has of a segment that may have been sent before.
//!
//! ClickHouse's memory of tokens is bounded and does not outlive a power cut, so it is asked for the events themselves.

use std::collections::{BTreeSet, HashSet};

use clickhouse::error::Error;

use super::{ANSWER_TIMEOUT, ShipError, Shipper, blocking, refusal, unreadable};
use crate::spool::{Identity, Sealed, Unload};

/// Events that the store is asked for at once: their query stays well under ClickHouse's `max_query_size` of 256 KiB.
const ASKED_AT_ONCE: usize = 4_096;
const _: () = assert!(ASKED_AT_ONCE * "(18446744073709551615,4294967295),".len() < 200 << 10);

impl Shipper {
    /// Whether the store holds each event of a segment.
    pub(super) async fn is_stored(&self, unload: &Unload) -> Result<bool, ShipError> {
        for identities in unload.identities().chunks(ASKED_AT_ONCE) {
            let (found, of) = self.look_for(unload, identities).await?;
            if found < of {
                return Ok(false);
            }
        }
        Ok(!unload.identities().is_empty())
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
        let Some(sql) = question(unload, &distinct) else { return Ok((0, distinct.len())) };
        let failed = |source| ShipError::Store {
            name: unload.name().to_string(),
            source: refusal::without_values(source),
        };
        let mut asked = self.client.bytes(&sql, &[], "TabSeparated").map_err(failed)?;
        let answer = tokio::time::timeout(ANSWER_TIMEOUT, asked.collect()).await;
        let answer = answer.map_err(|_| failed(Error::TimedOut))?.map_err(failed)?;
        let found = String::from_utf8_lossy(&answer).trim().parse();
        let found = found.map_err(|_| failed(Error::Custom("the answer is no number".to_owned())))?;
        Ok((found, distinct.len()))
    }
}

/// Asks how many of some events of a segment are stored; none for a segment without events.
fn question(unload: &Unload, distinct: &HashSet<&Identity>) -> Option<String> {
    let (table, received) = unload.events()?;
    let list: Vec<String> = distinct.iter().map(|(page_load, seq)| format!("({page_load},{seq})")).collect();
    let sites: BTreeSet<_> = unload.sites().collect();
    let sites: Vec<_> = sites
        .into_iter()
        .map(|site| format!("'{}'", site.replace('\\', "\\\\").replace('\'', "\\'")))
        .collect();
    let moment = |ms: &i64| format!("fromUnixTimestamp64Milli({ms}, 'UTC')");
    let (first, last) = (moment(received.start()), moment(received.end()));
    // Another collector may have taken a copy of an event, at another time; the closing of a day may have set a row's time back by a
    // millisecond, to keep one of several. Spools of the first version have no times of receipt.
    let own = if unload.tells_receipt() {
        format!("AND received BETWEEN {first} - INTERVAL 1 SECOND AND {last} ")
    } else {
        String::new()
    };
    // The times of events bound the parts that are read: an event is at most a day old when it is received.
    Some(format!(
        "SELECT uniqExact(page_load, seq) FROM {table} WHERE site IN ({}) \
         AND time BETWEEN {first} - INTERVAL 2 DAY AND {last} + INTERVAL 1 DAY \
         {own}AND (page_load, seq) IN ({})",
        sites.join(","),
        list.join(",")
    ))
}
