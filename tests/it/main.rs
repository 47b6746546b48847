//! Integration tests: real processes, real sockets, a real store.

// A test binary has no public interface: `pub` says what the modules offer each other.
#![allow(unreachable_pub, missing_docs)]
// A test that cannot go on fails, and says where.
#![allow(clippy::unwrap_used)]

mod access;
mod alerts;
mod aside;
mod bad_input;
mod books;
mod bots;
mod browser;
mod burst;
mod closing;
mod common;
mod dockerfile;
mod embedded;
mod faults;
mod hostile;
mod key;
#[path = "../load/mod.rs"]
mod load;
mod report;
mod schema;
mod serve;
mod server;
mod ship;
mod spool;
mod unit_file;
mod upgrade;
