//! The statistics script, which is part of the binary: three encodings, two paths.
//!
//! Browsers fetch `/s.js` again every hour, and `/s.<hash>.js`, which has the hash of its content, never. Any page may read
//! both (CORS and CORP), so that the page's tag can have `integrity`.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use hyper::header::{
    ACCEPT_ENCODING, ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG,
    HeaderMap, HeaderName, HeaderValue, IF_NONE_MATCH, VARY,
};
use hyper::{Response, StatusCode};
use sha2::{Digest, Sha256, Sha384};

use crate::server::accept;
use crate::transport::Body;

static PLAIN: &[u8] = include_bytes!("../../script/dist/s.js");
static BROTLI: &[u8] = include_bytes!("../../script/dist/s.js.br");
static GZIP: &[u8] = include_bytes!("../../script/dist/s.js.gz");

static NOSNIFF: HeaderName = HeaderName::from_static("x-content-type-options");
static CORP: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// Digits of the hash in the path: 64 bits.
const HASH_DIGITS: usize = 16;

pub(super) struct Script {
    hashed_path: String,
    integrity: String,
    encodings: [ScriptEncoding; 3],
}

struct ScriptEncoding {
    name: Option<&'static str>,
    bytes: Bytes,
    etag: HeaderValue,
}

impl Script {
    pub(super) fn new() -> Self {
        let mut hash = String::new();
        for byte in Sha256::digest(PLAIN).iter().take(HASH_DIGITS / 2) {
            // Writing to a string cannot fail.
            let _ = write!(hash, "{byte:02x}");
        }
        let encoding = |name: Option<&'static str>, bytes| {
            let tag = format!("\"{hash}{}\"", name.map_or_else(String::new, |name| format!("-{name}")));
            let etag = HeaderValue::try_from(tag).unwrap_or(HeaderValue::from_static("\"s\""));
            ScriptEncoding { name, bytes: Bytes::from_static(bytes), etag }
        };
        Self {
            encodings: [encoding(Some("br"), BROTLI), encoding(Some("gzip"), GZIP), encoding(None, PLAIN)],
            hashed_path: format!("/s.{hash}.js"),
            integrity: format!("sha384-{}", BASE64.encode(Sha384::digest(PLAIN))),
        }
    }

    pub(super) fn hashed_path(&self) -> &str {
        &self.hashed_path
    }

    /// The value of the `integrity` attribute (W3C Subresource Integrity).
    pub(super) fn integrity(&self) -> &str {
        &self.integrity
    }

    /// `immutable` on the path with the hash.
    pub(super) fn response(&self, headers: &HeaderMap, immutable: bool) -> Response<Body> {
        let encoding = self.choose(headers);
        let fresh = headers.get_all(IF_NONE_MATCH).iter().any(|value| matches_etag(value, &encoding.etag));
        let body = if fresh { Body::EMPTY } else { Body::new(encoding.bytes.clone()) };
        let mut response = Response::new(body);
        let caching = if immutable { "public, max-age=31536000, immutable" } else { "public, max-age=3600" };
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static(caching));
        headers.insert(ETAG, encoding.etag.clone());
        headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        headers.insert(&CORP, HeaderValue::from_static("cross-origin"));
        if fresh {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            return response;
        }
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/javascript; charset=utf-8"));
        headers.insert(&NOSNIFF, HeaderValue::from_static("nosniff"));
        if let Some(name) = encoding.name {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static(name));
        }
        response
    }

    /// The encoding with the greatest weight; among equals the smallest. A client that refuses all gets the plain text
    /// instead of 406 (RFC 9110, section 12.5.3).
    fn choose(&self, headers: &HeaderMap) -> &ScriptEncoding {
        let weigh = |name| quality(headers, name);
        let [brotli, gzip, plain] = &self.encodings;
        let weights = [(weigh("br"), brotli), (weigh("gzip"), gzip)];
        let (best, encoding) =
            weights.into_iter().rev().max_by_key(|(weight, _)| *weight).unwrap_or((0, plain));
        let identity = quality_of_identity(headers);
        if best == 0 || identity.is_some_and(|identity| identity > best) { plain } else { encoding }
    }
}

/// The weight of an encoding in thousandths; 0 when it is refused or not mentioned.
fn quality(headers: &HeaderMap, encoding: &str) -> u16 {
    stated(headers, encoding).or_else(|| stated(headers, "*")).unwrap_or(0)
}

fn quality_of_identity(headers: &HeaderMap) -> Option<u16> {
    stated(headers, "identity")
}

fn stated(headers: &HeaderMap, encoding: &str) -> Option<u16> {
    accept::weight(headers, ACCEPT_ENCODING, |name| {
        name.eq_ignore_ascii_case(encoding) || (encoding == "gzip" && name.eq_ignore_ascii_case("x-gzip"))
    })
}

/// Whether `If-None-Match` names this tag, by weak comparison (RFC 9110, section 13.1.2).
fn matches_etag(value: &HeaderValue, etag: &HeaderValue) -> bool {
    let Ok(value) = value.to_str() else { return false };
    value.split(',').map(str::trim).any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == *etag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_encoding_that_the_client_accepts_is_chosen() {
        let script = Script::new();
        for (accepts, encoding) in [
            ("", None),
            ("gzip, deflate, br, zstd", Some("br")),
            ("gzip", Some("gzip")),
            ("x-gzip", Some("gzip")),
            ("GZIP;q=0.8, br;q=0.5", Some("gzip")),
            ("br;q=0, gzip", Some("gzip")),
            ("br;q=0", None),
            ("*", Some("br")),
            ("*, br;q=0", Some("gzip")),
            ("*;q=0", None),
            ("identity, br;q=0.5", None),
            ("br;q=x, gzip;q=2", None),
            ("brotli", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_ENCODING, accepts.parse().unwrap());
            assert_eq!(script.choose(&headers).name, encoding, "{accepts}");
        }
        assert_eq!(script.choose(&HeaderMap::new()).name, None);
    }

    #[test]
    fn each_encoding_has_its_own_etag() {
        let script = Script::new();
        let [br, gzip, plain] = &script.encodings;
        assert!(br.etag != gzip.etag && gzip.etag != plain.etag);
        assert!(matches_etag(&format!("W/{}, \"x\"", br.etag.to_str().unwrap()).parse().unwrap(), &br.etag));
        assert!(!matches_etag(&gzip.etag, &br.etag));
    }
}
