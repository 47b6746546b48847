//! Which events of a segment the store has already, for a segment that may have been sent before.
//!
//! ClickHouse remembers a bounded number of deduplication tokens and does not sync them, so a power cut may lose them.
//! Therefore the store is asked for the events themselves: each row names the segment that brought it.

use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

use clickhouse::error::Error;

use super::error::ShipError;
use super::table::EVENTS;
use crate::spool::{EventId, SegmentId, Shipment};
use crate::store::{Client, redact, sql};

const ANSWER_TIMEOUT: Duration = Duration::from_secs(120);
/// An event is at most so many days old when it is received.
const DAYS_BEFORE: u32 = 2;

/// What is known of a segment that may have been sent before.
pub(super) struct StoredEvents {
    /// For each event, in order, whether the store has it.
    pub(super) present: Vec<bool>,
    /// Whether those that were not found are really absent. On a cluster, a replica may lack rows that only a dead one has.
    pub(super) is_certain: bool,
}

/// Asks the store which events of a segment it has.
///
/// On a cluster each shard is asked by a replica that was synced before. Where a quorum of replicas must confirm inserts, as many are synced: what one of
/// them has then, all of them have. Where too few can be synced, every replica that answers is asked.
///
/// ClickHouse stores an insert whole for each month, because months are partitions. A power cut may keep one month and lose another. The
/// store may also have events of other parts of a segment that was split.
pub(super) async fn already_stored(client: &Client, shipment: &Shipment) -> Result<StoredEvents, ShipError> {
    if shipment.event_ids().is_empty() {
        return Ok(StoredEvents { present: Vec::new(), is_certain: true });
    }
    let failed = |error| ShipError::Topology { name: shipment.id().to_string(), source: error };
    let topology = client.topology().await.map_err(failed)?;
    let quorum = client.quorum().await.map_err(|source| store_error(shipment, source))?;
    let count = usize::try_from(quorum).unwrap_or(usize::MAX).max(1);
    let (mut found, mut is_certain) = (HashSet::new(), true);
    for shard in &topology.shards {
        let synced = shard.synced(&topology, EVENTS, count).await;
        let asked: Vec<_> = match synced.first() {
            Some(node) => vec![node.clone()],
            None => shard.up().cloned().collect(),
        };
        is_certain &= !synced.is_empty();
        if asked.is_empty() {
            return Err(ShipError::Shard { name: shipment.id().to_string(), shard: shard.number });
        }
        for node in asked {
            found.extend(stored_on(&node.client, shipment).await?);
        }
    }
    let present = shipment.event_ids().iter().map(|id| found.contains(id)).collect();
    Ok(StoredEvents { present, is_certain })
}

/// The events of a segment that one node has.
async fn stored_on(client: &Client, shipment: &Shipment) -> Result<HashSet<EventId>, ShipError> {
    let number = |bytes: [u8; 8]| u64::from_le_bytes(bytes);
    let count: Vec<u64> = query(client, shipment, "count()", number).await?;
    let id = |bytes: [u8; 12]| EventId::from_row(&bytes).unwrap_or_default();
    match count.as_slice() {
        [] | [0] => Ok(HashSet::new()),
        _ => Ok(query(client, shipment, "DISTINCT page_load, seq", id).await?.into_iter().collect()),
    }
}

fn store_error(shipment: &Shipment, source: Error) -> ShipError {
    ShipError::Store { name: shipment.id().to_string(), source: redact(source) }
}

/// Whether the store has no event of a segment.
pub(super) async fn is_absent(client: &Client, shipment: &Shipment) -> Result<bool, ShipError> {
    let stored = already_stored(client, shipment).await?;
    match stored.is_certain {
        true => Ok(!stored.present.contains(&true)),
        false => Err(ShipError::Lag { name: shipment.id().to_string() }),
    }
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
        "SELECT {what} FROM {} WHERE collector = {collector} AND segment = {number} AND site IN ({}) \
         AND time BETWEEN toDateTime({}, 'UTC') - INTERVAL {DAYS_BEFORE} DAY AND toDateTime({}, 'UTC')",
        client.local(EVENTS),
        sites.join(","),
        received.start().0,
        received.end().0,
    );
    let failed = |source| store_error(shipment, source);
    let mut cursor = client.bytes(&select, &[], "RowBinary").map_err(failed)?;
    let answer = tokio::time::timeout(ANSWER_TIMEOUT, cursor.collect()).await;
    let answer = answer.map_err(|_| failed(Error::TimedOut))?.map_err(failed)?;
    Ok(answer.as_chunks().0.iter().copied().map(read).collect())
}
