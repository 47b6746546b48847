//! What the files promise: they agree with the row, every column is documented, and databases of other versions are refused.

use std::collections::{BTreeMap, BTreeSet};

use super::files::SchemaFile;
use super::migrate::{check, checksum};
use super::{ClusterTarget, Sharding, columns, files, render};
use crate::event;

fn read(path: &str) -> String {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn column_names(table: &str) -> Vec<String> {
    columns(table).into_iter().map(|column| column.name).collect()
}

#[test]
fn events_has_the_columns_of_the_row_in_its_order_and_those_of_shipping_and_closing_a_day() {
    let columns = column_names("events");
    let (row, own) = columns.split_at(event::COLUMNS.len());
    assert_eq!(row, event::COLUMNS);
    assert_eq!(own, ["event_id", "collector", "segment", "copy_number"]);
}

#[test]
fn the_columns_of_visits_are_those_that_the_view_computes() {
    let stored = columns("visits_stored");
    let query = super::view("visits_between");
    for column in stored.iter().filter(|column| !["generation", "is_open"].contains(&column.name.as_str())) {
        let is_computed = [format!(" AS {},\n", column.name), format!(" AS {}\n", column.name)];
        assert!(is_computed.iter().any(|end| query.contains(end)), "{}", column.name);
        let of_event = event::column_definitions().find(|(name, _)| *name == column.name);
        if let Some((_, sql_type)) = of_event {
            assert_eq!(column.data_type, sql_type, "{} of visits and of events", column.name);
        }
    }
}

#[test]
fn the_columns_of_events_are_documented_from_the_row() {
    let mut table = "| column | type | unit | meaning | from | clause | example |\n".to_owned();
    table += "|---|---|---|---|---|---|---|\n";
    for column in event::column_descriptions() {
        // The meaning names the values.
        let sql_type = if column.sql_type.starts_with("Enum8") { "Enum8" } else { &column.sql_type };
        table += &format!(
            "| `{}` | {sql_type} | {} | {} | {} | {} | `{}` |\n",
            column.name, column.unit, column.meaning, column.from, column.clause, column.example,
        );
    }
    // The store adds columns of its own.
    table += "| `event_id` | UInt64 | – | Hash of `page_load` and `seq`: the identity of the event in one number. | computed | – | \
              `4611093387012384115` |\n";
    table += "| `collector` | UInt64 | – | The collector whose spool brought the event, as in `segments`. | shipping | – | \
              `7496264094172149514` |\n";
    table += "| `segment` | UInt64 | – | The segment of that spool that brought it, as in `segments`. | shipping | – | `42` |\n";
    table += "| `copy_number` | UInt8 | – | Above 0: the row replaces identical rows that the store had made of the \
              event. | closing of a day | – | `0` |\n";
    crate::generated_docs::check("docs/fields.md", "events", &table);
}

#[test]
fn a_database_of_another_version_is_refused_with_a_way_out() {
    for file in ["0001_events", "0000_first"] {
        let recorded = BTreeMap::from([(file.to_owned(), BTreeSet::from(["feed".to_owned()]))]);
        let error = check(&recorded, "footfall").unwrap_err().to_string();
        for part in
            ["database `footfall` was created by another version of Footfall", file, "drop the database"]
        {
            assert!(error.contains(part), "{error}");
        }
    }
    let own = files::all().map(|file| (file.name.to_owned(), BTreeSet::from([checksum(&file)]))).collect();
    check(&own, "footfall").expect("the program's own files");
}

#[test]
fn an_older_collector_that_meets_a_newer_database_says_so() {
    let recorded = BTreeMap::from([("9999_later".to_owned(), BTreeSet::from(["feed".to_owned()]))]);
    let error = check(&recorded, "footfall").unwrap_err().to_string();
    for part in ["migrated by a newer version of Footfall: 9999_later.sql", "Upgrade this collector"] {
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn a_database_with_other_columns_or_dimensions_is_one_of_another_version() {
    let checksum = |text| checksum(&SchemaFile { name: "a", text });
    assert_eq!(checksum("SELECT {event_column path};"), checksum("SELECT path LowCardinality(String);"));
    assert_eq!(checksum("-- A remark.\nSELECT 1;"), checksum("SELECT 1;"));
    assert_ne!(checksum("SELECT 'daily_stored';"), checksum("SELECT 'daily_other';"));
}

fn on_cluster() -> Vec<super::Statement> {
    let sharding = Sharding::new(2);
    render("footfall", Some(ClusterTarget { name: "main", is_replicated: true, sharding: &sharding }))
}

#[test]
fn a_cluster_gets_no_statement_for_all_nodes_at_once_and_no_table_of_one_node() {
    for statement in on_cluster() {
        assert!(!statement.sql.contains("ON CLUSTER"), "{}", statement.sql);
        assert!(!statement.sql.contains("ENGINE = MergeTree"), "{}", statement.sql);
        assert!(!statement.sql.contains("ENGINE = Replacing"), "{}", statement.sql);
    }
}

#[test]
fn tables_whose_rows_the_spool_deletes_once_they_are_confirmed_are_synced() {
    for (statements, suffix) in [(render("footfall", None), ""), (on_cluster(), "_local")] {
        for table in ["events", "segments", "removed_events", "audit"] {
            let head = format!("CREATE TABLE IF NOT EXISTS `footfall`.{table}{suffix}\n");
            let is_synced = statements.iter().any(|statement| {
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
    for table in [
        "events",
        "visits_stored",
        "daily_stored",
        "daily_published_stored",
        "publications",
        "published_days",
        "days",
        "settings",
        "segments",
        "removed_events",
        "audit",
    ] {
        let heading = format!("\n## `{}`", table.trim_end_matches("_stored"));
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
