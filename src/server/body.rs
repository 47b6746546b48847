//! Reads the body of a beacon: of known length, at most [`MAX_BODY`], within a timeout, of a content type of beacons.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};
use hyper::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING};
use hyper::http::request::Parts;
use hyper::{HeaderMap, Version};

use crate::beacon::MAX_BODY;
use crate::server::response::Rejection;
use crate::transport::bounds::STREAM_WINDOW;

// An HTTP/2 client can send a whole beacon without waiting for flow control.
const _: () = assert!(STREAM_WINDOW as usize == MAX_BODY);

/// Bytes of all bodies that are being received. Slow clients share them; when none are left, the next one gets 503. A body
/// that came with its headers, as almost every beacon does, needs none of them.
const MAX_OPEN_BODIES: usize = 512 * MAX_BODY;

/// Bytes of a body over the limit that are read and discarded before 413 is sent. A client that still sends when the
/// connection closes may lose the response to a reset. A body that announces more than this is not read.
const MAX_DISCARD: u64 = 1024 * 1024;

/// # Errors
/// With a rejection of status 400, 408, 411, 413, 415 or 503.
pub(super) async fn read(
    head: &Parts,
    content_types: &[&str],
    mut body: Incoming,
    (timeout, permits): (Duration, &BodyPermits),
) -> Result<Bytes, Rejection> {
    let announced = body.size_hint().lower();
    let checked = check_head(head, content_types, announced);
    if checked == Err(Rejection::TooLarge) && announced <= MAX_DISCARD {
        let _ = tokio::time::timeout(timeout, discard(&mut body)).await;
    }
    checked?;
    // Almost always the body came with the headers, in one piece: then no timer is set and nothing is copied.
    let first =
        match std::future::poll_fn(|cx| std::task::Poll::Ready(std::pin::Pin::new(&mut body).poll_frame(cx)))
            .await
        {
            std::task::Poll::Ready(Some(Ok(frame))) => frame.into_data().unwrap_or_default(),
            std::task::Poll::Ready(None) => return Ok(Bytes::new()),
            std::task::Poll::Ready(Some(Err(_))) => return Err(Rejection::CutOff),
            std::task::Poll::Pending => Bytes::new(),
        };
    if body.is_end_stream() {
        return if first.len() > MAX_BODY { Err(Rejection::TooLarge) } else { Ok(first) };
    }
    // Without a length the body may have any size up to the limit.
    let expected = if announced == 0 { MAX_BODY } else { announced as usize };
    let Some(_permit) = permits.acquire(expected) else { return Err(Rejection::TooManyBodies) };
    let rest = collect(first, announced, &mut body);
    tokio::time::timeout(timeout, rest).await.unwrap_or_else(|_| Err(Rejection::SlowBody))
}

/// Checks what is known before a body of `announced` bytes is read.
///
/// # Errors
/// With a rejection of status 411, 413 or 415.
pub(super) fn check_head(head: &Parts, content_types: &[&str], announced: u64) -> Result<(), Rejection> {
    let headers = &head.headers;
    if !has_type(headers, content_types) {
        return Err(Rejection::WrongType);
    }
    // HTTP/2 frames its bodies, so the length may be missing. In HTTP/1.1 it is missing for a chunked body and for none.
    let framed = head.version >= Version::HTTP_2;
    if !framed && (headers.contains_key(TRANSFER_ENCODING) || !headers.contains_key(CONTENT_LENGTH)) {
        return Err(Rejection::NoLength);
    }
    if announced > MAX_BODY as u64 { Err(Rejection::TooLarge) } else { Ok(()) }
}

/// Limits the bytes of all bodies that are being received.
#[derive(Debug, Default)]
pub(super) struct BodyPermits(AtomicUsize);

/// Allows one body; dropping it gives its bytes back.
struct BodyPermit<'a>(&'a BodyPermits, usize);

impl BodyPermits {
    fn acquire(&self, bytes: usize) -> Option<BodyPermit<'_>> {
        let before = self.0.fetch_add(bytes, Ordering::Relaxed);
        let permit = BodyPermit(self, bytes);
        (before + bytes <= MAX_OPEN_BODIES).then_some(permit)
    }
}

impl Drop for BodyPermit<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_sub(self.1, Ordering::Relaxed);
    }
}

/// Reads the pieces after the first one.
async fn collect(first: Bytes, announced: u64, body: &mut Incoming) -> Result<Bytes, Rejection> {
    let mut whole = BytesMut::with_capacity((announced as usize).clamp(first.len(), MAX_BODY));
    whole.extend_from_slice(&first);
    while let Some(frame) = body.frame().await {
        // The body ended before its announced length: the client has probably gone.
        let frame = frame.map_err(|_| Rejection::CutOff)?;
        if let Ok(data) = frame.into_data() {
            if whole.len() + data.len() > MAX_BODY {
                return Err(Rejection::TooLarge);
            }
            whole.extend_from_slice(&data);
        }
    }
    Ok(whole.freeze())
}

async fn discard(body: &mut Incoming) {
    while let Some(Ok(_)) = body.frame().await {}
}

/// Whether the content type is missing or one of `allowed`, and the body has no encoding.
fn has_type(headers: &HeaderMap, allowed: &[&str]) -> bool {
    let plain = headers
        .get(CONTENT_ENCODING)
        .is_none_or(|coding| coding.as_bytes().eq_ignore_ascii_case(b"identity"));
    plain
        && headers.get(CONTENT_TYPE).is_none_or(|value| {
            let essence =
                value.as_bytes().split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii();
            allowed.iter().any(|kind| essence.eq_ignore_ascii_case(kind.as_bytes()))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_bodies_stay_within_the_limit_and_give_their_bytes_back() {
        let permits = BodyPermits::default();
        let all = permits.acquire(MAX_OPEN_BODIES).unwrap();
        assert!(permits.acquire(1).is_none());
        drop(all);
        let open: Vec<_> = (0..MAX_OPEN_BODIES / MAX_BODY).map(|_| permits.acquire(MAX_BODY)).collect();
        assert!(open.iter().all(Option::is_some));
        assert!(permits.acquire(1).is_none());
    }

    #[test]
    fn beacons_have_a_type_of_their_format_or_none() {
        const TYPES: [&str; 2] = ["text/plain", "application/json"];
        for (value, expected) in [
            ("text/plain", true),
            ("text/plain;charset=UTF-8", true),
            ("Text/Plain ; charset=utf-8", true),
            ("application/json", true),
            ("application/jsonp", false),
            ("text/html", false),
            ("multipart/form-data; boundary=x", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, value.parse().unwrap());
            assert_eq!(has_type(&headers, &TYPES), expected, "{value}");
        }
        assert!(has_type(&HeaderMap::new(), &TYPES));
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_ENCODING, "gzip".parse().unwrap());
        assert!(!has_type(&headers, &TYPES));
    }
}
