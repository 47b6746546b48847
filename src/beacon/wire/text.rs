//! A JSON text that borrows from the body unless it has escapes.
//!
//! `Cow<str>` borrows only as a field of its own. This type borrows inside `Option`, lists and maps too.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, Visitor};

#[derive(Clone, Default, PartialEq, Eq)]
pub struct RawText<'a>(pub Cow<'a, str>);

impl std::ops::Deref for RawText<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

/// Prints the length alone: the text may be personal.
impl fmt::Debug for RawText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{} bytes]", self.0.len())
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for RawText<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(RawTextVisitor)
    }
}

struct RawTextVisitor;

impl<'de> Visitor<'de> for RawTextVisitor {
    type Value = RawText<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(RawText(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(RawText(Cow::Owned(text.to_owned())))
    }
}

#[cfg(test)]
impl super::field::WireType for RawText<'_> {
    fn type_name() -> &'static str {
        "text"
    }
}
