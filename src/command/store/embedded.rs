//! `footfall embedded`: runs the embedded store without a collector, until SIGTERM or SIGINT.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clickhouse_embedded::Server;
use tokio::signal::unix::{SignalKind, signal};

use crate::app;
use crate::app::ExitError;
use crate::store::embedded::{self, EmbeddedError, EmbeddedSettings, Passwords};

/// How long the first start may take: a large store opens many tables.
const START_TIMEOUT: Duration = Duration::from_secs(600);

/// Run the embedded store on its own: ClickHouse's HTTP and native servers, without a collector.
#[derive(Debug, clap::Args)]
pub(crate) struct EmbeddedArguments {
    /// The directory of its data.
    #[arg(long, value_name = "DIR", default_value = "data/store")]
    data: PathBuf,
    /// The address of the HTTP interface.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8123")]
    listen: SocketAddr,
    /// The address of the native protocol, such as 127.0.0.1:9000 [default: not served].
    #[arg(long, value_name = "ADDRESS")]
    native: Option<SocketAddr>,
    /// Fetch the engine with npm into the cache directory, unless it is there; print its path and exit.
    #[arg(long)]
    install: bool,
    /// With --install: unpack this archive, which was fetched by other means. Its checksum is compared.
    #[arg(long, value_name = "FILE", requires = "install")]
    package: Option<PathBuf>,
    /// A file with lines of USER:PASSWORD. Without it, no user has a password; this is allowed on loopback only.
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Memory of all queries together, in bytes; 0 means half of the machine's memory.
    #[arg(long, value_name = "BYTES", default_value_t = 0)]
    memory: u64,
    /// Serve all users even if the kernel cannot confine the engine (Landlock).
    #[arg(long)]
    unconfined: bool,
    /// What ClickHouse logs to standard error. From `error` on, the log contains the text of queries.
    #[arg(long, value_name = "LEVEL", default_value = "none",
          value_parser = ["none", "fatal", "error", "warning", "information", "debug", "trace"])]
    engine_log: String,
}

/// # Errors
/// With exit code 1 when the engine is not installed, the data is in use or an address is not free.
pub(crate) fn run(arguments: EmbeddedArguments) -> Result<(), ExitError> {
    if arguments.install {
        let library = embedded::install(arguments.package.as_deref())?;
        return Ok(writeln!(std::io::stdout(), "{}", library.display())?);
    }
    let _log = app::init_warnings();
    let passwords = match &arguments.password_file {
        Some(path) => {
            let missing = || format!("the password file {} does not exist", path.display());
            Some(Passwords::read_file(path)?.ok_or_else(missing)?)
        }
        None => None,
    };
    let settings = EmbeddedSettings {
        data: arguments.data,
        http: arguments.listen,
        native: arguments.native,
        memory: arguments.memory,
        unconfined: arguments.unconfined,
        log_level: arguments.engine_log,
        lock_timeout: Duration::ZERO,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // Installed before the store starts, so that no early signal is lost.
    let signals =
        async { std::io::Result::Ok((signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?)) };
    let (mut terminate, mut interrupt) = runtime.block_on(signals)?;
    let server = Arc::new(Server::start(embedded::options(settings, passwords.as_ref())?)?);
    let waiting = server.clone();
    let outcome = runtime.block_on(async {
        let started = runtime.spawn_blocking(move || waiting.wait_until_ready(START_TIMEOUT));
        let failed = |reason| EmbeddedError::NotReady { settings: "`--listen` and `--native`", reason };
        tokio::select! {
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
            started = started => started?.map_err(failed)?,
        }
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        Ok(())
    });
    server.begin_stop();
    let stopping = runtime.spawn_blocking(move || drop(server));
    runtime.block_on(async {
        tokio::select! {
            _ = stopping => {}
            // At a second signal, this process exits; the engine's process notices that and exits too.
            _ = terminate.recv() => std::process::exit(1),
            _ = interrupt.recv() => std::process::exit(1),
        }
    });
    outcome
}
