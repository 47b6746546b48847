//! `footfall man`: manual pages, made from the definition of the command line.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Command;
use clap_mangen::Man;

use crate::app::ExitError;

#[derive(Debug, clap::Args)]
pub(crate) struct ManArguments {
    /// Write a page for the program and for each command into this directory, which must exist.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

const PAGE_OF_THE_PROGRAM: &str = "footfall.1";

/// What the definition of the command line does not say.
const FURTHER_SECTIONS: &str = r#".SH "EXIT STATUS"
.TP
\fB0\fR
The command ended as asked.
.TP
\fB1\fR
Something failed; the message says what.
.TP
\fB2\fR
The arguments are wrong.
.TP
\fB3\fR
The configuration is wrong; every problem is listed.
.TP
\fB4\fR
\fBfootfall verify\fR found that events are missing or stored twice, or \fBfootfall audit verify\fR found that the audit was changed.
.TP
\fB5\fR
The spool's disk failed. No acknowledged event is lost.
.TP
\fB6\fR
\fBfootfall migrate\fR left out nodes of a cluster that do not answer.
.SH SIGNALS
.TP
\fBSIGTERM\fR, \fBSIGINT\fR
\fBfootfall serve\fR finishes the requests under way and ends. A second one ends it at once.
.TP
\fBSIGHUP\fR
\fBfootfall serve\fR reads its sites and the certificate again.
.SH FILES
.TP
\fIfootfall.toml\fR
The configuration, unless \fB\-\-config\fR or FOOTFALL_CONFIG names another file. Each setting is also a variable:
FOOTFALL_LISTEN, FOOTFALL_STORE_LISTEN.
.TP
\fI/etc/footfall/footfall.toml\fR
The configuration of the service.
.SH "SEE ALSO"
The manual is in \fIdocs/operations\fR of the sources, and in \fI/usr/share/doc/footfall\fR of the Debian package.
"#;

/// `command` is the definition of the command line.
///
/// # Errors
/// When a page cannot be written.
pub(crate) fn run(arguments: &ManArguments, command: Command) -> Result<(), ExitError> {
    let mut command = command.disable_help_subcommand(true);
    // It gives each command its full name, as `footfall spool list`.
    command.build();
    match &arguments.dir {
        Some(directory) => write_pages(&command, directory)?,
        None => io::stdout().lock().write_all(&page(&command)?)?,
    }
    Ok(())
}

fn write_pages(command: &Command, directory: &Path) -> io::Result<()> {
    for inner in command.get_subcommands().filter(|inner| !inner.is_hide_set()) {
        write_pages(inner, directory)?;
    }
    let path = directory.join(man_of(command).get_filename());
    fs::write(&path, page(command)?)
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
}

fn man_of(command: &Command) -> Man {
    Man::new(command.clone()).manual("Footfall").source(concat!("Footfall ", env!("CARGO_PKG_VERSION")))
}

fn page(command: &Command) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    let man = man_of(command);
    man.render(&mut text)?;
    if man.get_filename() == PAGE_OF_THE_PROGRAM {
        text.extend_from_slice(FURTHER_SECTIONS.as_bytes());
    }
    Ok(text)
}
