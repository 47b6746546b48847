//! What the files promise: they agree with the row, every column is documented, and databases of other versions are refused.

use std::collections::BTreeMap;

use super::migrate::check;
use super::{columns, files, render};
use crate::event;

fn read(path: &str) -> String {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn column_names(table: &str) -> Vec<String> {
    columns(table).into_iter().map(|column| column.name).collect()
}

#[test]
fn the_table_has_the_columns_of_the_row_in_its_order_and_one_that_closing_a_day_sets() {
    let columns = column_names("events");
    let (last, row) = columns.split_last().expect("columns");
    assert_eq!(row, event::COLUMNS);
    assert_eq!(last, "copy_number");
}

#[test]
fn the_columns_of_events_have_the_row_s_types_and_are_documented_from_it() {
    let mut table = "| column | type | unit | meaning | from | clause | example |\n".to_owned();
    table += "|---|---|---|---|---|---|---|\n";
    let columns = columns("events");
    for column in event::column_descriptions() {
        let found = columns.iter().find(|known| known.name == column.name);
        let sql = found.unwrap_or_else(|| panic!("events has no column {}", column.name)).data_type.clone();
        let plain = sql.strip_prefix("LowCardinality(").and_then(|sql| sql.strip_suffix(')')).unwrap_or(&sql);
        let types = [
            column.sql_type.as_str(),
            column.sql_type.trim_start_matches("LowCardinality(").trim_end_matches(')'),
        ];
        assert!(
            types.contains(&sql.as_str()) || types.contains(&plain),
            "{}: {sql}, the row has {}",
            column.name,
            column.sql_type
        );
        // The meaning names the values.
        let shown = if sql.starts_with("Enum8") { "Enum8" } else { &sql };
        table += &format!(
            "| `{}` | {shown} | {} | {} | {} | {} | `{}` |\n",
            column.name, column.unit, column.meaning, column.from, column.clause, column.example,
        );
    }
    // The store adds one column of its own.
    table += "| `copy_number` | UInt8 | – | Above 0: the row replaces identical rows that the store had made of the \
              event. | closing of a day | – | `0` |\n";
    crate::generated_docs::check("docs/fields.md", "events", &table);
}

#[test]
fn a_database_of_another_version_is_refused_with_a_way_out() {
    for file in ["0001_events", "0011_kept"] {
        let recorded = BTreeMap::from([(file.to_owned(), vec!["feed".to_owned()])]);
        let error = check(&recorded, "footfall").unwrap_err().to_string();
        for part in
            ["database `footfall` was created by another version of Footfall", file, "drop the database"]
        {
            assert!(error.contains(part), "{error}");
        }
    }
    let own = files::all().map(|file| (file.name.to_owned(), vec![file.checksum()])).collect();
    check(&own, "footfall").expect("the program's own files");
}

#[test]
fn a_cluster_gets_no_statement_without_its_name_and_no_table_of_one_node() {
    for statement in render("footfall", Some("main")) {
        assert!(statement.sql.contains(" ON CLUSTER `main`"), "{}", statement.sql);
        assert!(!statement.sql.contains("ENGINE = MergeTree"), "{}", statement.sql);
        assert!(!statement.sql.contains("ENGINE = Replacing"), "{}", statement.sql);
    }
}

#[test]
fn tables_whose_rows_the_spool_deletes_once_they_are_confirmed_are_synced() {
    for (cluster, suffix) in [(None, ""), (Some("main"), "_local")] {
        for (table, suffix) in [("events", suffix), ("segments", ""), ("event_counts", ""), ("audit", "")] {
            let head = format!("CREATE TABLE IF NOT EXISTS `footfall`.`{table}{suffix}`");
            let is_synced = render("footfall", cluster).iter().any(|statement| {
                statement.sql.starts_with(&head)
                    && statement.sql.contains("fsync_after_insert = 1,\n    fsync_part_directory = 1")
            });
            assert!(is_synced, "{table}{suffix}");
        }
    }
}

#[test]
fn every_column_is_documented_and_no_other() {
    let fields = read("docs/fields.md");
    for table in
        ["events", "visits_closed", "daily_closed", "days", "settings", "event_counts", "segments", "audit"]
    {
        let heading = format!("\n## `{}`", table.trim_end_matches("_closed"));
        let start =
            fields.find(&heading).unwrap_or_else(|| panic!("docs/fields.md has no section on {table}"));
        let section = &fields[start + heading.len()..];
        let section = &section[..section.find("\n## ").unwrap_or(section.len())];
        let table_of_columns = &section[section.find("| column |").expect("a table of columns")..];
        let lines = table_of_columns.lines().take_while(|line| line.starts_with('|'));
        let rows = lines.filter_map(|line| line.strip_prefix("| `")?.split_once("` |"));
        let mut documented: Vec<_> = rows.map(|(column, _)| column.to_owned()).collect();
        let mut expected = column_names(table);
        documented.sort_unstable();
        expected.sort_unstable();
        assert_eq!(documented, expected, "columns of {table} in docs/fields.md and in sql/schema");
    }
}
