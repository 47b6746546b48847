//! One connection from its first byte to its last: protocol detection, deadlines, and the I/O wrappers that enforce them.

pub(super) mod deadlines;
mod io;
pub(super) mod proxy_protocol;
pub(super) mod serve;
pub(super) mod state;
