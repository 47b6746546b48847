//! Why the demonstration could not run.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::store::days::{CloseDayError, NoiseKeyError};
use crate::store::embedded::{EmbeddedError, PasswordsError};
use crate::store::schema::SchemaError;

#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    #[error(
        "the embedded store cannot listen on {address}; set `store.{setting}` in footfall.toml, or FOOTFALL_STORE_{}, to a free address",
        setting.to_uppercase()
    )]
    AddressInUse { setting: &'static str, address: SocketAddr, source: io::Error },
    #[error(
        "another process uses the data directory {}, but no store answers at {listen}: set `store.listen` to that process's \
         address, or stop it",
        data.display()
    )]
    StoreInUse { data: PathBuf, listen: SocketAddr },
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
