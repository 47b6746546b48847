//! Compares what the collectors counted with what the store has:
//! received = stored + spooled + quarantined + discarded + lost + dropped + removed + expired, for each day of receipt and site.
//!
//! Each row of `events` names the segment that brought it, and each segment has rows in `segments` that say how many events it has. So
//! every segment is compared by itself, and what is missing or doubled is named. It only reads. Collectors may go on meanwhile.

mod discrepancy;
mod queries;
mod reconciliation;
mod spool_losses;

pub use discrepancy::Discrepancy;
pub use queries::{DaySite, ReconcileError};
pub use reconciliation::{ReconciledCounts, Reconciliation};
