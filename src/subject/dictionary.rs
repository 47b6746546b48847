//! What the columns of an export mean: the tables of `docs/fields.md`, which a test compares with the schema.

use serde_json::{Value, json};

const FIELDS: &str = include_str!("../../docs/fields.md");

/// The columns of a table that `docs/fields.md` describes, each with its type, unit and meaning.
pub(super) fn columns(table: &str) -> Vec<Value> {
    let heading = format!("\n## `{table}`");
    let section = FIELDS.split_once(&heading).map_or("", |(_, rest)| rest);
    let section = section.split_once("\n## ").map_or(section, |(section, _)| section);
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
    let column = |row: &str| {
        let (name, rest) = row.split_once("` | ")?;
        let mut cells = rest.split(" | ");
        let (kind, unit, meaning) = (cells.next()?, cells.next()?, cells.next()?);
        Some(json!({ "column": name, "type": kind, "unit": unit, "meaning": meaning }))
    };
    rows.filter_map(column).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::schema;

    #[test]
    fn every_exported_column_is_explained() {
        for (described, stored) in [("events", "blocked_events"), ("visits", "visits_stored")] {
            let known = columns(described);
            let names: Vec<_> = known.iter().filter_map(|column| column["column"].as_str()).collect();
            for column in schema::columns(stored) {
                let own = ["generation", "is_open"].contains(&column.name.as_str());
                assert!(own || names.contains(&column.name.as_str()), "{} of {described}", column.name);
            }
            assert!(known.iter().all(|column| column["meaning"].as_str().is_some_and(|text| text.len() > 5)));
        }
    }
}
