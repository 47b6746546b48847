//! Deletes quarantined segments, on an operator's request or because their retention has passed.

mod audit;
pub(crate) mod delete;
#[cfg(test)]
mod tests;

pub use delete::{DiscardOutcome, discard};
