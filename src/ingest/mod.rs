//! The pipeline of a beacon: from the checked bytes to the synced row.

pub mod assemble;
pub mod collector;
mod duplicate_filter;
pub(crate) mod origin;
