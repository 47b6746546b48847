//! Fills the store: events, their account, visits and daily figures, and Plausible's tables.

use std::time::{Duration, Instant};

use footfall::event::COLUMNS;
use footfall::store::days::{DayCloser, OpenDays};
use footfall::store::{Client, schema};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan, Zoned};

use crate::{BenchSettings, DAYS, SITES, ZONE, plausible, results, sizes};

/// The query of a day's events, with the columns of `events` and `visit_number`.
pub const GENERATE: &str = include_str!("generate.sql");
/// What `generate.sql` makes of a visitor, on average.
const EVENTS_A_VISITOR: f64 = 11.7;
/// Visitors of each day of the week, Monday first, in % of a mean day, as in the demonstration.
const WEEK: [f64; 7] = [124.0, 118.0, 112.0, 108.0, 100.0, 70.0, 68.0];
/// How long after its end a day can be closed.
const SETTLE_MINUTES: i64 = 6;

/// A day to be filled.
pub struct FilledDay {
    pub date: Date,
    visitors: u64,
}

pub async fn fill(client: &Client, settings: &BenchSettings) {
    let zone = TimeZone::get(ZONE).expect("a known zone");
    schema::migrate(client, &zone).await.expect("the schema can be applied");
    let today = Zoned::now().with_time_zone(zone.clone()).date();
    let days: Vec<FilledDay> = (0..settings.days).rev().map(|ago| day(today, ago, settings)).collect();

    let columns = format!("{}, collector, segment", COLUMNS.join(", "));
    let insert = format!("INSERT INTO events ({columns}) SELECT {columns} FROM ({GENERATE})");
    let began = Instant::now();
    for day in &days {
        run(client, &insert, day, settings).await;
    }
    let account = "INSERT INTO segments (day, site, collector, segment, part, outcome, events, expires) \
                   SELECT toDate(received), site, collector, segment, 0, 'stored', count(), expires FROM events \
                   WHERE toDate(time) BETWEEN {day:Date} - 1 AND {day:Date} \
                   AND toDate(time, {zone:String}) = {day:Date} GROUP BY ALL";
    for day in &days {
        run(client, account, day, settings).await;
    }
    let inserted = began.elapsed();
    let began = Instant::now();
    sizes::rest(&client.reader()).await;
    println!(
        "Inserted in {:.0} s; merges rested {:.0} s later.",
        inserted.as_secs_f64(),
        began.elapsed().as_secs_f64()
    );

    let mut closings = Vec::new();
    for day in &days[..days.len() - 1] {
        closings.push(close(client, &zone, day).await);
    }
    closings.sort_unstable();
    let open = compute_open(client, &zone, today).await;
    let all: Duration = closings.iter().sum();
    println!(
        "Closing a day: median {} ms, slowest {} ms; all together {:.0} s. Computing the open day: {} ms.",
        results::ms(results::median(&closings)),
        results::ms(closings.last().copied().unwrap_or_default()),
        all.as_secs_f64(),
        results::ms(open),
    );

    if settings.days < DAYS {
        return;
    }
    let began = Instant::now();
    plausible::fill(client, &days, settings).await;
    println!("Plausible's tables filled in {:.0} s.", began.elapsed().as_secs_f64());
    sizes::rest(&client.reader()).await;
}

fn day(today: Date, ago: i64, settings: &BenchSettings) -> FilledDay {
    let date = today.checked_sub(ago.days()).expect("a date");
    let weekday = usize::from(date.weekday().to_monday_zero_offset().unsigned_abs());
    let mean = settings.rows as f64 / settings.days as f64 / EVENTS_A_VISITOR;
    FilledDay { date, visitors: (mean * WEEK[weekday] / 100.0) as u64 }
}

/// Runs an insert with the parameters of `generate.sql`.
pub async fn run(client: &Client, sql: &str, day: &FilledDay, settings: &BenchSettings) {
    let query = client
        .query(sql)
        .param("day", day.date.to_string())
        .param("zone", ZONE)
        .param("seed", settings.seed)
        .param("sites", SITES)
        .param("visitors", day.visitors)
        .with_setting("max_query_size", "1000000")
        // Large blocks make few parts, so that merging takes less.
        .with_setting("max_insert_threads", "2")
        .with_setting("min_insert_block_size_rows", "2000000")
        .with_setting("min_insert_block_size_bytes", "536870912");
    query.execute().await.unwrap_or_else(|error| panic!("{}: {error}", day.date));
}

async fn close(client: &Client, zone: &TimeZone, day: &FilledDay) -> Duration {
    let closer = DayCloser::new(client.clone(), zone.clone()).expect("the zone has a name");
    let next = day.date.tomorrow().and_then(|next| next.to_zoned(zone.clone())).expect("a date");
    let now = next.timestamp() + SETTLE_MINUTES.minutes();
    let began = Instant::now();
    let closed = closer.close_due(now).await.expect("the day can be closed");
    let elapsed = began.elapsed();
    assert_eq!(closed.days, [day.date]);
    elapsed
}

async fn compute_open(client: &Client, zone: &TimeZone, today: Date) -> Duration {
    let open_days = OpenDays::new(client.clone(), zone.clone()).expect("the zone has a name");
    let began = Instant::now();
    let computed = open_days.compute(Timestamp::now()).await.expect("the open day can be computed");
    let elapsed = began.elapsed();
    assert_eq!(computed, [today]);
    elapsed
}
