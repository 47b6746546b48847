//! From a client's address and user agent to its pseudonyms and its place.
//!
//! ```text
//! visitor = HMAC-SHA-256(key, "visitor", site, address, user agent)
//! address = HMAC-SHA-256(key, "address", address)
//! ```
//!
//! The address is the 4 bytes of IPv4, the first 8 bytes of IPv6, or the first 6 of a 6to4 address. Each part is preceded by its length as a 32-bit
//! little-endian number. A pseudonym is the first 8 bytes of the HMAC, big-endian.

use std::borrow::Cow;

use super::cookies;
use super::key::KeyRing;
use super::peer::Peer;
use super::place::{GeoLookup, GeoPlace};
use crate::config::Site;

/// What is kept of the sender of a beacon.
#[derive(Debug, Clone)]
pub struct VisitorIdentity {
    /// Pseudonym of the visitor on this site in this epoch.
    pub visitor: u64,
    /// Pseudonym of the address in this epoch, the same on every site.
    pub address: u64,
    /// Unix time in s at which the key in use came into force.
    pub epoch: u32,
    /// 4 or 6.
    pub ip_version: u8,
    pub place: GeoPlace,
}

/// Turns addresses into pseudonyms.
pub struct Privacy {
    keys: KeyRing,
    places: GeoLookup,
}

impl Privacy {
    pub fn new(keys: KeyRing, places: GeoLookup) -> Self {
        Self { keys, places }
    }

    /// The address is wiped before this returns.
    pub fn identify(&self, peer: Peer, site: &Site, user_agent: &[u8]) -> VisitorIdentity {
        let key = self.keys.current();
        let identity = peer.identity();
        let visitor = key.mac().part(b"visitor").part(site.id.as_bytes()).part(identity).part(user_agent);
        VisitorIdentity {
            visitor: visitor.finish(),
            address: key.mac().part(b"address").part(identity).finish(),
            epoch: key.epoch(),
            ip_version: peer.version(),
            place: self.places.find(peer.address()),
        }
    }

    /// The cookies that the site allow-lists, with values by its rules.
    pub fn cookies<'a>(
        &self,
        site: &'a Site,
        offered: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Vec<(&'a str, Cow<'a, str>)> {
        cookies::keep(&self.keys.current(), site, offered)
    }

    pub fn keys(&self) -> &KeyRing {
        &self.keys
    }

    pub fn places(&self) -> &GeoLookup {
        &self.places
    }
}
