//! A ClickHouse for any program: ClickHouse's own HTTP and native servers in a child process.
//!
//! The engine is `libchdb`, ClickHouse as a library. [`install`] fetches it once and checks its hash. [`Server`] starts this
//! program a second time as the engine's process, supervises it, and stops it. The engine's process confines itself with the
//! kernel's Landlock before it loads the library.
//!
//! ```no_run
//! use clickhouse_embedded::{Access, Options, Server, User, install};
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     // First of all: in the engine's process this call does not return.
//!     clickhouse_embedded::run_engine_if_requested();
//!     let library = install::install(&install::cache_directory("my-program").ok_or("no cache directory")?)?;
//!     let mut options = Options::new(library, "data".into(), "127.0.0.1:8123".parse()?);
//!     options.access.users.push(User::new("admin").with_password("secret").grant("GRANT ALL ON my_database.*"));
//!     let server = Server::start(options)?;
//!     server.wait_until_ready(std::time::Duration::from_secs(60))?;
//!     // … any ClickHouse client on port 8123 …
//!     server.stop();
//!     Ok(())
//! }
//! ```
//!
//! It refuses to share a data directory, to serve a user without a password beyond loopback, and to run unconfined where
//! confinement is required.

mod configuration;
mod engine;
mod health;
pub mod install;
mod rendering;
pub mod sandbox;
mod supervisor;
mod terminal;

pub use configuration::{
    Access, Confinement, Constraint, Options, OptionsError, Profile, Quota, RowFilter, Setting, User,
    sha256_hex,
};
pub use engine::{is_in_use, run_engine_if_requested};
pub use rendering::BACKUPS;
pub use supervisor::{NotReady, Server, StartError, UnexpectedEnds};

/// The README's example compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
