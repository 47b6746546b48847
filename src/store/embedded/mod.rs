//! The embedded store: ClickHouse in a child process, with the users of `sql/roles.sql`.
//!
//! `clickhouse-embedded` does the work. This module says what Footfall wants of it: where the engine and the data lie, who may
//! log in, and with which password. It refuses to serve people where the kernel cannot confine the engine.

mod passwords;
mod roles;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clickhouse_embedded::install::{self, InstallError};
use clickhouse_embedded::{Access, Confinement, NotReady, Options, Server, StartError, sandbox};

use crate::config::{self, Config};
use crate::secret::Secret;
pub use passwords::{Passwords, PasswordsError};
pub use roles::{ANALYST, COLLECTOR, REPORTS};

/// Names the engine's library and skips the cache directory.
const LIBRARY: &str = "FOOTFALL_LIBCHDB";
/// The name of the cache directory, and of the server for its clients.
const PROGRAM: &str = "footfall";
/// How long a predecessor has to close its data: as long as it may take to end, and more.
const LOCK_TIMEOUT: Duration = Duration::from_secs(60);

/// Why there is no engine to run.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// It was not fetched yet.
    #[error("the ClickHouse engine is not at {}: run `footfall embedded --install`, or name it in {LIBRARY}", .0.display())]
    Missing(PathBuf),
    /// The variable names something else.
    #[error("{LIBRARY} names {}, which is not a file", .0.display())]
    NotAFile(PathBuf),
    /// There is neither `HOME` nor `XDG_CACHE_HOME`.
    #[error("no cache directory: set HOME or XDG_CACHE_HOME, or name the engine in {LIBRARY}")]
    NoCache,
    /// It cannot be fetched.
    #[error(transparent)]
    Install(#[from] InstallError),
}

/// Why the embedded store does not start.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    /// The configuration names a server.
    #[error("the configuration names a ClickHouse server, not the embedded store")]
    NotEmbedded,
    /// The passwords cannot be used.
    #[error(transparent)]
    Passwords(#[from] PasswordsError),
    /// There is no engine.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// What was asked for contradicts itself.
    #[error(transparent)]
    Start(#[from] StartError),
    /// It does not answer.
    #[error("{reason}{}", hint(reason, settings))]
    NotReady {
        /// The settings or arguments of its addresses.
        settings: &'static str,
        /// Printed here, so it is no source.
        reason: NotReady,
    },
}

/// What to change when an address is taken; empty for every other reason.
fn hint(reason: &NotReady, settings: &str) -> String {
    match reason {
        NotReady::Failed(reason) if reason.starts_with("cannot listen on") => {
            format!("; choose others by {settings}")
        }
        _ => String::new(),
    }
}

/// The engine's library.
///
/// # Errors
/// When it was not installed.
pub fn library() -> Result<PathBuf, EngineError> {
    if let Some(path) = named()? {
        return Ok(path);
    }
    let path = install::path_in(&cache()?)?;
    if path.is_file() { Ok(path) } else { Err(EngineError::Missing(path)) }
}

/// The engine's library, fetched first if it is missing.
///
/// # Errors
/// When it cannot be fetched.
pub fn install() -> Result<PathBuf, EngineError> {
    match named()? {
        Some(path) => Ok(path),
        None => Ok(install::install(&cache()?)?),
    }
}

fn named() -> Result<Option<PathBuf>, EngineError> {
    let path = std::env::var_os(LIBRARY).filter(|path| !path.is_empty()).map(PathBuf::from);
    match path {
        Some(path) if !path.is_file() => Err(EngineError::NotAFile(path)),
        path => Ok(path),
    }
}

fn cache() -> Result<PathBuf, EngineError> {
    install::cache_directory(PROGRAM).ok_or(EngineError::NoCache)
}

/// Where the embedded store is served, and how.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The directory of its data.
    pub data: PathBuf,
    /// The address of the HTTP interface.
    pub http: SocketAddr,
    /// The address of the native protocol, if it is served.
    pub native: Option<SocketAddr>,
    /// Bytes that all statements together may hold; 0 means half of the machine's memory.
    pub memory: u64,
    /// Serve all users even where the kernel cannot confine the engine.
    pub unconfined: bool,
    /// What the engine logs, in ClickHouse's words.
    pub log_level: String,
    /// How long to wait for another process to release the data directory.
    pub lock_timeout: Duration,
}

/// What a store needs for the users whose passwords are given; without passwords, all users come without one.
///
/// # Errors
/// When there is no engine.
pub fn options(settings: Settings, passwords: Option<&Passwords>) -> Result<Options, EngineError> {
    let library = library()?;
    let confined = sandbox::is_available();
    let serve_all_users = confined || settings.unconfined;
    if !confined {
        let said = "this kernel cannot confine the engine to its data directory (Landlock)";
        if serve_all_users {
            tracing::warn!(
                "{said}; all users are served because `store.unconfined` is set: their statements may read files of this system"
            );
        } else {
            tracing::warn!(
                "{said}; only the collector and the reports are served, unless `store.unconfined = true` is set"
            );
        }
    }
    Ok(Options {
        native: settings.native,
        display_name: PROGRAM.to_owned(),
        access: access(passwords, serve_all_users),
        confinement: if confined { Confinement::Required } else { Confinement::BestEffort },
        memory: settings.memory,
        // What was confirmed survives a power cut.
        merge_tree: [("fsync_after_insert", "1"), ("fsync_part_directory", "1")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec(),
        log_level: settings.log_level,
        lock_timeout: settings.lock_timeout,
        ..Options::new(library, settings.data, settings.http)
    })
}

/// The users: each role of `sql/roles.sql`, and the user of reports and commands.
fn access(passwords: Option<&Passwords>, serve_all_users: bool) -> Access {
    let mut access = roles::access();
    access.users.retain(|user| serve_all_users || [COLLECTOR, REPORTS].contains(&user.name.as_str()));
    if let Some(passwords) = passwords {
        // A user whom the file does not name cannot log in.
        access.users.retain(|user| passwords.get(&user.name).is_some());
        for user in &mut access.users {
            let password =
                passwords.get(&user.name).map(Secret::expose).filter(|password| !password.is_empty());
            user.password_sha256 = password.map(clickhouse_embedded::sha256_hex);
        }
    }
    access
}

/// The store of a collector, and what its users show to it.
pub struct EmbeddedStore {
    server: Server,
    passwords: Passwords,
}

impl EmbeddedStore {
    /// Starts the store that `config` describes, with passwords, which are made if there are none. It need not be ready when this
    /// returns.
    ///
    /// # Errors
    /// When `config` names a server, the file of passwords cannot be used, or there is no engine.
    pub fn start(config: &Config) -> Result<Self, EmbeddedError> {
        let config::StoreConfig::Embedded { listen, native, unconfined } = config.store else {
            return Err(EmbeddedError::NotEmbedded);
        };
        let passwords = Passwords::make(config)?;
        let settings = Settings {
            data: config.data.join("store"),
            http: listen,
            native,
            memory: 0,
            unconfined,
            log_level: "none".to_owned(),
            lock_timeout: LOCK_TIMEOUT,
        };
        Ok(Self { server: Server::start(options(settings, Some(&passwords))?)?, passwords })
    }

    /// What its users show to it.
    pub fn passwords(&self) -> &Passwords {
        &self.passwords
    }

    /// Waits until the store answers. It blocks.
    ///
    /// # Errors
    /// When it does not start, or does not answer in time.
    pub fn wait_until_ready(&self, timeout: Duration) -> Result<(), EmbeddedError> {
        let failed =
            |reason| EmbeddedError::NotReady { settings: "`store.listen` and `store.native`", reason };
        self.server.wait_until_ready(timeout).map_err(failed)
    }

    /// Ends the store and waits for its end. It blocks.
    pub fn stop(self) {
        self.server.stop();
    }
}
