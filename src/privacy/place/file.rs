//! One MaxMind file, mapped into memory: only the pages that are asked for take memory, so that a city database of
//! 130 MB costs a few MB.
//!
//! A file must be replaced by renaming another over it, as `footfall geo install` and `geoipupdate` do: the old one then
//! stays whole for as long as it is mapped. One that is cut short in place while it is asked ends the process (SIGBUS),
//! from which the spool recovers as from `kill -9`.
#![allow(unsafe_code)]

use std::path::Path;

use maxminddb::{MaxMindDbError, Mmap, Reader};

/// A mapped file.
pub(super) type Mapped = Reader<Mmap>;

/// Maps the file and checks that it is a MaxMind database.
pub(super) fn open(path: &Path) -> Result<Mapped, MaxMindDbError> {
    // SAFETY: the bytes are read as a shared slice, which must not change. The file is only ever replaced by renaming
    // (module documentation), never written in place; and `maxminddb` checks every offset and text against the bytes it
    // reads, so that a file changed nevertheless gives a wrong answer or an error.
    unsafe { Reader::open_mmap(path) }
}
