//! Replicas that are known to have every row of their shard.

use std::time::Duration;

use tokio::task::JoinSet;

use super::topology::{Node, Shard, Topology};
use crate::store::sql;

/// How long a replica may take to fetch what it lacks.
const SYNC_TIMEOUT: Duration = Duration::from_secs(10);

impl Shard {
    /// The first replicas of a shard that have every row of a table that any replica had when this was called: at least `count` of them, or none.
    ///
    /// ClickHouse confirms it for a replica that has fetched all parts which the shard's log named then. A replica that does not fetch, or that misses a
    /// part which only a dead replica has, does not confirm it.
    pub(crate) async fn synced(&self, topology: &Topology, table: &str, count: usize) -> Vec<Node> {
        if !topology.is_replicated {
            return self.up().cloned().collect();
        }
        let mut syncing = JoinSet::new();
        for node in self.up().cloned() {
            let table = format!("{}.{}", sql::identifier(node.client.database()), node.client.local(table));
            syncing.spawn(async move {
                let sync = format!("SYSTEM SYNC REPLICA {table} LIGHTWEIGHT");
                let seconds = SYNC_TIMEOUT.as_secs().to_string();
                let sync = node.client.query_server(&sync).with_setting("receive_timeout", seconds).execute();
                match tokio::time::timeout(SYNC_TIMEOUT * 2, sync).await {
                    Ok(Ok(())) => Some(node),
                    Ok(Err(error)) => {
                        tracing::debug!(
                            node = node.name,
                            error = &error as &dyn std::error::Error,
                            "the replica is not synced"
                        );
                        None
                    }
                    Err(_) => None,
                }
            });
        }
        let mut synced = Vec::new();
        while let Some(joined) = syncing.join_next().await {
            synced.extend(joined.expect("syncing does not panic and is not aborted"));
            if synced.len() >= count {
                return synced;
            }
        }
        Vec::new()
    }
}
