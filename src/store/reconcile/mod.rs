//! Compares what the collectors counted with what the store has:
//! received = stored + spooled + quarantined + discarded + lost + dropped + removed, for each day of receipt and site.
//!
//! It only reads. Collectors may go on meanwhile.

mod digest_check;
mod digest_sum;
mod discrepancy;
mod queries;
mod reconciliation;
mod segment_search;
mod spool_losses;

pub use discrepancy::Discrepancy;
pub use queries::{DIGEST_SQL, DaySite, ReconcileError};
pub use reconciliation::{ReconciledCounts, Reconciliation};
