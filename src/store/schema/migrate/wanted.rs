//! What every node should have, and what a node lacks. No I/O.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::state::{NodeState, StoredTable, settings_of};
use crate::store::schema::columns;
use crate::store::schema::render::{self, ClusterTarget, Statement};
use crate::store::sql::{self, identifier};

/// A table or view.
pub(super) struct WantedTable {
    pub(super) file: &'static str,
    pub(super) name: String,
    kind: TableKind,
    sql: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum TableKind {
    /// It has rows, so it is never replaced.
    Rows,
    Distributed,
    View,
}

/// What is done on one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RepairStep {
    pub(super) file: &'static str,
    /// The table or view.
    pub(super) table: String,
    /// For people: `create table events_local`.
    pub(super) what: String,
    pub(super) sql: String,
}

/// A table whose columns are not those of this program.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct OtherColumns {
    pub(super) table: String,
    pub(super) difference: String,
}

const CREATE_TABLE: &str = "CREATE TABLE IF NOT EXISTS ";
const CREATE_VIEW: &str = "CREATE OR REPLACE VIEW ";

/// The tables and views of all files, in the order in which they are made.
pub(super) fn wanted(database: &str, cluster: Option<ClusterTarget<'_>>) -> Vec<WantedTable> {
    render::all(database, cluster)
        .into_iter()
        .map(|statement| WantedTable::new(statement, database))
        .collect()
}

impl WantedTable {
    /// # Panics
    /// When a statement of a file makes neither a table nor a view. Tests read every file.
    fn new(Statement { file, sql }: Statement, database: &str) -> Self {
        let (kind, rest) = match (sql.strip_prefix(CREATE_TABLE), sql.strip_prefix(CREATE_VIEW)) {
            (Some(rest), _) if sql.contains("ENGINE = Distributed(") => (TableKind::Distributed, rest),
            (Some(rest), _) => (TableKind::Rows, rest),
            (None, Some(rest)) => (TableKind::View, rest),
            (None, None) => {
                panic!("sql/schema/{file}.sql makes something else than a table or a view: {sql}")
            }
        };
        let rest = rest.strip_prefix(&identifier(database)).and_then(|rest| rest.strip_prefix('.'));
        let rest = rest.expect("a name follows the database");
        let name = rest.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_').next();
        Self { file, name: name.unwrap_or_default().to_owned(), kind, sql }
    }

    /// Tells apart definitions of one name. It is the comment of what was made from this one.
    fn comment(&self) -> String {
        let hash = Sha256::digest(self.sql.as_bytes());
        let hash: String = hash[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        format!("Footfall, sql/schema/{}.sql, {hash}", self.file)
    }

    fn create(&self) -> String {
        let sql = match self.kind {
            TableKind::Distributed => self.sql.replacen(CREATE_TABLE, "CREATE OR REPLACE TABLE ", 1),
            TableKind::Rows | TableKind::View => self.sql.clone(),
        };
        format!("{sql}\nCOMMENT {}", sql::string(&self.comment()))
    }

    /// What a node has to do for it, if anything.
    ///
    /// # Errors
    /// When the node has rows in a table of other columns.
    pub(super) fn step(&self, node: &NodeState, database: &str) -> Result<Option<RepairStep>, OtherColumns> {
        let step = |verb: &str, sql| {
            let kind = if self.kind == TableKind::View { "view" } else { "table" };
            Some(RepairStep {
                file: self.file,
                table: self.name.clone(),
                what: format!("{verb} {kind} {}", self.name),
                sql,
            })
        };
        let Some(stored) = node.tables.get(&self.name) else { return Ok(step("create", self.create())) };
        if self.kind != TableKind::Rows {
            let is_alike = stored.comment == self.comment();
            return Ok(if is_alike { None } else { step("replace", self.create()) });
        }
        self.check_columns(stored)?;
        let settings = settings_of(&self.sql).into_iter();
        let changed: Vec<_> =
            settings.filter(|(name, value)| stored.settings.get(name) != Some(value)).collect();
        if changed.is_empty() {
            return Ok(None);
        }
        let list: Vec<_> =
            changed.iter().map(|(name, value)| format!("{name} = {}", literal(value))).collect();
        let table = format!("{}.{}", identifier(database), self.name);
        let sql = format!("ALTER TABLE {table} MODIFY SETTING {}", list.join(", "));
        let names: Vec<_> = changed.into_iter().map(|(name, _)| name).collect();
        Ok(step(&format!("set {} of", names.join(", ")), sql))
    }

    fn check_columns(&self, stored: &StoredTable) -> Result<(), OtherColumns> {
        let base = self.name.strip_suffix("_local").unwrap_or(&self.name);
        if base == "migrations" {
            return Ok(());
        }
        let wanted =
            columns(base).into_iter().map(|column| (column.name, data_type(&column.data_type).to_owned()));
        let wanted: BTreeMap<String, String> = wanted.collect();
        let has: BTreeMap<String, String> = stored.columns.iter().cloned().collect();
        let missing = wanted
            .iter()
            .find(|(name, _)| !has.contains_key(*name))
            .map(|(name, _)| format!("lacks the column {name}"));
        let other = wanted.iter().find_map(|(name, data_type)| {
            let stored = has.get(name).filter(|stored| *stored != data_type)?;
            Some(format!("has the column {name} as {stored}, and not as {data_type}"))
        });
        match missing.or(other) {
            Some(difference) => Err(OtherColumns { table: self.name.clone(), difference }),
            None => Ok(()),
        }
    }
}

/// A column's type without its codec, default or alias.
fn data_type(definition: &str) -> &str {
    let ends = [" CODEC(", " ALIAS ", " DEFAULT "].iter().filter_map(|end| definition.find(end));
    &definition[..ends.min().unwrap_or(definition.len())]
}

fn literal(value: &str) -> String {
    if value.parse::<f64>().is_ok() { value.to_owned() } else { sql::string(value) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(sql: &str) -> WantedTable {
        WantedTable::new(Statement { file: "0004_days", sql: sql.to_owned() }, "f")
    }

    const SETTINGS: &str = "CREATE TABLE IF NOT EXISTS `f`.settings\n(name String) ENGINE = MergeTree ORDER BY name SETTINGS a = 1, b = 'x'";

    fn node(name: &str, stored: StoredTable) -> NodeState {
        NodeState {
            has_database: true,
            tables: BTreeMap::from([(name.to_owned(), stored)]),
            ..NodeState::default()
        }
    }

    fn stored_settings(changed: &str) -> StoredTable {
        let columns = columns("settings").into_iter().map(|column| (column.name, column.data_type)).collect();
        let engine = format!("MergeTree ORDER BY name SETTINGS a = 1, {changed}, index_granularity = 8192");
        StoredTable { settings: settings_of(&engine), columns, ..StoredTable::default() }
    }

    #[test]
    fn what_is_missing_is_created_and_what_is_right_is_left_alone() {
        let step = table(SETTINGS).step(&NodeState::default(), "f").unwrap().unwrap();
        assert_eq!(step.what, "create table settings");
        assert!(
            step.sql.starts_with(SETTINGS)
                && step.sql.contains("COMMENT 'Footfall, sql/schema/0004_days.sql, ")
        );
        assert_eq!(table(SETTINGS).step(&node("settings", stored_settings("b = 'x'")), "f"), Ok(None));
    }

    #[test]
    fn a_changed_setting_of_an_engine_is_set_again() {
        let step = table(SETTINGS).step(&node("settings", stored_settings("b = 'y'")), "f").unwrap().unwrap();
        assert_eq!(step.what, "set b of table settings");
        assert_eq!(step.sql, "ALTER TABLE `f`.settings MODIFY SETTING b = 'x'");
    }

    #[test]
    fn rows_in_other_columns_are_refused() {
        let mut stored = stored_settings("b = 'x'");
        stored.columns[1].1 = "UInt8".to_owned();
        let error = table(SETTINGS).step(&node("settings", stored.clone()), "f").unwrap_err();
        assert_eq!(error.difference, "has the column value as UInt8, and not as String");
        stored.columns.remove(1);
        let error = table(SETTINGS).step(&node("settings", stored), "f").unwrap_err();
        assert_eq!((error.table.as_str(), error.difference.as_str()), ("settings", "lacks the column value"));
    }

    #[test]
    fn views_and_distributed_tables_of_another_definition_are_replaced() {
        let view = table("CREATE OR REPLACE VIEW `f`.zone AS\nSELECT 1");
        let all = table(
            "CREATE TABLE IF NOT EXISTS `f`.events AS `f`.events_local ENGINE = Distributed(main, f, events_local, h % 2)",
        );
        for (table, what, head) in [
            (view, "replace view zone", CREATE_VIEW),
            (all, "replace table events", "CREATE OR REPLACE TABLE "),
        ] {
            let with = |comment: &str| {
                node(&table.name, StoredTable { comment: comment.to_owned(), ..StoredTable::default() })
            };
            let step = table.step(&with("Footfall, 0"), "f").unwrap().unwrap();
            assert!(step.what == what && step.sql.starts_with(head), "{step:?}");
            assert_eq!(table.step(&with(&table.comment()), "f"), Ok(None));
        }
    }
}
