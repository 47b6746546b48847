//! From a file of `sql/schema` to the statements that are run: fills in the placeholders for one server or for a cluster.
//!
//! | placeholder | one server | cluster `main` |
//! |---|---|---|
//! | `{database}` | `` `footfall` `` | the same |
//! | `{cluster}` | | `` `main` `` |
//! | `{on_cluster}` | | `` ON CLUSTER `main` `` |
//! | `{local}` | | `_local`: the name of the table of one shard |
//! | `{sharded ENGINE}` | ENGINE | its replicated form, with other rows on each shard |
//! | `{everywhere ENGINE}` | ENGINE | its replicated form, with the same rows on all nodes of all shards |
//! | `{deduplication_window}` | the setting's name | the setting's name for replicated tables |
//! | `{in}` | `IN` | `GLOBAL IN`: the set is computed once and sent to the shards; without shards that costs a report 3 ms |
//! | `{cluster_only}` | leaves out the statement that it begins | |
//! | `{event_columns NAME CODEC}` | names and types of the row's columns, one of them with a codec | the same |
//! | `{event_column NAME}` | name and type of one of them | the same |
//! | `{visit_dimensions}` | `sql/daily.sql`: tuples of name, value and detail of dimensions of visits | the same |
//! | `{event_dimensions}`, `{ad_dimensions}`, `{hour_dimensions}`, `{scroll_dimensions}` | `sql/daily.sql`: names of dimensions | the same |
//!
//! Braces around `NAME:TYPE` are a parameter of a view. ClickHouse fills it in.
//!
//! A sharded table `X` is stored in `X_local`, under a Distributed table `X`. With `distributed_foreground_insert`, which the client sets,
//! an insert is confirmed when all shards have their part. Each shard's table gets the insert's deduplication token and ignores a part that
//! it has. So an insert that only some shards took is sent again whole.

use super::dimensions::{DIMENSIONS, Dimension, DimensionSource};
use super::files::{self, MIGRATIONS_TABLE, SchemaFile};
use crate::event;
use crate::store::sql::{self, identifier, string};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// The file it is from, without `.sql`.
    pub file: &'static str,
    /// Without a semicolon.
    pub sql: String,
}

/// The statements of all files, in order.
pub fn render(database: &str, cluster: Option<&str>) -> Vec<Statement> {
    files::all().flat_map(|schema_file| file(&schema_file, database, cluster)).collect()
}

/// All statements that a new database needs, in order, to be run by hand: first those that create and select the database.
pub fn print(database: &str, cluster: Option<&str>) -> Vec<Statement> {
    let first = [
        Statement { file: "database", sql: create_database(database, cluster) },
        Statement { file: "database", sql: format!("USE {}", identifier(database)) },
    ];
    let migrations = file(&MIGRATIONS_TABLE, database, cluster);
    first.into_iter().chain(migrations).chain(render(database, cluster)).collect()
}

pub(super) fn file(file: &SchemaFile, database: &str, cluster: Option<&str>) -> Vec<Statement> {
    let target = RenderTarget { database, cluster };
    sql::statements(file.text)
        .into_iter()
        .filter_map(|statement| target.render(&statement.text))
        .map(|sql| Statement { file: file.name, sql })
        .collect()
}

pub(super) fn create_database(database: &str, cluster: Option<&str>) -> String {
    format!("CREATE DATABASE IF NOT EXISTS {}{}", identifier(database), on_cluster(cluster))
}

const CLUSTER_ONLY: &str = "{cluster_only}";
/// ClickHouse fills in the macros of the node, the database and the table.
const SHARD_S_REPLICAS: &str = "'/clickhouse/tables/{shard}/{database}/{table}', '{replica}'";
const ALL_REPLICAS: &str = "'/clickhouse/tables/all/{database}/{table}', '{shard}-{replica}'";

pub(super) struct RenderTarget<'a> {
    pub(super) database: &'a str,
    pub(super) cluster: Option<&'a str>,
}

impl RenderTarget<'_> {
    /// `None` for a statement that only a cluster needs, on one server.
    ///
    /// # Panics
    /// When a placeholder is unknown. Tests render every file.
    fn render(&self, statement: &str) -> Option<String> {
        let statement = match statement.strip_prefix(CLUSTER_ONLY) {
            Some(_) if self.cluster.is_none() => return None,
            Some(statement) => statement.trim_start(),
            None => statement,
        };
        Some(self.fill(statement, DIMENSIONS))
    }

    /// Fills in the placeholders, with these dimensions.
    pub(super) fn fill(&self, text: &str, dimensions: &[Dimension]) -> String {
        let mut filled = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (placeholder, after) = after.split_once('}').expect("a brace is closed");
            filled.push_str(before);
            filled.push_str(&self.value(placeholder, dimensions));
            rest = after;
        }
        filled + rest
    }

    fn value(&self, placeholder: &str, dimensions: &[Dimension]) -> String {
        let (name, argument) = placeholder.split_once(' ').unwrap_or((placeholder, ""));
        match (name, self.cluster) {
            _ if name.contains(':') => format!("{{{placeholder}}}"),
            ("database", _) => identifier(self.database),
            ("cluster", Some(cluster)) => identifier(cluster),
            ("on_cluster", cluster) => on_cluster(cluster),
            ("local", None) => String::new(),
            ("local", Some(_)) => "_local".to_owned(),
            ("in", None) => "IN".to_owned(),
            ("in", Some(_)) => "GLOBAL IN".to_owned(),
            ("sharded" | "everywhere", None) => argument.to_owned(),
            ("sharded", Some(_)) => replicated(argument, SHARD_S_REPLICAS),
            ("everywhere", Some(_)) => replicated(argument, ALL_REPLICAS),
            ("deduplication_window", None) => "non_replicated_deduplication_window".to_owned(),
            ("deduplication_window", Some(_)) => "replicated_deduplication_window".to_owned(),
            ("event_columns", _) => {
                let (column, codec) = argument.split_once(' ').unwrap_or((argument, ""));
                event_columns(|_| true, |name| if name == column { codec } else { "" })
            }
            ("event_column", _) => event_columns(|column| column == argument, |_| ""),
            ("visit_dimensions", _) => list(dimensions.iter().filter_map(Dimension::tuple), ",\n        "),
            ("event_dimensions", _) => dimension_names(dimensions, DimensionSource::Events),
            ("ad_dimensions", _) => dimension_names(dimensions, DimensionSource::Ads),
            ("hour_dimensions", _) => dimension_names(dimensions, DimensionSource::Hours),
            ("scroll_dimensions", _) => dimension_names(dimensions, DimensionSource::Scroll),
            _ => panic!("unknown placeholder {{{placeholder}}}"),
        }
    }
}

/// The replicated form of an engine such as `ReplacingMergeTree(changed)`.
fn replicated(engine: &str, replica: &str) -> String {
    match engine.split_once('(') {
        Some((name, arguments)) => format!("Replicated{name}({replica}, {arguments}"),
        None => format!("Replicated{engine}({replica})"),
    }
}

fn event_columns<'a>(is_wanted: impl Fn(&str) -> bool, codec: impl Fn(&str) -> &'a str) -> String {
    let columns = event::column_definitions().filter(|(name, _)| is_wanted(name));
    let define = |(name, sql_type): (&str, String)| {
        let definition = format!("{name} {sql_type} {}", codec(name));
        definition.trim_end().to_owned()
    };
    list(columns.map(define), ",\n    ")
}

fn dimension_names(dimensions: &[Dimension], source: DimensionSource) -> String {
    let wanted = dimensions.iter().filter(|dimension| dimension.source == source);
    list(wanted.map(|dimension| string(dimension.name)), ", ")
}

fn list(items: impl Iterator<Item = String>, separator: &str) -> String {
    let items: Vec<_> = items.collect();
    assert!(!items.is_empty(), "a placeholder stands for nothing");
    items.join(separator)
}

fn on_cluster(cluster: Option<&str>) -> String {
    cluster.map(|cluster| format!(" ON CLUSTER {}", identifier(cluster))).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVER: RenderTarget<'_> = RenderTarget { database: "footfall", cluster: None };
    const CLUSTER: RenderTarget<'_> = RenderTarget { database: "footfall", cluster: Some("main") };

    #[test]
    fn a_table_is_plain_on_one_server_and_replicated_on_a_cluster() {
        let sql = "CREATE TABLE {database}.t{local}{on_cluster} (a UInt8) ENGINE = {sharded ReplacingMergeTree(v)} \
                   SETTINGS {deduplication_window} = 1";
        assert_eq!(
            SERVER.render(sql).as_deref(),
            Some(
                "CREATE TABLE `footfall`.t (a UInt8) ENGINE = ReplacingMergeTree(v) \
                 SETTINGS non_replicated_deduplication_window = 1"
            )
        );
        assert_eq!(
            CLUSTER.render(sql).as_deref(),
            Some(
                "CREATE TABLE `footfall`.t_local ON CLUSTER `main` (a UInt8) ENGINE = \
                 ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}', v) \
                 SETTINGS replicated_deduplication_window = 1"
            )
        );
        assert_eq!(
            CLUSTER.render("{everywhere MergeTree}").as_deref(),
            Some("ReplicatedMergeTree('/clickhouse/tables/all/{database}/{table}', '{shard}-{replica}')")
        );
    }

    #[test]
    fn a_statement_for_clusters_is_left_out_on_one_server() {
        let sql =
            "{cluster_only} CREATE TABLE t AS t_local ENGINE = Distributed({cluster}, {database}, t_local)";
        assert_eq!(SERVER.render(sql), None);
        assert_eq!(
            CLUSTER.render(sql).as_deref(),
            Some("CREATE TABLE t AS t_local ENGINE = Distributed(`main`, `footfall`, t_local)")
        );
    }

    #[test]
    fn parameters_of_a_view_are_left_for_clickhouse() {
        let sql = "SELECT {since:DateTime64(3, 'UTC')}, {stored:UInt8}";
        assert_eq!(SERVER.render(sql).as_deref(), Some(sql));
    }

    #[test]
    #[should_panic(expected = "unknown placeholder {locale}")]
    fn an_unknown_placeholder_is_refused() {
        SERVER.render("SELECT * FROM events{locale}");
    }
}
