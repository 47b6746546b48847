//! The demonstration as a whole: `serve` with a site `clinic`, and the clinic's pages beside it.

use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};

use super::super::{Common, Error, serve};
use super::{clinic, site};
use crate::config::{Config, HostPattern, Site};
use crate::server::admin::Side;

/// Where `footfall geo install` puts place files, unless told otherwise.
const PLACES: [&str; 3] = ["geo/city-ipv4.mmdb", "geo/city-ipv6.mmdb", "geo/asn.mmdb"];

/// Serves until told to end.
pub(super) fn run(address: SocketAddr, common: &Common) -> Result<(), Error> {
    let load = || common.read().map(with_clinic);
    let config = common.load().map(with_clinic)?;
    serve::serve(&serve::Arguments::quiet(), load, async move || {
        let listener = Side::bind(address).await?;
        let address = listener.address();
        let collector = format!("http://{}", reachable(config.listen));
        announce(address, &config)?;
        tokio::spawn(listener.serve(move |request| {
            let answer = answer(&request, &collector);
            async move { answer }
        }));
        Ok(())
    })
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
fn answer(request: &Request<Incoming>, collector: &str) -> Response<Full<Bytes>> {
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
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = StatusCode::from_u16(status).expect("the site's own statuses are good");
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}
