//! Percent-encoding as it is stored: what can be read stands as characters, everything else encoded, in capitals.
//!
//! So that one page has one path, whoever wrote its address (RFC 3986, 6.2.2):
//!
//! - The encodings of letters, digits, `-._~` and of printable characters beyond ASCII are decoded.
//! - Those of reserved and control characters, blanks and invisible characters stay, with capital digits: `%2f` is `%2F`. They mean something
//!   else than the character.
//! - Bytes that are not UTF-8 stay encoded. Pages in windows-1251 have them, and two words must not become one.
//! - A percent sign that encodes nothing is written `%25`, so that no decoding makes a new encoding.
//!
//! The result is stable: encoding it again changes nothing.

use std::borrow::Cow;

/// Percent encodings within percent encodings that are followed.
pub(super) const MAX_DEPTH: u8 = 3;

/// A path in the form above. What a path may not hold unencoded (blanks, quotes, brackets) is encoded.
pub fn path(raw: &str) -> Cow<'_, str> {
    if raw.bytes().all(is_path_byte) {
        return Cow::Borrowed(raw);
    }
    let mut out = String::with_capacity(raw.len());
    for part in Parts(raw) {
        match part {
            Part::Character(letter) => push_raw(letter, is_path_byte, &mut out),
            Part::Escapes(escapes) => push_decoded(&unescape(escapes), is_unreserved, &mut out),
        }
    }
    Cow::Owned(out)
}

/// A value of a query as text: `+` is a blank, and all that is UTF-8 is decoded. A percent sign before two hexadecimal digits stands for a
/// byte that is not UTF-8; otherwise it is itself.
pub(super) fn query_value(raw: &str) -> Cow<'_, str> {
    if !raw.bytes().any(|byte| matches!(byte, b'+' | b'%')) {
        return Cow::Borrowed(raw);
    }
    Cow::Owned(text_of(unescape(&raw.replace('+', " "))))
}

/// A value that a person writes, encoded or not, as a query's value is stored. A `+` is itself.
pub fn value(written: &str) -> Cow<'_, str> {
    if !written.contains('%') {
        return Cow::Borrowed(written);
    }
    Cow::Owned(text_of(unescape(written)))
}

/// A query, or a part of one, in the form in which queries are stored.
pub fn query(written: &str) -> Cow<'_, str> {
    if written.is_ascii() && !written.contains(['%', ' ']) {
        return Cow::Borrowed(written);
    }
    let mut out = String::with_capacity(written.len());
    for part in Parts(written) {
        match part {
            Part::Character(' ') => out.push('+'),
            Part::Character(letter) => {
                push_raw(letter, |byte| byte.is_ascii_graphic() && byte != b'%', &mut out)
            }
            Part::Escapes(escapes) => push_decoded(&unescape(escapes), is_value_byte, &mut out),
        }
    }
    Cow::Owned(out)
}

/// Appends a text of [`query_value`] to a query, as its name or its value.
pub(super) fn push_query(text: &str, is_name: bool, out: &mut String) {
    let is_plain = |byte: u8| is_value_byte(byte) && !(is_name && byte == b'=');
    for (at, letter) in text.char_indices() {
        match letter {
            ' ' => out.push('+'),
            // It stands for a byte already.
            '%' if escape(&text.as_bytes()[at..]).is_some() => out.push('%'),
            _ => push_raw(letter, is_plain, out),
        }
    }
}

/// Decodes all that is UTF-8, for the scrubber. [`encode`] turns it back.
pub(super) fn decode(word: &str) -> String {
    let mut out = String::with_capacity(word.len());
    for chunk in unescape(word).utf8_chunks() {
        out.push_str(chunk.valid());
        out.extend(chunk.invalid().iter().filter_map(|byte| char::from_u32(INVALID + u32::from(*byte))));
    }
    out
}

/// Encodes a decoded text as a part of a segment of a path.
pub(super) fn encode(text: &str, out: &mut String) {
    for letter in text.chars() {
        match u32::from(letter).checked_sub(INVALID).map(u8::try_from) {
            Some(Ok(byte)) => push_byte(byte, out),
            _ => push_raw(letter, is_segment_byte, out),
        }
    }
}

/// A value without its percent encodings, also those within each other.
pub(super) fn decoded(value: &str) -> Cow<'_, str> {
    let mut value = Cow::Borrowed(value);
    for _ in 0..=MAX_DEPTH {
        if !(0..value.len()).any(|at| escape(&value.as_bytes()[at..]).is_some()) {
            break;
        }
        value = Cow::Owned(decode(&value));
    }
    value
}

/// The byte that a percent encoding at the beginning stands for.
pub fn escape(bytes: &[u8]) -> Option<u8> {
    let [b'%', high, low, ..] = bytes else { return None };
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    // Two hexadecimal digits are at most 255.
    Some((digit(high)? * 16 + digit(low)?) as u8)
}

/// Characters of the private use planes that stand for bytes that are not UTF-8, while a text is decoded.
const INVALID: u32 = 0x10_ff00;
/// Bytes of an encoding.
const ESCAPE: usize = 3;

enum Part<'a> {
    Character(char),
    /// One encoding or several without anything between.
    Escapes(&'a str),
}

struct Parts<'a>(&'a str);

impl<'a> Iterator for Parts<'a> {
    type Item = Part<'a>;

    fn next(&mut self) -> Option<Part<'a>> {
        let bytes = self.0.as_bytes();
        let mut end = 0;
        while escape(&bytes[end..]).is_some() {
            end += ESCAPE;
        }
        if end > 0 {
            let (escapes, rest) = self.0.split_at(end);
            self.0 = rest;
            return Some(Part::Escapes(escapes));
        }
        let letter = self.0.chars().next()?;
        self.0 = &self.0[letter.len_utf8()..];
        Some(Part::Character(letter))
    }
}

fn unescape(text: &str) -> Vec<u8> {
    let (bytes, mut out, mut at) = (text.as_bytes(), Vec::with_capacity(text.len()), 0);
    while at < bytes.len() {
        let (byte, len) = escape(&bytes[at..]).map_or((bytes[at], 1), |byte| (byte, ESCAPE));
        out.push(byte);
        at += len;
    }
    out
}

/// Bytes as text, with the encodings of those that are not UTF-8.
fn text_of(bytes: Vec<u8>) -> String {
    let is_ambiguous = |bytes: &[u8]| (0..bytes.len()).any(|at| escape(&bytes[at..]).is_some());
    let bytes = match String::from_utf8(bytes) {
        Ok(text) if !is_ambiguous(text.as_bytes()) => return text,
        Ok(text) => text.into_bytes(),
        Err(error) => error.into_bytes(),
    };
    let (mut out, mut at) = (String::with_capacity(bytes.len()), 0);
    for chunk in bytes.utf8_chunks() {
        for letter in chunk.valid().chars() {
            if escape(&bytes[at..]).is_some() {
                push_byte(b'%', &mut out);
            } else {
                out.push(letter);
            }
            at += letter.len_utf8();
        }
        chunk.invalid().iter().for_each(|byte| push_byte(*byte, &mut out));
        at += chunk.invalid().len();
    }
    out
}

/// Appends decoded bytes. ASCII that is not `plain` is encoded again.
fn push_decoded(bytes: &[u8], plain: fn(u8) -> bool, out: &mut String) {
    for chunk in bytes.utf8_chunks() {
        chunk.valid().chars().for_each(|letter| push_raw(letter, plain, out));
        chunk.invalid().iter().for_each(|byte| push_byte(*byte, out));
    }
}

/// Appends a character, encoded unless it is plain ASCII or can be seen.
fn push_raw(letter: char, plain: impl Fn(u8) -> bool, out: &mut String) {
    let stays = match u8::try_from(letter) {
        Ok(byte) if byte.is_ascii() => plain(byte),
        _ => is_visible(letter),
    };
    if stays {
        out.push(letter);
    } else {
        letter.encode_utf8(&mut [0; 4]).bytes().for_each(|byte| push_byte(byte, out));
    }
}

fn push_byte(byte: u8, out: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    out.extend(['%', char::from(DIGITS[usize::from(byte >> 4)]), char::from(DIGITS[usize::from(byte & 15)])]);
}

/// RFC 3986, 2.3.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// A byte that the URL Standard leaves in a query, and that separates and encodes nothing in it.
fn is_value_byte(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'"' | b'#' | b'%' | b'&' | b'\'' | b'+' | b'<' | b'>')
}

/// A byte that the URL Standard leaves in a path, and that encodes nothing.
fn is_path_byte(byte: u8) -> bool {
    byte.is_ascii_graphic()
        && !matches!(byte, b'"' | b'#' | b'%' | b'<' | b'>' | b'?' | b'\\' | b'^' | b'`' | b'{' | b'}')
}

/// RFC 3986, 3.3.
fn is_segment_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@".contains(&byte)
}

/// Whether a character beyond ASCII has a form of its own: no blank, control or private character, nothing unassigned.
fn is_visible(letter: char) -> bool {
    // Most are.
    if matches!(letter, 'А'..='я') {
        return true;
    }
    // Fillers are letters without a form.
    if matches!(
        letter,
        '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{3164}' | '\u{ffa0}' | '\u{fffd}'
    ) {
        return false;
    }
    // The standard library escapes what cannot be printed. Marks are printed with the letter before them.
    let mut text = [0; 5];
    text[0] = b'a';
    let len = 1 + letter.encode_utf8(&mut text[1..]).len();
    std::str::from_utf8(&text[..len]).is_ok_and(|text| text.escape_debug().nth(2).is_none())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_path_has_one_form() {
        for (raw, stored) in [
            ("/doctors", "/doctors"),
            ("/%D0%B2%D1%80%D0%B0%D1%87%D0%B8", "/врачи"),
            ("/%d0%b2%d1%80%d0%b0%d1%87%d0%b8", "/врачи"),
            ("/врачи", "/врачи"),
            ("/%64octors%2D1%7e", "/doctors-1~"),
            // Reserved characters mean something else when they are encoded.
            ("/a%2fb%3Fc%23d%3bе%40", "/a%2Fb%3Fc%23d%3Bе%40"),
            ("/a%20b c%09\"<>`{}^\\", "/a%20b%20c%09%22%3C%3E%60%7B%7D%5E%5C"),
            ("/a,b;c=d@e(f)!*'$&+:|[]", "/a,b;c=d@e(f)!*'$&+:|[]"),
            // Windows-1251, Latin-1, and a character that is cut off.
            ("/%E2%E5%F1%ED%E0", "/%E2%E5%F1%ED%E0"),
            ("/%e2%e5%f1%ed%e0", "/%E2%E5%F1%ED%E0"),
            ("/caf%e9", "/caf%E9"),
            ("/%D0%B2%D0", "/в%D0"),
            ("/%c0%af%ed%a0%80", "/%C0%AF%ED%A0%80"),
            // No new encoding comes about.
            ("/100%", "/100%25"),
            ("/100%25", "/100%25"),
            ("/%2541", "/%2541"),
            ("/%%341", "/%2541"),
            ("/%2%35", "/%2525"),
            // Invisible characters, private ones, a replacement that tells nothing.
            ("/%C2%A0%E2%80%8B%E2%80%AE%EF%BB%BF", "/%C2%A0%E2%80%8B%E2%80%AE%EF%BB%BF"),
            ("/\u{200d}\u{e000}\u{3164}", "/%E2%80%8D%EE%80%80%E3%85%A4"),
            ("/%EF%BF%BD", "/%EF%BF%BD"),
            // A letter with a mark, as macOS writes it; emoji; scripts of several kinds.
            ("/%D0%B8%CC%86", "/и\u{306}"),
            ("/%F0%9F%8F%A5%E6%97%A5%E6%9C%AC%D8%B9", "/🏥日本ع"),
        ] {
            assert_eq!(path(raw), stored, "{raw}");
            assert_eq!(path(stored), stored, "{raw}");
        }
    }

    #[test]
    fn values_are_read_and_other_encodings_stay_apart() {
        for (raw, text, query) in [
            ("spring", "spring", "spring"),
            ("%D0%B2%D0%B5%D1%81%D0%BD%D0%B0", "весна", "весна"),
            ("%E2%E5%F1%ED%E0", "%E2%E5%F1%ED%E0", "%E2%E5%F1%ED%E0"),
            ("%ee%f1%e5%ed%fc", "%EE%F1%E5%ED%FC", "%EE%F1%E5%ED%FC"),
            ("a+b%20c", "a b c", "a+b+c"),
            ("a%2Bb%26c%3Dd%23", "a+b&c=d#", "a%2Bb%26c=d%23"),
            ("100%25", "100%", "100%25"),
            ("100%", "100%", "100%25"),
            ("%2541", "%2541", "%2541"),
            ("%25%E2", "%%E2", "%25%E2"),
            ("%25E2", "%25E2", "%25E2"),
            ("a%00%0A", "a\0\n", "a%00%0A"),
        ] {
            assert_eq!(query_value(raw), text, "{raw}");
            let mut written = String::new();
            push_query(text, false, &mut written);
            assert_eq!(written, query, "{raw}");
            assert_eq!(query_value(query), text, "{raw}");
        }
    }

    proptest! {
        #[test]
        fn the_form_of_a_path_is_stable(raw in "(%[0-9a-fA-F]{2}|%|[ -~]|\\PC|\\pC){0,20}") {
            let once = path(&raw).into_owned();
            prop_assert_eq!(path(&once), once.as_str());
        }

        #[test]
        fn a_value_comes_back_from_the_query(raw in "(%[0-9a-fA-F]{2}|%|[ -~]|\\PC|\\pC){0,20}") {
            let text = query_value(&raw).into_owned();
            let mut query = String::new();
            push_query(&text, false, &mut query);
            prop_assert_eq!(query_value(&query), text.as_str());
            prop_assert!(!query.contains(['&', '#', ' ']));
        }

        #[test]
        fn what_the_scrubber_decodes_comes_back_as_it_was(raw in "(%[0-9A-F]{2}|[a-z@]|\\pL){0,20}") {
            let stored = path(&raw).into_owned();
            let mut again = String::new();
            encode(&decode(&stored), &mut again);
            prop_assert_eq!(path(&again).into_owned(), path(&again));
        }
    }
}
