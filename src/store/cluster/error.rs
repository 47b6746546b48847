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
    #[error("the macros of two nodes disagree with `remote_servers`: {}", macros(.0))]
    Macros(Box<[NodeMacros; 2]>),
}

/// What a node says of itself.
#[derive(Debug)]
pub struct NodeMacros {
    pub(super) url: String,
    pub(super) shard: String,
    pub(super) replica: String,
}

fn macros(nodes: &[NodeMacros; 2]) -> String {
    let [one, other] = nodes
        .each_ref()
        .map(|NodeMacros { url, shard, replica }| format!("{url} has shard {shard:?}, replica {replica:?}"));
    format!("{one}, and {other}. Replicas of one shard have the same `shard` and different `replica`")
}
