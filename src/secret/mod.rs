//! Secrets in memory, random tokens, and the files that hold secrets or coordinate processes.
//!
//! It owns the one implementation of each: private files, file locks, file versions, the check of a directory. What the files contain is defined
//! by the modules that use them.

pub mod directory;
pub(crate) mod file_lock;
pub(crate) mod file_version;
pub mod private_file;
pub(crate) mod random;
mod redacted;
pub(crate) mod stack;

pub use redacted::Secret;
