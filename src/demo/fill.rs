//! Fills a store with invented visitors of the clinic, all of them on site `demo`.
//!
//! The rows have the collector's own type and are inserted as the collector inserts them. A second run adds only what the store lacks
//! (`days.rs`). Afterwards the days are closed.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;
use tokio::sync::mpsc;

use crate::config::{Config, HostPattern, Retention, StoreConfig};
use crate::demo::clinic;
use crate::demo::days::{DayPart, Origin, StoredParts};
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
/// Retention in days when the configuration has no site `demo`.
const RETENTION_DAYS: u16 = 400;
/// How often, and how long each time, to wait for another collector that closes days.
const CLOSING_ATTEMPTS: u32 = 300;
const CLOSING_PAUSE: Duration = Duration::from_secs(1);
const STORE_START_TIMEOUT: Duration = Duration::from_secs(60);
/// Pause between two looks at a store that another process is starting.
const STORE_PAUSE: Duration = Duration::from_millis(100);
/// Endings of hosts that no real site has (RFC 2606, RFC 6761), and addresses of this machine.
const INVENTED_HOSTS: [&str; 7] =
    [".example", ".test", ".invalid", ".localhost", ".example.com", ".example.net", ".example.org"];
const LOCAL_HOSTS: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

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

/// What a run wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Filled {
    pub(crate) events: u64,
    /// Days that were closed.
    pub(crate) closed: usize,
    /// Events of the site that the store has now, invented ones and those of people who clicked through the clinic.
    pub(crate) stored: u64,
}

/// Migrates the tables of the configured store, inserts the visitors that it lacks, and closes the days. An embedded store that does not
/// run is started for as long as this takes.
///
/// # Errors
/// When a real site has the id of the demonstration's, and when the store cannot be reached or refuses.
pub(crate) async fn fill_store(visitors: &DemoVisitors, config: &Config) -> Result<Filled, DemoError> {
    refuse_real_site(config)?;
    let Some(store) = EmbeddedStore::start_for_command(config).await? else {
        let filled = fill(visitors, config).await;
        // The store of a process that was killed answers for some seconds before it ends.
        return if filled.is_err() && has_ended(config).await {
            Box::pin(fill_store(visitors, config)).await
        } else {
            filled
        };
    };
    let filled = fill(visitors, config).await;
    // An error is a panic, which was printed by itself.
    let _ = tokio::task::spawn_blocking(move || store.stop()).await;
    filled
}

/// Whether the embedded store that another process started has ended.
async fn has_ended(config: &Config) -> bool {
    let StoreConfig::Embedded { listen, .. } = config.store else { return false };
    tokio::net::TcpStream::connect(listen).await.is_err()
}

/// The same for the store of a collector that this process has just started.
///
/// # Errors
/// When the store does not answer within a minute, or refuses.
pub(crate) async fn fill_starting_store(
    visitors: &DemoVisitors,
    config: &Config,
) -> Result<Filled, DemoError> {
    let client = Client::writing(config)?;
    let began = Instant::now();
    while let Err(error) = client.query_server("SELECT 1").fetch_one::<u8>().await {
        if began.elapsed() > STORE_START_TIMEOUT {
            return Err(error.into());
        }
        tokio::time::sleep(STORE_PAUSE).await;
    }
    fill(visitors, config).await
}

/// Invented events must not mix with those of a real site.
fn refuse_real_site(config: &Config) -> Result<(), DemoError> {
    let Some(site) = config.sites.get(clinic::SITE) else { return Ok(()) };
    let is_invented = |host: &HostPattern| match host {
        HostPattern::Any => false,
        HostPattern::Exact(name) | HostPattern::Below(name) => {
            let dotted = format!(".{}", name.trim_start_matches('.'));
            LOCAL_HOSTS.contains(&name.as_str())
                || INVENTED_HOSTS.iter().any(|ending| dotted.ends_with(ending))
        }
    };
    match site.hosts.iter().find(|host| !is_invented(host)) {
        None => Ok(()),
        Some(HostPattern::Any) => Err(DemoError::RealSite { host: "*".to_owned() }),
        Some(HostPattern::Exact(host)) => Err(DemoError::RealSite { host: host.clone() }),
        Some(HostPattern::Below(host)) => Err(DemoError::RealSite { host: format!("*{host}") }),
    }
}

async fn fill(visitors: &DemoVisitors, config: &Config) -> Result<Filled, DemoError> {
    let client = Client::writing(config)?;
    schema::migrate(&client, &config.timezone).await?;
    let missing = missing(visitors, config, &client).await?;
    let events = if missing.is_empty() { 0 } else { send(visitors, config, &client, missing).await? };
    let closed = close_days(&client, config).await?;
    let sql = "SELECT count() FROM events WHERE site = {site:String}";
    let stored = client.query(sql).param("site", clinic::SITE).fetch_one::<u64>().await?;
    Ok(Filled { events, closed, stored })
}

/// What the store lacks.
async fn missing(
    visitors: &DemoVisitors,
    config: &Config,
    client: &Client,
) -> Result<Vec<DayPart>, DemoError> {
    let sql =
        "SELECT DISTINCT segment FROM segments WHERE site = {site:String} AND collector = {collector:UInt64}";
    let query = client.query(sql).param("site", clinic::SITE).param("collector", DEMO_COLLECTOR);
    let stored = StoredParts::new(query.fetch_all::<u64>().await?);
    let now = Timestamp::now().to_zoned(config.timezone.clone());
    let Ok(midnight) = now.start_of_day() else { return Ok(Vec::new()) };
    // A day has at most 25 hours.
    let second = u32::try_from(midnight.duration_until(&now).as_secs()).unwrap_or_default();
    let today = now.date();
    let first = today.saturating_sub(jiff::Span::new().days(i64::from(visitors.days.saturating_sub(1))));
    let zone = config.timezone.iana_name().unwrap_or_default();
    let origin = Origin::new(visitors.seed, visitors.a_day, zone);
    Ok(stored.missing(first..=today, second, origin))
}

/// Generates the rows on a thread and inserts them. Returns how many there were.
async fn send(
    visitors: &DemoVisitors,
    config: &Config,
    client: &Client,
    parts: Vec<DayPart>,
) -> Result<u64, DemoError> {
    let bar = ProgressBar::new(parts.len() as u64);
    let style = "{msg} {wide_bar} day {pos}/{len}, {elapsed} of about {duration}";
    bar.set_style(ProgressStyle::with_template(style).expect("the template is valid"));
    let (sender, mut receiver) = mpsc::channel(WAITING_BATCHES);
    let traffic = traffic(visitors, config);
    let generator = std::thread::spawn({
        let (visitors, bar) = (visitors.a_day, bar.clone());
        move || generate(&traffic, &parts, visitors, &bar, &sender)
    });
    let columns = format!("{}, collector, segment", COLUMNS.join(", "));
    let mut sent = 0;
    while let Some(rows) = receiver.recv().await {
        let rows: EncodedRows = rows;
        let token = format!("demo-{}", rows.segment);
        sent += rows.count as u64;
        let mut insert = client.insert("events", &columns, RowFormat::RowBinary, &token);
        insert.send(Bytes::from(rows.bytes)).await?;
        insert.end().await?;
        record_segment(client, &token, rows.segment, &rows.received).await?;
        bar.set_message(format!("{sent} events"));
    }
    generator.join().map_err(|_| DemoError::Generator)?;
    bar.finish_and_clear();
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
        Retention::Hours(hours) => hours.div_ceil(24),
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

/// Generates the parts in their order, without the batches that the store has. Stops when the receiver is gone.
fn generate(
    traffic: &Traffic,
    parts: &[DayPart],
    visitors: u32,
    bar: &ProgressBar,
    sender: &mpsc::Sender<EncodedRows>,
) {
    for part in parts {
        let mut open = true;
        traffic.day(part.date, visitors, &part.seconds, BATCH_ROWS, part.first_segment, |rows| {
            open = part.stored.contains(&rows.segment) || sender.blocking_send(rows).is_ok();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_with_real_hosts_gets_no_invented_visitors() {
        let config = |hosts: &str| {
            let text = format!("[[site]]\nid = \"demo\"\nhosts = {hosts}\n");
            Config::check("footfall.toml", &text, &[]).unwrap()
        };
        for invented in [
            "[\"clinic.example\", \"localhost\", \"127.0.0.1\", \"[::1]\"]",
            "[\"*.clinic.test\", \"a.b.localhost\", \"*.example\", \"example.org\"]",
        ] {
            refuse_real_site(&config(invented)).unwrap();
        }
        for real in [
            "[\"localhost\", \"clinic.de\"]",
            "[\"*\"]",
            "[\"*.clinic.de\"]",
            "[\"myexample.org\"]",
            "[\"10.0.0.1\"]",
        ] {
            let error = refuse_real_site(&config(real)).unwrap_err().to_string();
            assert!(error.contains("site \"demo\" is configured with host"), "{error}");
        }
        let other = "[[site]]\nid = \"clinic\"\nhosts = [\"clinic.de\"]\n";
        refuse_real_site(&Config::check("footfall.toml", other, &[]).unwrap()).unwrap();
    }
}
