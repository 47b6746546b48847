//! What publishing costs when a day closes: CPU time of the store, and bytes of the table.
//!
//! ```sh
//! TEST_VISITORS=4000 TEST_DAYS=10 cargo test --test it published::closing -- --nocapture
//! ```

use std::time::Duration;

use footfall::config::StoreConfig;
use footfall::store::Client;
use footfall::store::days::{DayCloser, NoiseKey, Publisher};
use jiff::tz::TimeZone;

use crate::common::{Collector, StoreProcess, eventually};

/// With and without publishing, in turns.
const ROUNDS: usize = 3;
/// Most CPU time of closing with publishing, as a multiple of that without.
const MOST_TIME: f64 = 4.0;
/// Most bytes of published figures, for each event of the day.
const MOST_BYTES: f64 = 2.0;

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().expect("a number"))
}

/// Seconds of CPU that a process has used.
fn cpu_seconds(pid: u32) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = text.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let ticks: f64 = [11, 12].iter().map(|place| fields[*place].parse::<f64>().unwrap()).sum();
    ticks / 100.0
}

#[tokio::test(flavor = "multi_thread")]
async fn publishing_takes_a_bounded_part_of_closing_and_of_the_disk() {
    let (visitors, days) = (number("TEST_VISITORS", 500), number("TEST_DAYS", 4));
    let mut collector = Collector::new("");
    let demo = ["demo", "--visitors", &visitors.to_string(), "--days", &days.to_string()].map(str::to_owned);
    let filled = collector.command(&demo.each_ref().map(String::as_str));
    assert!(filled.status.success(), "{filled:?}");
    let mut process = StoreProcess::new(&collector.data().join("store"));
    eventually("the store of the command has ended", Duration::from_secs(60), || !collector.store.pings());
    process.start();
    let pid = process.pid();
    let client = Client::new(&StoreConfig::embedded(process.store.listen));
    let key = NoiseKey::open_file(&collector.data().join("noise.key")).unwrap();
    let later = (jiff::Timestamp::now() + jiff::SignedDuration::from_hours(24)).to_string();
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        for (publishes, times) in times.iter_mut().enumerate() {
            for table in ["days", "visits_stored", "daily_stored", "publications", "daily_published_stored"] {
                process.store.query(&format!("TRUNCATE TABLE {table}")).unwrap();
            }
            let before = cpu_seconds(pid);
            let publisher = (publishes == 1).then(|| Publisher::new(key.clone(), 5));
            let closer = DayCloser::new(client.clone(), TimeZone::UTC).unwrap().with_publisher(publisher);
            closer.close_due(later.parse().unwrap()).await.unwrap();
            times.push(cpu_seconds(pid) - before);
        }
    }
    let least = |times: &[f64]| times.iter().copied().fold(f64::INFINITY, f64::min);
    let [without, with] = [least(&times[0]), least(&times[1])];
    let events = process.store.number("SELECT count() FROM events") as f64;
    println!("{events} events of {days} days, {visitors} visitors on an average day");
    println!(
        "closing: {without:.2} s of CPU without publishing, {with:.2} s with ({:.2} times)",
        with / without
    );
    let cells = process.store.number("SELECT count() FROM daily_published_stored");
    println!("{cells} published rows");
    let bytes = |table: &str| {
        let sql = format!(
            "SELECT toUInt64(sum(bytes_on_disk)) FROM system.parts WHERE active AND database = 'footfall' AND table = '{table}'"
        );
        process.store.number(&sql) as f64 / events
    };
    for table in ["events", "visits_stored", "daily_stored"] {
        println!("{table}: {:.2} bytes an event", bytes(table));
    }
    let published = bytes("daily_published_stored");
    println!("daily_published_stored: {published:.2} bytes an event");
    assert!(with < MOST_TIME * without, "{with} s, {without} s");
    assert!(events < 100_000.0 || published < MOST_BYTES, "{published} bytes an event");
    collector.kill();
}
