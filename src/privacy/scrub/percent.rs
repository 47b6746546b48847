//! Percent encodings (RFC 3986, 2.1).

use std::borrow::Cow;

/// Percent encodings within percent encodings that are followed.
pub(super) const MAX_DEPTH: u8 = 3;

/// The byte that a percent encoding at the beginning stands for.
pub(super) fn escape(bytes: &[u8]) -> Option<u8> {
    let [b'%', high, low, ..] = bytes else { return None };
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    // Two hexadecimal digits are at most 255.
    Some((digit(high)? * 16 + digit(low)?) as u8)
}

/// A value without its percent encodings, also those within each other.
pub(super) fn decoded(value: &str) -> Cow<'_, str> {
    let mut value = Cow::Borrowed(value);
    for _ in 0..=MAX_DEPTH {
        if !value.as_bytes().windows(3).any(|bytes| escape(bytes).is_some()) {
            break;
        }
        value = Cow::Owned(decode(value.as_bytes()));
    }
    value
}

pub(super) fn decode(chunk: &[u8]) -> String {
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
pub(super) fn encode(text: &str, all: bool, out: &mut String) {
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
