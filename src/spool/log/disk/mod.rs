//! The operations that the spool needs of a disk, behind a trait, so that tests can use a disk that fails or forgets.

pub(crate) mod api;
pub(crate) mod real;
#[cfg(any(test, fuzzing))]
pub(crate) mod test_disk;

pub use api::{Disk, DiskFile, Space};
pub use real::RealDisk;
