//! Compares every node of the store with the files of `sql/schema`, and does what is missing.
//!
//! 1. Ask each node of the topology for its tables, its recorded files and its sharding. Nodes that are down are left out and named.
//! 2. Refuse the database if another version of Footfall made it.
//! 3. On each node: create the database and the tables and views that are missing, replace views and Distributed tables whose definition
//!    differs, and set settings of engines that differ (`wanted.rs`).
//! 4. Record the files, the sharding and the operator's time zone.
//!
//! No statement is `ON CLUSTER`, so a node that is down stops nothing. Every statement may be run twice. So several collectors may migrate at once,
//! and after a crash at any step the next migration begins with step 1 again.
//!
//! A node that lost its disk has lost its tables, too, while the others remember it as their replica. `footfall migrate` takes it out of their memory
//! and creates the tables again, and the node copies their rows. `footfall serve` does not: the disk may only not be mounted.

mod growth;
mod run;
mod state;
mod wanted;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use sha2::{Digest, Sha256};

use self::state::NodeState;
use self::wanted::{RepairStep, wanted};
use super::columns::whole_daily_query;
use super::files::{self, SchemaFile};
use super::published::PublishedQueries;
use super::render::{self, ClusterTarget, Statement};
use super::sharding::Sharding;
use crate::config::{DATABASE, DEFAULT_K};
use crate::error_chain::error_chain;
use crate::store::Client;
use crate::store::cluster::{Node, Topology, TopologyError};

/// Whether a node that lost its tables gets them again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LostReplicas {
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
}

#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// The store refused a statement, or could not be reached.
    #[error("{node}: sql/schema/{file}.sql could not be applied")]
    Statement { node: String, file: &'static str, source: clickhouse::error::Error },
    /// The state of a node could not be read, or nothing recorded.
    #[error("cannot read which schema files are applied to the database, or record them")]
    Store(#[source] clickhouse::error::Error),
    #[error(transparent)]
    Topology(#[from] ClusterError),
    #[error("no node of shard {shard} could be migrated: {}", .why.join("; "))]
    Shard { shard: u32, why: Vec<String> },
    #[error(
        "database `{database}` was created by another version of Footfall: {file}.sql was applied to it, and this version \
         has {}; versions before 0.1.0 cannot convert a database. Run the version that created it, or start with an empty one: \
         drop the database (on a server), or move the directory of the embedded store away",
        if *.is_known { "a different file of that name" } else { "no such file" }
    )]
    OtherVersion { database: String, file: String, is_known: bool },
    #[error(
        "database `{database}` was migrated by a newer version of Footfall: {file}.sql was applied to it, and this version ends at {last}.sql. \
         Upgrade this collector: upgrade all of them, then migrate"
    )]
    NewerVersion { database: String, file: String, last: String },
    #[error(
        "{node}: table {table} {difference}, so another version of Footfall made it, or somebody changed it"
    )]
    Columns { node: String, table: String, difference: String },
    #[error("the row `sharding` of the table `settings` is {0:?}, which says nothing")]
    Sharding(String),
    #[error(
        "the cluster had {before} shards and has {now} now: a shard that has rows cannot be taken away. Name all of them in `remote_servers`"
    )]
    FewerShards { before: u32, now: u32 },
    #[error("`timezone` must be an IANA name such as Europe/Berlin, because ClickHouse must know it")]
    Zone,
}

/// Why the nodes of the store are not known.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct ClusterError(#[from] TopologyError);

/// Creates the database and its tables on every node, or brings them up to date, and stores the operator's time zone for the views.
///
/// # Errors
/// When a shard has no node that could be migrated, and when another version created the tables.
pub async fn migrate(client: &Client, zone: &TimeZone) -> Result<Migrated, SchemaError> {
    run::run(&Survey::new(client, zone).await?, LostReplicas::Keep).await
}

/// The same, which also creates the tables of nodes that lost them.
///
/// # Errors
/// As [`migrate`].
pub async fn repair(client: &Client, zone: &TimeZone) -> Result<Migrated, SchemaError> {
    run::run(&Survey::new(client, zone).await?, LostReplicas::Replace).await
}

/// What [`repair`] would do, a line each, and the nodes that it would leave out.
///
/// # Errors
/// As [`migrate`].
pub async fn plan(client: &Client, zone: &TimeZone) -> Result<(Vec<String>, Vec<String>), SchemaError> {
    let survey = Survey::new(client, zone).await?;
    let mut lines = Vec::new();
    for (node, state) in &survey.nodes {
        if !state.has_database {
            lines.push(format!("{}: create the database", node.name));
        }
        lines.extend(
            survey.steps(node, state)?.into_iter().map(|step| format!("{}: {}", node.name, step.what)),
        );
    }
    lines.extend(survey.unrecorded().map(|file| format!("record sql/schema/{}.sql", file.name)));
    lines.extend(survey.growth_line());
    Ok((lines, survey.left_out()))
}

/// The statements that each node needs, for a store of as many shards.
///
/// # Errors
/// When the nodes of the store are not known.
pub async fn print(client: &Client) -> Result<Vec<Statement>, SchemaError> {
    let topology = client.topology().await.map_err(ClusterError)?;
    let sharding = Sharding::new(u32::try_from(topology.shards.len()).unwrap_or(u32::MAX));
    Ok(render::print(client.database(), target(client, &topology, &sharding)))
}

fn target<'a>(client: &'a Client, topology: &Topology, sharding: &'a Sharding) -> Option<ClusterTarget<'a>> {
    let is_replicated = topology.is_replicated;
    client.cluster().map(|name| ClusterTarget { name, is_replicated, sharding })
}

/// What the nodes have, and what they should have.
struct Survey<'a> {
    client: &'a Client,
    zone: String,
    topology: Topology,
    /// Nodes that answered.
    nodes: Vec<(Node, NodeState)>,
    sharding: Sharding,
}

impl<'a> Survey<'a> {
    async fn new(client: &'a Client, zone: &TimeZone) -> Result<Self, SchemaError> {
        let name = zone.iana_name().ok_or(SchemaError::Zone)?.to_owned();
        let mut topology = client.topology().await.map_err(ClusterError)?;
        let mut nodes = Vec::new();
        for node in topology.shards.iter_mut().flat_map(|shard| &mut shard.replicas).filter(|node| node.is_up)
        {
            match NodeState::read(node).await {
                Ok(state) => nodes.push((node.clone(), state)),
                Err(error) if client.cluster().is_none() => return Err(SchemaError::Store(error)),
                // It answers and cannot tell what it has: others can be migrated.
                Err(error) => {
                    node.is_up = false;
                    node.name += &format!(": {}", error_chain(&error));
                }
            }
        }
        let states = nodes.iter().map(|(_, state)| state);
        let sharding = growth::wanted(&topology, states, Timestamp::now(), zone)?;
        let survey = Self { client, zone: name, topology, nodes, sharding };
        check(&survey.recorded(), client.database())?;
        Ok(survey)
    }

    /// Names and checksums of the files that any node has recorded.
    fn recorded(&self) -> BTreeMap<String, BTreeSet<String>> {
        let mut recorded = BTreeMap::<String, BTreeSet<String>>::new();
        for (name, checksum) in self.nodes.iter().flat_map(|(_, state)| &state.recorded) {
            recorded.entry(name.clone()).or_default().insert(checksum.clone());
        }
        recorded
    }

    fn unrecorded(&self) -> impl Iterator<Item = SchemaFile> + use<> {
        let recorded = self.recorded();
        files::all().filter(move |file| !recorded.contains_key(file.name))
    }

    fn steps(&self, node: &Node, state: &NodeState) -> Result<Vec<RepairStep>, SchemaError> {
        let database = self.client.database();
        let mut steps = Vec::new();
        for table in wanted(database, target(self.client, &self.topology, &self.sharding)) {
            let step =
                table.step(state, database).map_err(|wanted::OtherColumns { table, difference }| {
                    SchemaError::Columns { node: node.name.clone(), table, difference }
                })?;
            steps.extend(step);
        }
        Ok(steps)
    }

    fn left_out(&self) -> Vec<String> {
        self.topology.down().map(|node| node.name.clone()).collect()
    }

    /// Whether the sharding is another one than what is recorded.
    fn is_sharding_new(&self) -> bool {
        let text = self.sharding.to_string();
        self.client.cluster().is_some()
            && !self.nodes.iter().any(|(_, state)| state.sharding.as_ref() == Some(&text))
    }

    fn growth_line(&self) -> Option<String> {
        let from = self.sharding.last_growth().filter(|_| self.is_sharding_new())?;
        Some(format!("use {} shards for events from {from} on", self.sharding.shards()))
    }
}

/// Refuses a database whose applied files are not those of this program.
pub(super) fn check(
    recorded: &BTreeMap<String, BTreeSet<String>>,
    database: &str,
) -> Result<(), SchemaError> {
    let last = files::all().last().map(|file| file.name).unwrap_or_default();
    for (name, checksums) in recorded {
        let own = files::all().find(|file| file.name == name).map(|file| checksum(&file));
        if checksums.iter().all(|checksum| own.as_ref() == Some(checksum)) {
            continue;
        }
        let (database, file) = (database.to_owned(), name.clone());
        return Err(match own {
            None if name.as_str() > last => {
                SchemaError::NewerVersion { database, file, last: last.to_owned() }
            }
            own => SchemaError::OtherVersion { database, file, is_known: own.is_some() },
        });
    }
    Ok(())
}

/// SHA-256 of the statements of a file, in hexadecimal. They hold the columns of the row, so a database with other columns is
/// refused, and a comment changes nothing. The tables of daily and of published figures count with the queries that fill them. The form for a cluster has every
/// statement.
pub(super) fn checksum(file: &SchemaFile) -> String {
    let mut hash = Sha256::new();
    let sharding = Sharding::new(2);
    let cluster = ClusterTarget { name: "main", is_replicated: true, sharding: &sharding };
    for statement in render::file(file, DATABASE, Some(cluster)) {
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
