//! Chaos: the real collector and the real store under load, with faults at random moments. What was acknowledged is stored once.
//!
//! ```text
//! cargo test --test chaos                                       a short run
//! cargo test --release --test chaos -- --kills 1000 --write     a full one, kept in benches/RESULTS.md
//! cargo test --test chaos -- --seed 7                           the same faults in the same order
//! ```
//!
//! A load generator sends beacons without a pause, repeats each until it gets a 204, and notes what was acknowledged in
//! a ledger of its own, synced. Meanwhile processes are killed with `kill -9` and frozen, the store is stopped, the way to
//! it refuses, hangs, cuts inserts or loses answers of inserts that were applied, the disk is filled, the clock is set, the store refuses
//! some rows for what is in them until an operator has them tried again. At the
//! end all is made well, the spool drains, and the store is held against the ledger by page load and number, and `footfall
//! verify` against its own books. A seed gives the same faults in the same order; their moments are the machine's.

#![allow(missing_docs, unreachable_pub, clippy::print_stderr)]

mod clock;
#[path = "../it/common/mod.rs"]
mod common;
#[path = "../load/mod.rs"]
mod load;
mod outcome;
mod proxy;
#[path = "../../benches/record.rs"]
#[allow(dead_code)]
mod record;
mod stage;
mod volume;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use fastrand::Rng;
use indicatif::{ProgressBar, ProgressStyle};

use common::good_beacon;
use load::{Ledger, Plan, Running};
use stage::{Stage, Strike, Weather};

/// How long everything may take to be well, and the spool to drain, after the last fault.
const PATIENCE: Duration = Duration::from_secs(300);
/// In calm weather the books are held against the store at one in so many blows, with the load going on.
const VERIFY_EVERY: u32 = 8;
/// A beacon that failed is sent again after up to so long, so that the collector may have shipped it by then, or died again.
const LONGEST_PAUSE: Duration = Duration::from_secs(3);
/// The most that the collector's memory may come to: the design's bound at full load.
const MEMORY_MAX: u64 = 150 << 20;

/// The collector and its store under faults, and the audit afterwards.
#[derive(Debug, Parser)]
struct Arguments {
    /// Processes to kill before the run ends.
    #[arg(long, default_value_t = 12)]
    kills: u32,
    /// Faults to repeat; drawn and printed when it is not given.
    #[arg(long)]
    seed: Option<u64>,
    /// Beacons a second.
    #[arg(long, default_value_t = 400)]
    rate: u32,
    /// Events in each beacon.
    #[arg(long, default_value_t = 3)]
    events: u32,
    /// Seconds of the one long outage of the store, in the middle of the run.
    #[arg(long, default_value_t = 5)]
    outage: u64,
    /// Keep the figures in benches/RESULTS.md.
    #[arg(long)]
    write: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let seed = arguments.seed.unwrap_or_else(|| fastrand::u64(..));
    println!("repeat this run's faults with --seed {seed}");
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let mut stage = Stage::set(directory.path());
    stage.outcome.seed = seed;
    let result = run(&arguments, &mut stage, directory.path(), Rng::with_seed(seed));
    println!("{}", stage.outcome.table());
    if let Err(problem) = &result {
        println!("{problem}");
    }
    let held = result.is_ok() && stage.outcome.holds() && stage.outcome.memory <= MEMORY_MAX;
    if held && arguments.write {
        let text = format!(
            "## Faults\n\n{}.\n`cargo test --release --test chaos -- --kills {} --rate {} --events {} --outage {} --seed {seed} --write`:\n\n{}",
            record::circumstances(),
            arguments.kills,
            arguments.rate,
            arguments.events,
            arguments.outage,
            stage.outcome.table()
        );
        record::keep("faults", &text);
    }
    if held {
        println!("chaos: 1 passed, 0 failed");
        ExitCode::SUCCESS
    } else {
        println!("the collector's log ends with\n{}", tail(&stage.collector.log()));
        println!("chaos: 0 passed, 1 failed");
        ExitCode::FAILURE
    }
}

fn run(
    arguments: &Arguments,
    stage: &mut Stage,
    directory: &std::path::Path,
    mut rng: Rng,
) -> Result<(), String> {
    let began = Instant::now();
    let plan = Plan {
        target: stage.collector.listen,
        connections: 64,
        events: arguments.events,
        site: "clinic".to_owned(),
        seed: rng.u64(..),
        rate: Some(arguments.rate),
        longest_pause: LONGEST_PAUSE,
    };
    let ledger = Ledger::kept_in(&directory.join("ledger")).map_err(|error| format!("no ledger: {error}"))?;
    let load = Running::start(plan, ledger);
    faults(arguments, stage, &mut rng);
    stage.calm(PATIENCE)?;
    let (sent, ledger) = load.stop();
    stage.outcome.beacons = sent.taken;
    stage.outcome.refused = sent.refused.values().sum();
    stage.outcome.broken = sent.broken;
    audit(stage, ledger, &mut rng)?;
    stage.outcome.elapsed = began.elapsed();
    Ok(())
}

/// Faults until enough processes were killed and each kind of fault has had its turn.
fn faults(arguments: &Arguments, stage: &mut Stage, rng: &mut Rng) {
    let bar = progress(arguments.kills.into());
    let (mut weathers, mut blows) = (Deck::of(WEATHERS), Deck::of(BLOWS));
    let mut changes_at = Instant::now();
    let mut outage = Some(Duration::from_secs(arguments.outage));
    while stage.outcome.kills() < arguments.kills
        || outage.is_some()
        || !weathers.was_dealt()
        || !blows.was_dealt()
        || stage.outcome.retried == 0
    {
        if Instant::now() >= changes_at {
            let long = if stage.outcome.kills() >= arguments.kills / 2 { outage.take() } else { None };
            let (weather, lasts) = match long {
                Some(lasts) => (Weather::StoreGone, lasts),
                None => (weathers.next(rng), Duration::from_millis(rng.u64(200..4_000))),
            };
            if stage.can(weather) {
                stage.change(weather);
                changes_at = Instant::now() + lasts;
            }
        }
        stage.tend(Duration::from_millis(rng.u64(5..900)));
        if stage.is_calm() && rng.u32(0..VERIFY_EVERY) == 0 {
            stage.verify();
        }
        let blow = blows.next(rng).drawn(rng);
        bar.inc(stage.strike(blow).into());
        bar.set_message(format!("{} MiB", stage.outcome.memory >> 20));
    }
    bar.finish();
}

/// What it is like in turn. Calm comes as often as all the rest together.
const WEATHERS: &[(Weather, usize)] = &[
    (Weather::Calm, 6),
    (Weather::InsertsRefused, 1),
    (Weather::InsertsHang, 1),
    (Weather::AnswersLost, 1),
    (Weather::InsertsCut, 1),
    (Weather::StoreGone, 1),
    (Weather::DiskFull, 1),
];

/// Most blows kill the collector: it is what gave the promise.
const BLOWS: &[(Strike, usize)] = &[
    (Strike::KillCollector, 20),
    (Strike::KillStore, 4),
    (Strike::KillBoth, 2),
    (Strike::KillTwice, 4),
    (Strike::CutPowerOfStore, 2),
    (Strike::FreezeCollector, 1),
    (Strike::FreezeStore, 1),
    (Strike::SetClock, 1),
    (Strike::RefuseRows, 2),
    (Strike::Retry, 2),
];

/// Kinds of faults in random order, each as often as it should come, dealt again when all were.
struct Deck<T: 'static> {
    kinds: &'static [(T, usize)],
    left: Vec<T>,
    first: bool,
}

impl<T: Copy> Deck<T> {
    fn of(kinds: &'static [(T, usize)]) -> Self {
        Self { kinds, left: Vec::new(), first: true }
    }

    fn next(&mut self, rng: &mut Rng) -> T {
        if self.left.is_empty() {
            self.left =
                self.kinds.iter().flat_map(|(kind, times)| std::iter::repeat_n(*kind, *times)).collect();
            rng.shuffle(&mut self.left);
        }
        let kind = self.left.pop().expect("a deck is not empty");
        self.first &= !self.left.is_empty();
        kind
    }

    /// Whether each kind has come at least once.
    fn was_dealt(&self) -> bool {
        !self.first
    }
}

/// Waits until all that is spooled is stored, and compares the store with the ledger and with the books.
fn audit(stage: &mut Stage, mut ledger: Ledger, rng: &mut Rng) -> Result<(), String> {
    let store = stage.store();
    // Segments are shipped in order: once this event is stored, so is everything that was acknowledged before it.
    let last = rng.u64(..);
    let end = Instant::now() + PATIENCE;
    let body = good_beacon("clinic", last, 0, "/last");
    wait(stage, end, "a last beacon is taken", |stage| {
        stage.collector.beacon(&body).is_ok_and(|answer| answer.status == 204)
    })?;
    ledger.note(last, 0, 1).map_err(|error| error.to_string())?;
    let arrived = format!("SELECT count() FROM events WHERE page_load = {last}");
    wait(stage, end, "the last event is stored", |_| {
        store.query(&arrived).is_ok_and(|count| count.starts_with(b"1"))
    })?;
    let difference = ledger.compare(store.events());
    let outcome = &mut stage.outcome;
    outcome.acknowledged = difference.acknowledged;
    outcome.missing = difference.missing.len();
    outcome.doubled = difference.twice.len();
    outcome.unknown = difference.unknown.len();
    outcome.removed = store.number("SELECT sum(removed) FROM days");
    stage.verify();
    if let Some(said) = &stage.outcome.unbalanced {
        return Err(format!("footfall verify: {said}"));
    }
    if stage.outcome.memory > MEMORY_MAX {
        return Err(format!("the collector's memory came to {} MiB", stage.outcome.memory >> 20));
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
    stage: &mut Stage,
    end: Instant,
    what: &str,
    mut done: impl FnMut(&mut Stage) -> bool,
) -> Result<(), String> {
    while !done(stage) {
        if Instant::now() > end {
            return Err(format!("waited {PATIENCE:?} in vain: {what}"));
        }
        stage.tend(Duration::from_millis(100));
    }
    Ok(())
}

fn progress(kills: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} kills, {elapsed} of {duration}, {msg}")
        .expect("the template is right");
    ProgressBar::new(kills).with_style(style)
}

/// The last lines of a log.
fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(60)..].join("\n")
}
