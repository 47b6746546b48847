//! Bursts and backlogs: far more beacons than there is room for, and a spool that has grown while the store was away.
//!
//! Nothing here has a limit on time: what it took is printed, and what must hold is that nothing acknowledged is lost or
//! stored twice, that memory stays bounded, and that beacons are taken again.

use std::time::{Duration, Instant};

use fastrand::Rng;

use crate::common::process;
use crate::common::{Collector, StoreProcess, eventually, good_beacon, seed};
use crate::faults::{CATCH_UP, MEMORY_MAX, settle};
use crate::load::{Ledger, Plan, RETRY_PAUSE, Running};

/// How long the burst goes on once the spool is full, at least.
const OVERFULL: Duration = Duration::from_secs(8);
/// Beacons that are offered for each that there is room for.
const TIMES: u64 = 5;

/// Beacons that were answered with a status so far, by the collector's own count.
fn answered(collector: &Collector, status: u16) -> u64 {
    let line = format!("footfall_requests_total{{route=\"beacon\",status=\"{status}\"}} ");
    let metrics = collector.metrics();
    metrics.lines().find_map(|text| text.strip_prefix(&line)?.parse().ok()).unwrap_or(0)
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
    let plan = Plan {
        target: collector.listen,
        connections: 256,
        events: 10,
        site: "clinic".to_owned(),
        seed,
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
