//! The parts of a chunk: words, numbers, tokens, and letters mixed with digits.

use super::{Chunk, TextScanner};
use crate::privacy::scrub::camel::camel_ends;
use crate::privacy::scrub::label::{CampaignText, Label, Link};
use crate::privacy::scrub::shapes::numbers::{self, NumberRules};
use crate::privacy::scrub::shapes::{check_digits, dates, network, places, tokens};
use crate::privacy::scrub::words::{self, WordClass};

impl TextScanner<'_> {
    /// Scrubs `start..end` of a chunk, without `@` and `%`. Returns where to continue.
    pub(super) fn parts(&mut self, start: usize, end: usize, chunk: &Chunk) -> usize {
        if let Some(to) = tokens::jwt(self.bytes, start, end) {
            self.replace(start, to, ":token");
            return to;
        }
        self.messenger_without_scheme(start, end);
        let is_asset = chunk.digits && is_asset(&self.bytes[start..end]);
        let mut at = start;
        let mut run_checked = start;
        while at < end {
            let byte = self.bytes[at];
            if byte == b'+'
                && let Some(reached) = self.number_at(at)
            {
                at = reached;
                continue;
            }
            if !is_part(byte) {
                // What follows a dot, a hyphen or the like is joined to what stands before it.
                at += 1;
                continue;
            }
            if at >= run_checked && !is_asset {
                run_checked = self.run_end(at, end);
                let run = &self.bytes[at..run_checked];
                if tokens::may_hold_token(run) {
                    // Behind a word, a token may begin: `save_A7sC8n…`.
                    if let Some(word) = tokens::leading_word(run) {
                        run_checked = at + word;
                    } else if tokens::is_joint_token(run) {
                        at = self.replace_token(at, run_checked);
                        continue;
                    }
                }
            }
            if byte.is_ascii_hexdigit()
                && let Some(to) = network::address_end(self.bytes, at)
            {
                self.replace(at, to, ":number");
                at = to;
                continue;
            }
            at = self.part(at, end, is_asset);
        }
        at
    }

    /// Scrubs a chunk of small letters, hyphens and the like. Returns where to continue.
    pub(super) fn plain_words(&mut self, start: usize, end: usize) -> usize {
        self.messenger_without_scheme(start, end);
        let mut at = start;
        while at < end {
            let letters = self.bytes[at..end].iter().take_while(|byte| byte.is_ascii_lowercase()).count();
            let word_end = at + letters;
            if tokens::is_token(&self.bytes[at..word_end]) {
                self.replace_token(at, word_end);
            } else if letters > 0 {
                at = self.letters(at, word_end);
                continue;
            }
            // What follows a hyphen or the like is joined to what stands before it.
            at = word_end + 1;
        }
        at.min(end.max(self.copied))
    }

    /// One part. Returns where to continue.
    fn part(&mut self, at: usize, end: usize, is_asset: bool) -> usize {
        if self.bytes[at].is_ascii_alphanumeric() && tokens::is_uuid(&self.bytes[at..end]) {
            self.replace(at, at + tokens::UUID, ":uuid");
            return at + tokens::UUID;
        }
        let part_end = at + self.bytes[at..end].iter().take_while(|byte| is_part(**byte)).count();
        let part = &self.bytes[at..part_end];
        let digits = part.iter().filter(|byte| byte.is_ascii_digit()).count();
        if digits == part.len() {
            return self.digits(at, end, is_asset);
        }
        if !is_asset && let Some(to) = self.iban(at) {
            self.replace(at, to, ":number");
            return to;
        }
        let is_code = is_asset || self.context.is(WordClass::Goods) || self.context.is(WordClass::Content);
        if (!part[0].is_ascii() || (digits >= 5 && !is_code))
            && let Some(to) = places::plate_end(self.text, at)
        {
            self.replace(at, to, ":number");
            return to;
        }
        let is_public = is_asset || (self.context.is(WordClass::Commit) && part.len() <= 64);
        if !is_public
            && matches!(self.bytes.get(part_end), Some(b'+' | b'/'))
            && let Some(length) = tokens::base64(&self.bytes[at..])
        {
            return self.replace_token(at, at + length);
        }
        if !is_public && (tokens::is_token(part) || tokens::is_email(part)) {
            return self.replace_token(at, part_end);
        }
        if digits == 0 {
            return self.letters(at, part_end);
        }
        if is_public && part.iter().all(u8::is_ascii_hexdigit) {
            self.context.value();
            return part_end;
        }
        self.mixed(at, part_end, is_asset);
        part_end
    }

    /// Letters with digits among them: words at the beginning, and long runs of digits.
    fn mixed(&mut self, start: usize, end: usize, is_asset: bool) {
        let part = &self.bytes[start..end];
        let is_number = (self.context.is_person() && is_booking_code(part))
            || (self.context.is(WordClass::Document) && is_document(part));
        if is_number && !self.context.is_used() {
            self.replace(start, end, ":number");
            return;
        }
        // `/customers/cus_9s6XKzkNRiz8i3`
        if self.context.is_person() && !self.context.is_used() && !is_asset && tokens::is_mixed_id(part) {
            self.replace(start, end, ":token");
            return;
        }
        if part.len() == 10 && self.context.is_about_book() && check_digits::isbn10(part) {
            self.context.value();
            return;
        }
        if is_hex_literal(&self.bytes[start..end]) {
            self.context.value();
            self.forget_words();
            return;
        }
        let letters = self.bytes[start..end].iter().take_while(|byte| !byte.is_ascii_digit()).count();
        if letters > 0 {
            self.context.letters_before_digits(&self.text[start..start + letters]);
        }
        let mut at = start + letters;
        while at < end {
            let digits = self.bytes[at..end].iter().take_while(|byte| byte.is_ascii_digit()).count();
            if digits == 0 {
                at += 1;
                continue;
            }
            let run = &self.bytes[at..at + digits];
            let long = digits >= self.context.least_digits()
                && !(dates::is_recent(run) && dates::date_end(run, 0).is_some());
            let stays = is_asset
                || (self.context.allows_year() && dates::is_year(run))
                || numbers::has_unit(&self.text[at + digits..]);
            if long && !stays {
                self.replace(at, at + digits, ":number");
            }
            at += digits;
        }
        self.context.value();
        self.forget_words();
        let digits = end - start - letters;
        let is_upper = self.text[start..start + letters].chars().all(char::is_uppercase);
        if is_upper
            && (2..=4).contains(&letters)
            && digits <= 2
            && self.bytes.get(end) == Some(&b'-')
            && self.bytes[end - digits..end].iter().all(u8::is_ascii_digit)
        {
            self.context.begin_series();
        }
    }

    /// A part of digits alone. Returns where to continue.
    fn digits(&mut self, at: usize, end: usize, is_asset: bool) -> usize {
        self.forget_words();
        let digits = self.bytes[at..end].iter().take_while(|byte| byte.is_ascii_digit()).count();
        let after = at + digits;
        let place = match self.bytes.get(after) {
            Some(b'.') => places::pair_end(self.bytes, at),
            Some(0xc2) => places::degrees_end(self.bytes, at),
            _ => None,
        };
        if let Some(to) = place {
            self.replace(at, to, ":number");
            return to;
        }
        if self.context.is(WordClass::Position)
            && let Some(to) = places::single_end(self.bytes, at)
        {
            self.replace(at, to, ":number");
            return to;
        }
        if let Some(to) = self.flat(at, after) {
            return to;
        }
        self.note_people(at, digits);
        let date = dates::date_end(self.bytes, at).unwrap_or(after);
        // `dob_1985-03-12`
        let is_birth = date > after && self.context.announces_birth(&self.text[at..date]);
        if is_birth || (digits <= 4 && dates::says_birth(&self.text[date..])) {
            self.replace(at, date, ":number");
            return date;
        }
        let stays = if is_asset && matches!(digits, 1..=8 | 16 | 20 | 32 | 40 | 64) {
            Some(after)
        } else {
            self.harmless_end(at, after)
        };
        if let Some(to) = stays {
            if to > after || digits == 8 {
                self.context.date();
            } else {
                self.context.value();
            }
            return to;
        }
        if let Some(to) = self.number_at(at) {
            return to;
        }
        self.context.value();
        after
    }

    /// Tells the context what the segment before an id of a path means by its ending: `/petitioners/551207`.
    fn note_people(&mut self, at: usize, digits: usize) {
        const LEAST: usize = 5;
        const LONGEST: usize = 64;
        if digits < LEAST || !self.context.follows_unknown_segment() {
            return;
        }
        let least = self.text.floor_char_boundary(at.saturating_sub(LONGEST));
        let mut before = self.text[least..at].chars();
        before.next_back();
        let segment = before.as_str().rsplit('/').next().unwrap_or_default();
        // The words of a slug may be any.
        if segment.chars().all(char::is_alphabetic)
            && let Some(class) = words::class_by_ending(segment)
        {
            self.context.label = Label::Word(class);
        }
    }

    /// Replaces a phone or grouped number that starts at `at`. Returns where it ends.
    pub(super) fn number_at(&mut self, at: usize) -> Option<usize> {
        let context = &self.context;
        let phone = context.is(WordClass::Phone);
        let document = context.is(WordClass::Document);
        let least = context.least_digits();
        let rules = NumberRules {
            long: least,
            grouped: if phone || document || context.is_person() { least.max(4) } else { usize::MAX },
            shapes: context.allows_shapes(),
            addresses: !context.is(WordClass::Version) || context.link == Link::Path,
            price: context.is(WordClass::Measure),
            phone,
            campaign: match context.is(WordClass::Campaign) {
                _ if context.is_series() => CampaignText::No,
                true if matches!(context.link, Link::Assigned | Link::Joined) => CampaignText::Parameter,
                true => CampaignText::Advertisement,
                false => context.campaign(),
            },
        };
        let found = numbers::find(self.bytes, at, &rules)?;
        let digits = &self.bytes[at..found.end];
        let is_price =
            digits.contains(&b' ') && digits[0] != b'+' && numbers::has_currency(&self.text[found.end..]);
        if is_price || (context.allows_year() && dates::is_year(digits)) {
            return None;
        }
        self.replace(at, found.end, found.marker);
        Some(found.end)
    }

    /// Where a bank account ends that begins at `at`, perhaps in groups of four.
    fn iban(&self, at: usize) -> Option<usize> {
        const LENGTHS: std::ops::RangeInclusive<usize> = 15..=34;
        let head = self.bytes.get(at..at + 4)?;
        if !(head[..2].iter().all(u8::is_ascii_uppercase) && head[2..].iter().all(u8::is_ascii_digit)) {
            return None;
        }
        let mut account = [0; *LENGTHS.end()];
        let (mut length, mut end, mut found) = (0, at, None);
        while let Some(byte) = self.bytes.get(end) {
            if byte.is_ascii_alphanumeric() {
                *account.get_mut(length)? = *byte;
                length += 1;
            } else if !matches!(byte, b' ' | b'-') || length % 4 != 0 {
                break;
            }
            end += 1;
            let ends = self.bytes.get(end).is_none_or(|byte| !byte.is_ascii_alphanumeric());
            if ends && LENGTHS.contains(&length) && check_digits::iban(&account[..length]) {
                found = Some(end);
            }
            if length == *LENGTHS.end() {
                break;
            }
        }
        found
    }

    /// Where letters, digits, `-` and `_` end that may be one token.
    fn run_end(&self, at: usize, end: usize) -> usize {
        at + self.bytes[at..end]
            .iter()
            .take(tokens::MAX_RUN)
            .take_while(|byte| tokens::is_run(**byte))
            .count()
    }

    /// Replaces a token with the padding of base64 behind it. Returns where it ends.
    fn replace_token(&mut self, start: usize, end: usize) -> usize {
        let padding = self.bytes[end..].iter().take(2).take_while(|byte| **byte == b'=').count();
        // A query's `token=value` has its `=` before something; padding ends the word.
        let ends = self.bytes.get(end + padding).is_none_or(|byte| !byte.is_ascii_alphanumeric());
        let end = if ends { end + padding } else { end };
        let marker = if tokens::is_email(&self.bytes[start..end]) { ":email" } else { ":token" };
        self.replace(start, end, marker);
        end
    }

    /// Tells the context the words of a run of letters.
    pub(super) fn words_of(&mut self, start: usize, end: usize) -> Option<WordClass> {
        let run = &self.text[start..end];
        // `iPhone` and `eMail` are no two words.
        if run.len() > 1 && run.as_bytes()[0].is_ascii_lowercase() && run.as_bytes()[1].is_ascii_uppercase() {
            return self.context.word(run);
        }
        let mut class = None;
        let mut from = 0;
        for to in camel_ends(run) {
            class = self.context.word(&run[from..to]);
            from = to;
        }
        class
    }

    /// A host of a messenger without `https://`.
    fn messenger_without_scheme(&mut self, start: usize, end: usize) {
        if end - start < 12
            && self.bytes.get(end) == Some(&b'/')
            && self.context.label != Label::Word(WordClass::Login)
        {
            self.messenger(start, end);
        }
    }
}

/// A byte of a letter or digit.
fn is_part(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte >= 0x80
}

/// Whether capitals and digits are mixed as in the number of a booking: `X7K2LM`.
fn is_booking_code(part: &[u8]) -> bool {
    const LENGTHS: std::ops::RangeInclusive<usize> = 5..=12;
    let changes = part.windows(2).filter(|pair| pair[0].is_ascii_digit() != pair[1].is_ascii_digit()).count();
    LENGTHS.contains(&part.len())
        && part.iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
        && changes >= 3
}

/// Whether capitals and digits are mixed as in the number of a passport: `C01X00T47`.
fn is_document(part: &[u8]) -> bool {
    const LENGTHS: std::ops::RangeInclusive<usize> = 6..=20;
    const LEAST_DIGITS: usize = 3;
    LENGTHS.contains(&part.len())
        && part.iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
        && part.iter().filter(|byte| byte.is_ascii_digit()).count() >= LEAST_DIGITS
}

/// Whether a part is a number of 32 bits as programs write codes: `0x80004005`, `0b1010`.
fn is_hex_literal(part: &[u8]) -> bool {
    (part.len() <= 10 && part.starts_with(b"0x") && part[2..].iter().all(u8::is_ascii_hexdigit))
        || (part.len() <= 34
            && part.starts_with(b"0b")
            && part[2..].iter().all(|digit| matches!(digit, b'0' | b'1')))
}

/// Whether a chunk is the name of a file of a page's code, whose hash is the same for all visitors.
fn is_asset(chunk: &[u8]) -> bool {
    const EXTENSIONS: [&[u8]; 7] = [b".js", b".mjs", b".css", b".map", b".wasm", b".woff", b".woff2"];
    EXTENSIONS.iter().any(|extension| chunk.ends_with(extension))
}
