//! The command line: one file per command, each with its `Arguments` and its `run`.
//!
//! A command answers with an [`Error`] that carries its exit code; [`run`] prints it, cause by cause.

pub mod config;
pub mod embedded;
pub mod explain;
pub mod geo;
pub mod key;
pub mod migrate;
pub mod query;
pub mod report;
pub mod spool;
pub mod token;
pub mod verify;

use std::error::Error as StdError;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::{Config, ConfigError};
use crate::error_chain::{causes, error_chain};
use crate::{app as serve, demo};

/// A privacy-preserving web analytics collector.
#[derive(Debug, Parser)]
#[command(version, about, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Take beacons, store them, and serve the script, the reports and the metrics.
    Serve(serve::Arguments),
    /// Look at the configuration.
    Config(config::Arguments),
    /// Serve the embedded store.
    Embedded(embedded::Arguments),
    /// Say which row a beacon would become: JSON lines in, JSON lines out.
    Explain(explain::Arguments),
    /// Fetch place files.
    Geo(geo::Arguments),
    /// Look at the key of pseudonyms, or destroy it before its time.
    Key(key::Arguments),
    /// Start a collector, its store and a clinic's site to look at; or fill the store with such a clinic's visitors.
    Demo(demo::Arguments),
    /// Bring the store's tables up to date.
    Migrate(migrate::Arguments),
    /// Show a report; without a name, list them all.
    Report(report::Arguments),
    /// Ask the store in SQL, read-only.
    Query(query::Arguments),
    /// Look at the spool, and decide on what is quarantined.
    Spool(spool::Arguments),
    /// Say who may see reports and metrics or send from a server; sign a site's name.
    Token(token::Arguments),
    /// Hold the books against the store; exit with 4 if an event is missing or stored twice.
    Verify(verify::Arguments),
}

/// What every command takes.
#[derive(Debug, clap::Args)]
pub struct Common {
    /// The configuration file [default: footfall.toml, when it is there].
    #[arg(long, short, global = true, env = "FOOTFALL_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Common {
    /// The file that settings are read from, if any.
    pub fn config_file(&self) -> Option<&Path> {
        self.config.as_deref().or_else(|| Some(Path::new("footfall.toml")).filter(|file| file.exists()))
    }

    /// The checked configuration.
    ///
    /// # Errors
    /// With exit code 3 and every problem of the file and the environment.
    pub fn load(&self) -> Result<Config, Error> {
        self.read().map_err(|error| Error::new(Exit::Configuration, error))
    }

    /// The same, for who goes on with another configuration when it fails.
    pub(crate) fn read(&self) -> Result<Config, ConfigError> {
        Config::load(self.config_file())
    }
}

/// Exit codes; `docs/operations/running.md` lists them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// What was asked for did not work; the message says why.
    Failed = 1,
    /// The arguments were wrong; clap says which.
    Usage = 2,
    /// The configuration is wrong; every problem is listed.
    Configuration = 3,
    /// `verify` found that the books do not balance.
    Unbalanced = 4,
    /// The spool's disk failed; nothing acknowledged is lost, start again.
    Spool = 5,
}

/// What to do when the store does not know who asks: it says so, but not where its passwords are.
const LOGIN: &str = "the passwords of the embedded store are in `store.passwords` in the data directory, which its owner alone may \
                     read: run this as that user; those of a ClickHouse server are `store.user` and `store.password_file`";

/// A failed command: its exit code and its cause.
#[derive(Debug)]
pub struct Error {
    exit: Exit,
    cause: Box<dyn StdError + Send + Sync>,
}

impl Error {
    /// A failure with an exit code of its own.
    pub fn new(exit: Exit, cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self { exit, cause: cause.into() }
    }
}

/// Any error may end a command with exit code 1; this type is no `StdError` itself, so that `?` can convert them all.
impl<E: Into<Box<dyn StdError + Send + Sync>>> From<E> for Error {
    fn from(cause: E) -> Self {
        Self::new(Exit::Failed, cause)
    }
}

/// Runs the command that the arguments name.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    let result = match cli.command {
        Command::Serve(arguments) => serve::run(arguments, &cli.common),
        Command::Config(arguments) => config::run(arguments, &cli.common),
        Command::Embedded(arguments) => embedded::run(arguments),
        Command::Explain(arguments) => explain::run(arguments, &cli.common),
        Command::Geo(arguments) => geo::run(arguments),
        Command::Key(arguments) => key::run(arguments, &cli.common),
        Command::Demo(arguments) => demo::run(&arguments, &cli.common),
        Command::Migrate(arguments) => migrate::run(arguments, &cli.common),
        Command::Report(arguments) => report::run(arguments, &cli.common),
        Command::Query(arguments) => query::run(arguments, &cli.common),
        Command::Spool(arguments) => spool::run(arguments, &cli.common),
        Command::Token(arguments) => token::run(arguments, &cli.common),
        Command::Verify(arguments) => verify::run(arguments, &cli.common),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report(&error);
            ExitCode::from(error.exit as u8)
        }
    }
}

/// Prints a failure and its causes, one a line, to standard error.
fn report(error: &Error) {
    let mut out = std::io::stderr().lock();
    // Nothing can be done for a standard error that is closed; the exit code still tells.
    let _ = writeln!(out, "footfall: {}", error.cause);
    for cause in causes(&*error.cause) {
        let _ = writeln!(out, "  because: {cause}");
    }
    if error_chain(&*error.cause).contains("(AUTHENTICATION_FAILED)") {
        let _ = writeln!(out, "  {LOGIN}");
    }
}
