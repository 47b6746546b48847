//! A client's address and user agent in, pseudonyms and a place out. The address ends here.
//!
//! [`Privacy::admit`] takes the [`Peer`] by value; what it returns cannot be turned back into an address without the
//! epoch's key, and the key is wiped at the epoch's end. Beside it stand what else decides on personal data: whether
//! the visitor refused ([`consent`]), which cookies count ([`Privacy::cookies`]), and the [`scrub`]ber, through which
//! every address and text of a page goes before anything is written. Nothing here writes to disk but the key's own
//! file, and nothing here asks another machine.
//!
//! Pseudonyms (each part is preceded by its length as 32-bit little-endian; the first 8 bytes, big-endian, count):
//!
//! ```text
//! visitor = HMAC-SHA-256(key, "visitor", site, address, user agent)
//! address = HMAC-SHA-256(key, "address", address)
//! ```
//!
//! with 4 bytes of an IPv4 address and the first 8 of an IPv6 address.

pub(crate) mod cache;
mod clock;
pub mod consent;
mod cookies;
mod epoch;
mod key;
mod mac;
mod peer;
mod place;
pub mod scrub;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

pub use clock::{Clock, SystemClock};
pub use key::{Fingerprint, KeyError, KeyRing, KeyStatus, Turn};
pub use peer::Peer;
pub use place::{Place, Places};

use crate::config::Site;

/// Who sent a beacon, as far as anyone will ever know.
#[derive(Debug, Clone)]
pub struct Who {
    /// Pseudonym of the visitor on this site in this epoch.
    pub visitor: u64,
    /// Pseudonym of the address in this epoch, the same on every site.
    pub address: u64,
    /// Unix time in s at which the key in use came into force.
    pub epoch: u32,
    /// 4 or 6.
    pub ip_version: u8,
    /// Where the address is.
    pub place: Place,
}

/// The front door: turns addresses into pseudonyms.
pub struct Privacy {
    keys: KeyRing,
    places: Places,
}

impl Privacy {
    /// Puts the key and the place files to work.
    pub fn new(keys: KeyRing, places: Places) -> Self {
        Self { keys, places }
    }

    /// The pseudonyms and the place of a client. Its address is wiped before this returns.
    pub fn admit(&self, peer: Peer, site: &Site, user_agent: &[u8]) -> Who {
        let key = self.keys.current();
        let identity = peer.identity();
        let visitor = key.mac().part(b"visitor").part(site.id.as_bytes()).part(identity).part(user_agent);
        Who {
            visitor: visitor.finish(),
            address: key.mac().part(b"address").part(identity).finish(),
            epoch: key.epoch(),
            ip_version: peer.version(),
            place: self.places.find(peer.address()),
        }
    }

    /// The cookies that count, out of those that the page sent: names and values by the site's rules.
    pub fn cookies<'a>(
        &self,
        site: &'a Site,
        offered: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Vec<(&'a str, Cow<'a, str>)> {
        cookies::admit(&self.keys.current(), site, offered)
    }

    /// The key and its epochs.
    pub fn keys(&self) -> &KeyRing {
        &self.keys
    }

    /// The place files.
    pub fn places(&self) -> &Places {
        &self.places
    }
}

/// Forbids core dumps and debuggers for the rest of the process's life, so that no key or address leaves it that way.
///
/// # Errors
/// When the system refuses; the caller decides whether to go on.
pub fn forbid_core_dumps() -> std::io::Result<()> {
    use rustix::process::{Resource, Rlimit, setrlimit};
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    #[cfg(target_os = "linux")]
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)?;
    Ok(())
}
