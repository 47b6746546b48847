//! Applies the files of `sql/schema` and records which were applied.
//!
//! 1. Create the database and the table `migrations`.
//! 2. Compare the recorded files with those of this program; refuse the database if they differ.
//! 3. For each file that is not recorded: run its statements, then record it.
//! 4. Write the operator's time zone into `settings`.
//!
//! Every statement may be run twice. So two collectors may migrate at once, and after a crash at any step the next start begins
//! with step 1 again.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::tz::TimeZone;
use sha2::{Digest, Sha256};

use super::columns::whole_daily_query;
use super::files::{self, MIGRATIONS_TABLE, SchemaFile};
use super::published::PublishedQueries;
use super::render::{self, Statement};
use crate::config::{DATABASE, DEFAULT_K};
use crate::store::Client;

/// How often a statement is tried. Another collector that migrates at the same moment may make it fail.
const ATTEMPTS: u32 = 4;
/// The pause before the next attempt, times the number of the attempt.
const PAUSE: Duration = Duration::from_millis(150);

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migrated {
    /// The files that were applied now, in order.
    pub now: Vec<&'static str>,
    /// How many had been applied before.
    pub before: usize,
}

#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// The store refused a statement, or could not be reached.
    #[error("sql/schema/{file}.sql could not be applied")]
    Statement { file: &'static str, source: clickhouse::error::Error },
    /// The database could not be created, or its state could not be read.
    #[error("cannot create the database, or read which schema files are applied to it")]
    Store(#[source] clickhouse::error::Error),
    #[error(
        "database `{database}` was created by another version of Footfall: {file}.sql was applied to it, and this version \
         has {}; versions before 0.1.0 cannot convert a database. Run the version that created it, or start with an empty one: \
         drop the database (on a server), or move the directory of the embedded store away",
        if *.is_known { "a different file of that name" } else { "no such file" }
    )]
    OtherVersion { database: String, file: String, is_known: bool },
    #[error("`timezone` must be an IANA name such as Europe/Berlin, because ClickHouse must know it")]
    Zone,
}

/// Creates the database and its tables, or brings them up to date, and stores the operator's time zone for the views.
///
/// # Errors
/// When the store cannot be reached or refuses a statement, and when another version created the tables.
pub async fn migrate(client: &Client, zone: &TimeZone) -> Result<Migrated, SchemaError> {
    let zone = zone.iana_name().ok_or(SchemaError::Zone)?;
    let database = render::create_database(client.database(), client.cluster());
    client.query_server(&database).execute().await.map_err(SchemaError::Store)?;
    apply(client, &MIGRATIONS_TABLE).await?;
    let recorded = recorded(client).await?;
    check(&recorded, client.database())?;

    let mut migrated = Migrated { now: Vec::new(), before: recorded.len() };
    for file in files::all().filter(|file| !recorded.contains_key(file.name)) {
        apply(client, &file).await?;
        record(client, &file).await?;
        migrated.now.push(file.name);
    }
    set_zone(client, zone).await?;
    Ok(migrated)
}

async fn apply(client: &Client, file: &SchemaFile) -> Result<(), SchemaError> {
    for statement in render::file(file, client.database(), client.cluster()) {
        execute(client, &statement).await?;
    }
    Ok(())
}

/// Runs a statement that may be run twice, again if it fails.
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

/// Names and checksums of the applied files.
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

/// Refuses a database whose applied files are not those of this program.
pub(super) fn check(recorded: &BTreeMap<String, Vec<String>>, database: &str) -> Result<(), SchemaError> {
    for (name, checksums) in recorded {
        let own = files::all().find(|file| file.name == name).map(|file| checksum(&file));
        if checksums.iter().any(|checksum| own.as_ref() != Some(checksum)) {
            return Err(SchemaError::OtherVersion {
                database: database.to_owned(),
                file: name.clone(),
                is_known: own.is_some(),
            });
        }
    }
    Ok(())
}

/// SHA-256 of the statements of a file, in hexadecimal. They hold the columns of the row, so a database with other columns is
/// refused, and a comment changes nothing. The tables of daily and of published figures count with the queries that fill them. The form for a cluster has every
/// statement.
pub(super) fn checksum(file: &SchemaFile) -> String {
    let mut hash = Sha256::new();
    for statement in render::file(file, DATABASE, Some("main")) {
        hash.update(statement.sql);
        hash.update(b";");
    }
    if file.text.contains("daily_stored") {
        hash.update(whole_daily_query());
    }
    if file.text.contains("daily_published_stored") {
        PublishedQueries::new(DEFAULT_K, false).of_day(false).iter().for_each(|query| hash.update(query));
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

async fn record(client: &Client, file: &SchemaFile) -> Result<(), SchemaError> {
    client
        .query("INSERT INTO migrations SELECT {name:String}, {checksum:String}, now64(3)")
        .param("name", file.name)
        .param("checksum", checksum(file))
        .execute()
        .await
        .map_err(|source| SchemaError::Statement { file: file.name, source })
}

/// Writes the zone into `settings`, unless it is there already.
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
