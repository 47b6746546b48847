//! Content negotiation (RFC 9110, section 12): the language and the encoding that a client likes best.

mod encoded_file;
mod language;
mod weight;

pub(crate) use encoded_file::{EncodedFile, IMMUTABLE};
pub(crate) use language::Language;
