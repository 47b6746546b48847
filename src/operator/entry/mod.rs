//! The entry to the reports listener: tokens in headers, sessions of browsers that signed in, share links.
//!
//! | request | principal |
//! |---|---|
//! | below `/share/TOKEN` | the visitor of that link, whatever else the request brings |
//! | with a token | its holder |
//! | with the cookie of a session | the holder of the token that opened it |
//! | without any, where no token is needed | the operator |
//!
//! A request that is not admitted gets the sign-in form if it comes from a browser, and JSON otherwise.

mod cookie;
mod form;
mod notice;
mod share;
mod share_links;
mod share_passwords;
mod sign_in;
mod state;

use std::net::IpAddr;

use hyper::body::Incoming;
use hyper::header::{ACCEPT, HeaderName, HeaderValue, WWW_AUTHENTICATE};
use hyper::{Method, Request, Response, StatusCode};

use self::notice::Notice;
pub(super) use self::state::Admission;
use self::state::{ASSETS, BrowserRequest};
pub use self::state::{PageBase, ReportsEntry};
use crate::access::{Permission, Principal, SessionSubject};
use crate::transport::negotiation::Language;
use crate::transport::{AuthError, Body};

static SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

impl ReportsEntry {
    /// `tls` says whether the connection is encrypted.
    pub(super) async fn admit(&self, request: Request<Incoming>, remote: IpAddr, tls: bool) -> Admission {
        if let Err(error) = self.auth.check_same_origin(&request) {
            return error.response().into();
        }
        let browser = BrowserRequest {
            language: language(&request),
            client: self.auth.client(&request, remote),
            is_encrypted: self.auth.is_encrypted(&request, remote, tls),
        };
        let path = request.uri().path().to_owned();
        if let Some(below) = share::below_root(&path) {
            return self.admit_by_link(request, below, &browser).await;
        }
        match path.as_str() {
            sign_in::PATH => return self.sign_in(request, &browser).await.into(),
            sign_in::OUT => return self.sign_out(request.method(), request.headers(), &browser).into(),
            path if path.starts_with(ASSETS) => return Admission::Admitted(request, Principal::Anonymous),
            _ => {}
        }
        let principal = match self.principal(&request, remote, &browser) {
            Ok(principal) => principal,
            Err(error) => return refuse(error, &request, browser.language).into(),
        };
        if let Some(site) = share_links::site_of(&path) {
            return self.share_links(request, site, &principal, &browser).await.into();
        }
        if !reads_reports(&principal) && !path.starts_with("/api") && accepts_html(&request) {
            return wrong_role(&principal, browser.language).into();
        }
        Admission::Admitted(request, principal)
    }

    /// A token in a header comes before the cookie of a session, and a session before the right of everybody on loopback.
    fn principal<B>(
        &self,
        request: &Request<B>,
        remote: IpAddr,
        browser: &BrowserRequest,
    ) -> Result<Principal, AuthError> {
        let principal = self.auth.authenticate(request, remote);
        if !matches!(principal, Ok(Principal::Local) | Err(AuthError::NoToken)) {
            return principal;
        }
        let session = self.sessions.find(request.headers(), cookie::session(browser.is_encrypted));
        let Some(SessionSubject::Token(fingerprint)) = session else { return principal };
        match self.auth.tokens().holder_of(&fingerprint) {
            Some(holder) => Ok(Principal::Token(holder)),
            None => principal,
        }
    }
}

/// `lang` of the address, or else what the browser prefers.
fn language<B>(request: &Request<B>) -> Language {
    let query = request.uri().query().unwrap_or_default();
    let lang = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "lang");
    Language::choose(lang.as_ref().map(|(_, lang)| lang.as_ref()), request.headers())
}

fn accepts_html<B>(request: &Request<B>) -> bool {
    let accepts = request.headers().get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepts.into_iter().any(|accept| accept.contains("text/html"))
}

fn reads_reports(principal: &Principal) -> bool {
    [Permission::ReadAudience, Permission::ReadPublished, Permission::ReadDiagnostics]
        .into_iter()
        .any(|permission| principal.may(permission))
}

/// The response to a request that is not admitted: the sign-in form for a browser, JSON otherwise.
fn refuse<B>(error: AuthError, request: &Request<B>, language: Language) -> Response<Body> {
    let mut response = error.response();
    if accepts_html(request) && request.method() != Method::POST {
        let next = request.uri().path_and_query().map_or("/", |path| path.as_str());
        return sign_in::form(response.status(), Some(error), next, language);
    }
    // A browser would open a window of its own over the page whose script sent the request.
    if request.headers().contains_key(&SEC_FETCH_MODE) && response.status() == StatusCode::UNAUTHORIZED {
        response
            .headers_mut()
            .insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"Footfall\""));
    }
    response
}

fn wrong_role(principal: &Principal, language: Language) -> Response<Body> {
    let role = match principal {
        Principal::Token(holder) => holder.role.name(),
        Principal::Local | Principal::Share(_) | Principal::Anonymous => "none",
    };
    let title = language.pick(["This role reads no reports", "Эта роль не читает отчёты"]);
    let text = match language {
        Language::English => format!(
            "The role of your token is {role}. Roles analyst and viewer read the audience, role sre reads diagnostics. \
             Role privacy reads the audit, at /api/audit."
        ),
        Language::Russian => format!(
            "Роль вашего токена — {role}. Аудиторию читают роли analyst и viewer, диагностику — роль sre. Роль privacy \
             читает журнал аудита по адресу /api/audit."
        ),
    };
    Notice::new(language, title).text(&text).sign_out().respond(StatusCode::FORBIDDEN)
}
