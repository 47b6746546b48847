//! Clients of a connection: their address behind trusted proxies, and rate limits that store no address.

pub(super) mod address;
mod rate_limiter;

pub use address::{TrustedProxies, X_FORWARDED_FOR, single_address};
pub use rate_limiter::RateLimiter;
