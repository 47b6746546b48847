//! Why a server cannot start.

use std::io;
use std::net::SocketAddr;

use crate::transport::tls::TlsError;

#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The address is in use, or does not belong to this machine.
    #[error("cannot listen on {address}")]
    Listen {
        /// The configured address.
        address: SocketAddr,
        source: io::Error,
    },
    /// The operating system refused a thread or an event queue.
    #[error("cannot start a thread of the server")]
    Thread(#[source] io::Error),
    #[error("TLS cannot be offered")]
    Tls(#[from] TlsError),
}
