//! The spool's cost: an append alone, and acknowledged (synced) appends of many tasks at once, beside a plain
//! `write` + `fdatasync` for each. The disk is that of the directory for temporary files (`TMPDIR`).
//!
//! `cargo bench --bench spool` runs all; `-- --test` runs each once. Before criterion's figures it prints what criterion
//! cannot measure: CPU per append of the whole process, and the latencies of acks.
//!
//! `cargo bench --bench spool -- open` measures the start alone: [`Spool::open`] on 1 GiB of sealed segments, cold (the files
//! dropped from the page cache), warm, and cold after a kill that left the last segment unsealed and torn, beside reading the
//! same files from end to end.

#![allow(missing_docs)]

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput};
use footfall::config::SpoolLimits;
use footfall::event::EventRow;
use footfall::spool::{Durability, EventEntry, EventRecord, Spool};
use rustix::fs::{Advice, fadvise};
use rustix::time::{ClockId, clock_gettime};

/// What waits after a long outage, in bytes.
const BACKLOG: u64 = 1 << 30;
/// The same for a run that only sees whether it works.
const SHORT_BACKLOG: u64 = 16 << 20;
/// How often each way of opening is measured.
const OPENINGS: usize = 5;

/// A view with what most views have: close to what a beacon of a real page makes.
fn row(page_load: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(page_load, 0, &mut bytes);
    bytes
}

fn encode(page_load: u64, seq: u32, bytes: &mut Vec<u8>) {
    EventRow {
        page_load,
        seq,
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
        ..EventRow::default()
    }
    .encode(bytes);
}

/// The defaults of the configuration.
fn limits() -> SpoolLimits {
    SpoolLimits {
        seal_rows: 100_000,
        seal_bytes: 32 << 20,
        seal_after: Duration::from_secs(2),
        max_bytes: 8 << 30,
        reserve: None,
    }
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
        let (spool, _) = Spool::open(directory.path(), &limits()).expect("a spool");
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
    let events = [EventEntry { filter_id: 7, row_len: rows.len() as u32 }];
    spool.append(EventRecord { site: "clinic", events: &events, rows }, durability).ok()
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

/// How long a start takes with a backlog: from the call of [`Spool::open`] until beacons can be taken.
fn openings(size: u64) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    fill(directory.path(), size);
    let files = segments(directory.path());
    let bytes: u64 = files.iter().map(|file| file.metadata().expect("a file").len()).sum();
    println!("open with {} segments, {} MiB (median and worst of {OPENINGS}):", files.len(), bytes >> 20);
    println!("{:>6} {:>22} {:>22} {:>7}", "state", "open", "reading it all", "ratio");
    for (state, cold, killed) in [("cold", true, false), ("warm", false, false), ("killed", true, true)] {
        let (mut opened, mut read) = (Vec::new(), Vec::new());
        for _ in 0..OPENINGS {
            if killed {
                tear(&files);
            }
            read.push(timed(&files, cold, || plain_read(&files)));
            opened.push(timed(&files, cold, || {
                let (spool, found) = Spool::open(directory.path(), &limits()).expect("a spool");
                assert!(found.notes.is_empty() != killed && found.events > 0, "{:?}", found.notes);
                spool
            }));
        }
        let figures = |times: &mut Vec<Duration>| {
            times.sort_unstable();
            let ms = |time: Duration| time.as_secs_f64() * 1e3;
            format!("{:.1} ms, {:.1} ms", ms(times[OPENINGS / 2]), ms(times[OPENINGS - 1]))
        };
        let (open, plain) = (figures(&mut opened), figures(&mut read));
        let ratio = opened[OPENINGS / 2].as_secs_f64() / read[OPENINGS / 2].as_secs_f64();
        println!("{state:>6} {open:>22} {plain:>22} {ratio:>7.3}");
    }
}

/// Makes a spool of so many bytes, sealed, in beacons of three events.
fn fill(directory: &Path, size: u64) {
    let (spool, _) = Spool::open(directory, &limits()).expect("a spool");
    let seqs = [0, 1, 2];
    let (mut rows, mut written) = (Vec::new(), 0);
    for page_load in 0.. {
        if written >= size {
            break;
        }
        rows.clear();
        for seq in seqs {
            encode(page_load, seq, &mut rows);
        }
        written += rows.len() as u64;
        let row_len = (rows.len() / seqs.len()) as u32;
        let events = seqs.map(|seq| EventEntry { filter_id: page_load << 2 | u64::from(seq), row_len });
        let record = EventRecord { site: "clinic", events: &events, rows: &rows };
        // Full in memory means that the disk is behind.
        while spool.append(record, Durability::Buffered).is_err() {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    spool.close();
}

fn segments(directory: &Path) -> Vec<File> {
    let entries = std::fs::read_dir(directory).expect("a directory");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let mut paths: Vec<PathBuf> =
        paths.filter(|path| path.extension().is_some_and(|ending| ending == "segment")).collect();
    paths.sort();
    let open = |path| File::options().read(true).write(true).open(path).expect("a segment");
    paths.iter().map(open).collect()
}

/// Cuts the end off the last segment with rows, seal and all.
fn tear(files: &[File]) {
    let length = |file: &File| file.metadata().expect("a file").len();
    let last = files.iter().rfind(|file| length(file) > 1 << 20).expect("a segment with rows");
    last.set_len(length(last) - (64 << 10)).expect("it can be cut");
}

/// How long something takes, with the files out of the page cache or in it. The returned value is dropped outside the measured time.
fn timed<T>(files: &[File], cold: bool, work: impl FnOnce() -> T) -> Duration {
    for file in files {
        // What is not on the disk yet is not dropped.
        file.sync_all().expect("the disk syncs");
        if cold {
            fadvise(file, 0, None, Advice::DontNeed).expect("it is let go");
        }
    }
    if !cold {
        plain_read(files);
    }
    let began = Instant::now();
    let value = work();
    let took = began.elapsed();
    drop(value);
    took
}

/// Reads files from end to end and does nothing with them.
fn plain_read(files: &[File]) {
    use std::os::unix::fs::FileExt;
    let mut buffer = vec![0; 1 << 20];
    for file in files {
        let mut at = 0;
        loop {
            match file.read_at(&mut buffer, at).expect("it can be read") {
                0 => break,
                read => at += read as u64,
            }
        }
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
    let is_told = |wanted: &str| std::env::args().skip(1).any(|argument| argument == wanted);
    let backlog = if is_told("--test") { SHORT_BACKLOG } else { BACKLOG };
    if is_told("open") {
        return openings(backlog);
    }
    let mut criterion = Criterion::default().configure_from_args().sample_size(20);
    if !is_told("--test") {
        costs();
    }
    openings(backlog);
    benches(&mut criterion);
    criterion.final_summary();
}
