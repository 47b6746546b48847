//! One site in a period: the headline figures, the series and the cards, from one run of reports.

mod cards;
mod figures;
mod series;

use askama::Template;
use hyper::{Response, StatusCode};

use self::cards::Card;
use self::figures::Figure;
use self::series::Series;
use super::context::ViewContext;
use super::layout::{self, Controls, PageFrame, PageLink};
use super::words;
use crate::operator::reading::{self, ReadingError};
use crate::report::catalogue;
use crate::report::{RawReportRequest, ReportAnswer};
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
    cards: Vec<Card>,
    notes: Vec<String>,
    /// Counts the bots that are left out.
    with_bots: Option<PageLink>,
    /// No beacon of the site has arrived: what to do.
    snippet: Option<String>,
}

/// The requests of the top of the page, in the order in which [`TopAnswers`] takes them.
fn top_requests(context: &ViewContext<'_>) -> Result<Vec<RawReportRequest>, ReadingError> {
    let address = &context.address;
    let reports = reading::reports_for(&context.reports, OVERVIEW, context.principal);
    let period = reports.parse(&address.request(OVERVIEW))?.period;
    let by = series::step(context, period);
    let series = |raw: RawReportRequest| RawReportRequest { by: Some(by.to_owned()), ..raw };
    let mut requests = vec![address.request(OVERVIEW), series(address.request(SERIES))];
    let compared = figures::compared(address, period);
    requests.extend(compared.map(|compared| series(compared.request(SERIES))));
    Ok(requests)
}

pub(super) async fn render(context: &ViewContext<'_>) -> Result<Response<Body>, ReadingError> {
    if !(context.access.exact || context.access.published) {
        let what = context
            .say("this page needs role analyst or viewer", "для этой страницы нужна роль analyst или viewer");
        return Err(ReadingError::Request(StatusCode::FORBIDDEN, what.to_owned()));
    }
    let mut requests = top_requests(context)?;
    let of_top = requests.len();
    let planned = cards::plan(context);
    requests.extend(planned.iter().filter_map(|card| card.request.clone().ok()));
    let answers = context.read_all(&requests).await?;
    let (top, mut of_cards) = answers.split_at(of_top);
    let cards = planned.into_iter().map(|card| {
        let answer = card.request.is_ok().then(|| of_cards.split_first()).flatten();
        of_cards = answer.map_or(of_cards, |(_, rest)| rest);
        card.fill(context, answer.map(|(first, _)| first))
    });
    let cards = cards.collect();
    let (overview, series) = (&top[0], &top[1]);
    let report = catalogue::find(SERIES).expect("the catalogue has the series");
    let measure = series::measure(context, report).name;
    let title = format!("{} · Footfall", context.address.site);
    let is_empty = overview.notes.iter().any(|note| note.starts_with("the store holds no events"));
    let page = SitePage {
        frame: PageFrame::new(context, title),
        controls: Controls::new(context, overview.request.period)?,
        figures: figures::figures(context, overview, report, measure),
        series: Series::new(context, series, top.get(2)),
        cards,
        notes: notes(context, &answers),
        with_bots: with_bots(context, &answers),
        snippet: is_empty.then(|| snippet(context)),
    };
    Ok(layout::page(StatusCode::OK, &page))
}

/// What the reader must know of all answers, each once.
fn notes(context: &ViewContext<'_>, answers: &[ReportAnswer]) -> Vec<String> {
    let mut notes: Vec<String> = Vec::new();
    for note in answers.iter().flat_map(|answer| &answer.notes) {
        let note = words::note(note, context.language);
        // Each card has more rows than it shows, and links to them.
        if !notes.contains(&note)
            && !note.starts_with(context.say("There are more rows", "Показаны первые строки"))
        {
            notes.push(note);
        }
    }
    notes
}

/// A link that counts bots, if the answers say that some are left out.
fn with_bots(context: &ViewContext<'_>, answers: &[ReportAnswer]) -> Option<PageLink> {
    let says =
        |answer: &ReportAnswer| answer.notes.iter().any(|note| note.ends_with("views of bots are left out"));
    let to = || context.address.with(|address| address.bots = true);
    (context.access.exact && answers.iter().any(says))
        .then(|| PageLink::new(context.say("Count bots", "Учесть роботов"), &to()))
}

/// The tag for the pages of a site whose first beacon is awaited.
fn snippet(context: &ViewContext<'_>) -> String {
    let site = &context.address.site;
    let known = context.collector.and_then(|collector| collector.tag(site));
    let unknown = || format!("<script defer src=\"https://COLLECTOR/s.js\" data-site=\"{site}\"></script>");
    known.map_or_else(unknown, str::to_owned)
}
