//! `BACKUP` and `RESTORE` of the store's tables by ClickHouse itself, and what makes a restored store whole.
//!
//! A backup is taken while collectors go on. ClickHouse reads each table at a moment of its own, so three things may not fit together:
//!
//! 1. Events of a segment whose insert was under way, without the account of the segment. The account is made from the events. The copy of the spool
//!    is older than the tables, so it may have the beginning of the same segment, which is left out.
//! 2. A day that was being closed. No day is closed while the backup is taken.
//! 3. An open day that was being computed. Its figures are left out, and computed anew when a report is requested.

use std::collections::BTreeSet;

use crate::spool::{STORED, SegmentId, SpoolSegment};
use crate::store::days::{CloseDayError, while_no_day_is_closed};
use crate::store::{Client, sql};

/// Where ClickHouse keeps a backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BackupPlace {
    /// A directory in the store's directory of backups.
    Files(String),
    /// A path on a disk of the server's configuration.
    Disk { disk: String, path: String },
}

impl BackupPlace {
    fn sql(&self) -> String {
        match self {
            Self::Files(name) => format!("File({})", sql::string(name)),
            Self::Disk { disk, path } => format!("Disk({}, {})", sql::string(disk), sql::string(path)),
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum StoreBackupError {
    #[error("the store did not back up its tables")]
    Save(#[source] clickhouse::error::Error),
    #[error("the store did not restore its tables")]
    Load(#[source] clickhouse::error::Error),
    #[error(transparent)]
    Days(#[from] CloseDayError),
    #[error("the store did not answer")]
    Store(#[from] clickhouse::error::Error),
    #[error("the store has the database {0} already; a backup is restored into an empty store")]
    NotEmpty(String),
    #[error("the store has no database {0}, so there is nothing to back up")]
    Nothing(String),
}

/// Tables whose rows have a retention.
const EXPIRING: [&str; 7] = [
    "events",
    "blocked_events",
    "visits_stored",
    "daily_stored",
    "daily_published_stored",
    "publications",
    "published_days",
];

/// What a restored store has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StoredRows {
    pub events: u64,
    /// Segments whose insert was under way when the backup was taken, and that were accounted for now.
    pub accounted: u64,
}

/// Backs up the database.
///
/// # Errors
/// When the store refuses or has no tables.
pub async fn save(client: &Client, place: &BackupPlace) -> Result<(), StoreBackupError> {
    if tables(client).await? == 0 {
        return Err(StoreBackupError::Nothing(client.database().to_owned()));
    }
    let statement = format!("BACKUP DATABASE {} TO {}", sql::identifier(client.database()), place.sql());
    let saved = while_no_day_is_closed(client, client.query_server(&statement).execute()).await?;
    saved.map_err(StoreBackupError::Save)
}

/// Refuses a store with tables.
///
/// # Errors
/// When there are some, or the store does not answer.
pub async fn check_empty(client: &Client) -> Result<(), StoreBackupError> {
    match tables(client).await? {
        0 => Ok(()),
        _ => Err(StoreBackupError::NotEmpty(client.database().to_owned())),
    }
}

/// Restores the tables of `database`, as it was called, into the configured one.
///
/// # Errors
/// When the store refuses.
pub async fn load(client: &Client, database: &str, place: &BackupPlace) -> Result<(), StoreBackupError> {
    let (from, to) = (sql::identifier(database), sql::identifier(client.database()));
    let statement = format!("RESTORE DATABASE {from} AS {to} FROM {}", place.sql());
    client.query_server(&statement).execute().await.map_err(StoreBackupError::Load)
}

/// Makes a restored store whole. `waiting` are the segments, as they were first written, that wait in the restored spool.
///
/// # Errors
/// When the store refuses.
pub async fn finish(client: &Client, waiting: &BTreeSet<SegmentId>) -> Result<StoredRows, StoreBackupError> {
    // It was held while the backup was taken.
    client.query("INSERT INTO settings SELECT 'day_closer', '', now64(3)").execute().await?;
    let delete = "ALTER TABLE days DELETE WHERE NOT is_closed";
    client.query(delete).with_setting("mutations_sync", "1").execute().await?;
    for table in EXPIRING {
        let expired = format!("ALTER TABLE {table} DELETE WHERE expires < today()");
        client.query(&expired).with_setting("mutations_sync", "1").execute().await?;
    }
    let unaccounted = unaccounted(client).await?;
    let mut accounted = 0;
    for SegmentId { collector, number } in unaccounted.difference(waiting) {
        let account = format!(
            "INSERT INTO segments (day, site, collector, segment, part, outcome, events, expires) \
             SELECT toDate(received, 'UTC') AS day, site, collector, segment, 0, '{STORED}', count(), expires FROM events \
             WHERE collector = {collector} AND segment = {number} GROUP BY day, site, collector, segment, expires"
        );
        client.query(&account).execute().await?;
        accounted += 1;
    }
    let events = client.query("SELECT count() FROM events").fetch_one::<u64>().await?;
    Ok(StoredRows { events, accounted })
}

/// Segments that have events in the store and no account.
async fn unaccounted(client: &Client) -> Result<BTreeSet<SegmentId>, StoreBackupError> {
    let sql = "SELECT DISTINCT collector, segment FROM events \
               WHERE (collector, segment) NOT IN (SELECT collector, segment FROM segments)";
    let found = client.query(sql).fetch_all::<(u64, u64)>().await?;
    Ok(found.into_iter().map(|(collector, number)| SegmentId { collector, number }).collect())
}

/// Returns the segments that need not be shipped, because the store has all of their events.
///
/// - The account of a segment is inserted after its events, but a backup may have read `segments` later than `events`.
/// - The copy of a segment may end earlier than the segment that was inserted. Then an account of the copy's events would be too small.
///
/// # Errors
/// When the store does not answer.
pub async fn stored_whole(
    client: &Client,
    segments: &[SpoolSegment],
) -> Result<BTreeSet<SegmentId>, StoreBackupError> {
    let of_segment = "collector = {collector:UInt64} AND segment = {number:UInt64}";
    // ClickHouse takes a subquery for one that may be empty.
    let number = |query: String| format!("ifNull(({query}), 0)");
    let sql = format!(
        "SELECT {}, {}, {}, {}",
        number(format!("SELECT count() FROM segments WHERE {of_segment} AND part = {{part:UInt64}}")),
        number(format!("SELECT sumIf(events, outcome = '{STORED}') FROM segments FINAL WHERE {of_segment}")),
        number(format!("SELECT count() FROM events WHERE {of_segment}")),
        number(format!("SELECT sum(events) FROM removed_events FINAL WHERE {of_segment}")),
    );
    let mut whole = BTreeSet::new();
    for segment in segments {
        let query = client
            .query(&sql)
            .param("collector", segment.origin.collector)
            .param("number", segment.origin.number)
            .param("part", segment.part());
        let (accounts, accounted, events, removed) = query.fetch_one::<(u64, u64, u64, u64)>().await?;
        let is_accounted = accounts > 0 && events + removed >= accounted;
        // The events of a part of a split segment cannot be told from those of the others.
        let has_events = segment.part() == 0 && events > 0 && events >= segment.events;
        if is_accounted || has_events {
            whole.insert(segment.id);
        }
    }
    Ok(whole)
}

/// Bytes of the tables.
///
/// # Errors
/// When the store does not answer.
pub async fn data_bytes(client: &Client) -> Result<u64, StoreBackupError> {
    let sql =
        "SELECT toUInt64(ifNull(sum(total_bytes), 0)) FROM system.tables WHERE database = {database:String}";
    Ok(client.query_server(sql).param("database", client.database()).fetch_one::<u64>().await?)
}

async fn tables(client: &Client) -> Result<u64, StoreBackupError> {
    let sql = "SELECT count() FROM system.tables WHERE database = {database:String}";
    Ok(client.query_server(sql).param("database", client.database()).fetch_one::<u64>().await?)
}
