//! The body of a form, read within a bound.

use std::collections::HashMap;

use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue, LOCATION};
use hyper::{Request, Response, StatusCode};

use crate::transport::Body;
use crate::transport::response;

/// Longest body, in bytes: an address of 2 KiB, percent-encoded, and a password.
const MAX_BODY: usize = 16 << 10;

/// The fields of a form. It is never printed: fields are tokens and passwords.
pub(super) struct Form(HashMap<String, String>);

impl Form {
    /// # Errors
    /// With the response, when the body is not a form or is too long.
    pub(super) async fn read(request: Request<Incoming>) -> Result<Self, Response<Body>> {
        let kind =
            request.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if kind.split(';').next().map(str::trim) != Some("application/x-www-form-urlencoded") {
            let what = "the body must be application/x-www-form-urlencoded";
            return Err(response::error(StatusCode::UNSUPPORTED_MEDIA_TYPE, what));
        }
        let body = Limited::new(request.into_body(), MAX_BODY).collect().await;
        let body = body.map_err(|_| {
            response::error(StatusCode::PAYLOAD_TOO_LARGE, "the body is incomplete or larger than 16 KiB")
        })?;
        let fields = form_urlencoded::parse(&body.to_bytes())
            .map(|(name, value)| (name.into_owned(), value.into_owned()))
            .collect();
        Ok(Self(fields))
    }

    /// A field without the spaces around it; empty when the form does not have it.
    pub(super) fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", |value| value.trim())
    }

    /// A field as it was typed.
    pub(super) fn exact(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }
}

/// Sends the browser to a page of this listener by `GET`. `path` is printable ASCII.
pub(super) fn see_other(path: &str) -> Response<Body> {
    let mut response = response::empty(StatusCode::SEE_OTHER);
    let location = HeaderValue::try_from(path).unwrap_or(HeaderValue::from_static("/"));
    response.headers_mut().insert(LOCATION, location);
    response
}
