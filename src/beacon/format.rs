//! What every wire format declares.

use std::borrow::Cow;

use super::error::MalformedBeacon;
use super::page_load::Beacon;
use super::wire::MendedBody;

/// A wire format: where its beacons arrive, how they are parsed, and how they are answered.
#[derive(Debug)]
pub struct WireFormat {
    /// Its name in metrics.
    pub name: &'static str,
    pub path: &'static str,
    pub transfer: BeaconTransfer,
    /// Its line in `docs/wire.md`.
    pub about: &'static str,
    /// The second argument holds the texts that had to be mended.
    ///
    /// # Errors
    /// With the field without which nothing can be stored, and the fault.
    pub parse: for<'a> fn(&WireInput<'a>, &'a MendedBody) -> Result<Beacon<'a>, MalformedBeacon>,
    /// The site that an input names which is not a beacon.
    pub site_of: for<'a> fn(&WireInput<'a>, &'a MendedBody) -> Option<Cow<'a, str>>,
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
