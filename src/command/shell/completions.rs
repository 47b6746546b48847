//! `footfall completions`: prints what a shell needs to complete the command line.

use std::io::Write;

use clap::Command;
use clap_complete::Shell;

use crate::app::ExitError;

/// The name of the program, whatever the file is called.
const PROGRAM: &str = "footfall";

#[derive(Debug, clap::Args)]
pub(crate) struct CompletionsArguments {
    /// The shell.
    shell: Shell,
}

/// `command` is the definition of the command line.
///
/// # Errors
/// When standard output cannot be written.
pub(crate) fn run(arguments: &CompletionsArguments, mut command: Command) -> Result<(), ExitError> {
    // A pipe may be closed early. The generator would panic.
    let mut text = Vec::new();
    clap_complete::generate(arguments.shell, &mut command, PROGRAM, &mut text);
    std::io::stdout().lock().write_all(&text)?;
    Ok(())
}
