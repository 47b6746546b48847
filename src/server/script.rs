//! The statistics script, which is part of the binary: three encodings, two paths.
//!
//! Browsers fetch `/s.js` again every hour, and `/s.<hash>.js`, which has the hash of its content, never. Any page may read
//! both (CORS and CORP), so that the page's tag can have `integrity`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hyper::Response;
use hyper::header::{ACCESS_CONTROL_ALLOW_ORIGIN, HeaderMap, HeaderName, HeaderValue};
use sha2::{Digest, Sha384};

use crate::transport::Body;
use crate::transport::negotiation::{EncodedFile, IMMUTABLE};

static PLAIN: &[u8] = include_bytes!("../../script/dist/s.js");
static BROTLI: &[u8] = include_bytes!("../../script/dist/s.js.br");
static GZIP: &[u8] = include_bytes!("../../script/dist/s.js.gz");

static CORP: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

pub(super) struct Script {
    file: EncodedFile,
    hashed_path: String,
    integrity: String,
}

impl Script {
    pub(super) fn new() -> Self {
        let file = EncodedFile::new("text/javascript; charset=utf-8", PLAIN).compressed(BROTLI, GZIP);
        let hashed_path = format!("/s.{}.js", file.hash());
        Self { file, hashed_path, integrity: format!("sha384-{}", BASE64.encode(Sha384::digest(PLAIN))) }
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
        let caching = if immutable { IMMUTABLE } else { "public, max-age=3600" };
        let mut response = self.file.response(headers, caching);
        let headers = response.headers_mut();
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        headers.insert(&CORP, HeaderValue::from_static("cross-origin"));
        response
    }
}
