//! A response body without a box, and the responses that all listeners share.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use hyper::header::{
    ALLOW, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Response, StatusCode};
use tokio::sync::mpsc;

use crate::transport::bounds::MAX_WAITING_BODIES;

/// A body in one piece, or none; a boxed body would cost an allocation for each response. A stream of pieces is the exception.
#[derive(Debug, Default)]
pub struct Body {
    /// The piece, until it is sent.
    bytes: Option<Bytes>,
    /// Given back when the body is dropped.
    permit: Option<ResponseBodyPermit>,
    pieces: Option<mpsc::Receiver<Bytes>>,
}

impl Body {
    pub const EMPTY: Self = Self { bytes: None, permit: None, pieces: None };

    pub fn new(bytes: impl Into<Bytes>) -> Self {
        Self { bytes: Some(bytes.into()).filter(|bytes| !bytes.is_empty()), ..Self::EMPTY }
    }

    /// Pieces as they come, until the sender is dropped. The channel closes when the client is gone.
    pub(crate) fn from_pieces(pieces: mpsc::Receiver<Bytes>) -> Self {
        Self { pieces: Some(pieces), ..Self::EMPTY }
    }

    /// The bytes, unless they were sent.
    pub fn bytes(&self) -> &[u8] {
        self.bytes.as_deref().unwrap_or_default()
    }
}

/// Limits the response bodies that wait for flow control of HTTP/2 clients.
#[derive(Debug, Default)]
pub(super) struct ResponseBodyPermits(Arc<AtomicUsize>);

#[derive(Debug)]
struct ResponseBodyPermit(Arc<AtomicUsize>);

impl Drop for ResponseBodyPermit {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl ResponseBodyPermits {
    /// Counts the body of a response until it is sent. When too many wait, it removes the body, and a success becomes 503.
    pub(super) fn acquire_for(&self, response: &mut Response<Body>) {
        if response.body().bytes.is_none() {
            return;
        }
        let permit = ResponseBodyPermit(self.0.clone());
        if self.0.fetch_add(1, Ordering::Relaxed) < MAX_WAITING_BODIES {
            response.body_mut().permit = Some(permit);
            return;
        }
        *response.body_mut() = Body::EMPTY;
        response.headers_mut().remove(CONTENT_LENGTH);
        if response.status().is_success() {
            *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
            response.headers_mut().insert(RETRY_AFTER, RETRY_SOON);
        }
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(pieces) = &mut self.pieces {
            return pieces.poll_recv(context).map(|piece| piece.map(|bytes| Ok(Frame::data(bytes))));
        }
        Poll::Ready(self.bytes.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_none() && self.pieces.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        if self.pieces.is_some() {
            return SizeHint::default();
        }
        SizeHint::with_exact(self.bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}

pub(crate) static JSON: HeaderValue = HeaderValue::from_static("application/json");
pub(crate) static TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// `Retry-After` for a lack that ends within seconds: a full spool, too many bodies.
pub(crate) const RETRY_SOON: HeaderValue = HeaderValue::from_static("5");

pub(crate) fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::EMPTY);
    *response.status_mut() = status;
    response
}

pub(crate) fn with_body(
    status: StatusCode,
    content_type: &'static HeaderValue,
    body: impl Into<Bytes>,
) -> Response<Body> {
    let mut response = Response::new(Body::new(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, content_type.clone());
    response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

pub(crate) fn error(status: StatusCode, message: &str) -> Response<Body> {
    with_body(status, &JSON, format!("{}\n", serde_json::json!({ "error": message })))
}

pub(crate) fn not_found() -> Response<Body> {
    error(StatusCode::NOT_FOUND, "nothing is here")
}

pub(crate) fn method_not_allowed(allow: &'static str) -> Response<Body> {
    let mut response = error(StatusCode::METHOD_NOT_ALLOWED, "this method is not allowed here");
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
    response
}

pub(crate) fn closing(mut response: Response<Body>) -> Response<Body> {
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

/// The response to `HEAD`: that to `GET` without its body.
pub(crate) fn without_body(mut response: Response<Body>) -> Response<Body> {
    let length = response.body().bytes().len();
    if length > 0 {
        response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    *response.body_mut() = Body::EMPTY;
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_over_the_limit_on_waiting_bodies_loses_its_body() {
        let permits = ResponseBodyPermits::default();
        let page = || with_body(StatusCode::OK, &TEXT, "page");
        let mut waiting: Vec<Response<Body>> = (0..MAX_WAITING_BODIES).map(|_| page()).collect();
        waiting.iter_mut().for_each(|response| permits.acquire_for(response));
        let (mut over, mut bare) = (page(), empty(StatusCode::NO_CONTENT));
        permits.acquire_for(&mut over);
        permits.acquire_for(&mut bare);
        assert_eq!((over.status(), over.body().bytes()), (StatusCode::SERVICE_UNAVAILABLE, &b""[..]));
        assert_eq!(bare.status(), StatusCode::NO_CONTENT);
        drop(waiting);
        let mut next = page();
        permits.acquire_for(&mut next);
        assert_eq!((next.status(), next.body().bytes()), (StatusCode::OK, &b"page"[..]));
    }
}
