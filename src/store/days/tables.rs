//! The statements that computing and closing of days run on their tables.

use clickhouse::query::Query;

use crate::store::cluster::TopologyError;
use crate::store::schema::SchemaError;
use crate::store::{Client, SilentNode, schema, sql};

/// The next round tries again.
#[derive(Debug, thiserror::Error)]
pub enum CloseDayError {
    /// The store refused or could not be reached.
    #[error("cannot compute a day in the store")]
    Store(#[from] clickhouse::error::Error),
    #[error("`timezone` must be an IANA name such as Europe/Berlin, because ClickHouse must know it")]
    Zone,
    #[error("another collector has been closing days for too long; try again later")]
    Leased,
    /// The nodes of the cluster could not be told apart.
    #[error(transparent)]
    Topology(#[from] TopologyError),
    /// Another version of Footfall has migrated the tables since this program started.
    #[error(transparent)]
    OtherVersion(SchemaError),
    /// A shard has no replica that answers, can write and has all rows of its shard.
    #[error("shard {shard} has no replica on which days can be computed: {reasons}")]
    NoReplica { shard: u32, reasons: String },
    /// A pinned replica has stopped answering, and keeps its connections open.
    #[error(transparent)]
    Silent(SilentNode),
    /// No random number for a generation or for this process's lease.
    #[error("the operating system gives no random numbers")]
    Random,
}

impl From<SchemaError> for CloseDayError {
    fn from(error: SchemaError) -> Self {
        match error {
            SchemaError::Store(error) => Self::Store(error),
            other => Self::OtherVersion(other),
        }
    }
}

/// The tables that days change, on one node: of a cluster, one that was pinned (`shards.rs`).
#[derive(Clone)]
pub(in crate::store) struct Tables {
    client: Client,
}

impl Tables {
    pub(in crate::store) fn new(client: Client) -> Self {
        Self { client }
    }

    pub(in crate::store) fn client(&self) -> &Client {
        &self.client
    }

    /// A table or view with its database.
    pub(in crate::store) fn qualified(&self, name: &str) -> String {
        format!("{}.{name}", sql::identifier(self.client.database()))
    }

    /// The node's own rows of a sharded table: the table, with its database.
    pub(in crate::store) fn local(&self, table: &str) -> String {
        self.qualified(&self.client.local(table))
    }

    /// The columns that `visits_stored` or `daily_stored` has besides the generation, separated by commas.
    pub(in crate::store) fn columns(table: &str) -> String {
        let columns = schema::columns(table).into_iter().map(|column| column.name);
        let own = columns.filter(|name| !["generation", "is_open"].contains(&name.as_str()));
        own.map(|name| sql::identifier(&name)).collect::<Vec<_>>().join(", ")
    }

    /// Returns when this node has done it.
    pub(in crate::store) async fn run(
        &self,
        sql: &str,
        parameters: &[(&str, &str)],
    ) -> Result<(), CloseDayError> {
        self.run_long(sql, parameters, "262144").await
    }

    /// Runs a statement with the parameter `sites` of type `Array(String)`.
    pub(super) async fn run_for_sites(
        &self,
        sql: &str,
        parameters: &[(&str, &str)],
        sites: &[String],
    ) -> Result<(), CloseDayError> {
        self.execute(self.client.query(sql).param("sites", sites), parameters).await
    }

    /// Runs a statement whose text has at most `max_query` bytes.
    pub(in crate::store) async fn run_long(
        &self,
        sql: &str,
        parameters: &[(&str, &str)],
        max_query: &str,
    ) -> Result<(), CloseDayError> {
        self.execute(self.client.query(sql).with_setting("max_query_size", max_query), parameters).await
    }

    async fn execute(&self, query: Query, parameters: &[(&str, &str)]) -> Result<(), CloseDayError> {
        let query = parameters.iter().fold(query, |query, (name, value)| query.param(name, value));
        Ok(self.bounded(query).execute().await?)
    }

    /// The same with the settings that a statement of closing needs on a cluster.
    pub(in crate::store) fn bounded(&self, query: Query) -> Query {
        if self.client.cluster().is_none() {
            return query;
        }
        CLUSTER_SETTINGS.iter().fold(query, |query, (name, value)| query.with_setting(*name, *value))
    }
}

/// Settings of the statements of closing on a cluster.
const CLUSTER_SETTINGS: &[(&str, &str)] = &[
    // A change is done when this node has done it. Replicas that are down must not hold it up; they follow when they are back.
    ("alter_sync", "1"),
    ("mutations_sync", "1"),
    ("lightweight_deletes_sync", "1"),
    // The rows of a day may be the same as those of an earlier computation, or as rows that were deleted since.
    ("insert_deduplicate", "0"),
    ("parallel_distributed_insert_select", "0"),
    ("skip_unavailable_shards", "0"),
    ("fallback_to_stale_replicas_for_distributed_queries", "0"),
];

/// A Unix time in seconds as a `DateTime('UTC')`.
pub(in crate::store) fn moment(second: i64) -> String {
    format!("toDateTime({second}, 'UTC')")
}
