//! The running process of `footfall serve`: start, tasks, health, logging, stop.
//!
//! Beacons come first. They are accepted as soon as there is a key and a spool, whether or not the store answers, and until
//! the end of a drain. Work on the store (its process, its tables, its visits) happens beside that.

pub(crate) mod audit;
mod check;
mod exit;
mod health;
mod log;
mod metrics;
mod open_files;
mod running;
mod script_tag;
mod service;
mod start;
mod store_watch;
mod tasks;
mod tokens;

pub(crate) use check::{CheckedFor, check};
pub use exit::{Exit, ExitError};
pub(crate) use log::init_warnings;
pub use log::{LogFormat, LogLevel};
pub(crate) use start::{operator_url, serve};
