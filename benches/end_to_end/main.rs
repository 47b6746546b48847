//! End to end: durable Footfall with all features against a bare hyper server under the same load.
//!
//! ```text
//! cargo bench --bench end_to_end                 prints the whole comparison
//! cargo bench --bench end_to_end -- --write      also writes it to benches/RESULTS.md
//! cargo bench --bench end_to_end -- --shapes     compares several shapes of bare hyper
//! cargo bench --bench end_to_end -- --builds     compares Footfall with other builds only
//! ```
//!
//! Each server runs in a separate process, one after the other, for several rounds. CPU per request is the main figure:
//! the generator shares the machine's cores, so that requests per second depend on the generator too.
//!
//! Merges go on after the load. So the CPU of collector and store for an event is also measured until the store is at rest: from the start
//! of the warm-up until its parts do not change any more, for the events of warm-up, load and steady rate.
//!
//! Environment variables change a run:
//!
//! - `BENCH_SECONDS` (5), `BENCH_ROUNDS` (3), `BENCH_CONNECTIONS` (64);
//! - `BENCH_RATE` (20000): beacons per second for the latency at a steady rate;
//! - `BENCH_GEO`: place files, separated by commas;
//! - `BENCH_SLOW` (0): connections of an attacker who sends one byte of headers a second;
//! - `BENCH_BARE`: the shape of the baseline;
//! - `BENCH_AGAINST`: executables of other builds, separated by commas, which are measured too;
//! - `TMPDIR`: the directory for all data, which should be on a real disk.
//!
//! All traffic stays on loopback.

#![allow(missing_docs, unreachable_pub)]

mod bare;
#[path = "../../tests/it/common/mod.rs"]
mod common;
#[path = "../../tests/load/mod.rs"]
mod load;
#[path = "../record.rs"]
mod record;
mod results;
mod slow_clients;
mod subject;

use std::time::Duration;

use bare::Shape;
use load::Plan;
use results::{Footprint, ResultLine, Results};
use slow_clients::SlowClients;
use subject::{Server, Subject};

/// Load before the measurement opens the connections and fills the caches.
const WARM_UP: Duration = Duration::from_secs(1);
/// The store is at rest after so long without a change of its parts and with next to no CPU: it looks for parts to merge every ten
/// seconds.
const REST: Duration = Duration::from_secs(11);
/// The longest wait for that rest.
const REST_AT_MOST: Duration = Duration::from_secs(90);
/// Number of configured sites when idle memory is measured.
const MANY_SITES: usize = 1_000;
/// Numbers of events in a beacon.
const EVENTS: [u32; 2] = [1, 10];

struct BenchSettings {
    time: Duration,
    rounds: usize,
    connections: usize,
    rate: u32,
    slow: usize,
    bare: Shape,
}

impl BenchSettings {
    fn from_environment() -> Self {
        let number = |name: &str, default: usize| match std::env::var(name) {
            Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name} must be a whole number")),
            Err(_) => default,
        };
        let bare = std::env::var("BENCH_BARE").unwrap_or_else(|_| "shards".to_owned());
        Self {
            time: Duration::from_secs(number("BENCH_SECONDS", 5).clamp(1, 600) as u64),
            rounds: number("BENCH_ROUNDS", 3).clamp(1, 100),
            connections: number("BENCH_CONNECTIONS", 64).clamp(1, 4_000),
            rate: number("BENCH_RATE", 20_000).clamp(1, 1_000_000) as u32,
            slow: number("BENCH_SLOW", 0).min(10_000),
            bare: bare.parse().expect("BENCH_BARE must name a shape"),
        }
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [command, shape, listen] = arguments.as_slice()
        && command == bare::COMMAND
    {
        let shape = shape.parse().expect("the benchmark names a shape that it knows");
        let listen = listen.parse().expect("the benchmark hands an address on");
        bare::serve(shape, listen).expect("bare hyper serves");
        return;
    }
    let settings = BenchSettings::from_environment();
    let has = |name: &str| arguments.iter().any(|argument| argument == name);
    if !has("--bench") {
        // `cargo test --all-targets` only checks that benchmarks start.
        println!("use `cargo bench`: a test run measures nothing");
        return;
    }
    if has("--shapes") {
        let subjects = Shape::ALL.map(|(_, shape)| Subject::Bare(shape));
        print!("{}", Results::new(compare(&settings, &subjects), Footprint::default()).table());
        return;
    }
    // The first is the baseline. The second has the runtime of most servers.
    let mut subjects = vec![Subject::Bare(settings.bare), Subject::Bare(Shape::Workers), Subject::Footfall];
    subjects.dedup();
    let others = (0..subject::other_builds().len()).map(Subject::OtherBuild);
    if has("--builds") {
        let subjects: Vec<_> = std::iter::once(Subject::Footfall).chain(others).collect();
        print!("{}", Results::new(compare(&settings, &subjects), Footprint::default()).table());
        return;
    }
    subjects.extend(others);
    if nginx_is_installed() {
        subjects.insert(subjects.len() - 1, Subject::Nginx);
    } else {
        println!("nginx is not installed and is left out");
    }
    let lines = compare(&settings, &subjects);
    let results = Results::new(lines, footprint());
    print!("{}", results.table());
    if has("--write") {
        results.write(&settings_text(&settings));
    }
}

fn compare(settings: &BenchSettings, subjects: &[Subject]) -> Vec<ResultLine> {
    let mut lines: Vec<ResultLine> = EVENTS
        .iter()
        .flat_map(|events| subjects.iter().map(|subject| ResultLine::new(subject.name(), *events)))
        .collect();
    for round in 0..settings.rounds {
        for (index, subject) in subjects.iter().enumerate() {
            let server = subject.start(1);
            let _attack = SlowClients::start(server.listen, settings.slow);
            for (width, events) in EVENTS.iter().enumerate() {
                let line = &mut lines[width * subjects.len() + index];
                measure(settings, &server, *events, round as u64, line);
                println!("round {}: {}", round + 1, line.last());
            }
        }
    }
    lines
}

/// Measures one server at full speed and then at a steady rate.
fn measure(settings: &BenchSettings, server: &Server, events: u32, round: u64, line: &mut ResultLine) {
    let plan = |seed: u64, rate| Plan {
        target: server.listen,
        connections: settings.connections,
        events,
        site: "clinic".to_owned(),
        // A server drops page loads that it has already seen as duplicates.
        seed: (round << 32) + (u64::from(events) << 8) + seed,
        rate,
        longest_pause: load::RETRY_PAUSE,
    };
    let run = |plan: &Plan, time| load::run(plan, time).expect("sockets work on loopback");
    let (all_cpu, all_store) = (server.cpu(), server.store_cpu());
    let warm_up = run(&plan(1, None), WARM_UP);
    let (cpu, store, own) = (server.cpu(), server.store_cpu(), own_cpu());
    let outcome = run(&plan(2, None), settings.time);
    let (cpu, store, own) = (server.cpu() - cpu, server.store_cpu() - store, own_cpu() - own);
    assert!(outcome.refused.is_empty(), "{}: beacons were refused: {:?}", line.name(), outcome.refused);
    assert!(
        outcome.broken == 0 && outcome.taken > 0,
        "{}: {} connections broke",
        line.name(),
        outcome.broken
    );
    let each = |time: Duration| time.as_secs_f64() * 1e6 / outcome.taken as f64;
    line.add(outcome.per_second(), each(cpu), each(store), each(own), &outcome.latency);
    let steady = run(&plan(3, Some(settings.rate)), settings.time.min(Duration::from_secs(3)));
    line.add_steady(&steady.latency, steady.per_second());
    if server.collector().is_some() {
        server.wait_for_rest(REST, REST_AT_MOST);
        let events = (warm_up.taken + outcome.taken + steady.taken) * u64::from(events);
        let each = |time: Duration| time.as_secs_f64() * 1e6 / events as f64;
        line.add_rest(each(server.cpu() - all_cpu), each(server.store_cpu() - all_store));
    }
    line.peak_memory = line.peak_memory.max(server.peak_memory());
    line.store_memory = line.store_memory.max(server.store_memory());
}

fn footprint() -> Footprint {
    let server = Subject::Footfall.start(1);
    let (first_accepted, collector) =
        (server.first_accepted, server.collector().expect("Footfall is a collector"));
    let started = std::time::Instant::now();
    collector.wait_for_events(1, Duration::from_secs(60));
    let first_stored = first_accepted + started.elapsed();
    drop(server);
    let server = Subject::Footfall.start(MANY_SITES);
    std::thread::sleep(Duration::from_secs(1));
    Footprint {
        first_accepted,
        first_stored,
        many_sites: MANY_SITES,
        idle: server.memory(),
        idle_store: server.store_memory(),
    }
}

/// This process runs the generator.
fn own_cpu() -> Duration {
    common::process::cpu(std::process::id()).expect("this process runs")
}

fn nginx_is_installed() -> bool {
    let null = std::process::Stdio::null;
    std::process::Command::new("nginx").arg("-v").stdout(null()).stderr(null()).status().is_ok()
}

fn settings_text(settings: &BenchSettings) -> String {
    let geo = match subject::geo_files().len() {
        0 => "no place files".to_owned(),
        count => format!("{count} place files"),
    };
    format!(
        "{} rounds of {} s, {} connections, {} slow ones, steady rate {}/s, {geo}",
        settings.rounds,
        settings.time.as_secs(),
        settings.connections,
        settings.slow,
        settings.rate
    )
}
