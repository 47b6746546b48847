//! Gathers the values of one column, for each kind of column that a row has.

use super::output::BlockOutput;
use crate::event::row_binary::{read_encoded_text, take};

/// The values of one column.
pub(in crate::event) trait NativeColumn: Send {
    /// Moves one value from the front of RowBinary to the end of the column. `None`: the bytes are not a value of this column.
    fn push(&mut self, bytes: &mut &[u8]) -> Option<()>;

    /// Appends a number of default values.
    fn push_defaults(&mut self, count: usize);

    /// Writes what comes before the values, also of a column without values.
    fn put_prefix(&self, _: &mut BlockOutput<'_>) {}

    fn put_values(self: Box<Self>, out: &mut BlockOutput<'_>);
}

/// Values of `N` bytes each.
pub(in crate::event) struct FixedWidth<const N: usize, F> {
    values: Vec<u8>,
    is_valid: F,
}

impl<const N: usize, F: Fn([u8; N]) -> bool> FixedWidth<N, F> {
    /// `is_valid` tells whether this version knows a value.
    pub(in crate::event) fn new(rows: usize, is_valid: F) -> Self {
        Self { values: Vec::with_capacity(rows * N), is_valid }
    }
}

impl<const N: usize, F: Fn([u8; N]) -> bool + Send> NativeColumn for FixedWidth<N, F> {
    fn push(&mut self, bytes: &mut &[u8]) -> Option<()> {
        let value = *take(bytes)?;
        (self.is_valid)(value).then(|| self.values.extend_from_slice(&value))
    }

    fn push_defaults(&mut self, count: usize) {
        self.values.resize(self.values.len() + count * N, 0);
    }

    fn put_values(self: Box<Self>, out: &mut BlockOutput<'_>) {
        out.put(self.values);
    }
}

/// Texts as they are, for a column of type `String`.
#[derive(Default)]
pub(in crate::event) struct TextColumn(Vec<u8>);

impl NativeColumn for TextColumn {
    fn push(&mut self, bytes: &mut &[u8]) -> Option<()> {
        self.0.extend_from_slice(read_encoded_text(bytes)?);
        Some(())
    }

    fn push_defaults(&mut self, count: usize) {
        self.0.resize(self.0.len() + count, 0);
    }

    fn put_values(self: Box<Self>, out: &mut BlockOutput<'_>) {
        out.put(self.0);
    }
}

/// Values that may be missing.
pub(in crate::event) struct Nullable<C> {
    /// For each row 1 if its value is missing.
    nulls: Vec<u8>,
    values: Box<C>,
    /// How many missing values at the end have no default in `values` yet: most rows have no value.
    owed: usize,
}

impl<C: NativeColumn> Nullable<C> {
    pub(in crate::event) fn new(rows: usize, values: C) -> Self {
        Self { nulls: Vec::with_capacity(rows), values: Box::new(values), owed: 0 }
    }
}

impl<C: NativeColumn> NativeColumn for Nullable<C> {
    fn push(&mut self, bytes: &mut &[u8]) -> Option<()> {
        match take(bytes)? {
            [0] => {
                self.nulls.push(0);
                self.values.push_defaults(std::mem::take(&mut self.owed));
                self.values.push(bytes)
            }
            [_] => {
                self.push_defaults(1);
                Some(())
            }
        }
    }

    fn push_defaults(&mut self, count: usize) {
        self.nulls.resize(self.nulls.len() + count, 1);
        self.owed += count;
    }

    fn put_prefix(&self, out: &mut BlockOutput<'_>) {
        self.values.put_prefix(out);
    }

    fn put_values(mut self: Box<Self>, out: &mut BlockOutput<'_>) {
        self.values.push_defaults(self.owed);
        out.put(self.nulls);
        self.values.put_values(out);
    }
}
