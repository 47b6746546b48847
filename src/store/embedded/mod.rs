//! The embedded store: ClickHouse in a child process, with the users of `sql/roles.sql`.
//!
//! `clickhouse-embedded` does the work. This module decides where the engine and the data are, which users there are, and their
//! passwords. Where the kernel cannot confine the engine, it refuses to serve people unless the configuration allows it.

mod passwords;
mod process;
mod roles;

/// Where the engine may write backups, in the directory of its data.
pub use clickhouse_embedded::BACKUPS;
pub use passwords::{Passwords, PasswordsError};
pub use process::{
    EmbeddedError, EmbeddedSettings, EmbeddedStore, EngineError, StoreRestarts, data_directory, install,
    library, options,
};
pub use roles::{ANALYST, COLLECTOR, REPORTS};
