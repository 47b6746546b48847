//! Gathers the values of a column of type `Map`.

use super::column::{NativeColumn, TextColumn};
use super::dictionary::Dictionary;
use super::output::BlockOutput;
use crate::event::row_binary::read_length;

/// Pairs of a name, which repeats, and a text.
pub(in crate::event) struct Pairs {
    /// For each row the number of pairs up to its end, in 8 bytes.
    ends: Vec<u8>,
    count: u64,
    names: Box<Dictionary>,
    values: Box<TextColumn>,
}

impl Pairs {
    pub(in crate::event) fn new(rows: usize) -> Self {
        Self {
            ends: Vec::with_capacity(rows * size_of::<u64>()),
            count: 0,
            names: Box::new(Dictionary::new(0)),
            values: Box::default(),
        }
    }
}

impl NativeColumn for Pairs {
    fn push(&mut self, bytes: &mut &[u8]) -> Option<()> {
        let pairs = read_length(bytes)?;
        for _ in 0..pairs {
            self.names.push(bytes)?;
            self.values.push(bytes)?;
        }
        self.count += pairs as u64;
        self.push_defaults(1);
        Some(())
    }

    fn push_defaults(&mut self, count: usize) {
        for _ in 0..count {
            self.ends.extend_from_slice(&self.count.to_le_bytes());
        }
    }

    fn put_prefix(&self, out: &mut BlockOutput<'_>) {
        self.names.put_prefix(out);
    }

    fn put_values(self: Box<Self>, out: &mut BlockOutput<'_>) {
        out.put(self.ends);
        self.names.put_values(out);
        self.values.put_values(out);
    }
}
