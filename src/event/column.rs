//! How a column's value is written: as ClickHouse RowBinary for the spool and the store, as JSON for people; and read back.

use super::row_binary::{put_length, put_text, take, take_length, take_text};
use super::{BotCategory, Day, Device, Kind, Milliseconds, Pairs};

/// A value of a column: how RowBinary and JSON write it.
pub(super) trait Column {
    fn encode(&self, out: &mut Vec<u8>);
    fn to_json(&self) -> serde_json::Value;
    /// Takes a value off RowBinary. None: there is no whole one.
    fn read(bytes: &mut &[u8]) -> Option<serde_json::Value>;
}

macro_rules! number {
    ($($type:ty),*) => {
        $(impl Column for $type {
            fn encode(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }

            fn to_json(&self) -> serde_json::Value {
                (*self).into()
            }

            fn read(bytes: &mut &[u8]) -> Option<serde_json::Value> {
                take(bytes).map(|value| Self::from_le_bytes(*value).into())
            }
        })*
    };
}

number!(u8, u16, u32, u64, f32);

impl Column for bool {
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }

    fn to_json(&self) -> serde_json::Value {
        (*self).into()
    }

    fn read(bytes: &mut &[u8]) -> Option<serde_json::Value> {
        take(bytes).map(|[value]| (*value != 0).into())
    }
}

impl Column for Milliseconds {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0.to_le_bytes());
    }

    fn to_json(&self) -> serde_json::Value {
        jiff::Timestamp::from_millisecond(self.0)
            .map_or(serde_json::Value::Null, |time| time.to_string().into())
    }

    fn read(bytes: &mut &[u8]) -> Option<serde_json::Value> {
        take(bytes).map(|value| Self(i64::from_le_bytes(*value)).to_json())
    }
}

impl Column for Day {
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
}

impl Column for &str {
    fn encode(&self, out: &mut Vec<u8>) {
        put_text(self, out);
    }

    fn to_json(&self) -> serde_json::Value {
        (*self).into()
    }

    fn read(bytes: &mut &[u8]) -> Option<serde_json::Value> {
        text(bytes).map(Into::into)
    }
}

impl Column for Pairs<'_> {
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
        let pairs = take_length(bytes)?;
        let mut object = serde_json::Map::new();
        for _ in 0..pairs {
            let name = text(bytes)?;
            object.insert(name, text(bytes)?.into());
        }
        Some(object.into())
    }
}

macro_rules! named {
    ($($type:ty),*) => {
        $(impl Column for $type {
            fn encode(&self, out: &mut Vec<u8>) {
                out.push(*self as u8);
            }

            fn to_json(&self) -> serde_json::Value {
                self.name().into()
            }

            fn read(bytes: &mut &[u8]) -> Option<serde_json::Value> {
                // A number that no variant has is shown as it is.
                take(bytes).map(|[number]| {
                    let known = Self::ALL.into_iter().find(|known| *known as u8 == *number);
                    known.map_or_else(|| (*number).into(), |known| known.to_json())
                })
            }
        })*
    };
}

named!(Kind, Device, BotCategory);

impl<T: Column> Column for Option<T> {
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
        self.as_ref().map_or(serde_json::Value::Null, Column::to_json)
    }

    fn read(bytes: &mut &[u8]) -> Option<serde_json::Value> {
        match take(bytes)? {
            [0] => T::read(bytes),
            [_] => Some(serde_json::Value::Null),
        }
    }
}

/// A text for people: what is no UTF-8 is shown with marks in its place.
fn text(bytes: &mut &[u8]) -> Option<String> {
    take_text(bytes).map(|text| String::from_utf8_lossy(text).into_owned())
}
