//! Segments that cannot be shipped: they are quarantined, split, requeued, salvaged, discarded, or expire.
//!
//! The commands work beside a running collector. Only [`discard`](discard::discard), [`expire`] and [`erase`] delete rows, and each leaves
//! a tombstone.

pub(crate) mod discard;
pub(crate) mod erase;
pub(crate) mod examine;
mod expire;
mod lock;
pub(crate) mod moves;
pub(crate) mod names;
mod pending;
pub(crate) mod rebuild;
mod refused;
pub(crate) mod requeue;
mod salvage;
pub(crate) mod split;
pub(crate) mod tombstone;
