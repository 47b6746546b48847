//! Version 1 of the wire format: one JSON object. `docs/wire.md` describes it field by field.
//!
//! The body is read once. Only when that fails is it read again, slowly, to find the path of the fault.

use std::borrow::Cow;

use serde::de::Deserialize;

use super::error::MalformedBeacon;
use super::event::WireEvent;
use super::format::{BeaconTransfer, WireFormat, WireInput};
use super::hints::{ClientHints, SentHints, WireBrand, WireHints};
use super::page_load::{self, Beacon, WireBeacon};
use super::vitals::{WireEntry, WireNavigation};
use super::wire::WireField;

/// Fields of every object of the format. An error contains only these names: other names come from the sender.
pub(super) const FIELDS: [&[WireField]; 6] = [
    WireBeacon::FIELDS,
    WireEvent::FIELDS,
    WireHints::FIELDS,
    WireBrand::FIELDS,
    WireEntry::FIELDS,
    WireNavigation::FIELDS,
];

pub(super) static FORMAT: WireFormat = WireFormat {
    name: "beacon",
    path: "/b",
    // Browsers send `text/plain` without a preflight.
    transfer: BeaconTransfer::Post { content_types: &["text/plain", "application/json"] },
    about: "A beacon: a JSON object.",
    parse: parse_input,
};

fn parse_input<'a>(input: &WireInput<'a>) -> Result<Beacon<'a>, MalformedBeacon> {
    parse(input.body)
}

/// # Errors
/// [`MalformedBeacon`], with the path of the field and the fault.
pub fn parse(body: &[u8]) -> Result<Beacon<'_>, MalformedBeacon> {
    // `serde` would read a list as the fields in their order.
    if body.trim_ascii_start().first().is_some_and(|byte| *byte != b'{') {
        return Err(MalformedBeacon::new("body", "must be an object"));
    }
    // One check of the whole body costs less than one of each text.
    let text = std::str::from_utf8(body).map_err(|_| explain::<WireBeacon<'_>>(body))?;
    let wire: WireBeacon<'_> = serde_json::from_str(text).map_err(|_| explain::<WireBeacon<'_>>(body))?;
    page_load::check(wire)
}

impl<'a> SentHints<'a> {
    /// # Errors
    /// [`MalformedBeacon`], with the path of the field and the fault.
    pub fn parse(&self) -> Result<ClientHints<'a>, MalformedBeacon> {
        if self.0.is_empty() {
            return Ok(ClientHints::default());
        }
        serde_json::from_str(self.0).map_err(|_| {
            let MalformedBeacon { path, problem } = explain::<ClientHints<'_>>(self.0.as_bytes());
            let path = if path == "body" { "ch".to_owned() } else { format!("ch.{path}") };
            MalformedBeacon { path, problem }
        })
    }
}

/// Reads a body that is not a beacon again, to name the fault and its path without repeating any of the body.
fn explain<'de, T: Deserialize<'de>>(body: &'de [u8]) -> MalformedBeacon {
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let error = match serde_path_to_error::deserialize::<_, T>(&mut deserializer) {
        Ok(_) if std::str::from_utf8(body).is_err() => return MalformedBeacon::new("body", "is not UTF-8"),
        Ok(_) => return MalformedBeacon::new("body", "has something behind the JSON object"),
        Err(error) => error,
    };
    let path = known_path(error.path());
    let error = error.into_inner();
    let problem: Cow<'static, str> = match error.classify() {
        serde_json::error::Category::Eof => "ends before the JSON object does".into(),
        serde_json::error::Category::Syntax | serde_json::error::Category::Io => {
            format!("is not JSON at line {}, column {}", error.line(), error.column()).into()
        }
        serde_json::error::Category::Data => data_problem(&error.to_string()),
    };
    MalformedBeacon { problem, path }
}

/// What `serde` expected, without what it found.
fn data_problem(message: &str) -> Cow<'static, str> {
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

/// The path as `e[2].k`, up to the first name that the format does not have.
fn known_path(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let is_known = |name: &str| FIELDS.into_iter().flatten().any(|field| field.is_called(name));
    let mut text = String::new();
    for segment in path {
        match segment {
            Segment::Seq { index } => text.push_str(&format!("[{index}]")),
            Segment::Map { key } if is_known(key) => {
                let dot = if text.is_empty() { "" } else { "." };
                text.push_str(dot);
                text.push_str(key);
            }
            _ => break,
        }
    }
    if text.is_empty() { "body".to_owned() } else { text }
}
