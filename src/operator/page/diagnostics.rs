//! The technical half of a site: what carries a rise, how fast its pages are, what fails in them, and what the collector left out.

mod vitals;

use askama::Template;
use hyper::{Response, StatusCode};
use serde_json::Value;

use self::vitals::{VitalsTable, vitals};
use super::address::View;
use super::collector_state::{self, ReasonCount, Waiting};
use super::context::ViewContext;
use super::error::ViewError;
use super::layout::{self, Controls, PageFrame, PageLink};
use super::rows::{self, Cell, Heading};
use super::{format, words};
use crate::report::catalogue;
use crate::report::{RawReportRequest, ReportAnswer};
use crate::transport::Body;

/// Rows of each report. The others are one click away.
const ROWS: &str = "10";
/// Rows of the speed of pages: nine measures of each.
const SPEED_ROWS: &str = "108";
const ERRORS: &str = "errors";
const SPEED: &str = "speed";
/// Reports that are plain tables, above the errors and below them.
const ABOVE: [&str; 1] = ["diagnosis"];
const BELOW: [&str; 3] = ["releases", "resources", "missing"];
/// Columns of an error that its heading has.
const IN_HEADING: [&str; 4] = ["message", "errors", "visitors", "last_seen"];

#[derive(Template)]
#[template(path = "operator/page/templates/diagnostics.html")]
struct DiagnosticsPage {
    frame: PageFrame,
    controls: Controls,
    above: Vec<ReportTable>,
    vitals: VitalsTable,
    speed: PageLink,
    errors: Vec<ErrorGroup>,
    errors_about: String,
    errors_empty: String,
    all_errors: PageLink,
    below: Vec<ReportTable>,
    collector: CollectorSection,
    notes: Vec<String>,
}

/// A report with all of its columns.
struct ReportTable {
    id: &'static str,
    title: String,
    about: String,
    headings: Vec<Heading>,
    rows: Vec<Vec<Cell>>,
    /// Why there are no rows.
    empty: String,
    more: PageLink,
    credit: Option<&'static str>,
}

struct ErrorGroup {
    message: String,
    count: String,
    visitors: String,
    last_seen: String,
    facts: Vec<(String, String)>,
    stack: String,
    /// The same page for this error alone.
    only: Option<PageLink>,
}

/// What the collector did not store.
struct CollectorSection {
    refused: Vec<(&'static str, String)>,
    dropped: Vec<(&'static str, String)>,
    waiting: Option<String>,
    is_behind: bool,
}

pub(super) async fn render(context: &ViewContext) -> Result<Response<Body>, ViewError> {
    if !context.access.diagnostics {
        let what = context.say("this page needs role sre", "для этой страницы нужна роль sre");
        return Err(ViewError::OtherRole(what));
    }
    let request = |name: &str| {
        let raw = context.address.request(name);
        RawReportRequest { limit: Some(ROWS.to_owned()), ..raw }.for_report(name)
    };
    let is_known = |name: &&&str| catalogue::find(name).is_some();
    let above: Vec<&str> = ABOVE.iter().filter(is_known).copied().collect();
    let below: Vec<&str> = BELOW.iter().filter(is_known).copied().collect();
    let speed = |by: &str| {
        let (by, limit) = (Some(by.to_owned()), Some(SPEED_ROWS.to_owned()));
        RawReportRequest { by, limit, ..request(SPEED) }
    };
    let mut requests = vec![request(ERRORS), speed("site"), speed("page")];
    requests.extend(above.iter().chain(&below).map(|name| request(name)));
    let answers = context.read_all(&requests).await?;
    let [errors, of_site, of_pages, tables @ ..] = &answers[..] else {
        unreachable!("each request has an answer");
    };
    let period = errors.request.period;
    let site = &context.address.site;
    let dropped = context.reports.dropped_events(site, period.from(), period.to()).await?;
    let mut tables = tables.iter().map(|answer| table(context, answer));
    let all = |name: &str| {
        PageLink::new(context.say("All", "Все"), &context.address.to_view(View::Report(name.to_owned())))
    };
    let shown = answers.iter().filter(|answer| !answer.rows.is_empty());
    let page = DiagnosticsPage {
        frame: PageFrame::new(
            context,
            format!("{site} · {} · Footfall", context.say("Diagnostics", "Диагностика")),
        ),
        controls: Controls::new(context, period)?,
        above: tables.by_ref().take(above.len()).collect(),
        vitals: vitals(context, of_site, of_pages),
        speed: all(SPEED),
        errors: errors.rows.iter().map(|row| error_group(context, errors, row)).collect(),
        errors_about: words::text(&errors.request.report.about, context.language).to_owned(),
        errors_empty: empty(context, errors),
        all_errors: all(ERRORS),
        below: tables.collect(),
        collector: collector(context, dropped),
        notes: words::notes(shown.flat_map(|answer| &answer.notes), context.language),
    };
    Ok(layout::page(StatusCode::OK, &page))
}

fn table(context: &ViewContext, answer: &ReportAnswer) -> ReportTable {
    let (report, language) = (answer.request.report, context.language);
    ReportTable {
        id: report.name,
        title: words::text(report.title, language).to_owned(),
        about: words::text(&report.about, language).to_owned(),
        headings: report.columns.iter().map(|column| Heading::new(column, language)).collect(),
        rows: answer.rows.iter().map(|row| rows::cells(context, answer, row)).collect(),
        empty: empty(context, answer),
        more: PageLink::new(
            context.say("All", "Все"),
            &context.address.to_view(View::Report(report.name.to_owned())),
        ),
        credit: answer.request.credit(),
    }
}

/// An error with all that the report tells of it.
fn error_group(context: &ViewContext, answer: &ReportAnswer, row: &[Value]) -> ErrorGroup {
    let language = context.language;
    let cells = || answer.request.report.columns.iter().zip(row);
    let shown = |column: &_, value: &_| format::cell(column, value, context.now.year(), language);
    let text = |name: &str| {
        let found = cells().find(|(column, _)| column.name == name);
        found.map_or_else(String::new, |(column, value)| shown(column, value))
    };
    let facts = cells()
        .filter(|(column, _)| !IN_HEADING.contains(&column.name) && column.name != "stack")
        .map(|(column, value)| (words::heading(column, language), shown(column, value)))
        .filter(|(_, text)| !text.is_empty());
    let filter = format!("error_group={}", text("group"));
    let is_only = context.address.filters.contains(&filter);
    let alone = || context.address.with_filter(filter.clone(), context.has_one_filter());
    ErrorGroup {
        message: text("message"),
        count: text("errors"),
        visitors: text("visitors"),
        last_seen: text("last_seen"),
        facts: facts.collect(),
        stack: text("stack"),
        only: (!is_only)
            .then(|| PageLink::new(context.say("Only this error", "Только эта ошибка"), &alone())),
    }
}

fn collector(context: &ViewContext, dropped: Vec<(String, u64)>) -> CollectorSection {
    let language = context.language;
    let number = |count: u64| format::number(count as f64, 0, language);
    let refused = context.collector.as_ref().map(|state| state.refused(&context.address.site, language));
    let waiting = context.collector.as_ref().map(|state| state.waiting());
    // How many events of all sites wait is not for readers of some.
    let in_words = |Waiting { events, oldest }: Waiting| {
        let age = format::duration(oldest.as_secs_f64(), language);
        match context.principal.restricted_to() {
            Some(_) => language.pick([
                format!("the oldest event waits for {age}"),
                format!("самое старое событие ждёт {age}"),
            ]),
            None => language.pick([
                format!("{} events of all sites, the oldest for {age}", number(events)),
                format!("событий всех сайтов: {}, самое старое ждёт {age}", number(events)),
            ]),
        }
    };
    CollectorSection {
        refused: refused
            .into_iter()
            .flatten()
            .map(|ReasonCount { reason, count }| (reason, number(count)))
            .collect(),
        dropped: dropped
            .into_iter()
            .map(|(reason, count)| (collector_state::dropped_words(&reason, language), number(count)))
            .collect(),
        is_behind: waiting.is_some_and(Waiting::is_behind),
        waiting: waiting.filter(|waiting| waiting.events > 0).map(in_words),
    }
}

/// Why an answer has no rows.
fn empty(context: &ViewContext, answer: &ReportAnswer) -> String {
    // That a site has no events at all would be said once for each report.
    match answer.notes.iter().find(|note| !note.is_of_unknown_site()) {
        Some(note) => words::note(note, context.language),
        None => context.say("Nothing in this period.", "За этот период ничего нет.").to_owned(),
    }
}
