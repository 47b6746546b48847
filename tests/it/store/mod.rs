//! The parts of the program that talk to the store, with a real one.

pub mod closing;
mod encoding;
mod growth;
mod history;
mod reconcile;
mod schema;
pub mod ship;
mod silence;
