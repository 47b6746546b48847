//! `footfall serve`: runs the collector.

use crate::app::{self, ExitError, LogFormat, LogLevel};
use crate::command::arguments::CommonArguments;

#[derive(Debug, clap::Args)]
pub(super) struct ServeArguments {
    /// The format of the log, which goes to standard error.
    #[arg(long, value_enum, default_value_t)]
    log: LogFormat,
    /// The level of the messages that are logged: this one and the more important ones.
    #[arg(long, value_enum, default_value_t)]
    log_level: LogLevel,
}

pub(super) fn run(arguments: &ServeArguments, common: &CommonArguments) -> Result<(), ExitError> {
    app::serve(arguments.log, arguments.log_level, common.reader(), async || Ok(()))
}
