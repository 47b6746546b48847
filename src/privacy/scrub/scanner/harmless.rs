//! Numbers that name nobody: dates, versions, fractions, books, ranges, lines of files.

use super::TextScanner;
use crate::privacy::scrub::label::{Label, Link};
use crate::privacy::scrub::shapes::{check_digits, dates, numbers};
use crate::privacy::scrub::words::WordClass;

/// Digits of a line or column in a stack trace at most.
const MAX_COLUMN: usize = 8;
/// Longest whole part of a decimal fraction; longer ones are numbers of their own.
const MAX_WHOLE: usize = 7;

impl TextScanner<'_> {
    /// Where a date, a fraction, a book's number or a place in a file ends, which stay.
    pub(super) fn harmless_end(&self, at: usize, after: usize) -> Option<usize> {
        let digits = &self.bytes[at..after];
        let follows = |offset: usize, byte: u8| self.bytes.get(after + offset) == Some(&byte);
        let follows_digit = |offset: usize| self.bytes.get(after + offset).is_some_and(u8::is_ascii_digit);
        // `app.js:2:18225`
        let before = &self.bytes[..at];
        let is_line = before.ends_with(b":") && follows(0, b':') && follows_digit(1);
        let is_column = before.ends_with(b":")
            && before.iter().rev().skip(1).take(MAX_COLUMN).find(|byte| !byte.is_ascii_digit())
                == Some(&b':')
            && !before.ends_with(b"::");
        if digits.len() <= MAX_COLUMN && (is_line || is_column) {
            return Some(after);
        }
        if let Some(end) = dates::date_end(self.bytes, at)
            && (end > at + 8 || dates::is_recent(digits) || digits.len() == 4 || end - at < 8)
            && self.bytes.get(end).is_none_or(|byte| !byte.is_ascii_alphanumeric() || *byte == b'T')
        {
            return Some(end);
        }
        if let Some(end) = self.product_version_end(at) {
            return Some(end);
        }
        if let Some(end) = self.version_end(at) {
            return Some(end);
        }
        // A fraction has one dot.
        if follows(0, b'.')
            && follows_digit(1)
            && digits.len() <= MAX_WHOLE
            && (digits.len() == 1 || digits[0] != b'0')
            && !before.ends_with(b".")
            && !before.ends_with(b"+")
        {
            let decimals = self.bytes[after + 1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
            let end = after + 1 + decimals;
            let goes_on = matches!(self.bytes.get(end), Some(b'.' | b'-' | b' '))
                && self.bytes.get(end + 1).is_some_and(u8::is_ascii_digit);
            return (!goes_on && !self.context.is(WordClass::Phone)).then_some(end);
        }
        self.code_end(at, after)
    }

    /// Where the number of a book, of goods, of a company or the like ends, or one that people choose.
    fn code_end(&self, at: usize, after: usize) -> Option<usize> {
        let digits = &self.bytes[at..after];
        let is_goods = self.context.is(WordClass::Book)
            || (digits.len() >= 9 && self.context.is_about_book())
            || (self.context.is(WordClass::Goods) && self.context.link == Link::Assigned);
        if digits.starts_with(b"97") || is_goods {
            let book = self.book_end(at);
            if book.is_some() {
                return book;
            }
        }
        let is_register =
            digits.len() == 13 && check_digits::ogrn(digits) && self.context.is(WordClass::Company);
        let is_colour = self.bytes[..at].ends_with(b"#") && digits.len() == 6 && !self.context.is_person();
        if is_register || (is_colour && self.context.class() == Some(WordClass::Content)) {
            return Some(after);
        }
        // `/refund/14-days`
        if digits.len() <= 2
            && self.bytes[after..].starts_with(b"-")
            && self.context.is_path()
            && !self.context.is(WordClass::Person)
            && !self.context.is(WordClass::Account)
        {
            let counts = self.bytes.get(after + 1).is_some_and(|byte| !byte.is_ascii_digit());
            return counts.then_some(after);
        }
        // `1000000-5000000`, `Payload of 5242880`
        let is_range = self.bytes.get(after) == Some(&b'-');
        if (is_range || (6..=10).contains(&digits.len()))
            && !self.context.is_about_person()
            && !self.context.is_series()
        {
            let range = numbers::range_end(self.bytes, at, self.context.is(WordClass::Measure));
            if range.is_some() || (digits.len() <= 10 && numbers::is_chosen(digits)) {
                return range.or(Some(after));
            }
        }
        if dates::is_timestamp(digits) && self.context.is_cache_buster() {
            return Some(after);
        }
        // The number of a car's part: `04465-33471`.
        if self.context.is(WordClass::Goods)
            && let [b'-', part @ ..] = &self.bytes[after..]
            && (digits.len(), numbers::count(part)) == (5, 5)
        {
            return Some(after + 6);
        }
        let is_commit = digits.len() <= 12 && self.context.is(WordClass::Commit);
        let least = if self.context.link == Link::Near { 3 } else { 6 };
        let has_unit = (6..11).contains(&digits.len()) && numbers::has_unit(&self.text[after..])
            || (least..8).contains(&digits.len()) && numbers::has_currency(&self.text[after..]);
        (is_commit || has_unit).then_some(after)
    }

    /// Where a version of three numbers ends: `0.3.19`. Also a short number behind a letter and a dot: `X.509`.
    fn version_end(&self, at: usize) -> Option<usize> {
        const MOST: usize = 20;
        let is_number = |byte: &&u8| byte.is_ascii_digit() || **byte == b'.';
        let version = &self.bytes[at..at + self.bytes[at..].iter().take(MOST).take_while(is_number).count()];
        let version = version.strip_suffix(b".").unwrap_or(version);
        let groups = version.split(|byte| *byte == b'.');
        let is_version =
            groups.clone().count() == 3 && groups.clone().all(|group| (1..=5).contains(&group.len()));
        let before = &self.bytes[..at];
        let is_phone = before.ends_with(b"+")
            || matches!(self.context.class(), Some(WordClass::Phone | WordClass::Document));
        let is_standard = version.len() <= 3 && matches!(before, [.., b'A'..=b'Z', b'.']);
        (is_standard || (is_version && version.len() < 11 && !is_phone)).then_some(at + version.len())
    }

    /// Where a version of four numbers ends, which stands behind the name of a product: `YaBrowser/24.1.2.3`.
    fn product_version_end(&self, at: usize) -> Option<usize> {
        let name = self.bytes[..at].strip_suffix(b"/")?;
        let letters = name.iter().rev().take(24).take_while(|byte| byte.is_ascii_alphabetic()).count();
        let (before, name) = name.split_at(name.len() - letters);
        let is_product =
            name.first().is_some_and(u8::is_ascii_uppercase) && name.len() > 1 && !before.ends_with(b"/");
        let length = self.bytes[at..]
            .iter()
            .take(24)
            .take_while(|byte| byte.is_ascii_digit() || **byte == b'.')
            .count();
        let version = &self.bytes[at..at + length];
        let is_version =
            version.contains(&b'.') && version.split(|byte| *byte == b'.').all(|number| number.len() < 6);
        (is_product && is_version).then_some(at + length)
    }

    /// Where the number of a book or of goods ends, with hyphens.
    fn book_end(&self, at: usize) -> Option<usize> {
        let mut digits = [0; 13];
        let mut count = 0;
        let mut end = at;
        while count < digits.len() {
            match self.bytes.get(end) {
                Some(byte) if byte.is_ascii_digit() => {
                    digits[count] = *byte;
                    count += 1;
                }
                Some(b'-') if count > 0 => {}
                // The check digit of an ISBN of ten.
                Some(b'X') if count == 9 => {
                    count = 10;
                    end += 1;
                    break;
                }
                _ => break,
            }
            end += 1;
        }
        if self.bytes.get(end).is_some_and(u8::is_ascii_alphanumeric) {
            return None;
        }
        let is_book = digits.starts_with(b"978")
            || digits.starts_with(b"979")
            || matches!(self.context.label, Label::Word(WordClass::Book | WordClass::Goods));
        let is_short = matches!(count, 8..=10)
            && (self.context.is(WordClass::Book)
                || (self.context.is_about_book() && check_digits::isbn10(&self.bytes[at..end])));
        (is_short || (is_book && count == 13 && check_digits::ean13(&digits))).then_some(end)
    }
}
