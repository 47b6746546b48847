//! ClickHouse's Native format: a block of rows, column by column.
//!
//! It turns rows in RowBinary into one block, which the store reads at a fraction of the cost. Rows with a value that this version does
//! not know are refused, and the caller sends them as they are.

mod block;
mod column;
mod dictionary;
mod output;
mod pairs;

pub(crate) use block::NativeBlock;
pub(super) use column::{FixedWidth, NativeColumn, Nullable, TextColumn};
pub(super) use dictionary::Dictionary;
pub(super) use pairs::Pairs;
