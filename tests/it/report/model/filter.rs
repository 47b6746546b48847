//! Filters as `docs/reports.md` explains them.

use super::event::{ColumnValue, Event};
use super::visit::Visit;

/// Columns that say what a visitor is: the same in all events of a visit.
pub const OF_VISITORS: [&str; 25] = [
    "visitor",
    "address",
    "epoch",
    "policy",
    "expires",
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
    "screen",
    "country",
    "region",
    "city",
    "asn",
    "network",
    "ip_version",
    "cookies_enabled",
];

/// Columns that say where a visit came from, and where it began and ended.
pub const OF_VISITS: [&str; 14] = [
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
    "entry_host",
    "entry_path",
    "exit_host",
    "exit_path",
];

/// Columns that say what an event is. Maps are named with an entry.
pub const OF_EVENTS: [&str; 34] = [
    "page_load",
    "seq",
    "time",
    "received",
    "host",
    "path",
    "query",
    "release",
    "kind",
    "name",
    "props.doctor",
    "props.online",
    "cookies.ab",
    "ad",
    "slot",
    "engaged_ms",
    "scroll_depth",
    "error_message",
    "error_source",
    "error_line",
    "error_column",
    "error_stack",
    "error_group",
    "lcp_ms",
    "inp_ms",
    "cls",
    "fcp_ms",
    "ttfb_ms",
    "dns_ms",
    "connect_ms",
    "tls_ms",
    "load_ms",
    "path",
    "kind",
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    Visitor,
    Visit,
    Event,
}

#[derive(Debug, Clone)]
pub struct Condition {
    /// With its entry: `props.doctor`.
    pub column: &'static str,
    pub operator: &'static str,
    /// Any of them; with a negative operator none of them.
    pub values: Vec<ColumnValue>,
}

impl Condition {
    pub fn scope(&self) -> Scope {
        if OF_VISITORS.contains(&self.column) {
            Scope::Visitor
        } else if OF_VISITS.contains(&self.column) {
            Scope::Visit
        } else {
            Scope::Event
        }
    }

    /// The filter as a user writes it.
    pub fn text(&self) -> String {
        let values: Vec<String> = self.values.iter().map(written).collect();
        format!("{}{}{}", self.column, self.operator, values.join("|"))
    }

    pub fn passes_event(&self, event: &Event) -> bool {
        let (name, entry) = match self.column.split_once('.') {
            Some((name, entry)) => (name, Some(entry)),
            None => (self.column, None),
        };
        self.holds(&event.column(name, entry))
    }

    pub fn passes_visit(&self, visit: &Visit) -> bool {
        self.holds(&visit.column(self.column))
    }

    /// Whether no person passes it, so that bots must be counted.
    pub fn is_about_bots(&self) -> bool {
        match self.column {
            "bot" => !self.holds(&ColumnValue::Text(String::new())),
            "bot_category" => !self.holds(&ColumnValue::Word("")),
            "device" => ["other", "desktop", "mobile", "tablet"]
                .iter()
                .all(|device| !self.holds(&ColumnValue::Word(device))),
            _ => false,
        }
    }

    fn holds(&self, found: &ColumnValue) -> bool {
        // What was not measured is neither equal to anything nor different from it.
        if *found == ColumnValue::Number(None) {
            return false;
        }
        let mut each = self.values.iter().map(|value| holds(found, self.operator, value));
        if self.operator.starts_with('!') { each.all(|holds| holds) } else { each.any(|holds| holds) }
    }
}

fn holds(found: &ColumnValue, operator: &str, value: &ColumnValue) -> bool {
    match operator {
        "=" => found == value,
        "!=" => found != value,
        "~" => contains(found, value),
        "!~" => !contains(found, value),
        "<" => order(found) < order(value),
        "<=" => order(found) <= order(value),
        ">" => order(found) > order(value),
        ">=" => order(found) >= order(value),
        _ => unreachable!("no operator {operator}"),
    }
}

fn contains(found: &ColumnValue, part: &ColumnValue) -> bool {
    match (found, part) {
        (ColumnValue::Text(found), ColumnValue::Text(part)) => {
            found.to_lowercase().contains(&part.to_lowercase())
        }
        _ => unreachable!("only texts have parts"),
    }
}

fn order(value: &ColumnValue) -> f64 {
    match value {
        ColumnValue::Number(Some(number)) => *number,
        ColumnValue::Moment(time) => *time as f64,
        ColumnValue::Day(day) => f64::from(*day),
        other => unreachable!("{other:?} has no order"),
    }
}

fn written(value: &ColumnValue) -> String {
    match value {
        ColumnValue::Text(text) => text.replace('\\', r"\\").replace('|', r"\|"),
        ColumnValue::Word(word) => (*word).to_owned(),
        ColumnValue::Number(number) => number.map_or(String::new(), |number| number.to_string()),
        ColumnValue::Id(id) => format!("{id:016x}"),
        ColumnValue::Flag(flag) => u8::from(*flag).to_string(),
        ColumnValue::Moment(time) => jiff::Timestamp::from_second(*time).unwrap().to_string(),
        ColumnValue::Day(day) => {
            let first = jiff::civil::date(1970, 1, 1);
            first.saturating_add(jiff::Span::new().days(i64::from(*day))).to_string()
        }
    }
}
