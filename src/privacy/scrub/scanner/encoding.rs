//! Percent-encoded chunks, which may hide anything, even blanks.

use std::borrow::Cow;

use super::{MAX_DEPTH, TextScanner, pass};
use crate::privacy::scrub::label::Link;

impl TextScanner<'_> {
    /// Decodes a chunk, scrubs it and, if something was found, encodes it again.
    pub(super) fn encoded_chunk(&mut self, start: usize, end: usize) {
        if self.depth >= MAX_DEPTH {
            self.replace(start, end, ":token");
            return;
        }
        let chunk = &self.bytes[start..end];
        let decoded = decode(chunk);
        let (scrubbed, context) = pass(&decoded, self.depth + 1, self.context);
        if let Cow::Owned(scrubbed) = scrubbed {
            let mut encoded = String::with_capacity(scrubbed.len());
            encode(&scrubbed, chunk.is_ascii(), &mut encoded);
            self.replace(start, end, &encoded);
        }
        let path = self.context.is_path();
        self.context = context;
        // An encoded slash or blank does not end the segment of the path.
        if path {
            self.context.stay_in_path();
        }
        if self.context.link == Link::None {
            self.context.reset();
        }
        self.forget_words();
    }
}

/// The byte that a percent encoding at the beginning stands for.
pub(super) fn escape(bytes: &[u8]) -> Option<u8> {
    let [b'%', high, low, ..] = bytes else { return None };
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    // Two hexadecimal digits are at most 255.
    Some((digit(high)? * 16 + digit(low)?) as u8)
}

/// A value without its percent encodings, also those within each other.
pub(in crate::privacy::scrub) fn decoded(value: &str) -> Cow<'_, str> {
    let mut value = Cow::Borrowed(value);
    for _ in 0..=MAX_DEPTH {
        if !value.as_bytes().windows(3).any(|bytes| escape(bytes).is_some()) {
            break;
        }
        value = Cow::Owned(decode(value.as_bytes()));
    }
    value
}

fn decode(chunk: &[u8]) -> String {
    let mut bytes = Vec::with_capacity(chunk.len());
    let mut at = 0;
    while at < chunk.len() {
        match escape(&chunk[at..]) {
            Some(byte) => {
                bytes.push(byte);
                at += 3;
            }
            None => {
                bytes.push(chunk[at]);
                at += 1;
            }
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// Percent-encodes all but what a path segment may hold (RFC 3986, 3.3), and letters beyond ASCII if `all`.
fn encode(text: &str, all: bool, out: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for character in text.chars() {
        let is_plain = character.is_ascii_alphanumeric() || "-._~!$&'()*+,;=:@".contains(character);
        if is_plain || (!all && character.is_alphanumeric() && !character.is_ascii()) {
            out.push(character);
            continue;
        }
        for byte in character.encode_utf8(&mut [0; 4]).bytes() {
            out.push('%');
            out.push(char::from(DIGITS[usize::from(byte >> 4)]));
            out.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
    }
}
