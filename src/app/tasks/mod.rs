//! Tasks beside accepting beacons: rotating the key, reloading place files, preparing the store, shipping, closing days.
//!
//! The start does not wait for any of them. Once the store answers, its tables are created or migrated; then segments are
//! shipped and days are closed. At the end they stop in the reverse order, the embedded store last.

mod fleet;
mod retention;

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

use crate::app::audit;
use crate::app::store_watch::{StoreState, StoreWatch};
use crate::config::{self, Config};
use crate::error_chain::error_chain;
use crate::ingest::Collector;
use crate::spool::Spool;
use crate::store::days::{DayCloser, NoiseKey, Publisher};
use crate::store::embedded::EmbeddedStore;
use crate::store::fleet::FleetStore;
use crate::store::retention::RetentionStore;
use crate::store::schema::{Migrated, SchemaError};
use crate::store::ship::Shipper;
use crate::store::subject::SubjectStore;
use crate::store::{Client, schema};
use crate::subject::Subjects;

/// How often the age of the key is checked.
const KEY_INTERVAL: Duration = Duration::from_secs(1);
/// How often the place files are checked for replacement.
const PLACES_INTERVAL: Duration = Duration::from_secs(60);
/// Pause before a failed migration is tried again.
const MIGRATION_PAUSE: Duration = Duration::from_secs(10);
/// How often the nodes of a cluster are compared with the schema. A node that was away while the schema or the number of shards changed is repaired then.
const REPAIR_EVERY: Duration = Duration::from_secs(10 * 60);
/// A migration adds columns and rewrites no row. A store that needs longer will not answer.
const MIGRATION_TIMEOUT: Duration = Duration::from_secs(600);

/// The tasks that an orderly stop waits for.
pub(crate) struct Tasks {
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
    store_watch: JoinHandle<()>,
    embedded: Option<EmbeddedStore>,
    store: StoreState,
    closing: StoreState,
}

impl Tasks {
    /// The embedded store runs already.
    pub(crate) fn start(
        config: &Arc<Config>,
        client: &Client,
        collector: &Arc<Collector>,
        subjects: &Arc<Subjects>,
        spool: &Arc<Spool>,
        publisher: Option<Publisher>,
        embedded: Option<EmbeddedStore>,
    ) -> Self {
        let (stop, stopped) = watch::channel(false);
        let (migrated_sender, migrated) = watch::channel(false);
        let store_watch = StoreWatch::new();
        let (store, first_contact, reconnected) =
            (store_watch.state.clone(), store_watch.first_contact.clone(), store_watch.reconnected.clone());
        tokio::spawn(rotate_keys(collector.clone(), spool.clone()));
        if config.key_fleet {
            tokio::spawn(share_randomness(client.clone(), collector.clone(), migrated.clone()));
        }
        tokio::spawn(reload_places(collector.clone()));
        let store_watch = tokio::spawn(store_watch.run(client.clone()));
        let closing = StoreState::new(Mutex::new(Ok("waiting for the store".to_owned())));
        let tables = PrepareTables {
            config: config.clone(),
            client: client.clone(),
            attempted: migrated_sender,
            closing: closing.clone(),
        };
        let days = close_days(tables, publisher.clone(), first_contact, stopped.clone());
        let shipper = Shipper::new(spool.clone(), client.clone()).with_wake_up(reconnected);
        let giving =
            give_store(subjects.clone(), config.clone(), client.clone(), publisher, migrated.clone());
        tokio::spawn(giving);
        let retention = RetentionStore::new(client.clone());
        tokio::spawn(enforce_retention(retention, collector.clone(), spool.clone(), migrated.clone()));
        let requests = subjects.clone().run(wait_until_true(stopped.clone()));
        let tasks =
            vec![tokio::spawn(requests), tokio::spawn(days), tokio::spawn(ship(shipper, migrated, stopped))];
        Self { stop, tasks, store_watch, embedded, store, closing }
    }

    pub(crate) fn store_state(&self) -> StoreState {
        self.store.clone()
    }

    /// Whether this collector closes days, or why it does not.
    pub(crate) fn closing_state(&self) -> StoreState {
        self.closing.clone()
    }

    /// Stops the tasks, then the embedded store. Close the spool before.
    pub(crate) async fn stop(self) {
        // An error means that all tasks have ended.
        let _ = self.stop.send(true);
        for task in self.tasks {
            let _ = task.await;
        }
        // A store that is stopped on purpose must not be reported as unreachable.
        self.store_watch.abort();
        if let Some(embedded) = self.embedded {
            // An error is a panic, which was printed by itself.
            let _ = tokio::task::spawn_blocking(move || embedded.stop()).await;
        }
    }
}

/// A failure is logged. Then days are closed all the same, and nothing is published for viewers.
pub(crate) fn open_publisher(config: &Config) -> Option<Publisher> {
    match NoiseKey::open(config) {
        Ok(key) => Some(Publisher::new(key, config.published.k)),
        Err(error) => {
            let error: &dyn std::error::Error = &error;
            tracing::error!(
                error,
                "opening the noise key failed; no day is published for viewers until a restart"
            );
            None
        }
    }
}

/// A failure is logged.
pub(crate) fn start_embedded_store(config: &Config) -> Option<EmbeddedStore> {
    if !matches!(config.store, config::StoreConfig::Embedded { .. }) {
        return None;
    }
    match EmbeddedStore::start(config) {
        Ok(store) => Some(store),
        Err(error) => {
            let error: &dyn std::error::Error = &error;
            tracing::error!(
                error,
                "starting the embedded store failed; beacons are accepted and wait in the spool"
            );
            None
        }
    }
}

/// Retention in hours needs the store's tables.
async fn enforce_retention(
    store: RetentionStore,
    collector: Arc<Collector>,
    spool: Arc<Spool>,
    migrated: watch::Receiver<bool>,
) {
    wait_until_true(migrated).await;
    retention::enforce(store, collector, spool).await;
}

/// The random numbers of coming days are in the store's tables.
async fn share_randomness(client: Client, collector: Arc<Collector>, migrated: watch::Receiver<bool>) {
    wait_until_true(migrated).await;
    fleet::share_randomness(FleetStore::new(client), collector).await;
}

/// Requests of visitors need the store's tables.
async fn give_store(
    subjects: Arc<Subjects>,
    config: Arc<Config>,
    client: Client,
    publisher: Option<Publisher>,
    migrated: watch::Receiver<bool>,
) {
    wait_until_true(migrated).await;
    match SubjectStore::new(client, config.timezone.clone(), publisher) {
        Ok(store) => subjects.set_store(store),
        Err(error) => {
            let error: &dyn std::error::Error = &error;
            tracing::error!(error, "no request of a visitor can be carried out until a restart");
        }
    }
}

/// Ships segments after the first attempt to migrate.
async fn ship(shipper: Shipper, migrated: watch::Receiver<bool>, stopped: watch::Receiver<bool>) {
    tokio::select! {
        biased;
        () = wait_until_true(migrated) => {}
        // The store never answered: sealed segments wait for the next start.
        () = wait_until_true(stopped.clone()) => return,
    }
    shipper.run(wait_until_true(stopped)).await;
}

/// Migrates the tables once the store answers, and then closes days.
async fn close_days(
    tables: PrepareTables,
    publisher: Option<Publisher>,
    first_contact: Arc<Notify>,
    stopped: watch::Receiver<bool>,
) {
    let prepared = async {
        first_contact.notified().await;
        tables.prepare().await;
    };
    tokio::select! {
        () = prepared => {}
        () = wait_until_true(stopped.clone()) => return,
    }
    let PrepareTables { config, client, .. } = &tables;
    match DayCloser::new(client.clone(), config.timezone.clone()) {
        Ok(closer) => {
            let closing = closer.with_publisher(publisher).run(wait_until_true(stopped));
            tokio::select! {
                () = closing => {}
                () = keep_migrated(config, client) => {}
            }
        }
        Err(error) => {
            let error: &dyn std::error::Error = &error;
            tracing::error!(error, "starting to close days failed; no day is closed until a restart");
        }
    }
}

/// The first migration of the store's tables.
struct PrepareTables {
    config: Arc<Config>,
    client: Client,
    /// Raised after the first attempt.
    attempted: watch::Sender<bool>,
    closing: StoreState,
}

impl PrepareTables {
    /// Tries until it succeeds.
    async fn prepare(&self) {
        let mut reminder = FailureReminder::default();
        while let Err(error) = self.migrate().await {
            let error = error_chain(&error);
            if reminder.is_due(&error, Instant::now()) {
                tracing::error!(
                    error,
                    "migrating the store's tables failed; no day is closed until it succeeds; trying again every {MIGRATION_PAUSE:?}"
                );
            }
            *self.closing.lock() = Err(format!("no day is closed: {error}"));
            tokio::time::sleep(MIGRATION_PAUSE).await;
        }
        *self.closing.lock() = Ok("days are closed".to_owned());
    }

    async fn migrate(&self) -> Result<(), SchemaError> {
        let migration = schema::migrate(&self.client, &self.config.timezone);
        let result = tokio::time::timeout(MIGRATION_TIMEOUT, migration).await;
        // Even after a failure the tables may exist already.
        self.attempted.send_replace(true);
        let applied = result.unwrap_or(Err(SchemaError::Store(clickhouse::error::Error::TimedOut)))?;
        tracing::info!(applied = applied.now.len(), before = applied.before, "the store's tables are ready");
        log_repairs(&applied);
        Ok(())
    }
}

/// When a failure that lasts is logged: when it is another one than before, and every ten minutes.
#[derive(Default)]
struct FailureReminder {
    said: Option<(String, Instant)>,
}

impl FailureReminder {
    fn is_due(&mut self, error: &str, now: Instant) -> bool {
        let is_said = |(said, when): &(String, Instant)| said == error && now < *when + REPAIR_EVERY;
        let is_due = !self.said.as_ref().is_some_and(is_said);
        if is_due {
            self.said = Some((error.to_owned(), now));
        }
        is_due
    }
}

/// Repairs what nodes of a cluster lack that were away, until the task is dropped.
async fn keep_migrated(config: &Config, client: &Client) {
    loop {
        tokio::time::sleep(REPAIR_EVERY).await;
        if client.cluster().is_none() {
            continue;
        }
        match tokio::time::timeout(MIGRATION_TIMEOUT, schema::migrate(client, &config.timezone)).await {
            Ok(Ok(migrated)) => log_repairs(&migrated),
            // A newer collector repairs them. The closing of days says it, once.
            Ok(Err(SchemaError::NewerVersion { .. })) => {}
            Ok(Err(error)) => {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(
                    error,
                    "comparing the cluster's tables failed; trying again in {REPAIR_EVERY:?}"
                );
            }
            Err(_) => tracing::warn!(
                "comparing the cluster's tables took too long; trying again in {REPAIR_EVERY:?}"
            ),
        }
    }
}

fn log_repairs(migrated: &Migrated) {
    for repair in &migrated.repaired {
        tracing::info!(repair, "tables are repaired");
    }
    for node in &migrated.left_out {
        tracing::warn!(node, "a node of the cluster was left out of the migration");
    }
    for unnamed in &migrated.unnamed {
        tracing::warn!(unnamed, "the nodes of the cluster name different nodes");
    }
}

/// Resolves when the value becomes true.
async fn wait_until_true(mut flag: watch::Receiver<bool>) {
    // An error means that the sender is dropped: nothing is left to wait for.
    let _ = flag.wait_for(|value| *value).await;
}

/// Rotates the key when it is due, whatever the disk does, and appends each rotation to the audit.
async fn rotate_keys(collector: Arc<Collector>, spool: Arc<Spool>) {
    let mut interval = tokio::time::interval(KEY_INTERVAL);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    loop {
        interval.tick().await;
        let rotating = collector.clone();
        // This reads and writes the key's file.
        let Ok(Some(turn)) =
            tokio::task::spawn_blocking(move || rotating.privacy().keys().turn_if_due()).await
        else {
            continue;
        };
        // So the events of the epoch that ended reach the store soon.
        spool.seal();
        tracing::info!(ended = %turn.ended, began = %turn.began, epoch = turn.epoch, "key rotated");
        let (action, detail) = audit::turn_row(&turn);
        audit::record(&spool, action, &detail);
        // Once a day, because the key turns daily.
        if let Some(head) = spool.audit_head() {
            audit::log_head(&head);
        }
    }
}

async fn reload_places(collector: Arc<Collector>) {
    loop {
        tokio::time::sleep(PLACES_INTERVAL).await;
        let reloading = collector.clone();
        let _ = tokio::task::spawn_blocking(move || reloading.privacy().places().reload_if_changed()).await;
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::atomic::{AtomicI64, Ordering};

    use jiff::{SignedDuration, Timestamp};

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

        fn uptime(&self) -> SignedDuration {
            SignedDuration::from_secs(self.0.load(Ordering::Relaxed))
        }
    }

    async fn eventually(what: &str, mut so: impl FnMut() -> bool) {
        let began = Instant::now();
        while !so() {
            assert!(began.elapsed() < Duration::from_secs(30), "never: {what}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    fn count(disk: &TestDisk, text: &str) -> usize {
        let files = disk.lengths(Path::new("/spool"));
        let contents: Vec<u8> = files.keys().flat_map(|file| disk.contents(file).unwrap()).collect();
        memchr::memmem::find_iter(&contents, text).count()
    }

    #[test]
    fn a_failure_that_lasts_is_said_once_and_then_every_ten_minutes() {
        let (mut reminder, began) = (FailureReminder::default(), Instant::now());
        let mut is_due =
            |error, minute: u64| reminder.is_due(error, began + Duration::from_secs(60 * minute));
        let due = [("a", 0), ("a", 1), ("a", 9), ("a", 10), ("a", 19), ("b", 19), ("b", 20), ("a", 21)];
        let due = due.map(|(error, minute)| is_due(error, minute));
        assert_eq!(due, [true, false, false, true, false, true, false, true]);
    }

    #[tokio::test]
    async fn keys_turn_day_after_day_though_the_disk_is_full_and_the_audit_has_each_turn_when_there_is_space()
    {
        const DAY: i64 = 86_400;
        let keys = tempfile::tempdir().unwrap();
        let config = Config::check("footfall.toml", "", &[]).unwrap();
        let clock = Arc::new(TestClock(AtomicI64::new(1_795_000_000)));
        let ring = KeyRing::open(keys.path(), true, config.timezone.clone(), clock.clone());
        let limits = SpoolLimits { reserve: None, ..config.spool.clone() };
        let disk = TestDisk::default();
        let open = || Spool::open_on(Arc::new(disk.clone()), Path::new("/spool"), &limits).unwrap();
        drop(open());
        disk.leave_space(0);
        let (spool, recovered) = open();
        let privacy = Privacy::new(ring.unwrap(), GeoLookup::open(&[]));
        let collector = Arc::new(Collector::new(&config, privacy, spool.clone(), &recovered));
        let rotating = tokio::spawn(rotate_keys(collector.clone(), spool.clone()));
        for _ in 0..3 {
            let before = collector.privacy().keys().status().fingerprint;
            clock.0.fetch_add(DAY, Ordering::Relaxed);
            eventually("a turn", || collector.privacy().keys().status().fingerprint != before).await;
        }
        assert_eq!(count(&disk, "key turned"), 0, "there is no space for it");
        disk.leave_space(1 << 20);
        eventually("the audit of all turns", || count(&disk, "key turned") == 3).await;
        rotating.abort();
    }
}
