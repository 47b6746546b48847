//! What the records of a segment are, and what is known of them without the store: counts by day and site, and the ids of shipped events.
//!
//! It owns the payloads of frames and the numbers that must add up. It moves no file but those of shipped ids.

pub(crate) mod audit_chain;
pub(crate) mod contents;
pub(crate) mod counts;
pub(crate) mod dropped;
mod dropped_rows;
pub(crate) mod record;
pub(crate) mod row_layout;
pub(crate) mod segment_rows;
pub(crate) mod shipped_ids;
