//! Applies a site's path templates to the events that are stored already.
//!
//! [`preview`] shows what would change, [`apply`] changes it, and [`suggest`] proposes templates. The number of events stays the same, so
//! the accounts of segments stay right.
//!
//! Each month of events is changed by one mutation of each table, while no day is closed. On a cluster it runs on one replica of each shard (`days/shards.rs`);
//! the others follow, and no day is computed on one that has not.
//!
//! 1. Let the caller record the month for the audit: a row that is inserted here would be in no chain.
//! 2. Note in `settings` the days that have events to change.
//! 3. Change the events of the month, also those that are blocked, and wait until that is done.
//! 4. Make these days due, so that their visits and figures are computed again.
//! 5. Clear the note.
//!
//! At the end, published figures about the paths that changed are deleted: a publication is not made again when its day is computed again.
//!
//! | crash after step | the next `apply` does |
//! |---|---|
//! | 1 | everything: the audit has the month twice |
//! | 2 to 4 | waits until the store has no change under way, makes the noted days due, clears the note, and goes on with what is left |
//! | 5 | what is left, and the deletion |

mod replacement;
mod suggest;

use std::collections::{BTreeMap, BTreeSet};

use crate::config::{PathTemplates, Site, is_own};
use crate::store::days::{CloseDayError, PinnedShards, Tables, make_due, while_no_day_is_closed};
use crate::store::{Client, sql};

use replacement::Replacement;
pub use suggest::{Suggestion, suggest};

/// Most bytes of a statement: 200 templates, each in the expressions of three columns.
const MAX_STATEMENT: &str = "4194304";
/// Longest query that looks for something, in seconds. It reads three columns of all events of a site.
const LONGEST_QUERY: &str = "3600";

#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    #[error("the store did not answer")]
    Store(#[from] clickhouse::error::Error),
    #[error(transparent)]
    Days(#[from] CloseDayError),
    #[error("a month cannot be recorded for the audit, and stays as it is")]
    Audit(#[source] std::io::Error),
}

/// What would change in one column.
#[derive(Debug, Clone, PartialEq, Eq, clickhouse::Row, serde::Deserialize, serde::Serialize)]
pub struct PathChange {
    pub column: String,
    pub before: String,
    pub after: String,
    pub events: u64,
}

/// What would change, or did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HistoryChange {
    /// Also those that are blocked.
    pub events: u64,
    /// Months of events as in 202611, with the number of events that change.
    pub months: Vec<(u32, u64)>,
    /// Days that are computed again.
    pub days: usize,
    /// Whether an earlier change was interrupted and its days were not computed again.
    pub is_interrupted: bool,
    /// The most frequent changes.
    pub examples: Vec<PathChange>,
}

/// What the templates of a site would change.
///
/// # Errors
/// When the store refuses or cannot be reached.
pub async fn preview(client: &Client, site: &Site, examples: u64) -> Result<HistoryChange, HistoryError> {
    let interrupted = noted_days(client).await?;
    let mut change = HistoryChange { is_interrupted: !interrupted.is_empty(), ..HistoryChange::default() };
    let tables = ["events", "blocked_events"].map(str::to_owned);
    let Some(replacement) = replacement(client, site, tables).await? else { return Ok(change) };
    change.months = months(client, &replacement).await?;
    change.events = change.months.iter().map(|(_, events)| events).sum();
    change.days = days(client, &replacement, None).await?.len();
    if change.events > 0 && examples > 0 {
        change.examples = long(client, &replacement.examples(examples)).fetch_all::<PathChange>().await?;
    }
    Ok(change)
}

/// Applies the templates of a site. `record` is called with each month before it is changed, and leaves a row for the audit; `report` with each
/// that is done. Both get the number of its events.
///
/// # Errors
/// When the store refuses or cannot be reached, when `record` fails, and when a collector has been closing days for too long. It can be called
/// again.
pub async fn apply(
    client: &Client,
    site: &Site,
    mut record: impl FnMut(u32, u64) -> std::io::Result<()>,
    mut report: impl FnMut(u32, u64),
) -> Result<HistoryChange, HistoryError> {
    let work = async {
        let mut change =
            HistoryChange { is_interrupted: finish_interrupted(client).await?, ..HistoryChange::default() };
        let shards = PinnedShards::pin(client).await?;
        let mut replacements = Vec::new();
        for shard in &shards.shards {
            let tables = ["events", "blocked_events"].map(|table| shard.tables.local(table));
            let Some(replacement) = replacement(client, site, tables).await? else { return Ok(change) };
            replacements.push((&shard.tables, replacement));
        }
        let mut changed_days = BTreeSet::new();
        for (month, events) in months_of_shards(&replacements).await? {
            let mut days_of_month = BTreeSet::new();
            for (tables, replacement) in &replacements {
                days_of_month.extend(days(tables.client(), replacement, Some(month)).await?);
            }
            let days: Vec<u16> = days_of_month.into_iter().collect();
            record(month, events).map_err(HistoryError::Audit)?;
            note_days(client, &days).await?;
            for (tables, replacement) in &replacements {
                for mutation in replacement.mutations(month) {
                    change_events(tables, &mutation).await?;
                }
            }
            make_due(client, &days).await?;
            note_days(client, &[]).await?;
            report(month, events);
            change.events += events;
            change.months.push((month, events));
            changed_days.extend(days);
        }
        for (tables, replacement) in &replacements {
            change_events(tables, &replacement.withdrawal(&tables.local("daily_published_stored"))).await?;
        }
        change.days = changed_days.len();
        Ok(change)
    };
    while_no_day_is_closed(client, work).await?
}

/// Ends a change that was interrupted. Returns whether there was one.
async fn finish_interrupted(client: &Client) -> Result<bool, HistoryError> {
    let days = noted_days(client).await?;
    if days.is_empty() {
        return Ok(false);
    }
    // The store goes on with a mutation by itself. It runs them in order, so this one waits for those before it.
    for shard in &PinnedShards::pin(client).await?.shards {
        let nothing = format!("ALTER TABLE {} UPDATE path = path WHERE 0", shard.tables.local("events"));
        change_events(&shard.tables, &nothing).await?;
    }
    make_due(client, &days).await?;
    note_days(client, &[]).await?;
    Ok(true)
}

/// Its statements read and change `tables`, which are those of events and of blocked events.
async fn replacement(
    client: &Client,
    site: &Site,
    tables: [String; 2],
) -> Result<Option<Replacement>, HistoryError> {
    if site.paths == PathTemplates::default() {
        return Ok(None);
    }
    let hosts_of = |table| {
        format!(
            "SELECT DISTINCT arrayJoin([toString(referrer_host), extract(name, '^[^/]*')]) FROM {table} WHERE site = {{site:String}} \
             AND (referrer_host != '' OR kind IN ('outbound', 'download', 'resource'))"
        )
    };
    let sql = format!("{} UNION DISTINCT {}", hosts_of("events"), hosts_of("blocked_events"));
    let hosts = long(client, &sql).param("site", &*site.id).fetch_all::<String>().await?;
    let own: Vec<String> = hosts.into_iter().filter(|host| is_own(&site.hosts, host)).collect();
    Ok(Some(Replacement::new(site, &own, tables)))
}

/// The same over all shards.
async fn months_of_shards(
    replacements: &[(&Tables, Replacement)],
) -> Result<BTreeMap<u32, u64>, HistoryError> {
    let mut all = BTreeMap::new();
    for (tables, replacement) in replacements {
        for (month, events) in months(tables.client(), replacement).await? {
            *all.entry(month).or_default() += events;
        }
    }
    Ok(all)
}

/// Months with events that change, the earliest first.
async fn months(client: &Client, replacement: &Replacement) -> Result<Vec<(u32, u64)>, HistoryError> {
    Ok(long(client, &replacement.months()).fetch_all::<(u32, u64)>().await?)
}

/// Days, in the operator's time zone, with events that change.
async fn days(
    client: &Client,
    replacement: &Replacement,
    month: Option<u32>,
) -> Result<Vec<u16>, HistoryError> {
    Ok(long(client, &replacement.days(month)).fetch_all::<u16>().await?)
}

/// Waits until the node has changed its rows.
async fn change_events(tables: &Tables, mutation: &str) -> Result<(), HistoryError> {
    let query = tables.bounded(long(tables.client(), mutation));
    Ok(query.with_setting("mutations_sync", "1").with_setting("alter_sync", "1").execute().await?)
}

/// The days of a change that was interrupted.
async fn noted_days(client: &Client) -> Result<Vec<u16>, HistoryError> {
    let sql = "SELECT argMax(value, changed) FROM settings WHERE name = 'path_days'";
    let note = client.query(sql).fetch_one::<String>().await?;
    Ok(note.split(',').filter_map(|day| day.parse().ok()).collect())
}

async fn note_days(client: &Client, days: &[u16]) -> Result<(), HistoryError> {
    let note = days.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    let sql = "INSERT INTO settings SELECT 'path_days', {note:String}, now64(3)";
    Ok(client.query(sql).param("note", note).execute().await?)
}

fn long(client: &Client, sql: &str) -> clickhouse::query::Query {
    client
        .query(sql)
        .with_setting("max_query_size", MAX_STATEMENT)
        .with_setting("max_execution_time", LONGEST_QUERY)
}

/// The names of a list as SQL.
fn strings(list: &[String]) -> String {
    list.iter().map(|text| sql::string(text)).collect::<Vec<_>>().join(", ")
}
