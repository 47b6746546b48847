//! Texts by name: properties and cookies.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use serde_json::value::RawValue;

use super::decimal::short_decimal;
use super::members::Members;
use super::text::RawText;

/// Texts by name: an object of texts, numbers and flags, a list of `name=value`, or a text that is written as a query.
///
/// A member of another type (a list, an object) is dropped, and so are those after the first `MAX` and the whole value if it is a number
/// or a flag. A null is no value: it is dropped too, but not counted.
#[derive(Default)]
pub(in crate::beacon) struct NamedTexts<'a, const MAX: usize> {
    pub(in crate::beacon) texts: Vec<(RawText<'a>, RawText<'a>)>,
    /// How many were dropped.
    pub(in crate::beacon) lost: usize,
}

impl<'a, const MAX: usize> NamedTexts<'a, MAX> {
    fn add(&mut self, name: RawText<'a>, value: RawText<'a>) {
        if self.texts.len() < MAX {
            self.texts.push((name, value));
        } else {
            self.lost += 1;
        }
    }

    fn add_pair(&mut self, RawText(pair): RawText<'a>) {
        let (name, value) = split(pair);
        self.add(RawText(name), RawText(value));
    }

    fn lost() -> Self {
        Self { texts: Vec::new(), lost: 1 }
    }

    /// Reads each member by itself, for a value that cannot be read as a whole: it has a number that no type holds.
    pub(in crate::beacon) fn salvage(value: &'a RawValue) -> Self {
        let mut texts = Self::default();
        let object = serde_json::from_str::<Members<'a>>(value.get());
        for (name, value) in object.iter().flat_map(Members::iter) {
            match serde_json::from_str(value.get()) {
                Ok(ScalarText::Text(value)) => texts.add(name.clone(), value),
                Ok(ScalarText::Null) => {}
                _ => texts.lost += 1,
            }
        }
        let list = serde_json::from_str::<Vec<&'a RawValue>>(value.get());
        for pair in list.iter().flatten() {
            match serde_json::from_str::<RawText<'a>>(pair.get()) {
                Ok(pair) => texts.add_pair(pair),
                Err(_) => texts.lost += 1,
            }
        }
        texts
    }
}

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
        let mut texts = NamedTexts::default();
        while let Some((name, value)) = map.next_entry::<RawText<'de>, ScalarText<'de>>()? {
            match value {
                ScalarText::Text(value) => texts.add(name, value),
                ScalarText::Null => {}
                ScalarText::Other => texts.lost += 1,
            }
        }
        Ok(texts)
    }

    fn visit_borrowed_str<E: Error>(self, query: &'de str) -> Result<Self::Value, E> {
        let mut texts = NamedTexts::default();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            texts.add(RawText(name), RawText(value));
        }
        Ok(texts)
    }

    fn visit_str<E: Error>(self, query: &str) -> Result<Self::Value, E> {
        let mut texts = NamedTexts::default();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()).into_owned() {
            texts.add(RawText(name.into()), RawText(value.into()));
        }
        Ok(texts)
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(NamedTexts::default())
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Self::Value, E> {
        Ok(NamedTexts::lost())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Self::Value, E> {
        Ok(NamedTexts::lost())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Self::Value, E> {
        Ok(NamedTexts::lost())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Self::Value, E> {
        Ok(NamedTexts::lost())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut texts = NamedTexts::default();
        while let Some(pair) = list.next_element::<ScalarText<'de>>()? {
            match pair {
                ScalarText::Text(pair) => texts.add_pair(pair),
                ScalarText::Null => {}
                ScalarText::Other => texts.lost += 1,
            }
        }
        Ok(texts)
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

enum ScalarText<'a> {
    /// Of a text, a number or a flag.
    Text(RawText<'a>),
    Null,
    /// A list or an object.
    Other,
}

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
        Ok(ScalarText::Text(RawText(Cow::Borrowed(text))))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(ScalarText::Text(RawText(Cow::Owned(text.to_owned()))))
    }

    fn visit_bool<E: Error>(self, flag: bool) -> Result<Self::Value, E> {
        Ok(ScalarText::Text(RawText(Cow::Borrowed(if flag { "true" } else { "false" }))))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
        self.visit_f64(number as f64)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Self::Value, E> {
        self.visit_f64(number as f64)
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Self::Value, E> {
        Ok(ScalarText::Text(RawText(Cow::Owned(short_decimal(number)))))
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(ScalarText::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(ScalarText::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(ScalarText::Other)
    }
}

#[cfg(test)]
impl<const MAX: usize> super::field::WireType for NamedTexts<'_, MAX> {
    fn type_name() -> &'static str {
        "object, list or text"
    }
}
