//! Runs what a survey found to be missing.

use std::time::{Duration, Instant};

use clickhouse::error::Error;

use super::error::SchemaError;
use super::growth;
use super::survey::{Survey, checksum};
use super::wanted::RepairStep;
use crate::error_chain::error_chain;
use crate::store::cluster::Node;
use crate::store::schema::files::SchemaFile;
use crate::store::schema::render;
use crate::store::{Client, error_code, sql};

/// How often a statement is tried. Another collector that migrates at the same moment may make it fail.
const ATTEMPTS: u32 = 4;
/// The pause before the next attempt, times the number of the attempt.
const PAUSE: Duration = Duration::from_millis(150);
/// How long a lost replica may count as active after its end: ClickHouse's session with ZooKeeper or Keeper lasts for 30 s.
const SESSION_ENDS: Duration = Duration::from_secs(90);
const SESSION_PAUSE: Duration = Duration::from_secs(2);
/// ClickHouse's codes of errors.
const REPLICA_ALREADY_EXISTS: u32 = 253;
const TABLE_WAS_NOT_DROPPED: u32 = 305;
const TABLE_IS_READ_ONLY: u32 = 242;
const NOT_INITIALIZED: u32 = 667;

/// Whether a node that lost its tables gets them again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LostReplicas {
    Keep,
    Replace,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Migrated {
    /// The files that were applied now, in order.
    pub now: Vec<&'static str>,
    /// How many had been applied before.
    pub before: usize,
    /// What was done besides, by node.
    pub repaired: Vec<String>,
    /// Nodes that were not migrated, and why. Each shard has one that was.
    pub left_out: Vec<String>,
    /// What the `remote_servers` of some nodes lack. Before a new shard is used, all must name it.
    pub unnamed: Vec<String>,
}

pub(super) async fn run(survey: &Survey<'_>, lost: LostReplicas) -> Result<Migrated, SchemaError> {
    let before = survey.recorded().len();
    let unnamed = survey.topology.unnamed.clone();
    let mut migrated = Migrated { before, left_out: survey.left_out(), unnamed, ..Migrated::default() };
    let is_new = before == 0;
    let (mut first, mut lost_shard) = (None, None);
    for shard in &survey.topology.shards {
        let mut why: Vec<_> =
            shard.replicas.iter().filter(|node| !node.is_up).map(|node| node.name.clone()).collect();
        let mut error = None;
        for (node, state) in survey.nodes.iter().filter(|(node, _)| shard.up().any(|up| up.name == node.name))
        {
            let steps = survey.steps(node, state)?;
            match apply(survey, node, &steps, lost).await {
                Ok(()) => {
                    first.get_or_insert(&node.client);
                    let done = steps.iter().map(|step| format!("{}: {}", node.name, step.what));
                    migrated.repaired.extend(done.filter(|_| !is_new));
                }
                Err(failed) => {
                    let line = error_chain(&failed);
                    migrated.left_out.push(line.clone());
                    why.push(line);
                    error = Some(failed);
                }
            }
        }
        if why.len() == shard.replicas.len() {
            // Of one server the error itself says enough.
            let shard = SchemaError::Shard { shard: shard.number, why };
            lost_shard = Some(error.filter(|_| survey.client.cluster().is_none()).unwrap_or(shard));
        }
    }
    if let Some(error) = lost_shard {
        return Err(error);
    }
    // Whichever node records: these tables have the same rows everywhere.
    record_when_ready(survey, first.unwrap_or(survey.client)).await?;
    migrated.now.extend(survey.unrecorded().map(|file| file.name));
    migrated.repaired.extend(survey.growth_line());
    Ok(migrated)
}

/// Records what was done, on a node that may still be starting after a crash.
async fn record_when_ready(survey: &Survey<'_>, client: &Client) -> Result<(), SchemaError> {
    let until = Instant::now() + SESSION_ENDS;
    while let Err(error) = record(survey, client).await {
        let is_starting = matches!(error_code(&error), Some(NOT_INITIALIZED | TABLE_IS_READ_ONLY));
        if !is_starting || Instant::now() > until {
            return Err(SchemaError::Store(error));
        }
        tokio::time::sleep(SESSION_PAUSE).await;
    }
    Ok(())
}

async fn record(survey: &Survey<'_>, client: &Client) -> Result<(), Error> {
    for file in survey.unrecorded() {
        record_file(client, &file).await?;
    }
    if survey.is_sharding_new() {
        growth::record(client, &survey.sharding, &survey.topology).await?;
    }
    set_zone(client, &survey.zone).await
}

async fn apply(
    survey: &Survey<'_>,
    node: &Node,
    steps: &[RepairStep],
    lost: LostReplicas,
) -> Result<(), SchemaError> {
    let failed = |file, source| SchemaError::Statement { node: node.name.clone(), file, source };
    let database = render::create_database(survey.client.database());
    node.client.query_server(&database).execute().await.map_err(|error| failed("database", error))?;
    for step in steps {
        let result = match execute(node, &step.sql).await {
            Err(error)
                if error_code(&error) == Some(REPLICA_ALREADY_EXISTS) && lost == LostReplicas::Replace =>
            {
                replace_replica(node, step).await
            }
            result => result,
        };
        result.map_err(|error| failed(step.file, error))?;
    }
    Ok(())
}

/// Runs a statement that may be run twice, again if it fails.
async fn execute(node: &Node, sql: &str) -> Result<(), Error> {
    let mut attempt = 1;
    loop {
        match node.client.query(sql).execute().await {
            Err(error) if attempt < ATTEMPTS && error_code(&error) != Some(REPLICA_ALREADY_EXISTS) => {
                tracing::debug!(
                    node = node.name,
                    error = &error as &dyn std::error::Error,
                    "a statement of the migration failed; trying again"
                );
                tokio::time::sleep(PAUSE * attempt).await;
            }
            result => return result,
        }
        attempt += 1;
    }
}

/// Creates a table that the node had and lost. ClickHouse refuses to forget a replica that is alive.
async fn replace_replica(node: &Node, step: &RepairStep) -> Result<(), Error> {
    let (shard, replica) = node.macros.clone().unwrap_or_default();
    let expand = |text: &str| {
        let text = text.replace("{shard}", &shard).replace("{replica}", &replica);
        sql::string(&text.replace("{database}", node.client.database()).replace("{table}", &step.table))
    };
    let (path, name) = render::replica(&step.sql);
    let drop = format!("SYSTEM DROP REPLICA {} FROM ZKPATH {}", expand(name), expand(path));
    let until = Instant::now() + SESSION_ENDS;
    loop {
        match node.client.query_server(&drop).execute().await {
            Err(error) if error_code(&error) == Some(TABLE_WAS_NOT_DROPPED) && Instant::now() < until => {
                tokio::time::sleep(SESSION_PAUSE).await;
            }
            result => break result?,
        }
    }
    execute(node, &step.sql).await
}

async fn record_file(client: &Client, file: &SchemaFile) -> Result<(), Error> {
    let sql = "INSERT INTO migrations SELECT {name:String}, {checksum:String}, now64(3)";
    client.query(sql).param("name", file.name).param("checksum", checksum(file)).execute().await
}

/// Writes the zone into `settings`, unless it is there already.
async fn set_zone(client: &Client, zone: &str) -> Result<(), Error> {
    let sql = "INSERT INTO settings SELECT 'timezone', {zone:String}, now64(3) \
               WHERE (SELECT count() = 0 OR argMax(value, changed) != {zone:String} FROM settings WHERE name = 'timezone')";
    client.query(sql).param("zone", zone).execute().await
}
