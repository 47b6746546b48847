//! Sockets that the service manager listens on and passes to the process, as `sd_listen_fds(3)` describes them.
//!
//! The manager keeps them open while the process is replaced, so connections wait instead of being refused. It may also listen on ports
//! below 1024 for a process without that right.

use std::io;
use std::net::TcpListener;

use listenfd::ListenFd;
use socket2::SockRef;

/// Names of sockets, by `FileDescriptorName=` of the socket unit. Any other name is that of the public listener.
const ADMIN: &str = "admin";
const REPORTS: &str = "reports";

#[derive(Debug, thiserror::Error)]
pub(crate) enum SocketError {
    #[error("socket {name:?} of the service manager is not a TCP socket")]
    Kind { name: String, source: io::Error },
    #[error("socket {name:?} of the service manager does not listen: it needs `Accept=no`")]
    NotListening { name: String },
    #[error(
        "the service manager passes two sockets for `{setting}`; those for `admin` and `reports` are named by `FileDescriptorName=`"
    )]
    Twice { setting: &'static str },
}

/// The sockets that were passed. Each takes the place of the setting with its name.
#[derive(Debug, Default)]
pub(crate) struct PassedSockets {
    pub(crate) listen: Option<TcpListener>,
    pub(crate) admin: Option<TcpListener>,
    pub(crate) reports: Option<TcpListener>,
}

impl PassedSockets {
    /// Receives the passed sockets, and keeps child processes from using them. It changes the environment, so call it while there is one
    /// thread.
    ///
    /// # Errors
    /// When a socket cannot be used, or two are for one purpose.
    pub(crate) fn receive() -> Result<Self, SocketError> {
        let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
        let names: Vec<&str> = names.split(':').collect();
        let mut passed = ListenFd::from_env();
        let mut sockets = Self::default();
        for index in 0..passed.len() {
            let name = (*names.get(index).unwrap_or(&"")).to_owned();
            let taken = passed.take_tcp_listener(index);
            let socket = taken.map_err(|source| SocketError::Kind { name: name.clone(), source })?;
            let socket = socket.expect("each is taken once");
            if !SockRef::from(&socket).is_listener().unwrap_or(false) {
                return Err(SocketError::NotListening { name });
            }
            sockets.assign(&name, socket)?;
        }
        Ok(sockets)
    }

    /// The settings that a passed socket replaces.
    pub(crate) fn settings(&self) -> Vec<&'static str> {
        let all = [("listen", &self.listen), ("admin", &self.admin), ("reports", &self.reports)];
        all.into_iter().filter(|(_, socket)| socket.is_some()).map(|(setting, _)| setting).collect()
    }

    fn assign(&mut self, name: &str, socket: TcpListener) -> Result<(), SocketError> {
        let (setting, place) = match name {
            ADMIN => ("admin", &mut self.admin),
            REPORTS => ("reports", &mut self.reports),
            _ => ("listen", &mut self.listen),
        };
        match place.replace(socket) {
            None => Ok(()),
            Some(_) => Err(SocketError::Twice { setting }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_are_told_apart_by_their_names() {
        let socket = || TcpListener::bind("127.0.0.1:0").unwrap();
        let mut sockets = PassedSockets::default();
        for name in ["reports", "footfall.socket", "admin"] {
            sockets.assign(name, socket()).unwrap();
        }
        assert!(sockets.listen.is_some() && sockets.admin.is_some() && sockets.reports.is_some());
        let error = sockets.assign("connection", socket()).unwrap_err();
        assert!(error.to_string().contains("two sockets for `listen`"), "{error}");
    }
}
