//! The append-only log: frames with opaque payloads in segment files, written in batches, synced, sealed and recovered.
//!
//! It owns the bytes of a segment file, the writer's thread and recovery. It does not know what a payload holds: the layer above
//! passes a [`SegmentAccount`](account::SegmentAccount), which counts records, and a [`SegmentSink`](state::SegmentSink), which
//! gets sealed segments.

pub(crate) mod account;
pub(crate) mod disk;
pub(crate) mod error;
pub(crate) mod files;
pub(crate) mod frame;
pub(crate) mod identity;
pub(crate) mod open;
pub(crate) mod recovery;
pub(crate) mod segment;
pub(crate) mod state;
pub(crate) mod usage;
pub(crate) mod writer;
