//! Why the demonstration could not run.

use std::io;
use std::path::PathBuf;

use crate::store::days::{CloseDayError, NoiseKeyError};
use crate::store::embedded::{EmbeddedError, PasswordsError};
use crate::store::schema::SchemaError;

#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    #[error(
        "site \"demo\" is configured with host {host}, which real visitors may use: invented visitors would mix with them; give that site \
         another id, or leave the configuration out and use the demonstration's own store"
    )]
    RealSite { host: String },
    #[error("a demonstration runs already in {}: stop it first, or open the addresses in {}", data.display(), file.display())]
    Running { data: PathBuf, file: PathBuf },
    #[error("no port from {first} on is free for the {what}; name one by {setting}")]
    NoPort { what: &'static str, first: u16, setting: &'static str },
    #[error("cannot write {}", path.display())]
    Settings { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Embedded(#[from] EmbeddedError),
    #[error(transparent)]
    Passwords(#[from] PasswordsError),
    #[error(transparent)]
    Schema(#[from] SchemaError),
    #[error(transparent)]
    Days(#[from] CloseDayError),
    #[error(transparent)]
    NoiseKey(#[from] NoiseKeyError),
    #[error("the store did not take the invented rows")]
    Store(#[from] clickhouse::error::Error),
    #[error("generating the invented visitors failed")]
    Generator,
    #[error("another collector has been closing days for too long; it will close the remaining days")]
    DaysLocked,
    #[error("cannot print")]
    Print(#[from] io::Error),
}
