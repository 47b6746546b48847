//! What the nodes of the store have, and what they should have. It changes nothing.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use sha2::{Digest, Sha256};

use super::error::SchemaError;
use super::growth;
use super::state::NodeState;
use super::wanted::{self, RepairStep, wanted};
use crate::config::{DATABASE, DEFAULT_K};
use crate::error_chain::error_chain;
use crate::store::Client;
use crate::store::cluster::{Node, Topology};
use crate::store::schema::columns::whole_daily_query;
use crate::store::schema::files::{self, SchemaFile};
use crate::store::schema::published::PublishedQueries;
use crate::store::schema::render::{self, ClusterTarget};
use crate::store::schema::sharding::Sharding;

pub(super) fn target<'a>(
    client: &'a Client,
    topology: &Topology,
    sharding: &'a Sharding,
) -> Option<ClusterTarget<'a>> {
    let is_replicated = topology.is_replicated;
    client.cluster().map(|name| ClusterTarget { name, is_replicated, sharding })
}

/// What the nodes have, and what they should have.
pub(super) struct Survey<'a> {
    pub(super) client: &'a Client,
    pub(super) zone: String,
    pub(super) topology: Topology,
    /// Nodes that answered.
    pub(super) nodes: Vec<(Node, NodeState)>,
    pub(super) sharding: Sharding,
}

impl<'a> Survey<'a> {
    pub(super) async fn new(client: &'a Client, zone: &TimeZone) -> Result<Self, SchemaError> {
        let name = zone.iana_name().ok_or(SchemaError::Zone)?.to_owned();
        let mut topology = client.topology().await?;
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
    pub(super) fn recorded(&self) -> BTreeMap<String, BTreeSet<String>> {
        by_name(self.nodes.iter().flat_map(|(_, state)| &state.recorded).cloned())
    }

    pub(super) fn unrecorded(&self) -> impl Iterator<Item = SchemaFile> + use<> {
        let recorded = self.recorded();
        files::all().filter(move |file| !recorded.contains_key(file.name))
    }

    pub(super) fn steps(&self, node: &Node, state: &NodeState) -> Result<Vec<RepairStep>, SchemaError> {
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

    pub(super) fn left_out(&self) -> Vec<String> {
        self.topology.down().map(|node| node.name.clone()).collect()
    }

    /// Whether the sharding is another one than what is recorded.
    pub(super) fn is_sharding_new(&self) -> bool {
        let text = self.sharding.to_string();
        self.client.cluster().is_some()
            && !self.nodes.iter().any(|(_, state)| state.sharding.as_ref() == Some(&text))
    }

    pub(super) fn growth_line(&self) -> Option<String> {
        let from = self.sharding.last_growth().filter(|_| self.is_sharding_new())?;
        Some(format!("use {} shards for events from {from} on", self.sharding.shards()))
    }
}

/// The checksums of each file.
pub(super) fn by_name(
    recorded: impl IntoIterator<Item = (String, String)>,
) -> BTreeMap<String, BTreeSet<String>> {
    let mut by_name = BTreeMap::<String, BTreeSet<String>>::new();
    for (name, checksum) in recorded {
        by_name.entry(name).or_default().insert(checksum);
    }
    by_name
}

/// Refuses a database whose applied files are not those of this program.
pub(in crate::store::schema) fn check(
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
pub(in crate::store::schema) fn checksum(file: &SchemaFile) -> String {
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
