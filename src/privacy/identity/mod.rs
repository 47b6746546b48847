//! From a client's address, its user agent and the page load's id to pseudonyms and a place.
//!
//! ```text
//! visitor   = HMAC-SHA-256(key, "visitor", site, address, user agent)
//! address   = HMAC-SHA-256(key, "address", site, address)
//! page_load = HMAC-SHA-256(key, "page_load", site, id of the page load)
//! seq       = start + number, where start is the next 31 bits of the same HMAC
//! ```
//!
//! The address is the 4 bytes of IPv4, the first 8 bytes of IPv6, or the first 6 of a 6to4 address. Ids of page loads have 8 bytes and
//! numbers 4, little-endian. Each part is preceded by its length as a 32-bit little-endian number. A pseudonym is the first 8 bytes of
//! the HMAC, big-endian.
//!
//! So no pseudonym of one epoch or site recurs in another, and the browser knows none of them. `seq` starts anew, at random.

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::sync::Arc;

use arc_swap::Guard;

use super::cookies;
use super::key::{EpochKey, FilterList, KeyRing};
use super::mac::PseudonymHmac;
use super::peer::Peer;
use super::place::{GeoLookup, GeoPlace};
use super::subject::{BlockedScopes, BlockedSubjects};
use crate::config::Site;

/// What is kept of the sender of a beacon.
#[derive(Debug, Clone)]
pub struct VisitorIdentity {
    /// Pseudonym of the visitor on this site in this epoch.
    pub visitor: u64,
    /// Pseudonym of the address on this site in this epoch.
    pub address: u64,
    /// Unix time in s at which the key in use came into force.
    pub epoch: u32,
    /// Unix time in s at which that key must turn. It may stay in force for a second longer.
    pub epoch_ends: u32,
    /// 4 or 6.
    pub ip_version: u8,
    pub place: GeoPlace,
}

/// Turns addresses into pseudonyms.
pub struct Privacy {
    keys: KeyRing,
    places: GeoLookup,
    blocked: BlockedSubjects,
}

impl Privacy {
    pub fn new(keys: KeyRing, places: GeoLookup) -> Self {
        Self { keys, places, blocked: BlockedSubjects::default() }
    }

    /// The epoch now, for one beacon: all of its pseudonyms come from one key. The key turns when nobody holds it any more, so it must
    /// not be held while waiting. `None` while this member of a fleet has no key.
    pub fn epoch(&self) -> Option<CurrentEpoch<'_>> {
        let key = self.keys.current();
        let has_key = !key.is_missing();
        has_key.then(|| CurrentEpoch {
            key,
            previous_filters: self.keys.previous_filters(),
            places: &self.places,
        })
    }

    pub fn keys(&self) -> &KeyRing {
        &self.keys
    }

    pub fn places(&self) -> &GeoLookup {
        &self.places
    }

    /// The visitors of whom nothing is stored. It must be held until the events of the beacon are appended: a change of the list waits
    /// for that, and must not wait long.
    pub fn blocked(&self) -> Guard<Arc<BlockedScopes>> {
        self.blocked.load()
    }

    pub fn blocked_subjects(&self) -> &BlockedSubjects {
        &self.blocked
    }
}

/// The key in force.
pub struct CurrentEpoch<'p> {
    key: Guard<Arc<EpochKey>>,
    previous_filters: Guard<Arc<FilterList>>,
    places: &'p GeoLookup,
}

impl CurrentEpoch<'_> {
    /// The pseudonyms and the place of a client. The address is wiped before this returns.
    pub fn identify(&self, peer: Peer, site: &Site, user_agent: &[u8]) -> VisitorIdentity {
        let identity = peer.identity();
        let mac = |purpose: &[u8]| self.key.mac().part(purpose).part(site.id.as_bytes()).part(identity);
        VisitorIdentity {
            visitor: mac(b"visitor").part(user_agent).finish(),
            address: mac(b"address").finish(),
            epoch: self.key.epoch(),
            epoch_ends: self.key.ends(),
            ip_version: peer.version(),
            place: self.places.find(peer.address()),
        }
    }

    /// The pseudonyms of a page load, whose random id the script made.
    pub fn page_load(&self, site: &Site, id: u64) -> PageLoadIdentity {
        let page = PageLoad { site: site.id.as_bytes(), id };
        let (pseudonym, next) = page.mac(self.key.mac(), b"page_load").finish_wide();
        let previous = self.previous_filters.iter().map(|filter| page.mac(filter.mac(), b"filter").finish());
        PageLoadIdentity {
            pseudonym,
            first_seq: (next >> 33) as u32,
            filter: page.mac(self.key.filter_mac(), b"filter").finish(),
            previous_filters: previous.collect(),
        }
    }

    /// The cookies that the site allow-lists, with values by its rules.
    pub fn cookies<'a>(
        &self,
        site: &'a Site,
        offered: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Vec<(&'a str, Cow<'a, str>)> {
        cookies::keep(&self.key, site, offered)
    }
}

/// A page load as the script names it.
struct PageLoad<'a> {
    site: &'a [u8],
    id: u64,
}

impl PageLoad<'_> {
    fn mac<'k>(&self, mac: PseudonymHmac<'k>, purpose: &[u8]) -> PseudonymHmac<'k> {
        mac.part(purpose).part(self.site).part(&self.id.to_le_bytes())
    }
}

/// The pseudonyms of a page load and of its events in this epoch.
pub struct PageLoadIdentity {
    /// Stands for the page load.
    pub pseudonym: u64,
    first_seq: u32,
    filter: u64,
    /// Of epochs that ended in the last hour.
    previous_filters: Vec<u64>,
}

impl PageLoadIdentity {
    /// A number that orders the events of the page load, and differs from those of another epoch.
    pub fn seq(&self, number: u32) -> u32 {
        // No two numbers of a page load may become one: with the page load, it is the identity of the event.
        self.first_seq.wrapping_add(number)
    }

    /// The identity of an event for the duplicate filter. It never reaches the store.
    pub fn filter_id(&self, number: u32) -> u64 {
        event_of(self.filter, number)
    }

    /// The same in the epochs that ended in the last hour.
    pub fn previous_filter_ids(&self, number: u32) -> impl Iterator<Item = u64> {
        self.previous_filters.iter().map(move |page_load| event_of(*page_load, number))
    }
}

/// Spreads the numbers of a page load's events over all 64 bits, by the finaliser of SplitMix64. Different numbers give different ids.
fn event_of(page_load: u64, number: u32) -> u64 {
    let mut id = page_load.wrapping_add(u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    id = (id ^ id >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    id = (id ^ id >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    id ^ id >> 31
}
