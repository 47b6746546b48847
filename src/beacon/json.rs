//! Version 1 of the wire format: one JSON object. `docs/wire.md` describes it field by field.
//!
//! An ordinary body is read at once. When that fails it is read again, field by field, so that what cannot be read costs no more than
//! itself.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::error::{LeftOut, MalformedBeacon};
use super::event::WireEvent;
use super::format::{BeaconTransfer, WireFormat, WireInput};
use super::hints::{WireBrand, WireHints};
use super::page_load::{self, Beacon, ReadEvent, WireBeacon};
use super::wire::{FieldError, Members, MendedBody, NamedTexts, RawText, WireField, problem};

/// Fields of every object of the format. An error contains only these names: other names come from the sender.
pub(super) const FIELDS: [&[WireField]; 4] =
    [WireBeacon::FIELDS, WireEvent::FIELDS, WireHints::FIELDS, WireBrand::FIELDS];

pub(super) static FORMAT: WireFormat = WireFormat {
    name: "beacon",
    path: "/b",
    // Browsers send `text/plain` without a preflight.
    transfer: BeaconTransfer::Post { content_types: &["text/plain", "application/json"] },
    about: "A beacon: a JSON object.",
    parse: parse_input,
    site_of,
};

fn parse_input<'a>(input: &WireInput<'a>, mended: &'a MendedBody) -> Result<Beacon<'a>, MalformedBeacon> {
    parse(input.body, mended)
}

/// `mended` holds the texts that had to be mended.
///
/// # Errors
/// [`MalformedBeacon`], when nothing of the beacon can be stored.
pub fn parse<'a>(body: &'a [u8], mended: &'a MendedBody) -> Result<Beacon<'a>, MalformedBeacon> {
    // `serde` would read a list as the fields in their order.
    if body.trim_ascii_start().first().is_some_and(|byte| *byte != b'{') {
        return Err(MalformedBeacon::new("body", "must be an object"));
    }
    // One check of the whole body costs less than one of each text.
    if let Ok(text) = std::str::from_utf8(body)
        && let Ok(mut wire) = serde_json::from_str::<WireBeacon<'_>>(text)
    {
        let events = std::mem::take(&mut wire.events).into_iter().map(ReadEvent::whole);
        return page_load::check(wire, events, Vec::new());
    }
    parse_by_fields(mended.mend(body))
}

/// The site that a body names, if so much of it can be read.
fn site_of<'a>(input: &WireInput<'a>, mended: &'a MendedBody) -> Option<Cow<'a, str>> {
    let members: Members<'_> = serde_json::from_str(mended.mend(input.body)).ok()?;
    members.required::<RawText<'_>>("s").ok().map(|site| site.0)
}

fn parse_by_fields(json: &str) -> Result<Beacon<'_>, MalformedBeacon> {
    let mut members: Members<'_> = serde_json::from_str(json).map_err(|error| not_json(json, &error))?;
    let in_beacon = |(field, problem): FieldError| {
        MalformedBeacon::new(if field.is_empty() { "body" } else { field }, problem)
    };
    let no_events: &RawValue = serde_json::from_str("[]").expect("an empty list is JSON");
    let events = match members.value("e") {
        Some(_) => members.replace("e", no_events).map_err(in_beacon)?,
        None => no_events,
    };
    let events: Vec<&RawValue> =
        serde_json::from_str(events.get()).map_err(|error| MalformedBeacon::new("e", problem(&error)))?;
    let mut lost = Vec::new();
    let mut wire = WireBeacon::from_members(&members, &mut lost).map_err(in_beacon)?;
    // Without them events could be read as others than they are, or two as the same.
    if let Some(at) = lost.iter().position(|(field, _)| ["v", "l", "o"].contains(field)) {
        return Err(in_beacon(lost.swap_remove(at)));
    }
    if lost.iter().any(|(field, _)| *field == "ck")
        && let Some(value) = members.value("ck")
    {
        wire.cookies = NamedTexts::salvage(value);
        lost.retain(|(field, _)| *field != "ck");
    }
    let left_out = lost.into_iter().map(in_beacon).map(LeftOut::field).collect();
    page_load::check(wire, events.into_iter().map(read_event), left_out)
}

fn read_event(json: &RawValue) -> ReadEvent<'_> {
    let mut lost = Vec::new();
    let event = Members::parse(json.get()).and_then(|members| {
        let mut event = WireEvent::from_members(&members, &mut lost)?;
        if lost.iter().any(|(field, _)| *field == "p")
            && let Some(value) = members.value("p")
        {
            event.properties = NamedTexts::salvage(value);
            lost.retain(|(field, _)| *field != "p");
        }
        Ok(event)
    });
    ReadEvent { event, lost }
}

/// What keeps a body from being JSON, with its path if it lies in a field of the format.
fn not_json(json: &str, error: &serde_json::Error) -> MalformedBeacon {
    let is_data = |error: &serde_json::Error| error.classify() == serde_json::error::Category::Data;
    let mut deserializer = serde_json::Deserializer::from_str(json);
    let path = match serde_path_to_error::deserialize::<_, WireBeacon<'_>>(&mut deserializer) {
        // The body is not JSON, so a field of a wrong type before the syntax error is not the cause.
        Err(found) if !is_data(found.inner()) => known_path(found.path()),
        _ => "body".to_owned(),
    };
    let problem: Cow<'static, str> = match error.classify() {
        serde_json::error::Category::Eof => "ends before the JSON object does".into(),
        serde_json::error::Category::Data => problem(error),
        _ => format!("is not JSON at line {}, column {}", error.line(), error.column()).into(),
    };
    MalformedBeacon { problem, path }
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
