//! The row of table `events`: its columns in their order, its encoding, and the enums that its columns hold.
//!
//! A row is encoded once, as ClickHouse RowBinary. The spool stores these bytes and the store sends them unchanged.
//! `docs/fields.md` describes each column. This module imports no other module of the crate.

mod column;
mod date;
mod kind;
mod names;
mod row;
pub(crate) mod row_binary;

pub use column::{TextPairs, UniqueText};
pub use date::{UnixDay, UnixSeconds};
pub use kind::{BotCategory, DeviceClass, DropReason, EventKind, ScreenClass};
pub(crate) use names::names;
#[cfg(test)]
pub(crate) use row::column_descriptions;
pub use row::{COLUMNS, EventRow};
pub(crate) use row::{ReadColumnValue, column_definitions, column_reader};
