//! Why the nodes of a cluster are not known.

#[derive(Debug, thiserror::Error)]
pub enum TopologyError {
    #[error("no node of the cluster answers at {urls}")]
    NoNode { urls: String, source: clickhouse::error::Error },
    #[error("the node at {url} has no cluster `{cluster}` in its `remote_servers` (`store.cluster`)")]
    NoCluster { url: String, cluster: String },
    #[error(
        "the node at {0} does not find itself in its `remote_servers`: use a host there that is its own, or set its macro `shard` to the \
         shard's number and `replica` to the replica's number or host"
    )]
    NotAMember(String),
    #[error(
        "shard {shard} has the weight {weight} in `remote_servers`: events are divided by shards of weight 1"
    )]
    Weight { shard: u32, weight: u32 },
    /// Two nodes: their URLs, and their macros `shard` and `replica`.
    #[error("the macros of two nodes disagree with `remote_servers`: {}", macros(.0))]
    Macros(Box<([String; 2], [(String, String); 2])>),
}

fn macros((urls, macros): &([String; 2], [(String, String); 2])) -> String {
    let node = |at: usize| format!("{} has shard {:?}, replica {:?}", urls[at], macros[at].0, macros[at].1);
    format!(
        "{}, and {}. Replicas of one shard have the same `shard` and different `replica`",
        node(0),
        node(1)
    )
}
