//! The figures of a run, as a table.

use std::fmt::Write as _;
use std::time::Duration;

use crate::test_bed::{Condition, Counts};

#[derive(Debug, Default)]
pub struct ChaosResults {
    pub seed: u64,
    pub elapsed: Duration,
    pub collector_kills: u32,
    pub store_kills: u32,
    /// Kills of the store after which its deduplication tokens were removed. They also count in `store_kills`.
    pub power_cuts: u32,
    pub freezes: u32,
    pub clock_sets: u32,
    /// How often an operator turned the key. Clocks that jump turn it, too.
    pub key_turns: u32,
    /// How often the store was made to refuse some rows.
    pub refusals: u32,
    /// Segments that were quarantined for refused rows and requeued. Most of them have a single row.
    pub requeued: usize,
    pub conditions: Counts<Condition>,
    /// Unrequested exits of the collector by status. A failed sync of the spool ends the process.
    pub exits: Counts<String>,
    /// Requests to the store that the proxy refused, delayed or cut, or whose response it lost.
    pub disturbed: u64,
    pub longest_outage: Duration,
    /// The collector's highest resident memory, in bytes.
    pub memory: u64,
    pub beacons: u64,
    pub refused: u64,
    pub broken: u64,
    pub acknowledged: usize,
    pub missing: usize,
    pub doubled: usize,
    pub unknown: usize,
    /// Duplicates that the closing of a day removed from the store. They count as doubled.
    pub removed: u64,
    /// How often `footfall verify` found no discrepancy, under load and at the end.
    pub verified: u32,
    /// The output of the first `footfall verify` that found one.
    pub discrepancy: Option<String>,
    /// The small disk's file system, or `None` if it cannot be mounted.
    pub disk: Option<&'static str>,
    pub clock: bool,
}

impl ChaosResults {
    pub fn is_exactly_once(&self) -> bool {
        self.missing == 0
            && self.doubled == 0
            && self.unknown == 0
            && self.removed == 0
            && self.verified > 0
            && self.discrepancy.is_none()
    }

    pub fn kills(&self) -> u32 {
        self.collector_kills + self.store_kills
    }

    pub fn table(&self) -> String {
        let mut table = String::from("| what | figure |\n|---|---|\n");
        for (what, figure) in self.faults().into_iter().chain(self.findings()) {
            // Writing to a string cannot fail.
            let _ = writeln!(table, "| {what} | {figure} |");
        }
        table
    }

    fn faults(&self) -> Vec<(&'static str, String)> {
        let count = |condition| self.conditions.get(&condition).copied().unwrap_or_default();
        let exits = match self.exits.is_empty() {
            true => "none".to_owned(),
            false => self
                .exits
                .iter()
                .map(|(status, count)| format!("{count} × {status}"))
                .collect::<Vec<_>>()
                .join(", "),
        };
        let disk = self.disk.map_or("not tried: mounting is not permitted".to_owned(), |kind| {
            format!("{} times, on {kind}", count(Condition::DiskFull))
        });
        let clock = match self.clock {
            true => format!("{} times, up to 3 days ahead or behind", self.clock_sets),
            false => "not tried: libfaketime is not installed".to_owned(),
        };
        vec![
            ("seed", self.seed.to_string()),
            ("time", format!("{} s", self.elapsed.as_secs())),
            ("kill -9 of the collector", self.collector_kills.to_string()),
            (
                "kill -9 of the store; of these, its deduplication tokens removed as in a power cut",
                format!("{}, {}", self.store_kills, self.power_cuts),
            ),
            ("freezes (SIGSTOP) of either", self.freezes.to_string()),
            ("clock set", clock),
            ("key turned by an operator", format!("{} times", self.key_turns)),
            ("disk filled", disk),
            (
                "store stopped",
                format!(
                    "{} times, the longest {:.1} s",
                    count(Condition::StoreStopped),
                    self.longest_outage.as_secs_f64()
                ),
            ),
            (
                "inserts answered 500 / hanging / cut in the middle / applied with the answer lost",
                format!(
                    "{} / {} / {} / {} times; {} requests disturbed",
                    count(Condition::InsertsRefused),
                    count(Condition::InsertsHang),
                    count(Condition::InsertsCut),
                    count(Condition::AnswersLost),
                    self.disturbed
                ),
            ),
            (
                "some rows refused by the store / segments quarantined and requeued",
                format!("{} times / {}, most of one row", self.refusals, self.requeued),
            ),
            ("unrequested exits (status 5: the spool's disk failed)", exits),
        ]
    }

    fn findings(&self) -> Vec<(&'static str, String)> {
        vec![
            ("beacons acknowledged", self.beacons.to_string()),
            (
                "beacons refused and repeated / connections broken",
                format!("{} / {}", self.refused, self.broken),
            ),
            ("peak memory of the collector", format!("{} MiB", self.memory >> 20)),
            ("events acknowledged", self.acknowledged.to_string()),
            ("**lost**", format!("**{}**", self.missing)),
            (
                "**doubled**, including those that the closing of a day removed",
                format!("**{}**", self.doubled as u64 + self.removed),
            ),
            ("stored but never acknowledged", self.unknown.to_string()),
            (
                "`footfall verify`, under load and afterwards",
                match &self.discrepancy {
                    None => format!("no discrepancy in {} runs", self.verified),
                    Some(_) => "DISCREPANCY".to_owned(),
                },
            ),
        ]
    }
}
