//! JSON values of the wire format, and the macro that declares its objects.

mod decimal;
mod field;
mod members;
mod mended;
mod number;
mod text;
mod texts;

pub use decimal::short_decimal;
pub(super) use field::{WireField, read_field, wire_object};
pub(super) use members::{FieldError, Members, problem};
pub use mended::MendedBody;
pub(super) use number::{DurationMs, EntryTime, FiniteScore, Flag, WholeNumber};
pub use text::RawText;
pub(super) use texts::NamedTexts;

#[cfg(test)]
pub(super) use field::WireType;
