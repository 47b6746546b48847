//! The spool keeps the promise that an answer of 2xx means: *on disk, synced, delivered exactly once*.
//!
//! ```text
//! quarantine   segments that cannot be shipped: split, requeued, salvaged, discarded
//! delivery     sealed segments in order, each until the store has confirmed it
//! accounting   records, counts by day and site, shipped ids
//! log          frames with opaque payloads, segment files, the writer, recovery, the disk
//! ```
//!
//! Each layer imports only from those below it; [`inspect`](inspect::inspect) and [`Spool::open`] lie above. No layer knows SQL or a table:
//! [`store::ship`](crate::store::ship) decides what is inserted where.
//!
//! The spool refuses events beyond the configured bytes ([`SpoolError::Full`]) or while the disk has less free space than the reserve
//! ([`SpoolError::NoSpace`]); everything after a failed write or sync ([`SpoolError::Broken`]: the process must exit, and recovery finds
//! what is on the disk); and a second collector in its directory ([`SpoolError::Locked`]). It deletes nothing that was acknowledged
//! before the store has it, unless an operator discards it or its retention has passed.
//!
//! The files and their bytes are described in `docs/spool-format.md`. The protocols of several steps are described where they are
//! carried out, each with what recovery does after a crash: sealing (`log::writer::thread`), beginning (`log::writer::begin`),
//! shipping (`delivery::acknowledge`), quarantining (`log::recovery::quarantine_file`), splitting (`quarantine::split`),
//! requeueing (`quarantine::requeue`), `quarantine::salvage`, `quarantine::discard`, `quarantine::expire` and `quarantine::erase`.

mod accounting;
pub mod backup;
mod check;
#[cfg(test)]
mod crash_tests;
mod delivery;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod inspect;
mod limits;
mod log;
mod open;
mod quarantine;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub use accounting::audit_chain::AuditHead;
pub(crate) use accounting::audit_chain::{ChainedRow, NO_DIGEST};
pub use accounting::counts::{DayCounts, STORED, SegmentCounts};
pub(crate) use accounting::record::EventId;
pub use accounting::record::{EventEntry, EventRecord, FilterId};
pub(crate) use accounting::segment_rows::SEGMENT_COLUMNS;
pub use backup::SpoolSegment;
pub use check::{check, is_in_use, space_of};
pub use delivery::queue::SealedSegment;
pub(crate) use delivery::shipment::{BatchRows, InsertBatch, Shipment, ShipmentError};
pub use delivery::spool::{Durability, Spool};
pub use delivery::status::{SpoolSpace, SpoolStatus};
pub use inspect::{Inventory, QuarantineLeftover, QuarantinedSegment, SegmentState, SegmentStatus, inspect};
pub(crate) use limits::MAX_SEGMENT_ROWS;
pub use limits::{DIRECTORY, today};
#[cfg(test)]
pub(crate) use log::disk::test_disk;
pub use log::disk::{Disk, DiskFile, RealDisk, Space};
pub use log::error::SpoolError;
pub use log::frame::MAX_FRAME_LEN;
pub use log::segment::SegmentId;
pub use log::writer::ack::Ack;
pub use open::{Recovered, audit_head};
pub use quarantine::discard::{DiscardOutcome, discard};
pub(crate) use quarantine::erase::SpoolPlace;
pub use quarantine::examine::{ExaminedSegment, RowColumns, examine};
pub use quarantine::rebuild::DamagedRange;
pub use quarantine::requeue::{RequeueOutcome, requeue};
pub use quarantine::tombstone::SegmentLoss;
