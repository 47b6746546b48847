//! What the public side needs of the pipeline, as a trait, so that tests can take its place.

use hyper::HeaderMap;

use crate::beacon::{WireFormat, WireInput};
use crate::ingest::{Accepted, Collector, RefusedBeacon, Sender, VisitPreview};
use crate::privacy::{Peer, ReferenceCode, Subject};

pub trait BeaconCollector: Send + Sync + 'static {
    /// Returns once the beacon's events are on disk, synced.
    fn store(
        &self,
        sender: Sender<'_>,
        headers: &HeaderMap,
        format: &WireFormat,
        input: &WireInput<'_>,
    ) -> impl Future<Output = Result<Accepted, RefusedBeacon>> + Send;

    /// What would be kept of a visit to the site; `None` if the site or the key is missing.
    fn preview(&self, visitor: Peer, headers: &HeaderMap, site: Option<&str>) -> Option<VisitPreview>;

    /// The code with which the visitor can name the rows of this epoch.
    fn reference(&self, subject: &Subject) -> ReferenceCode;
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

    fn preview(&self, visitor: Peer, headers: &HeaderMap, site: Option<&str>) -> Option<VisitPreview> {
        Collector::preview(self, visitor, headers, site)
    }

    fn reference(&self, subject: &Subject) -> ReferenceCode {
        self.references().code_of(subject)
    }
}
