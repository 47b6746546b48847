//! Sign-in by a token, and sign-out.

use hyper::body::Incoming;
use hyper::header::{HeaderMap, HeaderValue, RETRY_AFTER, SET_COOKIE, WWW_AUTHENTICATE};
use hyper::{Method, Request, Response, StatusCode};

use super::cookie;
use super::form::{Form, see_other};
use super::notice::{Notice, Question};
use super::state::{BrowserRequest, ReportsEntry};
use crate::access::SessionSubject;
use crate::transport::negotiation::Language;
use crate::transport::response;
use crate::transport::{AuthError, Body};

pub(super) const PATH: &str = "/sign-in";
pub(super) const OUT: &str = "/sign-out";
/// Longest address that sign-in redirects to, in bytes.
const MAX_NEXT: usize = 2048;

impl ReportsEntry {
    pub(super) async fn sign_in(
        &self,
        request: Request<Incoming>,
        browser: &BrowserRequest,
    ) -> Response<Body> {
        match *request.method() {
            Method::GET | Method::HEAD => return form(StatusCode::OK, None, "/", browser.language),
            Method::POST => {}
            _ => return response::method_not_allowed("GET, HEAD, POST"),
        }
        let form_fields = match Form::read(request).await {
            Ok(fields) => fields,
            Err(response) => return response,
        };
        let next = local_path(form_fields.get("next"));
        let opened = match self.auth.tokens().check(form_fields.get("token"), browser.client) {
            Ok((fingerprint, _)) => self.sessions.open(SessionSubject::Token(fingerprint)),
            Err(error) => {
                // It counts the failure too.
                let status = error.response().status();
                return form(status, Some(error), next, browser.language);
            }
        };
        let Ok(value) = opened else {
            let what = "the system gives no random numbers, so nobody can sign in";
            return response::error(StatusCode::SERVICE_UNAVAILABLE, what);
        };
        let name = cookie::session(browser.is_encrypted);
        let mut response = see_other(next);
        response.headers_mut().insert(SET_COOKIE, cookie::set(name, &value, "/", browser.is_encrypted));
        response
    }

    pub(super) fn sign_out(
        &self,
        method: &Method,
        headers: &HeaderMap,
        browser: &BrowserRequest,
    ) -> Response<Body> {
        if method != Method::POST {
            return response::method_not_allowed("POST");
        }
        let name = cookie::session(browser.is_encrypted);
        self.sessions.end(headers, name);
        let mut response = see_other(PATH);
        response.headers_mut().insert(SET_COOKIE, cookie::remove(name, "/", browser.is_encrypted));
        response
    }
}

/// The form. `next` is the address that was asked for.
pub(super) fn form(
    status: StatusCode,
    error: Option<AuthError>,
    next: &str,
    language: Language,
) -> Response<Body> {
    let problem = match error {
        None | Some(AuthError::NoToken) => "",
        Some(AuthError::TooManyAttempts(_)) => language.pick([
            "Too many wrong tokens came from your address. Try again in a minute.",
            "С вашего адреса пришло слишком много неверных токенов. Попробуйте через минуту.",
        ]),
        Some(_) => language.pick([
            "This token is unknown, revoked or expired.",
            "Этот токен неизвестен, отозван или истёк.",
        ]),
    };
    let question = Question {
        action: format!("{PATH}?lang={}", language.code()),
        label: language.pick(["Token", "Токен"]),
        field: "token",
        autocomplete: "current-password",
        submit: language.pick(["Sign in", "Войти"]),
        kept: Some(("next", local_path(next).to_owned())),
        help: language.pick([
            "The operator makes it with: footfall token add NAME --role analyst. You stay signed in for 12 hours.",
            "Его выдаёт оператор командой: footfall token add NAME --role analyst. Вход действует 12 часов.",
        ]),
    };
    let title = language.pick(["Sign in to the reports", "Вход в отчёты"]);
    let mut response = Notice::new(language, title).problem(problem).question(question).respond(status);
    let headers = response.headers_mut();
    if status == StatusCode::UNAUTHORIZED {
        // With `Basic`, the browser would ask for the token in a window of its own.
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"Footfall\""));
    }
    if let Some(AuthError::TooManyAttempts(wait)) = error {
        headers.insert(RETRY_AFTER, HeaderValue::from(wait.as_secs() + 1));
    }
    response
}

/// Returns `next` if it is a path of this listener, and the front page otherwise: sign-in must not redirect to another site.
fn local_path(next: &str) -> &str {
    let is_path = next.starts_with('/')
        && !next.starts_with("//")
        && next.len() <= MAX_NEXT
        // Browsers read `\` as `/`, and leave out tabs and line feeds.
        && next.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    if is_path && !next.starts_with("/sign-") { next } else { "/" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sign_in_leads_to_no_other_site() {
        for kept in ["/", "/sites/clinic?period=7d&f=%2F%2Fevil.example", "/x//y"] {
            assert_eq!(local_path(kept), kept);
        }
        for foreign in [
            "",
            "https://evil.example/",
            "//evil.example/",
            "/\\evil.example/",
            "\\\\evil.example",
            "/\t/evil.example",
            "/\n/evil.example",
            "javascript:alert(1)",
            "evil.example",
            "/sign-in?next=/",
            "/sign-out",
            "/é",
            &format!("/{}", "a".repeat(MAX_NEXT)),
        ] {
            assert_eq!(local_path(foreign), "/", "{foreign}");
        }
    }
}
