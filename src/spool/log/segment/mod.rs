//! One segment file: its id, its header, its seal, and a reader that goes from frame to frame in bounded memory.

pub(crate) mod header;
pub(crate) mod id;
pub(crate) mod reader;
pub(crate) mod seal;

pub(crate) use header::Header;
pub use id::SegmentId;
pub(crate) use reader::{ReadStep, SegmentReader};
pub(crate) use seal::{Seal, seal_file};
