//! Time of each report over HTTP, and bytes of an event, against the same questions on Plausible's columns in the same engine.
//!
//! ```text
//! cargo bench --bench report
//! ```
//!
//! The events are made by SQL from a seed (`generate.sql`): 30 days, the last one open, and sites of different size. Then
//! `footfall serve` answers over its reports' listener. Each question has a random site and period. It is asked twice in a row: "first"
//! is its first time, "again" the second.
//!
//! Environment variables change a run:
//!
//! - `BENCH_ROWS` (3000000): approximate number of events;
//! - `BENCH_STORE`: a directory that keeps the store, so that the next run need not fill it again;
//! - `BENCH_QUESTIONS` (9): different questions for each report;
//! - `BENCH_SEED` (1): of events and questions;
//! - `BENCH_DAYS`: fill so many days, at least 2, measure what computing and closing of days take, and ask no question. The days before, up to 30, are
//!   copies of visits and figures.

#![allow(missing_docs, unreachable_pub)]

mod days;
mod fill;
mod http;
mod measure;
mod plausible;
mod processes;
mod questions;
mod results;
mod sizes;

use std::path::PathBuf;
use std::time::Instant;

use footfall::config::StoreConfig;
use footfall::store::Client;
use footfall::store::embedded::Passwords;
use processes::{Collector, Store};

/// Days that are filled. The last one is today.
pub const DAYS: i64 = 30;
/// The zone of days and reports.
pub const ZONE: &str = "Europe/Moscow";
/// Zipf's law gives the largest a quarter of the events.
pub const SITES: u32 = 20;

pub struct BenchSettings {
    /// Of all days that are filled.
    pub rows: u64,
    /// How many are filled.
    pub days: i64,
    pub questions: usize,
    pub seed: u64,
}

fn main() {
    // `cargo test --benches` only checks that this program starts. Filling a store would take minutes.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let number = |name: &str, default: u64| match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name} must be a whole number")),
        Err(_) => default,
    };
    let settings = BenchSettings {
        rows: number("BENCH_ROWS", 3_000_000),
        days: number("BENCH_DAYS", DAYS.unsigned_abs()).cast_signed(),
        questions: usize::try_from(number("BENCH_QUESTIONS", 9)).expect("a small number"),
        seed: number("BENCH_SEED", 1),
    };
    let directory = tempfile::tempdir().expect("a directory");
    let data = std::env::var("BENCH_STORE").map_or_else(|_| directory.path().join("data"), PathBuf::from);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(run(&settings, &data, directory.path()));
}

async fn run(settings: &BenchSettings, data: &std::path::Path, directory: &std::path::Path) {
    results::print_machine();
    {
        let store = Store::start(&data.join("store"));
        let client = Client::new(&StoreConfig::embedded(store.listen));
        let reader = client.reader();
        if !sizes::holds_events(&reader).await {
            let began = Instant::now();
            fill::fill(&client, settings).await;
            println!("From the first event to rest: {:.0} s.\n", began.elapsed().as_secs_f64());
        }
        if settings.days < DAYS {
            days::measure(&client, &store, settings.days).await;
            results::print_machine();
            return;
        }
        sizes::print(&reader).await;
    }
    let collector = Collector::start(data, directory).await;
    let passwords = Passwords::read_file(&data.join("store.passwords")).expect("passwords of the store");
    let client =
        Client::new(&StoreConfig::embedded(collector.store)).with_passwords(&passwords.unwrap_or_default());
    measure::measure(&collector, &client.reader(), settings).await;
    results::print_machine();
}
