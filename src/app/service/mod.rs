//! The protocols between the process and its service manager: readiness, reloads, stopping, the watchdog, passed sockets.
//!
//! The protocols are systemd's (`sd_notify(3)`, `sd_listen_fds(3)`). Without a service manager nothing is sent.

mod notify;
mod sockets;
mod watchdog;

pub(crate) use notify::ServiceManager;
pub(crate) use sockets::PassedSockets;
pub(crate) use watchdog::{Liveness, THREADS, Watchdog};
