//! Free ports for processes that must come back on the same one after they were killed.
//!
//! The ports lie below the range from which the kernel takes ports for outgoing connections. A port that was bound to
//! 0 and released could go to one of the load's own connections while its server is down.

use std::net::{SocketAddr, TcpListener};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr as UnixAddress, UnixDatagram};
use std::sync::atomic::{AtomicU16, Ordering};

const LOWEST: u16 = 10_000;
const COUNT: u16 = 20_000;

/// A loopback address that nothing listens on. No other test gets it while this process runs.
pub fn free() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Test binaries that run side by side start at different places, so that each finds a port quickly.
    let start = (std::process::id().wrapping_mul(7_919) % u32::from(COUNT)) as u16;
    for _ in 0..COUNT {
        let offset = (u32::from(start) + u32::from(NEXT.fetch_add(1, Ordering::Relaxed))) % u32::from(COUNT);
        let address = SocketAddr::from(([127, 0, 0, 1], LOWEST + offset as u16));
        if claim(address.port()) && TcpListener::bind(address).is_ok() {
            return address;
        }
    }
    panic!("no port from {LOWEST} on is free");
}

/// Reserves a port among all test processes of this machine until this one ends.
///
/// The claim is a socket with an abstract name: the kernel lets one process have it, and releases it in any case.
fn claim(port: u16) -> bool {
    let name = UnixAddress::from_abstract_name(format!("footfall test port {port}"));
    match name.and_then(|name| UnixDatagram::bind_addr(&name)) {
        Ok(socket) => {
            std::mem::forget(socket);
            true
        }
        Err(_) => false,
    }
}
