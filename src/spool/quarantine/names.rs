//! Endings of files in quarantine.

/// A quarantined segment.
pub(crate) const SEGMENT: &str = ".segment";
/// A damaged segment whose whole frames were copied into another one.
pub(crate) const SALVAGED: &str = ".salvaged";
/// The tombstone of what was not whole in a salvaged segment.
pub(crate) const SALVAGED_TOMBSTONE: &str = ".salvaged.tombstone";
/// The tombstone of a discarded segment that is not in the audit yet.
pub(crate) const PENDING_TOMBSTONE: &str = ".tombstone.pending";
/// The tombstone of a discarded segment.
pub(crate) const TOMBSTONE: &str = ".tombstone";
/// A segment whose split parts replace it.
pub(crate) const SPLIT: &str = ".split";
