//! Reads a beacon's body: of known length, at most [`MAX_BODY`], within a time, of a type that carries beacons.

use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};
use hyper::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING};
use hyper::{HeaderMap, Version};

use super::answer::Early;
use super::bounds::{Bounds, MAX_BODIES};

/// Bytes of a body; `sendBeacon` and `fetch` with `keepalive` carry no more than 64 KiB either.
pub(super) const MAX_BODY: usize = crate::beacon::MAX_BODY;

/// Bytes of a body over the bound that are read and thrown away before 413 is answered. A client that is still sending
/// when the connection closes may lose the answer to a reset; one that announces more than this deserves it.
const MAX_DISCARD: u64 = 1024 * 1024;

/// Reads the body of a request with these headers.
///
/// # Errors
/// For 400, 408, 411, 413, 415 or 503.
pub(super) async fn read(
    version: Version,
    headers: &HeaderMap,
    mut body: Incoming,
    (bounds, bodies): (&Bounds, &Bodies),
) -> Result<Bytes, Early> {
    if !carries_beacons(headers) {
        return Err(Early::WrongType);
    }
    // HTTP/2 frames its bodies: a length may be missing there. In HTTP/1.1 both a chunked body and none lack one.
    let framed = version >= Version::HTTP_2;
    if !framed && (headers.contains_key(TRANSFER_ENCODING) || !headers.contains_key(CONTENT_LENGTH)) {
        return Err(Early::NoLength);
    }
    let announced = body.size_hint().lower();
    if announced > MAX_BODY as u64 {
        if announced <= MAX_DISCARD {
            let _ = tokio::time::timeout(bounds.body, discard(&mut body)).await;
        }
        return Err(Early::TooLarge);
    }
    // Nearly always the body came with the head, in one piece: no timer is needed and nothing is copied.
    let first =
        match std::future::poll_fn(|cx| std::task::Poll::Ready(std::pin::Pin::new(&mut body).poll_frame(cx)))
            .await
        {
            std::task::Poll::Ready(Some(Ok(frame))) => frame.into_data().unwrap_or_default(),
            std::task::Poll::Ready(None) => return Ok(Bytes::new()),
            std::task::Poll::Ready(Some(Err(_))) => return Err(Early::CutOff),
            std::task::Poll::Pending => Bytes::new(),
        };
    if body.is_end_stream() {
        return if first.len() > MAX_BODY { Err(Early::TooLarge) } else { Ok(first) };
    }
    // Without a length the body may be of any that fits.
    let expected = if announced == 0 { MAX_BODY } else { announced as usize };
    let Some(_room) = bodies.take(expected) else { return Err(Early::Crowded) };
    let rest = collect(first, announced, &mut body);
    tokio::time::timeout(bounds.body, rest).await.unwrap_or_else(|_| Err(Early::Slow))
}

/// The bytes that all bodies on their way may take together.
#[derive(Debug, Default)]
pub(super) struct Bodies(AtomicUsize);

/// What one body takes of them, until it is dropped.
struct Room<'a>(&'a Bodies, usize);

impl Bodies {
    fn take(&self, bytes: usize) -> Option<Room<'_>> {
        let before = self.0.fetch_add(bytes, Ordering::Relaxed);
        let room = Room(self, bytes);
        (before + bytes <= MAX_BODIES).then_some(room)
    }
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_sub(self.1, Ordering::Relaxed);
    }
}

/// Reads the pieces after the first one.
async fn collect(first: Bytes, announced: u64, body: &mut Incoming) -> Result<Bytes, Early> {
    let mut whole = BytesMut::with_capacity((announced as usize).clamp(first.len(), MAX_BODY));
    whole.extend_from_slice(&first);
    while let Some(frame) = body.frame().await {
        // What was announced and never came: the client is gone and will hardly read the answer.
        let frame = frame.map_err(|_| Early::CutOff)?;
        if let Ok(data) = frame.into_data() {
            if whole.len() + data.len() > MAX_BODY {
                return Err(Early::TooLarge);
            }
            whole.extend_from_slice(&data);
        }
    }
    Ok(whole.freeze())
}

async fn discard(body: &mut Incoming) {
    while let Some(Ok(_)) = body.frame().await {}
}

/// Whether the type is one of a beacon (`text/plain` needs no preflight) or not given, and the body is not compressed.
fn carries_beacons(headers: &HeaderMap) -> bool {
    let plain = headers
        .get(CONTENT_ENCODING)
        .is_none_or(|coding| coding.as_bytes().eq_ignore_ascii_case(b"identity"));
    plain
        && headers.get(CONTENT_TYPE).is_none_or(|value| {
            let essence =
                value.as_bytes().split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii();
            essence.eq_ignore_ascii_case(b"text/plain") || essence.eq_ignore_ascii_case(b"application/json")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_on_their_way_take_no_more_than_there_is_and_give_it_back() {
        let bodies = Bodies::default();
        let all = bodies.take(MAX_BODIES).unwrap();
        assert!(bodies.take(1).is_none());
        drop(all);
        let held: Vec<_> = (0..MAX_BODIES / MAX_BODY).map(|_| bodies.take(MAX_BODY)).collect();
        assert!(held.iter().all(Option::is_some));
        assert!(bodies.take(1).is_none());
    }

    #[test]
    fn beacons_come_as_text_or_json_or_without_a_type() {
        for (value, carries) in [
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
            assert_eq!(carries_beacons(&headers), carries, "{value}");
        }
        assert!(carries_beacons(&HeaderMap::new()));
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_ENCODING, "gzip".parse().unwrap());
        assert!(!carries_beacons(&headers));
    }
}
