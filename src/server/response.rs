//! Responses of the public side, as `docs/wire.md` lists them.
//!
//! A response never contains what a client sent, except for an `Origin` that is a host of a site.

use std::fmt::Write as _;
use std::time::Duration;

use bytes::Bytes;
use hyper::header::{CACHE_CONTROL, HeaderName, HeaderValue, RETRY_AFTER};
use hyper::{Response, StatusCode};

use crate::event::DropReason;
use crate::ingest::{Accepted, IngestError, RefusedBeacon};
use crate::transport::response::{JSON, RETRY_SOON, closing, error, with_body};
use crate::transport::{AuthError, Body};

static GIF: HeaderValue = HeaderValue::from_static("image/gif");
static X_FOOTFALL_DROPPED: HeaderName = HeaderName::from_static("x-footfall-dropped");
static X_FOOTFALL_LEFT_OUT: HeaderName = HeaderName::from_static("x-footfall-left-out");

/// Parts of a beacon that a response names: enough to find a fault of a program by.
const MAX_LEFT_OUT: usize = 5;

/// A transparent GIF of 1×1 px.
static PIXEL: &[u8] =
    b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff!\xf9\x04\x01\0\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\x01D\0;";

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Rejection {
    /// 400: HTTP/1.1 without a `Host`, or with several.
    NoHost,
    /// 400: the body ended before its announced length.
    CutOff,
    /// 400: a sender does not name the visitor's address.
    NoVisitor,
    /// 408; the connection is closed.
    SlowBody,
    /// 411: neither a length nor HTTP/2's frames.
    NoLength,
    /// 413.
    TooLarge,
    /// 415.
    WrongType,
    /// 429, with the time until the bucket of the address holds a token.
    TooManyFromAddress(Duration),
    /// 429, with the time until the bucket of the sender holds a token.
    TooManyFromSender(Duration),
    /// 503: too many bodies are being received.
    TooManyBodies,
    /// 403: the answer to a preflight request.
    ForeignPreflight,
    Auth(AuthError),
    Ingest(RefusedBeacon),
}

impl From<AuthError> for Rejection {
    fn from(error: AuthError) -> Self {
        Self::Auth(error)
    }
}

impl From<RefusedBeacon> for Rejection {
    fn from(refused: RefusedBeacon) -> Self {
        Self::Ingest(refused)
    }
}

impl Rejection {
    pub(super) fn response(self) -> Response<Body> {
        match self {
            Self::NoHost => closing(error(StatusCode::BAD_REQUEST, "exactly one Host header is needed")),
            Self::CutOff => closing(error(StatusCode::BAD_REQUEST, "the body was cut off")),
            Self::NoVisitor => error(
                StatusCode::BAD_REQUEST,
                "a sender names the visitor's address in X-Footfall-Address, or, without a proxy between, as the one address in X-Forwarded-For",
            ),
            Self::SlowBody => closing(error(StatusCode::REQUEST_TIMEOUT, "the body came too slowly")),
            Self::NoLength => {
                closing(error(StatusCode::LENGTH_REQUIRED, "the length of the body must be given"))
            }
            Self::TooLarge => closing(error(StatusCode::PAYLOAD_TOO_LARGE, "a beacon is at most 64 KiB")),
            Self::WrongType => error(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "the Content-Type must be one of this address (for /b text/plain or application/json), without a Content-Encoding",
            ),
            Self::TooManyFromAddress(wait) => too_many("too many requests from one address", wait),
            Self::TooManyFromSender(wait) => too_many("too many requests with one token", wait),
            Self::TooManyBodies => {
                closing(unavailable("too many bodies are being received; keep the beacon and try again"))
            }
            Self::Auth(error) => error.response(),
            Self::ForeignPreflight => error(StatusCode::FORBIDDEN, "this origin is not a host of any site"),
            Self::Ingest(refused) => ingest_error(refused.cause),
        }
    }
}

fn ingest_error(cause: IngestError) -> Response<Body> {
    let forbidden = |message| error(StatusCode::FORBIDDEN, message);
    match cause {
        IngestError::Malformed(malformed) => {
            let body = serde_json::json!({ "error": malformed.problem, "at": malformed.path });
            with_body(StatusCode::BAD_REQUEST, &JSON, format!("{body}\n"))
        }
        IngestError::UnknownSite => forbidden("this site is not configured here"),
        IngestError::ForeignOrigin | IngestError::ForeignPage => {
            forbidden("the page's host is not one of the site's hosts")
        }
        IngestError::InvalidSignature => forbidden(
            "this site accepts signed names only: the token in data-site is missing, wrong or expired",
        ),
        IngestError::SiteNotAllowed => forbidden("this token may not send for this site"),
        IngestError::NoKey | IngestError::Unavailable => {
            unavailable("events cannot be stored at the moment; keep the beacon and try again")
        }
    }
}

fn unavailable(message: &str) -> Response<Body> {
    let mut response = error(StatusCode::SERVICE_UNAVAILABLE, message);
    response.headers_mut().insert(RETRY_AFTER, RETRY_SOON);
    response
}

fn too_many(message: &str, wait: Duration) -> Response<Body> {
    let mut response = error(StatusCode::TOO_MANY_REQUESTS, message);
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds.max(1)));
    response
}

/// 200 with the pixel; it must not be cached, since every request is a view.
pub(super) fn pixel() -> Response<Body> {
    let mut response = with_body(StatusCode::OK, &GIF, Bytes::from_static(PIXEL));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Says which events and fields were not stored: `X-Footfall-Dropped` counts events by reason, `X-Footfall-Left-Out` names the first
/// faults.
pub(super) fn add_dropped(response: &mut Response<Body>, accepted: &Accepted) {
    if accepted.dropped.iter().any(|&events| events > 0) {
        let mut text = String::with_capacity(80);
        for (reason, events) in DropReason::ALL.iter().zip(accepted.dropped) {
            let comma = if text.is_empty() { "" } else { "," };
            // Writing to a string cannot fail.
            let _ = write!(text, "{comma}{}={events}", reason.name());
        }
        insert(response, &X_FOOTFALL_DROPPED, text);
    }
    if !accepted.left_out.is_empty() {
        let mut text = String::new();
        for part in accepted.left_out.iter().take(MAX_LEFT_OUT) {
            let semicolon = if text.is_empty() { "" } else { "; " };
            let _ = write!(text, "{semicolon}{} {}", part.fault.path, part.fault.problem);
        }
        if accepted.left_out.len() > MAX_LEFT_OUT {
            let _ = write!(text, "; {} more", accepted.left_out.len() - MAX_LEFT_OUT);
        }
        insert(response, &X_FOOTFALL_LEFT_OUT, text);
    }
}

fn insert(response: &mut Response<Body>, name: &HeaderName, text: String) {
    if let Ok(value) = HeaderValue::try_from(text) {
        response.headers_mut().insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::beacon::{LeftOut, MalformedBeacon};
    use crate::transport::response::empty;

    #[test]
    fn waiting_times_are_rounded_up_to_whole_seconds() {
        for (ms, seconds) in [(1, "1"), (1000, "1"), (1001, "2"), (0, "1")] {
            let rejection = Rejection::TooManyFromAddress(Duration::from_millis(ms));
            assert_eq!(rejection.response().headers()[RETRY_AFTER], seconds);
        }
    }

    #[test]
    fn dropped_events_are_counted_by_reason_in_a_header() {
        let mut response = empty(StatusCode::NO_CONTENT);
        add_dropped(&mut response, &Accepted::default());
        assert!(response.headers().is_empty());
        add_dropped(&mut response, &Accepted { dropped: [0, 2, 1, 0, 3, 0, 0], ..Accepted::default() });
        let told = "optout=0,bot=2,duplicate=1,malformed=0,foreign=3,blocked=0,internal=0";
        assert_eq!(response.headers()["x-footfall-dropped"], told);
        assert_eq!(response.headers().get("x-footfall-left-out"), None);
    }

    #[test]
    fn the_first_faults_of_events_are_named_in_a_header() {
        let fault =
            |index: usize| LeftOut::field(MalformedBeacon::new(format!("e[{index}].st"), "must be text"));
        let mut response = empty(StatusCode::NO_CONTENT);
        add_dropped(
            &mut response,
            &Accepted { left_out: (0..2).map(fault).collect(), ..Accepted::default() },
        );
        assert_eq!(response.headers()["x-footfall-left-out"], "e[0].st must be text; e[1].st must be text");
        add_dropped(
            &mut response,
            &Accepted { left_out: (0..9).map(fault).collect(), ..Accepted::default() },
        );
        assert!(
            response.headers()["x-footfall-left-out"]
                .to_str()
                .unwrap()
                .ends_with("e[4].st must be text; 4 more")
        );
    }

    #[test]
    fn texts_in_responses_are_quoted() {
        let malformed = MalformedBeacon::new("e[0].<k>", "a \"quote\"\r\n");
        let response = Rejection::Ingest(malformed.into()).response();
        assert_eq!(response.status(), 400);
        assert_eq!(response.body().bytes(), b"{\"at\":\"e[0].<k>\",\"error\":\"a \\\"quote\\\"\\r\\n\"}\n");
    }
}
