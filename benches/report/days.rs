//! What computing and closing of days take of the store, beside what they do in vain when nothing is due.

use std::time::{Duration, Instant};

use footfall::store::Client;
use footfall::store::days::{DayCloser, OpenDays, make_due};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::processes::Store;
use crate::results::{median, ms};
use crate::{DAYS, ZONE};

/// How often the open day is computed.
const COMPUTATIONS: usize = 3;
/// How often rounds that find nothing due are run, of each kind.
const ROUNDS: usize = 10;
/// How often the collector counts the rows of closed days.
const COUNTS_EVERY: f64 = 3600.0;

/// Time and the store's CPU time of a task.
#[derive(Default)]
struct Costs {
    elapsed: Vec<Duration>,
    cpu: Vec<Duration>,
}

impl Costs {
    async fn add<T>(&mut self, store: &Store, task: impl Future<Output = T>) -> T {
        let (began, cpu) = (Instant::now(), store.cpu());
        let done = task.await;
        self.elapsed.push(began.elapsed());
        self.cpu.push(store.cpu().saturating_sub(cpu));
        done
    }

    fn mean_cpu(&self) -> Duration {
        self.cpu.iter().sum::<Duration>() / u32::try_from(self.cpu.len().max(1)).expect("a small number")
    }

    fn print(&self, what: &str) {
        println!("| {what} | {} | {} | {} |", self.cpu.len(), ms(median(&self.elapsed)), ms(self.mean_cpu()));
    }
}

/// The days of the store are computed already. Those before `filled` days ago are made of copies.
pub async fn measure(client: &Client, store: &Store, filled: i64) {
    copy_days(client, filled).await;
    let sql = "SELECT toUInt64(count()), toUInt64(sum(visits)), toUInt64(sum(figures)) FROM days FINAL WHERE is_closed";
    let (days, visits, figures): (u64, u64, u64) =
        client.query(sql).fetch_one().await.expect("the closed days");
    println!("{days} closed days, {visits} visits, {figures} daily figures; {filled} days were filled.\n");
    println!("| task | times | median time, ms | mean CPU of the store, ms |\n|---|--:|--:|--:|");
    let zone = TimeZone::get(ZONE).expect("a known zone");
    let open_days = OpenDays::new(client.clone(), zone.clone()).expect("the zone has a name");
    let today = "SELECT toUInt16(max(day)) FROM days";
    let today = client.query(today).fetch_one::<u16>().await.expect("the last day");
    let (mut open, mut idle_open) = (Costs::default(), Costs::default());
    for _ in 0..COMPUTATIONS {
        make_due(client, &[today]).await.expect("the day can be made due");
        let computed = open.add(store, open_days.compute(Timestamp::now())).await;
        assert_eq!(computed.expect("it is computed").len(), 1);
    }
    for _ in 0..ROUNDS {
        let computed = idle_open.add(store, open_days.compute(Timestamp::now())).await;
        assert!(computed.expect("nothing is due").is_empty());
    }
    open.print("computing the open day");
    idle_open.print("finding that no open day is due");
    let (mut counted, mut not_counted) = (Costs::default(), Costs::default());
    for _ in 0..ROUNDS {
        // One that has just started counts the rows of closed days. It does not in its next rounds.
        let closer = DayCloser::new(client.clone(), zone.clone()).expect("the zone has a name");
        for costs in [&mut counted, &mut not_counted] {
            let closed = costs.add(store, closer.close_due(Timestamp::now())).await;
            assert!(closed.expect("nothing is due").days.is_empty());
        }
    }
    counted.print("finding that no closed day is due, with their rows counted");
    not_counted.print("the same without");
    let count = counted.mean_cpu().saturating_sub(not_counted.mean_cpu());
    println!(
        "\nCounting once an hour takes {:.3} % of a core, and a round with it {:.2} × the CPU of one without.\n",
        count.as_secs_f64() / COUNTS_EVERY * 100.0,
        counted.mean_cpu().as_secs_f64() / not_counted.mean_cpu().as_secs_f64().max(0.001),
    );
}

/// Makes the days before those that were filled: each has the visits and figures of one that was computed, and no events.
async fn copy_days(client: &Client, filled: i64) {
    let known = client.query("SELECT count() FROM days FINAL").fetch_one::<u64>().await.expect("the days");
    if known >= DAYS.unsigned_abs() {
        // By an earlier run.
        return;
    }
    let computed = filled - 1;
    for ago in filled..DAYS {
        let back = ago - (ago - 1) % computed - 1;
        // The inner query, because the outer one would take `day` for the new one in its condition.
        let source = format!("day = (SELECT max(day) FROM days) - {}", ago - back);
        let moved = format!("day - {back} AS day, generation - {back} AS generation");
        for table in ["visits_stored", "daily_stored"] {
            let copy = format!(
                "INSERT INTO {table} SELECT * REPLACE ({moved}) FROM (SELECT * FROM {table} WHERE NOT is_open \
                 AND (day, generation) IN (SELECT day, generation FROM days FINAL WHERE is_closed AND {source}))"
            );
            client.query(&copy).execute().await.expect("figures can be copied");
        }
        let days = format!(
            "INSERT INTO days SELECT * REPLACE ({moved}, starts - INTERVAL {back} DAY AS starts, \
             ends - INTERVAL {back} DAY AS ends, 0 AS events) FROM (SELECT * FROM days FINAL WHERE is_closed AND {source})"
        );
        client.query(&days).execute().await.expect("a day can be copied");
    }
}
