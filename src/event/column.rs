//! How a column's value is written: as ClickHouse RowBinary for the spool and the store, as JSON for people.

use super::{BotCategory, Day, Device, Kind, Milliseconds, Pairs};

/// A value of a column: how RowBinary and JSON write it.
pub(super) trait Column {
    fn encode(&self, out: &mut Vec<u8>);
    fn to_json(&self) -> serde_json::Value;
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
}

impl Column for Milliseconds {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0.to_le_bytes());
    }

    fn to_json(&self) -> serde_json::Value {
        jiff::Timestamp::from_millisecond(self.0)
            .map_or(serde_json::Value::Null, |time| time.to_string().into())
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
}

impl Column for &str {
    fn encode(&self, out: &mut Vec<u8>) {
        varint(self.len(), out);
        out.extend_from_slice(self.as_bytes());
    }

    fn to_json(&self) -> serde_json::Value {
        (*self).into()
    }
}

impl Column for Pairs<'_> {
    fn encode(&self, out: &mut Vec<u8>) {
        varint(self.len(), out);
        for (name, value) in *self {
            name.encode(out);
            value.encode(out);
        }
    }

    fn to_json(&self) -> serde_json::Value {
        self.iter().map(|(name, value)| ((*name).to_owned(), serde_json::Value::from(*value))).collect()
    }
}

impl Column for Kind {
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(*self as u8);
    }

    fn to_json(&self) -> serde_json::Value {
        self.name().into()
    }
}

impl Column for Device {
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(*self as u8);
    }

    fn to_json(&self) -> serde_json::Value {
        self.name().into()
    }
}

impl Column for BotCategory {
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(*self as u8);
    }

    fn to_json(&self) -> serde_json::Value {
        self.name().into()
    }
}

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
}

/// Appends an unsigned LEB128 number, as RowBinary writes lengths.
fn varint(mut number: usize, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_leb128() {
        for (number, bytes) in [(0, vec![0]), (127, vec![127]), (128, vec![0x80, 1]), (300, vec![0xac, 2])] {
            let mut out = Vec::new();
            varint(number, &mut out);
            assert_eq!(out, bytes);
        }
    }
}
