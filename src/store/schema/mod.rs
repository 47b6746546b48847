//! The tables: applies `sql/schema/*.sql` in order, records what was applied and refuses a database that drifted.
//!
//! Every statement can be run again without harm, so that two collectors may migrate at once and a crash between two
//! statements is mended by the next start: a file is recorded only after all its statements were run, and a file that
//! is recorded is not run again. A recorded file whose text differs from this binary's, or that this binary does not
//! know, stops the start: the tables are then not what the code believes. Files are never changed once released; a
//! change is a new file.

mod render;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::tz::TimeZone;
use sha2::{Digest, Sha256};

use super::Client;
pub use render::{Statement, print, render, stage};

/// One file of `sql/schema`.
struct Migration {
    name: &'static str,
    sql: &'static str,
}

macro_rules! migrations {
    ($($name:literal,)*) => {
        &[$(Migration {
            name: $name,
            sql: include_str!(concat!("../../../sql/schema/", $name, ".sql")),
        }),*]
    };
}

/// All files of `sql/schema`, in order.
const MIGRATIONS: &[Migration] = migrations![
    "0001_events",
    "0002_books",
    "0003_audit",
    "0004_zone",
    "0005_days",
    "0006_visits",
    "0007_daily",
    "0008_bots",
    "0009_segments",
    "0010_synced",
    "0011_kept",
];

/// Which files are applied.
const LEDGER: Migration = Migration {
    name: "migrations",
    sql: "-- cluster: everywhere
CREATE TABLE IF NOT EXISTS migrations
(
    name String,
    checksum String,
    applied DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(applied)
ORDER BY (name, checksum);",
};

/// How often a statement is tried: another collector that migrates at the same moment may get in its way.
const ATTEMPTS: u32 = 4;
/// How long to wait before a statement is tried again, times the number of the attempt.
const PAUSE: Duration = Duration::from_millis(150);

/// What a migration did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// The files that were applied now, in order.
    pub now: Vec<&'static str>,
    /// How many had been applied before.
    pub before: usize,
}

/// Why the tables are not ready.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// The store refused a statement, or could not be reached.
    #[error("sql/schema/{file}.sql could not be applied")]
    Statement {
        /// The file, without `.sql`.
        file: &'static str,
        /// What the store said.
        source: clickhouse::error::Error,
    },
    /// A question about the state of the tables failed.
    #[error("cannot ask the store which migrations it has")]
    Store(#[source] clickhouse::error::Error),
    /// A recorded file differs from this binary's.
    #[error(
        "sql/schema/{file}.sql was changed after it was applied to database `{database}` (applied: {recorded:.12}…, \
         this binary: {own:.12}…); run the binary that applied it, or undo the change and add a new migration"
    )]
    Drift {
        /// The file, without `.sql`.
        file: &'static str,
        /// Where it was applied.
        database: String,
        /// Checksum on record.
        recorded: String,
        /// Checksum of this binary's file.
        own: String,
    },
    /// The database was migrated by a newer binary.
    #[error(
        "database `{database}` has migration `{file}`, which this binary does not know; run a binary that is at \
         least as new as the one that applied it"
    )]
    Unknown {
        /// The file on record.
        file: String,
        /// Where it was applied.
        database: String,
    },
    /// The configured time zone has no name that ClickHouse could know.
    #[error("`timezone` must be an IANA name such as Europe/Berlin, for ClickHouse to know it too")]
    Zone,
}

/// Makes the database and its tables, or brings them up to date, and tells them the operator's time zone.
///
/// # Errors
/// When the store cannot be reached or refuses, and when the tables drifted from the files.
pub async fn migrate(client: &Client, zone: &TimeZone) -> Result<Applied, SchemaError> {
    let zone = zone.iana_name().ok_or(SchemaError::Zone)?;
    create_database(client).await?;
    for statement in render::file(&LEDGER, client.database(), client.cluster()) {
        execute(client, &statement).await?;
    }
    let recorded = recorded(client).await?;
    check(&recorded, client.database())?;

    let mut applied = Applied { now: Vec::new(), before: recorded.len() };
    let rendered = render(client.database(), client.cluster());
    for migration in MIGRATIONS.iter().filter(|migration| !recorded.contains_key(migration.name)) {
        for statement in rendered.iter().filter(|statement| statement.file == migration.name) {
            execute(client, statement).await?;
        }
        record(client, migration).await?;
        applied.now.push(migration.name);
    }
    set_zone(client, zone).await?;
    Ok(applied)
}

async fn create_database(client: &Client) -> Result<(), SchemaError> {
    let sql = render::database(client.database(), client.cluster());
    client.query_server(&sql).execute().await.map_err(SchemaError::Store)
}

/// Runs a statement that may be run again, a few times if need be.
async fn execute(client: &Client, statement: &Statement) -> Result<(), SchemaError> {
    let mut attempt = 1;
    loop {
        match client.query(&statement.sql).execute().await {
            Ok(()) => return Ok(()),
            Err(_) if attempt < ATTEMPTS => tokio::time::sleep(PAUSE * attempt).await,
            Err(source) => return Err(SchemaError::Statement { file: statement.file, source }),
        }
        attempt += 1;
    }
}

/// Names and checksums on record.
async fn recorded(client: &Client) -> Result<BTreeMap<String, Vec<String>>, SchemaError> {
    let rows = client
        .query("SELECT DISTINCT name, checksum FROM migrations ORDER BY name, checksum")
        .fetch_all::<(String, String)>()
        .await
        .map_err(SchemaError::Store)?;
    let mut recorded = BTreeMap::<String, Vec<String>>::new();
    for (name, checksum) in rows {
        recorded.entry(name).or_default().push(checksum);
    }
    Ok(recorded)
}

/// Refuses a database whose record does not fit this binary's files.
fn check(recorded: &BTreeMap<String, Vec<String>>, database: &str) -> Result<(), SchemaError> {
    for (name, checksums) in recorded {
        let Some(migration) = MIGRATIONS.iter().find(|migration| migration.name == name) else {
            return Err(SchemaError::Unknown { file: name.clone(), database: database.to_owned() });
        };
        let own = checksum(migration);
        if let Some(recorded) = checksums.iter().find(|recorded| **recorded != own) {
            return Err(SchemaError::Drift {
                file: migration.name,
                database: database.to_owned(),
                recorded: recorded.clone(),
                own,
            });
        }
    }
    Ok(())
}

async fn record(client: &Client, migration: &Migration) -> Result<(), SchemaError> {
    client
        .query("INSERT INTO migrations SELECT {name:String}, {checksum:String}, now64(3)")
        .param("name", migration.name)
        .param("checksum", checksum(migration))
        .execute()
        .await
        .map_err(|source| SchemaError::Statement { file: migration.name, source })
}

/// Writes the zone where the views look for it, unless it stands there.
async fn set_zone(client: &Client, zone: &str) -> Result<(), SchemaError> {
    client
        .query(
            "INSERT INTO settings SELECT 'timezone', {zone:String}, now64(3) \
             WHERE (SELECT count() = 0 OR argMax(value, changed) != {zone:String} FROM settings WHERE name = 'timezone')",
        )
        .param("zone", zone)
        .execute()
        .await
        .map_err(SchemaError::Store)
}

/// SHA-256 of the file's text, hexadecimal.
fn checksum(migration: &Migration) -> String {
    Sha256::digest(migration.sql.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}
