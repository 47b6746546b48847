//! Numbers and names of the spool that other modules need.

use crate::config::MAX_SEAL_ROWS;
use crate::event::UnixSeconds;
use crate::spool::log::state::now_ms;
use crate::spool::log::writer::queue::MAX_WAITING;

/// Name of the spool's directory within the data directory.
pub const DIRECTORY: &str = "spool";
/// The most rows of a segment: when it is just under the bound it may get one more batch.
pub(crate) const MAX_SEGMENT_ROWS: u64 = MAX_SEAL_ROWS as u64 + (MAX_WAITING / MIN_ROW_LEN) as u64;
/// Each column of a row takes a byte at least.
const MIN_ROW_LEN: usize = crate::event::COLUMNS.len();

/// Today in UTC, days since 1970-01-01.
pub fn today() -> u16 {
    UnixSeconds::from_millis(now_ms()).day().0
}
