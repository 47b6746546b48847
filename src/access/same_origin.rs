//! Browser rules of the operator's listeners: which requests of other sites are refused, and the security headers of answers.
//!
//! Every page in a browser on this machine can send requests to a listener on loopback (cross-site request forgery). By
//! pointing its own host name at 127.0.0.1 (DNS rebinding), it could even read the answers. So a request must be addressed to
//! an IP address, `localhost` or a configured name. A request that comes from another site's page is refused, except a
//! link to the front page or a share link.

use std::net::IpAddr;

use hyper::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN,
    REFERRER_POLICY, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use hyper::{Method, Request};

static SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
static SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
static X_ROBOTS_TAG: HeaderName = HeaderName::from_static("x-robots-tag");
static COOP: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
static CORP: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// An answer without a policy of its own runs nothing, loads nothing, sends nothing and may not be framed.
const POLICY: &str = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// What the paths of share links begin with. People send them to each other, so pages of other sites may link them.
pub const SHARE_ROOT: &str = "/share/";
/// Where the form of a link's password leads, below the link.
pub const SHARE_PASSWORD: &str = "/password";
/// One year, as browsers' preload lists require. Subdomains are left to the operator.
pub const HSTS: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// Why a browser's request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CrossSite {
    /// It is addressed to an unknown host name.
    Host,
    /// It comes from a page of another site.
    Page,
}

/// Checks that a request does not come from a page of another site. `hosts` are the configured names of the listener.
/// `any_host` accepts every name, for listeners that require a token: a rebound name does not bring one along.
///
/// # Errors
/// With the sign of another site.
pub fn check_same_origin<B>(request: &Request<B>, hosts: &[String], any_host: bool) -> Result<(), CrossSite> {
    let headers = request.headers();
    let authority = match request.uri().authority() {
        Some(authority) => Some(authority.as_str()),
        None => headers.get(HOST).and_then(|value| value.to_str().ok()),
    };
    if !any_host && !authority.is_some_and(|authority| is_known_authority(authority, hosts)) {
        return Err(CrossSite::Host);
    }
    let site = headers.get(&SEC_FETCH_SITE).map_or(&b"none"[..], |value| value.as_bytes());
    if let Some(origin) = headers.get(ORIGIN) {
        let from = origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, from)| from);
        // With `Referrer-Policy: no-referrer`, browsers send `null` with the forms of our own pages. Older browsers do not say in another
        // header where a form comes from. A page of another site could then send a password for a link whose token it knows, which
        // gives that page nothing: it cannot read the answer, and it could send the password itself.
        let is_password_of_link = !headers.contains_key(&SEC_FETCH_SITE) && is_password_form(request);
        let is_own_form = origin == "null" && (site == b"same-origin" || is_password_of_link);
        if !is_own_form && (from.is_none() || from != authority) {
            return Err(CrossSite::Page);
        }
    }
    let uri = request.uri();
    let is_open = (uri.path() == "/" && uri.query().is_none()) || uri.path().starts_with(SHARE_ROOT);
    let is_link = is_open
        && request.method() == Method::GET
        && headers.get(&SEC_FETCH_MODE).is_some_and(|mode| mode == "navigate");
    if matches!(site, b"none" | b"same-origin") || is_link { Ok(()) } else { Err(CrossSite::Page) }
}

/// Whether a request is the form for the password of a share link.
fn is_password_form<B>(request: &Request<B>) -> bool {
    let path = request.uri().path();
    request.method() == Method::POST && path.starts_with(SHARE_ROOT) && path.ends_with(SHARE_PASSWORD)
}

/// An answer keeps the policies and the caching that it has. `tls` says whether the connection is encrypted.
pub fn add_security_headers(headers: &mut HeaderMap, tls: bool) {
    headers.entry(CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(POLICY));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.entry(REFERRER_POLICY).or_insert(HeaderValue::from_static("no-referrer"));
    headers.insert(X_ROBOTS_TAG.clone(), HeaderValue::from_static("noindex"));
    headers.insert(COOP.clone(), HeaderValue::from_static("same-origin"));
    headers.insert(CORP.clone(), HeaderValue::from_static("same-origin"));
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    if tls {
        headers.insert(STRICT_TRANSPORT_SECURITY, HSTS);
    }
}

/// Whether an authority is an IP address, `localhost` or a configured name, with or without a port.
fn is_known_authority(authority: &str, hosts: &[String]) -> bool {
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
    fn only_addresses_localhost_and_configured_names_are_accepted() {
        let hosts = ["reports.clinic.example".to_owned()];
        for host in [
            "127.0.0.1:8090",
            "[::1]:8090",
            "localhost:8090",
            "LOCALHOST",
            "192.0.2.7",
            "Reports.clinic.example:443",
        ] {
            assert_eq!(check_same_origin(&request("/", &[("host", host)]), &hosts, false), Ok(()), "{host}");
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
                check_same_origin(&request("/", &[("host", host)]), &hosts, false),
                Err(CrossSite::Host),
                "{host}"
            );
            assert_eq!(check_same_origin(&request("/", &[("host", host)]), &hosts, true), Ok(()), "{host}");
        }
        assert_eq!(check_same_origin(&request("/", &[]), &hosts, false), Err(CrossSite::Host));
    }

    #[test]
    fn the_password_of_a_link_may_come_from_a_browser_that_does_not_say_whose_form_it_was() {
        let check = |method: &str, path: &str, more: &[(&str, &str)]| {
            let headers = [&[("host", "localhost:8090"), ("origin", "null")], more].concat();
            let mut form = request(path, &headers);
            *form.method_mut() = Method::from_bytes(method.as_bytes()).unwrap();
            check_same_origin(&form, &[], false)
        };
        assert_eq!(check("POST", "/share/clinic~1/password", &[]), Ok(()));
        for (method, path, more) in [
            ("POST", "/share/clinic~1/password", &[("sec-fetch-site", "cross-site")][..]),
            ("POST", "/share/clinic~1/password", &[("sec-fetch-site", "none")]),
            ("GET", "/share/clinic~1/password", &[]),
            ("POST", "/sign-in", &[]),
            ("POST", "/sites/clinic/share", &[]),
        ] {
            assert_eq!(check(method, path, more), Err(CrossSite::Page), "{method} {path}");
        }
    }

    #[test]
    fn requests_of_other_sites_pages_are_refused() {
        let host = ("host", "localhost:8090");
        let check = |path: &str, more: &[(&str, &str)]| {
            check_same_origin(&request(path, &[&[host], more].concat()), &[], false)
        };
        let page = "/api/reports/pages";
        for good in [
            &[][..],
            &[("sec-fetch-site", "none")],
            &[("sec-fetch-site", "same-origin"), ("origin", "http://localhost:8090")],
            &[("sec-fetch-site", "same-origin"), ("origin", "null")],
        ] {
            assert_eq!(check(page, good), Ok(()), "{good:?}");
        }
        for bad in [
            &[("origin", "https://evil.example")][..],
            &[("origin", "null")],
            &[("origin", "http://localhost:9000")],
            &[("sec-fetch-site", "cross-site")],
            &[("sec-fetch-site", "same-site")],
            &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")],
            &[("sec-fetch-site", "nonsense")],
            &[("sec-fetch-site", "cross-site"), ("origin", "null")],
            &[("sec-fetch-site", "same-origin"), ("origin", "https://evil.example")],
        ] {
            assert_eq!(check(page, bad), Err(CrossSite::Page), "{bad:?}");
        }
        let link = &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")];
        assert_eq!(check("/", link), Ok(()), "a link to the front page may be followed");
        assert_eq!(check("/?x", link), Err(CrossSite::Page));
        assert_eq!(check("/share/clinic~1~a~b/", link), Ok(()), "a share link may be followed");
        assert_eq!(check("/share/clinic~1~a~b/", &link[..1]), Err(CrossSite::Page), "it may not be fetched");
    }
}
