//! The page of reports: HTML for people who look before they query, from the same reports as the API.
//!
//! It works without a script; `script/src/page` makes it feel immediate. It shows nothing that its reader may not read by the API, and
//! everything that it shows is named by its address. `docs/page.md` has the decisions.

mod address;
mod assets;
pub mod charts;
mod collector_state;
mod context;
mod detail;
mod diagnostics;
mod error;
mod format;
mod layout;
mod realtime;
mod rows;
mod site;
mod sites;
mod words;

use std::sync::Arc;

use hyper::header::{
    CACHE_CONTROL, CONTENT_LANGUAGE, CONTENT_SECURITY_POLICY, HeaderMap, HeaderName, HeaderValue,
    REFERRER_POLICY, VARY,
};
use hyper::{Request, Response};
use jiff::Timestamp;

use self::address::{View, ViewAddress};
pub(super) use self::assets::{icon_path, style_path};
pub use self::collector_state::CollectorState;
use self::context::{ReadAccess, ViewContext};
use self::error::ViewError;
pub(super) use self::format::moment;
use crate::access::{Permission, Principal};
use crate::report::Reports;
use crate::transport::Body;
use crate::transport::negotiation::Language;

static PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");
/// What a page may do: run its one script, use its one stylesheet, and talk to the collector. Nobody may frame it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; \
                      base-uri 'none'; form-action 'self'; frame-ancestors 'none'; \
                      require-trusted-types-for 'script'; trusted-types footfall";

/// The answer to a request for a page, or for one of its files. `base` is what comes before each path: nothing, or `/share/TOKEN`.
pub(super) async fn respond<B>(
    reports: &Reports,
    collector: Option<&Arc<CollectorState>>,
    request: &Request<B>,
    principal: &Principal,
    base: &str,
) -> Response<Body> {
    let (path, headers) = (request.uri().path(), request.headers());
    if let Some(file) = path.strip_prefix(base).and_then(|path| assets::respond(path, headers)) {
        return file;
    }
    let query = request.uri().query().unwrap_or_default();
    let parsed = ViewAddress::parse(base, path, query);
    let front = || ViewAddress { base: base.to_owned(), page: 1, ..ViewAddress::default() };
    let address = parsed.as_ref().map_or_else(|_| front(), Clone::clone);
    let may = |permission| principal.may(permission);
    let context = ViewContext {
        reports: reports.restricted_to(principal.restricted_to()),
        principal: principal.clone(),
        language: Language::choose(address.language.as_deref(), headers),
        address,
        now: Timestamp::now().to_zoned(reports.zone().clone()),
        access: ReadAccess {
            exact: may(Permission::ReadAudience),
            published: may(Permission::ReadPublished),
            diagnostics: may(Permission::ReadDiagnostics),
        },
        collector: collector.cloned(),
    };
    let mut response = match parsed {
        Ok(_) => view(&context).await.unwrap_or_else(|error| error::render(&context, &error)),
        Err(error) => error::render(&context, &ViewError::Address(error)),
    };
    add_headers(response.headers_mut(), context.language, base);
    response
}

async fn view(context: &ViewContext) -> Result<Response<Body>, ViewError> {
    let ViewContext { address, .. } = context;
    let is_known = context.sites().contains(&address.site);
    if address.view != View::Sites && !is_known {
        return Err(ViewError::NoSite(address.site.clone()));
    }
    match &address.view {
        View::Site => site::render(context).await,
        View::Sites => sites::render(context).await,
        View::Diagnostics => diagnostics::render(context).await,
        View::Realtime => realtime::render(context).await,
        View::RealtimeEvents => realtime::events(context),
        View::Report(name) => detail::render(context, name).await,
        View::Csv(name) => detail::render_csv(context, name).await,
    }
}

/// The address of a share link is a secret, which no referrer may tell. Elsewhere, browsers name the origin of a form only if they may send a
/// referrer to their own site.
fn add_headers(headers: &mut HeaderMap, language: Language, base: &str) {
    let referrer = if base.is_empty() { "same-origin" } else { "no-referrer" };
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("private, no-store"));
    headers.insert(VARY, HeaderValue::from_static("accept-language, cookie"));
    headers.insert(CONTENT_LANGUAGE, HeaderValue::from_static(language.code()));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static(referrer));
    headers.insert(
        &PERMISSIONS_POLICY,
        HeaderValue::from_static("camera=(), geolocation=(), microphone=(), browsing-topics=()"),
    );
}
