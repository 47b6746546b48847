//! A client's address and user agent in, pseudonyms and a place out. The address ends here.
//!
//! [`CurrentEpoch::identify`] consumes the [`Peer`]. Its result cannot be turned back into an address without the epoch's key,
//! which is wiped at the end of the epoch. This module also decides on [`consent`] and cookies, and it [`scrub`]s every
//! address and text of a page. It writes nothing to disk but the key's file, and it contacts no other machine.

pub(crate) mod cache;
mod clock;
pub mod consent;
mod cookies;
mod core_dump;
mod epoch;
mod identity;
mod key;
mod mac;
mod peer;
mod place;
mod reference;
pub mod scrub;
mod subject;

pub use clock::{Clock, SystemClock};
pub use core_dump::forbid_core_dumps;
pub use identity::{CurrentEpoch, PageLoadIdentity, Privacy, VisitorIdentity};
pub use key::{
    FleetDays, KeyError, KeyFingerprint, KeyOrigin, KeyRing, KeySource, KeyStatus, KeyTurn, fleet,
};
pub use peer::Peer;
pub use place::{GeoLookup, GeoPlace};
pub use reference::{InvalidReferenceCode, ReferenceCode, ReferenceCodes};
pub use subject::{BlockedScopes, BlockedSubjects, Subject, SubjectScope};
