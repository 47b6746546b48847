//! The spool's cost: an append alone, and acknowledged (synced) appends of many tasks at once, beside a plain
//! `write` + `fdatasync` for each. The disk is that of the directory for temporary files (`TMPDIR`).
//!
//! `cargo bench --bench spool` runs all; `-- --test` runs each once. Before criterion's figures it prints what criterion
//! cannot measure: CPU per append of the whole process, and the latencies of acks.

#![allow(missing_docs)]

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput};
use footfall::config::SpoolLimits;
use footfall::event::Row;
use footfall::spool::{Durability, Frame, Spool};
use rustix::time::{ClockId, clock_gettime};

/// A view with what most views have: close to what a beacon of a real page makes.
fn row(page_load: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    Row {
        page_load,
        site: "clinic",
        host: "clinic.example",
        path: "/doctors/cardiology",
        query: "utm_source=newsletter",
        policy: "2026-11-22",
        referrer_host: "yandex.ru",
        source: "Yandex",
        channel: "Organic Search",
        browser: "Chrome",
        browser_version: "142",
        engine: "Blink",
        os: "Windows",
        os_version: "11",
        language: "ru-RU",
        timezone: "Europe/Moscow",
        country: "RU",
        region: "Moscow",
        city: "Moscow",
        network: "Rostelecom",
        ..Row::default()
    }
    .encode(&mut bytes);
    bytes
}

/// A spool whose sealed segments are deleted as if they were shipped.
struct Shipped {
    spool: Arc<Spool>,
    stop: Arc<AtomicBool>,
    shipper: Option<std::thread::JoinHandle<()>>,
    _directory: tempfile::TempDir,
}

impl Shipped {
    fn open() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let limits = SpoolLimits {
            seal_rows: 100_000,
            seal_bytes: 32 << 20,
            seal_after: Duration::from_secs(2),
            max_bytes: 8 << 30,
            reserve: None,
        };
        let (spool, _) = Spool::open(directory.path(), &limits).expect("a spool");
        let stop = Arc::new(AtomicBool::new(false));
        let shipper = std::thread::spawn({
            let (spool, stop) = (spool.clone(), stop.clone());
            move || {
                while !stop.load(Ordering::Relaxed) {
                    match spool.oldest_sealed() {
                        Some(sealed) => spool.confirm(&sealed).expect("a sealed segment can be deleted"),
                        None => std::thread::sleep(Duration::from_millis(20)),
                    }
                }
            }
        });
        Self { spool, stop, shipper: Some(shipper), _directory: directory }
    }
}

impl Drop for Shipped {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.shipper.take().expect("it is taken once").join();
    }
}

fn append(spool: &Spool, rows: &[u8], durability: Durability) -> Option<footfall::spool::Ack> {
    spool.append(Frame { site: "clinic", page_load: 7, seqs: &[0], rows }, durability).ok()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
}

/// `count` acknowledged appends from `tasks` tasks, each waiting for its ack before the next.
fn appenders(
    runtime: &tokio::runtime::Runtime,
    spool: &Arc<Spool>,
    tasks: u64,
    count: u64,
    think: Option<Duration>,
) -> (Duration, Vec<u32>) {
    let rows: Arc<[u8]> = row(1).into();
    let left = Arc::new(AtomicU64::new(count));
    let began = Instant::now();
    let latencies = runtime.block_on(async {
        let tasks: Vec<_> = (0..tasks)
            .map(|_| {
                let (spool, rows, left) = (spool.clone(), rows.clone(), left.clone());
                tokio::spawn(async move {
                    let mut latencies = Vec::new();
                    while left
                        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1))
                        .is_ok()
                    {
                        let began = Instant::now();
                        let ack = append(&spool, &rows, Durability::Synced).expect("the spool has room");
                        ack.await.expect("the disk works");
                        latencies.push(u32::try_from(began.elapsed().as_micros()).unwrap_or(u32::MAX));
                        if let Some(think) = think {
                            tokio::time::sleep(think).await;
                        }
                    }
                    latencies
                })
            })
            .collect();
        let mut all = Vec::new();
        for task in tasks {
            all.extend(task.await.expect("a task ends"));
        }
        all
    });
    (began.elapsed(), latencies)
}

fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// CPU per acknowledged append, and the latencies of the acks.
fn costs() {
    println!("acknowledged appends of one event ({} bytes of row):", row(1).len());
    println!(
        "{:>6} {:>7} {:>10} {:>12} {:>9} {:>9} {:>9}",
        "tasks", "think", "appends/s", "CPU/append", "p50", "p99", "max"
    );
    let runtime = runtime();
    for (tasks, think, count) in [
        (1, None, 2_000),
        (64, None, 60_000),
        (256, None, 200_000),
        (1024, None, 400_000),
        (256, Some(3), 60_000),
        (1024, Some(12), 120_000),
    ] {
        let shipped = Shipped::open();
        let before = cpu();
        let (took, mut latencies) =
            appenders(&runtime, &shipped.spool, tasks, count, think.map(Duration::from_millis));
        let cpu = cpu() - before;
        latencies.sort_unstable();
        let at = |share: f64| f64::from(latencies[(latencies.len() as f64 * share) as usize]) / 1000.0;
        println!(
            "{tasks:>6} {:>7} {:>10.0} {:>9.2} µs {:>6.2} ms {:>6.2} ms {:>6.2} ms",
            think.map_or("-".to_owned(), |think| format!("{think} ms")),
            count as f64 / took.as_secs_f64(),
            cpu.as_secs_f64() * 1e6 / count as f64,
            at(0.5),
            at(0.99),
            at(0.999_999),
        );
    }
}

fn benches(criterion: &mut Criterion) {
    let rows = row(1);
    let mut group = criterion.benchmark_group("append");
    group.throughput(Throughput::Elements(1));
    group.bench_function("buffered", |bench| {
        let shipped = Shipped::open();
        bench.iter(|| {
            // Full in memory means that the disk is behind: that is not what is measured here.
            while append(&shipped.spool, &rows, Durability::Buffered).is_none() {
                std::thread::yield_now();
            }
        });
    });
    group.bench_function("plain write and fdatasync", |bench| {
        let mut file = tempfile::tempfile().expect("a file");
        bench.iter(|| {
            file.write_all(&rows).expect("the disk takes it");
            file.sync_data().expect("the disk syncs");
        });
    });
    let runtime = runtime();
    for tasks in [1, 64, 256, 1024] {
        let shipped = Shipped::open();
        group.bench_function(BenchmarkId::new("synced", tasks), |bench| {
            bench.iter_custom(|count| appenders(&runtime, &shipped.spool, tasks, count, None).0);
        });
    }
    group.finish();
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args().sample_size(20);
    if !std::env::args().any(|argument| argument == "--test") {
        costs();
    }
    benches(&mut criterion);
    criterion.final_summary();
}
