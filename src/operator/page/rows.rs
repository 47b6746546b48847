//! The rows of a report as the page shows them: a name in the reader's language, a detail, and the filter that a click on the row sets.

use serde_json::Value;

use super::address::{View, ViewAddress};
use super::context::{FilterChoice, ViewContext};
use super::{format, words};
use crate::report::catalogue::{self, Purpose, Report, ReportColumn};
use crate::report::{Filter, OTHER, ReportAnswer};
use crate::transport::negotiation::Language;

/// A report, a column of it, and the column of a filter that keeps what the row shows.
const FILTERS: [(&str, &str, &str); 36] = [
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
    ("releases", "release", "release"),
];

/// The report of errors, and what a diagnosis goes by unless told otherwise.
const ERRORS: &str = "errors";
/// The dimension of the row that is the whole rise.
const WHOLE_RISE: &str = "all";

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
        // The id of a group of errors is not shown, and a filter keeps the group.
        .filter(|(column, _)| matches!(column.unit, "text" | "id"))
        .filter_map(|(column, value)| Some((column, value.as_str()?)))
        .collect();
    let is_other = texts.iter().any(|(_, text)| *text == OTHER);
    let shown: Vec<String> = match report.name {
        _ if is_other => vec![words::named("", OTHER, language)],
        "systems" | "browser-versions" => vec![versioned(&texts, language)],
        "props" => properties(&texts),
        "funnel" => funnel_step(&texts),
        _ => texts.iter().map(|(column, text)| text_cell(report, column.name, text, language)).collect(),
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
fn text_cell(report: &Report, column: &str, text: &str, language: Language) -> String {
    match column {
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

/// The filters that keep the value which a row of a diagnosis names.
fn filters_of_cause(dimension: &str, value: &str, detail: &str) -> Vec<String> {
    match dimension {
        "page" => vec![Filter::text_for("path", value)],
        "browser_version" => {
            vec![Filter::text_for("browser", value), Filter::text_for("browser_version", detail)]
        }
        column => vec![Filter::text_for(column, value)],
    }
}

/// The report that lists the cases of a diagnosis.
fn report_of_rise(context: &ViewContext) -> String {
    let by = context.address.by.as_deref().unwrap_or(ERRORS);
    let report = if by == ERRORS { ERRORS } else { "speed" };
    let to = context.to_view(View::Report(report.to_owned()));
    to.with(|address| address.by = None).href()
}

/// The column by whose names a text is shown: in a diagnosis, the dimension that the row is about.
fn named_column<'a>(report: &Report, column: &'a ReportColumn, row: &'a [Value]) -> &'a str {
    match (report.name, column.name, row.first().and_then(Value::as_str)) {
        ("diagnosis", "value", Some("page" | WHOLE_RISE)) => "path",
        ("diagnosis", "value", Some(dimension)) => dimension,
        _ => column.name,
    }
}

/// The cell that carries the link of a row: the first one, or the value of a diagnosis.
pub(super) fn linked_cell(report: &Report, row: &[Value]) -> usize {
    usize::from(report.name == "diagnosis" && row.first().is_some_and(|value| value != WHOLE_RISE))
}

/// The page for this row alone; `None` if no filter of the reader keeps it.
fn link(context: &ViewContext, report: &Report, texts: &[(&ReportColumn, &str)]) -> Option<String> {
    let mut filters: Vec<String> = Vec::new();
    if let ("props", [(_, event), (_, property), (_, value), ..]) = (report.name, texts) {
        filters.push(Filter::text_for("name", event));
        let quoted = property.replace('\\', "\\\\").replace('"', "\\\"");
        filters.push(Filter::text_for(&format!("props.\"{quoted}\""), value));
    }
    if let ("diagnosis", [(_, dimension), (_, value), (_, detail), ..]) = (report.name, texts) {
        if *dimension == WHOLE_RISE {
            return Some(report_of_rise(context));
        }
        filters.extend(filters_of_cause(dimension, value, detail));
    }
    for (column, text) in texts {
        let known = FILTERS.iter().find(|(of, name, _)| (*of, *name) == (report.name, column.name));
        filters.extend(known.map(|(_, _, filter)| Filter::text_for(filter, text)));
    }
    narrowed(context, filters)
}

/// The page of what passes these filters, too; `None` if the reader may not use them, or they are set.
pub(super) fn narrowed(context: &ViewContext, filters: Vec<String>) -> Option<String> {
    let choice = context.filter_choice();
    let is_one = choice == FilterChoice::One;
    let is_set = |filter: &String| context.address.filters.contains(filter);
    if filters.iter().all(is_set)
        || !filters.iter().all(|filter| choice.allows(filter))
        || (is_one && filters.len() > 1)
    {
        return None;
    }
    let add = |address: ViewAddress, filter| address.with_filter(filter, is_one);
    let to = filters.into_iter().fold(context.address.clone(), add).with(|address| {
        (address.sort, address.page) = (None, 1);
        address.search.clear();
        if let View::Report(name) = &address.view {
            let purpose = catalogue::find(name).map(|report| report.purpose);
            let is_diagnostic = purpose == Some(Purpose::Diagnostics);
            address.view = if is_diagnostic { View::Diagnostics } else { View::Site };
        }
    });
    Some(to.href())
}

/// The column that counts a report's rows: the one of its order.
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
        let text = match value.as_f64() {
            Some(number) => format::figure(number, column.unit, language),
            None => value.as_str().unwrap_or(format::NONE).to_owned(),
        };
        let value = if value.is_null() { String::new() } else { value.to_string() };
        Self { text, value }
    }
}

/// A figure of a row.
pub(super) fn figure(row: &[Value], (place, column): (usize, &ReportColumn), language: Language) -> Shown {
    row.get(place).map_or_else(Shown::default, |value| Shown::new(column, value, language))
}

/// The heading of a column.
pub(super) struct Heading {
    /// The column of the report.
    pub(super) name: &'static str,
    pub(super) label: String,
    pub(super) about: String,
    pub(super) is_number: bool,
}

impl Heading {
    pub(super) fn new(column: &ReportColumn, language: Language) -> Self {
        Self {
            name: column.name,
            label: words::heading(column, language),
            about: words::text(column.about, language).to_owned(),
            is_number: !column.is_text(),
        }
    }
}

/// A cell of a table that has all columns of its report.
pub(super) struct Cell {
    pub(super) text: String,
    /// What the API has for a number.
    pub(super) value: String,
    pub(super) href: Option<String>,
    pub(super) is_number: bool,
}

/// The cells of a row of an answer.
pub(super) fn cells(context: &ViewContext, answer: &ReportAnswer, row: &[Value]) -> Vec<Cell> {
    let (report, language) = (answer.request.report, context.language);
    let (mut href, linked) = (name(context, answer, row).href, linked_cell(report, row));
    let cell = |(place, (column, value)): (usize, (&ReportColumn, &Value))| {
        let (text, value) = match value {
            Value::String(text) if column.unit == "text" => {
                (text_cell(report, named_column(report, column, row), text, language), String::new())
            }
            value if column.is_text() => {
                (format::cell(column, value, context.now.year(), language), String::new())
            }
            value => {
                let shown = Shown::new(column, value, language);
                (shown.text, shown.value)
            }
        };
        let href = if place == linked { href.take() } else { None };
        Cell { text, value, href, is_number: !column.is_text() }
    };
    report.columns.iter().zip(row).enumerate().map(cell).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_visit_without_a_source_is_direct() {
        for (name, column, shown) in [
            ("sources", "source", "Direct"),
            ("errors", "source", "Unknown"),
            ("missing", "referrer", "Unknown"),
        ] {
            let report = catalogue::find(name).unwrap();
            assert_eq!(text_cell(report, column, "", Language::English), shown, "{name}");
        }
    }
}
