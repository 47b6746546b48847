//! The one thread that writes, and the queue before it.

pub(crate) mod ack;
pub(crate) mod queue;
pub(crate) mod space;
pub(crate) mod thread;
