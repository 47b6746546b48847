//! Encodings of a column's value: RowBinary for the spool, Native for the store, JSON for people.

use super::date::{UnixDay, UnixSeconds};
use super::native::{Dictionary, FixedWidth, NativeColumn, Nullable, Pairs, TextColumn};
use super::row_binary::{put_length, put_text, read_length, read_text, take};

/// Names and values of a `Map(LowCardinality(String), String)`.
pub type TextPairs<'a> = &'a [(&'a str, &'a str)];

/// A text whose values seldom repeat.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UniqueText<'a>(pub &'a str);

pub(super) trait ColumnValue {
    fn encode(&self, out: &mut Vec<u8>);
    fn to_json(&self) -> serde_json::Value;
    /// Removes a value from the front of RowBinary; `None` when the bytes end before the value does.
    fn read(bytes: &mut &[u8]) -> Option<serde_json::Value>;
    /// The type in ClickHouse.
    fn sql_type() -> String;
    /// Gathers values in RowBinary for a block in Native; `rows` is how many are expected.
    fn native_column(rows: usize) -> impl NativeColumn + 'static;
}

macro_rules! number {
    ($($type:ty => $sql_type:literal),*) => {
        $(impl ColumnValue for $type {
            fn encode(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }

            fn to_json(&self) -> serde_json::Value {
                (*self).into()
            }

            fn read(bytes: &mut &[u8]) -> Option<serde_json::Value> {
                take(bytes).map(|value| Self::from_le_bytes(*value).into())
            }

            fn sql_type() -> String {
                $sql_type.to_owned()
            }

            fn native_column(rows: usize) -> impl NativeColumn + 'static {
                FixedWidth::<{ size_of::<Self>() }, _>::new(rows, |_| true)
            }
        })*
    };
}

number!(u8 => "UInt8", u16 => "UInt16", u32 => "UInt32", u64 => "UInt64", f32 => "Float32");

impl ColumnValue for bool {
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }

    fn to_json(&self) -> serde_json::Value {
        (*self).into()
    }

    fn read(bytes: &mut &[u8]) -> Option<serde_json::Value> {
        take(bytes).map(|[value]| (*value != 0).into())
    }

    fn sql_type() -> String {
        "Bool".to_owned()
    }

    fn native_column(rows: usize) -> impl NativeColumn + 'static {
        FixedWidth::new(rows, |[value]| value <= 1)
    }
}

impl ColumnValue for UnixSeconds {
    fn encode(&self, out: &mut Vec<u8>) {
        self.0.encode(out);
    }

    fn to_json(&self) -> serde_json::Value {
        jiff::Timestamp::from_second(self.0.into())
            .map_or(serde_json::Value::Null, |time| time.to_string().into())
    }

    fn read(bytes: &mut &[u8]) -> Option<serde_json::Value> {
        take(bytes).map(|value| Self(u32::from_le_bytes(*value)).to_json())
    }

    fn sql_type() -> String {
        "DateTime('UTC')".to_owned()
    }

    fn native_column(rows: usize) -> impl NativeColumn + 'static {
        u32::native_column(rows)
    }
}

impl ColumnValue for UnixDay {
    fn encode(&self, out: &mut Vec<u8>) {
        self.0.encode(out);
    }

    fn to_json(&self) -> serde_json::Value {
        jiff::civil::date(1970, 1, 1)
            .checked_add(jiff::Span::new().days(i64::from(self.0)))
            .map_or(serde_json::Value::Null, |date| date.to_string().into())
    }

    fn read(bytes: &mut &[u8]) -> Option<serde_json::Value> {
        take(bytes).map(|value| Self(u16::from_le_bytes(*value)).to_json())
    }

    fn sql_type() -> String {
        "Date".to_owned()
    }

    fn native_column(rows: usize) -> impl NativeColumn + 'static {
        u16::native_column(rows)
    }
}

impl ColumnValue for &str {
    fn encode(&self, out: &mut Vec<u8>) {
        put_text(self, out);
    }

    fn to_json(&self) -> serde_json::Value {
        (*self).into()
    }

    fn read(bytes: &mut &[u8]) -> Option<serde_json::Value> {
        text(bytes).map(Into::into)
    }

    fn sql_type() -> String {
        "LowCardinality(String)".to_owned()
    }

    fn native_column(rows: usize) -> impl NativeColumn + 'static {
        Dictionary::new(rows)
    }
}

impl ColumnValue for UniqueText<'_> {
    fn encode(&self, out: &mut Vec<u8>) {
        self.0.encode(out);
    }

    fn to_json(&self) -> serde_json::Value {
        self.0.into()
    }

    fn read(bytes: &mut &[u8]) -> Option<serde_json::Value> {
        <&str>::read(bytes)
    }

    fn sql_type() -> String {
        "String".to_owned()
    }

    fn native_column(_: usize) -> impl NativeColumn + 'static {
        TextColumn::default()
    }
}

impl ColumnValue for TextPairs<'_> {
    fn encode(&self, out: &mut Vec<u8>) {
        put_length(self.len(), out);
        for (name, value) in *self {
            name.encode(out);
            value.encode(out);
        }
    }

    fn to_json(&self) -> serde_json::Value {
        self.iter().map(|(name, value)| ((*name).to_owned(), serde_json::Value::from(*value))).collect()
    }

    fn read(bytes: &mut &[u8]) -> Option<serde_json::Value> {
        let pairs = read_length(bytes)?;
        let mut object = serde_json::Map::new();
        for _ in 0..pairs {
            let name = text(bytes)?;
            object.insert(name, text(bytes)?.into());
        }
        Some(object.into())
    }

    fn sql_type() -> String {
        "Map(LowCardinality(String), String)".to_owned()
    }

    fn native_column(rows: usize) -> impl NativeColumn + 'static {
        Pairs::new(rows)
    }
}

/// Makes column types of enums that `names!` declares with numbers.
macro_rules! named {
    ($($type:ty),*) => {
        $(impl $crate::event::column::ColumnValue for $type {
            fn encode(&self, out: &mut Vec<u8>) {
                out.push(*self as u8);
            }

            fn to_json(&self) -> serde_json::Value {
                self.name().into()
            }

            fn read(bytes: &mut &[u8]) -> Option<serde_json::Value> {
                // An unknown number is shown as it is.
                $crate::event::row_binary::take(bytes).map(|[number]| {
                    let known = Self::ALL.into_iter().find(|known| *known as u8 == *number);
                    known.map_or_else(|| (*number).into(), |known| known.name().into())
                })
            }

            fn sql_type() -> String {
                let values = Self::ALL.map(|known| format!("'{}' = {}", known.name(), known as u8));
                format!("Enum8({})", values.join(", "))
            }

            fn native_column(rows: usize) -> impl $crate::event::native::NativeColumn + 'static {
                let is_known = |[number]: [u8; 1]| Self::ALL.iter().any(|known| *known as u8 == number);
                $crate::event::native::FixedWidth::new(rows, is_known)
            }
        })*
    };
}

pub(super) use named;

impl<T: ColumnValue> ColumnValue for Option<T> {
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            None => out.push(1),
            Some(value) => {
                out.push(0);
                value.encode(out);
            }
        }
    }

    fn to_json(&self) -> serde_json::Value {
        self.as_ref().map_or(serde_json::Value::Null, ColumnValue::to_json)
    }

    fn read(bytes: &mut &[u8]) -> Option<serde_json::Value> {
        match take(bytes)? {
            [0] => T::read(bytes),
            [_] => Some(serde_json::Value::Null),
        }
    }

    fn sql_type() -> String {
        format!("Nullable({})", T::sql_type())
    }

    fn native_column(rows: usize) -> impl NativeColumn + 'static {
        Nullable::new(rows, T::native_column(rows))
    }
}

/// A text for people: replacement characters stand for bytes that are not UTF-8.
fn text(bytes: &mut &[u8]) -> Option<String> {
    read_text(bytes).map(|text| String::from_utf8_lossy(text).into_owned())
}
