//! From a file's text to the statements that are run: for one server as they stand, for a cluster as `ON CLUSTER` DDL.
//!
//! A file is written for one server. A comment `-- cluster: …` before a statement says what a cluster makes of it:
//!
//! | comment | a cluster gets |
//! |---|---|
//! | `everywhere` (a table's default) | one small table, replicated to all nodes of all shards |
//! | `sharded by KEY` | `X_local`, replicated within its shard, under a Distributed table `X` |
//! | `on each shard` | a view over the shard's own rows; without parameters it is `X_local` under a Distributed `X` |
//! | `as it is` (a view's default) | the same view on every node |
//!
//! `ALTER TABLE` bears the comment of its table: a sharded one is changed on each shard first, then over them, but settings on
//! the shards alone, since they are of the engine that holds the rows. The
//! Distributed table over a view holds nothing and is made anew with the view, so that it has the view's columns.
//!
//! The key keeps a visitor's events on one shard, so that visits are computed where their rows are. It depends on the row
//! alone, so that a retried insert is cut into the same pieces for the same shards; with `distributed_foreground_insert`
//! (the client sets it) the insert answers only when all shards have their piece, and each shard's replicated table knows
//! the insert's token (`insert_deduplication_token` travels with the piece) and drops what it already took. So an insert
//! that one shard took and another did not is simply sent again, whole.

use super::{MIGRATIONS, Migration};

/// One statement to run, in the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// The file it is from, without `.sql`.
    pub file: &'static str,
    /// The statement, without a semicolon.
    pub sql: String,
}

/// All statements of `sql/schema`, in order.
pub fn render(database: &str, cluster: Option<&str>) -> Vec<Statement> {
    MIGRATIONS.iter().flat_map(|migration| file(migration, database, cluster)).collect()
}

/// All statements that a new database needs, in order, for someone to run by hand: the database itself first.
pub fn print(database: &str, cluster: Option<&str>) -> Vec<Statement> {
    let first = [
        Statement { file: "database", sql: self::database(database, cluster) },
        Statement { file: "database", sql: format!("USE {}", quote(database)) },
    ];
    let ledger = file(&super::LEDGER, database, cluster);
    first.into_iter().chain(ledger).chain(render(database, cluster)).collect()
}

/// The statements of one file.
pub(super) fn file(migration: &Migration, database: &str, cluster: Option<&str>) -> Vec<Statement> {
    let target = Target { database, cluster };
    split(migration.sql)
        .into_iter()
        .flat_map(|piece| target.statements(&piece))
        .map(|sql| Statement { file: migration.name, sql })
        .collect()
}

/// The statement that makes the database.
pub(super) fn database(database: &str, cluster: Option<&str>) -> String {
    format!("CREATE DATABASE IF NOT EXISTS {}{}", quote(database), on_cluster(cluster))
}

/// The statements that make `stage`, an empty table like the stored table `like` as all files together make it.
///
/// # Panics
/// When no file makes `like`.
pub fn stage(database: &str, cluster: Option<&str>, like: &str, stage: &str) -> Vec<String> {
    let target = Target { database, cluster };
    let statements: Vec<_> = pieces()
        .filter(|piece| piece.name == like)
        .flat_map(|piece| target.statements(&Piece { name: stage.to_owned(), ..piece }))
        .collect();
    assert!(!statements.is_empty(), "a file makes the table {like}");
    statements
}

/// Which nodes of a cluster a statement concerns, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Spread {
    AsItIs,
    Everywhere,
    Sharded { key: String },
    EachShard,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Table,
    View,
    Change,
}

/// A statement of a file, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Piece {
    spread: Spread,
    kind: Kind,
    name: String,
    /// What follows the name.
    rest: String,
}

const CREATE_TABLE: &str = "CREATE TABLE IF NOT EXISTS ";
const CREATE_VIEW: &str = "CREATE OR REPLACE VIEW ";
const REPLACE_TABLE: &str = "CREATE OR REPLACE TABLE ";
const ALTER_TABLE: &str = "ALTER TABLE ";
/// How a change of settings goes on behind the table's name.
const MODIFY_SETTING: &str = " MODIFY SETTING";
/// Stands for the database where ClickHouse does not fill it in: before the name of a parameterised view.
const DATABASE: &str = "{database:Identifier}";

impl Piece {
    /// Takes a statement and the comments before it apart.
    ///
    /// # Panics
    /// When it is none of the statements that can be run twice: a test reads every file.
    fn parse(comments: &[String], sql: &str) -> Self {
        let (kind, rest) = if let Some(rest) = sql.strip_prefix(CREATE_TABLE) {
            (Kind::Table, rest)
        } else if let Some(rest) = sql.strip_prefix(CREATE_VIEW) {
            (Kind::View, rest)
        } else if let Some(rest) = sql.strip_prefix(ALTER_TABLE) {
            (Kind::Change, rest)
        } else {
            panic!(
                "a migration must start with `{CREATE_TABLE}`, `{CREATE_VIEW}` or `{ALTER_TABLE}`, not: {sql:.60}"
            )
        };
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        let (name, rest) = rest.split_at(end);
        let spread = match comments.iter().rev().find_map(|line| line.strip_prefix("cluster: ")) {
            None if kind != Kind::View => Spread::Everywhere,
            None | Some("as it is") => Spread::AsItIs,
            Some("everywhere") => Spread::Everywhere,
            Some("on each shard") => Spread::EachShard,
            Some(other) => Spread::Sharded {
                key: other
                    .strip_prefix("sharded by ")
                    .unwrap_or_else(|| panic!("unknown cluster comment: {other}"))
                    .to_owned(),
            },
        };
        Self { spread, kind, name: name.to_owned(), rest: rest.to_owned() }
    }

    /// Whether each shard has rows of its own under this name.
    fn is_local(&self) -> bool {
        matches!(self.spread, Spread::Sharded { .. })
            || (self.spread == Spread::EachShard && !self.takes_parameters())
    }

    fn takes_parameters(&self) -> bool {
        self.rest.replace(DATABASE, "").contains('{')
    }
}

/// Where statements will be run.
struct Target<'a> {
    database: &'a str,
    cluster: Option<&'a str>,
}

impl Target<'_> {
    /// What to run for a statement of a file.
    fn statements(&self, piece: &Piece) -> Vec<String> {
        let Some(cluster) = self.cluster else { return vec![self.create(piece, &piece.name, &piece.rest)] };
        let local = format!("{}_local", piece.name);
        match &piece.spread {
            Spread::Sharded { .. } if piece.rest.starts_with(MODIFY_SETTING) => {
                vec![self.create(piece, &local, &piece.rest)]
            }
            Spread::Sharded { .. } if piece.kind == Kind::Change => {
                [&local, &piece.name].map(|name| self.create(piece, name, &piece.rest)).into()
            }
            _ if piece.kind == Kind::Change => vec![self.create(piece, &piece.name, &piece.rest)],
            Spread::AsItIs => vec![self.create(piece, &piece.name, &piece.rest)],
            Spread::Everywhere => {
                let path = format!("/clickhouse/tables/all/{}/{}", self.database, piece.name);
                let rest = replicated(&piece.rest, &path, "{shard}-{replica}");
                vec![self.create(piece, &piece.name, &rest)]
            }
            Spread::Sharded { key } => {
                let path = format!("/clickhouse/tables/{{shard}}/{}/{}", self.database, piece.name);
                let rest = replicated(&piece.rest, &path, "{replica}");
                let over = self.distributed(CREATE_TABLE, cluster, piece, &format!(", {key}"));
                vec![self.create(piece, &local, &rest), over]
            }
            Spread::EachShard if piece.takes_parameters() => {
                vec![self.create(piece, &piece.name, &local_names(&piece.rest))]
            }
            Spread::EachShard => {
                vec![
                    self.create(piece, &local, &local_names(&piece.rest)),
                    self.distributed(REPLACE_TABLE, cluster, piece, ""),
                ]
            }
        }
    }

    fn create(&self, piece: &Piece, name: &str, rest: &str) -> String {
        let create = match piece.kind {
            Kind::Table => CREATE_TABLE,
            Kind::View => CREATE_VIEW,
            Kind::Change => ALTER_TABLE,
        };
        let database = quote(self.database);
        let rest = rest.replace(DATABASE, &database);
        format!("{create}{database}.{}{}{rest}", quote(name), on_cluster(self.cluster))
    }

    /// The table over the shards' tables or views.
    fn distributed(&self, create: &str, cluster: &str, piece: &Piece, key: &str) -> String {
        let database = quote(self.database);
        let local = quote(&format!("{}_local", piece.name));
        format!(
            "{create}{database}.{}{} AS {database}.{local}\nENGINE = Distributed({}, {}, {}{key})",
            quote(&piece.name),
            on_cluster(self.cluster),
            text(cluster),
            text(self.database),
            text(&format!("{}_local", piece.name)),
        )
    }
}

/// Replaces the engine by its replicated sister.
fn replicated(rest: &str, path: &str, replica: &str) -> String {
    let at = rest.find("ENGINE = ").expect("a table of sql/schema names its engine") + "ENGINE = ".len();
    let (head, engine) = rest.split_at(at);
    let end = engine.find(|c: char| !c.is_alphanumeric()).unwrap_or(engine.len());
    let (name, after) = engine.split_at(end);
    let place = format!("{}, {}", text(path), text(replica));
    let after = match after.strip_prefix('(') {
        Some(arguments) if arguments.starts_with(')') => format!("({place}{arguments}"),
        Some(arguments) => format!("({place}, {arguments}"),
        None => format!("({place}){after}"),
    };
    format!("{head}Replicated{name}{after}")
        .replace("non_replicated_deduplication_window", "replicated_deduplication_window")
}

/// Lets a shard's view read the shard's own rows.
fn local_names(rest: &str) -> String {
    let names: Vec<_> = pieces().filter(Piece::is_local).map(|piece| piece.name).collect();
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

/// Every statement of the files, in order.
fn pieces() -> impl Iterator<Item = Piece> {
    MIGRATIONS.iter().flat_map(|migration| split(migration.sql))
}

fn on_cluster(cluster: Option<&str>) -> String {
    cluster.map(|cluster| format!(" ON CLUSTER {}", quote(cluster))).unwrap_or_default()
}

/// An identifier for ClickHouse.
fn quote(name: &str) -> String {
    format!("`{}`", name.replace('\\', "\\\\").replace('`', "\\`"))
}

/// A string literal for ClickHouse.
fn text(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// Cuts a file at the semicolons that stand in no string, quoted name or comment; line comments are taken out.
fn split(sql: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut comments = Vec::new();
    let mut statement = String::new();
    let mut rest = sql;
    while let Some(c) = rest.chars().next() {
        let len = match c {
            '-' if rest.starts_with("--") => {
                let end = rest.find('\n').unwrap_or(rest.len());
                comments.push(rest[2..end].trim().to_owned());
                rest = &rest[end..];
                continue;
            }
            '\'' | '`' | '"' => quoted(rest),
            _ => c.len_utf8(),
        };
        let (token, after) = rest.split_at(len);
        rest = after;
        if token == ";" {
            pieces.push(Piece::parse(&comments, statement.trim()));
            statement.clear();
            comments.clear();
        } else {
            statement.push_str(token);
        }
    }
    assert!(statement.trim().is_empty(), "a migration's last statement must end in a semicolon");
    pieces
}

/// Length of the quoted token that `sql` starts with; a backslash or a doubled quote keeps it going.
fn quoted(sql: &str) -> usize {
    let mut chars = sql.char_indices();
    let quote = chars.next().map_or('\'', |(_, quote)| quote);
    while let Some((at, c)) = chars.next() {
        if c == '\\' {
            chars.next();
        } else if c == quote {
            return at + quote.len_utf8();
        }
    }
    sql.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SQL: &str = "-- A title; with a semicolon.\n-- cluster: sharded by cityHash64(a)\nCREATE TABLE IF NOT EXISTS \
                       t\n(\n    a String DEFAULT 'it''s; -- not \\' a comment' -- really\n)\nENGINE = \
                       ReplacingMergeTree(v)\nORDER BY a;\nCREATE OR REPLACE VIEW v AS SELECT 1;\n";

    #[test]
    fn semicolons_and_dashes_in_strings_and_comments_do_not_split() {
        let pieces = split(SQL);
        assert_eq!(pieces.len(), 2);
        assert_eq!(pieces[0].name, "t");
        assert_eq!(pieces[0].spread, Spread::Sharded { key: "cityHash64(a)".into() });
        assert!(pieces[0].rest.contains("'it''s; -- not \\' a comment'"));
        assert!(!pieces[0].rest.contains("really"));
        assert_eq!(pieces[1].spread, Spread::AsItIs);
    }

    #[test]
    fn a_doubled_quote_is_two_strings_side_by_side() {
        assert_eq!(quoted("'it''s'"), 4);
        assert_eq!(quoted("'a\\'b' c"), 6);
    }

    #[test]
    fn a_sharded_table_becomes_a_replicated_one_under_a_distributed_one() {
        let target = Target { database: "footfall", cluster: Some("main") };
        let statements = target.statements(&split(SQL)[0]);
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
    fn a_new_column_reaches_the_shards_before_what_lies_over_them_and_the_stages_too() {
        let target = Target { database: "footfall", cluster: Some("main") };
        let sql =
            "-- cluster: sharded by cityHash64(a)\nALTER TABLE t ADD COLUMN IF NOT EXISTS b Bool AFTER a;";
        assert_eq!(
            target.statements(&split(sql)[0]),
            [
                "ALTER TABLE `footfall`.`t_local` ON CLUSTER `main` ADD COLUMN IF NOT EXISTS b Bool AFTER a",
                "ALTER TABLE `footfall`.`t` ON CLUSTER `main` ADD COLUMN IF NOT EXISTS b Bool AFTER a",
            ]
        );
        for change in pieces().filter(|piece| piece.kind == Kind::Change) {
            let table = pieces().find(|piece| piece.name == change.name).expect("some");
            assert_eq!(table.kind, Kind::Table, "{} is made before it is changed", change.name);
            assert_eq!(table.spread, change.spread, "{} is changed where it lies", change.name);
            let stage = stage("footfall", None, &change.name, "stage_1");
            assert!(stage[0].starts_with("CREATE TABLE IF NOT EXISTS `footfall`.`stage_1`"));
            let changed = format!("ALTER TABLE `footfall`.`stage_1`{}", change.rest);
            assert!(stage.contains(&changed), "the stage of {} is changed like it", change.name);
        }
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

    #[test]
    fn a_name_cannot_break_out_of_its_quotes() {
        assert_eq!(quote("a`b\\"), "`a\\`b\\\\`");
        assert_eq!(text("a'b\\"), "'a\\'b\\\\'");
    }
}
