//! Tokens in requests, and the responses to requests that are not allowed.
//!
//! A limit on wrong tokens slows down guessing. It stores no address, like the limit on beacons. A valid token is accepted
//! whatever was tried from its address before: 256 random bits cannot be guessed at any rate, and otherwise anybody could lock
//! out a token holder with the same address. A response never depends on how close a token was to a valid one.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::header::{HeaderMap, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use hyper::{Response, StatusCode};

use crate::access::same_origin::CrossSite;
use crate::access::{InvalidToken, TokenFingerprint, TokenHolder, TokenVerifier};
use crate::privacy::Peer;
use crate::transport::client::RateLimiter;
use crate::transport::response::{self, Body};

/// Invalid tokens from one address (an IPv6 /64) that are answered with 401 at once; then one each [`ATTEMPT_INTERVAL`].
const MAX_ATTEMPTS: u32 = 10;
/// Time between two wrong tokens after [`MAX_ATTEMPTS`].
const ATTEMPT_INTERVAL: Duration = Duration::from_secs(6);

pub struct TokenAuthenticator {
    verifier: Arc<TokenVerifier>,
    failures: RateLimiter,
}

impl TokenAuthenticator {
    pub fn new(verifier: Arc<TokenVerifier>) -> Self {
        Self { verifier, failures: RateLimiter::every(ATTEMPT_INTERVAL, MAX_ATTEMPTS) }
    }

    /// Returns the holder of the token in `headers`, or `None` when there is no token.
    ///
    /// # Errors
    /// [`AuthError::InvalidToken`], or [`AuthError::TooManyAttempts`] when `address` sent too many wrong tokens.
    pub fn authenticate(
        &self,
        headers: &HeaderMap,
        address: IpAddr,
    ) -> Result<Option<Arc<TokenHolder>>, AuthError> {
        self.verifier.authenticate(headers).map_err(|InvalidToken| self.count_failure(address))
    }

    /// The fingerprint and the holder of a token that was typed into a form.
    ///
    /// # Errors
    /// As those of [`Self::authenticate`].
    pub fn check(
        &self,
        token: &str,
        address: IpAddr,
    ) -> Result<(TokenFingerprint, Arc<TokenHolder>), AuthError> {
        let fingerprint = TokenFingerprint::from_token(token);
        let found =
            fingerprint.and_then(|fingerprint| Some((fingerprint, self.verifier.holder_of(&fingerprint)?)));
        found.ok_or_else(|| self.count_failure(address))
    }

    /// The holder of a token that was checked before, unless it was revoked or has expired since.
    pub fn holder_of(&self, fingerprint: &TokenFingerprint) -> Option<Arc<TokenHolder>> {
        self.verifier.holder_of(fingerprint)
    }

    fn count_failure(&self, address: IpAddr) -> AuthError {
        match self.failures.acquire(&Peer::new(address), Instant::now()) {
            Ok(()) => AuthError::InvalidToken,
            Err(wait) => AuthError::TooManyAttempts(wait),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthError {
    /// 403: a page of another site caused the request.
    CrossSite(CrossSite),
    /// 401.
    NoToken,
    /// 401.
    InvalidToken,
    /// 429, with the time until the next attempt.
    TooManyAttempts(Duration),
    /// 403: the token has another role than sender.
    NotASender,
}

/// Values of label `reason` of `footfall_auth_failures_total`.
pub const AUTH_FAILURE_REASONS: [&str; 5] = ["token", "attempts", "role", "page", "host"];

impl AuthError {
    /// Counts the failure too. A request without a token is not counted: every browser begins with one.
    pub fn response(self) -> Response<Body> {
        let (status, message, reason) = match self {
            Self::CrossSite(CrossSite::Host) => {
                let message =
                    "call this listener by its IP address or as localhost; `access.hosts` allows other names";
                (StatusCode::FORBIDDEN, message, Some("host"))
            }
            Self::CrossSite(CrossSite::Page) => {
                (StatusCode::FORBIDDEN, "pages of other sites may not send requests here", Some("page"))
            }
            Self::NoToken => {
                (StatusCode::UNAUTHORIZED, "a token is needed; `footfall token add` makes one", None)
            }
            Self::InvalidToken => {
                (StatusCode::UNAUTHORIZED, "this token is unknown, revoked or expired", Some("token"))
            }
            Self::NotASender => (
                StatusCode::FORBIDDEN,
                "this token may not send events: its role is not sender",
                Some("role"),
            ),
            Self::TooManyAttempts(_) => {
                (StatusCode::TOO_MANY_REQUESTS, "too many wrong tokens from one address", Some("attempts"))
            }
        };
        if let Some(reason) = reason {
            debug_assert!(AUTH_FAILURE_REASONS.contains(&reason), "{reason} is not exported from the start");
            metrics::counter!("footfall_auth_failures_total", "reason" => reason).increment(1);
        }
        let mut response = response::error(status, message);
        let headers = response.headers_mut();
        if status == StatusCode::UNAUTHORIZED {
            // Browsers ask their user for name and password when Basic comes first.
            headers.append(
                WWW_AUTHENTICATE,
                HeaderValue::from_static("Basic realm=\"Footfall\", charset=\"UTF-8\""),
            );
            headers.append(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"Footfall\""));
        }
        if let Self::TooManyAttempts(wait) = self {
            headers.insert(RETRY_AFTER, HeaderValue::from(wait.as_secs() + 1));
        }
        response
    }
}
