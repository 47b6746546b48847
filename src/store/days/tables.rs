//! The statements that computing and closing of days run on their tables.

use clickhouse::query::Query;

use crate::store::{Client, schema, sql};

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
    /// No random number for a generation or for this process's lease.
    #[error("the operating system gives no random numbers")]
    Random,
}

/// The tables that days change, on one server or on a cluster.
#[derive(Clone)]
pub(super) struct Tables {
    client: Client,
}

impl Tables {
    pub(super) fn new(client: Client) -> Self {
        Self { client }
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    fn database(&self) -> String {
        sql::identifier(self.client.database())
    }

    /// A table or view with its database.
    pub(super) fn qualified(&self, name: &str) -> String {
        format!("{}.{name}", self.database())
    }

    /// The name of a sharded table in a statement that changes its rows on every shard.
    pub(super) fn local(&self, table: &str) -> String {
        self.client.local(table)
    }

    /// The columns that `visits_stored` or `daily_stored` has besides the generation, separated by commas.
    pub(super) fn columns(table: &str) -> String {
        let columns = schema::columns(table).into_iter().map(|column| column.name);
        let own = columns.filter(|name| !["generation", "is_open"].contains(&name.as_str()));
        own.map(|name| sql::identifier(&name)).collect::<Vec<_>>().join(", ")
    }

    /// A query that each shard runs on its own rows.
    pub(super) fn on_each_shard(&self, select: String) -> String {
        match self.client.cluster() {
            None => select,
            Some(cluster) => format!("SELECT * FROM cluster({}, view({select}))", sql::string(cluster)),
        }
    }

    /// On a cluster it returns when all shards have run the statement.
    pub(super) async fn run(&self, sql: &str, parameters: &[(&str, &str)]) -> Result<(), CloseDayError> {
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
    pub(super) async fn run_long(
        &self,
        sql: &str,
        parameters: &[(&str, &str)],
        max_query: &str,
    ) -> Result<(), CloseDayError> {
        self.execute(self.client.query(sql).with_setting("max_query_size", max_query), parameters).await
    }

    async fn execute(&self, query: Query, parameters: &[(&str, &str)]) -> Result<(), CloseDayError> {
        let mut query = parameters.iter().fold(query, |query, (name, value)| query.param(name, value));
        if self.client.cluster().is_some() {
            query = query.with_setting("distributed_foreground_insert", "1").with_setting("alter_sync", "2");
        }
        Ok(query.execute().await?)
    }
}

/// A Unix time in seconds as a `DateTime('UTC')`.
pub(super) fn moment(second: i64) -> String {
    format!("toDateTime({second}, 'UTC')")
}
