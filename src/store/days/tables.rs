//! The statements that closing of days runs on its tables.

use jiff::civil::Date;

use crate::store::{Client, schema, sql};

/// The next round tries again.
#[derive(Debug, thiserror::Error)]
pub enum CloseDayError {
    /// The store refused or could not be reached.
    #[error("cannot close a day in the store")]
    Store(#[from] clickhouse::error::Error),
    #[error("`timezone` must be an IANA name such as Europe/Berlin, because ClickHouse must know it")]
    Zone,
    /// No random name for this process's staging tables.
    #[error("the operating system gives no random numbers")]
    Random,
}

/// The tables that closing of days changes, on one server or on a cluster.
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

    /// The name of a sharded table in a query that each shard runs on its own rows.
    pub(super) fn own_rows(&self, table: &str) -> String {
        let suffix = if self.client.cluster().is_some() { "_local" } else { "" };
        self.qualified(&format!("{table}{suffix}"))
    }

    /// The name of a sharded table in a statement that changes its rows on every shard.
    pub(super) fn local(&self, table: &str) -> String {
        match self.client.cluster() {
            None => table.to_owned(),
            Some(cluster) => format!(
                "{}.{} ON CLUSTER {}",
                self.database(),
                sql::identifier(&format!("{table}_local")),
                sql::identifier(cluster)
            ),
        }
    }

    /// Creates an empty table like `table`, for this holder only. Returns its name.
    pub(super) async fn create_staging(&self, table: &str, holder: &str) -> Result<String, CloseDayError> {
        let staging = format!("{table}_staging_{holder}");
        self.drop_table(&staging).await?;
        for sql in schema::staging_table(self.client.database(), self.client.cluster(), table, &staging) {
            self.run(&sql).await?;
        }
        Ok(staging)
    }

    /// Fills a staging table of `table` with the rows of `source`, a parameterised view or a query in parentheses, as each shard computes
    /// them. Columns are matched by name.
    pub(super) async fn fill(&self, table: &str, staging: &str, source: &str) -> Result<(), CloseDayError> {
        let columns: Vec<String> =
            schema::columns(table).iter().map(|column| sql::identifier(&column.name)).collect();
        let columns = columns.join(", ");
        let select = format!("SELECT {columns} FROM {source}");
        let select = match self.client.cluster() {
            None => select,
            Some(cluster) => {
                format!("SELECT {columns} FROM cluster({}, view({select}))", sql::string(cluster))
            }
        };
        self.run(&format!("INSERT INTO {staging} ({columns}) {select}")).await
    }

    /// Replaces the day's partition of `table` by that of the staging table, and drops the staging table.
    pub(super) async fn replace(&self, day: Date, table: &str, staging: &str) -> Result<(), CloseDayError> {
        let suffix = if self.client.cluster().is_some() { "_local" } else { "" };
        let rows = self.client.query(&format!("SELECT count() FROM {staging}")).fetch_one::<u64>().await?;
        // A table without rows has no partition.
        let change = if rows == 0 {
            format!("DROP PARTITION '{day}'")
        } else {
            let staging = sql::identifier(&format!("{staging}{suffix}"));
            format!("REPLACE PARTITION '{day}' FROM {}.{staging}", self.database())
        };
        let sql = format!("ALTER TABLE {} {change}", self.local(table));
        self.run(&sql).await?;
        self.drop_table(staging).await
    }

    async fn drop_table(&self, table: &str) -> Result<(), CloseDayError> {
        match self.client.cluster() {
            None => self.run(&format!("DROP TABLE IF EXISTS {table} SYNC")).await,
            Some(cluster) => {
                let cluster = sql::identifier(cluster);
                self.run(&format!("DROP TABLE IF EXISTS {table} ON CLUSTER {cluster} SYNC")).await?;
                self.run(&format!("DROP TABLE IF EXISTS {table}_local ON CLUSTER {cluster} SYNC")).await
            }
        }
    }

    /// Drops the staging tables of other holders. The caller has the lease, so they are not in use.
    pub(super) async fn drop_staging_tables(&self, holder: &str) -> Result<(), CloseDayError> {
        let sql = "SELECT name FROM system.tables WHERE database = {database:String} \
                   AND match(name, '^(visits|daily)_closed_staging_[0-9a-f]{16}$') AND NOT endsWith(name, {holder:String})";
        let query = self.client.query(sql).param("database", self.client.database()).param("holder", holder);
        for staging in query.fetch_all::<String>().await? {
            self.drop_table(&staging).await?;
        }
        Ok(())
    }

    /// On a cluster it returns when all shards have run the statement.
    async fn run(&self, sql: &str) -> Result<(), CloseDayError> {
        self.run_long(sql, "262144").await
    }

    /// Runs a statement whose text has at most `max_query` bytes.
    pub(super) async fn run_long(&self, sql: &str, max_query: &str) -> Result<(), CloseDayError> {
        let mut query = self.client.query(sql).with_setting("max_query_size", max_query);
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
