//! The demonstration site: the clinic's pages over HTTP, and the configuration that a collector beside it needs.

use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap, HeaderValue, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use hyper::{Method, Request, Response, StatusCode};

use crate::config::{Config, HostPattern, Site, StoreConfig};
use crate::demo::error::DemoError;
use crate::demo::{clinic, pages};
use crate::transport::Body;

/// Where `footfall geo install` puts place files by default.
const PLACE_FILES: [&str; 3] = ["geo/city-ipv4.mmdb", "geo/city-ipv6.mmdb", "geo/asn.mmdb"];

/// How long the store of a demonstration that has just stopped may keep its port.
const PORT_TIMEOUT: Duration = Duration::from_secs(3);

/// The hash of the only inline script: the queue for calls that precede the statistics script.
const QUEUE_HASH: &str = "sha256-5mHOCe9VO2ohrfDmU/Qg3f6WouIG/EZzrXfhi1OJlUs=";

pub(crate) struct ClinicSite {
    /// Origin of the collector, without a slash at the end.
    collector: String,
    policy: HeaderValue,
}

impl ClinicSite {
    /// `collector` is the address on which the collector accepts beacons.
    pub(crate) fn new(collector: SocketAddr) -> Self {
        let collector = reachable(collector);
        Self { collector: format!("http://{collector}"), policy: content_security_policy(collector) }
    }

    pub(crate) fn answer<B>(&self, request: &Request<B>) -> Response<Body> {
        let mut response = page(request.method(), request.uri().path(), &self.collector);
        add_security_headers(response.headers_mut(), &self.policy);
        response
    }
}

/// Checks that the embedded store can listen. A collector would accept beacons without its store, but a demonstration would show
/// nothing.
///
/// # Errors
/// When an address stays in use for some seconds.
pub(crate) fn check_store_addresses(config: &Config) -> Result<(), DemoError> {
    let StoreConfig::Embedded { listen, native, .. } = config.store else { return Ok(()) };
    for (setting, address) in [("listen", Some(listen)), ("native", native)] {
        let Some(address) = address else { continue };
        let deadline = Instant::now() + PORT_TIMEOUT;
        while let Err(source) = TcpListener::bind(address) {
            if Instant::now() > deadline {
                return Err(DemoError::AddressInUse { setting, address, source });
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    Ok(())
}

/// Adds the clinic to the sites, and the place files if they are installed and none are configured.
pub(crate) fn with_clinic(mut config: Config) -> Config {
    if config.sites.get(clinic::SITE).is_none() {
        let clinic = Site {
            id: clinic::SITE.into(),
            hosts: [clinic::HOST, "localhost", "127.0.0.1", "[::1]"]
                .map(|host| HostPattern::Exact(host.to_owned()))
                .to_vec(),
            ..Site::localhost()
        };
        config.sites = config.sites.with(clinic);
    }
    if config.geo.is_empty() {
        config.geo = PLACE_FILES.iter().filter(|file| Path::new(file).exists()).map(PathBuf::from).collect();
    }
    config
}

/// An address that a browser on this machine can connect to.
fn reachable(address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() { SocketAddr::from(([127, 0, 0, 1], address.port())) } else { address }
}

/// Lets the pages use their own files, the collector and one inline script, and nothing else.
fn content_security_policy(collector: SocketAddr) -> HeaderValue {
    // A policy cannot name an IPv6 address; the scheme is the narrowest that it can.
    let collector = if collector.is_ipv6() { "http:".to_owned() } else { format!("http://{collector}") };
    let policy = format!(
        "default-src 'none'; script-src 'self' '{QUEUE_HASH}' {collector}; connect-src {collector}; style-src 'self'; \
         img-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    );
    HeaderValue::from_str(&policy).expect("an address is printable ASCII")
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

/// Prints where the clinic is and what to try.
pub(crate) fn announce(address: SocketAddr, config: &Config) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out)?;
    writeln!(out, "The demonstration clinic is at http://{address}")?;
    writeln!(out, "Click through it; a few seconds later, in another terminal:")?;
    writeln!(out, "  target/release/footfall report overview --site {} --from today", clinic::SITE)?;
    writeln!(out, "  target/release/footfall report          (lists the other reports)")?;
    writeln!(out, "For invented visitors: target/release/footfall demo --visitors 2000 --days 30")?;
    if !config.geo.is_empty() {
        writeln!(out, "Places by DB-IP (https://db-ip.com), CC BY 4.0.")?;
    }
    writeln!(out, "Ctrl-C stops everything.")?;
    out.flush()
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
        add_security_headers(&mut headers, &content_security_policy("127.0.0.1:8080".parse().unwrap()));
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
        let ipv6 = content_security_policy("[::1]:8080".parse().unwrap());
        assert!(ipv6.to_str().unwrap().contains("connect-src http:;"));
    }
}
