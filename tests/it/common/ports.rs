//! Free ports for processes that must come back on the same one after they were killed.
//!
//! They lie below the range from which the kernel takes ports for outgoing connections: a port bound to 0 and let go
//! could be taken by the load's own connections while its server is down.

use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

const LOWEST: u16 = 10_000;
const COUNT: u16 = 20_000;

/// A loopback address that nothing listens on, handed out once in this process.
pub fn free() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Test binaries that run side by side start at different places.
    let start = (std::process::id().wrapping_mul(7_919) % u32::from(COUNT)) as u16;
    for _ in 0..COUNT {
        let offset = (u32::from(start) + u32::from(NEXT.fetch_add(1, Ordering::Relaxed))) % u32::from(COUNT);
        let address = SocketAddr::from(([127, 0, 0, 1], LOWEST + offset as u16));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
    panic!("no port from {LOWEST} on is free");
}
