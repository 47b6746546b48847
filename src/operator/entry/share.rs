//! Entry by a share link: `/share/TOKEN/…`.
//!
//! A forged, expired, revoked or incomplete link gets one and the same page. So nobody learns which it is. Many of them from one address are answered
//! with 429, as wrong tokens of sign-in are.

use std::sync::Arc;
use std::time::Instant;

use hyper::body::Incoming;
use hyper::header::{HeaderValue, RETRY_AFTER, SET_COOKIE};
use hyper::{Method, Request, Response, StatusCode};

use super::cookie;
use super::form::{Form, see_other};
use super::notice::{Notice, Question};
use super::state::{ASSETS, Admission, BrowserRequest, PageBase, ReportsEntry};
use crate::access::same_origin::{SHARE_PASSWORD, SHARE_ROOT};
use crate::access::{Principal, SessionSubject, ShareLink, ShareVisitor};
use crate::privacy::Peer;
use crate::transport::negotiation::Language;
use crate::transport::{Body, response};

/// A path below [`SHARE_ROOT`].
pub(super) struct BelowRoot<'p> {
    token: &'p str,
    /// What follows the token: empty, or a path.
    rest: &'p str,
}

pub(super) fn below_root(path: &str) -> Option<BelowRoot<'_>> {
    let below = path.strip_prefix(SHARE_ROOT)?;
    let (token, rest) = below.split_at(below.find('/').unwrap_or(below.len()));
    Some(BelowRoot { token, rest })
}

impl ReportsEntry {
    pub(super) async fn admit_by_link(
        &self,
        mut request: Request<Incoming>,
        below: BelowRoot<'_>,
        browser: &BrowserRequest,
    ) -> Admission {
        let link = self.shares.verifier.verify(below.token);
        // A link ends with its site.
        let Some(link) = link.filter(|link| self.reports.configured_sites().contains(&link.site)) else {
            return self.refuse_token(browser).into();
        };
        let base = format!("{SHARE_ROOT}{}", below.token);
        if below.rest == SHARE_PASSWORD && request.method() == Method::POST {
            return self.take_password(request, &link, &base, browser).await.into();
        }
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return response::method_not_allowed("GET, HEAD").into();
        }
        if link.password.is_some() && !below.rest.starts_with(ASSETS) {
            let session = self.sessions.find(request.headers(), cookie::share(browser.is_encrypted));
            if session != Some(SessionSubject::Share(link.id.clone())) {
                return password_form(StatusCode::UNAUTHORIZED, "", &base, browser.language).into();
            }
        }
        // The page of all sites would show one.
        if matches!(below.rest, "" | "/" | SHARE_PASSWORD) {
            return see_other(&format!("{base}/sites/{}", link.site)).into();
        }
        request.extensions_mut().insert(PageBase(base));
        let visitor = ShareVisitor { name: format!("share link {}", link.name), sites: [link.site] };
        Admission::Admitted(request, Principal::Share(Arc::new(visitor)))
    }

    /// The page is the same for every wrong link.
    fn refuse_token(&self, browser: &BrowserRequest) -> Response<Body> {
        match self.shares.count_wrong_token(&Peer::new(browser.client), Instant::now()) {
            Ok(()) => nothing_here(StatusCode::NOT_FOUND, browser.language),
            Err(wait) => {
                let mut response = nothing_here(StatusCode::TOO_MANY_REQUESTS, browser.language);
                response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(wait.as_secs() + 1));
                response
            }
        }
    }

    async fn take_password(
        &self,
        request: Request<Incoming>,
        link: &ShareLink,
        base: &str,
        browser: &BrowserRequest,
    ) -> Response<Body> {
        let Some(hash) = link.password.clone() else { return see_other(&format!("{base}/")) };
        let now = Instant::now();
        if let Err(wait) = self.shares.permit_attempt(&Peer::new(browser.client), &link.id, now) {
            let problem = browser.language.pick([
                "Too many passwords were tried. Try again in a minute.",
                "Слишком много попыток. Попробуйте через минуту.",
            ]);
            let mut response = password_form(StatusCode::TOO_MANY_REQUESTS, problem, base, browser.language);
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(wait.as_secs() + 1));
            return response;
        }
        let form = match Form::read(request).await {
            Ok(form) => form,
            Err(response) => return response,
        };
        if !self.shares.matches(hash, form.exact("password").to_owned()).await {
            let problem = browser.language.pick(["This password is wrong.", "Пароль неверен."]);
            return password_form(StatusCode::UNAUTHORIZED, problem, base, browser.language);
        }
        let Ok(value) = self.sessions.open(SessionSubject::Share(link.id.clone())) else {
            return response::error(StatusCode::SERVICE_UNAVAILABLE, "the system gives no random numbers");
        };
        let name = cookie::share(browser.is_encrypted);
        let mut response = see_other(&format!("{base}/"));
        response.headers_mut().insert(SET_COOKIE, cookie::set(name, &value, base, browser.is_encrypted));
        response
    }
}

fn password_form(status: StatusCode, problem: &str, base: &str, language: Language) -> Response<Body> {
    let question = Question {
        action: format!("{base}{SHARE_PASSWORD}?lang={}", language.code()),
        label: language.pick(["Password", "Пароль"]),
        field: "password",
        autocomplete: "off",
        submit: language.pick(["Show the report", "Показать отчёт"]),
        kept: None,
        help: "",
    };
    let title = language.pick(["This report needs a password", "Отчёт закрыт паролем"]);
    let text = language.pick(["Ask whoever sent you the link.", "Спросите его у того, кто прислал ссылку."]);
    Notice::new(language, title).shared().text(text).problem(problem).question(question).respond(status)
}

fn nothing_here(status: StatusCode, language: Language) -> Response<Body> {
    let title = language.pick(["This link shows nothing", "По этой ссылке ничего нет"]);
    let text = language.pick([
        "It may have expired, been revoked, or been copied in part. Ask whoever sent it for a new one.",
        "Возможно, ссылка истекла, отозвана или скопирована не целиком. Попросите новую у того, кто её прислал.",
    ]);
    Notice::new(language, title).shared().text(text).respond(status)
}
