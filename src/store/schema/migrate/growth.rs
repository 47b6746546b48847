//! The sharding of a cluster: read from its nodes, extended when the cluster has grown, and recorded in `settings`.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::error::SchemaError;
use super::state::NodeState;
use crate::store::Client;
use crate::store::cluster::Topology;
use crate::store::schema::sharding::Sharding;

pub(super) async fn record(client: &Client, sharding: &Sharding) -> clickhouse::error::Result<()> {
    let sql = "INSERT INTO settings SELECT 'sharding', {sharding:String}, now64(3)";
    client.query(sql).param("sharding", sharding.to_string()).execute().await
}

/// The sharding that the tables should have now. It differs from the recorded one when the cluster has more shards than before.
///
/// # Errors
/// When the recorded one cannot be read, and when shards were taken away.
pub(super) fn wanted<'a>(
    topology: &Topology,
    states: impl Iterator<Item = &'a NodeState>,
    now: Timestamp,
    zone: &TimeZone,
) -> Result<Sharding, SchemaError> {
    let shards = u32::try_from(topology.shards.len()).unwrap_or(u32::MAX);
    let recorded = states.filter_map(|state| state.sharding.as_deref());
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
        before => Err(SchemaError::FewerShards { before, now: shards }),
    }
}
