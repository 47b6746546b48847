//! The row of table `events`: its columns in their order, its encoding, and the enums that its columns hold.
//!
//! A row is encoded as ClickHouse RowBinary, and the spool stores these bytes. The rows of a segment become a block of columns in ClickHouse's
//! Native format when they are sent to the store.
//! `docs/fields.md` describes each column. This module imports no other module of the crate.

mod column;
mod date;
mod kind;
mod names;
mod native;
mod row;
pub(crate) mod row_binary;

pub use column::{TextPairs, UniqueText};
pub use date::{UnixDay, UnixSeconds};
pub use kind::{BotCategory, DeviceClass, DropReason, EventKind, ScreenClass};
pub(crate) use names::names;
pub(crate) use native::NativeBlock;
#[cfg(test)]
pub(crate) use row::column_descriptions;
pub use row::{COLUMNS, EventRow};
pub(crate) use row::{ReadColumnValue, column_definitions, column_reader};
