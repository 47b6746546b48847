//! TCP connections to HTTP requests: listener, worker threads, TLS, PROXY protocol, deadlines, limits, shutdown.
//!
//! [`Server::start`] serves a [`Handler`] on threads of its own; [`TaskListener`] serves few connections on the runtime
//! of its caller. Both pass requests on as hyper reads them. Nothing here knows beacons, sites or reports, and nothing
//! logs or keeps an address beyond its connection.
//!
//! ```text
//! accept ─► dispatcher ─► worker ─► connection ─► handler
//!  (one      (limits)     (one a     (PROXY, TLS,
//!  thread)                 core)      HTTP/1.1, 2)
//! ```

mod accept;
mod authentication;
pub mod bounds;
mod client;
mod connection;
mod connection_metrics;
mod error;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod handler;
pub(crate) mod negotiation;
pub(crate) mod response;
mod server;
mod shutdown;
mod task_listener;
pub mod tls;

pub use authentication::{AUTH_FAILURE_REASONS, AuthError, TokenAuthenticator};
pub use bounds::Timeouts;
pub use client::{RateLimiter, TrustedProxies, X_FORWARDED_FOR, single_address};
pub use error::ServerError;
pub use handler::{ConnectionContext, Handler};
pub use response::Body;
pub use server::{Server, ServerOptions, ServerProgress};
pub use shutdown::DrainOutcome;
pub use task_listener::TaskListener;
