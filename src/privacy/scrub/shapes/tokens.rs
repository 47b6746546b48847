//! Random ids and encoded texts: UUIDs, JSON Web Tokens, hexadecimal and base64 runs.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};

use super::letters::{noise, noise_of_one_word};

/// Bytes of a UUID with its hyphens.
pub(in crate::privacy::scrub) const UUID: usize = 36;
/// Hexadecimal digits from which a run is a token: an abbreviated commit (7 to 12) stays.
const HEX_TOKEN: usize = 16;
/// Letters and digits from which a mixed run is a token.
const MIXED_TOKEN: usize = 20;
/// Letters and digits from which a run that is much noisier than any word is one.
const SHORT_TOKEN: usize = 15;
/// A run this long with a digit, or three times as long without one, is not a word of any language.
const ENDLESS: usize = 40;
/// Least noise of a token, of a short token, and of one behind a word that announces it. See [`noise`].
const NOISE: u32 = 10;
const SHORT_NOISE: u32 = 17;
/// The same of a token without a digit: names of functions have more noise than other words, and hardly ever a digit within.
const LETTERS_NOISE: u32 = 15;
const ANNOUNCED_NOISE: u32 = 9;
/// The same of small letters alone, such as words of pages are.
const ANNOUNCED_LETTERS_NOISE: u32 = 11;
/// Words of few letters may have more noise than longer ones.
const WORD_NOISE: u32 = 16;
/// Characters of base64 that could hide something: 12 bytes, or 8 of an e-mail address.
const ENCODED: usize = 16;
const ENCODED_EMAIL: usize = 12;
/// Characters of a run with hyphens or underscores that are looked at together.
pub(in crate::privacy::scrub) const MAX_RUN: usize = 200;
/// Characters of standard base64 from which a run with a plus or slash is a token, and that are looked at.
const BASE64: usize = 24;
const MAX_BASE64: usize = 512;
/// Most characters of base64 that are decoded: an e-mail address has at most 254 bytes.
const MAX_ENCODED: usize = 400;

/// Whether the text begins with 8-4-4-4-12 hexadecimal digits, and no more.
pub(in crate::privacy::scrub) fn is_uuid(bytes: &[u8]) -> bool {
    bytes.len() >= UUID
        && bytes[8] == b'-'
        && bytes[..UUID].iter().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
        && bytes.get(UUID).is_none_or(|byte| !byte.is_ascii_alphanumeric())
}

/// Where the JSON Web Token that starts at `start` ends: three base64url parts; the first is a JSON object.
pub(in crate::privacy::scrub) fn jwt(bytes: &[u8], start: usize, end: usize) -> Option<usize> {
    let word = &bytes[start..end];
    if !word.starts_with(b"eyJ") {
        return None;
    }
    let length = word.iter().take_while(|byte| is_run(**byte) || **byte == b'.').count();
    (word[..length].iter().filter(|byte| **byte == b'.').count() >= 2).then_some(start + length)
}

/// Whether letters and digits are a token.
pub(in crate::privacy::scrub) fn is_token(part: &[u8]) -> bool {
    if part.len() < SHORT_TOKEN || !part.is_ascii() {
        return false;
    }
    let digits = part.iter().filter(|byte| byte.is_ascii_digit()).count();
    if digits == part.len() {
        return false;
    }
    let is_hex = digits > 0 && part.len() >= HEX_TOKEN && part.iter().all(u8::is_ascii_hexdigit);
    is_hex
        || (digits > 0 && part.len() >= ENDLESS)
        || part.len() >= 3 * ENDLESS
        || is_random(part)
        || is_text(part)
}

/// Whether a run may hold a token: slugs have neither digits nor capitals, or few, or a number at their beginning or end.
pub(in crate::privacy::scrub) fn may_hold_token(run: &[u8]) -> bool {
    let number = run.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let begins_with_number = run.get(number).is_some_and(|byte| is_joint(*byte));
    let inner = run[if begins_with_number { number } else { 0 }..]
        .iter()
        .rev()
        .skip_while(|byte| byte.is_ascii_digit());
    run.len() >= MIXED_TOKEN
        && inner.filter(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase()).count() > 1
}

/// Whether a run with hyphens or underscores is one token as a whole, rather than words and tokens.
pub(in crate::privacy::scrub) fn is_joint_token(run: &[u8]) -> bool {
    let pieces = || run.split(|byte| is_joint(*byte)).filter(|piece| !piece.is_empty());
    let mut starts = (0..run.len()).filter(|at| *at == 0 || is_joint(run[at - 1]));
    let joints = run.iter().filter(|byte| is_joint(**byte)).count();
    run.len() >= MIXED_TOKEN
        // One of 32 random characters is a hyphen or underscore.
        && joints > 0
        && (joints * 5 < run.len() || noise(run) >= SHORT_NOISE)
        && (is_random(run) || is_text(run))
        && !pieces().all(is_constant)
        && !pieces().any(|piece| is_word(piece) && (piece.len() > 3 || noise(run) < SHORT_NOISE))
        && !starts.any(|start| is_uuid(&run[start..]))
}

/// Length of the word at the beginning of a run, with the hyphens or underscores behind it.
pub(in crate::privacy::scrub) fn leading_word(run: &[u8]) -> Option<usize> {
    let length = run.iter().position(|byte| is_joint(*byte))?;
    let joints = run[length..].iter().take_while(|byte| is_joint(**byte)).count();
    (length == 0 || is_word(&run[..length])).then_some(length + joints)
}

/// Whether letters are a word, in small letters, in capitals or with a capital at its beginning.
fn is_word(piece: &[u8]) -> bool {
    const LEAST: usize = 3;
    let Some((first, rest)) = piece.split_first() else { return false };
    let is_plain = rest.iter().all(u8::is_ascii_lowercase) && first.is_ascii_alphabetic();
    let is_capitals = piece.len() > LEAST && piece.iter().all(u8::is_ascii_uppercase);
    (is_plain && piece.len() >= LEAST && noise(piece) < WORD_NOISE)
        || (is_capitals && noise(piece) < ANNOUNCED_NOISE)
}

/// Whether a piece is one of a constant's name: `AEAD`, `128`, `SHA256`, and not `x7Kp`.
fn is_constant(piece: &[u8]) -> bool {
    let letters = piece.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
    let (letters, digits) = piece.split_at(letters);
    digits.iter().all(u8::is_ascii_digit)
        && digits.len() <= 4
        && (letters.iter().all(u8::is_ascii_uppercase) || letters.iter().all(u8::is_ascii_lowercase))
}

/// Whether letters are words in camel case: `RawRestoreState`.
fn is_camel_case(value: &[u8]) -> bool {
    const LEAST: usize = 3;
    if !value.iter().all(u8::is_ascii_alphabetic) {
        return false;
    }
    let mut words = 0;
    let mut before = 0;
    for at in (1..value.len()).filter(|at| value[*at].is_ascii_uppercase()).chain([value.len()]) {
        if at - before < LEAST {
            return false;
        }
        words += 1;
        before = at;
    }
    words > 1
}

/// Length of the token of standard base64 at the beginning, which has a plus or a slash about every 32 characters and is no path.
pub(in crate::privacy::scrub) fn base64(bytes: &[u8]) -> Option<usize> {
    // A token begins like one. A path does not: `/api/v2/…`.
    let first = bytes.iter().position(|byte| !byte.is_ascii_alphanumeric()).unwrap_or(bytes.len());
    if !bytes[..first].iter().any(u8::is_ascii_uppercase) {
        return None;
    }
    let is_base64 = |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    let run = &bytes[..bytes.iter().take(MAX_BASE64).take_while(is_base64).count()];
    let mut length = 0;
    let mut noisy = 0;
    for piece in run.split(|byte| matches!(byte, b'+' | b'/')) {
        // A word is the next segment of a path.
        if piece.len() > 3 && noise(piece) < NOISE && piece.iter().all(u8::is_ascii_lowercase) {
            break;
        }
        length += piece.len() + usize::from(length > 0);
        noisy += if piece.len() > 3 && noise(piece) >= NOISE { piece.len() } else { 0 };
    }
    let token = &run[..length.min(run.len())];
    let is_token = token.iter().any(u8::is_ascii_digit)
        && token.len() >= BASE64
        && noise(token) >= NOISE
        && noisy * 3 >= token.len() * 2
        && token.iter().any(|byte| !byte.is_ascii_alphanumeric());
    is_token.then_some(token.len() - token.iter().rev().take_while(|byte| **byte == b'/').count())
}

/// Whether most letters of a run are in words: a slug with a random word at its end is not one token.
fn has_words(run: &[u8]) -> bool {
    let words = run.split(|byte| is_joint(*byte)).filter(|piece| piece.len() > 3 && is_word(piece));
    words.map(<[u8]>::len).sum::<usize>() * 2 > run.len()
}

/// Whether a word that stands where a token is announced is no word of a language: `/reset/x7Kp2mQz`, and not `/reset/password`.
pub(in crate::privacy::scrub) fn is_opaque(value: &[u8]) -> bool {
    const LEAST: usize = 8;
    const MOST: usize = 512;
    let is_plain = |byte: &u8| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~' | b'+' | b'=' | b':' | b'/')
    };
    if !(LEAST..=MOST).contains(&value.len()) || !value.iter().all(is_plain) {
        return false;
    }
    let digits = value.iter().filter(|byte| byte.is_ascii_digit()).count();
    let letters = value.iter().filter(|byte| byte.is_ascii_alphabetic()).count();
    if is_numbered_word(value, letters) {
        return false;
    }
    let is_slug = value.iter().any(|byte| is_joint(*byte))
        && value.iter().all(|byte| byte.is_ascii_lowercase() || is_joint(*byte));
    if is_camel_case(value) && noise(value) < ANNOUNCED_NOISE {
        return false;
    }
    let has_joint = value.iter().any(|byte| is_joint(*byte));
    if is_slug || (has_joint && has_words(value)) {
        return false;
    }
    let is_lower = value.iter().all(u8::is_ascii_lowercase);
    noise_of_one_word(value) >= if is_lower { ANNOUNCED_LETTERS_NOISE } else { ANNOUNCED_NOISE }
        || (digits > 0 && letters > 0 && value.iter().all(u8::is_ascii_hexdigit))
        || (digits >= 2 && letters >= 2 && !value.contains(&b'-') && digits * 3 >= letters)
}

/// Whether a value is a word joined to a year or to a short number: `summer2026`, `BLACKFRIDAY50`.
fn is_numbered_word(value: &[u8], letters: usize) -> bool {
    const LEAST: usize = 5;
    const MOST_NOISE: u32 = 6;
    let (word, number) = value.split_at(letters);
    let is_one_case =
        word.iter().skip(1).all(u8::is_ascii_lowercase) || word.iter().all(u8::is_ascii_uppercase);
    let most_noise = match number {
        [b'2', b'0', b'0'..=b'4', b'0'..=b'9'] => ANNOUNCED_NOISE,
        [b'0'..=b'9'] | [b'0'..=b'9', b'0'..=b'9'] => MOST_NOISE,
        _ => return false,
    };
    letters >= LEAST && is_one_case && noise(word) < most_noise
}

/// Whether small letters, capitals and digits are mixed in what stands where somebody's id stands.
pub(in crate::privacy::scrub) fn is_mixed_id(part: &[u8]) -> bool {
    [u8::is_ascii_lowercase, u8::is_ascii_uppercase, u8::is_ascii_digit]
        .iter()
        .all(|is_kind| part.iter().any(is_kind))
        && is_opaque(part)
}

/// Whether letters and digits are mixed like random ones.
fn is_random(run: &[u8]) -> bool {
    let has_digits =
        run.trim_ascii_end().iter().rev().skip_while(|byte| byte.is_ascii_digit()).any(u8::is_ascii_digit);
    let least = match (run.len() >= MIXED_TOKEN, has_digits) {
        (true, true) => NOISE,
        (true, false) => LETTERS_NOISE,
        (false, true) => SHORT_NOISE,
        (false, false) => return false,
    };
    run.len() >= SHORT_TOKEN && noise(run) >= least
}

/// Whether a run is base64 of a readable text. By chance 1 in 10⁵ runs is.
pub(in crate::privacy::scrub) fn is_text(run: &[u8]) -> bool {
    run.len() >= ENCODED && decoded_text(run).is_some()
}

/// Whether a run is base64 of a text with an e-mail address.
pub(in crate::privacy::scrub) fn is_email(run: &[u8]) -> bool {
    decoded_text(run).is_some_and(|text| {
        text.split_once('@').is_some_and(|(local, domain)| !local.is_empty() && domain.contains('.'))
    })
}

/// The readable text that a run of base64 holds.
fn decoded_text(run: &[u8]) -> Option<String> {
    const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
    const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);
    if !(ENCODED_EMAIL..=MAX_ENCODED).contains(&run.len()) || run.len() % 4 == 1 {
        return None;
    }
    // The first byte of a readable text has no high bit, so the first character stands for less than 32. Words have letters of one case.
    if !matches!(run[0], b'A'..=b'Z' | b'a'..=b'f')
        || !run[1..].iter().any(u8::is_ascii_uppercase)
        || !run.iter().any(u8::is_ascii_lowercase)
    {
        return None;
    }
    let engine = if run.iter().any(|byte| matches!(byte, b'-' | b'_')) { URL_SAFE } else { STANDARD };
    let text = String::from_utf8(engine.decode(run).ok()?).ok()?;
    let is_readable = |c: char| (c.is_ascii_graphic() || c == ' ') || ('\u{400}'..'\u{460}').contains(&c);
    text.chars().all(is_readable).then_some(text)
}

/// A byte of a base64url token.
pub(in crate::privacy::scrub) fn is_run(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

fn is_joint(byte: u8) -> bool {
    matches!(byte, b'-' | b'_' | b'+' | b'/')
}
