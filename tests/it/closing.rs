//! The closing of a day broken off after each of its steps: done again, the outcome is that of one that was not.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use footfall::config::StoreConfig as Settings;
use footfall::event::{EventRow, UnixDay, UnixMillis};
use footfall::secret::Secret;
use footfall::spool::{Durability, EventRecord};
use footfall::store::Client;
use footfall::store::days::Materialiser;
use jiff::civil::Time;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use crate::ship::{Shipping, copy, store};

/// Events of a day, each once.
const EVENTS: u64 = 8;
/// Of these, how many were shipped a second time.
const SHIPPED_AGAIN: u64 = 3;

#[test]
fn a_closing_that_is_broken_off_after_any_step_and_done_again_leaves_each_event_and_the_books_right() {
    let (_directory, store) = store();
    let mut shipping = Shipping::to(store.store.listen);
    let proxy = Proxy::before(store.store.listen);
    let now = Timestamp::now();
    let today = now.to_zoned(TimeZone::UTC).start_of_day().unwrap();
    for answers in 0.. {
        // Each round has a day of its own, the one before the last round's.
        let midnight = today.checked_sub((3 + answers).days()).unwrap();
        let day = midnight.date().to_string();
        fill(&mut shipping, midnight.timestamp().as_millisecond());
        store_doubles(&store, "page_load IN (1, 2, 3) AND toDate(received) = ", &day);
        proxy.answers.store(answers, Ordering::SeqCst);
        let broken = close(&shipping, proxy.listen, now);
        if broken {
            // Its lease runs out.
            store.store.query("INSERT INTO settings SELECT 'materialiser', '', now64(3)").unwrap();
            assert!(!close(&shipping, store.store.listen, now), "after {answers} answers");
        }
        let told = |sql: &str| store.store.rows(&sql.replace("DAY", &format!("toDate('{day}')")));
        let events =
            told("SELECT count(), uniqExact(page_load, seq) FROM events WHERE toDate(received) = DAY");
        assert_eq!(events, [format!("{EVENTS}\t{EVENTS}")], "after {answers} answers");
        let earliest = told(
            "SELECT count() FROM events WHERE received >= DAY + INTERVAL 13 HOUR AND toDate(received) = DAY",
        );
        assert_eq!(earliest, ["0"], "the earliest stays, after {answers} answers");
        let copies = told("SELECT sum(events) FROM books WHERE entry = 'copy' AND day = DAY");
        assert_eq!(copies, [SHIPPED_AGAIN.to_string()], "after {answers} answers");
        let visits = told("SELECT sum(events) FROM visits_closed WHERE day = DAY");
        assert_eq!(visits, [EVENTS.to_string()], "after {answers} answers");
        let closed = told("SELECT events FROM days FINAL WHERE day = DAY");
        assert_eq!(closed, [EVENTS.to_string()], "after {answers} answers");
        assert_eq!(told("SELECT count() FROM system.tables WHERE name LIKE '%stage%'"), ["0"]);
        let balance = shipping.balance();
        let proven = balance.lines.values().all(|line| line.proven);
        assert!(balance.balances() && proven, "after {answers} answers: {:?}", balance.findings);
        if !broken {
            assert!(answers > 20, "closing a day takes more steps than that");
            return;
        }
    }
}

/// Ships the events of a day: page loads 1 to 4, of two events each; 1 at midnight. Of 3 and 4 some come again, an hour later.
fn fill(shipping: &mut Shipping, midnight: i64) {
    let hour = 3_600_000;
    let of_day = u64::try_from(midnight).unwrap() << 3;
    for (page_load, seqs, received) in [
        (1, &[0, 1][..], midnight),
        (2, &[0, 1], midnight + 12 * hour),
        (3, &[0, 1], midnight + 12 * hour),
        (4, &[0, 1], midnight + 12 * hour),
        (3, &[0, 1], midnight + 13 * hour),
        (4, &[1], midnight + 13 * hour),
    ] {
        let mut rows = Vec::new();
        for &seq in seqs {
            let time = UnixMillis(received);
            let row = EventRow {
                page_load: of_day + page_load,
                seq,
                time,
                received: time,
                expires: UnixDay(u16::MAX),
                site: "clinic",
                visitor: page_load,
                ..EventRow::default()
            };
            row.encode(&mut rows);
        }
        let record = EventRecord { site: "clinic", page_load: of_day + page_load, seqs, rows: &rows };
        let ack = shipping.spool.append(record, Durability::Synced).unwrap();
        shipping.runtime.block_on(ack).unwrap();
    }
    shipping.wait_until_shipped();
}

/// Has the store hold events twice of its own, as one does that forgot an insert's token.
fn store_doubles(store: &crate::common::StoreProcess, which: &str, day: &str) {
    let which = which.replace("page_load", "page_load % 8");
    let sql = format!(
        "INSERT INTO events SELECT * FROM events WHERE {which} '{day}' SETTINGS insert_deduplicate = 0"
    );
    store.store.query(&sql).unwrap();
    // ClickHouse takes a tenth of a second for each part that a deletion touches.
    store.store.query("OPTIMIZE TABLE events FINAL").unwrap();
}

/// Closes what is due through the store at an address; whether that was broken off.
fn close(shipping: &Shipping, listen: SocketAddr, now: Timestamp) -> bool {
    let client = Client::new(&Settings::Server {
        url: format!("http://{listen}"),
        database: "footfall".into(),
        user: "admin".into(),
        password: Secret::new(String::new()),
        cluster: None,
    });
    let closer = Materialiser::new(client, TimeZone::UTC, Time::midnight()).unwrap();
    shipping.runtime.block_on(closer.close_due(now)).is_err()
}

/// Stands between who closes and the store: lets some answers through, then none and no further request, as for one that is killed
/// after a step.
struct Proxy {
    listen: SocketAddr,
    answers: Arc<AtomicI64>,
}

impl Proxy {
    fn before(store: SocketAddr) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let proxy = Self { listen: listener.local_addr().unwrap(), answers: Arc::default() };
        let answers = proxy.answers.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if answers.load(Ordering::SeqCst) < 0 {
                    continue;
                }
                let Ok(server) = TcpStream::connect(store) else { continue };
                let (from, to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                let asked = Arc::new(AtomicBool::new(false));
                let (asks, answers) = (asked.clone(), answers.clone());
                std::thread::spawn(move || {
                    copy(from, to, || {
                        asks.store(true, Ordering::SeqCst);
                        false
                    });
                });
                std::thread::spawn(move || {
                    copy(server, client, || {
                        asked.swap(false, Ordering::SeqCst) && answers.fetch_sub(1, Ordering::SeqCst) <= 0
                    });
                });
            }
        });
        proxy
    }
}
