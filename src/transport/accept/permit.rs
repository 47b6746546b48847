//! A limit on the open connections of one address that stores no address.
//!
//! Counts lie in a fixed table. An address finds its slot by a hash under a random key of this process; the hash is not
//! kept. Two addresses with one slot share its limit. An IPv6 /64 counts as one address. Trusted proxies are exempt,
//! because they speak for many clients.

use std::hash::RandomState;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::privacy::Peer;

/// Slots of the table, 256 KiB; a power of two, so that a mask cuts a hash to an index. With 10,000 connections from as
/// many addresses, one in seven shares its slot; the limit of a slot is a hundred times what a browser opens.
const SLOTS: usize = 1 << 16;
const _: () = assert!(SLOTS.is_power_of_two());

pub(in crate::transport) struct AddressPermits {
    state: RandomState,
    max: u32,
    open: Box<[AtomicU32]>,
}

/// Allows one connection; dropping it allows another one.
pub(in crate::transport) struct ConnectionPermit {
    permits: Arc<AddressPermits>,
    slot: usize,
}

impl AddressPermits {
    /// Allows each address `max` connections.
    pub(in crate::transport) fn new(max: usize) -> Self {
        let open = (0..SLOTS).map(|_| AtomicU32::new(0)).collect();
        Self { state: RandomState::new(), max: u32::try_from(max).unwrap_or(u32::MAX), open }
    }

    /// Returns a permit for one more connection of `address`, or `None` at the limit. Only one thread may call it.
    pub(in crate::transport) fn acquire(self: &Arc<Self>, address: IpAddr) -> Option<ConnectionPermit> {
        let slot = Peer::new(address).hash(&self.state) as usize & (SLOTS - 1);
        // Only the accepting thread adds, so the limit holds.
        if self.open[slot].load(Ordering::Relaxed) >= self.max {
            return None;
        }
        self.open[slot].fetch_add(1, Ordering::Relaxed);
        Some(ConnectionPermit { permits: self.clone(), slot })
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        self.permits.open[self.slot].fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_permit_can_be_acquired_again_and_addresses_have_limits_of_their_own() {
        let permits = Arc::new(AddressPermits::new(2));
        let address: IpAddr = "2001:db8::1".parse().unwrap();
        let same_network: IpAddr = "2001:db8::ffff:1".parse().unwrap();
        let (first, _second) = (permits.acquire(address).unwrap(), permits.acquire(same_network).unwrap());
        assert!(permits.acquire(address).is_none(), "a /64 is one address");
        // Two addresses share a slot by chance; ten do not.
        let others = (1..=10).filter(|last| permits.acquire([198, 51, 100, *last].into()).is_some());
        assert!(others.count() >= 9);
        drop(first);
        assert!(permits.acquire(address).is_some());
    }
}
