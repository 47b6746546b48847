//! A cluster of two shards of two replicas, with Keeper, three collectors and faults under load.
//!
//! ```text
//! cargo test --test cluster                           all faults
//! cargo test --test cluster -- --only replica         those whose names have this word
//! ```
//!
//! Before the first fault, three collectors migrate an empty cluster at once, and invented visitors are stored in it and in a single store. Then a load
//! generator sends beacons to each collector, and two closers close days without a pause, as if it were the day after tomorrow. After each fault:
//!
//! - `footfall verify` finds nothing lost and nothing doubled;
//! - each replica has every closed day: its events, visits and daily figures, the same as its siblings;
//! - reports of the invented visitors' closed days are the same as those of the single store, whichever node is asked.
//!
//! At the end every acknowledged event must be stored exactly once. Nodes are started from the program `clickhouse`, or by commands from the environment
//! (`nodes.rs`). The clock of one collector is moved by Debian's `libfaketime`.

#![allow(missing_docs, unreachable_pub, clippy::print_stderr)]

mod away;
mod bed;
#[path = "../chaos/clock.rs"]
mod clock;
#[path = "../it/common/mod.rs"]
mod common;
mod doubt;
mod faults;
mod fleet;
#[path = "../load/mod.rs"]
mod load;
mod nodes;
mod throughput;

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;

use bed::ClusterBed;
use clock::AdjustableClock;
use faults::{ClusterFault, FAULTS};
use nodes::Commands;

/// Runs collectors and a cluster under faults and checks that no event is lost or stored twice, and that no figure is wrong.
#[derive(Debug, Parser)]
struct ClusterArguments {
    /// Inject only the faults whose names have one of these words.
    #[arg(long)]
    only: Vec<String>,
    /// Beacons a second to each collector.
    #[arg(long, default_value_t = 20)]
    rate: u32,
    /// Inject no faults, and compare speed and CPU with the single store.
    #[arg(long)]
    throughput: bool,
    /// Keep the directory of the nodes and collectors.
    #[arg(long)]
    keep: bool,
}

fn main() -> ExitCode {
    let arguments = ClusterArguments::parse();
    let commands = match Commands::find() {
        Ok(commands) => commands,
        Err(problem) => {
            println!("cluster: success=false: {problem}");
            return ExitCode::FAILURE;
        }
    };
    let mut directory = tempfile::tempdir().expect("a temporary directory can be made");
    directory.disable_cleanup(arguments.keep);
    let Some(clock) = AdjustableClock::new(directory.path()) else {
        println!(
            "cluster: success=false: libfaketime is not installed, which moves the clock of a collector; on Debian: `apt-get install libfaketime`"
        );
        return ExitCode::FAILURE;
    };
    println!("nodes lie in {}", directory.path().display());
    let is_wanted = |fault: &&ClusterFault| {
        arguments.only.is_empty() || arguments.only.iter().any(|word| fault.name.contains(&**word))
    };
    let faults: Vec<_> = FAULTS.iter().filter(is_wanted).collect();
    let done = prepare(commands, clock, directory.path()).and_then(|mut bed| match arguments.throughput {
        true => throughput::measure(&bed),
        false => inject(&mut bed, directory.path(), &faults, arguments.rate),
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            println!("cluster: success=false: {problem}");
            ExitCode::FAILURE
        }
    }
}

/// A cluster whose closed days are those of the single store.
fn prepare(commands: Commands, clock: AdjustableClock, root: &Path) -> Result<ClusterBed, String> {
    let bed = ClusterBed::start(commands, clock, root);
    bed.migrate_all_at_once()?;
    bed.fill()?;
    bed.compare_replicas()?;
    bed.compare_reports("demo", 1)?;
    println!("three collectors migrated at once, and every report is that of a single store");
    fleet::agree(&bed)?;
    println!("eight members of a fleet agree on the number of each day, with a replica that lags");
    Ok(bed)
}

fn inject(bed: &mut ClusterBed, root: &Path, faults: &[&ClusterFault], rate: u32) -> Result<(), String> {
    bed.start_load(root, rate);
    for fault in faults {
        println!("{} …", fault.name);
        let began = Instant::now();
        (fault.inject)(bed).map_err(|problem| format!("{}: {problem}", fault.name))?;
        let injected = began.elapsed();
        bed.check(fault.name)?;
        println!(
            "{}: {} s, in order after {} s more",
            fault.name,
            injected.as_secs(),
            (began.elapsed() - injected).as_secs()
        );
    }
    let acknowledged = bed.finish()?;
    println!("{acknowledged} events acknowledged, each stored once: 0 lost, 0 doubled");
    println!("cluster: success=true: {} faults passed", faults.len());
    Ok(())
}
