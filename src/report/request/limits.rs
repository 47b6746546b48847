//! The bounds of requests.

/// Rows shown when no limit is given.
pub(in crate::report) const DEFAULT_ROWS: u32 = 20;
/// Most rows of the answers to one request, which are held in memory. A year of hours fits.
pub(crate) const MAX_ROWS: u32 = 100_000;
pub(crate) const MAX_FILTERS: usize = 32;
/// Most reports that run at the same time. Each holds its rows in the memory of the process that takes beacons.
pub(in crate::report) const MAX_CONCURRENT: usize = 4;
