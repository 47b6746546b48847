//! Arguments that several commands share.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use clap::ValueEnum;

use crate::app::{Exit, ExitError};
use crate::config::{Config, ConfigError, ReadConfig};

/// Arguments of every command.
#[derive(Debug, clap::Args)]
pub(super) struct CommonArguments {
    /// The configuration file [default: footfall.toml, if it exists].
    #[arg(long, short, global = true, env = "FOOTFALL_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
}

impl CommonArguments {
    /// The file that settings are read from; `None` when only defaults and the environment apply.
    ///
    /// A file that is there and cannot be read is named all the same: its settings must not be left out without a word.
    pub(super) fn config_file(&self) -> Option<&Path> {
        let exists = |file: &&Path| {
            file.symlink_metadata().map_or_else(|error| error.kind() != ErrorKind::NotFound, |_| true)
        };
        self.config.as_deref().or_else(|| Some(Path::new("footfall.toml")).filter(exists))
    }

    /// The file that somebody named.
    pub(super) fn given_file(&self) -> Option<&Path> {
        self.config.as_deref()
    }

    /// # Errors
    /// With [`Exit::Configuration`] and every problem of the file and the environment.
    pub(super) fn load(&self) -> Result<Config, ExitError> {
        Config::load(self.config_file()).map_err(|error| ExitError::new(Exit::Configuration, error))
    }

    /// What reads the configuration now and whenever it is called. The file of the first call is that of all: a collector whose file is
    /// removed must not go on with defaults.
    pub(super) fn reader(&self) -> impl Fn() -> Result<ReadConfig, ConfigError> + use<> {
        let (given, at_start) = (self.config.clone(), self.config_file().map(Path::to_owned));
        move || {
            // A collector that started without a file takes one that was written since.
            let now = Self { config: given.clone() };
            ReadConfig::read(at_start.as_deref().or_else(|| now.config_file()))
        }
    }
}

/// How a command prints its result.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
pub(super) enum OutputFormat {
    /// For people.
    #[default]
    Table,
    /// For programs.
    Json,
}
