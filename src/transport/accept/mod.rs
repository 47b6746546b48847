//! From the listening socket to a worker thread: accepting, limits on connections, the choice of the worker.

pub(super) mod dispatcher;
pub(super) mod listener;
pub(super) mod permit;
pub(super) mod worker;
