//! The embedded store: the ClickHouse engine as a library behind ClickHouse's own HTTP interface.
//!
//! ```text
//! connection ─► server ─► access ─► ask ─► run ─┬► session ─► engine (libchdb)
//!                          (who)   (what)       ├► body ─► codec ─► insert
//!                                               └► rows ─► codec ─► reply ─► connection
//! ```
//!
//! Clients cannot tell it from a ClickHouse server of the same version, within the bounds that `docs/embedded.md`
//! lists. It refuses to share its data directory, to be reached from elsewhere without passwords, and to read or write
//! anything outside of its data: by ClickHouse's grants, by `statement` where there are none, and by the kernel (`confine`).

mod access;
mod ask;
mod assignments;
mod body;
mod child;
mod codec;
mod confine;
mod engine;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
pub mod install;
mod kill;
mod lexer;
mod passwords;
mod reader;
mod reply;
mod rows;
mod run;
mod server;
mod session;
mod settings;
mod statement;
mod wire;

use std::collections::HashSet;
use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

pub use access::{AccessError, READER, Users, WRITER};
pub use child::{Child, ChildError};
pub use confine::{ConfineError, Confined, confine};
pub use passwords::{Passwords, PasswordsError};
pub use settings::Limits;

use engine::{Engine, EngineError};
use kill::Killer;
use run::Store;
use server::Service;
use session::Sessions;

/// Between two tries to take the directory.
const LOCK_LOOK: Duration = Duration::from_millis(20);
/// Threads for what blocks and is no statement, such as closing sessions.
const SPARE_THREADS: usize = 8;

/// Why the store does not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another process has the directory.
    #[error("{} is in use by another footfall process", .0.display())]
    InUse(PathBuf),
    /// A file of the data directory.
    #[error("cannot use {}", .path.display())]
    Data {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The address.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The kernel.
    #[error(transparent)]
    Confine(#[from] ConfineError),
    /// The users.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The engine.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The process that started this one is gone.
    #[error("the process that started this one is gone")]
    Orphan,
    /// The engine started and does not answer.
    #[error("the ClickHouse engine does not answer: {0}")]
    Answer(String),
}

/// What to serve, and where.
#[derive(Debug, Clone)]
pub struct Options {
    /// The directory of the data; made when it is not there.
    pub data: PathBuf,
    /// The address of the HTTP interface.
    pub listen: SocketAddr,
    /// The engine's library.
    pub library: PathBuf,
    /// Who may come. They are read before the process is confined, which then reads no password file.
    pub users: Users,
    /// What the engine may use.
    pub limits: Limits,
    /// How long to wait for another process to leave the directory.
    pub patience: Duration,
}

/// A store that is open and not served yet.
pub struct Embedded {
    engine: Arc<Engine>,
    service: Arc<Service>,
    listener: TcpListener,
    /// Holds the directory for as long as this process lives.
    _lock: File,
}

impl Embedded {
    /// A runtime with a thread for each statement that may run at once, and no more.
    ///
    /// # Errors
    /// When the system starts no thread.
    pub fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .max_blocking_threads(server::MAX_STATEMENTS + SPARE_THREADS)
            .enable_all()
            .build()
    }

    /// Opens the data and binds the address.
    ///
    /// # Errors
    /// When the directory is in use, the engine does not start, or the address cannot be bound.
    pub async fn open(options: &Options) -> Result<Self, Error> {
        // The engine takes a relative path for one within its own directory as soon as it makes a table.
        let data = std::path::absolute(&options.data)
            .map_err(|source| Error::Data { path: options.data.clone(), source })?;
        let lock = lock(&data, options.patience).await?;
        // Bound before the engine starts, so that a client that comes early waits instead of being refused.
        let listener = server::bind(options.listen)
            .await
            .map_err(|source| Error::Listen { address: options.listen, source })?;
        let config = settings::write(&data, &options.limits)
            .map_err(|source| Error::Data { path: data.clone(), source })?;
        let engine = Arc::new(Engine::open(&options.library, &data.join("engine"), &config)?);
        let (version, timezone) = greet(&engine)?;
        let temporary = data.join("tmp");
        let sessions = Sessions::new(Arc::clone(&engine));
        let store = Store { sessions, version, timezone, running: Mutex::new(HashSet::new()), temporary };
        let service = Service {
            store: Arc::new(store),
            users: options.users.clone(),
            killer: Killer::new(engine.connect()?),
            statements: Arc::new(Semaphore::new(server::MAX_STATEMENTS)),
            readers: Arc::new(Semaphore::new(server::MAX_READERS)),
        };
        tracing::info!(library = engine.version(), clickhouse = service.store.version, "the store is open");
        Ok(Self { engine, service: Arc::new(service), listener, _lock: lock })
    }

    /// Where it listens: the port that the system chose, when port 0 was asked for.
    ///
    /// # Errors
    /// When the socket is gone.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `shutdown` resolves and what runs has ended, then closes the engine.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        server::serve(self.listener, Arc::clone(&self.service), shutdown).await;
        self.service.store.sessions.clear();
        drop(self.service);
        match Arc::try_unwrap(self.engine) {
            Ok(engine) => engine.stop(),
            // A statement was left behind: the process ends with it, and the data is safe without a farewell.
            Err(_) => tracing::warn!("the engine is left running"),
        }
    }
}

/// Takes the directory for this process.
async fn lock(data: &Path, patience: Duration) -> Result<File, Error> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        |source| Error::Data { path, source }
    };
    std::fs::create_dir_all(data).map_err(failed(data))?;
    let path = data.join("lock");
    let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(failed(&path))?;
    let until = Instant::now() + patience;
    loop {
        match rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(file),
            Err(rustix::io::Errno::WOULDBLOCK) if Instant::now() < until => {
                tokio::time::sleep(LOCK_LOOK).await;
            }
            Err(rustix::io::Errno::WOULDBLOCK) => return Err(Error::InUse(data.to_owned())),
            Err(error) => return Err(Error::Data { path, source: error.into() }),
        }
    }
}

/// ClickHouse's version and time zone.
fn greet(engine: &Engine) -> Result<(String, String), Error> {
    let mut connection = engine.connect()?;
    let answer = connection
        .query(b"SELECT version(), timezone()", "TabSeparated", &[])
        .map_err(|error| Error::Answer(error.message))?;
    let text = String::from_utf8_lossy(answer.bytes()).trim().to_owned();
    let (version, timezone) = text.split_once('\t').ok_or_else(|| Error::Answer(text.clone()))?;
    Ok((version.to_owned(), timezone.to_owned()))
}

/// Has the system end this process when `parent`, which started it, is gone.
///
/// # Errors
/// When the parent is gone already.
pub fn end_with(parent: u32) -> Result<(), Error> {
    #[cfg(target_os = "linux")]
    {
        let signal = rustix::process::Signal::TERM;
        rustix::process::set_parent_process_death_signal(Some(signal))
            .map_err(|error| Error::Answer(error.to_string()))?;
    }
    // Asked after the signal is set: a parent that went before it would never cause one.
    if std::os::unix::process::parent_id() == parent { Ok(()) } else { Err(Error::Orphan) }
}
