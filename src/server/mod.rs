//! The public side: the script, beacons, CORS, rate limits, and the metrics of requests.
//!
//! [`PublicHandler`] answers the requests that [`transport`](crate::transport) reads and passes beacons to a
//! [`BeaconCollector`]. It refuses everything that `docs/wire.md` lists before the events of a beacon are read. Nothing here
//! logs an address, keeps it, or uses it as a label of a metric.

mod body;
mod collector;
mod cors;
mod handler;
mod log_throttle;
mod refusal;
mod request_metrics;
mod response;
mod route;
mod script;
mod visitor_page;

pub use collector::BeaconCollector;
pub use handler::{EraseVisitor, PublicHandler, PublicOptions, X_FOOTFALL_ADDRESS, pixel_referer};
pub use refusal::RefusalReason;
pub use visitor_page::ErasureResult;
