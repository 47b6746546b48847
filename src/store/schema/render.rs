//! From a file of `sql/schema` to the statements that are run: fills in the placeholders for one server or for a cluster.
//!
//! | placeholder | one server | cluster `main` |
//! |---|---|---|
//! | `{database}` | `` `footfall` `` | the same |
//! | `{cluster}` | | `` `main` `` |
//! | `{local}` | | `_local`: the name of the table of one shard |
//! | `{sharded ENGINE}` | ENGINE | its replicated form, with other rows on each shard |
//! | `{everywhere ENGINE}` | ENGINE | its replicated form, with the same rows on all nodes of all shards |
//! | `{deduplication}` | the setting for deduplication tokens | the settings of replicated tables for them |
//! | `{shard_of TIME\|HASH}` | | the sharding expression of rows with this time and hash: sharding.rs |
//! | `{in}` | `IN` | `GLOBAL IN`: the set is computed once and sent to the shards; without shards that costs a report 3 ms |
//! | `{cluster_only}` | leaves out the statement that it begins | |
//! | `{server_only}` | | leaves out the statement that it begins |
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
//!
//! A cluster whose nodes have no macro `replica` is not replicated: its tables have plain engines. Then a table of the same rows everywhere lies on the
//! first shard alone, as `X_local`, under a Distributed table `X` on every node.
//!
//! Deduplication tokens of a replicated table: 100,000 for each shard and table, for 30 days. A fleet of 50 collectors that each seal a segment every two
//! seconds makes 25 inserts a second, so the tokens last for more than an hour. They need to outlast an insert that is under way. Whoever sends a
//! segment later asks for its events first (src/store/ship/already_stored.rs).

use super::dimensions::{DIMENSIONS, Dimension, DimensionSource};
use super::files::{self, MIGRATIONS_TABLE, SchemaFile};
use super::sharding::Sharding;
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
pub fn render(database: &str, cluster: Option<ClusterTarget<'_>>) -> Vec<Statement> {
    files::all().flat_map(|schema_file| file(&schema_file, database, cluster)).collect()
}

/// All statements that a new database needs on each node, in order, to be run by hand: first those that create and select the database.
pub(super) fn print(database: &str, cluster: Option<ClusterTarget<'_>>) -> Vec<Statement> {
    let first = [
        Statement { file: "database", sql: create_database(database) },
        Statement { file: "database", sql: format!("USE {}", identifier(database)) },
    ];
    first.into_iter().chain(all(database, cluster)).collect()
}

/// The statements of all tables and views.
pub(super) fn all(database: &str, cluster: Option<ClusterTarget<'_>>) -> Vec<Statement> {
    let mut statements = file(&MIGRATIONS_TABLE, database, cluster);
    statements.extend(render(database, cluster));
    statements
}

pub(super) fn file(file: &SchemaFile, database: &str, cluster: Option<ClusterTarget<'_>>) -> Vec<Statement> {
    let target = RenderTarget { database, cluster };
    sql::statements(file.text)
        .into_iter()
        .flat_map(|statement| target.render(&statement.text))
        .map(|sql| Statement { file: file.name, sql })
        .collect()
}

pub(super) fn create_database(database: &str) -> String {
    format!("CREATE DATABASE IF NOT EXISTS {}", identifier(database))
}

/// The cluster whose tables are made.
#[derive(Debug, Clone, Copy)]
pub struct ClusterTarget<'a> {
    pub name: &'a str,
    pub is_replicated: bool,
    pub sharding: &'a Sharding,
}

const CLUSTER_ONLY: &str = "{cluster_only}";
pub(super) const SERVER_ONLY: &str = "{server_only}";
/// ClickHouse fills in the macros of the node, the database and the table.
const SHARD_S_REPLICAS: &str = "'/clickhouse/tables/{shard}/{database}/{table}', '{replica}'";
const ALL_REPLICAS: &str = "'/clickhouse/tables/all/{database}/{table}', '{shard}-{replica}'";

/// Tokens of inserts that a table remembers. A replica that fetches an insert syncs it, so that a quorum has it on its disks.
const DEDUPLICATION: &str = "non_replicated_deduplication_window = 10000";
const REPLICATED_DEDUPLICATION: &str = "replicated_deduplication_window = 100000,\n    \
                                        replicated_deduplication_window_seconds = 2592000,\n    \
                                        min_compressed_bytes_to_fsync_after_fetch = 1";

pub(super) struct RenderTarget<'a> {
    pub(super) database: &'a str,
    pub(super) cluster: Option<ClusterTarget<'a>>,
}

impl RenderTarget<'_> {
    /// No statement for one that only a cluster needs, on one server, and the other way round.
    ///
    /// # Panics
    /// When a placeholder is unknown. Tests render every file.
    fn render(&self, statement: &str) -> Vec<String> {
        let (of_cluster, of_server) =
            (statement.strip_prefix(CLUSTER_ONLY), statement.strip_prefix(SERVER_ONLY));
        if of_cluster.is_some() && self.cluster.is_none() || of_server.is_some() && self.cluster.is_some() {
            return Vec::new();
        }
        let statement = of_cluster.or(of_server).unwrap_or(statement).trim_start();
        match self.cluster {
            Some(cluster) if !cluster.is_replicated && statement.contains("{everywhere ") => {
                self.on_first_shard(statement)
            }
            _ => vec![self.fill(statement, DIMENSIONS)],
        }
    }

    /// A table of the same rows everywhere, without replication.
    fn on_first_shard(&self, statement: &str) -> Vec<String> {
        const HEAD: &str = "CREATE TABLE IF NOT EXISTS {database}.";
        let rest = statement.strip_prefix(HEAD).expect("a table begins with its name");
        let (name, rest) = rest.split_once('\n').expect("columns follow");
        let local = format!("{HEAD}{name}_local\n{rest}");
        let all = format!(
            "{HEAD}{name} AS {{database}}.{name}_local\nENGINE = Distributed({{cluster}}, {{database}}, {name}_local, 0)"
        );
        [local, all].map(|statement| self.fill(&statement, DIMENSIONS)).to_vec()
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
            ("cluster", Some(cluster)) => identifier(cluster.name),
            ("local", None) => String::new(),
            ("local", Some(_)) => "_local".to_owned(),
            ("in", None) => "IN".to_owned(),
            ("in", Some(_)) => "GLOBAL IN".to_owned(),
            ("sharded", Some(cluster)) if cluster.is_replicated => replicated(argument, SHARD_S_REPLICAS),
            ("everywhere", Some(cluster)) if cluster.is_replicated => replicated(argument, ALL_REPLICAS),
            ("sharded" | "everywhere", _) => argument.to_owned(),
            ("deduplication", Some(cluster)) if cluster.is_replicated => REPLICATED_DEDUPLICATION.to_owned(),
            ("deduplication", _) => DEDUPLICATION.to_owned(),
            ("shard_of", Some(cluster)) => {
                let (moment, hash) = argument.split_once('|').expect("a time and a hash");
                cluster.sharding.expression(moment, hash)
            }
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

/// The path and the name of the replica, with macros, in a statement that creates a replicated table.
pub(super) fn replica(create: &str) -> (&'static str, &'static str) {
    let arguments = if create.contains(ALL_REPLICAS) { ALL_REPLICAS } else { SHARD_S_REPLICAS };
    let (path, name) = arguments.split_once(", ").expect("a path and a name");
    (path.trim_matches('\''), name.trim_matches('\''))
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

#[cfg(test)]
mod tests {
    use super::*;

    const SERVER: RenderTarget<'_> = RenderTarget { database: "footfall", cluster: None };

    fn on_cluster(is_replicated: bool, sql: &str) -> Vec<String> {
        let sharding = Sharding::new(2);
        let cluster = Some(ClusterTarget { name: "main", is_replicated, sharding: &sharding });
        RenderTarget { database: "footfall", cluster }.render(sql)
    }

    #[test]
    fn a_table_is_plain_on_one_server_and_replicated_on_a_cluster() {
        let sql = "CREATE TABLE {database}.t{local} (a UInt8) ENGINE = {sharded ReplacingMergeTree(v)} \
                   SETTINGS {deduplication}";
        assert_eq!(
            SERVER.render(sql),
            ["CREATE TABLE `footfall`.t (a UInt8) ENGINE = ReplacingMergeTree(v) \
              SETTINGS non_replicated_deduplication_window = 10000"]
        );
        assert_eq!(
            on_cluster(true, sql),
            ["CREATE TABLE `footfall`.t_local (a UInt8) ENGINE = \
              ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}', v) \
              SETTINGS replicated_deduplication_window = 100000,\n    replicated_deduplication_window_seconds = 2592000,\n    min_compressed_bytes_to_fsync_after_fetch = 1"]
        );
        assert_eq!(
            on_cluster(false, sql),
            ["CREATE TABLE `footfall`.t_local (a UInt8) ENGINE = ReplacingMergeTree(v) \
              SETTINGS non_replicated_deduplication_window = 10000"]
        );
    }

    #[test]
    fn a_table_of_the_same_rows_everywhere_is_one_table_whatever_the_store() {
        let sql = "CREATE TABLE IF NOT EXISTS {database}.t\n(a UInt8) ENGINE = {everywhere MergeTree}";
        assert_eq!(
            SERVER.render(sql),
            ["CREATE TABLE IF NOT EXISTS `footfall`.t\n(a UInt8) ENGINE = MergeTree"]
        );
        assert_eq!(
            on_cluster(true, sql),
            ["CREATE TABLE IF NOT EXISTS `footfall`.t\n(a UInt8) ENGINE = \
              ReplicatedMergeTree('/clickhouse/tables/all/{database}/{table}', '{shard}-{replica}')"]
        );
        assert_eq!(
            on_cluster(false, sql),
            [
                "CREATE TABLE IF NOT EXISTS `footfall`.t_local\n(a UInt8) ENGINE = MergeTree",
                "CREATE TABLE IF NOT EXISTS `footfall`.t AS `footfall`.t_local\n\
                 ENGINE = Distributed(`main`, `footfall`, t_local, 0)",
            ]
        );
    }

    #[test]
    fn a_statement_for_clusters_is_left_out_on_one_server() {
        let sql = "{cluster_only} CREATE TABLE t AS t_local ENGINE = Distributed({cluster}, {database}, t_local, \
                   {shard_of time|f(a, b)})";
        assert!(SERVER.render(sql).is_empty());
        assert_eq!(
            on_cluster(true, sql),
            ["CREATE TABLE t AS t_local ENGINE = Distributed(`main`, `footfall`, t_local, f(a, b) % 2)"]
        );
    }

    #[test]
    fn parameters_of_a_view_are_left_for_clickhouse() {
        let sql = "SELECT {since:DateTime64(3, 'UTC')}, {stored:UInt8}";
        assert_eq!(SERVER.render(sql), [sql]);
    }

    #[test]
    #[should_panic(expected = "unknown placeholder {locale}")]
    fn an_unknown_placeholder_is_refused() {
        SERVER.render("SELECT * FROM events{locale}");
    }
}
