//! Errors of the page of reports, and the page that shows them.

use askama::Template;
use hyper::{Response, StatusCode};

use super::address::ViewAddressError;
use super::context::ViewContext;
use super::layout::{self, PageFrame, PageLink};
use super::words;
use crate::operator::reading::ReadingError;
use crate::report::ReportError;
use crate::transport::Body;
use crate::transport::negotiation::Language;

/// Why a page cannot be shown.
#[derive(Debug)]
pub(super) enum ViewError {
    Address(ViewAddressError),
    NoSite(String),
    /// The view is for another role, in the reader's language.
    OtherRole(&'static str),
    Reading(ReadingError),
}

impl From<ReadingError> for ViewError {
    fn from(error: ReadingError) -> Self {
        Self::Reading(error)
    }
}

impl From<ReportError> for ViewError {
    fn from(error: ReportError) -> Self {
        Self::Reading(error.into())
    }
}

impl ViewError {
    fn status(&self) -> StatusCode {
        match self {
            Self::Address(ViewAddressError::NoPage(_)) | Self::NoSite(_) => StatusCode::NOT_FOUND,
            Self::Address(_) => StatusCode::BAD_REQUEST,
            Self::OtherRole(_) => StatusCode::FORBIDDEN,
            Self::Reading(error) => error.status(),
        }
    }
}

/// The message of the error, in the reader's language.
fn reason(error: &ViewError, language: Language) -> String {
    match error {
        ViewError::Address(error) => words::address_reason(error, language),
        ViewError::NoSite(site) => {
            language.pick([format!("No site {site:?}"), format!("Сайта «{site}» нет")])
        }
        ViewError::OtherRole(what) => words::capitalised(what),
        ViewError::Reading(error) => words::reading_reason(error, language),
    }
}

#[derive(Template)]
#[template(path = "operator/page/templates/error.html")]
struct ErrorPage {
    frame: PageFrame,
    what: String,
    advice: &'static str,
    back: PageLink,
}

/// What a store that does not answer means for the reader.
pub(super) fn store_advice(context: &ViewContext) -> &'static str {
    context.say(
        "The store does not answer. Beacons are still accepted and kept; nothing is lost. Try again in a moment.",
        "Хранилище не отвечает. События по-прежнему принимаются и сохраняются, ничего не теряется. Попробуйте через минуту.",
    )
}

/// The page that says why there is none.
pub(super) fn render(context: &ViewContext, error: &ViewError) -> Response<Body> {
    if let ViewError::Reading(error) = error {
        error.log("page");
    }
    // The page says "unavailable" of a store that is down: the request is not at fault, and the next one may succeed.
    let status = match error.status() {
        StatusCode::BAD_GATEWAY => StatusCode::SERVICE_UNAVAILABLE,
        status => status,
    };
    let (title, advice) = match status {
        StatusCode::NOT_FOUND => (
            context.say("Page not found", "Страница не найдена"),
            context.say(
                "The address may be mistyped, or the site is not one of yours.",
                "Возможно, в адресе опечатка или этот сайт вам недоступен.",
            ),
        ),
        StatusCode::FORBIDDEN => (
            context.say("Not for this role", "Недоступно для этой роли"),
            context.say(
                "Leave out the filter, or ask the operator for another role.",
                "Уберите фильтр или попросите у оператора другую роль.",
            ),
        ),
        StatusCode::SERVICE_UNAVAILABLE => (
            context.say("The figures are not available right now", "Показатели сейчас недоступны"),
            store_advice(context),
        ),
        _ => (
            context.say("This cannot be shown", "Это нельзя показать"),
            context.say("Something in the address is wrong.", "В адресе что-то не так."),
        ),
    };
    let has_site = context.sites().contains(&context.address.site);
    let to = if has_site {
        context.address.front().to_site(&context.address.site)
    } else {
        context.address.front()
    };
    let label = if has_site {
        context.say("Back to the site", "Назад к сайту")
    } else {
        context.say("To all sites", "Ко всем сайтам")
    };
    let frame = PageFrame::new(context, title);
    let what = reason(error, context.language);
    layout::page(status, &ErrorPage { frame, what, advice, back: PageLink::new(label, &to) })
}
