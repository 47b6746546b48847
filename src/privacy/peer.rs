//! The address of a client, for as long as one request lasts (clause 1.8).
//!
//! `Privacy::identify` consumes a [`Peer`]. It cannot be cloned, printed or serialised, and its bytes are wiped when it is
//! dropped. Besides pseudonyms and the place it gives only a hash for the rate limiter, under a key of this process.

use std::fmt;
use std::hash::BuildHasher;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use zeroize::Zeroize;

/// Bytes of an IPv6 address that tell visitors apart: its /64, since a host changes the rest at will (RFC 8981).
const NETWORK_BYTES: usize = 8;
/// The prefix under which a translator shows IPv4 hosts to an IPv6 server (RFC 6052): all of them lie within one /64.
const TRANSLATED: [u8; 12] = [0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0];
/// How addresses of 6to4 begin (RFC 3056): one IPv4 host has all /64 of a /48.
const SIX_TO_FOUR: [u8; 2] = [0x20, 0x02];
/// Bytes that tell 6to4 hosts apart: the prefix and the IPv4 address.
const SIX_TO_FOUR_BYTES: usize = 6;

pub struct Peer {
    octets: [u8; 16],
    version: IpVersion,
}

#[derive(Clone, Copy)]
enum IpVersion {
    V4,
    V6,
}

impl Peer {
    /// Takes an address; one that maps or translates IPv4 into IPv6 becomes IPv4 again.
    pub fn new(address: IpAddr) -> Self {
        let mut octets = [0; 16];
        let version = match untranslated(address.to_canonical()) {
            IpAddr::V4(v4) => {
                octets[..4].copy_from_slice(&v4.octets());
                IpVersion::V4
            }
            IpAddr::V6(v6) => {
                octets = v6.octets();
                IpVersion::V6
            }
        };
        Self { octets, version }
    }

    /// A number for the rate limiter's slots, the same for all of an IPv6 /64, or of a 6to4 /48. `state` must be random to this process,
    /// so that the number means nothing outside it.
    pub fn hash(&self, state: &impl BuildHasher) -> u64 {
        state.hash_one(self.identity())
    }

    /// The part of the address that identifies a visitor: 4 bytes of IPv4, the /64 of IPv6, or the /48 of 6to4.
    pub(super) fn identity(&self) -> &[u8] {
        match self.version {
            IpVersion::V4 => &self.octets[..4],
            IpVersion::V6 if self.octets.starts_with(&SIX_TO_FOUR) => &self.octets[..SIX_TO_FOUR_BYTES],
            IpVersion::V6 => &self.octets[..NETWORK_BYTES],
        }
    }

    /// The whole address, for the place look-up alone.
    pub(super) fn address(&self) -> IpAddr {
        match self.version {
            IpVersion::V4 => {
                let [a, b, c, d, ..] = self.octets;
                Ipv4Addr::new(a, b, c, d).into()
            }
            IpVersion::V6 => Ipv6Addr::from(self.octets).into(),
        }
    }

    /// 4 or 6.
    pub(super) fn version(&self) -> u8 {
        match self.version {
            IpVersion::V4 => 4,
            IpVersion::V6 => 6,
        }
    }
}

/// The IPv4 address of a host behind a translator.
fn untranslated(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) => match v6.octets().strip_prefix(&TRANSLATED) {
            Some(&[a, b, c, d]) => Ipv4Addr::new(a, b, c, d).into(),
            _ => address,
        },
        v4 => v4,
    }
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[address]")
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.octets.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(text: &str) -> Peer {
        Peer::new(text.parse().unwrap())
    }

    #[test]
    fn a_peer_never_prints_its_address() {
        assert_eq!(format!("{:?}", peer("203.0.113.9")), "[address]");
    }

    #[test]
    fn a_mapped_address_is_ipv4_again() {
        let mapped = peer("::ffff:203.0.113.9");
        assert_eq!((mapped.version(), mapped.identity()), (4, &[203, 0, 113, 9][..]));
    }

    #[test]
    fn hosts_behind_a_translator_are_ipv4_and_those_of_6to4_count_by_their_48() {
        let translated = peer("64:ff9b::203.0.113.9");
        assert_eq!((translated.version(), translated.identity()), (4, &[203, 0, 113, 9][..]));
        assert_eq!(peer("64:ff9b:1::203.0.113.9").version(), 6, "a local prefix says nothing (RFC 8215)");
        let tunnelled = |text| peer(text).identity().to_vec();
        assert_eq!(tunnelled("2002:cb00:7109:1::1"), tunnelled("2002:cb00:7109:ffff::2"));
        assert_ne!(tunnelled("2002:cb00:7109:1::1"), tunnelled("2002:cb00:7108:1::1"));
    }

    #[test]
    fn ipv6_counts_by_its_64() {
        let state = foldhash::fast::RandomState::default();
        assert_eq!(peer("2001:db8::1").hash(&state), peer("2001:db8::ffff:2").hash(&state));
        assert_ne!(peer("2001:db8::1").hash(&state), peer("2001:db8:0:1::1").hash(&state));
        assert_ne!(peer("203.0.113.9").hash(&state), peer("203.0.113.10").hash(&state));
    }
}
