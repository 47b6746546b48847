//! Distinguishes phone numbers, card numbers and the like from other groups of digits.
//!
//! A candidate is up to seven groups of digits with at most three separators (space, hyphen, dot, parentheses, no-break
//! spaces and dashes) between two of them; the longest beginning that fits a rule counts.

use super::check_digits;
use crate::privacy::scrub::label::CampaignText;

/// Groups that are read: `+7 (916) 123 45 67` has five.
const MAX_GROUPS: usize = 7;
/// Digits that are read: E.164 allows 15, and `00` may stand before them; cards have up to 19, bank accounts 20.
const MAX_DIGITS: usize = 20;
/// Characters between two groups, as in `) - `.
const MAX_SEPARATORS: usize = 3;

/// Most digits of a whole number that is no id because the others are zeros.
const ROUNDED: usize = 4;
/// Longest text that is taken for a number.
const MAX_NUMBER: usize = 32;
/// Digits before or behind the point from which a number with decimal places may tell a visitor from others.
pub(in crate::privacy::scrub) const EXACT: usize = 6;
/// Decimals from which a coordinate is a person's place rather than a district: 11 m.
pub(in crate::privacy::scrub) const FINE: usize = 4;

/// Whether a text is one whole number, rounded as `short_decimal` rounds.
pub(in crate::privacy::scrub) fn is_rounded(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_whole = digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.starts_with('0');
    is_whole && text.len() <= MAX_NUMBER && (1..=ROUNDED).contains(&digits.trim_end_matches('0').len())
}

/// Whether a text is one number with so many decimal places.
pub(in crate::privacy::scrub) fn is_fraction(text: &str, least: usize) -> bool {
    parts(text).is_some_and(|(_, places)| places.len() >= least)
}

/// Whether a text is one number with decimal places and many digits before them.
pub(in crate::privacy::scrub) fn is_large_fraction(text: &str) -> bool {
    parts(text).is_some_and(|(whole, _)| whole.len() >= EXACT)
}

/// The digits before and behind the point of a number.
fn parts(text: &str) -> Option<(&str, &str)> {
    let number = text.strip_prefix('-').unwrap_or(text);
    let (whole, places) = number.split_once('.')?;
    let are_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let is_number = text.len() <= MAX_NUMBER
        && are_digits(whole)
        && are_digits(places)
        && (whole == "0" || !whole.starts_with('0'));
    is_number.then_some((whole, places))
}

/// Digits at the beginning.
pub(in crate::privacy::scrub) fn count(bytes: &[u8]) -> usize {
    bytes.iter().take(MAX_DIGITS).take_while(|byte| byte.is_ascii_digit()).count()
}

/// Whether a number of six and more digits is one that people and programs choose: `1000000`, `5242880`, `4294967295`.
pub(in crate::privacy::scrub) fn is_chosen(digits: &[u8]) -> bool {
    /// Ids hardly end in so many zero bits.
    const BINARY: u64 = 1 << 16;
    const SIGNIFICANT: usize = 2;
    const LEAST: usize = 6;
    let zeros = digits.iter().rev().take_while(|digit| **digit == b'0').count();
    let value = value(digits);
    digits.len() >= LEAST && digits.len() - zeros <= SIGNIFICANT
        || (value >= BINARY && matches!((value + 1) % BINARY, 0 | 1))
}

/// Where a range of two numbers ends, the lower one first: both in round hundreds, or any where the text speaks of a measure.
pub(in crate::privacy::scrub) fn range_end(bytes: &[u8], at: usize, measure: bool) -> Option<usize> {
    const LENGTHS: std::ops::RangeInclusive<usize> = 4..=10;
    let first = &bytes[at..at + count(&bytes[at..])];
    let from = at + first.len() + 1;
    let second = bytes.get(from..).filter(|_| bytes[from - 1] == b'-')?;
    let second = &second[..count(second)];
    let end = from + second.len();
    let is_round = first.ends_with(b"00") && second.ends_with(b"00");
    let is_range = LENGTHS.contains(&first.len())
        && LENGTHS.contains(&second.len())
        && value(first) < value(second)
        && (measure || is_round);
    (is_range && bytes.get(end).is_none_or(|byte| !byte.is_ascii_alphanumeric() && *byte != b'-'))
        .then_some(end)
}

fn value(digits: &[u8]) -> u64 {
    digits.iter().fold(0, |value, digit| value * 10 + u64::from(digit - b'0'))
}

/// What the text before a number says about it.
#[derive(Debug, Clone, Copy)]
pub(in crate::privacy::scrub) struct NumberRules {
    /// Digits from which a run is a number in any shape.
    pub(in crate::privacy::scrub) long: usize,
    /// Digits from which groups together are one, in any shape; none if it is large.
    pub(in crate::privacy::scrub) grouped: usize,
    /// Whether groups are one by their shape.
    pub(in crate::privacy::scrub) shapes: bool,
    /// Whether four groups of up to three digits are an IPv4 address.
    pub(in crate::privacy::scrub) addresses: bool,
    /// Whether groups of three digits are thousands.
    pub(in crate::privacy::scrub) price: bool,
    /// Whether the text is a phone number.
    pub(in crate::privacy::scrub) phone: bool,
    /// Whether a run without separators is the id of a campaign unless its digits say otherwise.
    pub(in crate::privacy::scrub) campaign: CampaignText,
}

#[derive(Debug, PartialEq, Eq)]
pub(in crate::privacy::scrub) struct FoundNumber {
    pub(in crate::privacy::scrub) end: usize,
    pub(in crate::privacy::scrub) marker: &'static str,
}

/// The longest number that starts at `start`, where a digit, `+` or `(` stands.
pub(in crate::privacy::scrub) fn find(
    bytes: &[u8],
    start: usize,
    rules: &NumberRules,
) -> Option<FoundNumber> {
    if start > 0 && (bytes[start - 1].is_ascii_alphanumeric() || matches!(bytes[start - 1], b'+' | b'@')) {
        return None;
    }
    let mut shape = NumberShape { plus: bytes[start] == b'+', ..NumberShape::default() };
    let mut at = start + usize::from(shape.plus);
    let mut found = None;
    while shape.groups < MAX_GROUPS {
        let (separators, parenthesis) = separators(&bytes[at..], &shape);
        let group = at + separators;
        let digits =
            bytes[group..].iter().take(MAX_DIGITS + 1).take_while(|byte| byte.is_ascii_digit()).count();
        if digits == 0 || (separators == 0 && shape.groups > 0) || shape.digits + digits > MAX_DIGITS {
            break;
        }
        shape.add(&bytes[at..group], &bytes[group..group + digits], parenthesis);
        at = group + digits;
        if ends(&bytes[at..])
            && let Some(marker) = shape.marker(rules)
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
    value: [u8; MAX_DIGITS],
    /// All separators so far were a single dot.
    dotted: bool,
    /// There is a space, a parenthesis or the like, so the groups are no part of one name.
    spaced: bool,
    /// All groups so far are at most 255.
    octets: bool,
    loopback: bool,
}

impl NumberShape {
    fn add(&mut self, separators: &[u8], group: &[u8], parenthesis: bool) {
        let value = group.iter().take(4).fold(0, |value, digit| value * 10 + u32::from(digit - b'0'));
        let octet = group.len() <= 3 && value <= 255;
        if self.groups == 0 {
            self.dotted = true;
            self.octets = octet;
            self.loopback = value == 127 && group.len() == 3;
        } else {
            self.dotted &= separators == b".";
            self.spaced |= separators != b"-";
            self.octets &= octet;
        }
        self.area |= parenthesis;
        self.lengths[self.groups] = group.len();
        self.value[self.digits..self.digits + group.len()].copy_from_slice(group);
        self.groups += 1;
        self.digits += group.len();
    }

    fn marker(&self, rules: &NumberRules) -> Option<&'static str> {
        let lengths = &self.lengths[..self.groups];
        if self.plus && (7..=15).contains(&self.digits) && self.single_digits() <= 1 {
            return Some(":phone");
        }
        if self.dotted && self.octets && self.groups == 4 && !self.plus {
            // An IPv4 address. Loopback identifies no person, and what ends in two zeros is a version.
            let is_version =
                self.lengths[2..4] == [1, 1] && self.value[self.digits - 2..self.digits] == *b"00";
            return (rules.addresses && !self.loopback && !is_version).then_some(":number");
        }
        if rules.phone && self.digits >= rules.grouped {
            return Some(":phone");
        }
        let one = self.groups == 1;
        if one && rules.campaign != CampaignText::No {
            // A parameter says more than the shape of its value.
            let is_id = rules.campaign == CampaignText::Parameter && self.digits <= 11;
            return if is_id { None } else { self.personal_by_its_digits() };
        }
        if rules.price
            && !one
            && (1..=3).contains(&lengths[0])
            && lengths[1..].iter().all(|length| *length == 3)
        {
            return None;
        }
        if rules.shapes && self.is_phone(lengths) {
            return Some(":phone");
        }
        let grouped = rules.shapes && self.is_grouped(lengths);
        let named = self.digits >= rules.grouped && !self.dotted;
        (grouped || named || (one && self.digits >= rules.long)).then_some(":number")
    }

    /// Groups of numbers other than phones.
    fn is_grouped(&self, lengths: &[usize]) -> bool {
        let card = lengths.len() > 1
            && lengths.iter().all(|length| *length >= 3)
            && self.digits >= 12
            && !self.is_isbn();
        // Russian passports 45 06 123456 and 4506-123456, and those for travelling, 72 1234567. Insurance (SNILS)
        // 112-233-445 95, and the American 123-45-6789.
        card || matches!(lengths, [2, 2, 6] | [4, 6] | [3, 3, 3, 2] | [3, 3, 5] | [3, 2, 4])
            || (lengths == [2, 7] && self.spaced)
    }

    fn is_isbn(&self) -> bool {
        matches!(&self.value[..self.digits], [b'9', b'7', b'8' | b'9', ..])
            && check_digits::ean13(&self.value[..self.digits])
    }

    /// A run among ids of campaigns that is a phone, tax, insurance or card number. Short ids are not told from each other.
    fn personal_by_its_digits(&self) -> Option<&'static str> {
        let digits = &self.value[..self.digits];
        let is_phone = matches!(digits, [b'7' | b'8', b'3' | b'4' | b'8' | b'9', ..] if digits.len() == 11)
            || (digits.starts_with(b"00") && (11..=17).contains(&digits.len()));
        if is_phone {
            return Some(":phone");
        }
        // Ids of Meta have 17 or 18 digits and begin with 12 or 23; cards with other digits.
        let is_card = (13..=19).contains(&digits.len())
            && matches!(digits[0], b'2'..=b'6')
            && !(matches!(digits.len(), 17 | 18) && digits.starts_with(b"23"))
            && check_digits::luhn(digits);
        let is_insurance = digits.len() == 16 && check_digits::luhn(digits);
        let is_number = is_card
            || is_insurance
            || digits.len() == 20
            || check_digits::snils(digits)
            || check_digits::inn12(digits)
            || (digits.len() == 15 && check_digits::ogrn(digits));
        is_number.then_some(":number")
    }

    /// Whether the first group is an area code with the national prefix, as in `030 / 123 456 78`.
    fn has_area_code(&self) -> bool {
        self.groups == 1 && self.lengths[0] >= 3 && self.value[0] == b'0'
    }

    fn single_digits(&self) -> usize {
        self.lengths[..self.groups].iter().skip(1).filter(|length| **length == 1).count()
    }

    fn is_phone(&self, lengths: &[usize]) -> bool {
        if self.single_digits() > 1 {
            return false;
        }
        if self.area {
            return (7..=12).contains(&self.digits);
        }
        let [a, b, ..] = self.value;
        match self.digits {
            // Russia and Kazakhstan with the national or the international prefix.
            11 if matches!(a, b'7' | b'8') => true,
            // A Russian mobile number without a prefix.
            10 if a == b'9' && lengths.iter().all(|length| *length >= 2) && !self.dotted_pair() => true,
            // An international number dialled with 00.
            11..=17 if a == b'0' && b == b'0' => true,
            // National numbers with a leading 0, in groups.
            10..=12 if a == b'0' => {
                lengths.len() > 1
                    && lengths.len() <= 6
                    && lengths.iter().skip(1).all(|l| *l >= 2)
                    && !self.dotted_pair()
            }
            _ => {
                matches!(lengths, [3, 3, 4] | [3, 3, 2, 2] | [3, 2, 2])
                    || (lengths == [3, 7] && !self.dotted_pair())
            }
        }
    }

    /// Two groups with a dot between them are a decimal fraction.
    fn dotted_pair(&self) -> bool {
        self.groups == 2 && self.dotted
    }
}

/// Bytes of the separators at the beginning, and whether they hold a parenthesis. Before the first group only `(` may
/// stand, or a space behind a plus.
fn separators(bytes: &[u8], shape: &NumberShape) -> (usize, bool) {
    let first = shape.groups == 0;
    // What else a number with a prefix may hold: `8_916_123_45_67`, `+7/916/1234567`.
    let prefixed = shape.plus || (shape.lengths[0] == 1 && matches!(shape.value[0], b'7' | b'8'));
    let mut length = 0;
    let mut parenthesis = false;
    for _ in 0..MAX_SEPARATORS {
        length += match &bytes[length..] {
            [b'(', ..] => 1,
            [b' ', ..] if first && shape.plus => 1,
            _ if first => break,
            [b')', ..] => {
                parenthesis = true;
                1
            }
            // Two dots are a range.
            [b'.', b'.', ..] => break,
            [b' ' | b'-' | b'.', ..] => 1,
            [b'_', ..] if prefixed => 1,
            [b'/', ..] if shape.plus || shape.has_area_code() => 1,
            [0xc2, 0xa0, ..] => 2,
            [0xe2, 0x80, 0x87..=0x95 | 0xaf, ..] => 3,
            _ => break,
        };
    }
    (length, parenthesis)
}

/// Whether a currency follows that makes groups of digits a price.
pub(in crate::privacy::scrub) fn has_currency(rest: &str) -> bool {
    const CURRENCIES: [&str; 7] = ["₽", "$", "€", "руб", "rub", "RUB", "р."];
    let rest = rest.strip_prefix([' ', '\u{a0}']).unwrap_or(rest);
    CURRENCIES.iter().any(|currency| rest.starts_with(currency))
}

/// Whether a unit follows that makes a number a measure: `30000 ms`, `1500000 ₽`.
pub(in crate::privacy::scrub) fn has_unit(rest: &str) -> bool {
    const UNITS: [&str; 34] = [
        "ms",
        "мс",
        "s",
        "sec",
        "сек",
        "min",
        "мин",
        "bytes",
        "byte",
        "b",
        "kb",
        "mb",
        "gb",
        "px",
        "rub",
        "руб",
        "рублей",
        "р",
        "₽",
        "$",
        "€",
        "usd",
        "eur",
        "ml",
        "мл",
        "mg",
        "мг",
        "g",
        "г",
        "кг",
        "kg",
        "км",
        "km",
        "км2",
    ];
    let rest = rest.strip_prefix([' ', '-', '\u{a0}']).unwrap_or(rest);
    if rest.starts_with(['₽', '$', '€', '%']) {
        return true;
    }
    let length = rest.find(|c: char| !c.is_alphanumeric()).unwrap_or(rest.len());
    length > 0 && length <= 16 && UNITS.contains(&&*rest[..length].to_lowercase())
}
