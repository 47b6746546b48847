//! Texts by name: properties and cookies.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::text::RawText;

/// Texts by name: an object of texts, numbers and flags, a list of `name=value`, or a text that is written as a query.
///
/// A member of another type (null, a list, an object) is dropped, and so is the whole value if it is a null, a number or a
/// flag: the other events of the beacon must not be lost. It keeps one text more than `MAX`, so that the caller notices an
/// excess.
#[derive(Default)]
pub(in crate::beacon) struct NamedTexts<'a, const MAX: usize>(
    pub(in crate::beacon) Vec<(RawText<'a>, RawText<'a>)>,
);

impl<'de: 'a, 'a, const MAX: usize> Deserialize<'de> for NamedTexts<'a, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NamedTextsVisitor::<MAX>)
    }
}

struct NamedTextsVisitor<const MAX: usize>;

impl<'de, const MAX: usize> Visitor<'de> for NamedTextsVisitor<MAX> {
    type Value = NamedTexts<'de, MAX>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of texts, numbers, true and false")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut texts = Vec::new();
        while let Some((name, ScalarText(value))) = map.next_entry::<RawText<'de>, ScalarText<'de>>()? {
            if let Some(value) = value
                && texts.len() <= MAX
            {
                texts.push((name, value));
            }
        }
        Ok(NamedTexts(texts))
    }

    fn visit_borrowed_str<E: Error>(self, query: &'de str) -> Result<Self::Value, E> {
        let pairs = url::form_urlencoded::parse(query.as_bytes()).take(MAX + 1);
        Ok(NamedTexts(pairs.map(|(name, value)| (RawText(name), RawText(value))).collect()))
    }

    fn visit_str<E: Error>(self, query: &str) -> Result<Self::Value, E> {
        let pairs = url::form_urlencoded::parse(query.as_bytes()).into_owned().take(MAX + 1);
        Ok(NamedTexts(pairs.map(|(name, value)| (RawText(name.into()), RawText(value.into()))).collect()))
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(NamedTexts(Vec::new()))
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Self::Value, E> {
        Ok(NamedTexts(Vec::new()))
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Self::Value, E> {
        Ok(NamedTexts(Vec::new()))
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Self::Value, E> {
        Ok(NamedTexts(Vec::new()))
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Self::Value, E> {
        Ok(NamedTexts(Vec::new()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut texts = Vec::new();
        while let Some(RawText(pair)) = list.next_element::<RawText<'de>>()? {
            if texts.len() <= MAX {
                let (name, value) = split(pair);
                texts.push((RawText(name), RawText(value)));
            }
        }
        Ok(NamedTexts(texts))
    }
}

/// Name and value of `name=value`. Cookies may still have the space that followed a `;`.
fn split(pair: Cow<'_, str>) -> (Cow<'_, str>, Cow<'_, str>) {
    match pair {
        Cow::Borrowed(pair) => {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (Cow::Borrowed(name.trim_start()), Cow::Borrowed(value))
        }
        Cow::Owned(pair) => {
            let (name, value) = pair.split_once('=').unwrap_or((&pair, ""));
            (Cow::Owned(name.trim_start().to_owned()), Cow::Owned(value.to_owned()))
        }
    }
}

/// A text, number or flag as a text; `None` for a null, a list or an object.
struct ScalarText<'a>(Option<RawText<'a>>);

impl<'de: 'a, 'a> Deserialize<'de> for ScalarText<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarTextVisitor)
    }
}

struct ScalarTextVisitor;

impl<'de> Visitor<'de> for ScalarTextVisitor {
    type Value = ScalarText<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text, a number, true or false")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(ScalarText(Some(RawText(Cow::Borrowed(text)))))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(ScalarText(Some(RawText(Cow::Owned(text.to_owned())))))
    }

    fn visit_bool<E: Error>(self, flag: bool) -> Result<Self::Value, E> {
        Ok(ScalarText(Some(RawText(Cow::Borrowed(if flag { "true" } else { "false" })))))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
        Ok(ScalarText(Some(RawText(Cow::Owned(number.to_string())))))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Self::Value, E> {
        Ok(ScalarText(Some(RawText(Cow::Owned(number.to_string())))))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Self::Value, E> {
        Ok(ScalarText(Some(RawText(Cow::Owned(number.to_string())))))
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(ScalarText(None))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(ScalarText(None))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(ScalarText(None))
    }
}

#[cfg(test)]
impl<const MAX: usize> super::field::WireType for NamedTexts<'_, MAX> {
    fn type_name() -> &'static str {
        "object, list or text"
    }
}
