//! Fills the store with invented visitors of the clinic.
//!
//! The rows have the collector's own type and are inserted as the collector inserts them. Each insert has a deduplication token,
//! so a demonstration that runs twice with one seed stores the days before yesterday once. Today and yesterday are not complete, so their
//! events are inserted again; the closing of a day removes the copies. Afterwards the days are closed.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::time::{Duration, Instant};

use bytes::Bytes;
use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;
use tokio::sync::mpsc;

use crate::config::{Config, Retention, StoreConfig};
use crate::demo::clinic;
use crate::demo::draw::mix;
use crate::demo::error::DemoError;
use crate::demo::page_view::{DEMO_COLLECTOR, EncodedRows};
use crate::demo::traffic::{PagePaths, ReferralSources, Traffic};
use crate::event::{COLUMNS, UnixDay};
use crate::spool::{SEGMENT_COLUMNS, STORED};
use crate::store::dates::day_date;
use crate::store::days::{DayCloser, NoiseKey, OpenDays, Publisher};
use crate::store::embedded::EmbeddedStore;
use crate::store::{Client, RowFormat, schema};

/// Rows of one insert.
const BATCH_ROWS: usize = 100_000;
/// Batches that wait for the store. With the one being generated and the one being sent, they take about 100 MB.
const WAITING_BATCHES: usize = 2;
/// Retention in days when the configuration has no site `clinic`.
const RETENTION_DAYS: u16 = 400;
/// How often, and how long each time, to wait for another collector that closes days.
const CLOSING_ATTEMPTS: u32 = 300;
const CLOSING_PAUSE: Duration = Duration::from_secs(1);
const STORE_START_TIMEOUT: Duration = Duration::from_secs(60);
/// Pause between two looks at a store that another process is starting.
const STORE_PAUSE: Duration = Duration::from_millis(100);

pub(crate) struct DemoVisitors {
    /// Visitors on an average day.
    pub(crate) a_day: u32,
    /// Days up to today.
    pub(crate) days: u32,
    /// The same seed generates the same visitors.
    pub(crate) seed: u64,
}

impl DemoVisitors {
    pub(crate) const DEFAULT_A_DAY: u32 = 2_000;
    pub(crate) const DEFAULT_DAYS: u32 = 30;
}

/// Migrates the tables of the configured store, inserts the visitors and closes the days. An embedded store that does not run is
/// started for as long as this takes.
pub(crate) async fn fill_store(visitors: &DemoVisitors, config: &Config) -> Result<(), DemoError> {
    let started = start_store(config).await?;
    let filled = fill(visitors, config).await;
    if let Some(store) = started {
        // An error is a panic, which was printed by itself.
        let _ = tokio::task::spawn_blocking(move || store.stop()).await;
    }
    filled
}

/// Starts the embedded store, unless it runs already or the configuration names a server.
///
/// A collector's store locks its data before it listens. Then this waits until that store answers: a second one would wait for
/// the data as long as the collector runs.
async fn start_store(config: &Config) -> Result<Option<EmbeddedStore>, DemoError> {
    let StoreConfig::Embedded { listen, .. } = config.store else { return Ok(None) };
    let deadline = Instant::now() + STORE_START_TIMEOUT;
    loop {
        if tokio::net::TcpStream::connect(listen).await.is_ok() {
            return Ok(None);
        }
        if !EmbeddedStore::is_in_use(config)? {
            let store = EmbeddedStore::start_with_lock_timeout(config, Duration::ZERO)?;
            let started = tokio::task::spawn_blocking(move || {
                store.wait_until_ready(STORE_START_TIMEOUT).map(|()| store)
            });
            match started.await.map_err(io::Error::from)? {
                Ok(store) => return Ok(Some(store)),
                // Another process started its store at the same moment.
                Err(_) if EmbeddedStore::is_in_use(config)? => {}
                Err(error) => return Err(error.into()),
            }
        }
        if Instant::now() > deadline {
            return Err(DemoError::StoreInUse { data: config.data.clone(), listen });
        }
        tokio::time::sleep(STORE_PAUSE).await;
    }
}

async fn fill(visitors: &DemoVisitors, config: &Config) -> Result<(), DemoError> {
    let client = Client::writing(config)?;
    schema::migrate(&client, &config.timezone).await?;
    let rows = send(visitors, config, &client).await?;
    let closed = close_days(&client, config).await?;
    let mut out = io::stdout().lock();
    writeln!(out, "{rows} events of site {} written, {closed} days closed", clinic::SITE)?;
    Ok(())
}

/// Generates the rows on a thread and inserts them. Returns how many there were.
async fn send(visitors: &DemoVisitors, config: &Config, client: &Client) -> Result<u64, DemoError> {
    let bar = ProgressBar::new(u64::from(visitors.days));
    let style = "{msg} {wide_bar} day {pos}/{len}, {elapsed} of about {duration}";
    bar.set_style(ProgressStyle::with_template(style).expect("the template is valid"));
    let (sender, mut receiver) = mpsc::channel(WAITING_BATCHES);
    let traffic = traffic(visitors, config);
    let generator = std::thread::spawn({
        let (days, visitors, bar) = (visitors.days, visitors.a_day, bar.clone());
        move || generate(&traffic, days, visitors, &bar, &sender)
    });
    let columns = format!("{}, collector, segment", COLUMNS.join(", "));
    let mut sent = 0;
    while let Some((token, rows)) = receiver.recv().await {
        let rows: EncodedRows = rows;
        sent += rows.count as u64;
        let mut insert = client.insert("events", &columns, RowFormat::RowBinary, &token);
        insert.send(Bytes::from(rows.bytes)).await?;
        insert.end().await?;
        record_segment(client, &token, rows.segment, &rows.received).await?;
        bar.set_message(format!("{sent} events"));
    }
    generator.join().map_err(|_| DemoError::Generator)?;
    bar.finish();
    Ok(sent)
}

/// Records how many rows were received each day, for reconciliation, as shipping a segment does.
async fn record_segment(
    client: &Client,
    token: &str,
    segment: u64,
    received: &BTreeMap<(UnixDay, UnixDay), u64>,
) -> Result<(), DemoError> {
    let line = |((day, expires), events): (&(UnixDay, UnixDay), &u64)| {
        let (day, expires) = (day_date(day.0), day_date(expires.0));
        format!(
            "('{day}', '{}', {DEMO_COLLECTOR}, {segment}, 0, '{STORED}', {events}, '{expires}')",
            clinic::SITE
        )
    };
    let lines: Vec<_> = received.iter().map(line).collect();
    let sql = format!("INSERT INTO segments ({}) VALUES {}", SEGMENT_COLUMNS.join(", "), lines.join(","));
    let query = client.query(&sql).with_setting("insert_deduplication_token", token);
    Ok(query.execute().await?)
}

fn traffic(visitors: &DemoVisitors, config: &Config) -> Traffic {
    let retention = config.sites.get(clinic::SITE).map_or(RETENTION_DAYS, |site| match site.retention {
        Retention::Days(days) => days,
        Retention::Unlimited => u16::MAX,
    });
    Traffic {
        seed: visitors.seed,
        zone: config.timezone.clone(),
        retention,
        policy: config.policy.clone(),
        paths: PagePaths::new(),
        sources: ReferralSources::new(),
    }
}

/// Generates all days, oldest first. Stops when the receiver is gone.
fn generate(
    traffic: &Traffic,
    days: u32,
    visitors: u32,
    bar: &ProgressBar,
    sender: &mpsc::Sender<(String, EncodedRows)>,
) {
    let now = Timestamp::now();
    let today = now.to_zoned(traffic.zone.clone()).date();
    for ago in (0..i64::from(days)).rev() {
        let Ok(date) = today.checked_sub(jiff::Span::new().days(ago)) else { continue };
        let mut open = true;
        // Each demonstration has segments of its own. Today and yesterday are not complete, so their rows differ each time.
        let made = if ago <= 1 { now } else { Timestamp::UNIX_EPOCH };
        let day =
            u64::from(date.year().unsigned_abs()) * 1_000 + u64::from(date.day_of_year().unsigned_abs());
        let demonstration = mix(mix(traffic.seed, visitors.into()), made.as_second().unsigned_abs());
        let segment = mix(demonstration, day) << 16;
        traffic.day(date, visitors, now.as_millisecond(), BATCH_ROWS, segment, |rows| {
            let token = format!("demo-{}", rows.segment);
            open = sender.blocking_send((token, rows)).is_ok();
            open
        });
        if !open {
            return;
        }
        bar.inc(1);
    }
}

/// Closes the days that are due, and returns how many. Computes the open ones. Waits for another collector that is closing days.
async fn close_days(client: &Client, config: &Config) -> Result<usize, DemoError> {
    let publisher = Some(Publisher::new(NoiseKey::open(config)?, config.published.k));
    let zone = || config.timezone.clone();
    let closer = DayCloser::new(client.clone(), zone())?.with_publisher(publisher.clone());
    for _ in 0..CLOSING_ATTEMPTS {
        let closed = closer.close_due(Timestamp::now()).await?;
        if !closed.is_elsewhere {
            let open_days = OpenDays::with_publisher(client.clone(), zone(), publisher)?;
            open_days.compute(Timestamp::now()).await?;
            return Ok(closed.days.len());
        }
        tokio::time::sleep(CLOSING_PAUSE).await;
    }
    Err(DemoError::DaysLocked)
}
