//! Ships sealed segments to ClickHouse: in order, each exactly once, for as long as it takes.
//!
//! A segment is one insert per table and one block, with the segment's name as the deduplication token: sent again
//! after a lost answer it changes nothing. It is deleted when the store has confirmed all of it. A store that cannot be
//! reached or is overloaded is tried again for ever. ClickHouse does not sync its memory of tokens and bounds it, so that after a
//! power cut of the store the token alone does not help: before a segment is sent again whose fate is in doubt, the store is
//! asked whether it holds each of its events (`doubt`). What the store refuses for what is in it is split until the refused rows are
//! alone, and quarantined (`refusal`); so is what cannot be read back. It does not hold up those behind it. Nothing here drops a row.

#[cfg(test)]
mod crash_tests;
mod doubt;
mod refusal;
mod table;

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use clickhouse::error::Error;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;

use super::Client;
use crate::error_chain::error_chain;
use crate::spool::{
    BatchRows, InsertBatch, MAX_SEGMENT_ROWS, SealedSegment, SegmentId, Shipment, ShipmentError, Spool,
    SpoolError,
};

/// Rows that ClickHouse is asked to take as one block, so that an insert is stored whole or not at all.
const BLOCK_ROWS: u64 = 1 << 20;
const _: () = assert!(MAX_SEGMENT_ROWS <= BLOCK_ROWS, "a segment must fit one block");
/// Bytes that it may take in memory for that block: far above what a segment can become.
const BLOCK_BYTES: u64 = 16 << 30;
/// The first pause after a failure; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause: a store that is overloaded is spared, and one that comes back unheard is noticed soon.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// A connection that takes no bytes for so long is given up.
const SEND_TIMEOUT: Duration = Duration::from_secs(30);
/// A store that does not answer a whole insert for so long is given up; it may still store it, and then knows it again.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(120);
/// How long a stopping collector ships what is sealed; the rest waits for its next start.
const DRAIN: Duration = Duration::from_secs(5);
/// Chunks that are read ahead of the connection.
const READ_AHEAD: usize = 2;
/// How often it is looked whether an operator wants a segment tried again.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Why a segment was not shipped.
#[derive(Debug, thiserror::Error)]
enum ShipError {
    /// The store, or the way to it.
    #[error("the store did not take segment {name}")]
    Store { name: String, source: Error },
    /// The store will not take these rows.
    #[error("the store refuses the content of the segment: table {}: {answer}", table::table(*rows))]
    Content {
        /// The refused rows.
        rows: BatchRows,
        /// The store's words.
        answer: String,
    },
    /// The segment cannot be read back.
    #[error("{0}")]
    Damaged(String),
    /// Our own disk does not give it back, or not now.
    #[error(transparent)]
    Unreadable(SpoolError),
    /// Our own disk.
    #[error(transparent)]
    Spool(#[from] SpoolError),
}

/// Ships what the spool seals.
pub struct Shipper {
    spool: Arc<Spool>,
    client: Client,
    pause: Duration,
    /// How often in a row a segment was refused for its content, or could not be read.
    refusals: Option<(SegmentId, u32)>,
    /// Segments and rows that were quarantined since the last one that was shipped as it was made.
    alone: u32,
    /// Tells the audit what was discarded; one at a time, so that each has one row.
    auditing: Option<JoinHandle<()>>,
    /// Told when a store that was away answers again.
    back: Arc<Notify>,
}

impl Shipper {
    /// A shipper between a spool and a store. Nothing happens before [`Shipper::run`].
    pub fn new(spool: Arc<Spool>, client: Client) -> Self {
        let back = Arc::default();
        Self { spool, client, pause: FIRST_PAUSE, refusals: None, alone: 0, auditing: None, back }
    }

    /// Tries again at once whenever `back` is told that the store answers again: after a long outage the spool may be full,
    /// and beacons are refused until the next try.
    #[must_use]
    pub fn woken_by(mut self, back: Arc<Notify>) -> Self {
        self.back = back;
        self
    }

    /// Ships until `shutdown` resolves; then tries what is sealed once more, for at most five seconds. To have
    /// everything shipped at a stop, close the spool first: that seals what is open.
    pub async fn run(mut self, shutdown: impl Future<Output = ()>) {
        tokio::select! {
            () = shutdown => {}
            () = self.ship_forever() => {}
        }
        let _ = tokio::time::timeout(DRAIN, self.drain()).await;
    }

    async fn ship_forever(&mut self) {
        let mut looked: Option<Instant> = None;
        loop {
            if looked.is_none_or(|looked| looked.elapsed() >= LOOK_EVERY) {
                self.check_requeued().await;
                looked = Some(Instant::now());
            }
            let Ok(sealed) = tokio::time::timeout(LOOK_EVERY, self.spool.next_sealed()).await else {
                continue;
            };
            match self.ship(sealed).await {
                Ok(()) => (self.pause, self.refusals) = (FIRST_PAUSE, None),
                Err(error) => self.failed(sealed, error).await,
            }
        }
    }

    /// Takes up what an operator wants tried again, and has the audit told what was discarded.
    async fn check_requeued(&mut self) {
        let spool = self.spool.clone();
        let taken = blocking(move || {
            spool.finish_splits()?;
            let taken = spool.install_requeued();
            spool.recount_quarantine();
            taken
        });
        match taken.await {
            Ok(names) => {
                for segment in names {
                    tracing::info!(%segment, "to be shipped after all");
                }
            }
            Err(error) => tracing::warn!(%error, "cannot look for what is to be tried again"),
        }
        // On a full disk a row of the audit waits for the space that shipping makes: never the other way round.
        if self.auditing.as_ref().is_none_or(JoinHandle::is_finished) {
            let spool = self.spool.clone();
            self.auditing = Some(tokio::spawn(async move {
                if let Err(error) = spool.audit_discarded().await {
                    tracing::warn!(%error, "what was discarded is not in the audit yet");
                }
            }));
        }
    }

    /// Ships what is sealed; stops at the first failure.
    async fn drain(&mut self) {
        while let Some(sealed) = self.spool.oldest_sealed() {
            if let Err(error) = self.ship(sealed).await {
                tracing::warn!(segment = %sealed.id, error = error_chain(&error), "left for the next start");
                return;
            }
        }
    }

    /// Waits before the next try: longer each time, or until the store is heard to be back.
    async fn rest(&mut self) {
        tokio::select! {
            () = tokio::time::sleep(jittered(self.pause)) => self.pause = (self.pause * 2).min(LONGEST_PAUSE),
            () = self.back.notified() => self.pause = FIRST_PAUSE,
        }
    }

    /// Sends one segment, table by table, and deletes it.
    async fn ship(&mut self, sealed: SealedSegment) -> Result<(), ShipError> {
        let began = Instant::now();
        let spool = self.spool.clone();
        let shipment = blocking(move || Shipment::open(&spool, sealed)).await.map_err(unreadable)?;
        let shipment = Arc::new(shipment);
        let already_stored = if sealed.in_doubt { self.already_stored(&shipment).await? } else { Vec::new() };
        let stored = already_stored.iter().filter(|already_stored| **already_stored).count();
        self.spool.set_in_doubt(sealed.id);
        if stored > 0 {
            let rows = sealed.events();
            tracing::info!(segment = %sealed.id, stored, rows, "events of it are in the store already");
        }
        let already_stored = Arc::new(already_stored);
        for batch in shipment.batches() {
            if batch.rows != BatchRows::Events || stored == 0 || stored < already_stored.len() {
                self.insert(&shipment, batch, already_stored.clone()).await?;
            }
        }
        let spool = self.spool.clone();
        blocking(move || {
            spool.keep_shipped_ids(&sealed, shipment.event_ids());
            spool.confirm(&sealed)
        })
        .await?;
        if self.spool.is_original(sealed.id) && sealed.events() > 0 {
            self.alone = 0;
        }
        metrics::counter!("footfall_shipped_rows_total").increment(sealed.events());
        metrics::counter!("footfall_shipped_segments_total").increment(1);
        metrics::histogram!("footfall_ship_duration_seconds").record(began.elapsed());
        tracing::debug!(segment = %sealed.id, rows = sealed.events(), took = ?began.elapsed(), "shipped");
        Ok(())
    }

    /// Inserts a batch of a segment but for the events that the store holds. What is left goes under the same token, of which ClickHouse
    /// takes one insert for each month: should the first one be under way still, whichever of the two comes second is dropped.
    async fn insert(
        &self,
        shipment: &Arc<Shipment>,
        batch: InsertBatch,
        already_stored: Arc<Vec<bool>>,
    ) -> Result<(), ShipError> {
        let token = table::token(shipment.id(), batch.rows);
        let mut insert = self
            .client
            .insert(table::table(batch.rows), &batch.columns, &token)
            .with_timeouts(Some(SEND_TIMEOUT), Some(ANSWER_TIMEOUT));
        for (name, value) in [
            ("async_insert", "0".to_owned()),
            ("insert_deduplicate", "1".to_owned()),
            ("deduplicate_blocks_in_dependent_materialized_views", "1".to_owned()),
            ("max_insert_block_size", BLOCK_ROWS.to_string()),
            ("min_insert_block_size_rows", BLOCK_ROWS.to_string()),
            ("min_insert_block_size_bytes", BLOCK_BYTES.to_string()),
        ] {
            insert = insert.with_setting(name, value);
        }
        let (chunks, mut read) = mpsc::channel::<Bytes>(READ_AHEAD);
        let reader = {
            let (shipment, batch) = (shipment.clone(), batch.clone());
            blocking(move || {
                shipment.send_rows(&batch, &already_stored, |chunk| chunks.blocking_send(chunk).is_ok())
            })
        };
        let sender = async {
            while let Some(chunk) = read.recv().await {
                if let Err(error) = insert.send(chunk).await {
                    // The reader stops when it finds nobody at the other end.
                    read.close();
                    return Err(error);
                }
            }
            Ok(())
        };
        let (reader, sent) = tokio::join!(reader, sender);
        // A segment that turns out unreadable here ends the insert before its end was sent: dropped, it is broken off.
        reader.map_err(unreadable)?;
        let ended = match sent {
            Ok(()) => insert.end().await,
            Err(error) => Err(error),
        };
        ended.map_err(|source| refusal::of(shipment.id(), batch.rows, source))
    }
}

/// Runs what blocks off the runtime's own threads.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.expect("it does not panic, and the runtime outlives the shipper")
}

fn unreadable(error: ShipmentError) -> ShipError {
    match error {
        ShipmentError::Damaged(reason) => ShipError::Damaged(reason),
        ShipmentError::Spool(error) => ShipError::Unreadable(error),
    }
}

/// Between half and all of a pause, so that a fleet does not knock in step.
fn jittered(pause: Duration) -> Duration {
    let random = getrandom::u32().unwrap_or(u32::MAX);
    pause / 2 + (pause / 2).mul_f64(f64::from(random) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spool::{Durability, EventRecord};

    #[test]
    fn a_pause_is_between_half_and_all_of_its_length() {
        for _ in 0..100 {
            let pause = jittered(LONGEST_PAUSE);
            assert!((LONGEST_PAUSE / 2..=LONGEST_PAUSE).contains(&pause), "{pause:?}");
        }
    }

    #[tokio::test]
    async fn a_store_that_is_back_ends_the_pause_however_long_it_was_away() {
        let directory = tempfile::tempdir().unwrap();
        let limits = crate::config::Config::check("footfall.toml", "", &[]).unwrap().spool;
        let (spool, _) = Spool::open(directory.path(), &limits).unwrap();
        let listen = std::net::SocketAddr::from(([127, 0, 0, 1], 1));
        let client = Client::new(&crate::config::StoreConfig::embedded(listen));
        let back = Arc::new(Notify::new());
        let mut shipper = Shipper::new(spool, client).woken_by(back.clone());
        shipper.pause = Duration::from_secs(24 * 3600);
        back.notify_one();
        tokio::time::timeout(Duration::from_secs(30), shipper.rest()).await.expect("it goes on");
        assert_eq!(shipper.pause, FIRST_PAUSE);
    }

    #[tokio::test(start_paused = true)]
    async fn a_question_that_is_never_answered_is_given_up() {
        // It takes connections and says nothing.
        let silent = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let limits = crate::config::Config::check("footfall.toml", "", &[]).unwrap().spool;
        let (spool, _) = Spool::open(directory.path(), &limits).unwrap();
        let frame = EventRecord { site: "clinic", page_load: 1, seqs: &[0], rows: &[0; 300] };
        spool.append(frame, Durability::Synced).unwrap().await.unwrap();
        spool.close();
        drop(spool);
        let (spool, _) = Spool::open(directory.path(), &limits).unwrap();
        let client = Client::new(&crate::config::StoreConfig::embedded(silent.local_addr().unwrap()));
        let mut shipper = Shipper::new(spool.clone(), client);
        let error = shipper.ship(spool.oldest_sealed().unwrap()).await.unwrap_err();
        assert!(matches!(error, ShipError::Store { source: Error::TimedOut, .. }), "{error:?}");
    }
}
