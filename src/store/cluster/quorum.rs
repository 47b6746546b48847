//! How many replicas of a shard must have an insert before it counts as confirmed.

use std::time::Duration;

use crate::config::Quorum;
use crate::store::Client;

/// A node that has not answered after it counts as down.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// With fewer replicas a majority is all of them, and one dead node would stop every insert.
const LEAST_REPLICAS: u64 = 3;

impl Client {
    /// 0: the replica that takes the insert is enough.
    ///
    /// # Errors
    /// When the store cannot be asked how many replicas there are.
    pub(crate) async fn quorum(&self) -> clickhouse::error::Result<u64> {
        match (self.cluster(), self.quorum_setting()) {
            (None, _) => Ok(0),
            (Some(_), Quorum::Replicas(count)) => Ok(if count > 1 { count } else { 0 }),
            (Some(cluster), Quorum::Auto) => {
                let sql = "SELECT toUInt64(min(replicas)) FROM (SELECT count() AS replicas FROM system.clusters \
                           WHERE cluster = {cluster:String} GROUP BY shard_num)";
                let query = self.query_server(sql).param("cluster", cluster);
                let replicas = tokio::time::timeout(ANSWER_TIMEOUT, query.fetch_one::<u64>()).await;
                Ok(majority(replicas.unwrap_or(Err(clickhouse::error::Error::TimedOut))?))
            }
        }
    }
}

fn majority(replicas: u64) -> u64 {
    if replicas < LEAST_REPLICAS { 0 } else { replicas / 2 + 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_majority_is_asked_for_where_one_dead_replica_leaves_one() {
        assert_eq!([1, 2, 3, 4, 5].map(majority), [0, 0, 2, 3, 3]);
    }
}
