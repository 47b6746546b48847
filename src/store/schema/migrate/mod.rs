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

mod error;
mod growth;
mod run;
mod state;
mod survey;
mod wanted;

use jiff::tz::TimeZone;

pub use self::error::SchemaError;
use self::run::LostReplicas;
pub use self::run::Migrated;
use self::survey::{Survey, target};
#[cfg(test)]
pub(super) use self::survey::{check, checksum};
use super::render::{self, Statement};
use super::sharding::Sharding;
use crate::store::Client;

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
    lines.extend(survey.topology.unnamed.iter().cloned());
    Ok((lines, survey.left_out()))
}

/// Refuses a database that another version of Footfall has migrated since this program did: what it computes would not be what the other one reads.
///
/// # Errors
/// Then, and when the store does not answer.
pub(crate) async fn check_version(client: &Client) -> Result<(), SchemaError> {
    let recorded = state::recorded(client).await.map_err(SchemaError::Store)?;
    survey::check(&survey::by_name(recorded), client.database())
}

/// The statements that each node needs, for a store of as many shards.
///
/// # Errors
/// When the nodes of the store are not known.
pub async fn print(client: &Client) -> Result<Vec<Statement>, SchemaError> {
    let topology = client.topology().await?;
    let sharding = Sharding::new(u32::try_from(topology.shards.len()).unwrap_or(u32::MAX));
    Ok(render::print(client.database(), target(client, &topology, &sharding)))
}
