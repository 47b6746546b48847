//! The pipeline of a beacon: from its bytes to rows that are synced to disk.
//!
//! A beacon is refused or its events are dropped before anything is written. A beacon is written as a whole or not at all.

pub mod assemble;
mod collector;
mod duplicate_filter;
pub(crate) mod origin;
mod outcome;
mod pipeline;
mod recent_refusals;

pub use collector::Collector;
pub use origin::SendingPage;
pub use outcome::{Accepted, IngestError, RefusedBeacon, Sender};
pub use pipeline::{
    BeaconOutcome, BeaconPipeline, PipelineStep, PipelineTrace, SignatureState, VisitPreview,
};
pub use recent_refusals::RecentRefusals;
