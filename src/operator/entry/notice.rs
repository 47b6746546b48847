//! A short page: a heading, a text and at most one form.

use askama::Template;
use hyper::header::{CONTENT_LANGUAGE, CONTENT_SECURITY_POLICY, HeaderValue, REFERRER_POLICY, VARY};
use hyper::{Response, StatusCode};

use crate::operator::page;
use crate::transport::Body;
use crate::transport::negotiation::Language;
use crate::transport::response;

pub(super) static HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");
/// These pages run no script.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// The one field that a form of a short page asks for.
pub(super) struct Question {
    pub(super) action: String,
    pub(super) label: &'static str,
    pub(super) field: &'static str,
    /// What the browser's store of passwords may fill in.
    pub(super) autocomplete: &'static str,
    pub(super) submit: &'static str,
    /// A field that the form sends back.
    pub(super) kept: Option<(&'static str, String)>,
    pub(super) help: &'static str,
}

#[derive(Template)]
#[template(path = "operator/entry/notice.html")]
pub(super) struct Notice<'a> {
    language: Language,
    style: String,
    icon: String,
    title: &'a str,
    text: &'a str,
    /// What went wrong with the form.
    problem: &'a str,
    question: Option<Question>,
    with_sign_out: bool,
    is_shared: bool,
}

impl<'a> Notice<'a> {
    pub(super) fn new(language: Language, title: &'a str) -> Self {
        let (text, problem, question) = ("", "", None);
        let (style, icon) = (page::style_path(), page::icon_path());
        Self { language, style, icon, title, text, problem, question, with_sign_out: false, is_shared: false }
    }

    pub(super) fn text(self, text: &'a str) -> Self {
        Self { text, ..self }
    }

    pub(super) fn problem(self, problem: &'a str) -> Self {
        Self { problem, ..self }
    }

    pub(super) fn question(self, question: Question) -> Self {
        Self { question: Some(question), ..self }
    }

    /// Adds a button that ends the session.
    pub(super) fn sign_out(self) -> Self {
        Self { with_sign_out: true, ..self }
    }

    /// Names nothing of the listener but this page, because anyone with the link reads it.
    pub(super) fn shared(self) -> Self {
        Self { is_shared: true, ..self }
    }

    pub(super) fn respond(self, status: StatusCode) -> Response<Body> {
        let html = self.render().expect("writing to a string does not fail");
        let referrer = if self.is_shared { "no-referrer" } else { "same-origin" };
        self::html(status, html, self.language, referrer)
    }

    fn lang(&self) -> &'static str {
        self.language.code()
    }

    fn sign_out_label(&self) -> &'static str {
        self.language.pick(["Sign out", "Выйти"])
    }
}

/// A page with a form. Browsers name the origin of a form only if the policy lets them send a referrer to their own site.
pub(super) fn html(
    status: StatusCode,
    html: String,
    language: Language,
    referrer: &'static str,
) -> Response<Body> {
    let mut response = response::with_body(status, &HTML, html);
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(CONTENT_LANGUAGE, HeaderValue::from_static(language.code()));
    headers.insert(VARY, HeaderValue::from_static("accept-language, cookie"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static(referrer));
    response
}
