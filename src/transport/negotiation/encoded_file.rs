//! A file in several encodings (RFC 9110, section 12.5.3): the one that a client likes best, with an entity tag of its own.

use std::fmt::Write as _;

use bytes::Bytes;
use hyper::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, HeaderMap, HeaderValue,
    IF_NONE_MATCH, VARY, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Response, StatusCode};
use sha2::{Digest, Sha256};

use super::weight::weight;
use crate::transport::Body;

/// Digits of the hash in the path: 64 bits.
const HASH_DIGITS: usize = 16;
/// How long a file whose path has its hash may be kept.
pub(crate) const IMMUTABLE: &str = "public, max-age=31536000, immutable";

/// A file of the program, which never changes while it runs.
pub(crate) struct EncodedFile {
    hash: String,
    content_type: &'static str,
    /// The plain file, then its encodings, the smallest last.
    encodings: Vec<Encoding>,
}

struct Encoding {
    name: Option<&'static str>,
    bytes: Bytes,
    etag: HeaderValue,
}

impl EncodedFile {
    /// A file that is served as it is.
    pub(crate) fn new(content_type: &'static str, plain: &'static [u8]) -> Self {
        let mut hash = String::new();
        for byte in Sha256::digest(plain).iter().take(HASH_DIGITS / 2) {
            // Writing to a string cannot fail.
            let _ = write!(hash, "{byte:02x}");
        }
        Self { hash, content_type, encodings: Vec::new() }.with_encoding(None, plain)
    }

    /// The same file, also in these encodings.
    #[must_use]
    pub(crate) fn compressed(self, brotli: &'static [u8], gzip: &'static [u8]) -> Self {
        self.with_encoding(Some("gzip"), gzip).with_encoding(Some("br"), brotli)
    }

    fn with_encoding(mut self, name: Option<&'static str>, bytes: &'static [u8]) -> Self {
        let tag = format!("\"{}{}\"", self.hash, name.map_or_else(String::new, |name| format!("-{name}")));
        let etag = HeaderValue::try_from(tag).unwrap_or(HeaderValue::from_static("\"s\""));
        self.encodings.push(Encoding { name, bytes: Bytes::from_static(bytes), etag });
        self
    }

    /// The hash of the plain file, for its path.
    pub(crate) fn hash(&self) -> &str {
        &self.hash
    }

    /// The file, or 304 if the client has it. `caching` is the value of `Cache-Control`.
    pub(crate) fn response(&self, headers: &HeaderMap, caching: &'static str) -> Response<Body> {
        let encoding = self.choose(headers);
        let fresh = headers.get_all(IF_NONE_MATCH).iter().any(|value| matches_etag(value, &encoding.etag));
        let body = if fresh { Body::EMPTY } else { Body::new(encoding.bytes.clone()) };
        let mut response = Response::new(body);
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static(caching));
        headers.insert(ETAG, encoding.etag.clone());
        headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
        if fresh {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            return response;
        }
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if let Some(name) = encoding.name {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static(name));
        }
        response
    }

    /// The encoding with the greatest weight; among equals the smallest. A client that refuses all gets the plain text
    /// instead of 406 (RFC 9110, section 12.5.3).
    fn choose(&self, headers: &HeaderMap) -> &Encoding {
        let plain = &self.encodings[0];
        let weighed = self.encodings.iter().filter_map(|encoding| {
            let weight = quality(headers, encoding.name?);
            (weight > 0).then_some((weight, encoding))
        });
        let Some((best, encoding)) = weighed.max_by_key(|(weight, _)| *weight) else { return plain };
        if quality_of_identity(headers).is_some_and(|identity| identity > best) { plain } else { encoding }
    }
}

/// The weight of an encoding in thousandths; 0 when it is refused or not mentioned.
fn quality(headers: &HeaderMap, encoding: &str) -> u16 {
    stated_quality(headers, encoding).or_else(|| stated_quality(headers, "*")).unwrap_or(0)
}

fn quality_of_identity(headers: &HeaderMap) -> Option<u16> {
    stated_quality(headers, "identity")
}

fn stated_quality(headers: &HeaderMap, encoding: &str) -> Option<u16> {
    weight(headers, ACCEPT_ENCODING, |name| {
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

    fn sample() -> EncodedFile {
        EncodedFile::new("text/plain", b"plain").compressed(b"brotli", b"gzip")
    }

    #[test]
    fn the_best_encoding_that_the_client_accepts_is_chosen() {
        let file = sample();
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
            assert_eq!(file.choose(&headers).name, encoding, "{accepts}");
        }
        assert_eq!(file.choose(&HeaderMap::new()).name, None);
    }

    #[test]
    fn each_encoding_has_its_own_etag() {
        let file = sample();
        let [plain, gzip, br] = &file.encodings[..] else { panic!("there are three") };
        assert!(br.etag != gzip.etag && gzip.etag != plain.etag);
        assert!(matches_etag(&format!("W/{}, \"x\"", br.etag.to_str().unwrap()).parse().unwrap(), &br.etag));
        assert!(!matches_etag(&gzip.etag, &br.etag));
    }
}
