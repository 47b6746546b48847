//! Why a store was not migrated.

use crate::store::cluster::TopologyError;

#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// The store refused a statement, or could not be reached.
    #[error("{node}: sql/schema/{file}.sql could not be applied")]
    Statement { node: String, file: &'static str, source: clickhouse::error::Error },
    /// The state of a node could not be read, or nothing recorded.
    #[error("cannot read which schema files are applied to the database, or record them")]
    Store(#[source] clickhouse::error::Error),
    #[error(transparent)]
    Topology(#[from] TopologyError),
    #[error("no node of shard {shard} could be migrated: {}", .why.join("; "))]
    Shard { shard: u32, why: Vec<String> },
    #[error(
        "database `{database}` was created by another version of Footfall: {file}.sql was applied to it, and this version \
         has {}; versions before 0.1.0 cannot convert a database. Run the version that created it, or start with an empty one: \
         drop the database (on a server), or move the directory of the embedded store away",
        if *.is_known { "a different file of that name" } else { "no such file" }
    )]
    OtherVersion { database: String, file: String, is_known: bool },
    #[error(
        "database `{database}` was migrated by a newer version of Footfall: {file}.sql was applied to it, and this version ends at {last}.sql. \
         Upgrade this collector: upgrade all of them, then migrate"
    )]
    NewerVersion { database: String, file: String, last: String },
    #[error(
        "{node}: table {table} {difference}, so another version of Footfall made it, or somebody changed it"
    )]
    Columns { node: String, table: String, difference: String },
    #[error("the row `sharding` of the table `settings` is {0:?}, which says nothing")]
    Sharding(String),
    /// `lacking`: the shards that are not known, with their addresses.
    #[error(
        "the cluster has {before} shards, and {now} of them are known here: add the addresses of {lacking} to `store.url`, and name their nodes in \
         `remote_servers`. A shard that has rows cannot be taken away"
    )]
    FewerShards { before: u32, now: u32, lacking: String },
    #[error("`timezone` must be an IANA name such as Europe/Berlin, because ClickHouse must know it")]
    Zone,
}
