//! Arguments that several commands share.

use std::path::{Path, PathBuf};

use clap::ValueEnum;

use crate::app::{Exit, ExitError};
use crate::config::{Config, ConfigError};

/// Arguments of every command.
#[derive(Debug, clap::Args)]
pub(super) struct CommonArguments {
    /// The configuration file [default: footfall.toml, if it exists].
    #[arg(long, short, global = true, env = "FOOTFALL_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
}

impl CommonArguments {
    /// The file that settings are read from; `None` when only defaults and the environment apply.
    pub(super) fn config_file(&self) -> Option<&Path> {
        self.config.as_deref().or_else(|| Some(Path::new("footfall.toml")).filter(|file| file.exists()))
    }

    /// # Errors
    /// With [`Exit::Configuration`] and every problem of the file and the environment.
    pub(super) fn load(&self) -> Result<Config, ExitError> {
        self.read().map_err(|error| ExitError::new(Exit::Configuration, error))
    }

    /// Like [`CommonArguments::load`], for callers that continue with another configuration.
    pub(super) fn read(&self) -> Result<Config, ConfigError> {
        Config::load(self.config_file())
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
