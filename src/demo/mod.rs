//! `footfall demo`: everything on one machine, to look at: a collector, the embedded store and a small clinic's site.
//!
//! With `--visitors` or `--days` it fills the store with the clinic's plausible visitors instead. The rows are of the
//! collector's own type and take its own way into ClickHouse, with a deduplication token each insert, so that a
//! demonstration that is started twice with one seed does not double anything. Then the days are closed.

mod clinic;
mod draw;
mod host;
pub mod site;
mod traffic;
mod visitor;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;
use tokio::sync::mpsc;
use traffic::{Paths, Rows, Sources, Traffic};

use crate::app as serve;
use crate::command::{Common, Error};
use crate::config::{Config, Retention, StoreConfig};
use crate::event::COLUMNS;
use crate::spool::STORED;
use crate::store::dates::day_date;
use crate::store::days::DayCloser;
use crate::store::embedded::EmbeddedStore;
use crate::store::{Client, schema};

/// Rows of one insert.
const BATCH: usize = 100_000;
/// Batches that wait for the store: with the one that is made and the one that is sent, about 100 MB.
const WAITING: usize = 2;
/// Days that rows are kept when the configuration has no site `clinic`.
const RETENTION: u16 = 400;
/// How often another collector that closes days is waited for, and how long each time.
const PATIENCE: (u32, Duration) = (300, Duration::from_secs(1));

/// How long the embedded store may take to start.
const STORE_START: Duration = Duration::from_secs(60);
/// Visitors on a mean day, unless told otherwise.
const VISITORS: u32 = 2_000;
/// Days, unless told otherwise.
const DAYS: u32 = 30;

/// What to show.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Where the clinic's site is served.
    #[arg(long, default_value = "127.0.0.1:8000", value_name = "ADDRESS")]
    site: SocketAddr,
    /// Fill the store, with this many visitors on a mean day [default: 2000].
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    visitors: Option<u32>,
    /// Fill the store, with this many days, the last of which is today [default: 30].
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=3_660))]
    days: Option<u32>,
    /// The same seed makes the same visitors.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// The visitors to make up.
struct Visitors {
    visitors: u32,
    days: u32,
    seed: u64,
}

/// Runs the command.
///
/// # Errors
/// When the configuration is wrong, an address is taken, and when the store cannot be reached or refuses.
pub fn run(arguments: &Arguments, common: &Common) -> Result<(), Error> {
    if arguments.visitors.is_none() && arguments.days.is_none() {
        return host::run(arguments.site, common);
    }
    let config = common.load()?;
    let _log = serve::log::init_warnings();
    let visitors = Visitors {
        visitors: arguments.visitors.unwrap_or(VISITORS),
        days: arguments.days.unwrap_or(DAYS),
        seed: arguments.seed,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        // The store of a collector that runs is used; without one it is started for as long as this takes.
        let own = start_store(&config).await?;
        let filled = fill(&visitors, &config).await;
        if let Some(store) = own {
            tokio::task::spawn_blocking(move || store.stop()).await?;
        }
        filled
    })
}

/// Starts the embedded store, unless it runs already or the configuration names a server.
async fn start_store(config: &Config) -> Result<Option<EmbeddedStore>, Error> {
    let StoreConfig::Embedded { listen, .. } = config.store else { return Ok(None) };
    if tokio::net::TcpStream::connect(listen).await.is_ok() {
        return Ok(None);
    }
    let store = EmbeddedStore::start(config)?;
    tokio::task::spawn_blocking(move || store.wait_until_ready(STORE_START).map(|()| Some(store)))
        .await?
        .map_err(Error::from)
}

/// Fills the configured store: tables, rows, closed days.
///
/// # Errors
/// When the store cannot be reached or refuses.
async fn fill(visitors: &Visitors, config: &Config) -> Result<(), Error> {
    let client = Client::writing(config)?;
    schema::migrate(&client, &config.timezone).await?;
    let rows = send(visitors, config, &client).await?;
    let closed = close(&client, config).await?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{rows} events of site {} written, {closed} days closed", clinic::SITE)?;
    Ok(())
}

/// Makes the rows on a thread of its own and inserts them.
async fn send(visitors: &Visitors, config: &Config, client: &Client) -> Result<u64, Error> {
    let bar = ProgressBar::new(u64::from(visitors.days));
    let style = "{msg} {wide_bar} day {pos}/{len}, {elapsed} of about {duration}";
    bar.set_style(ProgressStyle::with_template(style)?);
    let (sender, mut receiver) = mpsc::channel(WAITING);
    let traffic = traffic(visitors, config);
    let retention = traffic.retention;
    let maker = std::thread::spawn({
        let (days, visitors, bar) = (visitors.days, visitors.visitors, bar.clone());
        move || make(&traffic, days, visitors, &bar, &sender)
    });
    let columns = COLUMNS.join(", ");
    let mut sent = 0;
    while let Some((token, rows)) = receiver.recv().await {
        let rows: Rows = rows;
        sent += rows.count as u64;
        let mut insert = client.insert("events", &columns, &token);
        insert.send(Bytes::from(rows.bytes)).await?;
        insert.end().await?;
        book(client, &token, &rows.received, retention).await?;
        bar.set_message(format!("{sent} events"));
    }
    maker.join().map_err(|_| "the demonstration's visitors could not be made up")?;
    bar.finish();
    Ok(sent)
}

/// Tells the books of rows by their day of receipt, as a segment of the spool would.
async fn book(
    client: &Client,
    token: &str,
    received: &BTreeMap<i64, u64>,
    retention: u16,
) -> Result<(), Error> {
    let lines: Vec<_> = received
        .iter()
        .map(|(day, events)| {
            let date = |day: i64| day_date(u16::try_from(day).unwrap_or(u16::MAX));
            let expires = date(day + i64::from(retention));
            format!("('{}', '{}', '{STORED}', {events}, '{expires}')", date(*day), clinic::SITE)
        })
        .collect();
    let sql =
        format!("INSERT INTO event_counts (day, site, outcome, events, expires) VALUES {}", lines.join(","));
    let query = client.query(&sql).with_setting("insert_deduplication_token", token);
    Ok(query.execute().await?)
}

fn traffic(visitors: &Visitors, config: &Config) -> Traffic {
    let retention = config.sites.get(clinic::SITE).map_or(RETENTION, |site| match site.retention {
        Retention::Days(days) => days,
        Retention::Unlimited => u16::MAX,
    });
    Traffic {
        seed: visitors.seed,
        zone: config.timezone.clone(),
        rotate_at: config.rotate_at,
        retention,
        policy: config.policy.clone(),
        paths: Paths::new(),
        sources: Sources::new(),
    }
}

/// Makes all days, oldest first; ends early when nobody receives any more.
fn make(
    traffic: &Traffic,
    days: u32,
    visitors: u32,
    bar: &ProgressBar,
    sender: &mpsc::Sender<(String, Rows)>,
) {
    let now = Timestamp::now();
    let today = now.to_zoned(traffic.zone.clone()).date();
    for ago in (0..i64::from(days)).rev() {
        let Ok(date) = today.checked_sub(jiff::Span::new().days(ago)) else { continue };
        let mut number = 0;
        let mut open = true;
        traffic.day(date, visitors, now.as_millisecond(), BATCH, |rows| {
            let mut token = format!("demo-{}-{visitors}-{date}-{number}", traffic.seed);
            // A day that is not over has other rows each time.
            if ago <= 1 {
                let _ = write!(token, "-{now}");
            }
            number += 1;
            open = sender.blocking_send((token, rows)).is_ok();
            open
        });
        if !open {
            return;
        }
        bar.inc(1);
    }
}

/// Closes the days, after any other collector that is at it.
async fn close(client: &Client, config: &Config) -> Result<usize, Error> {
    let closer = DayCloser::new(client.clone(), config.timezone.clone(), config.rotate_at)?;
    let (attempts, pause) = PATIENCE;
    for _ in 0..attempts {
        let closed = closer.close_due(Timestamp::now()).await?;
        if !closed.is_elsewhere {
            return Ok(closed.days.len());
        }
        tokio::time::sleep(pause).await;
    }
    Err("another collector has been closing days for too long; they will be closed by it".into())
}
