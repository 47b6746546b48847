//! What the public side needs of the pipeline, as a trait, so that tests can take its place.

use hyper::HeaderMap;

use crate::beacon::{WireFormat, WireInput};
use crate::ingest::{Accepted, Collector, RefusedBeacon, Sender};

pub trait BeaconCollector: Send + Sync + 'static {
    /// Returns once the beacon's events are on disk, synced.
    fn store(
        &self,
        sender: Sender<'_>,
        headers: &HeaderMap,
        format: &WireFormat,
        input: &WireInput<'_>,
    ) -> impl Future<Output = Result<Accepted, RefusedBeacon>> + Send;
}

impl BeaconCollector for Collector {
    // Not an `async fn`: its future would hold the arguments a second time.
    fn store(
        &self,
        sender: Sender<'_>,
        headers: &HeaderMap,
        format: &WireFormat,
        input: &WireInput<'_>,
    ) -> impl Future<Output = Result<Accepted, RefusedBeacon>> + Send {
        self.collect(sender, headers, format, input)
    }
}
