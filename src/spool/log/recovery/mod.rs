//! Recovery: what lies in a directory after a crash, and how it is put in order. It deletes nothing but torn tails, which were never
//! acknowledged.
//!
//! It does not trust the page cache: after a failed sync pages count as clean although they are not on the disk. Only the newest segment
//! and unsealed ones can have such pages, so their last batch, or summary and seal, are written again and synced.

mod plan;
pub(crate) mod quarantine_file;
mod rewrite;
pub(crate) mod scan;

#[cfg(any(test, fuzzing))]
pub(crate) use plan::recover;
pub(crate) use plan::{RecoveryPlan, load_segment};
pub(crate) use scan::{ScanError, SegmentScan, scan};
