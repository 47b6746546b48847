//! Sealed segments on their way to the store.

pub(crate) mod queue;
pub(crate) mod shipment;
pub(crate) mod status;
