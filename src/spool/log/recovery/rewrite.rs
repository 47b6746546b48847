//! Writes again what may be in the page cache alone.

use std::io;
use std::path::Path;

use super::scan::SegmentScan;
use crate::spool::log::account::SegmentAccount;
use crate::spool::log::disk::Disk;

/// Bytes that are written at once.
const REWRITE_LEN: usize = 1 << 20;

/// Writes the last batch, or summary and seal, again and syncs them. After a failed sync the kernel calls pages clean: they read well,
/// a later sync reports success, and a power cut takes them.
pub(crate) fn rewrite_tail<A: SegmentAccount>(
    disk: &dyn Disk,
    path: &Path,
    scan: &SegmentScan<A>,
) -> io::Result<()> {
    let (mut at, end) = match scan.seal {
        Some(seal) => (seal.summary_at, scan.length),
        None => (scan.last_batch_at, scan.end),
    };
    if at == end {
        return Ok(());
    }
    let file = disk.open(path)?;
    let mut buffer = vec![0; REWRITE_LEN];
    while at < end {
        let len = usize::try_from(end - at).map_or(REWRITE_LEN, |left| left.min(REWRITE_LEN));
        let read = file.read_at(&mut buffer[..len], at)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        file.write_at(&buffer[..read], at)?;
        at += read as u64;
    }
    file.sync()
}
