//! Time of each report and the rows it reads, over a year of the demonstration's visitors in the embedded store.
//!
//! `cargo bench --bench report`. `BENCH_ROWS` is the approximate number of events (10,000,000). `BENCH_STORE` is a
//! directory that keeps the store, so that the next run need not fill it again.

use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use footfall::config;
use footfall::report::{RawReportRequest, ReportAnswer, Reports, catalogue};
use footfall::store::Client;
use jiff::tz::TimeZone;

const ZONE: &str = "Europe/Moscow";
const DAYS: u32 = 365;
/// The average number of events of a visitor in the demonstration.
const EVENTS_A_VISITOR: u32 = 10;
/// Each report runs this often; the median is printed.
const RUNS: usize = 5;

/// Dropping it ends the process.
struct BenchStore {
    child: Child,
    listen: SocketAddr,
}

impl Drop for BenchStore {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn main() {
    // `cargo test --benches` only checks that this program starts. Filling a store would take minutes.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let rows: u32 = env("BENCH_ROWS").map_or(10_000_000, |text| text.parse().expect("a number of rows"));
    let kept = env("BENCH_STORE").map(PathBuf::from);
    let directory = tempfile::tempdir().expect("a directory");
    let data = kept.unwrap_or_else(|| directory.path().join("store"));
    let store = start(&data);
    let client = Client::new(&config::StoreConfig::embedded(store.listen));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    if runtime.block_on(count(&client)).is_none_or(|found| found == 0) {
        fill(directory.path(), store.listen, rows);
    }
    let found = runtime.block_on(count(&client)).expect("the store holds events");
    let zone = TimeZone::get(ZONE).expect("a known zone");
    let reports = Reports::new(client.reader(), zone, &["clinic"]).expect("the zone has a name");
    let mut out = std::io::stdout().lock();
    let _ = writeln!(
        out,
        "{found} events over {DAYS} days; median of {RUNS}, in ms; rows and MB that ClickHouse read\n"
    );
    for (what, from, filter) in [
        ("today", "today", None),
        ("30 days", "30d", None),
        ("a year", "365d", None),
        ("a year, one country", "365d", Some("country=RU")),
        ("a year, one page", "365d", Some("path=/doctors")),
    ] {
        let _ = writeln!(out, "{what:<24}{:>10}{:>14}{:>10}", "ms", "rows", "MB");
        for report in catalogue::all() {
            let raw = RawReportRequest {
                report: report.name.to_owned(),
                from: Some(from.to_owned()),
                filters: filter.iter().map(ToString::to_string).collect(),
                ..RawReportRequest::default()
            };
            let mut answers: Vec<ReportAnswer> = (0..RUNS)
                .map(|_| {
                    let ask = reports.parse(&raw).expect("the request makes sense");
                    runtime.block_on(reports.run(ask)).expect("the report runs")
                })
                .collect();
            answers.sort_by_key(|answer| answer.cost.elapsed);
            let cost = answers[RUNS / 2].cost;
            let _ = writeln!(
                out,
                "  {:<22}{:>10.1}{:>14}{:>10.2}",
                report.name,
                cost.elapsed.as_secs_f64() * 1000.0,
                cost.rows.map_or_else(|| "?".to_owned(), |rows| rows.to_string()),
                cost.bytes.unwrap_or(0) as f64 / 1e6,
            );
        }
        let _ = writeln!(out);
    }
}

fn env(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Starts `footfall embedded` and waits until it accepts connections.
fn start(data: &Path) -> BenchStore {
    let free = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
    let listen = free.expect("a free port");
    let child = Command::new(env!("CARGO_BIN_EXE_footfall"))
        .args(["embedded", "--listen", &listen.to_string(), "--data"])
        .arg(data)
        .stdout(Stdio::null())
        .spawn()
        .expect("footfall starts");
    let store = BenchStore { child, listen };
    let began = Instant::now();
    while TcpStream::connect(listen).is_err() {
        assert!(began.elapsed() < Duration::from_secs(60), "the store does not start");
        std::thread::sleep(Duration::from_millis(50));
    }
    store
}

/// Fills the store with about `rows` events of the demonstration's visitors.
fn fill(directory: &Path, listen: SocketAddr, rows: u32) {
    let settings = directory.join("footfall.toml");
    let text = format!(
        "timezone = \"{ZONE}\"\n[store]\nurl = \"http://{listen}\"\ndatabase = \"footfall\"\nuser = \"footfall_collector\"\n\
         [[site]]\nid = \"clinic\"\nhosts = [\"clinic.example\"]\n"
    );
    std::fs::write(&settings, text).expect("settings can be written");
    let visitors = (rows / DAYS / EVENTS_A_VISITOR).max(1);
    let status = Command::new(env!("CARGO_BIN_EXE_footfall"))
        .arg("--config")
        .arg(&settings)
        .args(["demo", "--visitors", &visitors.to_string(), "--days", &DAYS.to_string()])
        .status()
        .expect("footfall starts");
    assert!(status.success(), "footfall demo failed");
}

/// `None` if the store has no tables.
async fn count(client: &Client) -> Option<u64> {
    let bytes =
        client.query("SELECT count() FROM events").fetch_bytes("TabSeparated").ok()?.collect().await.ok()?;
    std::str::from_utf8(&bytes).ok()?.trim().parse().ok()
}
