//! Reads a text once from its beginning to its end and replaces what is personal.
//!
//! The text is read in *chunks*: runs of letters, digits and the signs that words, addresses and numbers hold. Words tell the
//! [`Context`] what they mean, and the context decides what happens to numbers and tokens behind them. Each rule looks a bounded
//! distance ahead, so the time is linear in the length.

mod encoding;
mod harmless;
mod parts;
mod people;
mod titles;
mod values;

use std::borrow::Cow;

use super::label::Context;
use super::percent;
use super::placeholder;
use super::shapes::{email, places};

/// Bytes from the parenthesis of an area code to an encoded blank at most.
const MAX_AREA: usize = 16;

/// One round over the text. Also returns what the text says about what may follow it.
pub(super) fn pass(text: &str, depth: u8, context: Context) -> (Cow<'_, str>, Context) {
    let mut scanner = TextScanner {
        text,
        bytes: text.as_bytes(),
        copied: 0,
        out: String::new(),
        depth,
        context: context.for_part(),
        words: [None; 2],
        chunk: None,
        street: None,
    };
    let mut at = 0;
    while at < text.len() {
        let next = scanner.step(at);
        debug_assert!(next > at, "the scanner goes on");
        at = next;
    }
    let context = scanner.context;
    (scanner.finish(), context)
}

struct TextScanner<'a> {
    text: &'a str,
    bytes: &'a [u8],
    /// End of the part of the text that is in `out`.
    copied: usize,
    out: String,
    depth: u8,
    context: Context,
    /// The last two words, the later one first, if nothing but a blank or a hyphen stands between them and what follows.
    words: [Option<Word>; 2],
    /// The last chunk.
    chunk: Option<(usize, usize)>,
    /// Where the name of a street begins that was read last.
    street: Option<usize>,
}

/// A word of letters alone.
#[derive(Clone, Copy)]
struct Word {
    start: usize,
    end: usize,
    capitalised: bool,
}

/// A run of letters, digits and the signs within words.
struct Chunk {
    start: usize,
    end: usize,
    percent: bool,
    at_sign: bool,
    digits: bool,
    /// Whether there are capitals or letters beyond ASCII.
    other: bool,
}

impl<'a> TextScanner<'a> {
    /// Handles what starts at `at` and returns where to continue, which is always later.
    fn step(&mut self, at: usize) -> usize {
        if self.bytes[at] == b':'
            && let Some(length) = placeholder::length(&self.bytes[at..])
        {
            self.forget_words();
            self.context.value();
            return at + length;
        }
        let mut chunk = Chunk::read(self.bytes, at);
        if self.bytes[at] == b'(' {
            // Browsers leave parentheses as they are and encode the blank behind them.
            let begins = &self.bytes[at..self.bytes.len().min(at + MAX_AREA)];
            if begins.contains(&b'%') {
                chunk = Chunk::with_parentheses(self.bytes, at);
            }
            if !chunk.percent {
                chunk.end = at;
            }
            if places::pair_end(self.bytes, at + 1).is_none()
                && let Some(end) = self.number_at(at)
            {
                return end;
            }
        } else if chunk.percent {
            chunk = Chunk::with_parentheses(self.bytes, at);
        }
        if chunk.end == at {
            return at + self.separator(at);
        }
        let end = self.chunk(&chunk);
        self.chunk = Some((chunk.start, end));
        end
    }

    /// Reads a character between chunks. Returns its length.
    fn separator(&mut self, at: usize) -> usize {
        let byte = self.bytes[at];
        if !matches!(byte, b' ' | b'.') {
            self.forget_words();
        }
        let next = self.bytes.get(at + 1).copied().unwrap_or(b' ');
        // `<name> of`, `[name] of`, `NAME [VALUE]`: placeholders of a text, other than `<name>Ivan` and `user[name]=`.
        let is_placeholder = match byte {
            b'>' => !is_letter(next),
            b']' => !matches!(next, b'=' | b'[' | b']') && !self.is_class_before(at),
            b'[' => self.bytes[..at].ends_with(b" ") && !self.bytes[..at].ends_with(b": "),
            _ => false,
        };
        if is_placeholder {
            self.context.reset();
        }
        // `Key (user_id)=(48812)`, `[App\\Models\\Customer] 48812`
        if matches!((byte, next), (b')', b'=')) || (byte == b']' && self.is_class_before(at)) {
            return 1;
        }
        // `users: [48812, 48813]`
        if byte == b'[' {
            self.context.list();
        }
        if byte.is_ascii() {
            self.context.separator(byte);
            if matches!(byte, b'\n' | b'|' | b';') {
                self.street = None;
            }
            return 1;
        }
        match &self.bytes[at..] {
            // A dash ends a phrase, the sign for numbers begins one.
            [0xe2, 0x80, 0x93..=0x95, ..] => {
                self.context.reset();
                self.context.public = false;
                3
            }
            [0xe2, 0x84, 0x96, ..] => {
                self.context.mark();
                3
            }
            rest => {
                self.context.space();
                separator_length(rest).max(1)
            }
        }
    }

    /// Whether the bracket at `at` ends the name of a class with its namespaces, of which an object follows.
    fn is_class_before(&self, at: usize) -> bool {
        const LONGEST: usize = 60;
        let mut name = self.bytes[..at].iter().rev().take(LONGEST).take_while(|byte| **byte != b'[');
        name.any(|byte| *byte == b'\\') && self.bytes.get(at + 1) == Some(&b' ')
    }

    /// Scrubs a chunk and returns where to continue: a phone number may reach beyond it.
    fn chunk(&mut self, chunk: &Chunk) -> usize {
        let Chunk { start, end, .. } = *chunk;
        if self.bytes[..start].ends_with(b"://") {
            return self.authority(chunk);
        }
        if let Some(end) = self.labelled_value(start) {
            return end;
        }
        if chunk.percent {
            self.encoded_chunk(start, end);
            return end;
        }
        if let Some(end) = self.spelt_email(start, end) {
            return end;
        }
        if chunk.at_sign
            && let Some(end) = self.handle(start, end)
        {
            return end;
        }
        if let Some(end) = self.home_directory(start, end) {
            return end;
        }
        let mut at = start;
        while chunk.at_sign
            && let Some((from, to)) = email::find(self.bytes, at, end)
        {
            let reached = self.parts(at, from, chunk);
            debug_assert!(reached <= from, "a number never reaches into an e-mail address");
            self.replace(from, to, ":email");
            at = to;
        }
        let is_plain = !(chunk.at_sign || chunk.digits || chunk.other) && self.bytes.get(end) != Some(&b':');
        let reached = if is_plain { self.plain_words(start, end) } else { self.parts(at, end, chunk) };
        self.name_click_id(start, end);
        reached
    }

    /// Replaces a range. It must not begin before the end of the last one.
    fn replace(&mut self, start: usize, end: usize, marker: &str) {
        debug_assert!(start >= self.copied && end >= start, "replacements follow each other");
        if self.out.capacity() == 0 {
            self.out.reserve(self.text.len());
        }
        self.out.push_str(&self.text[self.copied..start]);
        self.out.push_str(marker);
        self.copied = end;
        self.context.value();
        self.forget_words();
    }

    fn forget_words(&mut self) {
        self.words = [None; 2];
    }

    fn finish(mut self) -> Cow<'a, str> {
        if self.copied == 0 {
            return Cow::Borrowed(self.text);
        }
        self.out.push_str(&self.text[self.copied..]);
        Cow::Owned(self.out)
    }
}

impl Chunk {
    /// The chunk that starts at `start`; empty if a separator stands there.
    fn read(bytes: &[u8], start: usize) -> Self {
        Self::read_with(bytes, start, false)
    }

    fn with_parentheses(bytes: &[u8], start: usize) -> Self {
        Self::read_with(bytes, start, true)
    }

    fn read_with(bytes: &[u8], start: usize, parentheses: bool) -> Self {
        let mut chunk =
            Self { start, end: start, percent: false, at_sign: false, digits: false, other: false };
        while let Some(&byte) = bytes.get(chunk.end) {
            match byte {
                b'a'..=b'z' | b'_' | b'-' | b'.' | b'~' => {}
                b'A'..=b'Z' | b'+' => chunk.other = true,
                b'0'..=b'9' => chunk.digits = true,
                b'@' => chunk.at_sign = true,
                b'(' | b')' if parentheses => {}
                b'%' if percent::escape(&bytes[chunk.end..]).is_some() => chunk.percent = true,
                0x80.. => {
                    let length = separator_length(&bytes[chunk.end..]);
                    // A dash or the like between encoded blanks is readable, and does not part what they join.
                    let joins = chunk.percent || percent::escape(&bytes[chunk.end + length..]).is_some();
                    if length > 0 && !joins {
                        break;
                    }
                    chunk.other = true;
                    chunk.end += length.max(1) - 1;
                }
                _ => break,
            }
            chunk.end += 1;
        }
        chunk
    }
}

/// Whether a byte belongs to a letter or digit.
fn is_letter(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte >= 0x80
}

/// Bytes of the non-ASCII separator at the beginning: no-break spaces, dashes, quotation marks (U+00A0 to U+00BF and
/// U+2000 to U+206F) and `№`. 0 when there is none.
fn separator_length(bytes: &[u8]) -> usize {
    match bytes {
        [0xc2, 0xa0..=0xbf, ..] => 2,
        [0xe2, 0x80 | 0x81, ..] | [0xe2, 0x84, 0x96, ..] => 3,
        _ => 0,
    }
}
