//! The shipper: takes sealed segments from the spool in order, inserts each and deletes it once the store has confirmed it.
//!
//! One segment is shipped in these steps:
//!
//! 1. Read the whole segment, to see that it is not damaged.
//! 2. If an earlier attempt may have reached the store, ask which events it has ([`already_stored`]).
//! 3. Mark the segment as possibly sent, then insert its rows: one insert and one block for each table, with the segment's name as the
//!    deduplication token.
//! 4. Remember the identities of its events, for the duplicate filter, and delete the segment.
//!
//! | crash after step | recovery |
//! |---|---|
//! | 1, 2 | the segment is sent as before |
//! | 3 | the segment counts as possibly sent at the next start, so step 2 finds what the store has |
//! | 4 | nothing is left to do |
//!
//! A store that is down or overloaded is retried without end. A segment that the store rejects is split until the rejected rows
//! are alone, and those are quarantined. They do not hold up the segments behind them.
//!
//! On a cluster step 2 asks a synced replica of each shard. When no replica of a shard can be synced, the events may lie on a dead replica alone. Then the
//! segment waits for it. If it is still away after five minutes, the segment is sent under a second token. When the replica comes back, its
//! copies are duplicates, which closing of the day removes. When it never comes back, nothing is lost.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::already_stored::{StoredEvents, already_stored, is_absent};
use super::error::ShipError;
use super::insert::{blocking, insert};
use super::table;
use crate::error_chain::error_chain;
use crate::spool::{BatchRows, SealedSegment, SegmentId, Shipment, Spool, SpoolError, today};
use crate::store::Client;

/// The first pause after a failure; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause: it spares an overloaded store, and a store that recovered is still found soon.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// How long a stopping collector goes on shipping. The rest waits for the next start.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);
/// How long segments wait for a replica that may have their events. A node that crashed is back by then, and the spool has room for as long.
const MAX_DOUBT: Duration = Duration::from_secs(5 * 60);
/// How often the spool is checked for segments that an operator wants to retry, and for discarded ones.
const CHECK_EVERY: Duration = Duration::from_secs(1);
/// How often events in quarantine are checked for their retention on one day. Segments are quarantined at any time.
const EXPIRE_EVERY: Duration = Duration::from_secs(60 * 60);
/// The same after a failure: the files with expired events are read again.
const RETRY_EXPIRY: Duration = Duration::from_secs(60);

/// A segment is quarantined when the store rejected it, or it could not be read, this many times.
const MAX_ATTEMPTS: u32 = 4;
/// Most rows that are quarantined one by one. When more are rejected, the remaining segment is quarantined whole. To find one row
/// takes two inserts for each halving, about thirty in a full segment.
const MAX_SINGLE_ROWS: u32 = 32;

enum SplitOutcome {
    /// Its two parts have taken its place in the queue.
    Split,
    /// It cannot be split and must be quarantined whole.
    Impossible,
    /// The attempt failed and must be repeated.
    Retry,
}

pub struct Shipper {
    spool: Arc<Spool>,
    client: Client,
    pause: Duration,
    /// The segment that failed last for its content, or could not be read, and how often in a row.
    failures: Option<(SegmentId, u32)>,
    /// How many segments were quarantined since a segment was last shipped unsplit.
    quarantined: u32,
    /// Since when no replica of a shard can tell whether segments are stored.
    doubt_since: Option<Instant>,
    /// Writes audit rows for discarded segments. At most one runs, so that each segment gets one row.
    auditing: Option<JoinHandle<()>>,
    /// The day in UTC on which events in quarantine were last checked for their retention, and when that is due again.
    expiry: Option<(u16, Instant)>,
    /// Notified when a store that was down answers again.
    store_is_back: Arc<Notify>,
}

impl Shipper {
    /// It does nothing before [`Shipper::run`].
    pub fn new(spool: Arc<Spool>, client: Client) -> Self {
        Self {
            spool,
            client,
            pause: FIRST_PAUSE,
            failures: None,
            quarantined: 0,
            doubt_since: None,
            auditing: None,
            expiry: None,
            store_is_back: Arc::default(),
        }
    }

    /// Ends the pause between attempts whenever `store_is_back` is notified. After a long outage the spool may be full, and beacons are
    /// refused until the next attempt.
    #[must_use]
    pub fn with_wake_up(mut self, store_is_back: Arc<Notify>) -> Self {
        self.store_is_back = store_is_back;
        self
    }

    /// Ships until `shutdown` resolves, then ships what is sealed for at most five seconds. Close the spool first to seal its open
    /// segment, if everything is to be shipped.
    pub async fn run(mut self, shutdown: impl Future<Output = ()>) {
        tokio::select! {
            () = shutdown => {}
            () = self.ship_forever() => {}
        }
        let _ = tokio::time::timeout(DRAIN_TIMEOUT, self.drain()).await;
    }

    async fn ship_forever(&mut self) {
        let mut checked: Option<Instant> = None;
        loop {
            if checked.is_none_or(|checked| checked.elapsed() >= CHECK_EVERY) {
                self.check_quarantine().await;
                checked = Some(Instant::now());
            }
            let Ok(sealed) = tokio::time::timeout(CHECK_EVERY, self.spool.next_sealed()).await else {
                continue;
            };
            let url = self.client.url().to_owned();
            match self.ship(sealed).await {
                Ok(()) => self.reset(),
                Err(error) => self.failed(sealed, url, error).await,
            }
        }
    }

    /// Deletes expired events in quarantine at the start, once an hour and after midnight in UTC.
    async fn expire_quarantined(&mut self) {
        let today = today();
        if self.expiry.is_some_and(|(day, due)| day == today && Instant::now() < due) {
            return;
        }
        let spool = self.spool.clone();
        let pause = match blocking(move || spool.expire_quarantined(today)).await {
            Ok(_) => EXPIRE_EVERY,
            Err(error) => {
                let error = error_chain(&error);
                tracing::warn!(pause = ?RETRY_EXPIRY, error, "cannot delete expired events in quarantine; retrying");
                RETRY_EXPIRY
            }
        };
        self.expiry = Some((today, Instant::now() + pause));
    }

    /// Deletes expired events in quarantine, requeues the segments that an operator wants to retry, and writes audit rows for what was
    /// deleted.
    async fn check_quarantine(&mut self) {
        self.expire_quarantined().await;
        let spool = self.spool.clone();
        let requeued = blocking(move || {
            spool.finish_splits()?;
            let requeued = spool.install_requeued();
            spool.recount_quarantine();
            requeued
        });
        match requeued.await {
            Ok(ids) => {
                for segment in ids {
                    tracing::info!(%segment, "segment requeued");
                }
            }
            Err(error) => tracing::warn!(%error, "cannot check for segments to requeue; retrying"),
        }
        // In a task of its own: on a full disk an audit row waits for space, and only shipping frees space.
        if self.auditing.as_ref().is_none_or(JoinHandle::is_finished) {
            let spool = self.spool.clone();
            self.auditing = Some(tokio::spawn(async move {
                if let Err(error) = spool.audit_discarded().await {
                    tracing::warn!(%error, "cannot write the audit rows of discarded segments; retrying");
                }
            }));
        }
    }

    /// Ships what is sealed, until the first failure.
    async fn drain(&mut self) {
        while let Some(sealed) = self.spool.oldest_sealed() {
            if let Err(error) = self.ship(sealed).await {
                let error = error_chain(&error);
                tracing::warn!(segment = %sealed.id, error, "segment delivery failed; it waits for the next start");
                return;
            }
        }
    }

    /// Waits before the next attempt: twice as long each time, but no longer than until the store is back.
    async fn wait(&mut self) {
        tokio::select! {
            () = tokio::time::sleep(jittered(self.pause)) => self.pause = (self.pause * 2).min(LONGEST_PAUSE),
            () = self.store_is_back.notified() => self.pause = FIRST_PAUSE,
        }
    }

    /// Inserts one segment, table by table, and deletes it.
    async fn ship(&mut self, sealed: SealedSegment) -> Result<(), ShipError> {
        let began = Instant::now();
        let spool = self.spool.clone();
        let shipment = blocking(move || Shipment::open(&spool, sealed)).await?;
        let shipment = Arc::new(shipment);
        let StoredEvents { present, is_certain } = match sealed.in_doubt {
            true => already_stored(&self.client, &shipment).await?,
            false => StoredEvents { present: Vec::new(), is_certain: true },
        };
        if !self.is_out_of_doubt(is_certain) {
            return Err(ShipError::Lag { name: sealed.id.to_string() });
        }
        let token = if is_certain { table::token } else { table::second_token };
        let quorum = self.client.quorum().await;
        let quorum = quorum.map_err(|source| ShipError::Store { name: sealed.id.to_string(), source })?;
        let stored = present.iter().filter(|present| **present).count();
        self.spool.set_in_doubt(sealed.id);
        if stored > 0 {
            let rows = sealed.events();
            tracing::info!(segment = %sealed.id, stored, rows, "the store has events of the segment already; sending the rest");
        }
        let present = Arc::new(present);
        for batch in shipment.batches() {
            if batch.rows != BatchRows::Events || stored == 0 || stored < present.len() {
                let token = token(shipment.id(), batch.rows);
                insert(&self.client, &shipment, batch, present.clone(), &token, quorum).await?;
            }
        }
        let spool = self.spool.clone();
        blocking(move || {
            spool.keep_shipped_ids(&sealed, shipment.filter_ids());
            spool.confirm(&sealed)
        })
        .await?;
        if self.spool.is_original(sealed.id) && sealed.events() > 0 {
            self.quarantined = 0;
        }
        metrics::counter!("footfall_shipped_rows_total").increment(sealed.events());
        metrics::counter!("footfall_shipped_segments_total").increment(1);
        metrics::histogram!("footfall_ship_duration_seconds").record(began.elapsed());
        tracing::debug!(segment = %sealed.id, rows = sealed.events(), took = ?began.elapsed(), "segment delivered");
        Ok(())
    }

    fn reset(&mut self) {
        (self.pause, self.failures) = (FIRST_PAUSE, None);
    }

    /// Whether a segment can be sent: a replica knows which of its events are stored, or the segments have waited long enough for one that may.
    fn is_out_of_doubt(&mut self, is_certain: bool) -> bool {
        if is_certain {
            self.doubt_since = None;
            return true;
        }
        self.doubt_since.get_or_insert_with(Instant::now).elapsed() >= MAX_DOUBT
    }

    /// Decides what becomes of a segment that was not shipped: retry, split or quarantine. Waits before a retry.
    async fn failed(&mut self, sealed: SealedSegment, url: String, error: ShipError) {
        metrics::counter!("footfall_ship_failures_total").increment(1);
        let is_final = match &error {
            ShipError::Damaged(_) => true,
            ShipError::Unreadable(error) if error.is_missing() => return self.forget(sealed, error),
            ShipError::Rejected { .. } | ShipError::Unreadable(_) => self.has_failed_too_often(sealed),
            ShipError::Store { .. }
            | ShipError::Topology { .. }
            | ShipError::Shard { .. }
            | ShipError::Lag { .. }
            | ShipError::Spool(_) => false,
        };
        if matches!(error, ShipError::Store { .. }) {
            // The node may be shutting down, or be unable to write. Another one may take the segment.
            self.client.leave(&url);
        }
        if !is_final {
            let error = error_chain(&error);
            tracing::warn!(segment = %sealed.id, pause = ?self.pause, error, "segment delivery failed; retrying");
            return self.wait().await;
        }
        let is_done = match self.split(sealed, &error).await {
            SplitOutcome::Split => true,
            SplitOutcome::Impossible => self.quarantine(sealed, &error).await,
            SplitOutcome::Retry => false,
        };
        if is_done {
            self.reset();
        } else {
            self.wait().await;
        }
    }

    /// Drops a segment from the queue whose file was removed by somebody else. `verify` reports it as lost.
    fn forget(&mut self, sealed: SealedSegment, error: &SpoolError) {
        let error = error_chain(error);
        tracing::error!(segment = %sealed.id, rows = sealed.events(), error, "segment lost: its file is gone");
        self.spool.forget(&sealed);
        self.reset();
    }

    /// Counts a failure of the segment. Returns whether it may not be tried any more.
    fn has_failed_too_often(&mut self, sealed: SealedSegment) -> bool {
        let before = self.failures.filter(|(id, _)| *id == sealed.id).map_or(0, |(_, failures)| failures);
        self.failures = Some((sealed.id, before + 1));
        // A part of a rejected segment is rejected for the same reason, so a retry would not help.
        before + 1 >= if self.spool.is_original(sealed.id) { MAX_ATTEMPTS } else { 1 }
    }

    async fn quarantine(&mut self, sealed: SealedSegment, error: &ShipError) -> bool {
        let reason = error.to_string();
        let spool = self.spool.clone();
        match blocking(move || spool.quarantine(&sealed, &reason)).await {
            Ok(()) => {
                let error = error_chain(error);
                tracing::error!(segment = %sealed.id, rows = sealed.events(), error, "segment quarantined");
                metrics::counter!("footfall_segments_quarantined_total").increment(1);
                self.quarantined += 1;
                true
            }
            Err(error) => {
                tracing::error!(segment = %sealed.id, %error, "segment cannot be quarantined; retrying");
                false
            }
        }
    }

    /// Splits a segment whose events the store rejects, so that in the end only the rejected rows are quarantined.
    ///
    /// A segment is not split if the store has some of its events, or if too many rows were quarantined already.
    async fn split(&mut self, sealed: SealedSegment, error: &ShipError) -> SplitOutcome {
        let is_events = matches!(error, ShipError::Rejected { rows: BatchRows::Events, .. });
        if !is_events || self.quarantined >= MAX_SINGLE_ROWS {
            return SplitOutcome::Impossible;
        }
        match self.is_absent(sealed).await {
            Ok(true) => {}
            Ok(false) => return SplitOutcome::Impossible,
            Err(error) => {
                let error = error_chain(&error);
                tracing::warn!(segment = %sealed.id, error, "cannot tell which events the store has; retrying");
                return SplitOutcome::Retry;
            }
        }
        let spool = self.spool.clone();
        match blocking(move || spool.split(&sealed)).await {
            Ok(true) => {
                let error = error_chain(error);
                tracing::warn!(segment = %sealed.id, rows = sealed.events(), error, "segment split");
                metrics::counter!("footfall_segments_split_total").increment(1);
                SplitOutcome::Split
            }
            Ok(false) => SplitOutcome::Impossible,
            Err(error) => {
                tracing::error!(segment = %sealed.id, %error, "segment cannot be split");
                // Quarantine moves the file, which needs no space.
                if error.is_no_space() && self.spool.is_waiting(sealed.id) {
                    SplitOutcome::Impossible
                } else {
                    SplitOutcome::Retry
                }
            }
        }
    }

    async fn is_absent(&self, sealed: SealedSegment) -> Result<bool, ShipError> {
        let spool = self.spool.clone();
        let shipment = blocking(move || Shipment::open(&spool, sealed)).await?;
        is_absent(&self.client, &shipment).await
    }
}

/// Between half of a pause and all of it, so that the collectors of a fleet do not retry at the same moment.
fn jittered(pause: Duration) -> Duration {
    let random = getrandom::u32().unwrap_or(u32::MAX);
    pause / 2 + (pause / 2).mul_f64(f64::from(random) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spool::{Durability, EventEntry, EventRecord};

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
        let mut shipper = Shipper::new(spool, client).with_wake_up(back.clone());
        shipper.pause = Duration::from_secs(24 * 3600);
        back.notify_one();
        tokio::time::timeout(Duration::from_secs(30), shipper.wait()).await.expect("it goes on");
        assert_eq!(shipper.pause, FIRST_PAUSE);
    }

    #[tokio::test(start_paused = true)]
    async fn a_question_that_is_never_answered_is_given_up() {
        // It takes connections and says nothing.
        let silent = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let limits = crate::config::Config::check("footfall.toml", "", &[]).unwrap().spool;
        let (spool, _) = Spool::open(directory.path(), &limits).unwrap();
        let events = [EventEntry { filter_id: 1, row_len: 300 }];
        let frame = EventRecord { site: "clinic", events: &events, rows: &[0; 300] };
        spool.append(frame, Durability::Synced).unwrap().await.unwrap();
        spool.close();
        drop(spool);
        let (spool, _) = Spool::open(directory.path(), &limits).unwrap();
        let client = Client::new(&crate::config::StoreConfig::embedded(silent.local_addr().unwrap()));
        let mut shipper = Shipper::new(spool.clone(), client);
        let error = shipper.ship(spool.oldest_sealed().unwrap()).await.unwrap_err();
        assert!(error_chain(&error).contains("has not answered for 60 s"), "{error:?}");
    }
}
