//! Frames in segment files: written in batches by one thread, synced, sealed, and recovered after a crash.

pub(crate) mod disk;
pub(crate) mod error;
pub(crate) mod frame;
pub(crate) mod recovery;
pub(crate) mod segment;
pub(crate) mod start;
#[cfg(test)]
pub(crate) mod test_disk;
pub(crate) mod writer;
