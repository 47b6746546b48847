//! Distinguishes phone numbers, card numbers and the like from dates, prices and versions.
//!
//! A candidate is up to seven groups of digits with at most three separators (space, hyphen, dot, parentheses, no-break
//! spaces and dashes) between two of them; the longest beginning that fits a rule counts.

/// Groups that are read: `+7 (916) 123 45 67` has five.
const MAX_GROUPS: usize = 7;
/// Digits that are read: E.164 allows 15, and `00` may stand before them; cards have up to 19.
const MAX_DIGITS: usize = 19;
/// Characters between two groups, as in `) - `.
const MAX_SEPARATORS: usize = 3;
/// A run of this many digits is a number in any context.
const LONG: usize = 6;

/// Most digits of a whole number that is no id because the others are zeros.
const ROUNDED: usize = 4;
/// Longest text that is taken for a number.
const MAX_NUMBER: usize = 32;

/// Whether a text is one whole number, rounded as `short_decimal` rounds.
pub(super) fn is_rounded(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_whole = digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.starts_with('0');
    is_whole && text.len() <= MAX_NUMBER && (1..=ROUNDED).contains(&digits.trim_end_matches('0').len())
}

/// Whether a text is one number with decimal places.
pub(super) fn is_fraction(text: &str) -> bool {
    let number = text.strip_prefix('-').unwrap_or(text);
    let Some((whole, places)) = number.split_once('.') else { return false };
    let are_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    text.len() <= MAX_NUMBER
        && are_digits(whole)
        && are_digits(places)
        && (whole == "0" || !whole.starts_with('0'))
}

pub(super) struct FoundNumber {
    pub(super) end: usize,
    pub(super) marker: &'static str,
}

/// The longest number that starts at `start`, where a digit, `+` or `(` stands.
pub(super) fn find(bytes: &[u8], start: usize) -> Option<FoundNumber> {
    if start > 0 && (bytes[start - 1].is_ascii_alphanumeric() || matches!(bytes[start - 1], b'+' | b'@')) {
        return None;
    }
    let mut shape = NumberShape { plus: bytes[start] == b'+', ..NumberShape::default() };
    let mut at = start + usize::from(shape.plus);
    let mut found = None;
    while shape.groups < MAX_GROUPS {
        let (separators, parenthesis) = separators(&bytes[at..], shape.groups == 0);
        let group = at + separators;
        let digits =
            bytes[group..].iter().take(MAX_DIGITS + 1).take_while(|byte| byte.is_ascii_digit()).count();
        if digits == 0 || (separators == 0 && shape.groups > 0) || shape.digits + digits > MAX_DIGITS {
            break;
        }
        shape.add(&bytes[at..group], &bytes[group..group + digits], parenthesis);
        at = group + digits;
        if ends(&bytes[at..])
            && let Some(marker) = shape.marker()
        {
            found = Some(FoundNumber { end: at, marker });
        }
    }
    found
}

/// Whether a number may end before these bytes: not within a word, nor within the local part of an e-mail address.
fn ends(rest: &[u8]) -> bool {
    match rest {
        [b'@', next, ..] => !next.is_ascii_alphanumeric() && *next < 0x80,
        [next, ..] => !next.is_ascii_alphanumeric(),
        [] => true,
    }
}

/// The part of a candidate that was read.
#[derive(Default)]
struct NumberShape {
    plus: bool,
    /// An area code in parentheses.
    area: bool,
    groups: usize,
    digits: usize,
    lengths: [usize; MAX_GROUPS],
    first: [u8; 2],
    /// All separators so far were a single dot.
    dotted: bool,
    /// All groups so far are at most 255.
    octets: bool,
    loopback: bool,
}

impl NumberShape {
    fn add(&mut self, separators: &[u8], group: &[u8], parenthesis: bool) {
        let value = group.iter().take(4).fold(0, |value, digit| value * 10 + u32::from(digit - b'0'));
        let octet = group.len() <= 3 && value <= 255;
        if self.groups == 0 {
            self.first = [group[0], *group.get(1).unwrap_or(&0)];
            self.dotted = true;
            self.octets = octet;
            self.loopback = value == 127 && group.len() == 3;
        } else {
            self.dotted &= separators == b".";
            self.octets &= octet;
        }
        self.area |= parenthesis;
        self.lengths[self.groups] = group.len();
        self.groups += 1;
        self.digits += group.len();
    }

    fn marker(&self) -> Option<&'static str> {
        let lengths = &self.lengths[..self.groups];
        if self.dotted && self.octets && self.groups == 4 && !self.plus {
            // An IPv4 address. Loopback identifies no person.
            return (!self.loopback).then_some(":number");
        }
        if self.is_phone(lengths) {
            return Some(":phone");
        }
        let grouped = self.groups > 1 && lengths.iter().all(|length| *length >= 3) && self.digits >= 12;
        // Russian insurance number (SNILS) 112-233-445 95, and the American 123-45-6789.
        let insurance = matches!(lengths, [3, 3, 3, 2] | [3, 2, 4]);
        let long = lengths.len() == 1 && self.digits >= LONG;
        (grouped || insurance || long).then_some(":number")
    }

    fn is_phone(&self, lengths: &[usize]) -> bool {
        let single_digits = lengths.iter().skip(1).filter(|length| **length == 1).count();
        if single_digits > 1 {
            return false;
        }
        if self.plus {
            return (7..=15).contains(&self.digits);
        }
        if self.area {
            return (7..=12).contains(&self.digits);
        }
        match (self.first, self.digits) {
            // Russia and Kazakhstan with the national or the international prefix.
            ([b'7' | b'8', _], 11) => true,
            // A Russian mobile number without a prefix.
            ([b'9', _], 10) => lengths.iter().all(|length| *length >= 2),
            // An international number dialled with 00.
            ([b'0', b'0'], 11..=17) => true,
            // National numbers with a leading 0, in groups.
            ([b'0', _], 10..=12) => {
                lengths.len() > 1 && lengths.len() <= 6 && lengths.iter().skip(1).all(|l| *l >= 2)
            }
            _ => matches!(lengths, [3, 3, 4] | [3, 3, 2, 2] | [3, 2, 2]),
        }
    }
}

/// Bytes of the separators at the beginning, and whether they hold a parenthesis. Before the first group only `(` may
/// stand.
fn separators(bytes: &[u8], first: bool) -> (usize, bool) {
    let mut length = 0;
    let mut parenthesis = false;
    for _ in 0..MAX_SEPARATORS {
        length += match &bytes[length..] {
            [b'(', ..] => {
                parenthesis = true;
                1
            }
            _ if first => break,
            [b')', ..] => {
                parenthesis = true;
                1
            }
            [b' ' | b'-' | b'.', ..] => 1,
            [0xc2, 0xa0, ..] => 2,
            [0xe2, 0x80, 0x87..=0x95 | 0xaf, ..] => 3,
            _ => break,
        };
    }
    (length, parenthesis)
}
