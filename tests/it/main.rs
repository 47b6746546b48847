//! Integration tests with real processes, real sockets and a real store.

// A test binary has no public interface. `pub` marks what its modules use of each other.
#![allow(unreachable_pub, missing_docs)]
// A failed `unwrap` fails the test and names the line.
#![allow(clippy::unwrap_used)]
// Some tests are one table of cases.
#![allow(clippy::too_many_lines)]

mod access;
mod addresses;
mod backup;
mod bad_input;
mod bots;
mod browser;
mod burst;
mod closing;
mod common;
mod configuration;
mod dashboards;
mod demo;
mod destruction;
mod docs;
mod embedded;
mod encoding;
mod explain;
mod faults;
mod fleet;
mod history;
mod hostile;
mod key;
mod linking;
#[path = "../load/mod.rs"]
mod load;
mod memory;
mod metrics;
mod nginx;
mod packaging;
mod page_views;
mod partial;
mod public_url;
mod published;
mod quarantine;
mod reconcile;
mod refusals;
mod report;
mod rules;
mod schema;
mod serve;
mod server;
mod service;
mod share;
mod ship;
mod sign_in;
mod spool;
mod subject_errors;
mod subjects;
mod terminal;
mod unit_file;
mod visitor_page;
