//! An explanation as text for people: the steps, each event with its row, and the answer.

use std::io::Write;

use serde_json::Value;

use super::explanation::{ExplainedEvent, Explanation};
use crate::event::{COLUMNS, DropReason};

/// What no explanation can know.
const NOT_CHECKED: &str =
    "not checked here: limits on rates, events that were stored before, space on the disk";

pub(super) fn write(explanation: &Explanation, out: &mut impl Write) -> std::io::Result<()> {
    for step in &explanation.steps {
        writeln!(out, "{:<10} {}", step.step, step.finding)?;
    }
    for part in &explanation.left_out {
        writeln!(out, "{:<10} {part}", "left out")?;
    }
    let first = explanation.events.iter().find(|event| event.dropped.is_none());
    for event in &explanation.events {
        write_event(event, first.filter(|first| first.number != event.number), out)?;
    }
    let answer = &explanation.answer;
    let outcome = match answer.reason {
        Some(reason) => format!("refused ({reason}): {}", answer.explanation),
        None if !answer.explanation.is_empty() => answer.explanation.clone(),
        None => {
            let dropped: Vec<String> =
                answer.dropped.iter().map(|(reason, events)| format!("{reason}={events}")).collect();
            let dropped = if dropped.is_empty() {
                "none dropped".to_owned()
            } else {
                format!("dropped: {}", dropped.join(", "))
            };
            let events = if answer.stored == 1 { "event" } else { "events" };
            format!("{} {events} would be stored, {dropped}", answer.stored)
        }
    };
    writeln!(out, "{:<10} {} {outcome}", "answer", answer.status)?;
    writeln!(out, "{:<10} nothing was stored; {NOT_CHECKED}", "")
}

/// Of an event after the `first`, only the columns that differ are shown.
fn write_event(
    event: &ExplainedEvent,
    first: Option<&ExplainedEvent>,
    out: &mut impl Write,
) -> std::io::Result<()> {
    let outcome = match event.dropped {
        None => "stored".to_owned(),
        Some(reason) => format!("dropped: {reason}, {}", why_dropped(reason)),
    };
    writeln!(out, "{:<10} {}, {outcome}", format!("event {}", event.number), event.kind)?;
    for change in &event.changes {
        writeln!(out, "  {change}")?;
    }
    if event.columns.is_empty() {
        return Ok(());
    }
    if let Some(first) = first {
        writeln!(out, "  the columns of event {}, except:", first.number)?;
    }
    for column in COLUMNS {
        let value = event.columns.get(*column).unwrap_or(&Value::Null);
        let is_shown = match first {
            Some(first) => first.columns.get(*column) != Some(value),
            None => !is_empty(value),
        };
        match value {
            _ if !is_shown => {}
            Value::String(text) => writeln!(out, "    {column:<18} {text}")?,
            other => writeln!(out, "    {column:<18} {other}")?,
        }
    }
    Ok(())
}

fn why_dropped(reason: &str) -> &'static str {
    match DropReason::from_name(reason) {
        Some(DropReason::OptOut) => "because the visitor refuses",
        Some(DropReason::Bot) => "as the site's `drop_bots` has it",
        Some(DropReason::Duplicate) => "because it was stored before",
        Some(DropReason::Foreign) => "because its page is on none of the site's `hosts`",
        Some(DropReason::Blocked) => "because the visitor is blocked",
        Some(DropReason::Internal) => "because its link leads to a page of the site",
        Some(DropReason::Malformed) | None => "because it cannot be read",
    }
}

/// Whether a column has the value of an event that says nothing of it.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Object(entries) => entries.is_empty(),
        Value::Array(entries) => entries.is_empty(),
        Value::Bool(true) => false,
    }
}
