//! Faults: processes killed, stores gone, spools full, beacons sent twice. What was acknowledged is stored, once.
//!
//! The load generator keeps a ledger of every event that got a 204 and repeats a beacon, with the same numbers, until it
//! gets one. At the end the store must hold exactly what the ledger holds.

use std::path::Path;
use std::time::{Duration, Instant};

use fastrand::Rng;

use crate::common::process::{self, Signal};
use crate::common::{
    Collector, StoreProcess, eventually, eventually_while_progressing, good_beacon, page_load_id, seed,
};
use crate::load::{Ledger, Plan, RETRY_PAUSE, Running};

/// How long the store may take to catch up on a machine that is busy with other tests.
pub(crate) const CATCH_UP: Duration = Duration::from_secs(180);
/// Segments are sealed often, so that kills meet every stage of a segment's life.
const SEAL_OFTEN: &str = "[spool]\nseal_after = \"300ms\"\n";

/// A load of `events` events a beacon, `rate` beacons a second.
fn plan(collector: &Collector, seed: u64, events: u32, rate: u32) -> Plan {
    Plan {
        target: collector.listen,
        connections: 16,
        events,
        site: "clinic".to_owned(),
        seed,
        rate: Some(rate),
        longest_pause: RETRY_PAUSE,
    }
}

/// Waits until all that is spooled is stored, and compares the store with the ledger.
///
/// `other` gives the ids of events that did not come through the collector.
pub(crate) fn settle_with(
    collector: &Collector,
    mut ledger: Ledger,
    rng: &mut Rng,
    other: impl Fn(u64, u32) -> Vec<u64>,
) {
    // Segments are shipped in order: once this event is stored, so is everything that was acknowledged before it.
    let last = rng.u64(..);
    eventually("a last beacon is taken", CATCH_UP, || {
        collector.beacon(&good_beacon("clinic", last, 0, "/last")).is_ok_and(|answer| answer.status == 204)
    });
    ledger.note(last, 0, 1).expect("the ledger can be written");
    let key = collector.key();
    let arrived = format!("SELECT count() FROM events WHERE page_load = {}", key.page_load("clinic", last));
    eventually_while_progressing("the last event is stored", CATCH_UP, || {
        let is_stored = collector.store.query(&arrived).is_ok_and(|count| count.starts_with(b"1"));
        (!is_stored).then(|| collector.stored_events())
    });
    println!("{} events were acknowledged", ledger.len());
    let ids =
        |page_load, number| [key.event_ids("clinic", page_load, number), other(page_load, number)].concat();
    ledger.compare(collector.store.events(), ids).assert_none();
}

/// [`settle_with`] for events that all came through the collector.
pub(crate) fn settle(collector: &Collector, ledger: Ledger, rng: &mut Rng) {
    settle_with(collector, ledger, rng, |_, _| Vec::new());
}

#[test]
fn the_collector_is_killed_twenty_times_and_every_acknowledged_event_is_stored_once() {
    let seed = seed();
    let mut rng = Rng::with_seed(seed);
    let mut collector = Collector::new(SEAL_OFTEN);
    collector.start();
    let ledger = Ledger::kept_in(&collector.path("ledger")).expect("a ledger can be made");
    let load = Running::start(plan(&collector, seed, 3, 400), ledger);
    for _ in 0..20 {
        std::thread::sleep(Duration::from_millis(rng.u64(20..1_200)));
        collector.kill();
        collector.start();
    }
    let (outcome, ledger) = load.stop();
    println!("{} connections broke, {:?} were refused", outcome.broken, outcome.refused);
    assert!(outcome.broken >= 20, "the kills did not meet the load");
    settle(&collector, ledger, &mut rng);
}

#[test]
fn the_embedded_store_is_killed_ten_times_and_every_acknowledged_event_is_stored_once() {
    let seed = seed();
    let mut rng = Rng::with_seed(seed);
    let mut collector = Collector::new(SEAL_OFTEN);
    collector.start();
    let load = Running::start(plan(&collector, seed, 3, 400), Ledger::default());
    for kill in 0..10 {
        eventually("the store runs", Duration::from_secs(60), || collector.store_answers());
        std::thread::sleep(Duration::from_millis(rng.u64(20..1_500)));
        let pid = collector.store_pid().expect("the embedded store is a child of the collector");
        process::signal(pid, Signal::KILL);
        eventually(&format!("store {pid} is gone after kill {kill}"), Duration::from_secs(10), || {
            !process::is_running(pid)
        });
    }
    let (outcome, ledger) = load.stop();
    assert_eq!(
        (outcome.broken, outcome.refused.len()),
        (0, 0),
        "the collector suffered with its store: {outcome:?}"
    );
    settle(&collector, ledger, &mut rng);
}

#[test]
fn the_store_is_gone_for_a_minute_and_beacons_go_on_being_taken_in_bounded_memory() {
    let seed = seed();
    let mut rng = Rng::with_seed(seed);
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let mut store = StoreProcess::new(&directory.path().join("store"));
    store.start();
    let mut collector = Collector::shipping_to(store.store, SEAL_OFTEN);
    collector.start();
    let load = Running::start(plan(&collector, seed, 10, 400), Ledger::default());
    collector.wait_for_events(1_000, CATCH_UP);
    store.kill();
    let gone = Instant::now();
    let mut most = 0;
    while gone.elapsed() < Duration::from_secs(60) {
        most = most.max(collector.own_memory());
        std::thread::sleep(Duration::from_millis(250));
    }
    store.start();
    // Catching up must not take more memory than falling behind.
    for _ in 0..40 {
        most = most.max(collector.own_memory());
        std::thread::sleep(Duration::from_millis(250));
    }
    let (outcome, ledger) = load.stop();
    println!("{} beacons in {:?}, memory at most {} MiB", outcome.taken, outcome.elapsed, most >> 20);
    assert_eq!((outcome.broken, outcome.refused.len()), (0, 0), "beacons were refused: {outcome:?}");
    assert!(most < process::COLLECTOR_MEMORY_MAX, "the collector took {} MiB", most >> 20);
    settle(&collector, ledger, &mut rng);
}

#[test]
fn a_store_that_hangs_and_a_store_that_comes_late_lose_nothing() {
    let seed = seed();
    let mut rng = Rng::with_seed(seed);
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let mut store = StoreProcess::new(&directory.path().join("store"));
    let mut collector = Collector::shipping_to(store.store, SEAL_OFTEN);
    collector.spawn();
    let load = Running::start(plan(&collector, seed, 3, 300), Ledger::default());
    // Nothing listens yet: the collector must take beacons before it has ever seen its store.
    let first = rng.u64(..);
    eventually("a beacon is taken without a store", Duration::from_secs(30), || {
        collector.beacon(&good_beacon("clinic", first, 0, "/")).is_ok_and(|answer| answer.status == 204)
    });
    std::thread::sleep(Duration::from_secs(3));
    store.start();
    collector.wait_for_events(1_000, CATCH_UP);
    // Connections stay open and nothing answers, amid whatever insert is under way.
    store.freeze();
    std::thread::sleep(Duration::from_secs(15));
    store.thaw();
    std::thread::sleep(Duration::from_secs(2));
    let (outcome, mut ledger) = load.stop();
    assert!(outcome.refused.is_empty(), "beacons were refused: {:?}", outcome.refused);
    ledger.note(first, 0, 1).expect("the ledger can be written");
    settle(&collector, ledger, &mut rng);
}

#[test]
fn a_collector_that_is_asked_to_end_under_load_ends_well_and_loses_nothing() {
    let seed = seed();
    let mut rng = Rng::with_seed(seed);
    let mut collector = Collector::new(SEAL_OFTEN);
    collector.start();
    let load = Running::start(plan(&collector, seed, 3, 400), Ledger::default());
    for _ in 0..3 {
        std::thread::sleep(Duration::from_millis(rng.u64(200..1_500)));
        let status = collector.terminate();
        assert!(status.success(), "it ended with {status}:\n{}", collector.log());
        collector.start();
    }
    let (_, ledger) = load.stop();
    settle(&collector, ledger, &mut rng);
}

#[test]
fn a_beacon_that_is_sent_twice_is_stored_once_at_the_same_time_and_after_a_restart_too() {
    let mut rng = Rng::with_seed(seed());
    let mut collector = Collector::new("[spool]\nseal_after = \"2s\"\n");
    collector.start();
    let mut ledger = Ledger::default();
    let send = |collector: &Collector, page_load, first, count| {
        let answer = collector.beacon(&views(page_load, first, count)).expect("the collector answers");
        assert_eq!(answer.status, 204, "{}", answer.text());
        answer.header("x-footfall-dropped").unwrap_or_default().to_owned()
    };
    let duplicates = |count: u32| format!("duplicate={count}");

    let twice = rng.u64(..);
    assert_eq!(send(&collector, twice, 0, 3), "");
    assert!(send(&collector, twice, 0, 3).contains(&duplicates(3)), "a repeated beacon was not recognised");
    // Half of it is new: only that half is stored.
    assert!(
        send(&collector, twice, 2, 3).contains(&duplicates(1)),
        "an overlapping beacon was not recognised"
    );
    ledger.note(twice, 0, 5).expect("the ledger can be written");

    let at_once = rng.u64(..);
    std::thread::scope(|scope| {
        let collector = &collector;
        for _ in 0..8 {
            scope.spawn(move || {
                let answer = collector.beacon(&views(at_once, 0, 2)).expect("the collector answers");
                assert_eq!(answer.status, 204, "{}", answer.text());
            });
        }
    });
    ledger.note(at_once, 0, 2).expect("the ledger can be written");

    let over_a_kill = rng.u64(..);
    send(&collector, over_a_kill, 0, 1);
    collector.kill();
    collector.start();
    send(&collector, over_a_kill, 0, 1);
    ledger.note(over_a_kill, 0, 1).expect("the ledger can be written");
    settle(&collector, ledger, &mut rng);
}

#[test]
fn a_beacon_is_known_again_though_its_segment_was_shipped_and_the_collector_started_anew() {
    let mut rng = Rng::with_seed(seed());
    let mut collector = Collector::new(SEAL_OFTEN);
    let page_load = rng.u64(..);
    let body = views(page_load, 0, 3);
    // Each time with the answer lost, as far as the page knows.
    for (started, end) in ["killed", "asked to end", "killed"].into_iter().enumerate() {
        collector.start();
        let answer = collector.beacon(&body).expect("the collector answers");
        let dropped = answer.header("x-footfall-dropped").unwrap_or_default();
        assert_eq!((answer.status, dropped.contains("duplicate=3")), (204, started > 0), "{dropped}");
        collector.wait_for_events(3, CATCH_UP);
        let segments = || std::fs::read_dir(collector.data().join("spool")).expect("a spool").flatten();
        eventually("the segment is deleted", CATCH_UP, || {
            // The one that is being written stays.
            segments().filter(|file| file.path().extension().is_some_and(|it| it == "segment")).count() == 1
        });
        match end {
            "killed" => collector.kill(),
            _ => assert!(collector.terminate().success()),
        }
    }
    collector.start();
    eventually("the store answers", CATCH_UP, || collector.store_answers());
    assert_eq!(collector.store.events().len(), 3);
    let pseudonym = collector.key().page_load("clinic", page_load);
    assert_eq!(
        collector.store.number(&format!("SELECT count() FROM events WHERE page_load = {pseudonym}")),
        3
    );
}

#[test]
fn a_full_spool_answers_503_and_takes_beacons_again_when_the_store_is_back() {
    let mut rng = Rng::with_seed(seed());
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let mut store = StoreProcess::new(&directory.path().join("store"));
    let limits = "[spool]\nmax_bytes = \"64 MiB\"\nseal_bytes = \"4 MiB\"\nseal_after = \"1s\"\n";
    let mut collector = Collector::shipping_to(store.store, limits);
    collector.spawn();
    eventually("the collector listens", Duration::from_secs(30), || {
        std::net::TcpStream::connect(collector.listen).is_ok()
    });
    let mut ledger = Ledger::default();
    let refusal = loop {
        assert!(ledger.len() < 10_000, "64 MiB took {} beacons of over 50 KiB", ledger.len());
        let page_load = rng.u64(..);
        let answer = collector.beacon(&large(page_load, &mut rng)).expect("the collector answers");
        match answer.status {
            204 => ledger.note(page_load, 0, LARGE_EVENTS).expect("the ledger can be written"),
            _ => break answer,
        }
    };
    assert_eq!(refusal.status, 503, "{}", refusal.text());
    let wait: u64 =
        refusal.header("retry-after").and_then(|value| value.parse().ok()).expect("seconds to wait");
    assert!((1..=300).contains(&wait), "it asks to wait for {wait} s");
    assert!(ledger.len() > 500, "the spool was full after {} events", ledger.len());
    let size = size_of(&collector.data());
    assert!(size < 80 << 20, "{size} bytes lie in a spool of 64 MiB");
    assert_eq!(
        collector.beacon("{}").expect("the collector answers").status,
        400,
        "a full spool hid a bad beacon"
    );
    store.start();
    settle(&collector, ledger, &mut rng);
}

/// The epoch of the key that the collector uses, as a Unix time in seconds.
fn epoch(collector: &Collector) -> i64 {
    let metrics = collector.metrics();
    let line = metrics.lines().find(|line| line.starts_with("footfall_key_epoch"));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok()).expect("the metric exists")
}

#[test]
fn a_turned_key_gives_the_same_visitor_another_pseudonym_and_a_restart_does_not() {
    let mut rng = Rng::with_seed(seed());
    let mut collector = Collector::new(SEAL_OFTEN);
    collector.start();
    let pages: Vec<u64> = (0..4).map(|_| rng.u64(..)).collect();
    let mut stored = Vec::new();
    let mut send = |collector: &Collector, page| {
        stored.push(collector.key().page_load("clinic", page));
        let answer = collector.beacon(&good_beacon("clinic", page, 0, "/")).expect("the collector answers");
        assert_eq!(answer.status, 204, "{}", answer.text());
    };
    send(&collector, pages[0]);
    collector.kill();
    collector.start();
    send(&collector, pages[1]);
    // An epoch is named by the second of its start, so the next one must start in another second.
    let in_force = epoch(&collector);
    eventually("the second of the epoch is over", CATCH_UP, || jiff::Timestamp::now().as_second() > in_force);
    let turned = collector.command(&["key", "rotate"]);
    assert!(turned.status.success(), "{}", String::from_utf8_lossy(&turned.stderr));
    eventually("the collector uses the new key", CATCH_UP, || epoch(&collector) > in_force);
    send(&collector, pages[2]);
    collector.kill();
    collector.start();
    send(&collector, pages[3]);
    collector.wait_for_events(4, CATCH_UP);
    let who: Vec<String> = stored
        .iter()
        .flat_map(|page| {
            collector
                .store
                .rows(&format!("SELECT visitor, address, epoch FROM events WHERE page_load = {page}"))
        })
        .collect();
    assert_eq!(who.len(), 4);
    assert_eq!(who[0], who[1], "a restart changed a pseudonym");
    assert_eq!(who[2], who[3], "a restart after the turn changed a pseudonym");
    for (before, after) in who[0].split('\t').zip(who[2].split('\t')) {
        assert_ne!(before, after, "the turn left a pseudonym or the epoch as it was");
    }
}

fn views(page_load: u64, first: u32, count: u32) -> String {
    let views: Vec<String> = (first..first + count)
        .map(|seq| format!(r#"{{"k":"view","u":"https://clinic.example/page/{seq}"}}"#))
        .collect();
    format!(
        r#"{{"v":1,"s":"clinic","l":"{}","o":{first},"e":[{}]}}"#,
        page_load_id(page_load),
        views.join(",")
    )
}

const LARGE_EVENTS: u32 = 4;

/// A beacon of nearly 64 KiB whose texts are all kept: words, which the scrubber has nothing to say about.
fn large(page_load: u64, rng: &mut Rng) -> String {
    let mut text = || -> String {
        (0..62).map(|_| (0..7).map(|_| rng.lowercase()).collect::<String>()).collect::<Vec<_>>().join(" ")
    };
    let events: Vec<String> = (0..LARGE_EVENTS)
        .map(|_| {
            let props: Vec<String> = (0..29).map(|prop| format!(r#""p{prop}":"{}""#, text())).collect();
            format!(
                r#"{{"k":"event","n":"large","u":"https://clinic.example/","p":{{{}}}}}"#,
                props.join(",")
            )
        })
        .collect();
    format!(r#"{{"v":1,"s":"clinic","l":"{}","e":[{}]}}"#, page_load_id(page_load), events.join(","))
}

/// Bytes of all files under a directory.
fn size_of(directory: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(directory) else { return 0 };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(meta) if meta.is_dir() => size_of(&entry.path()),
            Ok(meta) => meta.len(),
            // A segment may be deleted while it is looked at.
            Err(_) => 0,
        })
        .sum()
}
