//! What one node has: its tables and views, the recorded files, and the sharding. It only asks.

use std::collections::BTreeMap;

use crate::store::cluster::Node;
use crate::store::{Client, sql};

/// Begins the name of the setting that has the addresses of a shard; its number follows.
pub(super) const ADDRESSES: &str = "addresses of shard ";

/// A node without the database has nothing.
#[derive(Debug, Default)]
pub(super) struct NodeState {
    pub(super) has_database: bool,
    /// Tables and views by name.
    pub(super) tables: BTreeMap<String, StoredTable>,
    /// Names and checksums of applied files.
    pub(super) recorded: Vec<(String, String)>,
    /// As it is stored; `None` when it is not.
    pub(super) sharding: Option<String>,
    /// The addresses of each shard's nodes, as the collector had them that recorded the sharding.
    pub(super) addresses: BTreeMap<u32, String>,
}

#[derive(Debug, Default, Clone)]
pub(super) struct StoredTable {
    pub(super) comment: String,
    /// The settings of its engine, each as ClickHouse prints it.
    pub(super) settings: BTreeMap<String, String>,
    /// Names and types, in order.
    pub(super) columns: Vec<(String, String)>,
}

impl NodeState {
    pub(super) async fn read(node: &Node) -> clickhouse::error::Result<Self> {
        let client = &node.client;
        let has_database = "SELECT count() FROM system.databases WHERE name = {database:String}";
        if ask::<u64>(client, has_database).await? == [0] {
            return Ok(Self::default());
        }
        let mut tables = tables(client).await?;
        let columns = "SELECT table, name, type FROM system.columns WHERE database = {database:String} ORDER BY table, position";
        for (table, name, data_type) in ask::<(String, String, String)>(client, columns).await? {
            if let Some(table) = tables.get_mut(&table) {
                table.columns.push((name, data_type));
            }
        }
        let recorded = match tables.contains_key("migrations") {
            true => recorded(client).await?,
            false => Vec::new(),
        };
        let mut settings = match tables.contains_key("settings") {
            true => settings(client).await?,
            false => BTreeMap::new(),
        };
        let sharding = settings.remove("sharding").filter(|text| !text.is_empty());
        let shard = |name: &str| name.strip_prefix(ADDRESSES)?.parse::<u32>().ok();
        let addresses =
            settings.into_iter().filter_map(|(name, value)| Some((shard(&name)?, value))).collect();
        Ok(Self { has_database: true, tables, recorded, sharding, addresses })
    }
}

/// Names and checksums of the files that are applied to a database that has its tables.
pub(super) async fn recorded(client: &Client) -> clickhouse::error::Result<Vec<(String, String)>> {
    let sql = "SELECT DISTINCT name, checksum FROM migrations ORDER BY name, checksum";
    client.query(sql).fetch_all().await
}

async fn tables(client: &Client) -> clickhouse::error::Result<BTreeMap<String, StoredTable>> {
    let tables = "SELECT name, comment, engine_full FROM system.tables WHERE database = {database:String}";
    let tables = ask::<(String, String, String)>(client, tables).await?.into_iter();
    let stored = |(name, comment, engine): (String, String, String)| {
        (name, StoredTable { comment, settings: settings_of(&engine), columns: Vec::new() })
    };
    Ok(tables.map(stored).collect())
}

/// The settings at the end of a definition.
pub(super) fn settings_of(definition: &str) -> BTreeMap<String, String> {
    let at = definition.rfind("SETTINGS").map(|at| at + "SETTINGS".len());
    let list = at.and_then(|at| sql::settings(&format!("SET {}", &definition[at..])));
    list.unwrap_or_default().into_iter().collect()
}

async fn ask<T>(client: &Client, sql: &str) -> clickhouse::error::Result<Vec<T>>
where
    T: clickhouse::RowOwned + clickhouse::RowRead,
{
    client.query_server(sql).param("database", client.database()).fetch_all::<T>().await
}

/// The settings about shards that the node has recorded.
async fn settings(client: &Client) -> clickhouse::error::Result<BTreeMap<String, String>> {
    let sql = "SELECT toString(name) AS setting, argMax(value, changed) FROM settings \
               WHERE name = 'sharding' OR startsWith(name, {addresses:String}) GROUP BY setting";
    let rows = client.query(sql).param("addresses", ADDRESSES).fetch_all::<(String, String)>().await?;
    Ok(rows.into_iter().collect())
}
