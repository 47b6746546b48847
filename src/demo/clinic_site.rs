//! The demonstration site: the clinic's pages over HTTP.

use bytes::Bytes;
use hyper::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap, HeaderValue, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use hyper::{Method, Request, Response, StatusCode};

use crate::demo::pages;
use crate::transport::Body;

/// The hash of the only inline script: the queue for calls that precede the statistics script.
const QUEUE_HASH: &str = "sha256-5mHOCe9VO2ohrfDmU/Qg3f6WouIG/EZzrXfhi1OJlUs=";

pub(crate) struct ClinicSite {
    /// Address of the collector, without a slash at the end.
    collector: String,
    policy: HeaderValue,
}

impl ClinicSite {
    /// `collector` is the address under which browsers reach the collector, without a slash at the end.
    pub(crate) fn new(collector: &str) -> Self {
        Self { collector: collector.to_owned(), policy: content_security_policy(collector) }
    }

    pub(crate) fn answer<B>(&self, request: &Request<B>) -> Response<Body> {
        let mut response = page(request.method(), request.uri().path(), &self.collector);
        add_security_headers(response.headers_mut(), &self.policy);
        response
    }
}

/// Lets the pages use their own files, the collector and one inline script, and nothing else.
fn content_security_policy(collector: &str) -> HeaderValue {
    // A policy cannot name an IPv6 address; the scheme is the narrowest that it can. A path would have to end in a slash.
    let (scheme, rest) = collector.split_once("://").unwrap_or(("http", collector));
    let authority = rest.split('/').next().unwrap_or(rest);
    let collector = match authority.starts_with('[') {
        true => format!("{scheme}:"),
        false => format!("{scheme}://{authority}"),
    };
    let policy = format!(
        "default-src 'none'; script-src 'self' '{QUEUE_HASH}' {collector}; connect-src {collector}; style-src 'self'; \
         img-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    );
    HeaderValue::from_str(&policy).expect("a checked URL is printable ASCII")
}

fn add_security_headers(headers: &mut HeaderMap, policy: &HeaderValue) {
    headers.insert(CONTENT_SECURITY_POLICY, policy.clone());
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    // A stricter policy would hide the referrers, which the demonstration shows.
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("strict-origin-when-cross-origin"));
}

/// A page of the clinic, with the collector's origin filled in.
fn page(method: &Method, path: &str, collector: &str) -> Response<Body> {
    let (content_type, body, status) = match (method, pages::page(path)) {
        (&Method::GET | &Method::HEAD, Some(found)) => found,
        (&Method::GET | &Method::HEAD, None) => ("text/plain; charset=utf-8", &b"not found\n"[..], 404),
        _ => ("text/plain; charset=utf-8", &b"only GET\n"[..], 405),
    };
    let body = if content_type.starts_with("text/html") {
        Bytes::from(pages::fill(body, collector))
    } else {
        Bytes::from_static(body)
    };
    let mut response = Response::new(Body::new(body));
    *response.status_mut() = StatusCode::from_u16(status).expect("the statuses above are valid");
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use sha2::{Digest as _, Sha256};

    use super::*;

    #[test]
    fn the_policy_allows_the_scripts_of_the_pages_and_nothing_else_inline() {
        for path in ["/", "/doctors", "/booking", "/news", "/privacy", "/nowhere"] {
            let page = str::from_utf8(pages::page(path).unwrap().1).unwrap();
            let own: Vec<_> = page.split("<script>").skip(1).collect();
            let [own] = own[..] else { panic!("{} scripts in {path}", own.len()) };
            let hash = Sha256::digest(own.split_once("</script>").unwrap().0);
            let hash = base64::engine::general_purpose::STANDARD.encode(hash);
            assert_eq!(format!("sha256-{hash}"), QUEUE_HASH, "{path}");
            for inline in
                [" style=", "<style", " onclick=", " onload=", " onerror=", " onsubmit=", "javascript:"]
            {
                assert!(!page.contains(inline), "{inline} in {path}");
            }
        }
    }

    #[test]
    fn every_answer_has_security_headers() {
        let mut headers = HeaderMap::new();
        add_security_headers(&mut headers, &content_security_policy("http://127.0.0.1:8080"));
        let value = |name| headers.get(name).unwrap().to_str().unwrap();
        let policy_sent = value(CONTENT_SECURITY_POLICY);
        assert!(
            policy_sent.contains(" http://127.0.0.1:8080; connect-src http://127.0.0.1:8080;"),
            "{policy_sent}"
        );
        assert!(policy_sent.contains("default-src 'none'") && policy_sent.contains("frame-ancestors 'none'"));
        assert!(!policy_sent.contains("unsafe"), "{policy_sent}");
        assert_eq!(value(X_CONTENT_TYPE_OPTIONS), "nosniff");
        assert_eq!(value(REFERRER_POLICY), "strict-origin-when-cross-origin");
        for (collector, source) in [
            ("http://[::1]:8080", "http:"),
            ("https://[2001:db8::1]", "https:"),
            ("https://clinic.example/stats", "https://clinic.example"),
        ] {
            let policy = content_security_policy(collector);
            assert!(policy.to_str().unwrap().contains(&format!(" connect-src {source};")), "{policy:?}");
        }
    }
}
