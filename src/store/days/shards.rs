//! The nodes on which the work on days is done: of each shard one replica.
//!
//! All steps of a task read and change the tables of this node alone (`…_local`). So what one step finds is what the next one counts, computes or deletes,
//! however far other replicas lag. Replication carries the changes to them. A replica is pinned if it can write, has every row that its shard had when it was
//! asked, and has no change of its rows under way. If a replica is down, and the others lack rows that it alone has, the one that lags least is pinned. One server is one shard of one replica, and nothing is asked.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tracing::warn;

use super::tables::{CloseDayError, Tables};
use crate::error_chain::error_chain;
use crate::store::Client;
use crate::store::cluster::{Node, Shard};

/// Nobody reads from a replica that lags longer than `MAX_LAG_S` of the client. This is a little more, for clocks that count whole seconds.
const MAX_LAG: Duration = Duration::from_secs(12);
/// How long a replica may take to fetch what it lacks before another one is pinned.
const SYNC_TIMEOUT: Duration = Duration::from_secs(10);
/// How often a replica is asked whether its changes are done.
const ASK_EVERY: Duration = Duration::from_millis(100);
/// The sharded tables that the work on days reads.
const SHARDED: [&str; 7] = [
    "events",
    "blocked_events",
    "removed_events",
    "days",
    "visits_stored",
    "daily_stored",
    "daily_published_stored",
];
/// The tables that all nodes have.
const EVERYWHERE: [&str; 4] = ["migrations", "settings", "publications", "published_days"];

/// One replica of each shard.
pub(in crate::store) struct PinnedShards {
    /// In order of their number; at least one.
    pub(in crate::store) shards: Vec<PinnedShard>,
}

/// A shard, and the replica of it on which a task is done.
pub(in crate::store) struct PinnedShard {
    pub(in crate::store) number: u32,
    /// Of the pinned replica, for messages.
    name: String,
    /// Those of the pinned replica.
    pub(in crate::store) tables: Tables,
    others: Vec<Node>,
    is_replicated: bool,
}

/// What a replica says of itself.
type ReplicaState = (bool, u64);

impl PinnedShards {
    /// # Errors
    /// When a shard has no replica that can be pinned.
    pub(in crate::store) async fn pin(client: &Client) -> Result<Self, CloseDayError> {
        Self::pin_with(client, true).await
    }

    /// The same, also while rows are being changed on purpose, which may take hours.
    pub(in crate::store) async fn pin_while_rows_change(client: &Client) -> Result<Self, CloseDayError> {
        Self::pin_with(client, false).await
    }

    async fn pin_with(client: &Client, waits_for_changes: bool) -> Result<Self, CloseDayError> {
        let topology = client.topology().await?;
        let mut shards = Vec::new();
        for shard in topology.shards {
            shards.push(PinnedShard::pin(shard, topology.is_replicated, waits_for_changes).await?);
        }
        Ok(Self { shards })
    }

    /// The names of the pinned replicas.
    pub(super) fn names(&self) -> Vec<String> {
        self.shards.iter().map(|shard| shard.name.clone()).collect()
    }

    /// The tables of a node that reads all shards.
    pub(in crate::store) fn any(&self) -> &Tables {
        &self.shards[0].tables
    }

    /// Runs `work` on the pinned replicas, and gives it up when one of them stops answering, also while another one waits for it. What was begun is left as
    /// by a crash.
    pub(in crate::store) async fn while_they_answer<T>(
        &self,
        work: impl Future<Output = Result<T, CloseDayError>>,
    ) -> Result<T, CloseDayError> {
        let mut silences = JoinSet::new();
        for shard in &self.shards {
            let (client, name) = (shard.tables.client().clone(), shard.name.clone());
            silences.spawn(async move { client.silence(name).await });
        }
        tokio::select! {
            done = work => done,
            Some(silent) = silences.join_next() => {
                Err(CloseDayError::Silent(silent.expect("asking does not panic and is not aborted")))
            }
        }
    }

    /// Waits until readers see the rows that were inserted into sharded tables at `inserted`: until every replica has them, or lags so far
    /// that nobody reads from it. `all`: also a replica that is down, and may be back at any moment.
    pub(super) async fn confirm(&self, tables: &[&str], inserted: Instant, all: bool) {
        let mut has_all = true;
        for shard in &self.shards {
            has_all &= shard.confirm(tables, inserted, all).await;
        }
        if !has_all {
            tokio::time::sleep_until((inserted + MAX_LAG).into()).await;
        }
    }
}

impl PinnedShard {
    async fn pin(shard: Shard, is_replicated: bool, waits_for_changes: bool) -> Result<Self, CloseDayError> {
        let Shard { number, replicas } = shard;
        let (mut candidates, mut reasons) = (Vec::new(), Vec::new());
        for (at, node) in replicas.iter().enumerate() {
            match state(node, is_replicated).await {
                Ok((false, delay)) => candidates.push((delay, at)),
                Ok((true, _)) => reasons.push(format!("{} cannot write", node.name)),
                Err(reason) => reasons.push(format!("{}: {reason}", node.name)),
            }
        }
        // The first one in order, so that all collectors pin the same, unless it lags.
        candidates.sort_unstable();
        let candidates: Vec<_> = candidates.into_iter().map(|(_, at)| at).collect();
        let chosen = match is_replicated {
            true => choose(&replicas, &candidates, waits_for_changes, &mut reasons).await,
            false => candidates.first().copied(),
        };
        let Some(at) = chosen else {
            return Err(CloseDayError::NoReplica { shard: number, reasons: reasons.join("; ") });
        };
        let (name, tables) = (replicas[at].name.clone(), Tables::new(replicas[at].client.clone()));
        let others = replicas.into_iter().enumerate().filter(|(other, _)| *other != at);
        let others = others.map(|(_, node)| node).collect();
        Ok(Self { number, name, tables, others, is_replicated })
    }

    /// A table that all nodes have, in a statement that changes its rows. Without replication the first shard has them.
    pub(in crate::store) fn everywhere(&self, table: &str) -> String {
        if self.is_replicated || self.tables.client().cluster().is_none() {
            self.tables.qualified(table)
        } else {
            self.tables.local(table)
        }
    }

    /// Waits until another replica has the rows that were inserted here: rows are deleted next that these rows stand for, and this node may be lost. A
    /// replica that lags or is down does not hold it up.
    pub(in crate::store) async fn secure(&self, table: &str) {
        for node in self.others.iter().filter(|node| node.is_up && self.is_replicated) {
            if sync(node, &[&node.client.local(table)], SYNC_TIMEOUT).await.is_ok() {
                return;
            }
        }
    }

    /// Whether every other replica has the rows of the tables. It returns by the time at which nobody reads any more from one that lacks them.
    async fn confirm(&self, tables: &[&str], inserted: Instant, all: bool) -> bool {
        let tables: Vec<_> = tables.iter().map(|table| self.tables.client().local(table)).collect();
        let tables: Vec<_> = tables.iter().map(String::as_str).collect();
        let mut has_all = true;
        for node in &self.others {
            let left = MAX_LAG.saturating_sub(inserted.elapsed());
            has_all &= match node.is_up {
                _ if !self.is_replicated => true,
                true => sync(node, &tables, left).await.is_ok(),
                false => !all,
            };
        }
        has_all
    }
}

/// Whether a replica cannot write, and its delay in seconds.
async fn state(node: &Node, is_replicated: bool) -> Result<ReplicaState, String> {
    if !node.is_up {
        return Err("it is down".to_owned());
    }
    if !is_replicated {
        return Ok((false, 0));
    }
    let sql = "SELECT max(is_readonly) > 0, max(absolute_delay) FROM system.replicas WHERE database = {database:String}";
    let query = node.client.query(sql).param("database", node.client.database());
    within(SYNC_TIMEOUT, query.fetch_one::<ReplicaState>()).await
}

/// The first of the candidates that has all rows of its shard. If none has, and a replica is down, the first one: what they lack lies on that replica. When it
/// is back, the numbers of events differ, and days are computed again.
async fn choose(
    replicas: &[Node],
    candidates: &[usize],
    waits_for_changes: bool,
    reasons: &mut Vec<String>,
) -> Option<usize> {
    let with_own: &[_] = if candidates.len() < replicas.len() { &[RowsOfPinned::Own] } else { &[] };
    for rows in [RowsOfPinned::All].iter().chain(with_own) {
        for at in candidates {
            match catch_up(&replicas[*at], waits_for_changes, *rows).await {
                Ok(()) => return Some(*at),
                Err(reason) => reasons.push(format!("{}: {reason}", replicas[*at].name)),
            }
        }
    }
    None
}

/// Which rows a replica must have to be pinned.
#[derive(Clone, Copy, PartialEq, Eq)]
enum RowsOfPinned {
    /// All that its shard has.
    All,
    /// Those that it has.
    Own,
}

/// Waits until a replica has what its shard has, and, if asked to, has done the changes of rows that it knows of.
async fn catch_up(node: &Node, waits_for_changes: bool, rows: RowsOfPinned) -> Result<(), String> {
    let local: Vec<_> = SHARDED.iter().map(|table| node.client.local(table)).collect();
    let tables: Vec<_> = local.iter().map(String::as_str).chain(EVERYWHERE).collect();
    let until = Instant::now() + SYNC_TIMEOUT;
    if rows == RowsOfPinned::All {
        sync(node, &tables, SYNC_TIMEOUT).await?;
    }
    if !waits_for_changes {
        return Ok(());
    }
    let sql = "SELECT count() FROM system.mutations WHERE database = {database:String} AND NOT is_done";
    loop {
        let query = node.client.query(sql).param("database", node.client.database());
        let changes = within(SYNC_TIMEOUT, query.fetch_one::<u64>()).await?;
        if changes == 0 {
            return Ok(());
        }
        if Instant::now() >= until {
            return Err(format!("{changes} changes of its rows are not done"));
        }
        tokio::time::sleep(ASK_EVERY).await;
    }
}

/// Waits until a replica has fetched the parts that its shard has now. Merges are not waited for.
async fn sync(node: &Node, tables: &[&str], timeout: Duration) -> Result<(), String> {
    let seconds = timeout.as_secs().max(1).to_string();
    let work = async {
        for table in tables {
            let sql = format!("SYSTEM SYNC REPLICA {table} LIGHTWEIGHT");
            node.client.query(&sql).with_setting("receive_timeout", &*seconds).execute().await?;
        }
        Ok(())
    };
    let synced = within(timeout, work).await;
    if let Err(reason) = &synced {
        warn!(node = node.name, reason, "a replica lags");
    }
    synced
}

/// The answer, or why there is none.
async fn within<T>(
    timeout: Duration,
    answer: impl Future<Output = clickhouse::error::Result<T>>,
) -> Result<T, String> {
    match tokio::time::timeout(timeout, answer).await {
        Ok(answer) => answer.map_err(|error| error_chain(&error)),
        Err(_) => Err(format!("it has not caught up within {} s", timeout.as_secs())),
    }
}
