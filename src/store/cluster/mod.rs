//! The nodes of a cluster: which shards there are, which replicas each has, which of them answer, and which have every row.
//!
//! One server is one shard of one replica, so that code which loops over shards serves both. This module asks nodes about themselves; it changes nothing.

mod error;
mod place;
mod quorum;
mod sync;
mod topology;

pub use error::TopologyError;
pub(crate) use topology::{Node, Shard, Topology};
