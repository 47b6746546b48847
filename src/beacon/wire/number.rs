//! Numbers and flags, as lenient as browsers require.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, Visitor};

/// A time in ms; null counts as 0.
#[derive(Clone, Copy, Default)]
pub(in crate::beacon) struct EntryTime(pub(in crate::beacon) f64);

impl<'de> Deserialize<'de> for EntryTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(Option::<f64>::deserialize(deserializer)?.unwrap_or_default()))
    }
}

/// A number that is not negative. Fractions are rounded: clocks of browsers give them.
#[derive(Clone, Copy, Default)]
pub(in crate::beacon) struct WholeNumber(pub(in crate::beacon) u64);

impl WholeNumber {
    pub(in crate::beacon) fn saturated(self) -> u32 {
        u32::try_from(self.0).unwrap_or(u32::MAX)
    }
}

impl<'de> Deserialize<'de> for WholeNumber {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WholeNumberVisitor)
    }
}

struct WholeNumberVisitor;

impl Visitor<'_> for WholeNumberVisitor {
    type Value = WholeNumber;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number that is not negative")
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<WholeNumber, E> {
        Ok(WholeNumber(number))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<WholeNumber, E> {
        // The cast saturates: 1e300 becomes the largest number.
        if number >= 0.0 {
            Ok(WholeNumber(number.round() as u64))
        } else {
            Err(E::custom("expected a number that is not negative"))
        }
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<WholeNumber, E> {
        Err(E::custom("expected a number that is not negative"))
    }
}

/// A duration in ms. A negative one counts as 0: the clock was set back in the meantime.
#[derive(Clone, Copy, Default)]
pub(in crate::beacon) struct DurationMs(pub(in crate::beacon) u32);

impl<'de> Deserialize<'de> for DurationMs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // The cast saturates.
        Ok(Self(f64::deserialize(deserializer)?.round() as u32))
    }
}

/// False for 0, false and null; true for true and any number above 0.
#[derive(Clone, Copy, Default)]
pub(in crate::beacon) struct Flag(pub(in crate::beacon) bool);

impl<'de> Deserialize<'de> for Flag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FlagVisitor)
    }
}

struct FlagVisitor;

impl Visitor<'_> for FlagVisitor {
    type Value = Flag;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("0, 1, true or false")
    }

    fn visit_bool<E: Error>(self, flag: bool) -> Result<Flag, E> {
        Ok(Flag(flag))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Flag, E> {
        Ok(Flag(number > 0))
    }

    fn visit_unit<E: Error>(self) -> Result<Flag, E> {
        Ok(Flag(false))
    }
}

/// A finite score that is not negative.
#[derive(Clone, Copy)]
pub(in crate::beacon) struct FiniteScore(pub(in crate::beacon) f32);

impl<'de> Deserialize<'de> for FiniteScore {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = f64::deserialize(deserializer)? as f32;
        if number.is_finite() && number >= 0.0 {
            Ok(Self(number))
        } else {
            Err(D::Error::custom("expected a number that is not negative"))
        }
    }
}

#[cfg(test)]
mod type_names {
    use super::*;
    use crate::beacon::wire::WireType;

    macro_rules! type_names {
        ($($type:ty => $name:literal,)*) => {
            $(impl WireType for $type {
                fn type_name() -> &'static str {
                    $name
                }
            })*
        };
    }

    type_names! {
        EntryTime => "number",
        WholeNumber => "number",
        DurationMs => "number",
        FiniteScore => "number",
        Flag => "0, 1, true or false",
    }
}
