use hyper::HeaderMap;

use crate::ingest::{Accepted, Collector, IngestError, Sender};
use crate::privacy::Peer;

/// Stores beacons.
pub trait BeaconCollector: Send + Sync + 'static {
    /// Stores the beacon of a `POST /b`. Returns once its events are on disk, synced.
    fn beacon(
        &self,
        sender: Sender<'_>,
        headers: &HeaderMap,
        body: &[u8],
    ) -> impl Future<Output = Result<Accepted, IngestError>> + Send;

    /// Stores the view of a `GET /b.gif`.
    fn pixel(
        &self,
        peer: Peer,
        headers: &HeaderMap,
        query: Option<&str>,
    ) -> impl Future<Output = Result<Accepted, IngestError>> + Send;
}

impl BeaconCollector for Collector {
    async fn beacon(
        &self,
        sender: Sender<'_>,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<Accepted, IngestError> {
        Self::beacon(self, sender, headers, body).await
    }

    async fn pixel(
        &self,
        peer: Peer,
        headers: &HeaderMap,
        query: Option<&str>,
    ) -> Result<Accepted, IngestError> {
        Self::pixel(self, peer, headers, query).await
    }
}
