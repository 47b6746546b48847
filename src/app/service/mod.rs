//! What a service manager and the process tell each other: readiness, reloads, the end, and that the process is alive.
//!
//! The protocol is systemd's (`sd_notify(3)`). Without a service manager nothing is sent.

mod notify;
mod watchdog;

pub(crate) use notify::ServiceManager;
pub(crate) use watchdog::{Liveness, THREADS, Watchdog};
