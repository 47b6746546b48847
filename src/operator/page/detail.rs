//! A report as a whole: all its columns, searched, sorted and cut into pages here, from one answer; and the same answer as CSV.

use std::cmp::Ordering;

use askama::Template;
use hyper::header::{CONTENT_DISPOSITION, HeaderValue};
use hyper::{Response, StatusCode};
use serde_json::Value;

use super::address::{Sort, View};
use super::context::ViewContext;
use super::error::ViewError;
use super::layout::{self, Controls, PageFrame, PageLink};
use super::rows::{self, Cell, Heading};
use super::{format, words};
use crate::operator::reading::{self, ReadingError};
use crate::report::catalogue::{self, Report, ReportColumn};
use crate::report::{MAX_ROWS, RawReportRequest, ReportAnswer, ReportError};
use crate::transport::Body;
use crate::transport::response;

/// Most rows that are searched, sorted and paged: they are held in the memory of the process that takes beacons.
const MOST_ROWS: u32 = 10_000;
/// Rows of a page.
const PAGE_ROWS: usize = 50;
static CSV: HeaderValue = HeaderValue::from_static("text/csv; charset=utf-8; header=present");

#[derive(Template)]
#[template(path = "operator/page/templates/detail.html")]
struct DetailPage {
    frame: PageFrame,
    controls: Option<Controls>,
    heading: String,
    about: String,
    columns: Vec<ColumnHeading>,
    rows: Vec<Vec<Cell>>,
    /// How many rows there are, and how many of them are searched out, in words.
    count: String,
    search: String,
    /// The form of the search: where it leads, and what it keeps.
    action: String,
    kept: Vec<(&'static str, String)>,
    steps: Vec<PageLink>,
    earlier: Option<PageLink>,
    later: Option<PageLink>,
    csv: PageLink,
    back: PageLink,
    notes: Vec<String>,
    credit: Option<&'static str>,
}

struct ColumnHeading {
    heading: Heading,
    /// Sorts by the column.
    href: String,
    /// `ascending`, `descending` or nothing.
    sorted: &'static str,
}

/// The request for the first rows of a report.
fn request(context: &ViewContext, report: &Report, most: u32) -> RawReportRequest {
    let raw = context.address.request(report.name);
    // The step of the series is a `by`, too, and other reports go by other things.
    let by = context.address.by.as_deref().filter(|by| report.by.contains(by));
    let limit = report.takes("limit").then(|| most.to_string());
    RawReportRequest { by: by.map(str::to_owned), limit, ..raw }
}

fn find(context: &ViewContext, name: &str) -> Result<&'static Report, ReadingError> {
    let readable = catalogue::find(name).filter(|report| reading::readable(report, &context.principal));
    readable.ok_or_else(|| {
        ReadingError::Report(ReportError::UnknownReport { name: name.to_owned(), nearest: None })
    })
}

pub(super) async fn render_csv(context: &ViewContext, name: &str) -> Result<Response<Body>, ViewError> {
    let report = find(context, name)?;
    let answer =
        reading::read(&context.reports, &request(context, report, MAX_ROWS), &context.principal).await?;
    let mut response = response::with_body(StatusCode::OK, &CSV, answer.csv(true));
    let period = answer.request.period;
    // Ids of sites are letters, digits, dots and dashes; what else an address brings is left out.
    let site: String = context
        .address
        .site
        .chars()
        .filter(|letter| letter.is_ascii_alphanumeric() || "-._".contains(*letter))
        .collect();
    let file =
        format!("attachment; filename=\"{site}-{}-{}-{}.csv\"", report.name, period.from(), period.to());
    if let Ok(value) = HeaderValue::try_from(file) {
        response.headers_mut().insert(CONTENT_DISPOSITION, value);
    }
    Ok(response)
}

pub(super) async fn render(context: &ViewContext, name: &str) -> Result<Response<Body>, ViewError> {
    let report = find(context, name)?;
    let answer =
        reading::read(&context.reports, &request(context, report, MOST_ROWS), &context.principal).await?;
    let (address, language) = (&context.address, context.language);
    let mut found = rows::folded_last(&answer);
    found.retain(|row| is_found(context, report, row));
    if let Some((place, sort)) = sorted_by(context, report) {
        found.sort_by(|left, right| order(left, right, place, sort.is_ascending));
    }
    let pages = found.len().div_ceil(PAGE_ROWS).max(1);
    let page = address.page.min(pages);
    let shown = found.iter().skip((page - 1) * PAGE_ROWS).take(PAGE_ROWS);
    let page_link =
        |label: &'static str, page: usize| PageLink::new(label, &address.with(|address| address.page = page));
    let title = words::text(report.title, language);
    let without_search = address.with(|address| {
        address.search.clear();
        address.page = 1;
    });
    let back = if report.purpose == catalogue::Purpose::Diagnostics { View::Diagnostics } else { View::Site };
    let has_period = report.takes("from");
    let page = DetailPage {
        frame: PageFrame::new(context, format!("{title} · {} · Footfall", address.site)),
        controls: if has_period { Some(Controls::new(context, answer.request.period)?) } else { None },
        heading: title.to_owned(),
        about: words::text(&report.about, language).to_owned(),
        columns: report.columns.iter().map(|column| heading(context, report, column)).collect(),
        count: count(context, &answer, found.len(), page, pages),
        rows: shown.map(|row| rows::cells(context, &answer, row)).collect(),
        search: address.search.clone(),
        action: address.path(),
        kept: without_search.parameters(),
        steps: steps(context, &answer),
        earlier: (page > 1).then(|| page_link(context.say("Earlier rows", "Предыдущие строки"), page - 1)),
        later: (page < pages).then(|| page_link(context.say("More rows", "Следующие строки"), page + 1)),
        csv: PageLink::new(
            "CSV",
            &address.with(|address| {
                address.view = View::Csv(report.name.to_owned());
                address.search.clear();
                (address.sort, address.page) = (None, 1);
            }),
        ),
        back: PageLink::new(context.say("Back to the site", "Назад к сайту"), &address.to_view(back)),
        notes: answer.notes.iter().map(|note| words::note(note, language)).collect(),
        credit: answer.request.credit(),
    };
    Ok(layout::page(StatusCode::OK, &page))
}

fn count(context: &ViewContext, answer: &ReportAnswer, found: usize, page: usize, pages: usize) -> String {
    let number = |number: usize| format::number(number as f64, 0, context.language);
    let rows = if context.address.search.is_empty() {
        format!("{}: {}", context.say("Rows", "Строк"), number(found))
    } else {
        format!("{}: {} / {}", context.say("Found", "Найдено"), number(found), number(answer.rows.len()))
    };
    if pages == 1 {
        rows
    } else {
        format!("{rows} · {} {page} / {pages}", context.say("page", "страница"))
    }
}

/// The links to the values of the report's parameter `by`.
fn steps(context: &ViewContext, answer: &ReportAnswer) -> Vec<PageLink> {
    let report = answer.request.report;
    let offered = report.by.iter().filter(|by| context.access.exact || **by != "hour");
    let link = |by: &&'static str| {
        let to = context.address.with(|address| {
            address.by = Some((*by).to_owned());
            address.page = 1;
        });
        PageLink::new(words::text(by, context.language), &to).current(answer.request.by == Some(*by))
    };
    offered.map(link).collect()
}

/// The index of the column that the reader sorts by, if the report has it.
fn sorted_by<'a>(context: &'a ViewContext, report: &Report) -> Option<(usize, &'a Sort)> {
    let sort = context.address.sort.as_ref()?;
    let place = report.columns.iter().position(|column| column.name == sort.column)?;
    Some((place, sort))
}

fn heading(context: &ViewContext, report: &Report, column: &ReportColumn) -> ColumnHeading {
    let is_number = !column.is_text();
    let sort = sorted_by(context, report).map(|(_, sort)| sort).filter(|sort| sort.column == column.name);
    // The first click on a number shows the largest, on a text the first.
    let is_ascending = sort.map_or(!is_number, |sort| !sort.is_ascending);
    let to = context.address.with(|address| {
        address.sort = Some(Sort { column: column.name.to_owned(), is_ascending });
        address.page = 1;
    });
    ColumnHeading {
        heading: Heading::new(column, context.language),
        href: to.href(),
        sorted: sort.map_or("", |sort| if sort.is_ascending { "ascending" } else { "descending" }),
    }
}

/// Whether a row has the text that the reader searches for, as it is stored or as it is shown.
fn is_found(context: &ViewContext, report: &Report, row: &[Value]) -> bool {
    let search = context.address.search.to_lowercase();
    let has = |text: &str| text.to_lowercase().contains(&search);
    search.is_empty()
        || report.columns.iter().zip(row).any(|(column, value)| match value {
            Value::String(text) => has(text) || has(&words::named(column.name, text, context.language)),
            _ => false,
        })
}

/// Rows without a value come after those with one, and folded rows last, whatever the order is.
fn order(left: &[Value], right: &[Value], place: usize, is_ascending: bool) -> Ordering {
    let folded = rows::is_other(left).cmp(&rows::is_other(right));
    let (left, right) = (&left[place], &right[place]);
    let missing = left.is_null().cmp(&right.is_null());
    let by_value = match (left, right) {
        (Value::String(left), Value::String(right)) => left.to_lowercase().cmp(&right.to_lowercase()),
        _ => left.as_f64().unwrap_or_default().total_cmp(&right.as_f64().unwrap_or_default()),
    };
    folded.then(missing).then(if is_ascending { by_value } else { by_value.reverse() })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn folded_rows_and_rows_without_a_value_stay_last_in_both_orders() {
        let rows = [json!(["(other)", 9]), json!(["a", 2]), json!(["B", null]), json!(["c", 5])];
        let rows: Vec<Vec<Value>> = rows.iter().map(|row| row.as_array().unwrap().clone()).collect();
        for (place, is_ascending, expected) in [
            (1, false, ["c", "a", "B", "(other)"]),
            (1, true, ["a", "c", "B", "(other)"]),
            (0, true, ["a", "B", "c", "(other)"]),
            (0, false, ["c", "B", "a", "(other)"]),
        ] {
            let mut sorted = rows.clone();
            sorted.sort_by(|left, right| order(left, right, place, is_ascending));
            let names: Vec<&str> = sorted.iter().map(|row| row[0].as_str().unwrap()).collect();
            assert_eq!(names, expected, "column {place}, ascending {is_ascending}");
        }
    }
}
