//! CORS: pages on the hosts of the sites may read the responses to their beacons.
//!
//! The script needs the status to know that it must try again. It sends no credentials, so none are allowed. The beacon's body names the site, so `Origin` is looked up
//! among the hosts of all sites: one hash look-up for each label of the host, for any number of sites.

use std::collections::HashSet;

use hyper::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, HeaderMap, HeaderValue, ORIGIN, VARY,
};
use hyper::{Response, StatusCode};

use crate::config::{HostPattern, Sites, WebAddress};
use crate::transport::{Body, response};

/// The hosts of all sites.
#[derive(Debug, Default)]
pub(super) struct Origins {
    exact: HashSet<String, foldhash::fast::RandomState>,
    /// Suffixes that begin with a dot.
    below: HashSet<String, foldhash::fast::RandomState>,
    any: bool,
}

impl Origins {
    pub(super) fn new(sites: &Sites) -> Self {
        let mut origins = Self::default();
        for pattern in sites.iter().flat_map(|site| &site.hosts) {
            match pattern {
                HostPattern::Exact(host) => {
                    origins.exact.insert(host.clone());
                }
                HostPattern::Below(ending) => {
                    origins.below.insert(ending.clone());
                }
                HostPattern::Any => origins.any = true,
            }
        }
        origins
    }

    /// The request's origin, if its pages may read the response.
    pub(super) fn allowed<'a>(&self, headers: &'a HeaderMap) -> Option<&'a HeaderValue> {
        let value = headers.get(ORIGIN)?;
        let host = host(value.to_str().ok()?)?;
        self.contains(host).then_some(value)
    }

    fn contains(&self, host: &str) -> bool {
        // A final dot makes a name absolute; it is the same host.
        let host = host.strip_suffix('.').unwrap_or(host);
        let dots = || host.bytes().enumerate().filter(|&(at, byte)| byte == b'.' && at > 0);
        self.any
            || self.exact.contains(host)
            || (!self.below.is_empty() && dots().any(|(at, _)| self.below.contains(&host[at..])))
    }
}

pub(super) fn allow(response: &mut Response<Body>, origin: HeaderValue) {
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    // Without this header a script of another origin cannot read how long it must wait.
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("retry-after"));
}

/// The response to `OPTIONS /b`, which a browser sends before a beacon of type `application/json`.
pub(super) fn preflight(origin: HeaderValue) -> Response<Body> {
    let mut response = response::empty(StatusCode::NO_CONTENT);
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("POST"));
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("content-type"));
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
    headers.insert(VARY, HeaderValue::from_static("origin"));
    allow(&mut response, origin);
    response
}

/// The host of a serialised origin (RFC 6454, section 6.2). It is strict, because the response repeats the origin.
fn host(origin: &str) -> Option<&str> {
    let address = WebAddress::parse(origin)?;
    let is_plain =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'_');
    let well_formed = address.host.bytes().all(is_plain)
        && address.port.is_none_or(|port| (1..=5).contains(&port.len()))
        && address.rest.is_empty();
    well_formed.then_some(address.host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origins() -> Origins {
        let mut origins = Origins::default();
        origins.exact.insert("clinic.example".to_owned());
        origins.below.insert(".sites.example".to_owned());
        origins
    }

    #[test]
    fn only_hosts_of_sites_are_allowed() {
        for (origin, allowed) in [
            ("https://clinic.example", true),
            ("http://clinic.example:8080", true),
            ("https://a.sites.example", true),
            ("https://a.b.sites.example", true),
            ("https://clinic.example.", true),
            ("https://a.sites.example.:8443", true),
            ("https://clinic.example..", false),
            ("https://sites.example", false),
            ("https://.sites.example", false),
            ("https://evilsites.example", false),
            ("https://clinic.example.evil.example", false),
            ("https://clinic.example/", false),
            ("https://clinic.example:8080:1", false),
            ("https://user@clinic.example", false),
            ("ftp://clinic.example", false),
            ("null", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(ORIGIN, origin.parse().unwrap());
            assert_eq!(origins().allowed(&headers).is_some(), allowed, "{origin}");
        }
    }
}
