//! The page `/sites/ID/share`: the share links of a site, a form for a new one, and a button to revoke each.
//!
//! Those who read the site's exact figures may share its protected ones: the operator, and analysts.

use askama::Template;
use hyper::body::Incoming;
use hyper::header::HOST;
use hyper::{Method, Request, Response, StatusCode};
use jiff::{SignedDuration, Timestamp};

use super::form::{Form, see_other};
use super::notice::{self, Notice};
use super::state::{BrowserRequest, ReportsEntry};
use crate::access::same_origin::SHARE_ROOT;
use crate::access::{
    MAX_NAME, MIN_PASSWORD, NewShareLink, PasswordHash, Permission, Principal, ShareFileError,
};
use crate::error_chain::error_chain;
use crate::operator::page;
use crate::transport::negotiation::Language;
use crate::transport::{Body, response};

/// Lifetimes that the form offers, in days; the first one is chosen.
const LIFETIMES: [i64; 4] = [30, 7, 90, 365];

/// The site of a path `/sites/ID/share`.
pub(super) fn site_of(path: &str) -> Option<&str> {
    let site = path.strip_prefix("/sites/")?.strip_suffix("/share")?;
    (!site.is_empty() && !site.contains('/')).then_some(site)
}

#[derive(Template)]
#[template(path = "operator/entry/share_links.html")]
struct SharePage<'a> {
    language: Language,
    style: String,
    icon: String,
    /// The path of the site's page.
    site_path: String,
    site: &'a str,
    links: Vec<ShownLink>,
    lifetimes: [i64; 4],
    problem: &'a str,
    diagnostics: bool,
    sign_out: bool,
}

struct ShownLink {
    name: String,
    by: String,
    address: String,
    expires: String,
    has_password: bool,
}

impl SharePage<'_> {
    fn say(&self, english: &'static str, russian: &'static str) -> &'static str {
        self.language.pick([english, russian])
    }

    fn lang(&self) -> &'static str {
        self.language.code()
    }

    fn other_lang(&self) -> &'static str {
        self.language.pick(["ru", "en"])
    }
}

impl ReportsEntry {
    pub(super) async fn share_links(
        &self,
        request: Request<Incoming>,
        site: &str,
        principal: &Principal,
        browser: &BrowserRequest,
    ) -> Response<Body> {
        if !principal.may(Permission::ReadAudience) || !principal.may_see(site) {
            let title = browser.language.pick(["Only analysts may share", "Ссылки создают аналитики"]);
            let text = browser.language.pick([
                "Share links are made by the operator, and by role analyst for the sites of its token.",
                "Ссылки создаёт оператор, а также роль analyst для сайтов своего токена.",
            ]);
            return Notice::new(browser.language, title).text(text).respond(StatusCode::FORBIDDEN);
        }
        if !self.reports.sites().iter().any(|known| known == site) {
            return response::not_found();
        }
        let origin = origin_of(&request, browser);
        match *request.method() {
            Method::GET | Method::HEAD => {
                self.share_page(StatusCode::OK, "", site, &origin, principal, browser)
            }
            Method::POST => {
                let form = match Form::read(request).await {
                    Ok(form) => form,
                    Err(response) => return response,
                };
                match self.change_links(&form, site, principal, browser.language).await {
                    Ok(()) => see_other(&format!("/sites/{site}/share?lang={}", browser.language.code())),
                    Err((status, problem)) => {
                        self.share_page(status, &problem, site, &origin, principal, browser)
                    }
                }
            }
            _ => response::method_not_allowed("GET, HEAD, POST"),
        }
    }

    fn share_page(
        &self,
        status: StatusCode,
        problem: &str,
        site: &str,
        origin: &str,
        principal: &Principal,
        browser: &BrowserRequest,
    ) -> Response<Body> {
        let links = self.shares.verifier.links_of(site).into_iter().map(|(link, token)| ShownLink {
            address: format!("{origin}{SHARE_ROOT}{token}/"),
            expires: page::moment(
                link.expires.to_zoned(self.reports.zone().clone()).datetime(),
                browser.language,
            ),
            has_password: link.password.is_some(),
            name: link.name,
            by: link.by,
        });
        let shown = SharePage {
            language: browser.language,
            style: page::style_path(),
            icon: page::icon_path(),
            site_path: format!("/sites/{site}"),
            site,
            links: links.collect(),
            lifetimes: LIFETIMES,
            problem,
            diagnostics: principal.may(Permission::ReadDiagnostics),
            sign_out: matches!(principal, Principal::Token(_)),
        };
        let html = shown.render().expect("writing to a string does not fail");
        notice::html(status, html, browser.language, "same-origin")
    }

    /// Adds or revokes a link, as the form says.
    async fn change_links(
        &self,
        form: &Form,
        site: &str,
        principal: &Principal,
        language: Language,
    ) -> Result<(), (StatusCode, String)> {
        let (name, by) = (form.get("name").to_owned(), principal.name().to_owned());
        let (verifier, site) = (self.shares.verifier.clone(), site.to_owned());
        if form.get("action") == "revoke" {
            let revoking = tokio::task::spawn_blocking(move || verifier.revoke(&site, &name, &by));
            let revoked = revoking.await.expect("it does not panic and is not aborted");
            return revoked.map_err(|error| failure(&error, language));
        }
        let days =
            form.get("days").parse().ok().filter(|days| LIFETIMES.contains(days)).unwrap_or(LIFETIMES[0]);
        let expires = Timestamp::now() + SignedDuration::from_hours(24 * days);
        let password = form.exact("password").to_owned();
        let _permit = self.shares.hashes.acquire().await.expect("it is never closed");
        let adding = tokio::task::spawn_blocking(move || {
            let password = match password.as_str() {
                "" => None,
                text => Some(PasswordHash::new(text).ok().flatten().ok_or_else(|| {
                    let what = match language {
                        Language::English => format!("A password has at least {MIN_PASSWORD} characters."),
                        Language::Russian => format!("В пароле должно быть не меньше {MIN_PASSWORD} знаков."),
                    };
                    (StatusCode::BAD_REQUEST, what)
                })?),
            };
            let added = verifier.file().add(NewShareLink { name, site, by, expires, password });
            added.and_then(|_| verifier.reload_if_changed()).map_err(|error| failure(&error, language))
        });
        adding.await.expect("it does not panic and is not aborted")
    }
}

/// Why the links were not changed, in the reader's language.
fn failure(error: &ShareFileError, language: Language) -> (StatusCode, String) {
    let (status, russian) = match error {
        ShareFileError::InvalidName(_) => (
            StatusCode::BAD_REQUEST,
            format!("Название ссылки — от 1 до {MAX_NAME} знаков: латинские буквы, цифры, - _ . и @"),
        ),
        ShareFileError::UnknownName { name, .. } => {
            (StatusCode::NOT_FOUND, format!("У сайта нет ссылки «{name}»: возможно, её уже отозвали."))
        }
        ShareFileError::DuplicateName { name, .. } => (
            StatusCode::CONFLICT,
            format!("У сайта уже есть ссылка «{name}». Отзовите её или выберите другое название."),
        ),
        ShareFileError::Full => {
            (StatusCode::CONFLICT, "Ссылок слишком много. Отзовите те, которыми не пользуются.".to_owned())
        }
        ShareFileError::File(_) | ShareFileError::Damaged { .. } | ShareFileError::Random(_) => {
            tracing::error!(error = error as &dyn std::error::Error, "changing the share links failed");
            let what = "Файл ссылок не удалось изменить. Причина записана в журнале сборщика.";
            (StatusCode::INTERNAL_SERVER_ERROR, what.to_owned())
        }
    };
    (status, language.pick([error_chain(error), russian]))
}

/// What comes before a link's path: scheme and host as the browser has them. The same-origin rules have checked the host.
fn origin_of<B>(request: &Request<B>, browser: &BrowserRequest) -> String {
    let scheme = if browser.is_encrypted { "https" } else { "http" };
    let host = match request.uri().authority() {
        Some(authority) => authority.as_str(),
        None => request.headers().get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default(),
    };
    format!("{scheme}://{host}")
}
