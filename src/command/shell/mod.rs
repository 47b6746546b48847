//! Completions and manual pages, made from the definition of the command line.

pub(super) mod completions;
pub(super) mod man;
