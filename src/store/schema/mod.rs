//! The tables: `sql/schema/*.sql` rendered for one server or a cluster, applied once, and described to the rest of the program.
//!
//! A database that another version of the files was applied to is refused, because its tables are not what the code expects.

mod columns;
mod files;
mod migrate;
mod render;
#[cfg(test)]
mod tests;

pub(crate) use columns::{columns, view};
pub use migrate::{Migrated, SchemaError, migrate};
pub(crate) use render::staging_table;
pub use render::{Statement, print, render};
