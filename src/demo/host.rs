//! The demonstration as a whole: `serve` with a site `clinic`, and the clinic's pages beside it.

use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap, HeaderValue, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use hyper::{Method, Request, Response, StatusCode};

use crate::app as serve;
use crate::command::{Common, Error};
use crate::config::{Config, HostPattern, Site, StoreConfig};
use crate::demo::{clinic, site};
use crate::transport::{Body, TaskListener};

/// Where `footfall geo install` puts place files, unless told otherwise.
const PLACES: [&str; 3] = ["geo/city-ipv4.mmdb", "geo/city-ipv6.mmdb", "geo/asn.mmdb"];

/// How long the store of a demonstration that was just ended may hold its port.
const PORT_TIMEOUT: Duration = Duration::from_secs(3);

/// The one script that pages hold themselves: the queue for calls that come before the statistics script. Browsers know it by this.
const QUEUE: &str = "sha256-5mHOCe9VO2ohrfDmU/Qg3f6WouIG/EZzrXfhi1OJlUs=";

/// Serves until told to end.
pub(crate) fn run(address: SocketAddr, common: &Common) -> Result<(), Error> {
    let load = || common.read().map(with_clinic);
    let config = common.load().map(with_clinic)?;
    check_store_addresses(&config)?;
    serve::serve(&serve::Arguments::quiet(), load, async move || {
        let listener = TaskListener::bind(address).await?;
        let address = listener.address();
        let collector = reachable(config.listen);
        let policy = policy(collector);
        announce(address, &config)?;
        tokio::spawn(listener.serve(None, move |request, _| {
            let mut answer = answer(&request, &format!("http://{collector}"));
            secure(answer.headers_mut(), &policy);
            async move { answer }
        }));
        Ok(())
    })
}

/// Refuses to start where the embedded store could not listen. A collector would take beacons without its store; a demonstration
/// would have nothing to show.
fn check_store_addresses(config: &Config) -> Result<(), Error> {
    let StoreConfig::Embedded { listen, native, .. } = config.store else { return Ok(()) };
    for (setting, address) in [("listen", Some(listen)), ("native", native)] {
        let Some(address) = address else { continue };
        let deadline = Instant::now() + PORT_TIMEOUT;
        while let Err(error) = TcpListener::bind(address) {
            if Instant::now() > deadline {
                let variable = setting.to_uppercase();
                let text = format!(
                    "the embedded store cannot listen on {address}: {error}; set `store.{setting}` in footfall.toml, \
                     or FOOTFALL_STORE_{variable}, to a free address"
                );
                return Err(text.into());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    Ok(())
}

/// The configuration with the clinic among its sites, and with place files if some were installed.
fn with_clinic(mut config: Config) -> Config {
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
        config.geo = PLACES.iter().filter(|file| Path::new(file).exists()).map(PathBuf::from).collect();
    }
    config
}

/// An address that a browser on this machine can ask.
fn reachable(address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() { SocketAddr::from(([127, 0, 0, 1], address.port())) } else { address }
}

/// What the clinic's pages may load and ask: their own files and the collector, and nothing that stands in a page but the queue.
fn policy(collector: SocketAddr) -> HeaderValue {
    // A policy cannot name an IPv6 address; the scheme is the narrowest that it can.
    let collector = if collector.is_ipv6() { "http:".to_owned() } else { format!("http://{collector}") };
    let policy = format!(
        "default-src 'none'; script-src 'self' '{QUEUE}' {collector}; connect-src {collector}; style-src 'self'; \
         img-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    );
    HeaderValue::from_str(&policy).expect("an address is printable ASCII")
}

/// Adds what every answer of the clinic carries, as a site that takes care would.
fn secure(headers: &mut HeaderMap, policy: &HeaderValue) {
    headers.insert(CONTENT_SECURITY_POLICY, policy.clone());
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    // No stricter: where visitors come from is what the demonstration shows.
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("strict-origin-when-cross-origin"));
}

fn announce(address: SocketAddr, config: &Config) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out)?;
    writeln!(out, "The demonstration clinic is at http://{address}")?;
    writeln!(out, "Click through it; a few seconds later, in another terminal:")?;
    writeln!(out, "  target/release/footfall report overview --site {} --from today", clinic::SITE)?;
    writeln!(out, "  target/release/footfall report          (lists the other reports)")?;
    writeln!(out, "More visitors than you: target/release/footfall demo --visitors 2000 --days 30")?;
    if !config.geo.is_empty() {
        writeln!(out, "Places by DB-IP (https://db-ip.com), CC BY 4.0. Ctrl-C ends all of it.")?;
    }
    out.flush()
}

/// A page of the clinic, with the collector's address in it.
fn answer(request: &Request<Incoming>, collector: &str) -> Response<Body> {
    let found = site::page(request.uri().path());
    let (content_type, body, status) = match (request.method(), found) {
        (&Method::GET | &Method::HEAD, Some(found)) => found,
        (&Method::GET | &Method::HEAD, None) => ("text/plain; charset=utf-8", &b"not found\n"[..], 404),
        _ => ("text/plain; charset=utf-8", &b"only GET\n"[..], 405),
    };
    let body = if content_type.starts_with("text/html") {
        Bytes::from(site::fill(body, collector))
    } else {
        Bytes::from_static(body)
    };
    let mut response = Response::new(Body::new(body));
    *response.status_mut() = StatusCode::from_u16(status).expect("the site's own statuses are good");
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
    fn the_policy_lets_the_pages_scripts_run_and_nothing_else_that_stands_in_them() {
        for path in ["/", "/doctors", "/booking", "/news", "/privacy", "/nowhere"] {
            let page = str::from_utf8(site::page(path).unwrap().1).unwrap();
            let own: Vec<_> = page.split("<script>").skip(1).collect();
            let [own] = own[..] else { panic!("{} scripts in {path}", own.len()) };
            let hash = Sha256::digest(own.split_once("</script>").unwrap().0);
            let hash = base64::engine::general_purpose::STANDARD.encode(hash);
            assert_eq!(format!("sha256-{hash}"), QUEUE, "{path}");
            for inline in
                [" style=", "<style", " onclick=", " onload=", " onerror=", " onsubmit=", "javascript:"]
            {
                assert!(!page.contains(inline), "{inline} in {path}");
            }
        }
    }

    #[test]
    fn every_answer_of_the_clinic_is_guarded() {
        let mut headers = HeaderMap::new();
        secure(&mut headers, &policy("127.0.0.1:8080".parse().unwrap()));
        let of = |name| headers.get(name).unwrap().to_str().unwrap();
        let policy_sent = of(CONTENT_SECURITY_POLICY);
        assert!(
            policy_sent.contains(" http://127.0.0.1:8080; connect-src http://127.0.0.1:8080;"),
            "{policy_sent}"
        );
        assert!(policy_sent.contains("default-src 'none'") && policy_sent.contains("frame-ancestors 'none'"));
        assert!(!policy_sent.contains("unsafe"), "{policy_sent}");
        assert_eq!(of(X_CONTENT_TYPE_OPTIONS), "nosniff");
        assert_eq!(of(REFERRER_POLICY), "strict-origin-when-cross-origin");
        let six = policy("[::1]:8080".parse().unwrap());
        assert!(six.to_str().unwrap().contains("connect-src http:;"));
    }
}
