//! A block that is gathered row by row and then passed on column by column.

use bytes::Bytes;

use super::column::NativeColumn;
use super::output::BlockOutput;
use crate::event::row::native_column;
use crate::event::row_binary::{put_length, put_text};

/// Values of constants that are encoded at once.
const CONSTANTS: usize = 8 << 10;

/// One block of rows.
///
/// Its memory is a third of the encoded rows as a rule, since texts repeat. It is about three times as much if all texts are short and
/// different: each takes a place in a hash table, and vectors of texts double when they grow.
pub(crate) struct NativeBlock {
    columns: Vec<Column>,
    /// Columns of type `UInt64` with the same value in each row.
    constants: Vec<(&'static str, u64)>,
    rows: usize,
}

struct Column {
    name: String,
    sql_type: String,
    values: Box<dyn NativeColumn>,
}

impl NativeBlock {
    /// An empty block of the columns of encoded rows. `None`: this version does not know one of them. `rows` is how many are expected.
    pub(crate) fn new<'a>(columns: impl Iterator<Item = &'a str>, rows: usize) -> Option<Self> {
        let column = |name: &str| {
            let (sql_type, values) = native_column(name, rows)?;
            Some(Column { name: name.to_owned(), sql_type, values })
        };
        Some(Self { columns: columns.map(column).collect::<Option<_>>()?, constants: Vec::new(), rows: 0 })
    }

    pub(crate) fn add_constant(&mut self, name: &'static str, value: u64) {
        self.constants.push((name, value));
    }

    /// Appends a row in RowBinary. `None`: the bytes are not a row that this version knows, and the block must not be used any more.
    pub(crate) fn push(&mut self, mut row: &[u8]) -> Option<()> {
        for column in &mut self.columns {
            column.values.push(&mut row)?;
        }
        self.rows += 1;
        row.is_empty().then_some(())
    }

    /// Passes the block to `send`, chunk by chunk, until that returns `false`.
    pub(crate) fn send(self, mut send: impl FnMut(Bytes) -> bool) {
        let mut out = BlockOutput::new(&mut send);
        let mut head = Vec::new();
        put_length(self.columns.len() + self.constants.len(), &mut head);
        put_length(self.rows, &mut head);
        for column in self.columns {
            if !out.is_wanted() {
                return;
            }
            put_text(&column.name, &mut head);
            put_text(&column.sql_type, &mut head);
            out.put(std::mem::take(&mut head));
            column.values.put_prefix(&mut out);
            column.values.put_values(&mut out);
        }
        for (name, value) in self.constants {
            put_text(name, &mut head);
            put_text("UInt64", &mut head);
            out.put(std::mem::take(&mut head));
            let values = value.to_le_bytes().repeat(self.rows.min(CONSTANTS));
            let mut left = self.rows * size_of::<u64>();
            while left > 0 {
                let len = left.min(values.len());
                out.copy(&values[..len]);
                left -= len;
            }
        }
        out.flush();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{COLUMNS, EventRow};

    fn bytes(block: NativeBlock) -> Vec<u8> {
        let mut bytes = Vec::new();
        block.send(|chunk| {
            bytes.extend_from_slice(&chunk);
            true
        });
        bytes
    }

    #[test]
    fn a_block_holds_each_column_behind_its_name_and_type() {
        let mut block = NativeBlock::new(["seq", "path", "lcp_ms", "props"].into_iter(), 2).unwrap();
        block.add_constant("segment", 9);
        block.push(b"\x07\0\0\0\x02/a\x01\0").unwrap();
        block.push(b"\x08\0\0\0\x02/a\0\x05\0\0\0\x01\x01k\x01v").unwrap();
        let expected = [
            b"\x05\x02".as_slice(),
            b"\x03seq\x06UInt32\x07\0\0\0\x08\0\0\0",
            b"\x04path\x16LowCardinality(String)\x01\0\0\0\0\0\0\0",
            b"\0\x06\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\0\x02/a\x02\0\0\0\0\0\0\0\x01\x01",
            b"\x06lcp_ms\x10Nullable(UInt32)\x01\0\0\0\0\0\x05\0\0\0",
            b"\x05props\x23Map(LowCardinality(String), String)\x01\0\0\0\0\0\0\0",
            b"\0\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0",
            b"\0\x06\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\0\x01k\x01\0\0\0\0\0\0\0\x01\x01v",
            b"\x07segment\x06UInt64\x09\0\0\0\0\0\0\0\x09\0\0\0\0\0\0\0",
        ];
        assert_eq!(bytes(block), expected.concat());
    }

    #[test]
    fn a_row_that_this_version_does_not_know_is_refused() {
        let refuses = |columns: &[&str], row: &[u8]| {
            NativeBlock::new(columns.iter().copied(), 1).is_none_or(|mut block| block.push(row).is_none())
        };
        let mut row = Vec::new();
        EventRow { path: "/a", lcp_ms: Some(3), props: &[("a", "b")], ..EventRow::default() }
            .encode(&mut row);
        assert!(!refuses(COLUMNS, &row));
        for cut in 0..row.len() {
            assert!(refuses(COLUMNS, &row[..cut]), "cut at {cut}");
        }
        assert!(refuses(COLUMNS, &[&*row, b"\0"].concat()), "a byte that belongs to no column");
        assert!(refuses(&["mood"], b"\0"), "a column of another version");
        assert!(refuses(&["kind"], b"\x63"), "a kind of another version");
        assert!(refuses(&["spoofed"], b"\x02"), "neither true nor false");
    }

    #[test]
    fn a_block_longer_than_a_chunk_is_passed_on_in_chunks() {
        let mut block = NativeBlock::new(["page_load", "error_message"].into_iter(), 300_000).unwrap();
        block.add_constant("segment", 1);
        for number in 0..300_000_u64 {
            let text = [number.to_le_bytes().as_slice(), b"\x04text"].concat();
            block.push(&text).unwrap();
        }
        let mut chunks = Vec::new();
        block.send(|chunk| {
            chunks.push(chunk.len());
            true
        });
        assert!(chunks.iter().all(|length| *length <= 1 << 21), "{chunks:?}");
        assert_eq!(chunks.iter().sum::<usize>(), 300_000 * (8 + 5 + 8) + 4 + 10 + 7 + 14 + 7 + 8 + 7);
    }
}
