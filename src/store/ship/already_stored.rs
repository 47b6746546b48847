//! Which events of a segment the store has already, for a segment that may have been sent before.
//!
//! ClickHouse remembers a bounded number of deduplication tokens and does not sync them, so a power cut may lose them.
//! Therefore the store is asked for the events themselves: each row names the segment that brought it.

use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

use clickhouse::error::Error;

use super::error::{ShipError, redact};
use super::table::EVENTS;
use crate::spool::{EventId, SegmentId, Shipment};
use crate::store::{Client, sql};

const ANSWER_TIMEOUT: Duration = Duration::from_secs(120);
/// An event is at most so many days old when it is received.
const DAYS_BEFORE: u32 = 2;

/// For each event of a segment, in order, whether the store has it.
///
/// ClickHouse stores an insert whole for each month, because months are partitions. A power cut may keep one month and lose another. The
/// store may also have events of other parts of a segment that was split.
pub(super) async fn already_stored(client: &Client, shipment: &Shipment) -> Result<Vec<bool>, ShipError> {
    let number = |bytes: [u8; 8]| u64::from_le_bytes(bytes);
    let count: Vec<u64> = query(client, shipment, "count()", number).await?;
    let id = |bytes: [u8; 12]| EventId::of_row(&bytes).unwrap_or_default();
    let found: HashSet<EventId> = match count.as_slice() {
        [] | [0] => HashSet::new(),
        _ => query(client, shipment, "DISTINCT page_load, seq", id).await?.into_iter().collect(),
    };
    Ok(shipment.event_ids().iter().map(|id| found.contains(id)).collect())
}

/// Whether the store has no event of a segment.
pub(super) async fn is_absent(client: &Client, shipment: &Shipment) -> Result<bool, ShipError> {
    Ok(!already_stored(client, shipment).await?.contains(&true))
}

/// Selects `what`, which has `N` bytes in RowBinary, of the stored events that the segment brought; nothing for a segment without events.
async fn query<T, const N: usize>(
    client: &Client,
    shipment: &Shipment,
    what: &str,
    read: impl Fn([u8; N]) -> T,
) -> Result<Vec<T>, ShipError> {
    let Some(received) = shipment.received() else { return Ok(Vec::new()) };
    let SegmentId { collector, number } = shipment.origin();
    let sites: BTreeSet<_> = shipment.sites().collect();
    let sites: Vec<_> = sites.into_iter().map(sql::string).collect();
    // Sites and times bound what ClickHouse reads.
    let select = format!(
        "SELECT {what} FROM {EVENTS} WHERE collector = {collector} AND segment = {number} AND site IN ({}) \
         AND time BETWEEN toDateTime({}, 'UTC') - INTERVAL {DAYS_BEFORE} DAY AND toDateTime({}, 'UTC')",
        sites.join(","),
        received.start().0,
        received.end().0,
    );
    let failed = |source| ShipError::Store { name: shipment.id().to_string(), source: redact(source) };
    let mut cursor = client.bytes(&select, &[], "RowBinary").map_err(failed)?;
    let answer = tokio::time::timeout(ANSWER_TIMEOUT, cursor.collect()).await;
    let answer = answer.map_err(|_| failed(Error::TimedOut))?.map_err(failed)?;
    Ok(answer.as_chunks().0.iter().copied().map(read).collect())
}
