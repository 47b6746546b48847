//! Bursts and backlogs: more beacons than the spool has room for, and a spool that filled up while the store was down.
//!
//! Acknowledged events must be stored exactly once, memory must stay bounded, and beacons must be accepted again.
//! Durations are only printed.

use std::path::Path;
use std::time::{Duration, Instant};

use fastrand::Rng;
use footfall::config::SpoolLimits;
use footfall::event::{EventRow, UnixDay, UnixSeconds};
use footfall::spool::{Durability, EventEntry, EventRecord, Spool};

use crate::common::process;
use crate::common::pseudonyms::event_identity;
use crate::common::{
    Collector, StoreProcess, allowed, eventually, eventually_while_progressing, good_beacon, seed,
};
use crate::durability::faults::{CATCH_UP, settle, settle_with};
use crate::load::{Ledger, Outcome, Plan, RETRY_PAUSE, Running};

/// The burst continues for at least this time after the spool is full.
const OVERLOAD_TIME: Duration = Duration::from_secs(8);
/// The burst offers this many times the beacons for which the spool has room.
const OVERLOAD_FACTOR: u64 = 5;

/// Bytes in the spool after a long outage: three whole segments. More would only keep a debug build busy for longer.
const BACKLOG: usize = 96 << 20;
/// Numbers of the events of each beacon in the backlog.
const SEQS: [u32; 10] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];

/// The value of a metric, or `None` before the collector has reported it.
fn metric(collector: &Collector, name: &str) -> Option<f64> {
    collector.metrics().lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
}

fn answered(collector: &Collector, status: u16) -> u64 {
    let name = format!("footfall_requests_total{{route=\"beacon\",status=\"{status}\"}}");
    metric(collector, &name).unwrap_or(0.0) as u64
}

/// Sends a beacon until it is accepted. Returns the number of attempts.
fn send_until_accepted(collector: &Collector, page_load: u64) -> u32 {
    let body = good_beacon("clinic", page_load, 0, "/back");
    let mut sent = 0;
    eventually("a beacon is accepted", CATCH_UP, || {
        sent += 1;
        collector.beacon(&body).is_ok_and(|answer| answer.status == 204)
    });
    sent
}

#[test]
fn a_burst_beyond_the_spool_s_limit_loses_nothing_and_stays_within_memory() {
    let seed = seed();
    let mut rng = Rng::with_seed(seed);
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let mut store = StoreProcess::new(&directory.path().join("store"));
    let limits = "[spool]\nmax_bytes = \"64 MiB\"\nseal_bytes = \"4 MiB\"\nseal_after = \"1s\"\n";
    store.start();
    let mut collector = Collector::shipping_to(store.store, limits);
    collector.start();
    let before = rng.u64(..);
    send_until_accepted(&collector, before);
    collector.wait_for_events(1, CATCH_UP);
    store.kill();
    // With the same seed, the load would use the same page loads as this test.
    let plan = Plan {
        target: collector.listen,
        connections: 256,
        events: 10,
        site: "clinic".to_owned(),
        seed: !seed,
        rate: None,
        longest_pause: RETRY_PAUSE,
    };
    let load = Running::start(plan, Ledger::default());
    eventually_while_progressing("the spool is full", CATCH_UP, || {
        (answered(&collector, 503) == 0).then(|| answered(&collector, 204))
    });
    let full_since = Instant::now();
    let room = answered(&collector, 204);
    let offered = || answered(&collector, 204) + answered(&collector, 503);
    eventually_while_progressing("the burst is large enough", CATCH_UP, || {
        let offered = offered();
        let is_enough = full_since.elapsed() >= OVERLOAD_TIME && offered >= OVERLOAD_FACTOR * room;
        (!is_enough).then_some(offered)
    });
    let (at_return, refused) = (answered(&collector, 204), answered(&collector, 503));
    assert!(
        at_return < room + room / 4,
        "the spool accepted {at_return} beacons though it was full after {room}"
    );

    store.start();
    let store_started = Instant::now();
    let first = rng.u64(..);
    let attempts = send_until_accepted(&collector, first);
    let waited = store_started.elapsed();
    // The burst continues while the spool drains.
    std::thread::sleep(Duration::from_secs(2));
    let (outcome, mut ledger) = load.stop();
    for page_load in [before, first] {
        ledger.note(page_load, 0, 1).expect("the ledger can be written");
    }
    let peak = process::peak_memory(collector.pid()).expect("the collector runs");
    println!(
        "room for {room} beacons of 10 events; {refused} answers of 503 while it was full, {} times the room offered; \
         {} accepted in the end; 204 again {:.2} s after the store answered (attempt {attempts}); peak memory {} MiB",
        (at_return + refused) / room,
        outcome.taken,
        waited.as_secs_f64(),
        peak >> 20
    );
    assert_eq!((outcome.broken, outcome.refused.keys().copied().collect()), (0, vec![503]), "{outcome:?}");
    assert!(peak < process::COLLECTOR_MEMORY_MAX, "the collector used {} MiB", peak >> 20);
    settle(&collector, ledger, &mut rng);
}

/// Fills a spool with [`BACKLOG`] bytes of events and notes each event in the ledger.
fn fill_spool(directory: &Path, ledger: &mut Ledger, rng: &mut Rng) {
    let limits = SpoolLimits {
        seal_rows: 100_000,
        seal_bytes: 32 << 20,
        seal_after: Duration::from_secs(2),
        max_bytes: 1 << 30,
        reserve: None,
    };
    let (spool, _) = Spool::open(directory, &limits).expect("a spool can be made");
    let now = UnixSeconds::from_millis(jiff::Timestamp::now().as_millisecond());
    let (mut rows, mut events, mut written) = (Vec::new(), Vec::new(), 0);
    while written < BACKLOG {
        rows.clear();
        events.clear();
        let page_load = rng.u64(..);
        for seq in SEQS {
            let start = rows.len();
            EventRow {
                page_load,
                seq,
                time: now,
                received: now,
                expires: UnixDay(u16::MAX),
                site: "clinic",
                host: "clinic.example",
                path: "/doctors/cardiology",
                visitor: page_load,
                browser: "Chrome",
                os: "Windows",
                language: "ru-RU",
                timezone: "Europe/Moscow",
                referrer_host: "yandex.ru",
                source: "Yandex",
                channel: "Organic Search",
                ..EventRow::default()
            }
            .encode(&mut rows);
            let row_len = (rows.len() - start) as u32;
            events.push(EventEntry { filter_id: event_identity(page_load, seq), row_len });
        }
        written += rows.len();
        let record = EventRecord { site: "clinic", events: &events, rows: &rows };
        // An append fails while the disk is slower than this loop and the buffer is full.
        while spool.append(record, Durability::Buffered).is_err() {
            std::thread::sleep(Duration::from_millis(1));
        }
        ledger.note(page_load, 0, SEQS.len() as u32).expect("the ledger can be written");
    }
    spool.close();
}

/// Prints a load's outcome. Fails unless each of its beacons was answered with 204.
fn assert_all_accepted(when: &str, outcome: &Outcome) {
    let ms = |quantile| outcome.latency.quantile(quantile).as_secs_f64() * 1e3;
    println!(
        "{when}: {} beacons in {:.1} s, p50 {:.2} ms, p99 {:.2} ms",
        outcome.taken,
        outcome.elapsed.as_secs_f64(),
        ms(0.5),
        ms(0.99)
    );
    assert_eq!((outcome.broken, outcome.refused.len()), (0, 0), "{when}: {outcome:?}");
}

#[test]
fn a_collector_with_a_large_spool_accepts_beacons_from_its_start_and_while_it_drains() {
    let seed = seed();
    let mut rng = Rng::with_seed(seed);
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let mut store = StoreProcess::new(&directory.path().join("store"));
    store.start();
    let mut collector = Collector::shipping_to(store.store, "");
    let migrated = collector.command(&["migrate"]);
    assert!(migrated.status.success(), "{}", String::from_utf8_lossy(&migrated.stderr));
    let mut ledger = Ledger::default();
    fill_spool(&collector.data().join("spool"), &mut ledger, &mut rng);
    let backlog = ledger.len();

    let started = Instant::now();
    collector.spawn();
    let first = rng.u64(..);
    let body = good_beacon("clinic", first, 0, "/first");
    while !collector.beacon(&body).is_ok_and(|answer| answer.status == 204) {
        assert!(started.elapsed() < allowed(CATCH_UP), "no beacon is accepted:\n{}", collector.log());
        std::thread::sleep(Duration::from_millis(2));
    }
    println!("{} MiB in the spool: the first 204 after {:?}", BACKLOG >> 20, started.elapsed());
    ledger.note(first, 0, 1).expect("the ledger can be written");

    let plan = Plan {
        target: collector.listen,
        connections: 16,
        events: 3,
        site: "clinic".to_owned(),
        seed: !seed,
        rate: Some(200),
        longest_pause: RETRY_PAUSE,
    };
    let load = Running::start(plan.clone(), ledger);
    let waiting = || metric(&collector, "footfall_spool_segments").unwrap_or(f64::MAX);
    let shipped = || metric(&collector, "footfall_shipped_rows_total").unwrap_or(0.0);
    eventually_while_progressing("the backlog is stored", CATCH_UP, || {
        let shipped = shipped();
        (shipped < backlog as f64 || waiting() > 1.0).then_some(shipped)
    });
    let drained = started.elapsed();
    let (outcome, ledger) = load.stop();
    assert_all_accepted("while it drained", &outcome);
    println!("{backlog} events drained in {drained:?} from the start");
    let load = Running::start(Plan { seed: (!seed).wrapping_add(1), ..plan }, ledger);
    std::thread::sleep(Duration::from_secs(5));
    let (outcome, ledger) = load.stop();
    assert_all_accepted("afterwards", &outcome);
    settle_with(&collector, ledger, &mut rng, |page_load, seq| vec![event_identity(page_load, seq)]);
}
