//! Country, region, city and network of an address, from local MaxMind files alone (clause 3.4).
//!
//! The first file that has a country for the address gives the place; the first that has an autonomous system gives the
//! network. Both layouts are read: nested (GeoLite2, GeoIP2, DB-IP) and flat (`country_code`, `state1`, `city`). Decoded
//! records are cached by their offset in the file, never by the address.

mod file;
mod location;
mod lookup;
mod record;
#[cfg(test)]
mod tests;

pub use location::GeoPlace;
pub use lookup::GeoLookup;
