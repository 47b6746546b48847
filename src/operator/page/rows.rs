//! The rows of a report as the page shows them: a name in the reader's language, a detail, and the filter that a click on the row sets.

use serde_json::Value;

use super::address::{View, ViewAddress};
use super::context::ViewContext;
use super::{format, words};
use crate::report::catalogue::{Purpose, Report, ReportColumn};
use crate::report::{Filter, OTHER, ReportAnswer, filter_columns_of_viewer};
use crate::transport::negotiation::Language;

/// A report, a column of it, and the column of a filter that keeps what the row shows.
const FILTERS: [(&str, &str, &str); 35] = [
    ("pages", "path", "path"),
    ("scroll", "path", "path"),
    ("entries", "path", "entry_path"),
    ("exits", "path", "exit_path"),
    ("sources", "source", "source"),
    ("channels", "channel", "channel"),
    ("campaigns", "campaign", "utm_campaign"),
    ("utm-sources", "source", "utm_source"),
    ("utm-mediums", "medium", "utm_medium"),
    ("utm-contents", "content", "utm_content"),
    ("utm-terms", "term", "utm_term"),
    ("referring-pages", "host", "referrer_host"),
    ("referring-pages", "path", "referrer_path"),
    ("countries", "country", "country"),
    ("regions", "country", "country"),
    ("regions", "region", "region"),
    ("cities", "country", "country"),
    ("cities", "city", "city"),
    ("networks", "network", "network"),
    ("browsers", "browser", "browser"),
    ("browser-versions", "browser", "browser"),
    ("browser-versions", "version", "browser_version"),
    ("systems", "os", "os"),
    ("systems", "version", "os_version"),
    ("devices", "device", "device"),
    ("screens", "screen", "screen"),
    ("languages", "language", "language"),
    ("events", "event", "name"),
    ("downloads", "file", "name"),
    ("outbound", "link", "name"),
    ("ads", "ad", "ad"),
    ("ads", "slot", "slot"),
    ("missing", "path", "path"),
    ("errors", "group", "error_group"),
    ("resources", "resource", "error_source"),
];

/// Columns that come before the one that names the row, as in `country, city`.
const DETAIL_FIRST: [&str; 2] = ["regions", "cities"];

/// The words of a row.
pub(super) struct RowName {
    pub(super) name: String,
    /// What the name alone does not tell; may be empty.
    pub(super) detail: String,
    /// Where a click leads: to the same page for this row alone. Not for rows of several values.
    pub(super) href: Option<String>,
}

/// The name of a row of an answer.
pub(super) fn name(context: &ViewContext, answer: &ReportAnswer, row: &[Value]) -> RowName {
    let report = answer.request.report;
    let language = context.language;
    let texts: Vec<(&ReportColumn, &str)> = report
        .columns
        .iter()
        .zip(row)
        .filter(|(column, _)| column.unit == "text")
        .filter_map(|(column, value)| Some((column, value.as_str()?)))
        .collect();
    let is_other = texts.iter().any(|(_, text)| *text == OTHER);
    let shown: Vec<String> = match report.name {
        _ if is_other => vec![words::named("", OTHER, language)],
        "systems" | "browser-versions" => vec![versioned(&texts, language)],
        "props" => properties(&texts),
        "funnel" => funnel_step(&texts),
        _ => texts.iter().map(|(column, text)| text_cell(report, column, text, language)).collect(),
    };
    let mut shown = shown.into_iter();
    let (first, second) = (shown.next().unwrap_or_default(), shown.next().unwrap_or_default());
    let is_turned = DETAIL_FIRST.contains(&report.name) && !is_other;
    let (name, detail) = if is_turned { (second, first) } else { (first, second) };
    let detail = if tells_nothing(answer, &detail) { String::new() } else { detail };
    let href = if is_other { None } else { link(context, report, &texts) };
    RowName { name, detail, href }
}

/// Whether a detail is the host that all rows have.
fn tells_nothing(answer: &ReportAnswer, detail: &str) -> bool {
    let report = answer.request.report;
    let Some(host) =
        report.columns.iter().position(|column| column.name == "host" && report.name != "referring-pages")
    else {
        return false;
    };
    let is_same = |row: &Vec<Value>| row[host] == detail || is_other(row);
    answer.rows.iter().all(is_same)
}

/// Whether rows of few visitors were folded into this one.
pub(super) fn is_other(row: &[Value]) -> bool {
    row.iter().any(|value| value == OTHER)
}

/// The rows, folded ones last: they name nothing that a reader looks for.
pub(super) fn folded_last(answer: &ReportAnswer) -> Vec<&Vec<Value>> {
    let mut rows: Vec<_> = answer.rows.iter().collect();
    rows.sort_by_key(|row| is_other(row));
    rows
}

/// A text of a column. Details have no name for "nothing".
pub(super) fn text_cell(report: &Report, column: &ReportColumn, text: &str, language: Language) -> String {
    match column.name {
        "path" | "host" | "asn" | "version" | "slot" | "group" | "detail" if text.is_empty() => String::new(),
        // The script of an error, the page that links to a missing one. Only a visit without a source is direct.
        "source" | "referrer" if report.purpose == Purpose::Diagnostics => words::named("", text, language),
        name => words::named(name, text, language),
    }
}

/// A name with its version, which the name alone does not tell.
fn versioned(texts: &[(&ReportColumn, &str)], language: Language) -> String {
    match texts {
        [(column, ""), ..] => words::of_nothing(column.name, language).to_owned(),
        [(_, name), (_, version), ..] => format!("{name} {version}").trim_end().to_owned(),
        _ => String::new(),
    }
}

/// The value of a property of an event, and which property of which event it is.
fn properties(texts: &[(&ReportColumn, &str)]) -> Vec<String> {
    match texts {
        [(_, event), (_, property), (_, value), ..] => {
            vec![(*value).to_owned(), format!("{event} · {property}")]
        }
        _ => Vec::new(),
    }
}

/// The name of a step of a funnel with its number, and the group.
fn funnel_step(texts: &[(&ReportColumn, &str)]) -> Vec<String> {
    match texts {
        [(_, step), (_, name), (_, group), ..] => vec![format!("{step}. {name}"), (*group).to_owned()],
        _ => Vec::new(),
    }
}

/// The page for this row alone; `None` if no filter of the reader keeps it.
fn link(context: &ViewContext, report: &Report, texts: &[(&ReportColumn, &str)]) -> Option<String> {
    let mut filters: Vec<String> = Vec::new();
    if let ("props", [(_, event), (_, property), (_, value), ..]) = (report.name, texts) {
        if context.has_one_filter() {
            return None;
        }
        filters.push(Filter::text_for("name", event));
        let quoted = property.replace('\\', "\\\\").replace('"', "\\\"");
        filters.push(Filter::text_for(&format!("props.\"{quoted}\""), value));
    }
    for (column, text) in texts {
        let known = FILTERS.iter().find(|(of, name, _)| (*of, *name) == (report.name, column.name));
        filters.extend(known.map(|(_, _, filter)| Filter::text_for(filter, text)));
    }
    if context.has_one_filter() {
        let [filter] = &filters[..] else { return None };
        let column = filter.split('=').next().unwrap_or_default();
        if !filter_columns_of_viewer().any(|known| known == column) {
            return None;
        }
    }
    if filters.is_empty() || filters.iter().all(|filter| context.address.filters.contains(filter)) {
        return None;
    }
    let narrowed = filters.into_iter().fold(context.address.clone(), |address: ViewAddress, filter| {
        address.with_filter(filter, context.has_one_filter())
    });
    Some(
        narrowed
            .with(|address| {
                (address.sort, address.page) = (None, 1);
                address.search.clear();
                if matches!(address.view, View::Report(_)) {
                    let is_diagnostic = report.purpose == Purpose::Diagnostics;
                    address.view = if is_diagnostic { View::Diagnostics } else { View::Site };
                }
            })
            .href(),
    )
}

/// The column by which a report is counted: the one of its order.
pub(super) fn counted(report: &Report) -> Option<(usize, &ReportColumn)> {
    let preferred = ["impressions", "views", "events", "visitors"];
    let is_ordered_by_visitors = report.columns.iter().any(|column| column.name == "visits");
    let preferred = if is_ordered_by_visitors { &["visitors"][..] } else { &preferred };
    let place = |name: &&str| report.columns.iter().position(|column| column.name == *name);
    preferred.iter().find_map(place).map(|place| (place, &report.columns[place]))
}

/// The column that tells how much of the whole a row is.
pub(super) fn share(report: &Report) -> Option<(usize, &ReportColumn)> {
    let preferred = ["conversion", "share", "click_rate", "depth"];
    let place = |name: &&str| report.columns.iter().position(|column| column.name == *name);
    preferred.iter().find_map(place).map(|place| (place, &report.columns[place]))
}

/// The value of a figure, if there is one.
pub(super) fn value(row: &[Value], place: usize) -> Option<f64> {
    row.get(place).and_then(Value::as_f64)
}

/// A figure in words, with what the API has for it.
#[derive(Default)]
pub(super) struct Shown {
    pub(super) text: String,
    /// As in JSON; empty if there is none.
    pub(super) value: String,
}

impl Shown {
    pub(super) fn new(column: &ReportColumn, value: &Value, language: Language) -> Self {
        let written = if value.is_null() { String::new() } else { value.to_string() };
        Self { text: format::cell(column, value, language), value: written }
    }
}

/// A figure of a row.
pub(super) fn figure(row: &[Value], (place, column): (usize, &ReportColumn), language: Language) -> Shown {
    row.get(place).map_or_else(Shown::default, |value| Shown::new(column, value, language))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::catalogue;

    #[test]
    fn only_a_visit_without_a_source_is_direct() {
        for (name, column, shown) in [
            ("sources", "source", "Direct"),
            ("errors", "source", "Unknown"),
            ("missing", "referrer", "Unknown"),
        ] {
            let report = catalogue::find(name).unwrap();
            let column = report.columns.iter().find(|known| known.name == column).unwrap();
            assert_eq!(text_cell(report, column, "", Language::English), shown, "{name}");
        }
    }
}
