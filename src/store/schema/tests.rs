//! What the files promise: that all are embedded, that they agree with the row, that each column is documented.

use super::*;
use crate::event;

fn read(path: &str) -> String {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Names of the columns of a table, in order: those that it was made with, and those put in later.
fn columns(table: &str) -> Vec<String> {
    let statements = render("footfall", None);
    let head = format!("CREATE TABLE IF NOT EXISTS `footfall`.`{table}`");
    let sql =
        &statements.iter().find(|statement| statement.sql.starts_with(&head)).expect("made by a file").sql;
    let body = &sql[sql.find("(\n").expect("columns") + 2..sql.find("\n)\n").expect("end of columns")];
    let mut columns: Vec<_> = body
        .lines()
        .filter_map(|line| {
            line.strip_prefix("    ").filter(|line| line.starts_with(|c: char| c.is_ascii_lowercase()))
        })
        .map(|line| line.split(' ').next().expect("a name").to_owned())
        .collect();
    let head = format!("ALTER TABLE `footfall`.`{table}`");
    for change in statements.iter().filter(|statement| statement.sql.starts_with(&head)) {
        for added in change.sql.split("ADD COLUMN IF NOT EXISTS ").skip(1) {
            let name = added.split(' ').next().expect("a name");
            let Some((_, after)) = added.rsplit_once("AFTER ") else {
                columns.push(name.trim_end_matches(';').to_owned());
                continue;
            };
            let after = after.trim().trim_end_matches(',');
            let at = columns.iter().position(|column| column == after).expect("a known column");
            columns.insert(at + 1, name.to_owned());
        }
    }
    columns
}

#[test]
fn every_file_of_the_directory_is_embedded_in_its_order() {
    let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("sql/schema");
    let mut files: Vec<_> = std::fs::read_dir(directory)
        .expect("sql/schema")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("a name"))
        .collect();
    files.sort();
    let embedded: Vec<_> = MIGRATIONS.iter().map(|migration| format!("{}.sql", migration.name)).collect();
    assert_eq!(files, embedded);
}

#[test]
fn the_table_has_the_row_s_columns_in_the_row_s_order_and_one_that_closing_a_day_sets() {
    let columns = columns("events");
    let (last, row) = columns.split_last().expect("columns");
    assert_eq!(row, event::COLUMNS);
    assert_eq!(last, "kept");
}

/// Type of a column of `events` in the file that creates it or in a later one.
fn sql_type(column: &str) -> String {
    let rendered = render("footfall", None);
    let of_events = rendered.iter().filter(|statement| statement.sql.contains("`footfall`.`events`"));
    for statement in of_events {
        let created = statement.sql.find(&format!("\n    {column} ")).map(|at| at + 5 + column.len());
        let marker = format!("ADD COLUMN IF NOT EXISTS {column} ");
        let added = statement.sql.find(&marker).map(|at| at + marker.len());
        if let Some(start) = created.or(added) {
            let rest = &statement.sql[start..];
            let mut depth = 0;
            let end = rest.find(|c: char| {
                depth += i32::from(c == '(') - i32::from(c == ')');
                depth < 0 || (depth == 0 && matches!(c, ',' | ';' | '\n'))
            });
            let text = &rest[..end.unwrap_or(rest.len())];
            let text = text.split(" AFTER ").next().expect("splitting gives something");
            return text
                .split(" DEFAULT ")
                .next()
                .expect("as above")
                .split_whitespace()
                .collect::<Vec<_>>()
                .join(" ");
        }
    }
    panic!("no column {column}");
}

#[test]
fn the_columns_of_events_have_the_row_s_types_and_are_documented_from_it() {
    let mut table = "| column | type | unit | meaning | from | clause | example |\n".to_owned();
    table += "|---|---|---|---|---|---|---|\n";
    for column in event::column_descriptions() {
        let sql = sql_type(column.name);
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
    table += "| `kept` | UInt8 | – | Above 0: the row stands for copies that the store had made of the event, \
              alike to the last byte. | closing of a day | – | `0` |\n";
    crate::generated_docs::check("docs/fields.md", "events", &table);
}

#[test]
fn a_changed_file_is_refused_by_name() {
    let recorded = BTreeMap::from([("0001_events".to_owned(), vec!["feed".to_owned()])]);
    let error = check(&recorded, "footfall").unwrap_err();
    assert!(error.to_string().contains("sql/schema/0001_events.sql was changed"), "{error}");
}

#[test]
fn a_file_of_a_newer_binary_is_refused_by_name() {
    let recorded = BTreeMap::from([("9999_later".to_owned(), vec!["feed".to_owned()])]);
    let error = check(&recorded, "footfall").unwrap_err();
    assert!(error.to_string().contains("`9999_later`"), "{error}");
}

#[test]
fn the_files_as_they_are_pass_the_check() {
    let recorded =
        MIGRATIONS.iter().map(|migration| (migration.name.to_owned(), vec![checksum(migration)])).collect();
    check(&recorded, "footfall").expect("no drift");
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
fn what_the_spool_deletes_once_it_is_confirmed_is_synced_where_its_rows_are() {
    let synced = |cluster, table: &str| {
        let head = format!("ALTER TABLE `footfall`.`{table}`");
        render("footfall", cluster).iter().any(|statement| {
            statement.sql.starts_with(&head)
                && statement.sql.contains("fsync_after_insert = 1, fsync_part_directory = 1")
        })
    };
    for table in ["segments", "books", "audit"] {
        assert!(synced(None, table) && synced(Some("main"), table), "{table}");
    }
    assert!(synced(None, "events") && synced(Some("main"), "events_local"));
    assert!(!synced(Some("main"), "events"), "the table over the shards has no parts of its own");
}

#[test]
fn every_column_is_documented_and_no_other() {
    let fields = read("docs/fields.md");
    for table in ["events", "visits_closed", "daily_closed", "days", "settings", "books", "segments", "audit"]
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
        let mut expected = columns(table);
        documented.sort_unstable();
        expected.sort_unstable();
        assert_eq!(documented, expected, "columns of {table} in docs/fields.md and in sql/schema");
    }
}
