//! What holds for browsers at the operator's listeners: which requests a page of another site may cause, and the headers
//! that keep our answers from being framed, sniffed, cached or run.
//!
//! A listener on loopback is within reach of every page that a browser on this machine shows. Such a page can send requests
//! (cross-site request forgery), and by pointing its own name at 127.0.0.1 (DNS rebinding) it could even read the answers.
//! So a request must be addressed to an IP address, `localhost` or a configured name, and one that a browser says comes
//! from another site is refused, but for following a link to the front page.

use std::net::IpAddr;

use hyper::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN,
    REFERRER_POLICY, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use hyper::{Method, Request};

static SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
static SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
static COOP: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
static CORP: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// Pages of ours run nothing, load nothing, send nothing and stand in no frame.
const POLICY: &str = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// A year, as browsers' preload lists ask for; subdomains are the operator's to decide.
pub const HSTS: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// Why a browser's request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Foreign {
    /// It was addressed to a name that is not ours.
    Host,
    /// A page of another site caused it.
    Page,
}

/// Refuses what a page of another site caused. `hosts` are names under which the listener may be called; `any_host` is for a
/// listener where a token stands in the way of whoever rebinds a name.
///
/// # Errors
/// With what gave it away.
pub fn refuse_foreign<B>(request: &Request<B>, hosts: &[String], any_host: bool) -> Result<(), Foreign> {
    let headers = request.headers();
    let authority = match request.uri().authority() {
        Some(authority) => Some(authority.as_str()),
        None => headers.get(HOST).and_then(|value| value.to_str().ok()),
    };
    if !any_host && !authority.is_some_and(|authority| ours(authority, hosts)) {
        return Err(Foreign::Host);
    }
    if let Some(origin) = headers.get(ORIGIN) {
        let from = origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, from)| from);
        if from.is_none() || from != authority {
            return Err(Foreign::Page);
        }
    }
    let site = headers.get(&SEC_FETCH_SITE).map_or(&b"none"[..], |value| value.as_bytes());
    let link_to_front = request.method() == Method::GET
        && request.uri().path() == "/"
        && request.uri().query().is_none()
        && headers.get(&SEC_FETCH_MODE).is_some_and(|mode| mode == "navigate");
    if matches!(site, b"none" | b"same-origin") || link_to_front { Ok(()) } else { Err(Foreign::Page) }
}

/// Adds what every answer of the operator's listeners carries; `tls` when it goes over TLS.
pub fn secure(headers: &mut HeaderMap, tls: bool) {
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(COOP.clone(), HeaderValue::from_static("same-origin"));
    headers.insert(CORP.clone(), HeaderValue::from_static("same-origin"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if tls {
        headers.insert(STRICT_TRANSPORT_SECURITY, HSTS);
    }
}

/// Whether an authority names this machine by address, by `localhost` or by a configured name.
fn ours(authority: &str, hosts: &[String]) -> bool {
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    };
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    bare.parse::<IpAddr>().is_ok()
        || host.eq_ignore_ascii_case("localhost")
        || hosts.iter().any(|name| name.eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(path: &str, headers: &[(&str, &str)]) -> Request<()> {
        let builder = headers
            .iter()
            .fold(Request::builder().uri(path), |builder, (name, value)| builder.header(*name, *value));
        builder.body(()).unwrap()
    }

    #[test]
    fn only_addresses_localhost_and_configured_names_are_ours() {
        let hosts = ["reports.clinic.example".to_owned()];
        for host in [
            "127.0.0.1:8090",
            "[::1]:8090",
            "localhost:8090",
            "LOCALHOST",
            "192.0.2.7",
            "Reports.clinic.example:443",
        ] {
            assert_eq!(refuse_foreign(&request("/", &[("host", host)]), &hosts, false), Ok(()), "{host}");
        }
        for host in [
            "evil.example",
            "127.0.0.1.evil.example",
            "localhost.evil.example:8090",
            "",
            "xn--1",
            "reports.clinic.example.evil.example",
            "127.0.0.1@evil.example",
        ] {
            assert_eq!(
                refuse_foreign(&request("/", &[("host", host)]), &hosts, false),
                Err(Foreign::Host),
                "{host}"
            );
            assert_eq!(refuse_foreign(&request("/", &[("host", host)]), &hosts, true), Ok(()), "{host}");
        }
        assert_eq!(refuse_foreign(&request("/", &[]), &hosts, false), Err(Foreign::Host));
    }

    #[test]
    fn what_a_page_of_another_site_causes_is_refused() {
        let host = ("host", "localhost:8090");
        let ask = |path: &str, more: &[(&str, &str)]| {
            refuse_foreign(&request(path, &[&[host], more].concat()), &[], false)
        };
        let page = "/api/reports/pages";
        for good in [
            &[][..],
            &[("sec-fetch-site", "none")],
            &[("sec-fetch-site", "same-origin"), ("origin", "http://localhost:8090")],
        ] {
            assert_eq!(ask(page, good), Ok(()), "{good:?}");
        }
        for bad in [
            &[("origin", "https://evil.example")][..],
            &[("origin", "null")],
            &[("origin", "http://localhost:9000")],
            &[("sec-fetch-site", "cross-site")],
            &[("sec-fetch-site", "same-site")],
            &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")],
            &[("sec-fetch-site", "nonsense")],
        ] {
            assert_eq!(ask(page, bad), Err(Foreign::Page), "{bad:?}");
        }
        let link = &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")];
        assert_eq!(ask("/", link), Ok(()), "a link to the front page may be followed");
        assert_eq!(ask("/?x", link), Err(Foreign::Page));
    }
}
