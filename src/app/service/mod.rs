//! What a service manager and the process tell and give each other: readiness, reloads, the end, signs of life, sockets.
//!
//! The protocols are systemd's (`sd_notify(3)`, `sd_listen_fds(3)`). Without a service manager nothing is sent.

mod notify;
mod sockets;
mod watchdog;

pub(crate) use notify::ServiceManager;
pub(crate) use sockets::PassedSockets;
pub(crate) use watchdog::{Liveness, THREADS, Watchdog};
