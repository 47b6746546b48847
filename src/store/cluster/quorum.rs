//! How many replicas of a shard must have an insert before it counts as confirmed.

use std::time::{Duration, Instant};

use crate::config::Quorum;
use crate::store::Client;

/// A node that has not answered after it counts as down.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// For how long an answer is used: inserts come several times a second, and the number changes when somebody edits `remote_servers`.
const KNOWN_FOR: Duration = Duration::from_secs(30);
/// With fewer replicas a majority is all of them, and one dead node would stop every insert.
const LEAST_REPLICAS: u64 = 3;

impl Client {
    /// 0: the replica that takes the insert is enough. An answer of the store is used for 30 seconds, by all clones of this client.
    ///
    /// # Errors
    /// When the store cannot be asked how many replicas there are.
    pub(crate) async fn quorum(&self) -> clickhouse::error::Result<u64> {
        match (self.cluster(), self.quorum_setting()) {
            (None, _) => Ok(0),
            (Some(_), Quorum::Replicas(count)) => Ok(if count > 1 { count } else { 0 }),
            (Some(cluster), Quorum::Auto) => {
                let known = *self.known_quorum.lock();
                if let Some((_, quorum)) = known.filter(|(since, _)| since.elapsed() < KNOWN_FOR) {
                    return Ok(quorum);
                }
                let sql = "SELECT toUInt64(min(replicas)) FROM (SELECT count() AS replicas FROM system.clusters \
                           WHERE cluster = {cluster:String} GROUP BY shard_num)";
                let query = self.query_server(sql).param("cluster", cluster);
                let replicas = tokio::time::timeout(ANSWER_TIMEOUT, query.fetch_one::<u64>()).await;
                let quorum = majority(replicas.unwrap_or(Err(clickhouse::error::Error::TimedOut))?);
                *self.known_quorum.lock() = Some((Instant::now(), quorum));
                Ok(quorum)
            }
        }
    }
}

fn majority(replicas: u64) -> u64 {
    if replicas < LEAST_REPLICAS { 0 } else { replicas / 2 + 1 }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;
    use crate::config::{ClusterConfig, StoreConfig};
    use crate::secret::Secret;

    /// A server that answers each request with the number 3, under a column's name and type. Returns its URL, and how many requests it answered.
    async fn three_replicas() -> (String, Arc<AtomicU32>) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(AtomicU32::new(0));
        let counts = requests.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                counts.fetch_add(1, Ordering::SeqCst);
                let _ = stream.read(&mut [0; 4096]).await;
                let head = "HTTP/1.1 200 OK\r\nContent-Length: 18\r\nConnection: close\r\n\r\n";
                let _ = stream
                    .write_all(&[head.as_bytes(), b"\x01\x01n\x06UInt64", &3_u64.to_le_bytes()].concat())
                    .await;
            }
        });
        (url, requests)
    }

    #[tokio::test]
    async fn the_store_is_asked_once_how_many_replicas_there_are() {
        let (url, requests) = three_replicas().await;
        let cluster = ClusterConfig { name: "main".to_owned(), quorum: Quorum::Auto };
        let client = Client::new(&StoreConfig::Server {
            urls: vec![url],
            database: "footfall".to_owned(),
            user: "default".to_owned(),
            password: Secret::default(),
            cluster: Some(cluster),
        });
        for client in [&client, &client.clone(), &client.reader()] {
            assert_eq!(client.quorum().await.unwrap(), 2);
        }
        assert_eq!(requests.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn a_majority_is_asked_for_where_one_dead_replica_leaves_one() {
        assert_eq!([1, 2, 3, 4, 5].map(majority), [0, 0, 2, 3, 3]);
    }
}
