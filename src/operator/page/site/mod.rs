//! One site in a period: the headline figures, the series and the cards.

mod cards;
mod figures;
mod hours;
mod rest;
mod series;

use askama::Template;
use hyper::Response;
use jiff::civil::Date;

use self::figures::Figure;
use self::series::{ComparedSeries, Series};
use super::context::ViewContext;
use super::error::ViewError;
use super::layout::{self, Controls, PageFrame};
use super::{format, words};
use crate::operator::reading;
use crate::report::{Note, RawReportRequest, ReportAnswer, ReportError, catalogue};
use crate::transport::Body;

const OVERVIEW: &str = "overview";
const SERIES: &str = "timeseries";

#[derive(Template)]
#[template(path = "operator/page/templates/site.html")]
struct SitePage {
    frame: PageFrame,
    controls: Controls,
    figures: Vec<Figure>,
    series: Series,
    /// How old the figures of today are, and whether they are published ones.
    status: Vec<String>,
    /// No beacon of the site has arrived: what to do.
    snippet: Option<String>,
}

/// The requests of the top of the page, in the order in which [`TopAnswers`] takes them.
fn top_requests(context: &ViewContext) -> Result<Vec<RawReportRequest>, ReportError> {
    let address = &context.address;
    let reports = reading::reports_for(&context.reports, OVERVIEW, &context.principal);
    let period = reports.parse(&address.request(OVERVIEW))?.period;
    let by = series::step(context, period);
    let series = |raw: RawReportRequest| RawReportRequest { by: Some(by.to_owned()), ..raw };
    let mut requests = vec![address.request(OVERVIEW), series(address.request(SERIES))];
    let compared = figures::compared(context, period);
    requests.extend(compared.map(|compared| series(compared.request(SERIES))));
    Ok(requests)
}

pub(super) async fn render(context: &ViewContext) -> Result<Response<Body>, ViewError> {
    if !(context.access.exact || context.access.published) {
        let what = context
            .say("this page needs role analyst or viewer", "для этой страницы нужна роль analyst или viewer");
        return Err(ViewError::OtherRole(what));
    }
    let requests = top_requests(context)?;
    let reports = reading::reports_for(&context.reports, OVERVIEW, &context.principal);
    let (answers, first_day) =
        tokio::join!(context.read_all(&requests), reports.first_day(&context.address.site));
    let (answers, first_day) = (answers?, first_day?);
    let (overview, series) = (&answers[0], &answers[1]);
    let report = catalogue::find(SERIES).expect("the catalogue has the series");
    let measure = series::measure(context, report).name;
    let title = format!("{} · Footfall", context.address.site);
    let is_empty = overview.notes.iter().any(Note::is_of_unknown_site);
    let is_comparable = figures::are_comparable(context, overview.request.period, first_day);
    let compared = answers.get(2).zip(context.address.comparison.of_reports());
    let compared = compared.map(|(answer, comparison)| ComparedSeries { answer, comparison, first_day });
    let page = SitePage {
        frame: PageFrame::new(context, title),
        controls: Controls::new(context, overview.request.period)?,
        figures: figures::figures(context, overview, report, measure, is_comparable),
        series: Series::new(context, series, compared),
        status: if is_empty { Vec::new() } else { status(context, &answers[0], first_day) },
        snippet: is_empty.then(|| snippet(context)),
    };
    Ok(rest::page_in_parts(context, &layout::render(&page), answers))
}

/// What the reader must know of the headline figures: their age, and why they are not compared.
fn status(context: &ViewContext, overview: &ReportAnswer, first_day: Option<Date>) -> Vec<String> {
    let mut status = words::notes(overview.notes.iter(), context.language);
    let other = figures::compared_period(context, overview.request.period);
    if let Some((_, first)) = other.zip(first_day).filter(|(other, first)| other.from() < *first) {
        let first = format::date(first, context.language);
        status.push(context.language.pick(if context.access.exact {
            [
                format!("There is no data before {first}, so these figures are not compared."),
                format!("До {first} данных нет, поэтому показатели не сравниваются."),
            ]
        } else {
            [
                format!("No day before {first} is published, so these figures are not compared."),
                format!("Дни до {first} не опубликованы, поэтому показатели не сравниваются."),
            ]
        }));
    }
    status
}

/// The tag for the pages of a site whose first beacon is awaited.
fn snippet(context: &ViewContext) -> String {
    let site = &context.address.site;
    let known = context.collector.as_ref().and_then(|collector| collector.tag(site));
    let unknown = || format!("<script defer src=\"https://COLLECTOR/s.js\" data-site=\"{site}\"></script>");
    known.map_or_else(unknown, str::to_owned)
}
