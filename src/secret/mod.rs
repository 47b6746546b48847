//! Files that hold secrets, written so that their owner alone can read them.

pub(crate) mod private_file;
