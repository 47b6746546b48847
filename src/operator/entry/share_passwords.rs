//! Tokens and passwords of share links: how often they may be tried, and how many passwords are hashed at once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use crate::access::{PasswordHash, ShareVerifier};
use crate::privacy::Peer;
use crate::transport::RateLimiter;

/// Passwords, and wrong tokens, from one address (an IPv6 /64) that are tried at once; then one each [`ATTEMPT_INTERVAL`].
const MAX_ATTEMPTS: u32 = 10;
const ATTEMPT_INTERVAL: Duration = Duration::from_secs(6);
/// Passwords for one link from all addresses that are tried at once; then one each [`LINK_INTERVAL`].
const MAX_LINK_ATTEMPTS: u32 = 60;
const LINK_INTERVAL: Duration = Duration::from_secs(2);
/// Passwords that are hashed at once: each takes 19 MiB and a core.
const MAX_HASHES: usize = 1;

pub(super) struct SharePasswords {
    pub(super) verifier: Arc<ShareVerifier>,
    by_address: RateLimiter,
    wrong_tokens: RateLimiter,
    by_link: RateLimiter,
    pub(super) hashes: Semaphore,
}

impl SharePasswords {
    pub(super) fn new(verifier: Arc<ShareVerifier>) -> Self {
        Self {
            verifier,
            by_address: RateLimiter::every(ATTEMPT_INTERVAL, MAX_ATTEMPTS),
            wrong_tokens: RateLimiter::every(ATTEMPT_INTERVAL, MAX_ATTEMPTS),
            by_link: RateLimiter::every(LINK_INTERVAL, MAX_LINK_ATTEMPTS),
            hashes: Semaphore::new(MAX_HASHES),
        }
    }

    /// # Errors
    /// With the time to wait, when too many were tried.
    pub(super) fn permit_attempt(&self, client: &Peer, link: &str, now: Instant) -> Result<(), Duration> {
        self.by_address.acquire(client, now)?;
        self.by_link.acquire_named(link, now)
    }

    /// Counts a token that belongs to no link. A valid one is accepted whatever was tried before: it cannot be guessed at any rate.
    ///
    /// # Errors
    /// With the time to wait, when too many were tried.
    pub(super) fn count_wrong_token(&self, client: &Peer, now: Instant) -> Result<(), Duration> {
        self.wrong_tokens.acquire(client, now)
    }

    pub(super) async fn matches(&self, hash: PasswordHash, password: String) -> bool {
        let _permit = self.hashes.acquire().await.expect("it is never closed");
        tokio::task::spawn_blocking(move || hash.matches(&password)).await.unwrap_or(false)
    }
}
