//! Collects the figures and renders them as tables.

use std::fmt::Write as _;
use std::time::Duration;

use crate::load::Histogram;
use crate::record;

/// The figures of one server with beacons of one size: one per round, and latencies over all rounds.
pub struct ResultLine {
    name: String,
    events: u32,
    per_second: Vec<f64>,
    cpu: Vec<f64>,
    store_cpu: Vec<f64>,
    generator_cpu: Vec<f64>,
    rest_cpu: Vec<f64>,
    rest_store_cpu: Vec<f64>,
    latency: Histogram,
    steady: Histogram,
    steady_rate: f64,
    /// Highest memory, in bytes.
    pub peak_memory: u64,
    /// Memory of its store, in bytes.
    pub store_memory: u64,
}

impl ResultLine {
    pub fn new(name: String, events: u32) -> Self {
        Self {
            name,
            events,
            per_second: Vec::new(),
            cpu: Vec::new(),
            store_cpu: Vec::new(),
            generator_cpu: Vec::new(),
            rest_cpu: Vec::new(),
            rest_store_cpu: Vec::new(),
            latency: Histogram::default(),
            steady: Histogram::default(),
            steady_rate: 0.0,
            peak_memory: 0,
            store_memory: 0,
        }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// The CPU times of the server, its store and the generator are in µs per beacon.
    pub fn add(
        &mut self,
        per_second: f64,
        cpu: f64,
        store_cpu: f64,
        generator_cpu: f64,
        latency: &Histogram,
    ) {
        self.per_second.push(per_second);
        self.cpu.push(cpu);
        self.store_cpu.push(store_cpu);
        self.generator_cpu.push(generator_cpu);
        self.latency.merge(latency);
    }

    pub fn add_steady(&mut self, latency: &Histogram, per_second: f64) {
        self.steady.merge(latency);
        self.steady_rate = per_second;
    }

    /// The CPU times of the server and its store until the store is at rest, in µs per event.
    pub fn add_rest(&mut self, cpu: f64, store_cpu: f64) {
        self.rest_cpu.push(cpu);
        self.rest_store_cpu.push(store_cpu);
    }

    pub fn last(&self) -> String {
        let last = |figures: &[f64]| figures.last().copied().unwrap_or_default();
        format!(
            "{}, {} events: {:.0} beacons/s, {:.2} µs CPU each (store {:.2}, generator {:.2}); \
             an event until the store rests: {:.2} (store {:.2})",
            self.name,
            self.events,
            last(&self.per_second),
            last(&self.cpu),
            last(&self.store_cpu),
            last(&self.generator_cpu),
            last(&self.rest_cpu),
            last(&self.rest_store_cpu),
        )
    }
}

/// Memory and start-up of Footfall.
#[derive(Debug, Default)]
pub struct Footprint {
    /// From the start to the first accepted beacon.
    pub first_accepted: Duration,
    /// From the start to its event in the embedded store.
    pub first_stored: Duration,
    /// The number of configured sites for the idle figures.
    pub many_sites: usize,
    /// Memory when idle, in bytes.
    pub idle: u64,
    /// Memory of the embedded store when idle, in bytes.
    pub idle_store: u64,
}

pub struct Results {
    lines: Vec<ResultLine>,
    footprint: Footprint,
}

impl Results {
    /// The first line of each beacon size must be the baseline.
    pub fn new(lines: Vec<ResultLine>, footprint: Footprint) -> Self {
        Self { lines, footprint }
    }

    /// The figures as two Markdown tables.
    pub fn table(&self) -> String {
        let mut text = String::from(
            "\n| server | events | beacons/s | CPU µs a beacon | µs an event | ratio | p50 ms | p99 ms | steady: p50 ms | p99 ms | store CPU µs | generator CPU µs | until rest: µs an event | store | both |\n\
             |---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n",
        );
        for line in &self.lines {
            let baseline = self.lines.iter().find(|other| other.events == line.events);
            let cpu = median(&line.cpu);
            let ratio = cpu / baseline.map_or(cpu, |other| median(&other.cpu));
            let both: Vec<_> =
                line.rest_cpu.iter().zip(&line.rest_store_cpu).map(|(cpu, store)| cpu + store).collect();
            let quantile = |latency: &Histogram, share| latency.quantile(share).as_secs_f64() * 1e3;
            let _ = writeln!(
                text,
                "| {} | {} | {:.0} | {cpu:.2} | {:.2} | {ratio:.2} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} |",
                line.name,
                line.events,
                median(&line.per_second),
                cpu / f64::from(line.events),
                quantile(&line.latency, 0.5),
                quantile(&line.latency, 0.99),
                quantile(&line.steady, 0.5),
                quantile(&line.steady, 0.99),
                median(&line.store_cpu),
                median(&line.generator_cpu),
                median(&line.rest_cpu),
                median(&line.rest_store_cpu),
                median(&both),
            );
        }
        self.footprint_table(&mut text);
        text
    }

    fn footprint_table(&self, text: &mut String) {
        if self.footprint.idle == 0 {
            return;
        }
        let footfall = self.lines.iter().filter(|line| line.name == "Footfall");
        let (peak, store) = footfall
            .fold((0, 0), |(peak, store), line| (peak.max(line.peak_memory), store.max(line.store_memory)));
        let footprint = &self.footprint;
        let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        let _ = write!(
            text,
            "\n| Footfall | |\n|---|--:|\n\
             | start to first accepted beacon | {:.0} ms |\n\
             | start to its event in the embedded store | {:.0} ms |\n\
             | memory idle, {} sites | {:.1} MiB |\n\
             | memory at full load, at most | {:.1} MiB |\n\
             | embedded store: memory idle | {:.0} MiB |\n\
             | embedded store: memory after the load | {:.0} MiB |\n",
            ms(footprint.first_accepted),
            ms(footprint.first_stored),
            footprint.many_sites,
            mib(footprint.idle),
            mib(peak),
            mib(footprint.idle_store),
            mib(store),
        );
    }

    /// Replaces the table in `benches/RESULTS.md`.
    pub fn write(&self, settings: &str) {
        let text = format!(
            "## End to end\n\n{}.\n`cargo bench --bench end_to_end -- --write`: {settings}.\n{}",
            record::circumstances(),
            self.table(),
        );
        record::keep("end_to_end", &text);
    }
}

/// The median; of an even number of figures, the lower of the two in the middle.
fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len().saturating_sub(1) / 2).copied().unwrap_or_default()
}
