//! The members of a JSON object, each read by itself, so that one of them cannot make the others unreadable.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::text::RawText;

/// A field's name, empty for the whole object, and what is wrong with it.
pub(in crate::beacon) type FieldError = (&'static str, Cow<'static, str>);

/// Names and values of an object, in its order.
pub(in crate::beacon) struct Members<'a>(Vec<(RawText<'a>, &'a RawValue)>);

impl<'a> Members<'a> {
    /// # Errors
    /// When the text is not an object.
    pub(in crate::beacon) fn parse(json: &'a str) -> Result<Self, FieldError> {
        serde_json::from_str(json).map_err(|error| ("", problem(&error)))
    }

    /// Replaces the value of a field and returns the old one.
    ///
    /// # Errors
    /// When the field is missing or stands twice.
    pub(in crate::beacon) fn replace(
        &mut self,
        name: &'static str,
        value: &'a RawValue,
    ) -> Result<&'a RawValue, FieldError> {
        let old = self.find(&[name])?.ok_or_else(|| missing(name))?;
        let is_field = |(known, _): &&mut (RawText<'a>, _)| **known == *name;
        self.0.iter_mut().find(is_field).expect("it was found above").1 = value;
        Ok(old)
    }

    /// # Errors
    /// When the field is missing, stands twice or has another type.
    pub(in crate::beacon) fn required<T: Deserialize<'a>>(
        &self,
        name: &'static str,
    ) -> Result<T, FieldError> {
        let value = self.find(&[name])?.ok_or_else(|| missing(name))?;
        serde_json::from_str(value.get()).map_err(|error| (name, problem(&error)))
    }

    /// The field with one of these names. Null counts as missing. A field that cannot be read is added to `lost`, and counts as missing.
    pub(in crate::beacon) fn optional<T: Deserialize<'a> + Default>(
        &self,
        names: &[&'static str],
        lost: &mut Vec<FieldError>,
    ) -> T {
        let read = self.find(names).and_then(|value| match value {
            Some(value) if value.get() != "null" => {
                serde_json::from_str(value.get()).map_err(|error| (names[0], problem(&error)))
            }
            _ => Ok(T::default()),
        });
        read.unwrap_or_else(|error| {
            lost.push(error);
            T::default()
        })
    }

    /// The value of the first field with this name.
    pub(in crate::beacon) fn value(&self, name: &str) -> Option<&'a RawValue> {
        self.iter().find(|(known, _)| ***known == *name).map(|(_, value)| value)
    }

    pub(in crate::beacon) fn iter(&self) -> impl Iterator<Item = (&RawText<'a>, &'a RawValue)> {
        self.0.iter().map(|(name, value)| (name, *value))
    }

    fn find(&self, names: &[&'static str]) -> Result<Option<&'a RawValue>, FieldError> {
        let mut values = self.0.iter().filter(|(name, _)| names.contains(&&**name)).map(|(_, value)| *value);
        let value = values.next();
        if values.next().is_some() { Err((names[0], "stands twice".into())) } else { Ok(value) }
    }
}

fn missing(name: &'static str) -> FieldError {
    ("", format!("has no field {name}").into())
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Members(members))
    }
}

/// What `serde` expected, without what it found. A number that no type holds is no data to `serde_json`.
pub(in crate::beacon) fn problem(error: &serde_json::Error) -> Cow<'static, str> {
    if error.classify() != serde_json::error::Category::Data {
        return "cannot be read".into();
    }
    let message = error.to_string();
    let quoted = |start: &str| message.strip_prefix(start).and_then(|rest| rest.split('`').next());
    if let Some(name) = quoted("missing field `") {
        return format!("has no field {name}").into();
    }
    if let Some(name) = quoted("duplicate field `") {
        return format!("has the field {name} twice").into();
    }
    match message.rsplit_once("expected ") {
        Some((_, expected)) => {
            let expected = expected.split(" at line ").next().unwrap_or_default();
            let expected = expected.strip_prefix("struct ").map_or(expected, |_| "an object");
            format!("must be {expected}").into()
        }
        None => "does not match the format".into(),
    }
}
