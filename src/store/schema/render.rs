//! From the text of a file to the statements that are run: unchanged for one server, as `ON CLUSTER` DDL for a cluster.
//!
//! A file is written for one server. A comment `-- cluster: …` before a statement says what a cluster makes of it:
//!
//! | comment | a cluster gets |
//! |---|---|
//! | `everywhere` (a table's default) | one small table, replicated to all nodes of all shards |
//! | `sharded by KEY` | `X_local`, replicated within its shard, under a Distributed table `X` |
//! | `on each shard` | a view over the shard's own rows: with parameters `X`, else `X_local` under a Distributed table `X` |
//! | `as it is` (a view's default) | the same view on every node |
//!
//! The Distributed table over a view holds no rows. It is replaced together with the view, so that it has the view's columns.
//!
//! The sharding key keeps the events of a visitor on one shard, so that visits are computed where their rows are. It depends only on
//! the row, so a repeated insert is divided in the same way. With `distributed_foreground_insert`, which the client sets, an
//! insert is confirmed when all shards have their part. Each shard's replicated table gets the insert's deduplication token and
//! ignores a part that it has. So an insert that only some shards took is sent again whole.

use super::files::{self, MIGRATIONS_TABLE, SchemaFile};
use crate::store::sql::{self, SqlStatement, identifier, string};

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
    definitions(file.text)
        .flat_map(|definition| target.statements(&definition))
        .map(|sql| Statement { file: file.name, sql })
        .collect()
}

pub(super) fn create_database(database: &str, cluster: Option<&str>) -> String {
    format!("CREATE DATABASE IF NOT EXISTS {}{}", identifier(database), on_cluster(cluster))
}

/// The statements that create `staging`, an empty table like `table`.
///
/// # Panics
/// When no file creates `table`.
pub(crate) fn staging_table(
    database: &str,
    cluster: Option<&str>,
    table: &str,
    staging: &str,
) -> Vec<String> {
    let target = RenderTarget { database, cluster };
    let definition = all_definitions().find(|definition| definition.name == table);
    let definition = definition.unwrap_or_else(|| panic!("no file of sql/schema creates {table}"));
    target.statements(&Definition { name: staging.to_owned(), ..definition })
}

/// Which nodes of a cluster have a table or view, and in which form.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Placement {
    AsItIs,
    Everywhere,
    Sharded { key: String },
    EachShard,
}

/// A statement of a file, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Definition {
    placement: Placement,
    /// [`CREATE_TABLE`] or [`CREATE_VIEW`].
    create: &'static str,
    name: String,
    /// What follows the name.
    rest: String,
}

const CREATE_TABLE: &str = "CREATE TABLE IF NOT EXISTS ";
const CREATE_VIEW: &str = "CREATE OR REPLACE VIEW ";
const REPLACE_TABLE: &str = "CREATE OR REPLACE TABLE ";
/// Stands for the database before the name of a parameterised view, where ClickHouse does not fill it in.
const DATABASE_PARAMETER: &str = "{database:Identifier}";

impl Definition {
    /// Takes a statement apart, together with the comments before it.
    ///
    /// # Panics
    /// When the statement cannot be run twice without harm. Tests read every file.
    fn parse(statement: &SqlStatement) -> Self {
        let created = [CREATE_TABLE, CREATE_VIEW].into_iter();
        let (create, rest) = created
            .filter_map(|create| Some((create, statement.text.strip_prefix(create)?)))
            .next()
            .unwrap_or_else(|| {
                panic!(
                    "a statement must start with `{CREATE_TABLE}` or `{CREATE_VIEW}`, not: {:.60}",
                    statement.text
                )
            });
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        let (name, rest) = rest.split_at(end);
        let placement = match statement.comments.iter().rev().find_map(|line| line.strip_prefix("cluster: "))
        {
            None if create == CREATE_TABLE => Placement::Everywhere,
            None | Some("as it is") => Placement::AsItIs,
            Some("everywhere") => Placement::Everywhere,
            Some("on each shard") => Placement::EachShard,
            Some(other) => Placement::Sharded {
                key: other
                    .strip_prefix("sharded by ")
                    .unwrap_or_else(|| panic!("unknown cluster comment: {other}"))
                    .to_owned(),
            },
        };
        Self { placement, create, name: name.to_owned(), rest: rest.to_owned() }
    }

    /// Whether each shard has its own rows under this name with `_local`.
    fn is_local(&self) -> bool {
        matches!(self.placement, Placement::Sharded { .. })
            || (self.placement == Placement::EachShard && !self.takes_parameters())
    }

    fn takes_parameters(&self) -> bool {
        self.rest.replace(DATABASE_PARAMETER, "").contains('{')
    }
}

struct RenderTarget<'a> {
    database: &'a str,
    cluster: Option<&'a str>,
}

impl RenderTarget<'_> {
    fn statements(&self, definition: &Definition) -> Vec<String> {
        let Some(cluster) = self.cluster else {
            return vec![self.create(definition, &definition.name, &definition.rest)];
        };
        let local = format!("{}_local", definition.name);
        match &definition.placement {
            Placement::AsItIs => vec![self.create(definition, &definition.name, &definition.rest)],
            Placement::Everywhere => {
                let path = format!("/clickhouse/tables/all/{}/{}", self.database, definition.name);
                let rest = replicated(&definition.rest, &path, "{shard}-{replica}");
                vec![self.create(definition, &definition.name, &rest)]
            }
            Placement::Sharded { key } => {
                let path = format!("/clickhouse/tables/{{shard}}/{}/{}", self.database, definition.name);
                let rest = replicated(&definition.rest, &path, "{replica}");
                let over = self.distributed(CREATE_TABLE, cluster, definition, &format!(", {key}"));
                vec![self.create(definition, &local, &rest), over]
            }
            Placement::EachShard if definition.takes_parameters() => {
                vec![self.create(definition, &definition.name, &local_names(&definition.rest))]
            }
            Placement::EachShard => {
                vec![
                    self.create(definition, &local, &local_names(&definition.rest)),
                    self.distributed(REPLACE_TABLE, cluster, definition, ""),
                ]
            }
        }
    }

    fn create(&self, definition: &Definition, name: &str, rest: &str) -> String {
        let create = definition.create;
        let database = identifier(self.database);
        let rest = rest.replace(DATABASE_PARAMETER, &database);
        format!("{create}{database}.{}{}{rest}", identifier(name), on_cluster(self.cluster))
    }

    /// The table over the shards' tables or views.
    fn distributed(&self, create: &str, cluster: &str, definition: &Definition, key: &str) -> String {
        let database = identifier(self.database);
        let local = identifier(&format!("{}_local", definition.name));
        format!(
            "{create}{database}.{}{} AS {database}.{local}\nENGINE = Distributed({}, {}, {}{key})",
            identifier(&definition.name),
            on_cluster(self.cluster),
            string(cluster),
            string(self.database),
            string(&format!("{}_local", definition.name)),
        )
    }
}

/// Replaces the engine by its replicated form.
fn replicated(rest: &str, path: &str, replica: &str) -> String {
    let at = rest.find("ENGINE = ").expect("a table of sql/schema names its engine") + "ENGINE = ".len();
    let (head, engine) = rest.split_at(at);
    let end = engine.find(|c: char| !c.is_alphanumeric()).unwrap_or(engine.len());
    let (name, after) = engine.split_at(end);
    let place = format!("{}, {}", string(path), string(replica));
    let after = match after.strip_prefix('(') {
        Some(arguments) if arguments.starts_with(')') => format!("({place}{arguments}"),
        Some(arguments) => format!("({place}, {arguments}"),
        None => format!("({place}){after}"),
    };
    format!("{head}Replicated{name}{after}")
        .replace("non_replicated_deduplication_window", "replicated_deduplication_window")
}

/// The query of a shard's view: it reads the shard's own rows.
fn local_names(rest: &str) -> String {
    let names: Vec<_> =
        all_definitions().filter(Definition::is_local).map(|definition| definition.name).collect();
    let mut out = String::with_capacity(rest.len());
    let mut previous = "";
    for token in rest.split_inclusive(|c: char| !c.is_alphanumeric() && c != '_') {
        let end = token.trim_end_matches(|c: char| !c.is_alphanumeric() && c != '_').len();
        let (word, separator) = token.split_at(end);
        out.push_str(word);
        if matches!(previous, "FROM" | "JOIN") && names.iter().any(|name| name == word) {
            out.push_str("_local");
        }
        out.push_str(separator);
        if !word.is_empty() {
            previous = word;
        }
    }
    out
}

fn all_definitions() -> impl Iterator<Item = Definition> {
    files::all().flat_map(|file| definitions(file.text))
}

fn definitions(sql: &str) -> impl Iterator<Item = Definition> {
    sql::statements(sql).into_iter().map(|statement| Definition::parse(&statement))
}

fn on_cluster(cluster: Option<&str>) -> String {
    cluster.map(|cluster| format!(" ON CLUSTER {}", identifier(cluster))).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SQL: &str = "-- cluster: sharded by cityHash64(a)\nCREATE TABLE IF NOT EXISTS t\n(\n    a String\n)\n\
                       ENGINE = ReplacingMergeTree(v)\nORDER BY a;";

    #[test]
    fn a_sharded_table_becomes_a_replicated_one_under_a_distributed_one() {
        let target = RenderTarget { database: "footfall", cluster: Some("main") };
        let statements = target.statements(&definitions(SQL).next().expect("one statement"));
        assert!(
            statements[0].starts_with("CREATE TABLE IF NOT EXISTS `footfall`.`t_local` ON CLUSTER `main`")
        );
        assert!(statements[0].contains(
            "ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/footfall/t', '{replica}', v)"
        ));
        assert_eq!(
            statements[1],
            "CREATE TABLE IF NOT EXISTS `footfall`.`t` ON CLUSTER `main` AS `footfall`.`t_local`\n\
             ENGINE = Distributed('main', 'footfall', 't_local', cityHash64(a))"
        );
    }

    #[test]
    fn a_shard_s_view_reads_the_shard_s_rows_and_no_other_name_is_touched() {
        let sql = local_names(
            " AS SELECT events FROM events AS event JOIN visits_open WHERE time > (SELECT 1 FROM days)",
        );
        assert_eq!(
            sql,
            " AS SELECT events FROM events_local AS event JOIN visits_open_local WHERE time > (SELECT 1 FROM days)"
        );
    }
}
