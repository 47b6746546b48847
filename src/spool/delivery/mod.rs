//! Sealed segments on their way to the store, in order, each until it is confirmed.
//!
//! It owns the queue of sealed segments and reads them for shipping. It knows kinds of rows and their columns, and no table: what is
//! inserted where is the shipper's business.

pub(crate) mod acknowledge;
pub(crate) mod queue;
pub(crate) mod shipment;
pub(crate) mod spool;
pub(crate) mod status;
