//! What follows the headline figures and the series: the cards and the notes.
//!
//! The page is sent in parts, because goals and funnels take longer than all other figures together. A comment follows each part but the
//! last. It tells the script that the part is complete.
//!
//! 1. Everything above the cards.
//! 2. The cards that daily figures answer.
//! 3. The cards of goals and funnels, and the notes.

use askama::Template;
use bytes::Bytes;
use hyper::Response;
use hyper::header::CONTENT_TYPE;
use tokio::sync::mpsc;

use super::cards::{self, Card, PlannedCard};
use crate::operator::page::context::ViewContext;
use crate::operator::page::layout::{self, PageLink};
use crate::operator::page::words;
use crate::operator::reading::ReadingError;
use crate::report::{Note, ReportAnswer};
use crate::transport::Body;
use crate::transport::negotiation::Language;

/// Where the rest belongs in the template of the page.
pub(super) const REST: &str = "<!--rest-->";
/// After each part but the last; `script/src/page/document.ts` looks for it.
const PART: &str = "<!--part-->";

#[derive(Template)]
#[template(path = "operator/page/templates/cards.html")]
struct CardsPart {
    cards: Vec<Card>,
}

#[derive(Template)]
#[template(path = "operator/page/templates/notes.html")]
struct NotesPart {
    language: Language,
    notes: Vec<String>,
    /// Counts the bots that are left out.
    with_bots: Option<PageLink>,
    /// Why a part is missing.
    failure: Option<String>,
}

impl NotesPart {
    fn say(&self, english: &'static str, russian: &'static str) -> &'static str {
        self.language.pick([english, russian])
    }
}

/// The answer, whose cards are read while its top is on its way. `page` has [`REST`] in their place; `answers` are those of the top.
pub(super) fn page_in_parts(context: &ViewContext, page: &str, answers: Vec<ReportAnswer>) -> Response<Body> {
    let (top, bottom) = page.split_once(REST).unwrap_or((page, ""));
    let (top, bottom) = (Bytes::from(format!("{top}{PART}")), bottom.to_owned());
    let (parts, received) = mpsc::channel(1);
    let context = context.clone();
    tokio::spawn(async move {
        // A reader who has gone needs no more parts.
        if parts.send(top).await.is_ok() {
            let _gone = send_rest(&context, answers, bottom, &parts).await;
        }
    });
    let mut response = Response::new(Body::from_pieces(received));
    response.headers_mut().insert(CONTENT_TYPE, layout::HTML.clone());
    response
}

async fn send_rest(
    context: &ViewContext,
    mut answers: Vec<ReportAnswer>,
    bottom: String,
    parts: &mpsc::Sender<Bytes>,
) -> Result<(), mpsc::error::SendError<Bytes>> {
    let mut planned = cards::plan(context);
    let slow = planned.split_off(planned.iter().position(PlannedCard::is_slow).unwrap_or(planned.len()));
    let mut failure = None;
    let mut part = "<div class=\"cards\">".to_owned();
    for (place, planned) in [planned, slow].into_iter().enumerate() {
        if place > 0 {
            parts.send((std::mem::take(&mut part) + PART).into()).await?;
        }
        match filled(context, planned, &mut answers).await {
            Ok(cards) => part += &layout::render(&CardsPart { cards }),
            Err(error) => {
                error.log("page");
                failure = Some(words::reading_reason(&error, context.language));
                break;
            }
        }
    }
    let notes = NotesPart {
        language: context.language,
        notes: words::notes(answers.iter().flat_map(|answer| &answer.notes), context.language),
        with_bots: with_bots(context, &answers),
        failure,
    };
    parts.send((part + "</div>" + &layout::render(&notes) + &bottom).into()).await
}

/// Reads the figures of cards, and adds the answers to those of the page.
async fn filled(
    context: &ViewContext,
    planned: Vec<PlannedCard>,
    answers: &mut Vec<ReportAnswer>,
) -> Result<Vec<Card>, ReadingError> {
    let requests: Vec<_> = planned.iter().filter_map(|card| card.request.clone().ok()).collect();
    if requests.is_empty() {
        return Ok(planned.into_iter().map(|card| card.fill(context, None)).collect());
    }
    let read = context.read_all(&requests).await?;
    let mut unused = read.iter();
    let fill = |card: PlannedCard| {
        let answer = if card.request.is_ok() { unused.next() } else { None };
        card.fill(context, answer)
    };
    let cards = planned.into_iter().map(fill).collect();
    answers.extend(read);
    Ok(cards)
}

/// A link that counts bots, if the answers say that some are left out.
fn with_bots(context: &ViewContext, answers: &[ReportAnswer]) -> Option<PageLink> {
    let is_of_bots = |note: &Note| matches!(note, Note::BotsLeftOut { .. });
    let says = |answer: &ReportAnswer| answer.notes.iter().any(is_of_bots);
    let to = || context.address.with(|address| address.bots = true);
    (context.access.exact && answers.iter().any(says))
        .then(|| PageLink::new(context.say("Count bots", "Учесть роботов"), &to()))
}
