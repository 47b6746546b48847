//! What happens beside the taking of beacons: turning the key, rereading places, running and preparing the store,
//! shipping, closing days.
//!
//! Nothing here is waited for at the start. The store's part goes step by step: once it answers its tables are made or
//! brought up to date, then segments are shipped and days closed. At the end it goes backwards, the store last.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

use crate::app::audit;
use crate::config::{self, Config};
use crate::ingest::Collector;
use crate::spool::Spool;
use crate::store::days::DayCloser;
use crate::store::embedded::EmbeddedStore;
use crate::store::schema::SchemaError;
use crate::store::ship::Shipper;
use crate::store::{Client, schema};

/// How often it is asked whether the key is due.
const KEY_EVERY: Duration = Duration::from_secs(1);
/// How often it is looked whether a file of places was replaced.
const PLACES_EVERY: Duration = Duration::from_secs(60);
/// How often the store is asked whether it is there, for `/readyz`.
const STORE_EVERY: Duration = Duration::from_secs(5);
/// How often the same is asked while it is away: the spool may be full by the time that it is back.
const STORE_AWAY: Duration = Duration::from_secs(1);
/// How often the same is asked before it was there: the embedded store takes a moment.
const STORE_SOON: Duration = Duration::from_millis(200);
/// How long to wait before the tables are seen to again.
const TABLES_AGAIN: Duration = Duration::from_secs(10);
/// Bringing the tables up to date adds columns and rewrites no row: a store that needs longer will not answer.
const TABLES_TIMEOUT: Duration = Duration::from_secs(600);
/// A store that does not say its version for so long is away.
const STORE_TIMEOUT: Duration = Duration::from_secs(10);

/// Whether the store answers, and what it said last.
pub(crate) type StoreState = Arc<Mutex<Result<String, String>>>;

/// The tasks that an orderly end waits for.
pub(crate) struct Background {
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
    /// Asks the store whether it is there.
    watch: JoinHandle<()>,
    embedded: Option<EmbeddedStore>,
    store: StoreState,
}

impl Background {
    /// Starts them all, except the embedded store, which runs already.
    pub(crate) fn start(
        config: &Arc<Config>,
        client: &Client,
        collector: &Arc<Collector>,
        spool: &Arc<Spool>,
        embedded: Option<EmbeddedStore>,
    ) -> Self {
        let (stop, stopped) = watch::channel(false);
        let (shippable_sender, shippable) = watch::channel(false);
        let store = Arc::new(Mutex::new(Err("not asked yet".to_owned())));
        let (there, back) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        tokio::spawn(turn_keys(collector.clone(), spool.clone()));
        tokio::spawn(reread_places(collector.clone()));
        let watch = tokio::spawn(watch_store(client.clone(), store.clone(), there.clone(), back.clone()));
        let days = close_days(config.clone(), client.clone(), there, shippable_sender, stopped.clone());
        let shipper = Shipper::new(spool.clone(), client.clone()).woken_by(back);
        let tasks = vec![tokio::spawn(days), tokio::spawn(ship(shipper, shippable, stopped))];
        Self { stop, tasks, watch, embedded, store }
    }

    /// What is known of the store.
    pub(crate) fn store_state(&self) -> StoreState {
        self.store.clone()
    }

    /// Ends the tasks, and then the embedded store; the spool is to be closed before.
    pub(crate) async fn stop(self) {
        // An error means that nobody listens, which is the end in view.
        let _ = self.stop.send(true);
        for task in self.tasks {
            let _ = task.await;
        }
        // A store that ends on purpose is not reported as one that is away.
        self.watch.abort();
        if let Some(embedded) = self.embedded {
            // An error is a panic, which was printed by itself.
            let _ = tokio::task::spawn_blocking(move || embedded.stop()).await;
        }
    }
}

/// Starts the embedded store, where it is configured.
pub(crate) fn start_embedded(config: &Config) -> Option<EmbeddedStore> {
    if !matches!(config.store, config::StoreConfig::Embedded { .. }) {
        return None;
    }
    match EmbeddedStore::start(config) {
        Ok(store) => Some(store),
        Err(error) => {
            let error: &dyn std::error::Error = &error;
            tracing::error!(error, "there is no store; beacons are taken and wait in the spool");
            None
        }
    }
}

/// Ships once the tables have been seen to.
async fn ship(shipper: Shipper, shippable: watch::Receiver<bool>, stopped: watch::Receiver<bool>) {
    tokio::select! {
        biased;
        () = raised(shippable) => {}
        // The store was never there: what is sealed waits for the next start.
        () = raised(stopped.clone()) => return,
    }
    shipper.run(raised(stopped)).await;
}

/// Sees to the tables once the store is there, and then closes days.
async fn close_days(
    config: Arc<Config>,
    client: Client,
    there: Arc<Notify>,
    shippable: watch::Sender<bool>,
    stopped: watch::Receiver<bool>,
) {
    let prepared = async {
        there.notified().await;
        loop {
            let migrated =
                tokio::time::timeout(TABLES_TIMEOUT, schema::migrate(&client, &config.timezone)).await;
            // Whatever came of it, the tables may well be there already.
            shippable.send_replace(true);
            match migrated.unwrap_or(Err(SchemaError::Store(clickhouse::error::Error::TimedOut))) {
                Ok(applied) => {
                    tracing::info!(
                        applied = applied.now.len(),
                        before = applied.before,
                        "the tables are ready"
                    );
                    return;
                }
                Err(error) => {
                    let error: &dyn std::error::Error = &error;
                    tracing::error!(error, "the tables are not ready");
                }
            }
            tokio::time::sleep(TABLES_AGAIN).await;
        }
    };
    tokio::select! {
        () = prepared => {}
        () = raised(stopped.clone()) => return,
    }
    match DayCloser::new(client, config.timezone.clone(), config.rotate_at) {
        Ok(closer) => closer.run(raised(stopped)).await,
        Err(error) => {
            let error: &dyn std::error::Error = &error;
            tracing::error!(error, "days are not closed");
        }
    }
}

/// Resolves when the value turns true.
async fn raised(mut flag: watch::Receiver<bool>) {
    // An error means that the sender is gone, and with it everything that was to go on.
    let _ = flag.wait_for(|raised| *raised).await;
}

/// Turns the key when its time has come, whatever the disk does, and has the audit record it.
async fn turn_keys(collector: Arc<Collector>, spool: Arc<Spool>) {
    let mut interval = tokio::time::interval(KEY_EVERY);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    loop {
        interval.tick().await;
        let asked = collector.clone();
        // The key's file is read and written.
        let Ok(Some(turn)) = tokio::task::spawn_blocking(move || asked.privacy().keys().turn_if_due()).await
        else {
            continue;
        };
        let (ended, began) = (turn.ended.to_string(), turn.began.to_string());
        tracing::info!(ended, began, epoch = turn.epoch, "the key was turned");
        let detail = serde_json::json!({ "ended": ended, "began": began, "epoch": turn.epoch });
        audit::record(&spool, "key turned", &detail);
    }
}

/// Takes up files of places that were replaced.
async fn reread_places(collector: Arc<Collector>) {
    loop {
        tokio::time::sleep(PLACES_EVERY).await;
        let places = collector.clone();
        let _ = tokio::task::spawn_blocking(move || places.privacy().places().reload_if_changed()).await;
    }
}

/// Asks the store, for ever, whether it is there; `there` hears of the first time, `back` of each time that it was away.
async fn watch_store(client: Client, state: StoreState, there: Arc<Notify>, back: Arc<Notify>) {
    let mut was_there = None;
    let mut ever = false;
    loop {
        let asked = client.query_server("SELECT version()").fetch_one::<String>();
        let found = match tokio::time::timeout(STORE_TIMEOUT, asked).await {
            Ok(Ok(version)) => Ok(format!("ClickHouse {version}")),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("no answer within {STORE_TIMEOUT:?}")),
        };
        if was_there != Some(found.is_ok()) {
            match &found {
                Ok(version) => tracing::info!(version, "the store answers"),
                // An embedded store that has just been started is a moment away.
                Err(error) if !ever => {
                    tracing::info!(error, "the store does not answer yet; beacons are spooled")
                }
                Err(error) => tracing::warn!(error, "the store does not answer; beacons are spooled"),
            }
            was_there = Some(found.is_ok());
            if found.is_ok() {
                back.notify_one();
            }
        }
        if found.is_ok() && !std::mem::replace(&mut ever, true) {
            there.notify_one();
        }
        *state.lock() = found;
        let pause = match was_there {
            Some(false) if !ever => STORE_SOON,
            Some(false) => STORE_AWAY,
            _ => STORE_EVERY,
        };
        tokio::time::sleep(pause).await;
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::atomic::{AtomicI64, Ordering};
    use std::time::Instant;

    use jiff::Timestamp;

    use super::*;
    use crate::config::SpoolLimits;
    use crate::privacy::{Clock, GeoLookup, KeyRing, Privacy};
    use crate::spool::test_disk::TestDisk;

    /// A wall clock that stands where it was put, in seconds.
    struct TestClock(AtomicI64);

    impl Clock for TestClock {
        fn now(&self) -> Timestamp {
            Timestamp::from_second(self.0.load(Ordering::Relaxed)).unwrap()
        }
    }

    async fn eventually(what: &str, mut so: impl FnMut() -> bool) {
        let began = Instant::now();
        while !so() {
            assert!(began.elapsed() < Duration::from_secs(30), "it never comes: {what}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// How often a text lies on a disk.
    fn count(disk: &TestDisk, text: &str) -> usize {
        let files = disk.lengths(Path::new("/spool"));
        let contents: Vec<u8> = files.keys().flat_map(|file| disk.contents(file).unwrap()).collect();
        memchr::memmem::find_iter(&contents, text).count()
    }

    #[tokio::test]
    async fn keys_turn_day_after_day_though_the_disk_is_full_and_the_audit_has_each_turn_when_there_is_space()
    {
        const DAY: i64 = 86_400;
        let keys = tempfile::tempdir().unwrap();
        let config = Config::check("footfall.toml", "", &[]).unwrap();
        let clock = Arc::new(TestClock(AtomicI64::new(1_795_000_000)));
        let ring = KeyRing::open(keys.path(), true, config.timezone.clone(), config.rotate_at, clock.clone());
        let limits = SpoolLimits { reserve: None, ..config.spool.clone() };
        let disk = TestDisk::default();
        let open = || Spool::open_on(Arc::new(disk.clone()), Path::new("/spool"), &limits).unwrap();
        drop(open());
        disk.leave_space(0);
        let (spool, recovered) = open();
        let privacy = Privacy::new(ring.unwrap(), GeoLookup::open(&[]));
        let collector = Arc::new(Collector::new(&config, privacy, spool.clone(), &recovered));
        let turning = tokio::spawn(turn_keys(collector.clone(), spool.clone()));
        for _ in 0..3 {
            let before = collector.privacy().keys().status().fingerprint;
            clock.0.fetch_add(DAY, Ordering::Relaxed);
            eventually("a turn", || collector.privacy().keys().status().fingerprint != before).await;
        }
        assert_eq!(count(&disk, "key turned"), 0, "there is no space for it");
        disk.leave_space(1 << 20);
        eventually("the audit of all turns", || count(&disk, "key turned") == 3).await;
        turning.abort();
    }
}
