//! Where one encoded row ends and the next begins, by the columns that a segment's header names.
//!
//! A version that lacks one of these columns cannot divide the rows. It still ships the records whole.

use crate::event::{ReadColumnValue, column_reader};

/// The columns of encoded events.
pub(crate) struct RowLayout(Vec<(String, ReadColumnValue)>);

impl RowLayout {
    /// `None`: this version does not know one of the columns.
    pub(crate) fn parse(columns: &str) -> Option<Self> {
        let columns = columns.split(", ");
        columns
            .map(|column| Some((column.to_owned(), column_reader(column)?)))
            .collect::<Option<_>>()
            .map(Self)
    }

    /// The lengths of `count` rows in bytes. `None`: the bytes are not so many rows.
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

    /// Returns no row if they cannot be divided.
    pub(crate) fn decode(&self, mut rows: &[u8], count: u32) -> Vec<serde_json::Value> {
        let mut decoded = Vec::new();
        for length in self.lengths(rows, count).unwrap_or_default() {
            let (row, after) = rows.split_at(length);
            decoded.extend(self.json(row));
            rows = after;
        }
        decoded
    }

    fn json(&self, mut row: &[u8]) -> Option<serde_json::Value> {
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

    #[test]
    fn rows_are_divided_where_they_were_joined() {
        let layout = RowLayout::parse(&COLUMNS.join(", ")).unwrap();
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
        assert!(RowLayout::parse("page_load, mood").is_none());
    }
}
