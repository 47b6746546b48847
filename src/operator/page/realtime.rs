//! The last half hour of a site: a page, and a stream of server-sent events that brings it up to date.
//!
//! A stream asks the store every few seconds and sends the figures, rendered, if they changed. There are few streams, and each ends after
//! some minutes: the browser opens the next one with the same credentials, which are checked again.

use std::time::Duration;

use askama::Template;
use bytes::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::{Response, StatusCode};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::{Instant, sleep, timeout};

use super::address::View;
use super::charts::{self, BarChart, Svg};
use super::context::ViewContext;
use super::error::ViewError;
use super::layout::{self, PageFrame};
use super::{format, words};
use crate::operator::reading::ReadingError;
use crate::report::{LiveRow, RawReportRequest};
use crate::transport::Body;
use crate::transport::response::{self, RETRY_SOON};

const REPORT: &str = "realtime";
/// Between two looks at the store. An event is in the store some two seconds after it came.
const INTERVAL: Duration = Duration::from_secs(3);
/// Longest life of a stream. The listener closes a connection on which nothing arrives for two minutes.
const MAX_STREAM_LIFE: Duration = Duration::from_secs(80);
/// For a client to take what was sent. One that takes nothing is gone.
const SEND_TIMEOUT: Duration = Duration::from_secs(30);
/// After so many looks without news, a comment tells proxies that the stream lives.
const HEARTBEAT: u32 = 5;
/// Pages and sources that are shown.
const ROWS: usize = 10;

#[derive(Template)]
#[template(path = "operator/page/templates/realtime.html")]
struct RealtimePage {
    frame: PageFrame,
    /// Why there is nothing to see.
    refusal: Option<&'static str>,
    stream: String,
    now: Option<RealtimeFigures>,
}

/// The part of the page that the stream replaces.
#[derive(Template)]
#[template(path = "operator/page/templates/realtime-figures.html")]
struct RealtimeFigures {
    words: FigureWords,
    current: String,
    views: String,
    chart: Svg,
    minutes: Vec<MinuteRow>,
    lists: [LiveList; 2],
}

/// The texts of the figures, in the reader's language.
struct FigureWords {
    current: &'static str,
    views: &'static str,
    minutes: &'static str,
    table: &'static str,
    time: &'static str,
    visitors: &'static str,
    nothing: &'static str,
}

struct MinuteRow {
    time: String,
    views: String,
    visitors: String,
}

struct LiveList {
    id: &'static str,
    title: &'static str,
    rows: Vec<(String, String)>,
}

/// The page of the realtime view.
pub(super) async fn render(context: &ViewContext) -> Result<Response<Body>, ViewError> {
    let refusal = refusal(context);
    let now = match refusal {
        Some(_) => None,
        None => Some(figures(context).await?),
    };
    let site = &context.address.site;
    let page = RealtimePage {
        frame: PageFrame::new(context, format!("{site} · {} · Footfall", context.say("Realtime", "Сейчас"))),
        refusal,
        stream: context.address.to_view(View::RealtimeEvents).href(),
        now,
    };
    let status = if refusal.is_some() { StatusCode::FORBIDDEN } else { StatusCode::OK };
    Ok(layout::page(status, &page))
}

/// Why the reader sees no minutes.
fn refusal(context: &ViewContext) -> Option<&'static str> {
    (!context.access.exact).then(|| {
        context.say(
            "Figures by the minute could reveal single visitors. Your role reads published figures, which cover whole days.",
            "По минутам можно узнать отдельных посетителей. Ваша роль читает опубликованные показатели, а они — за целые дни.",
        )
    })
}

/// The stream that brings the page up to date.
pub(super) fn events(context: &ViewContext) -> Result<Response<Body>, ViewError> {
    if let Some(refusal) = refusal(context) {
        return Err(ViewError::OtherRole(refusal));
    }
    let Some(permit) = context.collector.as_ref().and_then(|collector| collector.stream()) else {
        let mut response = response::empty(StatusCode::SERVICE_UNAVAILABLE);
        response.headers_mut().insert(RETRY_AFTER, RETRY_SOON);
        return Ok(response);
    };
    let (pieces, received) = mpsc::channel(1);
    let context = context.clone();
    tokio::spawn(async move { send_figures(&context, pieces, permit).await });
    let mut response = Response::new(Body::from_pieces(received));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    Ok(response)
}

/// Sends the figures whenever they change, until the client is gone or the stream is old.
async fn send_figures(context: &ViewContext, pieces: mpsc::Sender<Bytes>, _permit: OwnedSemaphorePermit) {
    let end = Instant::now() + MAX_STREAM_LIFE;
    let mut last = String::new();
    let mut unchanged = 0;
    while Instant::now() < end {
        let piece = match figures(context).await {
            Ok(figures) => {
                let html = figures.render().expect("writing to a string does not fail");
                if html == last {
                    String::new()
                } else {
                    last = html;
                    event(&last)
                }
            }
            // The page keeps its last figures, and the next look may succeed.
            Err(error) => {
                error.log("realtime stream");
                String::new()
            }
        };
        unchanged = if piece.is_empty() { unchanged + 1 } else { 0 };
        let piece = match piece {
            piece if !piece.is_empty() => piece,
            _ if unchanged % HEARTBEAT == 0 => ":\n\n".to_owned(),
            _ => String::new(),
        };
        if !piece.is_empty() && !matches!(timeout(SEND_TIMEOUT, pieces.send(piece.into())).await, Ok(Ok(())))
        {
            return;
        }
        tokio::select! {
            () = pieces.closed() => return,
            () = sleep(INTERVAL) => {}
        }
    }
}

/// A server-sent event: each line of its data has a name before it (HTML standard, "Server-sent events").
fn event(html: &str) -> String {
    let lines: String = html.lines().map(|line| format!("data: {line}\n")).collect();
    format!("event: figures\n{lines}\n")
}

async fn figures(context: &ViewContext) -> Result<RealtimeFigures, ReadingError> {
    let language = context.language;
    let site = context.address.site.clone();
    let request = RawReportRequest {
        site: Some(site.clone()),
        report: REPORT.to_owned(),
        ..RawReportRequest::default()
    };
    let requests = [request];
    let (answers, now) = tokio::join!(context.read_all(&requests), context.reports.last_half_hour(&site));
    let (answer, now) = (answers?.remove(0), now?);
    let place = |name: &str| answer.request.report.columns.iter().position(|column| column.name == name);
    let column = |name: &str| -> Vec<f64> {
        let place = place(name).unwrap_or_default();
        answer.rows.iter().map(|row| row[place].as_f64().unwrap_or_default()).collect()
    };
    let times: Vec<String> =
        answer.rows.iter().map(|row| row[0].as_str().unwrap_or_default().to_owned()).collect();
    let (views, visitors) = (column("views"), column("visitors"));
    let number = |count: f64| format::number(count, 0, language);
    let words = FigureWords::new(context);
    let chart =
        charts::bars(&BarChart { title: words.minutes, labels: &times, values: &views, format: &number });
    let minute = |((time, views), visitors): ((&String, &f64), &f64)| MinuteRow {
        time: time.clone(),
        views: number(*views),
        visitors: number(*visitors),
    };
    let list = |id, title, column: &str, rows: &[LiveRow]| LiveList {
        id,
        title,
        rows: rows
            .iter()
            .take(ROWS)
            .map(|row| (words::named(column, &row.value, language), number(row.visitors as f64)))
            .collect(),
    };
    Ok(RealtimeFigures {
        current: number(now.current as f64),
        views: number(views.iter().sum()),
        chart,
        minutes: times.iter().zip(&views).zip(&visitors).map(minute).collect(),
        lists: [
            list("live-pages", context.say("Pages", "Страницы"), "path", &now.pages),
            list("live-sources", context.say("Sources", "Источники"), "source", &now.sources),
        ],
        words,
    })
}

impl FigureWords {
    fn new(context: &ViewContext) -> Self {
        Self {
            current: context.say("visitors in the last 5 minutes", "посетители за последние 5 минут"),
            views: context.say("views in the last 30 minutes", "просмотры за последние 30 минут"),
            minutes: context.say("Views by the minute", "Просмотры по минутам"),
            table: context.say("As a table", "Таблицей"),
            time: context.say("Minute", "Минута"),
            visitors: context.say("Visitors", "Посетители"),
            nothing: context.say("Nobody in the last 30 minutes.", "За последние 30 минут никого."),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_of_an_event_is_data() {
        assert_eq!(
            event("<p>a</p>\n\n<p>b</p>\n"),
            "event: figures\ndata: <p>a</p>\ndata: \ndata: <p>b</p>\n\n"
        );
    }

    #[test]
    fn a_stream_ends_before_its_connection() {
        assert!(MAX_STREAM_LIFE + SEND_TIMEOUT < Duration::from_secs(120));
    }
}
