//! Replaces e-mail addresses, phone numbers, UUIDs, long numbers and tokens in a text.
//!
//! One scanner reads the text word by word. Each rule looks a bounded distance ahead, so the time is linear in the length.
//! A text without a suspicious character is returned unchanged. The rules, in the order in which they are tried on a word:
//!
//! | found | replacement |
//! |---|---|
//! | a percent-encoded word | decoded, scrubbed and, if something was found, encoded again |
//! | `local@domain`, in any script, but not `function@https://…` of a stack trace | `:email` |
//! | 8-4-4-4-12 hexadecimal digits | `:uuid` |
//! | a JWT; 16 or more hexadecimal digits; 20 or more letters and digits as mixed as random ones are | `:token` |
//! | digits grouped as phone numbers are ([`numbers`](super::numbers)) | `:phone` |
//! | six or more digits in a row; card, insurance and IPv4 numbers | `:number` |
//!
//! Years, dates (`2026-11-22`), prices and ids of up to five digits stay. Names of people cannot be distinguished from other
//! words and stay too.

use std::borrow::Cow;

use super::{numbers, percent};
use crate::beacon::short_decimal;

/// Shorter runs of digits stay: years, house numbers and short ids.
const LONG_NUMBER: usize = 6;
/// Hexadecimal digits from which a run is a token: an abbreviated commit (7 to 12) stays.
const HEX_TOKEN: usize = 16;
/// Letters and digits from which a mixed run is a token.
const MIXED_TOKEN: usize = 20;
/// A run this long with a digit, or three times as long without one, is not a word of any language.
const ENDLESS: usize = 40;
/// Percent encodings within percent encodings that are followed.
const MAX_DEPTH: u8 = 3;
/// A replacement may cause another one (`a@b` cut out of a longer text). A text settles within this many rounds.
const MAX_ROUNDS: usize = 6;

/// The text without personal data, at most `max_bytes` long and cut between characters.
pub fn text(text: &str, max_bytes: usize) -> Cow<'_, str> {
    let mut scrubbed = scrub(text);
    // A text without its end may match other rules, so it is scrubbed again until it fits and does not change.
    while scrubbed.len() > max_bytes {
        let end = scrubbed.floor_char_boundary(max_bytes);
        scrubbed = match scrubbed {
            Cow::Borrowed(whole) => scrub(&whole[..end]),
            Cow::Owned(mut whole) => {
                whole.truncate(end);
                match scrub(&whole) {
                    Cow::Borrowed(_) => Cow::Owned(whole),
                    Cow::Owned(again) => Cow::Owned(again),
                }
            }
        };
    }
    scrubbed
}

/// The value of a property without personal data. A whole value that is a number stays one, with few digits.
pub fn value(value: &str, max_bytes: usize) -> Cow<'_, str> {
    match text(value, max_bytes) {
        Cow::Owned(_) if numbers::is_rounded(value) => Cow::Borrowed(value),
        Cow::Owned(_) if numbers::is_fraction(value) => {
            Cow::Owned(short_decimal(value.parse().unwrap_or_default()))
        }
        scrubbed => scrubbed,
    }
}

/// Replaces personal data, until nothing changes.
pub(super) fn scrub(text: &str) -> Cow<'_, str> {
    if !is_suspicious(text.as_bytes()) {
        return Cow::Borrowed(text);
    }
    let Cow::Owned(mut scrubbed) = pass(text, 0) else { return Cow::Borrowed(text) };
    for _ in 1..MAX_ROUNDS {
        match pass(&scrubbed, 0) {
            Cow::Borrowed(_) => break,
            Cow::Owned(again) => scrubbed = again,
        }
    }
    Cow::Owned(scrubbed)
}

/// Whether any rule could apply. It reads each byte once and returns most texts early.
fn is_suspicious(text: &[u8]) -> bool {
    let mut digits = 0;
    let mut run = 0;
    for &byte in text {
        match byte {
            b'@' | b'%' => return true,
            b'0'..=b'9' => {
                digits += 1;
                run += 1;
            }
            b'a'..=b'z' | b'A'..=b'Z' | b'-' | b'_' => run += 1,
            _ => run = 0,
        }
        if digits >= LONG_NUMBER || run >= 3 * ENDLESS || (run >= HEX_TOKEN && digits > 0) {
            return true;
        }
    }
    false
}

/// One round over the text.
fn pass(text: &str, depth: u8) -> Cow<'_, str> {
    let mut scanner = TextScanner { text, bytes: text.as_bytes(), copied: 0, out: String::new(), depth };
    let mut at = 0;
    while at < text.len() {
        at = scanner.step(at);
    }
    scanner.finish()
}

struct TextScanner<'a> {
    text: &'a str,
    bytes: &'a [u8],
    /// End of the part of the text that is in `out`.
    copied: usize,
    out: String,
    depth: u8,
}

impl<'a> TextScanner<'a> {
    /// Handles what starts at `at` and returns where to continue, which is always later.
    fn step(&mut self, at: usize) -> usize {
        if self.bytes[at] == b'('
            && let Some(end) = self.number_at(at)
        {
            return end;
        }
        let end = word_end(self.bytes, at);
        if end == at {
            return at + separator(&self.bytes[at..]).max(1);
        }
        self.word(at, end)
    }

    /// Scrubs the word in `start..end` and returns where to continue: a phone number may reach beyond the word.
    fn word(&mut self, start: usize, end: usize) -> usize {
        let word = &self.bytes[start..end];
        if word.contains(&b'%') {
            self.encoded_word(start, end);
            return end;
        }
        let mut at = start;
        while let Some((from, to)) = email(self.bytes, at, end) {
            let reached = self.plain_word(at, from);
            debug_assert!(reached <= from, "a number never reaches into an e-mail address");
            self.replace(from, to, ":email");
            at = to;
        }
        self.plain_word(at, end)
    }

    /// A word with percent encodings, which may hide anything, even spaces.
    fn encoded_word(&mut self, start: usize, end: usize) {
        if self.depth >= MAX_DEPTH {
            self.replace(start, end, ":token");
            return;
        }
        let decoded = percent::decode(&self.text[start..end]);
        if let Cow::Owned(scrubbed) = pass(&decoded, self.depth + 1) {
            let mut encoded = String::with_capacity(scrubbed.len());
            percent::encode(&scrubbed, &mut encoded);
            self.replace(start, end, &encoded);
        }
    }

    /// A word without `@` and `%`: UUIDs, tokens, phones and numbers in it.
    fn plain_word(&mut self, start: usize, end: usize) -> usize {
        if let Some(to) = jwt(self.bytes, start, end) {
            self.replace(start, to, ":token");
            return to;
        }
        let mut at = start;
        let mut run_checked = start;
        while at < end {
            let byte = self.bytes[at];
            if at >= run_checked && is_run(byte) {
                // Letters, digits, `-` and `_` together may be one base64url token.
                run_checked = at + self.bytes[at..end].iter().take_while(|byte| is_run(**byte)).count();
                if is_base64url(&self.bytes[at..run_checked]) {
                    self.replace_token(at, run_checked);
                    at = run_checked;
                    continue;
                }
            }
            if byte.is_ascii_alphanumeric() {
                if is_uuid(&self.bytes[at..end]) {
                    self.replace(at, at + UUID, ":uuid");
                    at += UUID;
                    continue;
                }
                let part = at + self.bytes[at..end].iter().take_while(|b| b.is_ascii_alphanumeric()).count();
                if is_token(&self.bytes[at..part]) {
                    self.replace_token(at, part);
                    at = part;
                    continue;
                }
                if byte.is_ascii_digit()
                    && let Some(reached) = self.number_at(at)
                {
                    if reached >= end {
                        return reached;
                    }
                    at = reached;
                    continue;
                }
                self.long_numbers(at, part);
                at = part;
            } else if byte == b'+'
                && let Some(reached) = self.number_at(at)
            {
                if reached >= end {
                    return reached;
                }
                at = reached;
            } else {
                at += 1;
            }
        }
        end
    }

    /// Replaces a phone or grouped number that starts at `at`. Returns where it ends.
    fn number_at(&mut self, at: usize) -> Option<usize> {
        let found = numbers::find(self.bytes, at)?;
        self.replace(at, found.end, found.marker);
        Some(found.end)
    }

    /// Replaces the long digit runs within letters and digits.
    fn long_numbers(&mut self, start: usize, end: usize) {
        let mut at = start;
        while at < end {
            let digits = self.bytes[at..end].iter().take_while(|byte| byte.is_ascii_digit()).count();
            if digits >= LONG_NUMBER {
                self.replace(at, at + digits, ":number");
            }
            at += digits.max(1);
        }
    }

    /// Replaces a token with the padding of base64 behind it.
    fn replace_token(&mut self, start: usize, end: usize) {
        let padding = self.bytes[end..].iter().take(2).take_while(|byte| **byte == b'=').count();
        // A query's `token=value` has its `=` before something; padding ends the word.
        let ends = self.bytes.get(end + padding).is_none_or(|byte| !byte.is_ascii_alphanumeric());
        self.replace(start, if ends { end + padding } else { end }, ":token");
    }

    fn replace(&mut self, start: usize, end: usize, marker: &str) {
        if self.out.capacity() == 0 {
            self.out.reserve(self.text.len());
        }
        self.out.push_str(&self.text[self.copied..start]);
        self.out.push_str(marker);
        self.copied = end;
    }

    fn finish(mut self) -> Cow<'a, str> {
        if self.copied == 0 {
            return Cow::Borrowed(self.text);
        }
        self.out.push_str(&self.text[self.copied..]);
        Cow::Owned(self.out)
    }
}

/// Bytes of a UUID with its hyphens.
const UUID: usize = 36;

/// Where the word that starts at `at` ends; `at` itself if a separator stands there.
fn word_end(bytes: &[u8], mut at: usize) -> usize {
    while let Some(&byte) = bytes.get(at) {
        let is_word = match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-' | b'.' | b'+' | b'~' | b'@' => true,
            b'%' => percent::escape(&bytes[at..]).is_some(),
            0x80.. => separator(&bytes[at..]) == 0,
            _ => false,
        };
        if !is_word {
            break;
        }
        at += 1;
    }
    at
}

/// Bytes of the non-ASCII separator at the beginning: no-break spaces, dashes, quotation marks (U+00A0 to U+00BF and
/// U+2000 to U+206F). 0 when there is none.
fn separator(bytes: &[u8]) -> usize {
    match bytes {
        [0xc2, 0xa0..=0xbf, ..] => 2,
        [0xe2, 0x80 | 0x81, ..] => 3,
        _ => 0,
    }
}

/// The first e-mail address in `start..end`, which lies within one word.
fn email(bytes: &[u8], start: usize, end: usize) -> Option<(usize, usize)> {
    let mut from = start;
    while let Some(at) = memchr::memchr(b'@', &bytes[from..end]).map(|at| from + at) {
        let after = &bytes[at + 1..end];
        let domain =
            &after[..after.iter().position(|byte| matches!(byte, b'@' | b'+' | b'~')).unwrap_or(after.len())];
        let domain = trim_dots(domain);
        let is_url = bytes[at + 1 + domain.len()..].starts_with(b"://");
        if at > from && is_domain(domain) && !is_url {
            // A part after another `@` belongs to it: `user@mail@host`.
            let whole =
                &after[..after.iter().position(|byte| matches!(byte, b'+' | b'~')).unwrap_or(after.len())];
            return Some((from, at + 1 + trim_dots(whole).len()));
        }
        from = at + 1;
    }
    None
}

/// Whether the last label begins with a letter, or four labels may be an IPv4 address. Versions (`react@18.2.0`) have
/// neither.
fn is_domain(domain: &[u8]) -> bool {
    let last = domain.rsplit(|byte| *byte == b'.').next().unwrap_or_default();
    last.first().is_some_and(|byte| byte.is_ascii_alphabetic() || *byte >= 0x80)
        || domain.split(|byte| *byte == b'.').filter(|label| !label.is_empty()).count() == 4
}

/// The text without dots at its end, which end a sentence.
fn trim_dots(text: &[u8]) -> &[u8] {
    &text[..text.len() - text.iter().rev().take_while(|byte| **byte == b'.').count()]
}

/// Where the JSON Web Token that starts at `start` ends: three base64url parts, of which the first is a JSON object.
fn jwt(bytes: &[u8], start: usize, end: usize) -> Option<usize> {
    let word = &bytes[start..end];
    if !word.starts_with(b"eyJ") {
        return None;
    }
    let length = word.iter().take_while(|byte| is_run(**byte) || **byte == b'.').count();
    (word[..length].iter().filter(|byte| **byte == b'.').count() >= 2).then_some(start + length)
}

/// Whether the text begins with 8-4-4-4-12 hexadecimal digits, and no more.
fn is_uuid(bytes: &[u8]) -> bool {
    bytes.len() >= UUID
        && bytes[..UUID].iter().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
        && bytes.get(UUID).is_none_or(|byte| !byte.is_ascii_alphanumeric())
}

fn is_token(part: &[u8]) -> bool {
    if part.len() < HEX_TOKEN {
        return false;
    }
    let digits = part.iter().filter(|byte| byte.is_ascii_digit()).count();
    if digits == part.len() {
        return false;
    }
    let is_hex = digits > 0 && part.iter().all(u8::is_ascii_hexdigit);
    is_hex
        || (digits > 0 && part.len() >= ENDLESS)
        || part.len() >= 3 * ENDLESS
        || is_random(part, MIXED_TOKEN)
}

/// Whether a run with hyphens or underscores is one token as a whole, rather than words and tokens.
fn is_base64url(run: &[u8]) -> bool {
    let is_joint = |byte: &u8| matches!(byte, b'-' | b'_');
    let mut starts = (0..run.len()).filter(|at| *at == 0 || is_joint(&run[at - 1]));
    run.iter().any(is_joint)
        && is_random(run, MIXED_TOKEN + 4)
        && !run.split(is_joint).any(is_token)
        && !starts.any(|start| is_uuid(&run[start..]))
}

/// Whether letters and digits are mixed like random ones. Words and identifiers change from letters to digits, or to
/// capitals within a word, at most every four or five letters.
fn is_random(run: &[u8], least: usize) -> bool {
    if run.len() < least {
        return false;
    }
    let mut digit_changes = 0;
    let mut capitals = 0;
    for pair in run.windows(2) {
        if !pair[0].is_ascii_alphanumeric() || !pair[1].is_ascii_alphanumeric() {
            continue;
        }
        digit_changes += usize::from(pair[0].is_ascii_digit() != pair[1].is_ascii_digit());
        capitals += usize::from(pair[0].is_ascii_lowercase() && pair[1].is_ascii_uppercase());
    }
    let one_case = capitals == 0;
    let digits = if one_case { 4 } else { 2 };
    digit_changes >= digits && (digit_changes + capitals) * 5 >= run.len()
}

/// A byte of a base64url token.
fn is_run(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}
