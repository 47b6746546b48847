//! The columns that can be filtered on: what each holds and where it lives.

use std::sync::LazyLock;

use serde_json::Value;

use crate::event::{BotCategory, DeviceClass, EventKind, EventRow};

/// A column that can be filtered on.
#[derive(Debug, PartialEq)]
pub(super) struct Column {
    pub(super) name: &'static str,
    pub(super) kind: Type,
    pub(super) home: Home,
}

/// What a column holds, as far as conditions on it go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    Text,
    Number,
    /// 64 bits, written as 16 hexadecimal digits in reports.
    Id,
    Flag,
    /// One of these words.
    Word(&'static [&'static str]),
    Moment,
    Day,
    /// Names and values.
    Map,
}

/// Where a column lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::report) enum Home {
    /// In `events` alone.
    Events,
    /// In `visits`; in `events` it would tell of one event and not of the visit.
    Visits,
    /// In both, the same for all events of a visit.
    Both,
}

/// Columns of `visits` that no event has.
const ONLY_VISITS: [&str; 4] = ["entry_host", "entry_path", "exit_host", "exit_path"];
/// Columns that tell where a visit came from: an event's own tells of the page before it.
const ACQUISITION: [&str; 10] = [
    "referrer_host",
    "referrer_path",
    "source",
    "channel",
    "utm_source",
    "utm_medium",
    "utm_campaign",
    "utm_content",
    "utm_term",
    "click_id",
];
/// Columns that are the same for all events of a visitor.
const VISITOR: [&str; 25] = [
    "expires",
    "visitor",
    "address",
    "epoch",
    "policy",
    "browser",
    "browser_version",
    "engine",
    "os",
    "os_version",
    "device",
    "bot",
    "bot_category",
    "spoofed",
    "data_centre",
    "language",
    "timezone",
    "screen_width",
    "screen_height",
    "country",
    "region",
    "city",
    "asn",
    "network",
    "ip_version",
];
const KINDS: [&str; EventKind::ALL.len()] = {
    let mut names = [""; EventKind::ALL.len()];
    let mut i = 0;
    while i < names.len() {
        names[i] = EventKind::ALL[i].name();
        i += 1;
    }
    names
};
const CATEGORIES: [&str; BotCategory::ALL.len()] = {
    let mut names = [""; BotCategory::ALL.len()];
    let mut i = 0;
    while i < names.len() {
        names[i] = BotCategory::ALL[i].name();
        i += 1;
    }
    names
};
const DEVICES: [&str; 5] = [
    DeviceClass::Other.name(),
    DeviceClass::Desktop.name(),
    DeviceClass::Mobile.name(),
    DeviceClass::Tablet.name(),
    DeviceClass::Bot.name(),
];

/// Every column of the row but the site, which a report is always about, and those that only visits have.
pub(super) static COLUMNS: LazyLock<Vec<Column>> = LazyLock::new(|| {
    let mut columns = Vec::new();
    EventRow::default().for_each_column(|name, value| {
        if name != "site" {
            columns.push(Column { name, kind: kind_of(name, &value), home: home_of(name) });
        }
    });
    columns.extend(ONLY_VISITS.map(|name| Column { name, kind: Type::Text, home: Home::Visits }));
    columns
});

/// The type of a column, told by the value of an empty row.
fn kind_of(name: &str, value: &Value) -> Type {
    match (name, value) {
        ("kind", _) => Type::Word(&KINDS),
        ("device", _) => Type::Word(&DEVICES),
        ("bot_category", _) => Type::Word(&CATEGORIES),
        ("time" | "received", _) => Type::Moment,
        ("expires", _) => Type::Day,
        ("page_load" | "visitor" | "address" | "error_group", _) => Type::Id,
        (_, Value::Bool(_)) => Type::Flag,
        // Measures that were not taken are null.
        (_, Value::Number(_) | Value::Null) => Type::Number,
        (_, Value::Object(_)) => Type::Map,
        _ => Type::Text,
    }
}

fn home_of(name: &str) -> Home {
    if ACQUISITION.contains(&name) {
        Home::Visits
    } else if VISITOR.contains(&name) || name == "cookies_enabled" {
        Home::Both
    } else {
        Home::Events
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event;

    #[test]
    fn every_column_of_the_row_can_be_filtered_on_but_the_site() {
        for name in event::COLUMNS.iter().filter(|name| **name != "site") {
            assert!(COLUMNS.iter().any(|column| column.name == *name), "{name}");
        }
        for name in VISITOR.iter().chain(&ACQUISITION) {
            assert!(event::COLUMNS.contains(name), "{name} is a column");
        }
    }
}
