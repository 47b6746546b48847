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
    /// A socket that listens already cannot be used.
    #[error("the socket that was passed to this process cannot be used")]
    Socket(#[source] io::Error),
    /// The operating system refused a thread or an event queue.
    #[error("cannot start a thread of the server")]
    Thread(#[source] io::Error),
    #[error("TLS cannot be offered")]
    Tls(#[from] TlsError),
}
