//! The addresses that a collector listens on: each must be free, and no two may need the same port.

use std::io;
use std::net::{IpAddr, SocketAddr};

use socket2::{Domain, Protocol, Socket, Type};

use crate::config::{Config, ReadConfig, Severity, StoreConfig};
use crate::store::embedded::EmbeddedStore;

/// An address with the setting that names it.
struct ListenSetting {
    key: &'static str,
    address: SocketAddr,
    /// Whether the embedded store listens there. A collector accepts beacons without it.
    is_store: bool,
}

fn listeners(config: &Config) -> Vec<ListenSetting> {
    let own = [("listen", config.listen), ("admin", config.admin), ("reports", config.reports)];
    let mut all: Vec<_> =
        own.into_iter().map(|(key, address)| ListenSetting { key, address, is_store: false }).collect();
    if let StoreConfig::Embedded { listen, native, .. } = config.store {
        let store = [("store.listen", Some(listen)), ("store.native", native)];
        let store = store.into_iter().filter_map(|(key, address)| Some((key, address?)));
        all.extend(store.map(|(key, address)| ListenSetting { key, address, is_store: true }));
    }
    all
}

/// `in_use`: a collector works in the data directory, and has these addresses if they did not change.
pub(super) fn check(read: &mut ReadConfig, in_use: bool, passed: &[&str]) {
    let mut listeners = listeners(read.config());
    listeners.retain(|listener| !read.is_refused(listener.key) && !passed.contains(&listener.key));
    for (index, listener) in listeners.iter().enumerate() {
        let other = listeners[..index].iter().find(|other| overlap(other.address, listener.address));
        if let Some(other) = other {
            let what = format!(
                "{} needs the same port as {} = {}; choose another port for one of them",
                listener.address, other.key, other.address
            );
            read.note(Severity::Stops, listener.key, &what);
        } else {
            check_free(read, listener, in_use);
        }
    }
}

/// Whether two listeners cannot exist at the same time.
fn overlap(left: SocketAddr, right: SocketAddr) -> bool {
    let (a, b) = (left.ip().to_canonical(), right.ip().to_canonical());
    // `[::]` accepts IPv4 too.
    let covers = |all: IpAddr, one: IpAddr| all.is_unspecified() && (all.is_ipv6() || one.is_ipv4());
    left.port() != 0 && left.port() == right.port() && (a == b || covers(a, b) || covers(b, a))
}

fn check_free(read: &mut ReadConfig, listener: &ListenSetting, in_use: bool) {
    let ListenSetting { key, address, is_store } = *listener;
    let Err(error) = bind(address) else { return };
    let severity = if is_store { Severity::Degrades } else { Severity::Stops };
    let what = match error.kind() {
        // The store of a collector that was killed keeps its port for a moment, and `serve` waits for it.
        io::ErrorKind::AddrInUse if is_store && is_store_running(read.config()) => return,
        io::ErrorKind::AddrInUse if in_use => {
            let what = format!(
                "{address} is in use; it is taken for the address of the collector that works in `data`"
            );
            return read.note(Severity::Remark, key, &what);
        }
        io::ErrorKind::AddrInUse => {
            format!("cannot listen on {address}: another program does; stop it, or choose another port")
        }
        io::ErrorKind::AddrNotAvailable => {
            format!(
                "cannot listen on {address}: the address does not belong to this machine; 0.0.0.0 means all that do"
            )
        }
        io::ErrorKind::PermissionDenied => {
            let port = address.port();
            format!(
                "cannot listen on {address}: port {port} needs privileges; choose one from 1024 on, or give the process \
                 CAP_NET_BIND_SERVICE"
            )
        }
        _ => format!("cannot listen on {address}: {error}"),
    };
    let what = if is_store {
        format!("{what}; until then beacons wait in the spool and no report works")
    } else {
        what
    };
    read.note(severity, key, &what);
}

/// Another process has locked the data of the embedded store.
fn is_store_running(config: &Config) -> bool {
    EmbeddedStore::is_in_use(config).unwrap_or(false)
}

/// Binds the address and frees it again. It is not listened on, so that nobody can connect meanwhile.
fn bind(address: SocketAddr) -> io::Result<()> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    // As the listeners do: connections that were closed a moment ago do not matter.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_addresses_overlap_when_one_of_them_takes_the_other_s_connections() {
        let overlap = |left: &str, right: &str| {
            let (left, right) = (left.parse().unwrap(), right.parse().unwrap());
            assert_eq!(overlap(left, right), overlap(right, left));
            overlap(left, right)
        };
        for (left, right) in [
            ("127.0.0.1:80", "127.0.0.1:80"),
            ("0.0.0.0:80", "127.0.0.1:80"),
            ("[::]:80", "127.0.0.1:80"),
            ("[::]:80", "0.0.0.0:80"),
            ("[::]:80", "[::1]:80"),
            ("[::ffff:127.0.0.1]:80", "127.0.0.1:80"),
            ("[::ffff:127.0.0.1]:80", "0.0.0.0:80"),
        ] {
            assert!(overlap(left, right), "{left} {right}");
        }
        for (left, right) in [
            ("127.0.0.1:80", "127.0.0.1:81"),
            ("127.0.0.1:80", "127.0.0.2:80"),
            ("0.0.0.0:80", "[::1]:80"),
            ("0.0.0.0:0", "127.0.0.1:0"),
        ] {
            assert!(!overlap(left, right), "{left} {right}");
        }
    }
}
