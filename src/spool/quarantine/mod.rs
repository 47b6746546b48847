//! Segments that cannot be shipped: set aside, split, requeued or discarded.

pub(crate) mod discard;
pub(crate) mod pending;
pub(crate) mod requeue;
pub(crate) mod split;
