//! What a page says, without what may be personal (clauses 2.5 and 3.2): every address, title, property and message goes
//! through here before anything is written.
//!
//! [`address`] takes an address apart and keeps its host, its scrubbed path and the allow-listed query parameters;
//! [`text`] replaces e-mail addresses, phone numbers, UUIDs, long numbers and tokens. Both borrow what they do not change,
//! never panic, take time that grows with the length alone, and leave what they gave alone when they see it again.

mod address;
mod numbers;
mod query;
#[cfg(test)]
mod tests;
mod text;

use std::borrow::Cow;

pub use address::{Address, AddressError, address};
pub use query::{CLICK_IDS, Campaign};

/// A text without what may be personal, at most `max_bytes` long and cut between characters.
pub fn text(text: &str, max_bytes: usize) -> Cow<'_, str> {
    let mut scrubbed = text::scrub(text);
    // What is cut may look different without its end, so that it is looked at again until it fits and stays.
    while scrubbed.len() > max_bytes {
        let end = scrubbed.floor_char_boundary(max_bytes);
        scrubbed = match scrubbed {
            Cow::Borrowed(whole) => text::scrub(&whole[..end]),
            Cow::Owned(mut whole) => {
                whole.truncate(end);
                match text::scrub(&whole) {
                    Cow::Borrowed(_) => Cow::Owned(whole),
                    Cow::Owned(again) => Cow::Owned(again),
                }
            }
        };
    }
    scrubbed
}
