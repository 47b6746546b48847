//! What encoded rows hold, by the columns that a segment's header names.
//!
//! A version that lacks one of these columns cannot show the rows. It still ships them.

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

    /// Decodes a row. `None`: the bytes are not one.
    pub(crate) fn decode(&self, mut row: &[u8]) -> Option<serde_json::Value> {
        let mut object = serde_json::Map::new();
        for (name, read) in &self.0 {
            object.insert(name.clone(), read(&mut row)?);
        }
        row.is_empty().then(|| object.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{COLUMNS, EventKind, EventRow};

    #[test]
    fn a_row_is_shown_with_the_names_of_its_columns() {
        let layout = RowLayout::parse(&COLUMNS.join(", ")).unwrap();
        let long = "x".repeat(300);
        let row = EventRow {
            path: &long,
            kind: EventKind::Event,
            props: &[("plan", "best"), ("seats", "4")],
            lcp_ms: Some(1800),
            ..EventRow::default()
        };
        let mut bytes = Vec::new();
        row.encode(&mut bytes);
        let shown = layout.decode(&bytes).unwrap();
        assert_eq!((&shown["kind"], &shown["props"]["seats"]), (&"event".into(), &"4".into()));
        assert_eq!(layout.decode(&bytes[..bytes.len() - 1]), None, "the row is cut");
        assert_eq!(layout.decode(&[&*bytes, b"x"].concat()), None, "bytes are left over");
        assert!(RowLayout::parse("page_load, mood").is_none());
    }
}
