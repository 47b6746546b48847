//! Answers: a body type without a box, and every answer of `docs/wire.md` that needs no look at the events.
//!
//! Nothing that a client sent is ever part of an answer but an `Origin` that was found among the sites' own hosts; error
//! texts are this program's.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use hyper::header::{
    ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER,
    X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Response, StatusCode};

use super::bounds::MAX_WAITING;
use crate::event::DropReason;

/// A body that is there as a whole, or none; boxed bodies would cost an allocation each.
#[derive(Debug, Default)]
pub struct Body(Option<Bytes>, Option<Held>);

impl Body {
    /// No body.
    pub const EMPTY: Self = Self(None, None);

    /// These bytes.
    pub fn new(bytes: impl Into<Bytes>) -> Self {
        Self(Some(bytes.into()).filter(|bytes| !bytes.is_empty()), None)
    }
}

/// Counts the bodies that HTTP/2 clients have not yet made room for.
#[derive(Debug, Default)]
pub(super) struct Waiting(Arc<AtomicUsize>);

/// One of them.
#[derive(Debug)]
struct Held(Arc<AtomicUsize>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Waiting {
    /// Counts the body of an answer until it is taken, or takes it away when too many wait already: then nothing of the
    /// answer is left to wait, and what would have been a page is 503.
    pub(super) fn admit(&self, answer: &mut Answer) {
        if answer.body().0.is_none() {
            return;
        }
        let held = Held(self.0.clone());
        if self.0.fetch_add(1, Ordering::Relaxed) < MAX_WAITING {
            answer.body_mut().1 = Some(held);
            return;
        }
        *answer.body_mut() = Body::EMPTY;
        answer.headers_mut().remove(CONTENT_LENGTH);
        if answer.status().is_success() {
            *answer.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
            answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from(RETRY_SPOOL));
        }
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

/// An answer as the connection writes it.
pub(super) type Answer = Response<Body>;

pub(super) static JSON: HeaderValue = HeaderValue::from_static("application/json");
pub(super) static TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
pub(super) static GIF: HeaderValue = HeaderValue::from_static("image/gif");
static NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
static NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");
static CLOSE: HeaderValue = HeaderValue::from_static("close");
static X_FOOTFALL_DROPPED: HeaderName = HeaderName::from_static("x-footfall-dropped");

/// A transparent GIF of 1×1 px.
static PIXEL: &[u8] =
    b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff!\xf9\x04\x01\0\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\x01D\0;";

/// How long to wait for a spool that is full or broken, or for others to have sent their bodies, s.
const RETRY_SPOOL: u16 = 5;

/// An answer without a body.
pub(super) fn empty(status: StatusCode) -> Answer {
    let mut answer = Response::new(Body::EMPTY);
    *answer.status_mut() = status;
    answer
}

/// An answer of this type.
pub(super) fn of(status: StatusCode, content_type: &'static HeaderValue, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Body::new(body));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, content_type.clone());
    answer.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, NOSNIFF.clone());
    answer
}

/// An answer that says in JSON what is wrong.
pub(super) fn wrong(status: StatusCode, what: &'static str) -> Answer {
    of(status, &JSON, format!("{{\"error\":\"{what}\"}}\n"))
}

/// 400 with what is wrong and where. Both are quoted, whatever they hold.
pub(super) fn malformed(what: &str, at: &str) -> Answer {
    let body = serde_json::json!({ "error": what, "at": at });
    of(StatusCode::BAD_REQUEST, &JSON, format!("{body}\n"))
}

/// 404, for any path that is not ours.
pub(super) fn not_found() -> Answer {
    wrong(StatusCode::NOT_FOUND, "nothing is here")
}

/// 405 with what is allowed instead.
pub(super) fn method(allow: &'static str) -> Answer {
    let mut answer = wrong(StatusCode::METHOD_NOT_ALLOWED, "this method is not allowed here");
    answer.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
    answer
}

/// Why a beacon is refused before its events are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Early {
    /// 400: the body ended before its announced length.
    CutOff,
    /// 400: a sender does not say for whom it sends.
    NoVisitor,
    /// 408, after which the connection is of no more use.
    Slow,
    /// 411: neither a length nor HTTP/2's frames.
    NoLength,
    /// 503: as many bodies as may be are on their way already.
    Crowded,
    /// 413.
    TooLarge,
    /// 415.
    WrongType,
    /// 429, with the time until the address's bucket holds a token again.
    TooMany(Duration),
    /// 429, with the time until the bucket of a sender's token does.
    TooManySent(Duration),
}

impl Early {
    /// The answer to it.
    pub(super) fn answer(self) -> Answer {
        match self {
            Self::CutOff => closing(wrong(StatusCode::BAD_REQUEST, "the body was cut off")),
            Self::NoVisitor => {
                let what = "a sender names the visitor's address in X-Footfall-Address, or, without a proxy between, as the one address in X-Forwarded-For";
                wrong(StatusCode::BAD_REQUEST, what)
            }
            Self::Slow => closing(wrong(StatusCode::REQUEST_TIMEOUT, "the body came too slowly")),
            Self::NoLength => {
                closing(wrong(StatusCode::LENGTH_REQUIRED, "the length of the body must be given"))
            }
            Self::Crowded => {
                let what = "too much is being sent at the moment; keep it and try again";
                let mut answer = closing(wrong(StatusCode::SERVICE_UNAVAILABLE, what));
                answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from(RETRY_SPOOL));
                answer
            }
            Self::TooLarge => closing(wrong(StatusCode::PAYLOAD_TOO_LARGE, "a beacon is at most 64 KiB")),
            Self::WrongType => {
                let what = "a beacon is text/plain or application/json, not encoded";
                wrong(StatusCode::UNSUPPORTED_MEDIA_TYPE, what)
            }
            Self::TooMany(wait) | Self::TooManySent(wait) => {
                let what = match self {
                    Self::TooMany(_) => "too many requests from one address",
                    _ => "too many requests with one token",
                };
                let mut answer = wrong(StatusCode::TOO_MANY_REQUESTS, what);
                let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
                answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds.max(1)));
                answer
            }
        }
    }
}

/// 503: the spool takes nothing at the moment.
pub(super) fn unavailable() -> Answer {
    let mut answer =
        wrong(StatusCode::SERVICE_UNAVAILABLE, "nothing can be stored at the moment; keep it and try again");
    answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from(RETRY_SPOOL));
    answer
}

/// 200 with the pixel, which must be asked for each time.
pub(super) fn pixel() -> Answer {
    let mut answer = of(StatusCode::OK, &GIF, Bytes::from_static(PIXEL));
    answer.headers_mut().insert(CACHE_CONTROL, NO_STORE.clone());
    answer
}

/// Says how many events were dropped by which rule, if any was.
pub(super) fn tell_dropped(answer: &mut Answer, dropped: &[u32; DropReason::ALL.len()]) {
    if dropped.iter().all(|&events| events == 0) {
        return;
    }
    let mut told = String::with_capacity(48);
    for (reason, events) in DropReason::ALL.iter().zip(dropped) {
        let comma = if told.is_empty() { "" } else { "," };
        // Writing to a string cannot fail.
        let _ = std::fmt::Write::write_fmt(&mut told, format_args!("{comma}{}={events}", reason.name()));
    }
    if let Ok(value) = HeaderValue::try_from(told) {
        answer.headers_mut().insert(&X_FOOTFALL_DROPPED, value);
    }
}

/// Ends the connection after this answer.
pub(super) fn closing(mut answer: Answer) -> Answer {
    answer.headers_mut().insert(CONNECTION, CLOSE.clone());
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_times_are_rounded_up_to_whole_seconds() {
        for (ms, seconds) in [(1, "1"), (1000, "1"), (1001, "2"), (0, "1")] {
            assert_eq!(Early::TooMany(Duration::from_millis(ms)).answer().headers()[RETRY_AFTER], seconds);
        }
    }

    #[test]
    fn dropped_events_are_told_by_reason_and_only_when_there_are_any() {
        let mut answer = empty(StatusCode::NO_CONTENT);
        tell_dropped(&mut answer, &[0, 0, 0]);
        assert!(answer.headers().is_empty());
        tell_dropped(&mut answer, &[0, 2, 1]);
        assert_eq!(answer.headers()["x-footfall-dropped"], "optout=0,bot=2,duplicate=1");
    }

    #[test]
    fn an_answer_that_would_be_one_too_many_to_wait_goes_without_its_body() {
        let waiting = Waiting::default();
        let page = || of(StatusCode::OK, &TEXT, "page");
        let mut held: Vec<Answer> = (0..MAX_WAITING).map(|_| page()).collect();
        held.iter_mut().for_each(|answer| waiting.admit(answer));
        let (mut over, mut bare) = (page(), empty(StatusCode::NO_CONTENT));
        waiting.admit(&mut over);
        waiting.admit(&mut bare);
        assert_eq!((over.status(), over.body().0.is_none()), (StatusCode::SERVICE_UNAVAILABLE, true));
        assert_eq!(bare.status(), StatusCode::NO_CONTENT);
        drop(held);
        let mut next = page();
        waiting.admit(&mut next);
        assert_eq!((next.status(), next.body().0.is_none()), (StatusCode::OK, false));
    }

    #[test]
    fn texts_in_answers_are_quoted() {
        let answer = malformed("a \"quote\"\r\n", "e[0].<k>");
        assert_eq!(answer.status(), 400);
        assert_eq!(
            answer.into_body().0.unwrap(),
            "{\"at\":\"e[0].<k>\",\"error\":\"a \\\"quote\\\"\\r\\n\"}\n"
        );
    }
}
