//! The tables: `sql/schema/*.sql` filled in for one server or a cluster, applied once, and described to the rest of the program.
//!
//! A database that another version of the files was applied to is refused, because its tables are not what the code expects.

mod columns;
mod dimensions;
mod files;
mod migrate;
mod published;
mod render;
mod sharding;
#[cfg(test)]
mod tests;

pub(crate) use columns::{columns, daily_queries, daily_query, view, whole_daily_query};
#[cfg(test)]
pub(crate) use dimensions::dimensions_of_visits;
pub(crate) use dimensions::{Dimension, EVENT_FILTERS, VISIT_FILTERS, dimension, is_published};
pub(crate) use migrate::check_version;
pub use migrate::{Migrated, SchemaError, migrate, plan, print, repair};
pub(crate) use published::PublishedQueries;
pub use render::{ClusterTarget, Statement, render};
pub use sharding::Sharding;
