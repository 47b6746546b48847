//! The key of the pseudonyms and its epochs (design, "Identity").
//!
//! A random 256-bit key is in force from one turn to the next: one civil day of the configured zone. A turn
//! makes a new key and wipes the old one from memory and from its file, so that pseudonyms before and after it cannot be
//! linked. This module refuses to keep an old key, to write a key to a disk unless configured, and to let an epoch go back,
//! unless the key of another fleet is imported.
//! On a machine with swap, put the key directory on a file system that is never swapped, or encrypt the swap.

mod directory;
mod epoch_key;
mod error;
mod file;
pub mod fleet;
mod format;
mod page;
mod previous_filters;
mod ring;
mod source;
#[cfg(test)]
mod tests;

pub(in crate::privacy) use epoch_key::EpochKey;
pub use epoch_key::{KeyFingerprint, KeyOrigin};
pub use error::KeyError;
pub(in crate::privacy) use previous_filters::FilterList;
pub use ring::{FleetDays, KeyRing, KeyStatus, KeyTurn};
pub use source::KeySource;
