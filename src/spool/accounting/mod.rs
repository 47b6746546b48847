//! What a segment holds: counts of events by day and site, digests of their ids, and the ids of events that were shipped.

pub(crate) mod counts;
pub(crate) mod digests;
pub(crate) mod row_layout;
pub(crate) mod shipped_ids;
