//! The one thread that writes a log: it takes the records that wait, writes them once, syncs once, and acknowledges all of them.

pub(crate) mod ack;
pub(crate) mod active;
pub(crate) mod begin;
mod pace;
pub(crate) mod queue;
pub(crate) mod space;
pub(crate) mod thread;
