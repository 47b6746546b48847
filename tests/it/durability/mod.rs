//! What was acknowledged is kept, whatever is killed, full, gone or lost.

mod backup;
mod burst;
mod faults;
mod key;
mod quarantine;
mod spool;
