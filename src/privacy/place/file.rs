//! One MaxMind file, mapped into memory: only pages that are used take memory. A city database of 130 MB costs a few MB.
//!
//! A file must be replaced by renaming another over it, as `footfall geo install` and `geoipupdate` do. The old file then
//! stays whole while it is mapped. A file that is truncated in place ends the process (SIGBUS); the spool recovers from that
//! as from `kill -9`.
#![allow(unsafe_code)]

use std::path::Path;

use maxminddb::{MaxMindDbError, Mmap, Reader};

pub(super) type MappedFile = Reader<Mmap>;

/// Maps the file and checks that it is a MaxMind database.
pub(super) fn open(path: &Path) -> Result<MappedFile, MaxMindDbError> {
    // SAFETY: the bytes are read as a shared slice, which must not change. The file is only ever replaced by renaming
    // (module documentation), never written in place; and `maxminddb` checks every offset and text against the bytes it
    // reads, so that a file changed nevertheless gives a wrong answer or an error.
    unsafe { Reader::open_mmap(path) }
}
