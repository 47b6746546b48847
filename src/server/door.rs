//! The door of a listener for the operator's own: who may pass, and what every answer carries.
//!
//! In this order: a request that a page of another site caused is refused (403), one that shows a wrong token is refused (401,
//! and 429 from an address that does so often), one that shows none is refused (401) where one is needed. What an answer
//! says of a refusal never depends on how near a token was.
//!
//! The limit on wrong tokens knows no address, like the limit on beacons. A right token passes whatever was tried from its
//! address before: 256 random bits cannot be guessed at any rate, and a limit that kept the holder out would be a way to lock
//! the reports for all who share an address.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::header::{HeaderMap, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use hyper::{Request, Response, StatusCode};
use serde_json::json;

use super::address::Trusted;
use super::limit::Limiter;
use crate::access::same_origin::{self, CrossSite};
use crate::access::{InvalidToken, Principal, TokenHolder, TokenVerifier};
use crate::config::Config;
use crate::privacy::Peer;

/// Wrong tokens from one address (an IPv6 /64) that are answered as such: so many at once, then one each few seconds.
pub const MAX_TRIES: u32 = 10;
/// Between two wrong tokens, once [`MAX_TRIES`] were shown.
const TRY_EVERY: Duration = Duration::from_secs(6);

/// Paths that say no more than whether the collector is well: balancers and supervisors have no tokens.
const OPEN: [&str; 2] = ["/healthz", "/readyz"];

/// What is asked of whom, shared by all listeners.
pub struct Doors {
    gate: Arc<TokenVerifier>,
    trusted: Trusted,
    hosts: Vec<String>,
    loopback_tokens: bool,
    tries: Limiter,
}

/// The door of one listener.
pub struct Door {
    shared: Arc<Doors>,
    /// Whether nobody passes without a token.
    needs_token: bool,
    loopback: bool,
}

/// Why a request does not pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shut {
    CrossSite(CrossSite),
    NoToken,
    WrongToken,
    TooManyTries(Duration),
    /// At `/b`, with a token of another role.
    NoSender,
}

impl Doors {
    /// The doors of this configuration; `gate` knows the tokens.
    pub fn new(config: &Config, gate: Arc<TokenVerifier>) -> Arc<Self> {
        Arc::new(Self {
            gate,
            trusted: Trusted::new(config.trusted_proxies.clone()),
            hosts: config.access.hosts.clone(),
            loopback_tokens: config.access.loopback_tokens,
            tries: tries(),
        })
    }

    /// The door of a listener on this address.
    pub fn of(self: &Arc<Self>, address: IpAddr) -> Door {
        let loopback = address.to_canonical().is_loopback();
        Door { shared: self.clone(), needs_token: !loopback || self.loopback_tokens, loopback }
    }
}

/// The limit on wrong tokens.
pub(super) fn tries() -> Limiter {
    Limiter::every(TRY_EVERY, MAX_TRIES)
}

impl Door {
    /// Whether nobody passes without a token.
    pub fn needs_token(&self) -> bool {
        self.needs_token
    }

    /// Who sends `request` from `remote`.
    pub(super) fn admit<B>(&self, request: &Request<B>, remote: IpAddr) -> Result<Principal, Shut> {
        let open = OPEN.contains(&request.uri().path());
        // A rebound name brings no token along: the browser keeps it for the name it was given to.
        let any_host = open || (self.needs_token && !self.loopback);
        same_origin::check_same_origin(request, &self.shared.hosts, any_host).map_err(Shut::CrossSite)?;
        let mut address = remote;
        if self.shared.trusted.contains(address) {
            address = self.shared.trusted.client(address, request.headers());
        }
        match identify(&self.shared.gate, &self.shared.tries, request.headers(), address)? {
            Some(holder) => Ok(Principal::Token(holder)),
            // Under a rebound name a page of another site asks what is open to everybody, and gets no more than that.
            None if !self.needs_token
                && (!open || same_origin::check_same_origin(request, &self.shared.hosts, false).is_ok()) =>
            {
                Ok(Principal::Local)
            }
            None if open => Ok(Principal::Anonymous),
            None => Err(Shut::NoToken),
        }
    }
}

/// Whose token a request shows, if any; a wrong one is counted against the address.
pub(super) fn identify(
    gate: &TokenVerifier,
    tries: &Limiter,
    headers: &HeaderMap,
    address: IpAddr,
) -> Result<Option<Arc<TokenHolder>>, Shut> {
    gate.authenticate(headers).map_err(|InvalidToken| match tries.take(&Peer::new(address), Instant::now()) {
        Ok(()) => Shut::WrongToken,
        Err(wait) => Shut::TooManyTries(wait),
    })
}

/// Why requests are refused, as label `reason` of `footfall_access_refused_total` says it.
pub const REFUSED_REASONS: [&str; 5] = ["token", "tries", "role", "page", "host"];

impl Shut {
    /// The answer to it. It is counted; a request without a token is how each browser begins, and is not.
    pub(super) fn answer<B: From<String>>(self) -> Response<B> {
        let (status, what, reason) = match self {
            Self::CrossSite(CrossSite::Host) => {
                let what =
                    "this listener is called by address or as localhost; `access.hosts` allows other names";
                (StatusCode::FORBIDDEN, what, Some("host"))
            }
            Self::CrossSite(CrossSite::Page) => {
                (StatusCode::FORBIDDEN, "requests of other sites' pages are not taken", Some("page"))
            }
            Self::NoToken => {
                (StatusCode::UNAUTHORIZED, "a token is needed; `footfall token add` makes one", None)
            }
            Self::WrongToken => {
                let what = "this token is unknown, revoked or expired";
                (StatusCode::UNAUTHORIZED, what, Some("token"))
            }
            Self::NoSender => {
                let what = "this token is not for sending: its role is another";
                (StatusCode::FORBIDDEN, what, Some("role"))
            }
            Self::TooManyTries(_) => {
                (StatusCode::TOO_MANY_REQUESTS, "too many wrong tokens from one address", Some("tries"))
            }
        };
        if let Some(reason) = reason {
            debug_assert!(REFUSED_REASONS.contains(&reason), "{reason} is not exported from the start");
            metrics::counter!("footfall_access_refused_total", "reason" => reason).increment(1);
        }
        let mut answer = Response::new(B::from(format!("{}\n", json!({ "error": what }))));
        *answer.status_mut() = status;
        let headers = answer.headers_mut();
        headers.insert(hyper::header::CONTENT_TYPE, super::answer::JSON.clone());
        headers.insert(hyper::header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if status == StatusCode::UNAUTHORIZED {
            // Basic first, for it is what browsers ask people for.
            headers.append(
                WWW_AUTHENTICATE,
                HeaderValue::from_static("Basic realm=\"Footfall\", charset=\"UTF-8\""),
            );
            headers.append(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"Footfall\""));
        }
        if let Self::TooManyTries(wait) = self {
            headers.insert(RETRY_AFTER, HeaderValue::from(wait.as_secs() + 1));
        }
        answer
    }
}
