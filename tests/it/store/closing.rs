//! Closing a day is interrupted after each of its steps and repeated. The result must be the same as without an interruption.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use footfall::event::{EventRow, UnixDay, UnixSeconds};
use footfall::spool::{Durability, EventEntry, EventRecord};
use footfall::store::Client;
use footfall::store::days::{CloseDayError, Closed, DayCloser, OpenDays};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use crate::common::with_causes;
use crate::store::ship::{Shipping, client, copy, store};

/// Events of a day, each once.
const EVENTS: u64 = 8;
/// How many of these were shipped a second time.
const SHIPPED_AGAIN: u64 = 3;

#[test]
fn a_closing_that_is_interrupted_after_any_step_and_repeated_keeps_each_event_and_the_counts_right() {
    let (_directory, store) = store();
    let mut shipping = Shipping::to(store.store.listen);
    let proxy = Proxy::before(store.store.listen);
    let now = Timestamp::now();
    let today = now.to_zoned(TimeZone::UTC).start_of_day().unwrap();
    for answers in 0.. {
        // Each round has its own day, which is the day before that of the last round.
        let midnight = today.checked_sub((3 + answers).days()).unwrap();
        let day = midnight.date().to_string();
        fill(&mut shipping, midnight.timestamp().as_millisecond());
        duplicate_in_store(&store, "page_load IN (1, 2, 3) AND toDate(received) = ", &day);
        proxy.answers.store(answers, Ordering::SeqCst);
        let is_interrupted = close(&shipping, proxy.listen, now);
        if is_interrupted {
            // As if its lease had run out.
            store.store.query("INSERT INTO settings SELECT 'day_closer', '', now64(3)").unwrap();
            assert!(!close(&shipping, store.store.listen, now), "after {answers} answers");
        }
        let rows = |sql: &str| store.store.rows(&sql.replace("DAY", &format!("toDate('{day}')")));
        let events = rows("SELECT count(), uniqExact(event_id) FROM events WHERE toDate(received) = DAY");
        assert_eq!(events, [format!("{EVENTS}\t{EVENTS}")], "after {answers} answers");
        let earliest = rows(
            "SELECT count() FROM events WHERE received >= DAY + INTERVAL 13 HOUR AND toDate(received) = DAY",
        );
        assert_eq!(earliest, ["0"], "the earliest stays, after {answers} answers");
        let copies =
            rows("SELECT count() FROM removed_events FINAL WHERE reason = 'duplicate' AND day = DAY");
        assert_eq!(copies, [SHIPPED_AGAIN.to_string()], "after {answers} answers");
        let visits = rows("SELECT sum(events) FROM visits WHERE day = DAY");
        assert_eq!(visits, [EVENTS.to_string()], "after {answers} answers");
        let daily = rows("SELECT sum(events) FROM daily WHERE day = DAY AND dimension = 'total'");
        assert_eq!(daily, [EVENTS.to_string()], "after {answers} answers");
        let closed = rows("SELECT events FROM days FINAL WHERE day = DAY");
        assert_eq!(closed, [EVENTS.to_string()], "after {answers} answers");
        let reconciliation = shipping.reconcile();
        assert!(
            reconciliation.is_reconciled(),
            "after {answers} answers: {:?}",
            reconciliation.discrepancies
        );
        if !is_interrupted {
            assert!(answers > 20, "closing a day takes more steps than that");
            return;
        }
    }
}

#[test]
fn a_collector_whose_tables_a_newer_version_has_migrated_goes_on_shipping_and_computes_no_day() {
    let (_directory, store) = store();
    let mut shipping = Shipping::to(store.store.listen);
    let now = Timestamp::now();
    let today = now.to_zoned(TimeZone::UTC).start_of_day().unwrap();
    let over = today.checked_sub(3.days()).unwrap();
    store.store.query("INSERT INTO migrations SELECT '9999_later', 'feed', now64(3)").unwrap();
    fill(&mut shipping, over.timestamp().as_millisecond());
    shipping.append(1);
    shipping.wait_until_shipped();
    let client = client(store.store.listen);
    let computed = |shipping: &Shipping| {
        let open_days = OpenDays::new(client.clone(), TimeZone::UTC).unwrap();
        let open = shipping.runtime.block_on(open_days.compute(now)).map(|_| ());
        [close_with(shipping, client.clone(), now).map(|_| ()), open]
    };
    for error in computed(&shipping).map(Result::unwrap_err) {
        let error = error.to_string();
        assert!(error.contains("newer version of Footfall: 9999_later.sql"), "{error}");
    }
    assert_eq!(store.store.number("SELECT count() FROM days"), 0);

    store.store.query("DELETE FROM migrations WHERE name = '9999_later'").unwrap();
    for result in computed(&shipping) {
        result.unwrap();
    }
    assert!(store.store.number("SELECT count() FROM days WHERE is_closed") > 0);
}

#[test]
fn a_node_that_is_suspended_is_named_and_given_up_and_the_day_is_closed_when_it_answers_again() {
    let (_directory, store) = store();
    let mut shipping = Shipping::to(store.store.listen);
    let now = Timestamp::now();
    let today = now.to_zoned(TimeZone::UTC).start_of_day().unwrap();
    fill(&mut shipping, today.checked_sub(3.days()).unwrap().timestamp().as_millisecond());
    let client = client(store.store.listen);
    let impatient = client.clone().with_longest_silence(Duration::from_secs(1));
    store.freeze();
    // Nobody asks one server whether it is up before, so the first statement meets the suspended process.
    let error = close_with(&shipping, impatient.clone(), now).unwrap_err();
    let open_days = OpenDays::new(impatient, TimeZone::UTC).unwrap();
    let error_of_open_day = shipping.runtime.block_on(open_days.compute(now)).unwrap_err();
    store.thaw();
    for error in [error, error_of_open_day].map(|error| with_causes(&error)) {
        let named = format!("http://{} has not answered for", store.store.listen);
        assert!(error.contains(&named), "{error}");
    }
    assert_eq!(close_with(&shipping, client, now).unwrap().days.len(), 1);
    assert_eq!(store.store.number("SELECT sum(events) FROM visits"), EVENTS);
}

#[test]
fn a_closed_day_whose_visits_or_figures_are_lost_is_computed_again() {
    let (_directory, store) = store();
    let mut shipping = Shipping::to(store.store.listen);
    let now = Timestamp::now();
    let midnight = now.to_zoned(TimeZone::UTC).start_of_day().unwrap().checked_sub(3.days()).unwrap();
    fill(&mut shipping, midnight.timestamp().as_millisecond());
    let closer = || DayCloser::new(client(store.store.listen), TimeZone::UTC).unwrap();
    let close = |closer: &DayCloser| shipping.runtime.block_on(closer.close_due(now)).unwrap().days;
    let running = closer();
    assert_eq!(close(&running), [midnight.date()]);
    assert!(close(&running).is_empty());
    // As on a replica whose sibling was lost before it had these rows fetched.
    for table in ["visits_stored", "daily_stored"] {
        let lost = format!("ALTER TABLE {table} DROP PARTITION ({}, 0)", midnight.strftime("%Y%m"));
        store.store.query(&lost).unwrap();
        assert!(close(&running).is_empty(), "the same replica is asked once an hour");
        assert_eq!(close(&closer()), [midnight.date()], "another collector finds it at once: {table}");
        assert_eq!(store.store.number("SELECT sum(events) FROM visits"), EVENTS);
        let daily = "SELECT sum(events) FROM daily WHERE dimension = 'total'";
        assert_eq!(store.store.number(daily), EVENTS);
    }
    assert!(close(&closer()).is_empty());
}

#[test]
fn an_open_day_whose_visits_are_lost_is_computed_again() {
    let (_directory, store) = store();
    let mut shipping = Shipping::to(store.store.listen);
    shipping.append(1);
    shipping.wait_until_shipped();
    let open_days = OpenDays::new(client(store.store.listen), TimeZone::UTC).unwrap();
    let now = Timestamp::now();
    let compute = || shipping.runtime.block_on(open_days.compute(now)).unwrap().len();
    assert_eq!((compute(), compute()), (1, 0));
    let events = "SELECT sum(events) FROM visits";
    let before = store.store.number(events);
    let generation = store.store.number("SELECT max(generation) FROM days");
    let month = store.store.number("SELECT toYYYYMM(max(day)) FROM days");
    store.store.query(&format!("ALTER TABLE visits_stored DROP PARTITION ({month}, {generation})")).unwrap();
    assert_eq!(store.store.number(events), 0);
    assert_eq!((compute(), compute()), (1, 0));
    assert_eq!(store.store.number(events), before);
}

/// Ships the events of a day: page loads 1 to 4 with two events each. Page load 1 is at midnight. Some events of 3 and 4 are shipped
/// again, an hour later.
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
        let (mut rows, mut events) = (Vec::new(), Vec::new());
        for &seq in seqs {
            let time = UnixSeconds::from_millis(received);
            let (start, event_id) = (rows.len(), (of_day + page_load) << 1 | seq);
            let row = EventRow {
                seq: seq as u32,
                page_load: of_day + page_load,
                time,
                received: time,
                expires: UnixDay(u16::MAX),
                site: "clinic",
                visitor: page_load,
                ..EventRow::default()
            };
            row.encode(&mut rows);
            events.push(EventEntry { filter_id: event_id, row_len: (rows.len() - start) as u32 });
        }
        let record = EventRecord { site: "clinic", events: &events, rows: &rows };
        let ack = shipping.spool.append(record, Durability::Synced).unwrap();
        shipping.runtime.block_on(ack).unwrap();
    }
    shipping.wait_until_shipped();
}

/// Inserts events again inside the store, as a store does that forgot a token.
fn duplicate_in_store(store: &crate::common::StoreProcess, which: &str, day: &str) {
    let which = which.replace("page_load", "page_load % 8");
    let sql = format!(
        "INSERT INTO events SELECT * FROM events WHERE {which} '{day}' SETTINGS insert_deduplicate = 0"
    );
    store.store.query(&sql).unwrap();
    // A deletion takes ClickHouse a tenth of a second for each part, so there should be few.
    store.store.query("OPTIMIZE TABLE events FINAL").unwrap();
}

/// Closes the due days through the store at an address. Returns whether that was interrupted.
fn close(shipping: &Shipping, listen: SocketAddr, now: Timestamp) -> bool {
    close_with(shipping, client(listen), now).is_err()
}

fn close_with(shipping: &Shipping, client: Client, now: Timestamp) -> Result<Closed, CloseDayError> {
    let closer = DayCloser::new(client, TimeZone::UTC).unwrap();
    shipping.runtime.block_on(closer.close_due(now))
}

/// A proxy before the store. It lets some answers through, then no further answer and no request, as if the closing process were killed
/// after a step.
pub(crate) struct Proxy {
    pub(crate) listen: SocketAddr,
    pub(crate) answers: Arc<AtomicI64>,
}

impl Proxy {
    pub(crate) fn before(store: SocketAddr) -> Self {
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
