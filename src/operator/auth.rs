//! Authentication at a listener of the operator's side.
//!
//! 1. A request that a page of another site caused gets 403.
//! 2. A request with an invalid token gets 401, or 429 when its address sends many.
//! 3. A request without a token gets 401 where a token is needed.

use std::net::IpAddr;
use std::sync::Arc;

use hyper::Request;
use hyper::header::HeaderName;

use crate::access::same_origin;
use crate::access::{Principal, TokenVerifier};
use crate::config::Config;
use crate::transport::{AuthError, TokenAuthenticator, TrustedProxies};

/// Paths that tell only whether the collector is well: load balancers and supervisors have no tokens.
const OPEN_PATHS: [&str; 2] = ["/healthz", "/readyz"];

/// The scheme of the client's request, as a proxy names it.
static X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// The rules that all listeners of the operator's side share.
pub struct AuthPolicy {
    tokens: TokenAuthenticator,
    trusted: TrustedProxies,
    hosts: Vec<String>,
    loopback_tokens: bool,
}

pub struct Auth {
    policy: Arc<AuthPolicy>,
    needs_token: bool,
    loopback: bool,
}

impl AuthPolicy {
    pub fn new(config: &Config, verifier: Arc<TokenVerifier>) -> Arc<Self> {
        Arc::new(Self {
            tokens: TokenAuthenticator::new(verifier),
            trusted: TrustedProxies::new(config.trusted_proxies.clone()),
            hosts: config.access.hosts.clone(),
            loopback_tokens: config.access.loopback_tokens,
        })
    }

    pub fn for_listener(self: &Arc<Self>, address: IpAddr) -> Auth {
        let loopback = address.to_canonical().is_loopback();
        Auth { policy: self.clone(), needs_token: !loopback || self.loopback_tokens, loopback }
    }
}

impl Auth {
    /// Whether every request needs a token, except for those of `OPEN_PATHS`.
    pub fn needs_token(&self) -> bool {
        self.needs_token
    }

    pub(super) fn authenticate<B>(
        &self,
        request: &Request<B>,
        remote: IpAddr,
    ) -> Result<Principal, AuthError> {
        let policy = &self.policy;
        let open = OPEN_PATHS.contains(&request.uri().path());
        self.check_same_origin(request)?;
        let address = self.client(request, remote);
        match policy.tokens.authenticate(request.headers(), address)? {
            Some(holder) => Ok(Principal::Token(holder)),
            // Under a rebound name a page of another site can read open paths, and must not read more.
            None if !self.needs_token
                && (!open || same_origin::check_same_origin(request, &policy.hosts, false).is_ok()) =>
            {
                Ok(Principal::Local)
            }
            None if open => Ok(Principal::Anonymous),
            None => Err(AuthError::NoToken),
        }
    }

    /// # Errors
    /// [`AuthError::CrossSite`] when a page of another site caused the request.
    pub(super) fn check_same_origin<B>(&self, request: &Request<B>) -> Result<(), AuthError> {
        let open = OPEN_PATHS.contains(&request.uri().path());
        // A rebound name brings no token: the browser sends a token only to the name that it was entered for.
        let any_host = open || (self.needs_token && !self.loopback);
        same_origin::check_same_origin(request, &self.policy.hosts, any_host).map_err(AuthError::CrossSite)
    }

    /// The address of the client, behind proxies that are trusted.
    pub(super) fn client<B>(&self, request: &Request<B>, remote: IpAddr) -> IpAddr {
        let trusted = &self.policy.trusted;
        if trusted.contains(remote) { trusted.client(remote, request.headers()) } else { remote }
    }

    /// Whether the browser speaks TLS, with a proxy that is trusted or with this listener.
    pub(super) fn is_encrypted<B>(&self, request: &Request<B>, remote: IpAddr, tls: bool) -> bool {
        let is_https = request.headers().get(&X_FORWARDED_PROTO).is_some_and(|scheme| scheme == "https");
        tls || (is_https && self.policy.trusted.contains(remote))
    }

    pub(super) fn tokens(&self) -> &TokenAuthenticator {
        &self.policy.tokens
    }
}
