//! Properties of headers of proxies that must hold for any bytes. See [`crate::fuzz`].

use hyper::HeaderMap;
use hyper::header::{FORWARDED, HeaderValue};

use crate::fuzz::ip;
use crate::transport::client::address::TrustedProxies;
use crate::transport::connection::proxy_protocol::{self, MAX_PROXY_HEADER, ProxyHeader};

/// Input that begins like a PROXY header is parsed as one. Other input is lines of `X-Forwarded-For`; lines that begin with
/// `=` are lines of `Forwarded`.
///
/// Only trusted proxies name a client: entries that a stranger puts before theirs change nothing. A PROXY header is never
/// longer than its limit, and bytes behind it change nothing.
pub fn forwarded_headers(data: &[u8]) {
    if data.starts_with(b"\r\n") {
        return proxy_header(data);
    }
    let trusted = TrustedProxies::new(vec![
        "10.0.0.0/8".parse().expect("a network"),
        "fd00::/8".parse().expect("a network"),
    ]);
    let peer = ip("10.0.0.1");
    let headers = read(data, "");
    let client = trusted.client(peer, &headers);
    assert_eq!(trusted.client(peer, &headers), client);
    let count = data.iter().filter(|byte| **byte == b',').count() + data.split(|byte| *byte == b'\n').count();
    if !trusted.contains(client) && !data.contains(&b'"') && count < 16 {
        // A stranger's entries stand before those that the proxies added.
        for forged in ["198.51.100.66", "10.1.2.3"] {
            assert_eq!(trusted.client(peer, &read(data, forged)), client, "{forged} was believed");
        }
    }
    // The entry that the nearest proxy adds is the client, unless it is a proxy itself.
    let mut named = HeaderMap::new();
    for value in headers.get_all("x-forwarded-for") {
        named.append("x-forwarded-for", value.clone());
    }
    named.append("x-forwarded-for", HeaderValue::from_static("203.0.113.7"));
    assert_eq!(trusted.client(peer, &named), ip("203.0.113.7"));
    // Without trusted networks the peer is the client.
    let nobody = TrustedProxies::new(Vec::new());
    assert_eq!(nobody.client(peer, &HeaderMap::new()), peer);
}

/// The headers of `data`, with a forged entry before the leftmost one of each kind.
fn read(data: &[u8], forged: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in data.split(|byte| *byte == b'\n') {
        let (name, prefix, value) = match line.strip_prefix(b"=") {
            Some(value) => (FORWARDED, "for=", value),
            None => (hyper::header::HeaderName::from_static("x-forwarded-for"), "", line),
        };
        let mut text = Vec::new();
        if !forged.is_empty() && !headers.contains_key(&name) {
            text.extend_from_slice(format!("{prefix}{forged}, ").as_bytes());
        }
        text.extend_from_slice(value);
        if let Ok(value) = HeaderValue::from_bytes(&text) {
            headers.append(name, value);
        }
    }
    headers
}

fn proxy_header(data: &[u8]) {
    match proxy_protocol::parse(data) {
        ProxyHeader::Complete { source, length } => {
            assert!(length <= MAX_PROXY_HEADER && length <= data.len());
            let again = ProxyHeader::Complete { source, length };
            assert_eq!(
                proxy_protocol::parse(&data[..length]),
                again,
                "what follows a header changes nothing"
            );
            assert_eq!(
                proxy_protocol::parse(&data[..length - 1]),
                ProxyHeader::Partial,
                "a header that is cut is no header"
            );
        }
        ProxyHeader::Partial => assert!(data.len() < MAX_PROXY_HEADER, "more is asked for than a header has"),
        ProxyHeader::Invalid => {}
    }
}
