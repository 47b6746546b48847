//! The sharding of a cluster: read from its nodes, extended when the cluster has grown, and recorded in `settings`.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::error::SchemaError;
use super::state::{ADDRESSES, NodeState};
use crate::store::Client;
use crate::store::cluster::Topology;
use crate::store::schema::sharding::Sharding;

/// Records the sharding, and where the nodes of each shard answer: a collector that does not know a new shard can say then which addresses it lacks.
pub(super) async fn record(
    client: &Client,
    sharding: &Sharding,
    topology: &Topology,
) -> clickhouse::error::Result<()> {
    let mut settings = vec![("sharding".to_owned(), sharding.to_string())];
    settings.extend(topology.shards.iter().map(|shard| {
        let urls: Vec<&str> = shard.up().map(|node| node.client.url()).collect();
        (format!("{ADDRESSES}{}", shard.number), urls.join(", "))
    }));
    for (name, value) in settings {
        let sql = "INSERT INTO settings SELECT {name:String}, {value:String}, now64(3)";
        client.query(sql).param("name", name).param("value", value).execute().await?;
    }
    Ok(())
}

/// The sharding that the tables should have now. It differs from the recorded one when the cluster has more shards than before.
///
/// # Errors
/// When the recorded one cannot be read, and when shards were taken away.
pub(super) fn wanted<'a>(
    topology: &Topology,
    states: impl Iterator<Item = &'a NodeState> + Clone,
    now: Timestamp,
    zone: &TimeZone,
) -> Result<Sharding, SchemaError> {
    let shards = u32::try_from(topology.shards.len()).unwrap_or(u32::MAX);
    let recorded = states.clone().filter_map(|state| state.sharding.as_deref());
    let parsed =
        recorded.map(|text| Sharding::parse(text).ok_or_else(|| SchemaError::Sharding(text.to_owned())));
    let parsed = parsed.collect::<Result<Vec<_>, _>>()?;
    // A node that was away may have an older one.
    let Some(newest) = parsed.into_iter().max_by_key(Sharding::growths) else {
        return Ok(Sharding::new(shards));
    };
    // A shard of which no node can get its tables is not counted on.
    let is_complete = topology.shards.iter().all(|shard| shard.up().next().is_some());
    match newest.shards() {
        before if before == shards || (before < shards && !is_complete) => Ok(newest),
        before if before < shards => newest.grown(shards, now, zone).map_err(|_| SchemaError::Zone),
        before => {
            Err(SchemaError::FewerShards { before, now: shards, lacking: lacking(topology, states, before) })
        }
    }
}

/// The shards that the topology lacks, each with its addresses.
fn lacking<'a>(
    topology: &Topology,
    states: impl Iterator<Item = &'a NodeState> + Clone,
    shards: u32,
) -> String {
    let is_known = |number: &u32| topology.shards.iter().any(|shard| shard.number == *number);
    let name = |number: u32| match states.clone().find_map(|state| state.addresses.get(&number)) {
        Some(addresses) => format!("shard {number} at {addresses}"),
        None => format!("shard {number}"),
    };
    (1..=shards).filter(|number| !is_known(number)).map(name).collect::<Vec<_>>().join("; ")
}
