//! What must hold for headers of proxies whatever is in them. See [`crate::fuzz`].

use hyper::HeaderMap;
use hyper::header::{FORWARDED, HeaderValue};

use super::address::Trusted;
use super::proxy::{self, Header, MAX_HEADER};
use crate::fuzz::ip;

/// A header of the PROXY protocol, if it begins like one; else lines of `X-Forwarded-For`, those that begin with `=` of
/// `Forwarded`.
///
/// A client that is named is named by a trusted proxy: whatever a stranger puts on the left of what the proxies wrote,
/// the answer is the same. A header is never longer than its bound, and reads the same however much follows it.
pub fn forwarded_headers(data: &[u8]) {
    if data.starts_with(b"\r\n") {
        return proxy_header(data);
    }
    let trusted =
        Trusted::new(vec!["10.0.0.0/8".parse().expect("a network"), "fd00::/8".parse().expect("a network")]);
    let peer = ip("10.0.0.1");
    let headers = read(data, "");
    let client = trusted.client(peer, &headers);
    assert_eq!(trusted.client(peer, &headers), client);
    let count = data.iter().filter(|byte| **byte == b',').count() + data.split(|byte| *byte == b'\n').count();
    if !trusted.contains(client) && !data.contains(&b'"') && count < 16 {
        // A stranger's words go before those that the proxies added.
        for forged in ["198.51.100.66", "10.1.2.3"] {
            assert_eq!(trusted.client(peer, &read(data, forged)), client, "{forged} was believed");
        }
    }
    // What the nearest proxy adds is the client, if it is not a proxy itself.
    let mut named = HeaderMap::new();
    for value in headers.get_all("x-forwarded-for") {
        named.append("x-forwarded-for", value.clone());
    }
    named.append("x-forwarded-for", HeaderValue::from_static("203.0.113.7"));
    assert_eq!(trusted.client(peer, &named), ip("203.0.113.7"));
    // The only client that headers can name without a stranger among the hops is one of the networks.
    let nobody = Trusted::new(Vec::new());
    assert_eq!(nobody.client(peer, &HeaderMap::new()), peer);
}

/// The headers of `data`, the leftmost entry of each kind behind a forged one.
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
    match proxy::parse(data) {
        Header::Whole { source, length } => {
            assert!(length <= MAX_HEADER && length <= data.len());
            let again = Header::Whole { source, length };
            assert_eq!(proxy::parse(&data[..length]), again, "what follows a header changes nothing");
            assert_eq!(
                proxy::parse(&data[..length - 1]),
                Header::Partial,
                "a header that is cut is no header"
            );
        }
        Header::Partial => assert!(data.len() < MAX_HEADER, "more is asked for than a header has"),
        Header::Invalid => {}
    }
}
