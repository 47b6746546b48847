//! Where one row ends and the next begins: encoded rows taken apart by the columns that a segment's header names.
//!
//! A segment of a version that had columns which this one does not know cannot be taken apart; its frames still can be told.

use crate::event::{ReadColumnValue, column_reader};
use crate::spool::log::segment::Table;

/// The columns of encoded rows of table `events`.
pub(crate) struct Layout(Vec<(String, ReadColumnValue)>);

impl Layout {
    /// The layout that a segment's header names, if every column of it is known.
    pub(crate) fn of(table: &Table) -> Option<Self> {
        let columns = table.columns.split(", ");
        columns
            .map(|column| Some((column.to_owned(), column_reader(column)?)))
            .collect::<Option<_>>()
            .map(Self)
    }

    /// The lengths of `count` rows, if that is what the bytes are.
    pub(crate) fn lengths(&self, mut rows: &[u8], count: u32) -> Option<Vec<usize>> {
        let mut lengths = Vec::new();
        for _ in 0..count {
            let before = rows.len();
            for (_, read) in &self.0 {
                read(&mut rows)?;
            }
            lengths.push(before - rows.len());
        }
        rows.is_empty().then_some(lengths)
    }

    /// One row, column by column.
    pub(crate) fn json(&self, mut row: &[u8]) -> Option<serde_json::Value> {
        let mut object = serde_json::Map::new();
        for (name, read) in &self.0 {
            object.insert(name.clone(), read(&mut row)?);
        }
        Some(object.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{COLUMNS, EventKind, EventRow};
    use crate::spool::log::frame;

    #[test]
    fn rows_are_taken_apart_where_they_were_put_together() {
        let table = Table { kind: frame::Kind::Events, name: "events".into(), columns: COLUMNS.join(", ") };
        let layout = Layout::of(&table).unwrap();
        let long = "x".repeat(300);
        let rows = [
            EventRow { page_load: 7, path: &long, lcp_ms: Some(1800), ..EventRow::default() },
            EventRow {
                seq: 1,
                kind: EventKind::Event,
                props: &[("plan", "best"), ("seats", "4")],
                ..EventRow::default()
            },
        ];
        let mut bytes = Vec::new();
        let mut ends = Vec::new();
        for row in &rows {
            row.encode(&mut bytes);
            ends.push(bytes.len());
        }
        assert_eq!(layout.lengths(&bytes, 2), Some(vec![ends[0], ends[1] - ends[0]]));
        assert_eq!(layout.lengths(&bytes, 1), None, "bytes are left over");
        assert_eq!(layout.lengths(&bytes[..ends[0] + 9], 2), None, "the second row is cut");
        let row = layout.json(&bytes[ends[0]..]).unwrap();
        assert_eq!((&row["kind"], &row["props"]["seats"]), (&"event".into(), &"4".into()));
        let unknown = Table { columns: "page_load, mood".into(), ..table };
        assert!(Layout::of(&unknown).is_none());
    }
}
