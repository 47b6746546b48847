//! Bursts and backlogs: far more beacons than there is room for, and a spool that has grown while the store was away.
//!
//! Nothing here has a limit on time: what it took is printed, and what must hold is that nothing acknowledged is lost or
//! stored twice, that memory stays bounded, and that beacons are taken again.

use std::path::Path;
use std::time::{Duration, Instant};

use fastrand::Rng;
use footfall::config::SpoolLimits;
use footfall::event::{Day, Milliseconds, Row};
use footfall::spool::{Durability, Frame, Spool};

use crate::common::process;
use crate::common::{Collector, StoreProcess, eventually, good_beacon, seed};
use crate::faults::{CATCH_UP, MEMORY_MAX, settle};
use crate::load::{Ledger, Outcome, Plan, RETRY_PAUSE, Running};

/// How long the burst goes on once the spool is full, at least.
const OVERFULL: Duration = Duration::from_secs(8);
/// Beacons that are offered for each that there is room for.
const TIMES: u64 = 5;

/// What waits in a spool after a long outage, in bytes; less than there may be, since a debug build has to make and ship it.
const BACKLOG: usize = 150 << 20;
/// Events of each beacon in it.
const SEQS: [u32; 10] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];

/// A metric of the collector, once it has one of that name and labels.
fn metric(collector: &Collector, name: &str) -> Option<f64> {
    collector.metrics().lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
}

/// Beacons that were answered with a status so far, by the collector's own count.
fn answered(collector: &Collector, status: u16) -> u64 {
    let name = format!("footfall_requests_total{{route=\"beacon\",status=\"{status}\"}}");
    metric(collector, &name).unwrap_or(0.0) as u64
}

/// Sends a beacon again and again until it is taken; says how often it was sent.
fn insist(collector: &Collector, page_load: u64) -> u32 {
    let body = good_beacon("clinic", page_load, 0, "/back");
    let mut sent = 0;
    eventually("a beacon is taken", CATCH_UP, || {
        sent += 1;
        collector.beacon(&body).is_ok_and(|answer| answer.status == 204)
    });
    sent
}

#[test]
fn a_burst_of_five_times_what_there_is_room_for_loses_nothing_takes_no_memory_and_ends_when_the_store_is_back()
 {
    let seed = seed();
    let mut rng = Rng::with_seed(seed);
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let mut store = StoreProcess::new(&directory.path().join("store"));
    let limits = "[spool]\nmax_bytes = \"64 MiB\"\nseal_bytes = \"4 MiB\"\nseal_after = \"1s\"\n";
    store.start();
    let mut collector = Collector::shipping_to(store.store, limits);
    collector.start();
    let before = rng.u64(..);
    insist(&collector, before);
    collector.wait_for_events(1, CATCH_UP);
    store.kill();
    // The same seed would make the load draw the page loads that are drawn here.
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
    eventually("the spool is full", CATCH_UP, || answered(&collector, 503) > 0);
    let full = Instant::now();
    let room = answered(&collector, 204);
    let offered = || answered(&collector, 204) + answered(&collector, 503);
    eventually("the burst is as large as it should be", CATCH_UP, || {
        full.elapsed() >= OVERFULL && offered() >= TIMES * room
    });
    let (at_return, refused) = (answered(&collector, 204), answered(&collector, 503));
    assert!(at_return < room + room / 4, "the spool took {at_return} beacons and was full after {room}");

    store.start();
    let back = Instant::now();
    let first = rng.u64(..);
    let tries = insist(&collector, first);
    let waited = back.elapsed();
    // The burst goes on into the drain.
    std::thread::sleep(Duration::from_secs(2));
    let (outcome, mut ledger) = load.stop();
    for page_load in [before, first] {
        ledger.note(page_load, 0, 1).expect("the ledger can be written");
    }
    let most = process::peak_memory(collector.pid()).expect("the collector runs");
    println!(
        "room for {room} beacons of 10 events; {refused} answers of 503 while it was full, {} times the room offered; \
         {} taken in the end; 204 again {:.2} s after the store answered (try {tries}); memory at most {} MiB",
        (at_return + refused) / room,
        outcome.taken,
        waited.as_secs_f64(),
        most >> 20
    );
    assert_eq!((outcome.broken, outcome.refused.keys().copied().collect()), (0, vec![503]), "{outcome:?}");
    assert!(most < MEMORY_MAX, "the collector took {} MiB", most >> 20);
    settle(&collector, ledger, &mut rng);
}

/// Fills a spool with what an outage leaves, and notes every event.
fn fill(directory: &Path, ledger: &mut Ledger, rng: &mut Rng) {
    let limits = SpoolLimits {
        seal_rows: 100_000,
        seal_bytes: 32 << 20,
        seal_after: Duration::from_secs(2),
        max_bytes: 1 << 30,
        reserve: None,
    };
    let (spool, _) = Spool::open(directory, &limits).expect("a spool can be made");
    let now = Milliseconds(jiff::Timestamp::now().as_millisecond());
    let (mut rows, mut written) = (Vec::new(), 0);
    while written < BACKLOG {
        rows.clear();
        let page_load = rng.u64(..);
        for seq in SEQS {
            Row {
                page_load,
                seq,
                time: now,
                received: now,
                expires: Day(u16::MAX),
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
                ..Row::default()
            }
            .encode(&mut rows);
        }
        written += rows.len();
        let frame = Frame { site: "clinic", page_load, seqs: &SEQS, rows: &rows };
        // Full in memory means that the disk is behind.
        while spool.append(frame, Durability::Buffered).is_err() {
            std::thread::sleep(Duration::from_millis(1));
        }
        ledger.note(page_load, 0, SEQS.len() as u32).expect("the ledger can be written");
    }
    spool.close();
}

/// Prints what a load met, and fails unless every beacon of it was answered 204.
fn tell(when: &str, outcome: &Outcome) {
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
fn a_collector_with_a_large_spool_takes_beacons_from_the_start_and_all_through_the_drain() {
    let seed = seed();
    let mut rng = Rng::with_seed(seed);
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let mut store = StoreProcess::new(&directory.path().join("store"));
    store.start();
    let mut collector = Collector::shipping_to(store.store, "");
    let migrated = collector.command(&["migrate"]);
    assert!(migrated.status.success(), "{}", String::from_utf8_lossy(&migrated.stderr));
    let mut ledger = Ledger::default();
    fill(&collector.data().join("spool"), &mut ledger, &mut rng);
    let backlog = ledger.len();

    let began = Instant::now();
    collector.spawn();
    let first = rng.u64(..);
    let body = good_beacon("clinic", first, 0, "/first");
    while !collector.beacon(&body).is_ok_and(|answer| answer.status == 204) {
        assert!(began.elapsed() < CATCH_UP, "no beacon is taken:\n{}", collector.log());
        std::thread::sleep(Duration::from_millis(2));
    }
    println!("{} MiB in the spool: the first 204 after {:?}", BACKLOG >> 20, began.elapsed());
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
    eventually("the backlog is stored", CATCH_UP, || shipped() >= backlog as f64 && waiting() <= 1.0);
    let drained = began.elapsed();
    let (outcome, ledger) = load.stop();
    tell("while it drained", &outcome);
    println!("{backlog} events drained in {drained:?} from the start");
    let load = Running::start(Plan { seed: (!seed).wrapping_add(1), ..plan }, ledger);
    std::thread::sleep(Duration::from_secs(5));
    let (outcome, ledger) = load.stop();
    tell("afterwards", &outcome);
    settle(&collector, ledger, &mut rng);
}
