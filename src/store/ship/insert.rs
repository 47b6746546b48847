//! Inserts a batch of a segment into its table, as one block.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;

use super::error::ShipError;
use super::table;
use crate::spool::{BatchRows, InsertBatch, MAX_SEGMENT_ROWS, Shipment};
use crate::store::{Client, RowFormat};

/// Most rows in a block. A segment must be one block, because ClickHouse stores a block whole or not at all.
const BLOCK_ROWS: u64 = 1 << 20;
const _: () = assert!(MAX_SEGMENT_ROWS <= BLOCK_ROWS, "a segment must fit one block");
/// Most bytes of that block in the store's memory: far more than the largest segment.
const BLOCK_BYTES: u64 = 16 << 30;
/// A connection that accepts no bytes for so long is closed.
const SEND_TIMEOUT: Duration = Duration::from_secs(30);
/// An insert without an answer for so long counts as failed. The store may still complete it; the token then marks the repetition.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(120);
/// Most chunks that are read ahead of the connection.
const READ_AHEAD: usize = 2;
/// How long the store waits for the other replicas of a quorum. Then it answers that the insert's status is unknown (code 319).
const QUORUM_TIMEOUT: Duration = Duration::from_secs(60);
const _: () = assert!(QUORUM_TIMEOUT.as_secs() < ANSWER_TIMEOUT.as_secs(), "the store answers first");

/// Inserts a batch of a segment, except the events that are `present` in the store.
///
/// The token stays the same. ClickHouse takes one insert of a token for each month. If the first insert is still under way,
/// whichever of the two comes second is ignored.
pub(super) async fn insert(
    client: &Client,
    shipment: &Arc<Shipment>,
    batch: InsertBatch,
    present: Arc<Vec<bool>>,
    token: &str,
    quorum: u64,
) -> Result<(), ShipError> {
    let block = match batch.rows {
        BatchRows::Events => {
            let (shipment, present) = (shipment.clone(), present.clone());
            blocking(move || shipment.native_block(&present)).await?
        }
        BatchRows::Audit | BatchRows::Segment => None,
    };
    let format = if block.is_some() { RowFormat::Native } else { RowFormat::RowBinary };
    let mut insert = client
        .insert(table::table(batch.rows), &batch.columns, format, token)
        .with_timeouts(Some(SEND_TIMEOUT), Some(ANSWER_TIMEOUT));
    for (name, value) in settings(quorum) {
        insert = insert.with_setting(name, value);
    }
    let (chunks, mut read) = mpsc::channel::<Bytes>(READ_AHEAD);
    let reader = {
        let (shipment, batch) = (shipment.clone(), batch.clone());
        blocking(move || {
            let send = |chunk| chunks.blocking_send(chunk).is_ok();
            match block {
                Some(block) => {
                    block.send(send);
                    Ok(())
                }
                None => shipment.send_rows(&batch, &present, send),
            }
        })
    };
    let sender = async {
        while let Some(chunk) = read.recv().await {
            if let Err(error) = insert.send(chunk).await {
                // The reader stops when the channel is closed.
                read.close();
                return Err(error);
            }
        }
        Ok(())
    };
    let (reader, sent) = tokio::join!(reader, sender);
    // If the segment cannot be read here, the insert is dropped without its end, and the store discards it.
    reader?;
    let ended = match sent {
        Ok(()) => insert.end().await,
        Err(error) => Err(error),
    };
    ended.map_err(|source| ShipError::from_insert(shipment.id(), batch.rows, source))
}

fn settings(quorum: u64) -> Vec<(&'static str, String)> {
    let mut settings = vec![
        ("async_insert", "0".to_owned()),
        ("insert_deduplicate", "1".to_owned()),
        ("deduplicate_blocks_in_dependent_materialized_views", "1".to_owned()),
        ("max_insert_block_size", BLOCK_ROWS.to_string()),
        ("min_insert_block_size_rows", BLOCK_ROWS.to_string()),
        ("min_insert_block_size_bytes", BLOCK_BYTES.to_string()),
    ];
    if quorum > 0 {
        settings.push(("insert_quorum", quorum.to_string()));
        settings.push(("insert_quorum_timeout", QUORUM_TIMEOUT.as_millis().to_string()));
    }
    settings
}

/// Runs blocking work outside the runtime's own threads.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work)
        .await
        .expect("the work does not panic, and the runtime outlives the shipper")
}
