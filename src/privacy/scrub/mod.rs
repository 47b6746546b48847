//! Removes personal data (clauses 2.5 and 3.2) from every address, title, property and message before it is stored.
//!
//! [`address`] keeps the host, the scrubbed path and the allow-listed query parameters of an address. [`text`] replaces
//! e-mail addresses, phone numbers, UUIDs, long numbers and tokens. Paths and values are decoded first, as far as they can be read
//! ([`percent`]). Both borrow unchanged input, never panic, take linear
//! time, and do not change their own output.

mod address;
mod app;
mod host;
mod numbers;
pub mod percent;
mod query;
#[cfg(test)]
mod tests;
mod text;

pub use address::{AddressError, ScrubbedAddress, address};
pub use app::{AppReferrer, app_referrer};
pub use host::shown_host;
pub use query::{CLICK_IDS, Campaign};
pub use text::{text, value};
