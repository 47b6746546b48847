//! Deletes quarantined segments, on an operator's request only.

mod audit;
mod delete;
#[cfg(test)]
mod tests;

pub use delete::{DiscardOutcome, discard};
