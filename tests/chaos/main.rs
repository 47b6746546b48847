//! Chaos test: a real collector and a real store under load, with faults at random moments.
//!
//! Every acknowledged event must be stored exactly once.
//!
//! ```text
//! cargo test --test chaos                                       a short run
//! cargo test --release --test chaos -- --kills 1000 --write     a full run, written to benches/RESULTS.md
//! cargo test --test chaos -- --seed 7                           the same faults in the same order
//! ```
//!
//! A load generator repeats each beacon until it gets a 204. It notes acknowledged events in a synced ledger of its own.
//! Meanwhile the test injects faults:
//!
//! - it kills processes with `kill -9`, freezes them, and stops the store;
//! - a proxy before the store refuses requests, hangs, cuts inserts, or loses the responses of applied inserts;
//! - it fills the disk and sets the clock;
//! - it makes the store refuse some rows, and requeues their segments later.
//!
//! At the end it removes all faults and waits until the spool is empty. Then it compares the store with the ledger by
//! page load and number, and runs `footfall verify`. A seed repeats the faults and their order, but not their moments.

#![allow(missing_docs, unreachable_pub, clippy::print_stderr)]

mod clock;
#[path = "../it/common/mod.rs"]
mod common;
mod disk;
mod key_watch;
#[path = "../load/mod.rs"]
mod load;
mod proxy;
#[path = "../../benches/record.rs"]
#[allow(dead_code)]
mod record;
mod results;
mod test_bed;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use fastrand::Rng;
use indicatif::{ProgressBar, ProgressStyle};

use common::good_beacon;
use common::process::COLLECTOR_MEMORY_MAX;
use load::{Ledger, Plan, Running};
use test_bed::{Condition, FaultKind, TestBed};

/// After the last fault, the system must recover and ship everything within this time.
const TIMEOUT: Duration = Duration::from_secs(300);
/// Under normal conditions, `footfall verify` runs before one in this many faults, while the load continues.
const VERIFY_EVERY: u32 = 8;
/// The longest pause before a failed beacon is repeated. By then the collector may have shipped it, or been killed again.
const LONGEST_PAUSE: Duration = Duration::from_secs(3);

/// Runs a collector and its store under faults and checks that no event is lost or stored twice.
#[derive(Debug, Parser)]
struct ChaosArguments {
    /// Number of processes to kill.
    #[arg(long, default_value_t = 12)]
    kills: u32,
    /// Repeats the faults of an earlier run. By default a seed is drawn and printed.
    #[arg(long)]
    seed: Option<u64>,
    /// Beacons a second.
    #[arg(long, default_value_t = 400)]
    rate: u32,
    /// Events in each beacon.
    #[arg(long, default_value_t = 3)]
    events: u32,
    /// Seconds of the long outage of the store in the middle of the run.
    #[arg(long, default_value_t = 5)]
    outage: u64,
    /// Write the figures to benches/RESULTS.md.
    #[arg(long)]
    write: bool,
}

fn main() -> ExitCode {
    let arguments = ChaosArguments::parse();
    let seed = arguments.seed.unwrap_or_else(|| fastrand::u64(..));
    println!("repeat this run's faults with --seed {seed}");
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let mut bed = TestBed::start(directory.path());
    bed.results.seed = seed;
    let result = run(&arguments, &mut bed, directory.path(), Rng::with_seed(seed));
    println!("{}", bed.results.table());
    if let Err(problem) = &result {
        println!("{problem}");
    }
    let passed =
        result.is_ok() && bed.results.is_exactly_once() && bed.results.memory <= COLLECTOR_MEMORY_MAX;
    if passed && arguments.write {
        let text = format!(
            "## Faults\n\n{}.\n`cargo test --release --test chaos -- --kills {} --rate {} --events {} --outage {} --seed {seed} --write`:\n\n{}",
            record::circumstances(),
            arguments.kills,
            arguments.rate,
            arguments.events,
            arguments.outage,
            bed.results.table()
        );
        record::keep("faults", &text);
    }
    if passed {
        println!("chaos: 1 passed, 0 failed");
        ExitCode::SUCCESS
    } else {
        println!("the collector's log ends with\n{}", tail(&bed.collector.log()));
        println!("chaos: 0 passed, 1 failed");
        ExitCode::FAILURE
    }
}

fn run(
    arguments: &ChaosArguments,
    bed: &mut TestBed,
    directory: &std::path::Path,
    mut rng: Rng,
) -> Result<(), String> {
    let started = Instant::now();
    let plan = Plan {
        target: bed.collector.listen,
        connections: 64,
        events: arguments.events,
        site: "clinic".to_owned(),
        seed: rng.u64(..),
        rate: Some(arguments.rate),
        longest_pause: LONGEST_PAUSE,
    };
    let ledger = Ledger::kept_in(&directory.join("ledger")).map_err(|error| format!("no ledger: {error}"))?;
    let load = Running::start(plan, ledger);
    inject_faults(arguments, bed, &mut rng);
    bed.recover(TIMEOUT)?;
    let (sent, ledger) = load.stop();
    bed.results.beacons = sent.taken;
    bed.results.refused = sent.refused.values().sum();
    bed.results.broken = sent.broken;
    check_store(bed, ledger, &mut rng)?;
    bed.results.elapsed = started.elapsed();
    Ok(())
}

/// Injects faults until enough processes were killed and each condition and kind of fault has occurred.
fn inject_faults(arguments: &ChaosArguments, bed: &mut TestBed, rng: &mut Rng) {
    let bar = progress(arguments.kills.into());
    let (mut conditions, mut faults) = (FaultDeck::new(CONDITIONS), FaultDeck::new(FAULTS));
    let mut changes_at = Instant::now();
    let mut outage = Some(Duration::from_secs(arguments.outage));
    while bed.results.kills() < arguments.kills
        || outage.is_some()
        || !conditions.is_exhausted_once()
        || !faults.is_exhausted_once()
        || bed.results.requeued == 0
    {
        if Instant::now() >= changes_at {
            let long = if bed.results.kills() >= arguments.kills / 2 { outage.take() } else { None };
            let (condition, duration) = match long {
                Some(duration) => (Condition::StoreStopped, duration),
                None => (conditions.next(rng), Duration::from_millis(rng.u64(200..4_000))),
            };
            if bed.supports(condition) {
                bed.set_condition(condition);
                changes_at = Instant::now() + duration;
            }
        }
        bed.run_for(Duration::from_millis(rng.u64(5..900)));
        if bed.is_normal() && rng.u32(0..VERIFY_EVERY) == 0 {
            bed.verify();
        }
        let fault = faults.next(rng).draw(rng);
        bar.inc(bed.inject(fault).into());
        bar.set_message(format!("{} MiB", bed.results.memory >> 20));
    }
    bar.finish();
}

/// Conditions and how often each occurs. The normal one is as frequent as all others together.
const CONDITIONS: &[(Condition, usize)] = &[
    (Condition::Normal, 6),
    (Condition::InsertsRefused, 1),
    (Condition::InsertsHang, 1),
    (Condition::AnswersLost, 1),
    (Condition::InsertsCut, 1),
    (Condition::StoreStopped, 1),
    (Condition::DiskFull, 1),
];

/// Faults and how often each occurs. Most of them kill the collector, since it acknowledges the beacons.
const FAULTS: &[(FaultKind, usize)] = &[
    (FaultKind::KillCollector, 20),
    (FaultKind::KillStore, 4),
    (FaultKind::KillBoth, 2),
    (FaultKind::KillTwice, 4),
    (FaultKind::CutPowerOfStore, 2),
    (FaultKind::FreezeCollector, 1),
    (FaultKind::FreezeStore, 1),
    (FaultKind::SetClock, 1),
    (FaultKind::TurnKey, 2),
    (FaultKind::RefuseRows, 2),
    (FaultKind::Requeue, 2),
];

/// Deals each kind of fault as often as its number says, in random order, and then starts again.
struct FaultDeck<T: 'static> {
    kinds: &'static [(T, usize)],
    left: Vec<T>,
    first_round: bool,
}

impl<T: Copy> FaultDeck<T> {
    fn new(kinds: &'static [(T, usize)]) -> Self {
        Self { kinds, left: Vec::new(), first_round: true }
    }

    fn next(&mut self, rng: &mut Rng) -> T {
        if self.left.is_empty() {
            self.left =
                self.kinds.iter().flat_map(|(kind, times)| std::iter::repeat_n(*kind, *times)).collect();
            rng.shuffle(&mut self.left);
        }
        let kind = self.left.pop().expect("a deck is not empty");
        self.first_round &= !self.left.is_empty();
        kind
    }

    fn is_exhausted_once(&self) -> bool {
        !self.first_round
    }
}

/// Waits until the spool is shipped, compares the store with the ledger, and runs `footfall verify`.
fn check_store(bed: &mut TestBed, mut ledger: Ledger, rng: &mut Rng) -> Result<(), String> {
    let store = bed.store();
    // Segments are shipped in order. Once this event is stored, all events acknowledged before it are stored too.
    let last = rng.u64(..);
    let end = Instant::now() + TIMEOUT;
    let body = good_beacon("clinic", last, 0, "/last");
    wait(bed, end, "a last beacon is accepted", |bed| {
        bed.collector.beacon(&body).is_ok_and(|answer| answer.status == 204)
    })?;
    ledger.note(last, 0, 1).map_err(|error| error.to_string())?;
    let keys = bed.keys.seen();
    let arrived = format!("SELECT count() FROM events WHERE page_load = {}", keys.page_load("clinic", last));
    wait(bed, end, "the last event is stored", |_| {
        store.query(&arrived).is_ok_and(|count| count.starts_with(b"1"))
    })?;
    let ids = |page_load, number| keys.event_ids("clinic", page_load, number);
    let difference = ledger.compare(store.events(), ids);
    let results = &mut bed.results;
    results.acknowledged = difference.acknowledged;
    results.missing = difference.missing.len();
    results.doubled = difference.twice.len();
    results.unknown = difference.unknown.len();
    results.removed = store.number("SELECT count() FROM removed_events FINAL");
    bed.verify();
    if let Some(output) = &bed.results.discrepancy {
        return Err(format!("footfall verify: {output}"));
    }
    if bed.results.memory > COLLECTOR_MEMORY_MAX {
        return Err(format!("the collector used {} MiB of memory", bed.results.memory >> 20));
    }
    if !difference.is_none() {
        return Err(format!(
            "first missing {:?}, doubled {:?}, unknown {:?}",
            difference.missing.first(),
            difference.twice.first(),
            difference.unknown.first()
        ));
    }
    Ok(())
}

fn wait(
    bed: &mut TestBed,
    end: Instant,
    what: &str,
    mut done: impl FnMut(&mut TestBed) -> bool,
) -> Result<(), String> {
    while !done(bed) {
        if Instant::now() > end {
            return Err(format!("not within {TIMEOUT:?}: {what}"));
        }
        bed.run_for(Duration::from_millis(100));
    }
    Ok(())
}

fn progress(kills: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} kills, {elapsed} of {duration}, {msg}")
        .expect("the template is valid");
    ProgressBar::new(kills).with_style(style)
}

fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(60)..].join("\n")
}
