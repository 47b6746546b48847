//! What a run came to, as a table.

use std::fmt::Write as _;
use std::time::Duration;

use crate::stage::{Counts, Weather};

/// Figures of a run.
#[derive(Debug, Default)]
pub struct Outcome {
    pub seed: u64,
    pub elapsed: Duration,
    pub collector_kills: u32,
    pub store_kills: u32,
    /// Of the store's kills, those after which it had forgotten the tokens of its inserts.
    pub power_cuts: u32,
    pub freezes: u32,
    pub clock_sets: u32,
    /// Times that the store was made to refuse some rows.
    pub refusals: u32,
    /// Segments that were set aside for it, most of a single row, and tried again.
    pub retried: usize,
    pub weathers: Counts<Weather>,
    /// Exits of the collector that nobody asked for, by status: a spool whose disk failed ends its process.
    pub ended: Counts<String>,
    /// Requests to the store that were refused, held up, cut or robbed of their answer.
    pub spoilt: u64,
    pub longest_outage: Duration,
    /// The collector's most resident memory, bytes.
    pub memory: u64,
    pub beacons: u64,
    pub refused: u64,
    pub broken: u64,
    pub acknowledged: usize,
    pub missing: usize,
    pub doubled: usize,
    pub unknown: usize,
    /// Copies that the closing of a day took out of the store again: they count as doubled.
    pub removed: u64,
    /// How often `footfall verify` found that the books balance, under load and at the end.
    pub verified: u32,
    /// What it said when they did not.
    pub unbalanced: Option<String>,
    /// The small disk's file system; none where it cannot be mounted.
    pub disk: Option<&'static str>,
    pub clock: bool,
}

impl Outcome {
    /// Whether the promise held.
    pub fn holds(&self) -> bool {
        self.missing == 0
            && self.doubled == 0
            && self.unknown == 0
            && self.removed == 0
            && self.verified > 0
            && self.unbalanced.is_none()
    }

    /// Processes killed.
    pub fn kills(&self) -> u32 {
        self.collector_kills + self.store_kills
    }

    /// The figures as a Markdown table.
    pub fn table(&self) -> String {
        let count = |weather| self.weathers.get(&weather).copied().unwrap_or_default();
        let ended = match self.ended.is_empty() {
            true => "none".to_owned(),
            false => self
                .ended
                .iter()
                .map(|(status, count)| format!("{count} × {status}"))
                .collect::<Vec<_>>()
                .join(", "),
        };
        let disk = self.disk.map_or("not tried: nothing may be mounted here".to_owned(), |kind| {
            format!("{} times, on {kind}", count(Weather::DiskFull))
        });
        let clock = match self.clock {
            true => format!("{} times, up to 3 days ahead or behind", self.clock_sets),
            false => "not tried: libfaketime is not installed".to_owned(),
        };
        let rows = [
            ("seed", self.seed.to_string()),
            ("time", format!("{} s", self.elapsed.as_secs())),
            ("kill -9 of the collector", self.collector_kills.to_string()),
            (
                "kill -9 of the store, of these with its tokens forgotten as in a power cut",
                format!("{}, {}", self.store_kills, self.power_cuts),
            ),
            ("freezes (SIGSTOP) of either", self.freezes.to_string()),
            ("clock set", clock),
            ("disk filled", disk),
            (
                "store stopped",
                format!(
                    "{} times, the longest {:.1} s",
                    count(Weather::StoreGone),
                    self.longest_outage.as_secs_f64()
                ),
            ),
            (
                "inserts answered 500 / hanging / cut in the middle / applied, answer lost",
                format!(
                    "{} / {} / {} / {} times for a while; {} requests hit",
                    count(Weather::InsertsRefused),
                    count(Weather::InsertsHang),
                    count(Weather::InsertsCut),
                    count(Weather::AnswersLost),
                    self.spoilt
                ),
            ),
            (
                "some rows refused by the store for what is in them / set aside in / tried again",
                format!("{} times / {} segments, most of one row / all of them", self.refusals, self.retried),
            ),
            ("exits that nobody asked for (5: the spool's disk failed)", ended),
            ("beacons acknowledged", self.beacons.to_string()),
            (
                "beacons refused and sent again / connections broken",
                format!("{} / {}", self.refused, self.broken),
            ),
            ("most memory of the collector", format!("{} MiB", self.memory >> 20)),
            ("events acknowledged", self.acknowledged.to_string()),
            ("**lost**", format!("**{}**", self.missing)),
            (
                "**doubled**, those that the closing of a day took out again among them",
                format!("**{}**", self.doubled as u64 + self.removed),
            ),
            ("stored but never acknowledged", self.unknown.to_string()),
            (
                "`footfall verify`, under load and afterwards",
                match &self.unbalanced {
                    None => format!("balanced {} times", self.verified),
                    Some(_) => "DOES NOT BALANCE".to_owned(),
                },
            ),
        ];
        let mut table = String::from("| what | figure |\n|---|---|\n");
        for (what, figure) in rows {
            // Writing to a string cannot fail.
            let _ = writeln!(table, "| {what} | {figure} |");
        }
        table
    }
}
