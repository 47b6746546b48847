//! `footfall embedded`: serves the ClickHouse HTTP interface over the engine as a library, until SIGTERM or SIGINT.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use super::{Error, Exit};
use crate::store::DATABASE;
use crate::store::embedded::{Confined, Embedded, Limits, Options, Users, confine, install};

/// How long a predecessor has to close: its drain and a little more.
const PREDECESSOR: Duration = Duration::from_secs(60);
/// Between two looks at the process that started this one, for systems that do not tell of its death.
const PARENT_LOOK: Duration = Duration::from_secs(1);

/// Serve the embedded store: ClickHouse's HTTP interface over the engine as a library.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The directory of its data.
    #[arg(long, value_name = "DIR", default_value = "data/store")]
    data: PathBuf,
    /// The address of its HTTP interface; port 0 lets the system choose.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8123")]
    listen: SocketAddr,
    /// Fetch the engine with npm into the cache directory, if it is not there, and end.
    #[arg(long)]
    install: bool,
    /// Lines of user:password for footfall_writer and footfall_reader; needed beyond loopback.
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Bytes that all statements together may use; 0 is half of the machine's memory.
    #[arg(long, value_name = "BYTES", default_value_t = 0)]
    memory: u64,
    /// A database that footfall_reader may read; repeat for more.
    #[arg(long, value_name = "DATABASE", default_value = DATABASE)]
    readable: Vec<String>,
    /// End when the process that started this one does.
    #[arg(long, hide = true)]
    with_parent: Option<u32>,
}

/// Runs the command.
///
/// # Errors
/// With exit code 1 when the engine is not installed, the data is in use or the address cannot be bound.
pub fn run(arguments: Arguments) -> Result<(), Error> {
    if arguments.install {
        let library = install::install()?;
        #[allow(clippy::print_stdout)]
        {
            println!("{}", library.display());
        }
        return Ok(());
    }
    if let Some(parent) = arguments.with_parent {
        crate::store::embedded::end_with(parent)?;
    }
    // A collector that is started again at once finds the store of the one before still closing.
    let patience = if arguments.with_parent.is_some() { PREDECESSOR } else { Duration::ZERO };
    let users = Users::open(arguments.listen, arguments.password_file.as_deref())
        .map_err(crate::store::embedded::Error::from)?;
    let (data, library) = (std::path::absolute(&arguments.data)?, std::path::absolute(install::find()?)?);
    std::fs::create_dir_all(&data)
        .map_err(|source| crate::store::embedded::Error::Data { path: data.clone(), source })?;
    // The engine leaves files where it runs.
    std::env::set_current_dir(&data)?;
    // Now, that there is one thread: those that are started later inherit it.
    match confine(&data, &library).map_err(crate::store::embedded::Error::from)? {
        Confined::Fully => tracing::info!("the store is confined to its directory"),
        held => tracing::warn!(
            ?held,
            "this kernel does not confine the store to its directory in full (Landlock)"
        ),
    }
    let options = Options {
        data,
        listen: arguments.listen,
        library,
        users,
        limits: Limits { memory: arguments.memory, readable: arguments.readable },
        patience,
    };
    let runtime = Embedded::runtime().map_err(|error| Error::new(Exit::Failed, error))?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let store = Embedded::open(&options).await?;
        tracing::info!(address = %store.address()?, data = %options.data.display(), "the store is served");
        store
            .run(async move {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                    () = gone(arguments.with_parent) => {}
                }
            })
            .await;
        Ok(())
    })
}

/// Resolves when `parent` is no longer the parent of this process; never without one.
async fn gone(parent: Option<u32>) {
    let Some(parent) = parent else { return std::future::pending().await };
    while std::os::unix::process::parent_id() == parent {
        tokio::time::sleep(PARENT_LOOK).await;
    }
}
