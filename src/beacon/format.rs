//! What every wire format declares.

use super::error::MalformedBeacon;
use super::page_load::Beacon;

/// A wire format: where its beacons arrive, how they are parsed, and how they are answered.
#[derive(Debug)]
pub struct WireFormat {
    /// Its name in metrics.
    pub name: &'static str,
    pub path: &'static str,
    pub transfer: BeaconTransfer,
    /// Its line in `docs/wire.md`.
    pub about: &'static str,
    /// # Errors
    /// With the field and the fault.
    pub parse: for<'a> fn(&WireInput<'a>) -> Result<Beacon<'a>, MalformedBeacon>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BeaconTransfer {
    /// As the body of a `POST` with one of these content types, or none. The response is 204. Browsers get CORS headers, and
    /// senders may use tokens.
    Post { content_types: &'static [&'static str] },
    /// In the query of a `GET`. The response is an image of one pixel.
    Pixel,
}

/// The parts of a request that a format may read.
#[derive(Debug, Clone, Copy)]
pub struct WireInput<'a> {
    /// Empty for [`BeaconTransfer::Pixel`].
    pub body: &'a [u8],
    pub query: &'a str,
    /// Empty except for [`BeaconTransfer::Pixel`].
    pub referer: &'a str,
    /// Returns a random id, for formats without one.
    pub random_page_load: fn() -> u64,
}
