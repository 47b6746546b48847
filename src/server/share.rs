//! How many of all connections one address may hold, counted without knowing any address.
//!
//! Counts are a fixed table; an address finds its own through a hash that is keyed with randomness of this process and is
//! not kept, as in [`limit`](super::limit). Two addresses that meet in one slot share its connections. All of an IPv6 /64
//! is one address. Trusted proxies are not counted: they speak for many.

use std::hash::RandomState;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::privacy::Peer;

/// Slots of the table, 256 KiB; a power of two, so that a hash is cut to an index by a mask. At the bound of 10,000
/// connections from as many addresses, one in seven shares its slot, and with it a hundred times what a browser opens.
const SLOTS: usize = 1 << 16;
const _: () = assert!(SLOTS.is_power_of_two());

/// The open connections of each address.
pub(super) struct Shares {
    state: RandomState,
    most: u32,
    held: Box<[AtomicU32]>,
}

/// One connection's part of its address's share; given back when it is dropped.
pub(super) struct Share {
    shares: Arc<Shares>,
    slot: usize,
}

impl Shares {
    /// Allows `most` connections to each address.
    pub(super) fn new(most: usize) -> Self {
        let held = (0..SLOTS).map(|_| AtomicU32::new(0)).collect();
        Self { state: RandomState::new(), most: u32::try_from(most).unwrap_or(u32::MAX), held }
    }

    /// One more connection for `address`, if it may have one.
    pub(super) fn take(self: &Arc<Self>, address: IpAddr) -> Option<Share> {
        let slot = Peer::new(address).hash(&self.state) as usize & (SLOTS - 1);
        // Only the accepting thread adds, so the bound holds.
        if self.held[slot].load(Ordering::Relaxed) >= self.most {
            return None;
        }
        self.held[slot].fetch_add(1, Ordering::Relaxed);
        Some(Share { shares: self.clone(), slot })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.shares.held[self.slot].fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_gets_back_what_it_gives_back_and_another_has_its_own() {
        let shares = Arc::new(Shares::new(2));
        let address: IpAddr = "2001:db8::1".parse().unwrap();
        let same_network: IpAddr = "2001:db8::ffff:1".parse().unwrap();
        let (first, _second) = (shares.take(address).unwrap(), shares.take(same_network).unwrap());
        assert!(shares.take(address).is_none(), "a /64 is one address");
        // Two addresses meet in one slot by chance; ten do not.
        let others = (1..=10).filter(|last| shares.take([198, 51, 100, *last].into()).is_some());
        assert!(others.count() >= 9);
        drop(first);
        assert!(shares.take(address).is_some());
    }
}
