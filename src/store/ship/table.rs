//! Into which table each batch of a segment goes, and under which insert deduplication token.

use crate::spool::{BatchRows, SegmentId};

pub(super) const EVENTS: &str = "events";

pub(super) fn table(rows: BatchRows) -> &'static str {
    match rows {
        BatchRows::Events => EVENTS,
        BatchRows::Audit => "audit",
        BatchRows::Segment => "segments",
    }
}

/// The segment's id for events. Other rows have the table's name behind it.
pub(super) fn token(segment: SegmentId, rows: BatchRows) -> String {
    match rows {
        BatchRows::Events => segment.to_string(),
        BatchRows::Audit | BatchRows::Segment => format!("{segment}-{}", table(rows)),
    }
}

/// The token of a segment that is sent although a dead replica may have it: under its own, the store would say that it has it.
pub(super) fn second_token(segment: SegmentId, rows: BatchRows) -> String {
    format!("{}-again", token(segment, rows))
}
