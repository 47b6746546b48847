//! Integration tests with real processes, real sockets and a real store.

// A test binary has no public interface. `pub` marks what its modules use of each other.
#![allow(unreachable_pub, missing_docs)]
// A failed `unwrap` fails the test and names the line.
#![allow(clippy::unwrap_used)]
// Some tests are one table of cases.
#![allow(clippy::too_many_lines)]

mod access;
mod bad_input;
mod collecting;
mod common;
mod deploy;
mod docs;
mod durability;
mod embedded;
mod fleet;
mod hostile;
mod linking;
#[path = "../load/mod.rs"]
mod load;
mod nginx;
mod packaging;
mod program;
mod published;
mod report;
mod server;
mod service;
mod store;
mod terminal;
mod visitors;
