//! The embedded store's process: the engine, the options of its server, start and stop.

use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clickhouse_embedded::install::{self, InstallError};
use clickhouse_embedded::{
    Access, Confinement, NotReady, Options, Server, StartError, UnexpectedEnds, sandbox,
};

use crate::config::{self, Config};
use crate::secret::Secret;
use crate::store::embedded::passwords::{Passwords, PasswordsError};
use crate::store::embedded::roles::{self, COLLECTOR, REPORTS};

/// A variable with the path of the engine's library, instead of the one in the cache directory.
const LIBRARY: &str = "FOOTFALL_LIBCHDB";
/// The name of the cache directory, and the display name of the server.
const PROGRAM: &str = "footfall";
/// How long to wait for a previous store to release the data: longer than its shutdown may take.
const LOCK_TIMEOUT: Duration = Duration::from_secs(60);

/// How long a command waits for a store that it starts, or that another process is starting.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(60);
/// Pause between two looks at a store that another process is starting.
const COMMAND_PAUSE: Duration = Duration::from_millis(100);

#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    #[error("the ClickHouse engine is not at {}: run `footfall embedded --install`, or name it in {LIBRARY}", .0.display())]
    Missing(PathBuf),
    #[error("{LIBRARY} names {}, which is not a file", .0.display())]
    NotAFile(PathBuf),
    #[error("no cache directory: set HOME or XDG_CACHE_HOME, or name the engine in {LIBRARY}")]
    NoCache,
    #[error(transparent)]
    Install(#[from] InstallError),
}

#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    #[error("the configuration names a ClickHouse server, not the embedded store")]
    NotEmbedded,
    #[error(transparent)]
    Passwords(#[from] PasswordsError),
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error(
        "another process uses the data directory {}, but no store answers at {listen}: set `store.listen` to that process's \
         address, or stop it",
        data.display()
    )]
    InUse { data: PathBuf, listen: SocketAddr },
    #[error("{} belongs to another user: run this command as that user, or the store's new files would be root's", .0.display())]
    Foreign(PathBuf),
    #[error("the lock of the store's data cannot be read")]
    Lock(#[from] io::Error),
    #[error("{reason}{}", hint(reason, settings))]
    NotReady {
        /// The settings or arguments with its addresses, for the message.
        settings: &'static str,
        /// Part of the message, and therefore not a source.
        reason: NotReady,
    },
}

/// Advice when an address is in use; empty for every other reason.
fn hint(reason: &NotReady, settings: &str) -> String {
    match reason {
        NotReady::Failed(reason) if reason.starts_with("cannot listen on") => {
            format!("; choose others by {settings}")
        }
        _ => String::new(),
    }
}

/// # Errors
/// When the engine is not installed.
pub fn library() -> Result<PathBuf, EngineError> {
    if let Some(path) = library_from_environment()? {
        return Ok(path);
    }
    let path = install::path_in(&cache_directory()?)?;
    if path.is_file() { Ok(path) } else { Err(EngineError::Missing(path)) }
}

/// The path of the engine's library. If it is missing, it is unpacked from `archive`, or else fetched.
///
/// # Errors
/// When there is no cache directory, or the package cannot be fetched or unpacked.
pub fn install(archive: Option<&Path>) -> Result<PathBuf, EngineError> {
    if let Some(path) = library_from_environment()? {
        return Ok(path);
    }
    let cache = cache_directory()?;
    Ok(match archive {
        Some(archive) => install::install_from(archive, &cache)?,
        None => install::install(&cache)?,
    })
}

fn library_from_environment() -> Result<Option<PathBuf>, EngineError> {
    let path = std::env::var_os(LIBRARY).filter(|path| !path.is_empty()).map(PathBuf::from);
    match path {
        Some(path) if !path.is_file() => Err(EngineError::NotAFile(path)),
        path => Ok(path),
    }
}

fn cache_directory() -> Result<PathBuf, EngineError> {
    install::cache_directory(PROGRAM).ok_or(EngineError::NoCache)
}

#[derive(Debug, Clone)]
pub struct EmbeddedSettings {
    pub data: PathBuf,
    pub http: SocketAddr,
    /// The native protocol is not served without an address.
    pub native: Option<SocketAddr>,
    /// Memory of all queries together, in bytes; 0 means half of the machine's memory.
    pub memory: u64,
    /// Serve all users even if the kernel cannot confine the engine.
    pub unconfined: bool,
    /// ClickHouse's name of the log level.
    pub log_level: String,
    /// How long to wait for another process to release the data directory.
    pub lock_timeout: Duration,
}

/// The options of a server with the users that have an entry in `passwords`. With `None`, all users exist, without passwords.
///
/// # Errors
/// When the engine is not installed.
pub fn options(settings: EmbeddedSettings, passwords: Option<&Passwords>) -> Result<Options, EngineError> {
    let library = library()?;
    let confined = sandbox::is_available();
    let serve_all_users = confined || settings.unconfined;
    if !confined {
        let reason = "this kernel cannot confine the engine to its data directory (Landlock)";
        if serve_all_users {
            tracing::warn!(
                "{reason}; all users are served because `store.unconfined` is set: their statements may read files of this system"
            );
        } else {
            tracing::warn!(
                "{reason}; only the collector and the reports are served, unless `store.unconfined = true` is set"
            );
        }
    }
    Ok(Options {
        native: settings.native,
        display_name: PROGRAM.to_owned(),
        access: access(passwords, serve_all_users),
        confinement: if confined { Confinement::Required } else { Confinement::BestEffort },
        memory: settings.memory,
        // A confirmed insert survives a power cut.
        merge_tree: [("fsync_after_insert", "1"), ("fsync_part_directory", "1")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec(),
        log_level: settings.log_level,
        lock_timeout: settings.lock_timeout,
        ..Options::new(library, settings.data, settings.http)
    })
}

/// A user for each role of `sql/roles.sql`, and the user of reports and commands.
fn access(passwords: Option<&Passwords>, serve_all_users: bool) -> Access {
    let mut access = roles::access();
    access.users.retain(|user| serve_all_users || [COLLECTOR, REPORTS].contains(&user.name.as_str()));
    if let Some(passwords) = passwords {
        // A user that the file does not name cannot log in.
        access.users.retain(|user| passwords.get(&user.name).is_some());
        for user in &mut access.users {
            let password =
                passwords.get(&user.name).map(Secret::expose).filter(|password| !password.is_empty());
            user.password_sha256 = password.map(clickhouse_embedded::sha256_hex);
        }
    }
    access
}

/// Root's files in another user's store would keep that user's store from starting.
fn refuse_foreign(data: &Path) -> Result<(), EmbeddedError> {
    let owner = std::fs::metadata(data).map_or(0, |metadata| metadata.uid());
    let is_foreign = rustix::process::geteuid().is_root() && owner != 0;
    if is_foreign { Err(EmbeddedError::Foreign(data.to_owned())) } else { Ok(()) }
}

/// The directory of the store's data, in the data directory.
pub fn data_directory(config: &Config) -> PathBuf {
    config.data.join("store")
}

/// How often the embedded store was started again because its process had ended by itself; always 0 without one.
#[derive(Debug, Clone, Default)]
pub struct StoreRestarts(Option<UnexpectedEnds>);

impl StoreRestarts {
    pub fn count(&self) -> u64 {
        self.0.as_ref().map_or(0, UnexpectedEnds::count)
    }
}

pub struct EmbeddedStore {
    server: Server,
    passwords: Passwords,
}

impl EmbeddedStore {
    /// Makes the passwords if there are none. Does not wait until the store answers.
    ///
    /// # Errors
    /// When the configuration names a server, the password file cannot be used, or the engine is not installed.
    pub fn start(config: &Config) -> Result<Self, EmbeddedError> {
        Self::start_with_lock_timeout(config, LOCK_TIMEOUT)
    }

    /// The same. `lock_timeout` says how long to wait for another store to release the data.
    ///
    /// # Errors
    /// The same.
    pub fn start_with_lock_timeout(config: &Config, lock_timeout: Duration) -> Result<Self, EmbeddedError> {
        let config::StoreConfig::Embedded { listen, native, unconfined } = config.store else {
            return Err(EmbeddedError::NotEmbedded);
        };
        let passwords = Passwords::read_or_create(config)?;
        let settings = EmbeddedSettings {
            data: data_directory(config),
            http: listen,
            native,
            memory: 0,
            unconfined,
            log_level: "none".to_owned(),
            lock_timeout,
        };
        Ok(Self { server: Server::start(options(settings, Some(&passwords))?)?, passwords })
    }

    /// Whether a process holds the data of this configuration's store. It may still be starting.
    ///
    /// # Errors
    /// When the lock file cannot be opened.
    pub fn is_in_use(config: &Config) -> io::Result<bool> {
        clickhouse_embedded::is_in_use(&data_directory(config))
    }

    /// Starts the store for as long as a command takes. `None` if it runs already, or the configuration names a server.
    ///
    /// A collector's store locks its data before it listens. Then this waits until that store answers: a second one would wait for the
    /// data as long as the collector runs.
    ///
    /// # Errors
    /// As [`Self::start`] and [`Self::wait_until_ready`], and when root would start it for another user.
    pub async fn start_for_command(config: &Config) -> Result<Option<Self>, EmbeddedError> {
        let config::StoreConfig::Embedded { listen, .. } = config.store else { return Ok(None) };
        let deadline = Instant::now() + COMMAND_TIMEOUT;
        loop {
            if Self::is_in_use(config)? {
                if tokio::net::TcpStream::connect(listen).await.is_ok() {
                    return Ok(None);
                }
            } else {
                refuse_foreign(&data_directory(config))?;
                let store = Self::start_with_lock_timeout(config, Duration::ZERO)?;
                let started = tokio::task::spawn_blocking(move || {
                    store.wait_until_ready(COMMAND_TIMEOUT).map(|()| store)
                });
                match started.await.map_err(io::Error::from)? {
                    Ok(store) => return Ok(Some(store)),
                    // Another process started its store at the same moment.
                    Err(_) if Self::is_in_use(config)? => {}
                    Err(error) => return Err(error),
                }
            }
            if Instant::now() > deadline {
                return Err(EmbeddedError::InUse { data: config.data.clone(), listen });
            }
            tokio::time::sleep(COMMAND_PAUSE).await;
        }
    }

    pub fn passwords(&self) -> &Passwords {
        &self.passwords
    }

    /// Blocks until the store answers.
    ///
    /// # Errors
    /// When the store does not start, or does not answer within `timeout`.
    pub fn wait_until_ready(&self, timeout: Duration) -> Result<(), EmbeddedError> {
        let failed =
            |reason| EmbeddedError::NotReady { settings: "`store.listen` and `store.native`", reason };
        self.server.wait_until_ready(timeout).map_err(failed)
    }

    pub fn restarts(&self) -> StoreRestarts {
        StoreRestarts(Some(self.server.unexpected_ends()))
    }

    /// Blocks until the store's process has ended.
    pub fn stop(self) {
        self.server.stop();
    }
}
