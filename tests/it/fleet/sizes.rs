//! How many parts a fleet makes in the store, by real spools and shippers.
//!
//! ```sh
//! cargo test --release --test it fleet::sizes -- --ignored --nocapture
//! ```

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use footfall::config::{SpoolLimits, StoreConfig as Settings};
use footfall::event::{EventRow, UnixDay, UnixSeconds};
use footfall::secret::Secret;
use footfall::spool::{Durability, EventEntry, EventRecord, Spool};
use footfall::store::ship::Shipper;
use footfall::store::{Client, schema};
use jiff::tz::TimeZone;
use tokio::sync::watch;

use crate::common::{SetOnDrop, StoreProcess, process};

const COLLECTORS: usize = 50;
/// How long each setting is observed, after as long a time to settle.
const OBSERVED: Duration = Duration::from_secs(40);
/// Beacons of one event a second to each collector.
const RATE: u32 = 20;

fn limits(seal_after: Duration) -> SpoolLimits {
    SpoolLimits { seal_rows: 250_000, seal_bytes: 32 << 20, seal_after, max_bytes: 1 << 30, reserve: None }
}

fn client(store: &StoreProcess) -> Client {
    Client::new(&Settings::Server {
        urls: vec![format!("http://{}", store.store.listen)],
        database: "footfall".into(),
        user: "admin".into(),
        password: Secret::new(String::new()),
        cluster: None,
    })
}

/// Appends events to all spools until the flag is set.
fn feed(spools: &[Arc<Spool>], stop: &AtomicBool) {
    let (mut rows, began, mut sent) = (Vec::new(), Instant::now(), 0);
    while !stop.load(Ordering::Relaxed) {
        let due = (began.elapsed().as_secs_f64() * f64::from(RATE)) as u64;
        if sent >= due {
            thread::sleep(Duration::from_millis(5));
            continue;
        }
        sent += 1;
        let now = UnixSeconds::from_millis(jiff::Timestamp::now().as_millisecond());
        for spool in spools {
            rows.clear();
            let page_load = fastrand::u64(..);
            let row = EventRow {
                page_load,
                visitor: page_load >> 8,
                time: now,
                received: now,
                expires: UnixDay(u16::MAX),
                site: "clinic",
                host: "clinic.example",
                path: "/booking",
                ..EventRow::default()
            };
            row.encode(&mut rows);
            let events = [EventEntry { filter_id: page_load, row_len: rows.len() as u32 }];
            let record = EventRecord { site: "clinic", events: &events, rows: &rows };
            drop(spool.append(record, Durability::Synced).unwrap());
        }
    }
}

/// What the store shows while 50 collectors ship to it.
struct Observed {
    inserts_a_second: f64,
    most_parts: u64,
    most_waiting: usize,
    cpu: f64,
}

fn observe(seal_after: Duration) -> Observed {
    let directory = tempfile::tempdir().unwrap();
    let mut engine = StoreProcess::new(&directory.path().join("store"));
    engine.start();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(schema::migrate(&client(&engine), &TimeZone::UTC)).unwrap();
    let open = |number| Spool::open(&directory.path().join(format!("spool-{number}")), &limits(seal_after));
    let spools: Vec<Arc<Spool>> = (0..COLLECTORS).map(|number| open(number).unwrap().0).collect();
    let (stop_ships, stopped) = watch::channel(false);
    let ship = |spool: &Arc<Spool>| {
        let mut stopped = stopped.clone();
        let shipper = Shipper::new(spool.clone(), client(&engine));
        runtime.spawn(shipper.run(async move { drop(stopped.wait_for(|stop| *stop).await) }))
    };
    let shippers: Vec<_> = spools.iter().map(ship).collect();
    let store = engine.store;
    let cpu_time = || process::cpu(engine.pid()).unwrap();
    let parts = || {
        store.number(
            "SELECT count() FROM system.parts WHERE active AND database = 'footfall' AND table = 'events'",
        )
    };
    let inserts = || store.number("SELECT uniqExact(collector, segment) FROM events");
    let stop = AtomicBool::new(false);
    let observed = thread::scope(|scope| {
        let stop_feeding = SetOnDrop(&stop);
        let _feeding = scope.spawn(|| feed(&spools, &stop));
        thread::sleep(OBSERVED);
        let (before, cpu, began) = (inserts(), cpu_time(), Instant::now());
        let (mut most_parts, mut most_waiting) = (0, 0);
        while began.elapsed() < OBSERVED {
            most_parts = most_parts.max(parts());
            let waiting = spools.iter().map(|spool| spool.status().sealed).max().unwrap_or_default();
            most_waiting = most_waiting.max(waiting);
            thread::sleep(Duration::from_secs(1));
        }
        let seconds = began.elapsed().as_secs_f64();
        let observed = Observed {
            inserts_a_second: (inserts() - before) as f64 / seconds,
            most_parts,
            most_waiting,
            cpu: (cpu_time() - cpu).as_secs_f64() / seconds,
        };
        drop(stop_feeding);
        observed
    });
    spools.iter().for_each(|spool| spool.close());
    stop_ships.send_replace(true);
    for shipper in shippers {
        runtime.block_on(shipper).unwrap();
    }
    observed
}

#[test]
#[ignore = "takes five minutes and prints figures for docs/cluster.md"]
fn fifty_collectors_ship_to_one_engine_at_several_ages_of_a_segment() {
    println!("{COLLECTORS} collectors, {RATE} events a second each");
    println!("seal_after | inserts/s | parts, most | segments waiting, most | CPU of the store");
    for seconds in [2, 5, 10] {
        let Observed { inserts_a_second, most_parts, most_waiting, cpu } =
            observe(Duration::from_secs(seconds));
        println!("{seconds} s | {inserts_a_second:.1} | {most_parts} | {most_waiting} | {cpu:.2}");
        assert!(most_parts < 3000, "the store refuses inserts from 3,000 parts on");
    }
}
