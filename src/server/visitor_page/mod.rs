//! The visitor's page `/privacy`: what is stored of a visit and for how long, how to refuse, and a code with which visitors name their
//! rows.
//!
//! It runs no script, loads nothing and sets no cookie. It shows what would be stored of a visit, and no stored row: people who share the
//! network and the browser of a visitor have the same pseudonym.

mod fields;

use askama::Template;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hyper::header::{
    CACHE_CONTROL, CONTENT_LANGUAGE, CONTENT_SECURITY_POLICY, HeaderMap, HeaderName, HeaderValue,
    REFERRER_POLICY, VARY, X_FRAME_OPTIONS,
};
use hyper::{Response, StatusCode};
use sha2::{Digest, Sha256};

use self::fields::Field;
use crate::config::{HostPattern, Site};
use crate::ingest::VisitPreview;
use crate::privacy::ReferenceCode;
use crate::privacy::consent::OptOutSignal;
use crate::transport::negotiation::Language;
use crate::transport::{Body, response};

static HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");
static PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");
const STYLE: &str = include_str!("style.css");

/// What the address of the page asks for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct PageQuery {
    pub(super) site: Option<String>,
    lang: Option<String>,
}

impl PageQuery {
    pub(super) fn parse(query: &str) -> Self {
        let mut parsed = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "site" => parsed.site = Some(value.into_owned()),
                "lang" => parsed.lang = Some(value.into_owned()),
                _ => {}
            }
        }
        parsed
    }
}

/// A visit that is shown, with the code of its visitor.
pub(super) struct ShownVisit {
    pub(super) preview: VisitPreview,
    pub(super) code: ReferenceCode,
}

/// The result of a visitor's request to erase the rows of the day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErasureResult {
    Accepted,
    /// The form does not come from this browser's page of today.
    CodeMismatch,
    /// An operator has blocked the rows while something is checked.
    Blocked,
    /// One address, or all visitors together, asked too often today.
    TooMany,
    Failed,
}

impl ErasureResult {
    #[cfg(test)]
    pub(super) const ALL: [Self; 5] =
        [Self::Accepted, Self::CodeMismatch, Self::Blocked, Self::TooMany, Self::Failed];

    /// 503 raises an alert, so a visitor who presses the button too often gets 429.
    pub(super) fn status(self) -> StatusCode {
        match self {
            Self::Accepted => StatusCode::ACCEPTED,
            Self::CodeMismatch => StatusCode::FORBIDDEN,
            Self::Blocked => StatusCode::CONFLICT,
            Self::TooMany => StatusCode::TOO_MANY_REQUESTS,
            Self::Failed => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn text(self, language: Language) -> &'static str {
        language.pick(match self {
            Self::Accepted => [
                "What was stored today from this browser is being erased. It leaves every report within minutes, and until midnight nothing new is stored. To keep it so tomorrow, press “Refuse” below.",
                "Всё, что записано сегодня из этого браузера, удаляется. Через несколько минут этого не будет ни в одном отчёте, и до полуночи ничего нового не запишется. Чтобы так было и завтра, нажмите ниже «Отказаться».",
            ],
            Self::CodeMismatch => [
                "Nothing was erased: the page was opened with another browser, in another network, or yesterday. Try again now.",
                "Ничего не удалено: страница была открыта в другом браузере, в другой сети или вчера. Попробуйте ещё раз.",
            ],
            Self::Blocked => [
                "Nothing was erased: the site's owner has blocked these rows while a request about them is checked. No report has them, and nothing new is stored. To have them erased, send your code to the site's owner.",
                "Ничего не удалено: владелец сайта заблокировал эти записи на время проверки обращения. В отчётах их нет, и новое не записывается. Чтобы их удалить, сообщите свой код владельцу сайта.",
            ],
            Self::TooMany => [
                "Nothing was erased: this was asked for too often today. Send your code to the site's owner, or refuse below.",
                "Ничего не удалено: сегодня об этом просили слишком часто. Сообщите свой код владельцу сайта или откажитесь ниже.",
            ],
            Self::Failed => [
                "Nothing was erased, because of a fault. Try again later, or send your code to the site's owner.",
                "Из-за сбоя ничего не удалено. Попробуйте позже или сообщите свой код владельцу сайта.",
            ],
        })
    }
}

/// The page for a visit; without one, how to find the page of a site.
pub(super) fn respond(
    query: &PageQuery,
    headers: &HeaderMap,
    visit: Option<&ShownVisit>,
    erasure: Option<ErasureResult>,
) -> Response<Body> {
    let language = Language::choose(query.lang.as_deref(), headers);
    let site_parameter = match visit {
        // Ids of sites need no encoding.
        Some(visit) => format!("site={}&", visit.preview.site.id),
        None => String::new(),
    };
    let status = match erasure {
        Some(result) => result.status(),
        None if visit.is_none() && query.site.is_some() => StatusCode::NOT_FOUND,
        None => StatusCode::OK,
    };
    let page = Page {
        lang: language.code(),
        ru: language == Language::Russian,
        title: language.pick(["What is stored of your visit", "Что хранится о вашем посещении"]),
        style: STYLE,
        site_parameter,
        visit: visit.map(|visit| VisitTexts::new(visit, language)),
        erasure: erasure.map(|result| result.text(language)),
    };
    let html = page.render().expect("writing to a string does not fail");
    let mut response = response::with_body(status, &HTML, html);
    let headers = response.headers_mut();
    // The code is this visitor's, and the next one may have another.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(VARY, HeaderValue::from_static("accept-language"));
    headers.insert(CONTENT_LANGUAGE, HeaderValue::from_static(language.code()));
    headers.insert(CONTENT_SECURITY_POLICY, content_security_policy());
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(
        &PERMISSIONS_POLICY,
        HeaderValue::from_static("camera=(), geolocation=(), microphone=(), browsing-topics=()"),
    );
    response
}

/// Nothing runs and nothing is loaded. The one style sheet is named by its hash.
fn content_security_policy() -> HeaderValue {
    let style = BASE64.encode(Sha256::digest(STYLE));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{style}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    );
    HeaderValue::try_from(policy).expect("Base64 is printable")
}

#[derive(Template)]
#[template(path = "server/visitor_page/page.html")]
struct Page<'a> {
    lang: &'static str,
    ru: bool,
    title: &'static str,
    style: &'static str,
    /// `site=…&`, or nothing.
    site_parameter: String,
    visit: Option<VisitTexts<'a>>,
    /// The result of an erasure, in the page's language.
    erasure: Option<&'static str>,
}

struct VisitTexts<'a> {
    site: &'a str,
    status: String,
    fields: Vec<Field>,
    retention: String,
    policy: &'a str,
    policy_url: Option<&'a str>,
    /// Where the links that refuse lead.
    origin: Option<String>,
    code: ReferenceCode,
}

impl<'a> VisitTexts<'a> {
    fn new(visit: &'a ShownVisit, language: Language) -> Self {
        let preview = &visit.preview;
        Self {
            site: &preview.site.id,
            status: status(preview, language),
            fields: fields::fields(preview, language),
            retention: fields::retention(&preview.site, language),
            policy: &preview.policy,
            policy_url: preview.site.policy_url.as_deref(),
            origin: preview.origin.clone().or_else(|| front_page(&preview.site)),
            code: visit.code,
        }
    }
}

/// The origin of the first host that the site's settings name.
fn front_page(site: &Site) -> Option<String> {
    site.hosts.iter().find_map(|host| match host {
        HostPattern::Exact(host) => Some(format!("https://{host}")),
        HostPattern::Below(_) | HostPattern::Any => None,
    })
}

/// Whether this browser's visits are counted, in a sentence.
fn status(preview: &VisitPreview, language: Language) -> String {
    let signal = match preview.opt_out {
        Some(OptOutSignal::GlobalPrivacyControl) => "Global Privacy Control",
        Some(OptOutSignal::DoNotTrack) => "Do Not Track",
        Some(OptOutSignal::Cookie) => "footfall_optout",
        None if preview.is_dropped => {
            return language
                .pick([
                    "Your browser was recognised as a program, and this site does not count programs. Nothing of your visit is stored.",
                    "Ваш браузер распознан как программа-робот, а посещения таких программ этот сайт не учитывает. О вашем посещении ничего не хранится.",
                ])
                .to_owned();
        }
        None => {
            return language
                .pick([
                    "Your visits to this site are counted as described here, as far as this page can tell. A cookie with your refusal may be visible to the site alone.",
                    "Насколько может судить эта страница, ваши посещения этого сайта учитываются так, как описано ниже. Но файл cookie с отказом иногда виден только самому сайту.",
                ])
                .to_owned();
        }
    };
    match language {
        Language::English => format!("Your browser refuses ({signal}). Nothing of your visits is stored."),
        Language::Russian => {
            format!("Ваш браузер сообщает об отказе ({signal}). О ваших посещениях ничего не сохраняется.")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_names_site_and_language() {
        let query = PageQuery::parse("site=my%2Dclinic&lang=ru&other=1");
        assert_eq!(query.site.as_deref(), Some("my-clinic"));
        assert_eq!(query.lang.as_deref(), Some("ru"));
        assert_eq!(PageQuery::parse(""), PageQuery::default());
    }

    #[test]
    fn an_unknown_site_is_not_found() {
        let headers = HeaderMap::new();
        assert_eq!(respond(&PageQuery::parse("site=nowhere"), &headers, None, None).status(), 404);
        assert_eq!(respond(&PageQuery::default(), &headers, None, None).status(), 200);
    }
}
