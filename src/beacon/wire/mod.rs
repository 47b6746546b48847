//! JSON values of the wire format, and the macro that declares its objects.

mod field;
mod number;
mod text;
mod texts;

pub(super) use field::{WireField, wire_object};
pub(super) use number::{DurationMs, EntryTime, FiniteScore, Flag, WholeNumber};
pub use text::RawText;
pub(super) use texts::NamedTexts;

#[cfg(test)]
pub(super) use field::WireType;
