//! Removes personal data (clauses 2.5 and 3.2) from every address, title, property and message before it is stored.
//!
//! [`address`] keeps the host, the scrubbed path and the allow-listed query parameters of an address. [`text`], [`value`] and
//! [`advertisement`] scrub texts. Paths and parameters are decoded first, as far as they can be read ([`percent`]). All borrow
//! unchanged input, never panic, take linear time, and do not change their own output.
//!
//! The word before a number or token decides about it, in both directions (`label`): what follows `patients` or `token` is
//! personal, what follows `articles` or `price` is not. Where no word decides, the shape does (`shapes`).

mod address;
mod app;
mod camel;
mod click_ids;
mod host;
mod label;
mod labelled;
pub mod percent;
mod placeholder;
mod query;
mod scanner;
mod shapes;
#[cfg(test)]
mod tests;
mod text;
mod words;

pub use address::{AddressError, ScrubbedAddress, address};
pub use app::{AppReferrer, app_referrer};
pub use click_ids::CLICK_IDS;
pub use host::shown_host;
pub use placeholder::is_in as has_placeholder;
pub use query::Campaign;
pub use text::{advertisement, text, value};
