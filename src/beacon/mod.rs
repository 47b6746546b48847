//! Bytes in, a [`Beacon`] out: a checked type that borrows from the body wherever JSON allows.
//!
//! [`json`] reads version 1 of the wire format (`docs/wire.md`), [`pixel`] the image of one pixel; a further format is a file
//! beside them and an entry of [`WIRE_FORMATS`]. Texts are still raw: only
//! `privacy::scrub` removes personal data. An error names the field and the fault and never repeats what was sent.
//!
//! Only a fault of the envelope (the version, the site, the page load, the list of events, all pages) refuses a beacon. Another fault costs
//! a field, or the event that is nothing without it ([`LeftOut`]).

mod error;
mod event;
mod format;
mod hints;
pub mod json;
pub mod limits;
mod link;
mod page_load;
pub mod pixel;
mod registry;
#[cfg(test)]
mod tests;
mod vitals;
mod wire;

pub use error::{LeftOut, MalformedBeacon};
pub use event::{AdAction, BeaconEvent, EventDetail, PageAddress, ScriptError};
pub use format::{BeaconTransfer, WireFormat, WireInput};
pub use hints::{ClientHints, SentHints};
pub use limits::{MAX_AGE_MS, MAX_BODY, MAX_COOKIES, MAX_EVENTS, MAX_PROPS};
pub use page_load::{Beacon, VERSION};
pub use registry::WIRE_FORMATS;
pub use vitals::WebVitals;
pub use wire::{MendedBody, RawText, short_decimal};
