//! Everything that talks to ClickHouse: the client, the schema, shipping, closing of days, reconciliation and the embedded store.
//!
//! The client speaks ClickHouse's HTTP interface only, so the embedded store, a server and a cluster differ only by their address.
//! Nothing above this module writes SQL, except the queries of `report`.

pub mod audit;
pub mod backup;
mod client;
pub mod cluster;
pub mod dates;
pub mod days;
pub mod embedded;
pub mod fleet;
pub mod history;
pub mod incident;
pub mod reconcile;
pub mod retention;
pub mod schema;
pub mod ship;
pub(crate) mod sql;
pub mod subject;

pub(crate) use client::{
    ALL_REPLICAS_ARE_STALE, MAX_LAG_S, error_code, redact, redacted_chain, without_quotes,
};
pub use client::{Client, RowFormat, SilentNode};
