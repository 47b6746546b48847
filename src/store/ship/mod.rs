//! Sends sealed segments of the spool to ClickHouse: in order, each exactly once, and again until the store confirms them.
//!
//! It never drops a row. What the store rejects, or what cannot be read back, is quarantined by the spool.

mod already_stored;
#[cfg(test)]
mod crash_tests;
mod error;
mod insert;
mod shipper;
mod table;

pub use shipper::Shipper;
