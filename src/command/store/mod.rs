//! Commands that run or query the store.

mod embedded;
mod migrate;
mod query;
mod verify;

pub(super) use embedded::{EmbeddedArguments, run as run_embedded};
pub(super) use migrate::{MigrateArguments, run as run_migrate};
pub(super) use query::{QueryArguments, run as run_query};
pub(super) use verify::{VerifyArguments, run as run_verify};
