//! Shipping to a real store that is down, is killed, loses its answers or rejects rows: each event is stored once.

use std::collections::HashSet;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use footfall::config::{self, SpoolLimits};
use footfall::event::{COLUMNS, DropReason, EventRow, UnixDay, UnixSeconds};
use footfall::secret::Secret;
use footfall::spool::{Durability, EventEntry, EventRecord, SegmentId, Spool, inspect, requeue};
use footfall::store::reconcile::Reconciliation;
use footfall::store::ship::Shipper;
use footfall::store::{Client, RowFormat, schema};
use jiff::tz::TimeZone;
use tokio::sync::oneshot;

use crate::common::{StoreClient, StoreProcess, eventually};

const PATIENCE: Duration = Duration::from_secs(90);
/// Events that [`Shipping::ship_one`] ships. Later events may lie in any number of segments, and the first of these may be small.
const SHIPPED_FIRST: usize = 3;

fn limits() -> SpoolLimits {
    SpoolLimits {
        seal_rows: 300,
        seal_bytes: 1 << 20,
        seal_after: Duration::from_millis(100),
        max_bytes: 1 << 30,
        reserve: None,
    }
}

/// Encodes an event; `time` and `received` are Unix ms.
fn row(event_id: u64, time: i64, received: i64, out: &mut Vec<u8>) -> EventEntry {
    let start = out.len();
    let row = EventRow {
        page_load: event_id,
        time: UnixSeconds::from_millis(time),
        received: UnixSeconds::from_millis(received),
        expires: UnixDay(u16::MAX),
        site: "clinic",
        ..EventRow::default()
    };
    row.encode(out);
    EventEntry { filter_id: event_id, row_len: (out.len() - start) as u32 }
}

/// A spool and a runtime in which its shipper runs.
pub(crate) struct Shipping {
    pub(crate) directory: tempfile::TempDir,
    pub(crate) spool: Arc<Spool>,
    pub(crate) runtime: tokio::runtime::Runtime,
    pub(crate) client: Client,
    /// Ids of the events.
    pub(crate) appended: Vec<u64>,
    running: Option<(oneshot::Sender<()>, tokio::task::JoinHandle<()>)>,
}

impl Shipping {
    pub(crate) fn to(address: SocketAddr) -> Self {
        Self::of(tempfile::tempdir().unwrap(), address)
    }

    /// Ships the spool that is in the directory's `spool`, or a new one.
    fn of(directory: tempfile::TempDir, address: SocketAddr) -> Self {
        let (spool, _) = Spool::open(&directory.path().join("spool"), &limits()).unwrap();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let mut shipping =
            Self { directory, spool, runtime, client: client(address), appended: Vec::new(), running: None };
        shipping.start();
        shipping
    }

    pub(crate) fn start(&mut self) {
        let (stop, stopped) = oneshot::channel();
        let shipper = Shipper::new(self.spool.clone(), self.client.clone());
        let shipper = self.runtime.spawn(shipper.run(async { drop(stopped.await) }));
        self.running = Some((stop, shipper));
    }

    /// Appends beacons of three events and waits for their acks.
    pub(crate) fn append(&mut self, beacons: u64) {
        self.append_at(beacons, || (jiff::Timestamp::now().as_millisecond(), [0; 3]));
    }

    /// Appends beacons of three events with the time at which each is received, and the ages of its events, in ms.
    fn append_at(&mut self, beacons: u64, mut times: impl FnMut() -> (i64, [i64; 3])) {
        let mut acks = Vec::new();
        for _ in 0..beacons {
            let (received, ages) = times();
            let mut rows = Vec::new();
            let events = ages.map(|age| row(fastrand::u64(..), received - age, received, &mut rows));
            self.appended.extend(events.iter().map(|event| event.filter_id));
            let record = EventRecord { site: "clinic", events: &events, rows: &rows };
            acks.push(self.spool.append(record, Durability::Synced).unwrap());
        }
        self.runtime.block_on(async {
            for ack in acks {
                ack.await.unwrap();
            }
        });
    }

    /// Ships one beacon. For the first segment after a start the shipper asks the store whether it has it, and a test may not want that.
    fn ship_one(&mut self) {
        self.append(1);
        self.wait_until_shipped();
    }

    pub(crate) fn wait_until_shipped(&self) {
        eventually("everything is shipped", PATIENCE, || {
            let status = self.spool.status();
            status.events == 0 && status.sealed == 0
        });
    }

    /// Aborts the shipper.
    pub(crate) fn stop(&mut self) {
        let (_, shipper) = self.running.take().expect("it runs");
        shipper.abort();
        let _ = self.runtime.block_on(shipper);
        self.spool.close();
    }

    pub(crate) fn open(&mut self, directory: &std::path::Path) {
        // The old spool must be dropped before the new one takes the lock.
        let elsewhere = tempfile::tempdir().unwrap();
        self.spool = Spool::open(elsewhere.path(), &limits()).unwrap().0;
        self.spool = Spool::open(directory, &limits()).unwrap().0;
    }

    /// Stops the shipper, opens the spool again and starts a new shipper.
    pub(crate) fn reopen(&mut self, directory: &std::path::Path) {
        self.stop();
        self.open(directory);
        self.start();
    }

    /// Every event is stored once, and no other.
    fn assert_exactly_once(&self, store: StoreClient) {
        let stored = store.events();
        let distinct: HashSet<_> = stored.iter().copied().collect();
        assert_eq!(distinct.len(), stored.len(), "no event is stored twice");
        let appended: HashSet<_> = self.appended.iter().copied().collect();
        assert_eq!(appended.difference(&distinct).count(), 0, "no event is missing");
        assert_eq!(distinct.difference(&appended).count(), 0, "no event comes from nowhere");
    }

    pub(crate) fn reconcile(&self) -> Reconciliation {
        let directory = self.directory.path().join("spool");
        self.runtime.block_on(Reconciliation::read(&self.client, &directory, 0..=u16::MAX)).unwrap()
    }
}

pub(crate) fn store() -> (tempfile::TempDir, StoreProcess) {
    let directory = tempfile::tempdir().unwrap();
    let mut store = StoreProcess::new(&directory.path().join("store"));
    store.start();
    make_tables(store.store);
    (directory, store)
}

pub(crate) fn client(address: SocketAddr) -> Client {
    Client::new(&config::StoreConfig::Server {
        urls: vec![format!("http://{address}")],
        database: "footfall".into(),
        user: "admin".into(),
        password: Secret::new(String::new()),
        cluster: None,
    })
}

fn make_tables(store: StoreClient) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(schema::migrate(&client(store.listen), &TimeZone::UTC)).unwrap();
}

#[test]
fn events_audit_rows_and_counts_arrive_and_are_reconciled() {
    let (_directory, store) = store();
    let mut shipping = Shipping::to(store.store.listen);
    shipping.append(700);
    shipping.spool.count_dropped("clinic", DropReason::Bot, 5);
    let audit = shipping.spool.append_audit("key turned", r#"{"epoch":1}"#).unwrap();
    shipping.runtime.block_on(audit).unwrap();
    shipping.wait_until_shipped();
    shipping.assert_exactly_once(store.store);
    // The audit row and the dropped events may go with a later segment than the other events.
    eventually("the audit arrives", PATIENCE, || {
        store.store.rows("SELECT action, detail FROM audit") == ["key turned\t{\"epoch\":1}"]
    });
    let counts = "SELECT site, outcome, sum(events) FROM segments FINAL WHERE events > 0 GROUP BY ALL ORDER BY outcome";
    eventually("the counts arrive", PATIENCE, || {
        store.store.rows(counts) == ["clinic\tbot\t5", "clinic\tstored\t2100"]
    });
    let reconciliation = shipping.reconcile();
    assert!(reconciliation.is_reconciled(), "{reconciliation:?}");
    let received: u64 = reconciliation.days.values().map(|line| line.received()).sum();
    assert_eq!(received, 2105);

    // One event is deleted and one is stored twice.
    store.store.query("DELETE FROM events WHERE event_id IN (SELECT event_id FROM events LIMIT 1)").unwrap();
    let reconciliation = shipping.reconcile();
    assert_eq!(reconciliation.days.values().map(|line| line.missing).sum::<u64>(), 1, "{reconciliation:?}");
    store.store.query("INSERT INTO events SELECT * FROM events LIMIT 3").unwrap();
    let reconciliation = shipping.reconcile();
    let sums = reconciliation
        .days
        .values()
        .fold([0, 0], |[missing, surplus], line| [missing + line.missing, surplus + line.surplus]);
    assert_eq!(sums, [1, 3], "{reconciliation:?}");
}

#[test]
fn beacons_are_accepted_while_the_store_is_down() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = StoreProcess::new(&directory.path().join("store"));
    let mut shipping = Shipping::to(store.store.listen);
    for _ in 0..5 {
        shipping.append(200);
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(shipping.spool.status().sealed > 1);
    assert_eq!(shipping.spool.status().events, 3000);
    store.start();
    make_tables(store.store);
    shipping.wait_until_shipped();
    shipping.assert_exactly_once(store.store);
    assert!(shipping.reconcile().is_reconciled());
    assert!(inspect(&shipping.directory.path().join("spool")).unwrap().quarantined.is_empty());
}

#[test]
fn a_store_killed_in_the_middle_of_inserts_has_each_event_once() {
    let (_directory, mut store) = store();
    let mut shipping = Shipping::to(store.store.listen);
    for _ in 0..6 {
        shipping.append(400);
        std::thread::sleep(Duration::from_millis(fastrand::u64(0..120)));
        store.kill();
        shipping.append(50);
        store.start();
    }
    shipping.wait_until_shipped();
    shipping.assert_exactly_once(store.store);
    assert!(shipping.reconcile().is_reconciled());
}

#[test]
fn an_insert_whose_answer_was_lost_is_sent_again_and_stored_once() {
    let (_directory, store) = store();
    let proxy = Proxy::before(store.store.listen);
    let mut shipping = Shipping::to(proxy.listen);
    shipping.ship_one();
    proxy.lose.store(true, Ordering::SeqCst);
    shipping.append(500);
    eventually("answers were lost", PATIENCE, || proxy.lost.load(Ordering::SeqCst) >= 4);
    assert!(store.store.events().len() > SHIPPED_FIRST, "the store has them");
    proxy.lose.store(false, Ordering::SeqCst);
    shipping.wait_until_shipped();
    shipping.assert_exactly_once(store.store);
    assert!(shipping.reconcile().is_reconciled());
}

#[test]
fn a_store_that_forgot_the_token_of_a_lost_answer_in_a_power_cut_has_each_event_once() {
    let (_directory, mut store) = store();
    let proxy = Proxy::before(store.store.listen);
    let mut shipping = Shipping::to(proxy.listen);
    shipping.ship_one();
    proxy.lose.store(true, Ordering::SeqCst);
    shipping.append(500);
    eventually("answers were lost", PATIENCE, || proxy.lost.load(Ordering::SeqCst) >= 1);
    eventually("the store has them", PATIENCE, || store.store.events().len() > SHIPPED_FIRST);
    store.kill();
    store.forget_tokens();
    store.start();
    proxy.lose.store(false, Ordering::SeqCst);
    shipping.wait_until_shipped();
    shipping.assert_exactly_once(store.store);
}

#[test]
fn the_store_is_asked_about_a_possibly_sent_segment_though_another_is_shipped_before_it() {
    let (_directory, mut store) = store();
    let proxy = Proxy::before(store.store.listen);
    let mut shipping = Shipping::to(proxy.listen);
    shipping.ship_one();
    store.store.query("ALTER TABLE events ADD CONSTRAINT none CHECK page_load = 0").unwrap();
    shipping.append(1);
    let directory = shipping.directory.path().join("spool");
    eventually("the segment is quarantined", PATIENCE, || {
        inspect(&directory).unwrap().quarantined.len() == 3
    });
    shipping.wait_until_shipped();
    store.store.query("ALTER TABLE events DROP CONSTRAINT none").unwrap();
    proxy.lose.store(true, Ordering::SeqCst);
    shipping.append(300);
    eventually("answers were lost", PATIENCE, || proxy.lost.load(Ordering::SeqCst) >= 1);
    eventually("the store has them", PATIENCE, || store.store.events().len() > SHIPPED_FIRST);
    store.kill();
    store.forget_tokens();
    let quarantined = inspect(&directory).unwrap().quarantined;
    for segment in quarantined {
        requeue(&directory, SegmentId::parse(&segment.id).unwrap()).unwrap();
    }
    eventually("they are requeued", PATIENCE, || inspect(&directory).unwrap().quarantined.is_empty());
    store.start();
    proxy.lose.store(false, Ordering::SeqCst);
    shipping.wait_until_shipped();
    shipping.assert_exactly_once(store.store);
}

/// The start of this month in Unix ms, and the name of the partition before it.
fn month() -> (i64, String) {
    let start =
        jiff::Timestamp::now().to_zoned(TimeZone::UTC).start_of_day().unwrap().first_of_month().unwrap();
    let before = start.checked_sub(jiff::Span::new().months(1)).unwrap();
    (start.timestamp().as_millisecond(), before.strftime("%Y%m").to_string())
}

/// Times of beacons that are received in the first hour of the month, with events before or after its beginning, or both.
fn around(month: i64) -> impl FnMut() -> (i64, [i64; 3]) {
    let hour = 3_600_000;
    let mut kinds = [[0, hour, 0], [2 * hour, 0, 3 * hour], [0; 3], [4 * hour; 3]].into_iter().cycle();
    move || (month + hour / 2 + fastrand::i64(0..1_000), kinds.next().unwrap())
}

#[test]
fn only_the_lost_month_of_a_segment_is_sent_again() {
    let (_directory, mut store) = store();
    let proxy = Proxy::before(store.store.listen);
    let mut shipping = Shipping::to(proxy.listen);
    shipping.ship_one();
    let (start, before) = month();
    proxy.lose.store(true, Ordering::SeqCst);
    shipping.append_at(200, around(start));
    let of_month = |store: &StoreProcess, comparison: &str| {
        store.store.number(&format!("SELECT count() FROM events WHERE toYYYYMM(time) {comparison} {before}"))
    };
    // A segment's insert becomes one part for each month, and they appear one after the other.
    eventually("the store has both months", PATIENCE, || {
        of_month(&store, "=") > 0 && of_month(&store, "!=") > SHIPPED_FIRST as u64
    });
    // Nobody asks the store while the month is removed, so no answer can be of before.
    let directory = shipping.directory.path().join("spool");
    shipping.stop();
    store.kill();
    store.forget_tokens();
    store.start();
    store.store.query(&format!("ALTER TABLE events DROP PARTITION '{before}'")).unwrap();
    eventually("the month is gone", PATIENCE, || of_month(&store, "=") == 0);
    assert!(of_month(&store, "!=") > SHIPPED_FIRST as u64, "the other month is still there");
    proxy.lose.store(false, Ordering::SeqCst);
    shipping.open(&directory);
    shipping.start();
    shipping.wait_until_shipped();
    shipping.assert_exactly_once(store.store);
    assert!(shipping.reconcile().is_reconciled());
}

/// Therefore the rest of a segment may be sent while its first insert is still under way.
#[test]
fn the_store_takes_a_token_once_for_each_month_whatever_rows_come_with_it() {
    let (_directory, store) = store();
    let shipping = Shipping::to(store.store.listen);
    let (start, _) = month();
    let insert = |times: &[i64]| {
        let mut rows = Vec::new();
        for (id, time) in (1..).zip(times) {
            row(id, start + time * 1_000, start + 1_000, &mut rows);
        }
        shipping.runtime.block_on(async {
            let mut insert =
                shipping.client.insert("events", &COLUMNS.join(", "), RowFormat::RowBinary, "segment");
            insert.send(rows.into()).await.unwrap();
            insert.end().await.unwrap();
        });
        store.store.events().len()
    };
    assert_eq!(insert(&[-1]), 1, "the rest");
    assert_eq!(insert(&[-1, 0, 1]), 3, "the whole segment, late");
    assert_eq!(insert(&[-1, 0, 1]), 3);
    assert_eq!(insert(&[0, 1]), 3);
}

#[test]
fn a_collector_that_dies_after_the_insert_sends_it_again_and_it_is_stored_once() {
    let (_directory, store) = store();
    let proxy = Proxy::before(store.store.listen);
    let mut shipping = Shipping::to(proxy.listen);
    shipping.ship_one();
    proxy.lose.store(true, Ordering::SeqCst);
    shipping.append(300);
    eventually("answers were lost", PATIENCE, || proxy.lost.load(Ordering::SeqCst) >= 1);
    let directory = shipping.directory.path().join("spool");
    shipping.stop();
    shipping.open(&directory);
    proxy.lose.store(false, Ordering::SeqCst);
    shipping.start();
    shipping.wait_until_shipped();
    shipping.assert_exactly_once(store.store);
}

#[test]
fn a_segment_that_the_store_rejects_is_quarantined_and_the_next_ones_are_shipped() {
    let (_directory, store) = store();
    let mut shipping = Shipping::to(store.store.listen);
    shipping.append(10);
    shipping.wait_until_shipped();
    let rows = vec![0xff; COLUMNS.len() + 100];
    let events = [EventEntry { filter_id: 1, row_len: rows.len() as u32 }];
    let record = EventRecord { site: "clinic", events: &events, rows: &rows };
    let ack = shipping.spool.append(record, Durability::Synced).unwrap();
    shipping.runtime.block_on(ack).unwrap();
    let inventory = || inspect(&shipping.directory.path().join("spool")).unwrap();
    eventually("the segment is quarantined", PATIENCE, || !inventory().quarantined.is_empty());
    let quarantined = inventory().quarantined.remove(0);
    assert!(
        quarantined.reason.contains("rejects") && quarantined.reason.contains("Code: "),
        "{}",
        quarantined.reason
    );
    assert_eq!(quarantined.events, Some(1));
    shipping.append(10);
    shipping.wait_until_shipped();
    shipping.assert_exactly_once(store.store);
    assert!(shipping.reconcile().unreadable.is_empty());
}

#[test]
fn a_stopping_collector_ships_what_is_sealed() {
    let (_directory, store) = store();
    let mut shipping = Shipping::to(store.store.listen);
    shipping.append(20);
    shipping.spool.close();
    let (stop, shipper) = shipping.running.take().unwrap();
    stop.send(()).unwrap();
    shipping.runtime.block_on(shipper).unwrap();
    shipping.assert_exactly_once(store.store);
}

/// A proxy before the store, which loses answers while `lose` is set.
struct Proxy {
    listen: SocketAddr,
    lose: Arc<AtomicBool>,
    lost: Arc<AtomicU32>,
}

impl Proxy {
    fn before(store: SocketAddr) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let proxy =
            Self { listen: listener.local_addr().unwrap(), lose: Arc::default(), lost: Arc::default() };
        let (lose, lost) = (proxy.lose.clone(), proxy.lost.clone());
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect(store) else { continue };
                let (from, to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                std::thread::spawn(move || copy(from, to, || false));
                let (lose, lost) = (lose.clone(), lost.clone());
                std::thread::spawn(move || {
                    copy(server, client, || {
                        let loses = lose.load(Ordering::SeqCst);
                        lost.fetch_add(u32::from(loses), Ordering::SeqCst);
                        loses
                    });
                });
            }
        });
        proxy
    }
}

/// Copies until the end of `from`, or until `cut` says so for the next bytes.
pub(crate) fn copy(mut from: TcpStream, mut to: TcpStream, cut: impl Fn() -> bool) {
    let mut buffer = vec![0; 64 << 10];
    loop {
        match from.read(&mut buffer) {
            Ok(read) if read > 0 && !cut() => {
                if to.write_all(&buffer[..read]).is_err() {
                    break;
                }
            }
            _ => break,
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}
