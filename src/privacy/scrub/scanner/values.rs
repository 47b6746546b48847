//! Values behind a word that names them, and parts of addresses in a text: hosts, user names, e-mail addresses spelt out.

use std::borrow::Cow;

use super::{Chunk, TextScanner};
use crate::privacy::scrub::click_ids::CLICK_IDS;
use crate::privacy::scrub::label::{Context, Label, Link};
use crate::privacy::scrub::labelled::{self, MAX_VALUE};
use crate::privacy::scrub::percent;
use crate::privacy::scrub::shapes::{dates, email, names};
use crate::privacy::scrub::words::{self, WordClass};

impl TextScanner<'_> {
    /// Replaces the value that begins at `start` if the words before it say that it is personal. Returns where it ends.
    pub(super) fn labelled_value(&mut self, start: usize) -> Option<usize> {
        let class = self.context.class().filter(|class| labelled::is_decided(*class))?;
        if matches!(self.context.link, Link::None | Link::Joined) {
            return None;
        }
        let quote = self.quote_before(start);
        let end = self.value_end(start, class, quote)?;
        let value = percent::decoded(&self.text[start..end]);
        if class == WordClass::Birth
            && matches!(value, Cow::Borrowed(_))
            && let Some(end) = dates::birth_end(self.text, start)
            && self.bytes.get(end) != Some(&b'%')
        {
            self.replace(start, end, ":number");
            return Some(end);
        }
        let context = if quote.is_some() { self.context.quoted() } else { self.context };
        let marker = labelled::replacement(class, &context, &value)?;
        self.replace(start, end, marker);
        Some(end)
    }

    /// Where a value ends: at the closing quotation mark, with the segment of a path, or before the next parameter.
    fn value_end(&self, start: usize, class: WordClass, quote: Option<u8>) -> Option<usize> {
        use WordClass::*;
        let rest = &self.bytes[start..self.bytes.len().min(start + MAX_VALUE)];
        if let Some(quote) = quote {
            return rest.iter().position(|byte| *byte == quote).map(|length| start + length);
        }
        let link = self.context.link;
        let signs: &[u8] = match (class, link) {
            (Plate, _) => b",&\"\n",
            (_, Link::Path) => b"/?#&;:\"'<> ),\n",
            _ => b"&;,\"'<> )}]|\n",
        };
        let length = rest.iter().position(|byte| signs.contains(byte)).unwrap_or(rest.len());
        let end = self.text.floor_char_boundary(start + length);
        match (class, link) {
            // In a text that goes on, only what is spelt as a name is one.
            (Name | NameHead | Person, Link::Near | Link::Prose) | (Record, Link::Prose) => {
                self.name_end(start)
            }
            (Name | NameHead | Person, Link::Assigned) if self.depth == 0 => {
                self.name_end(start).or_else(|| self.bytes[start].is_ascii().then_some(end))
            }
            (Mail, Link::Near) => None,
            (Login | Account, Link::Near) => {
                Some(start + self.text[start..end].find(' ').unwrap_or(end - start))
            }
            (Secret | Token, Link::Near) => {
                self.bytes[start..end].iter().any(u8::is_ascii_digit).then_some(end)
            }
            _ => Some(end),
        }
    }

    /// The quotation mark before a value.
    fn quote_before(&self, start: usize) -> Option<u8> {
        start.checked_sub(1).map(|before| self.bytes[before]).filter(|byte| matches!(byte, b'"' | b'\''))
    }

    /// Where a name of up to three capitalised words ends that begins at `start`.
    fn name_end(&self, start: usize) -> Option<usize> {
        const MOST_WORDS: usize = 3;
        let mut end = None;
        let mut from = start;
        for _ in 0..MOST_WORDS {
            let word = &self.text[from..];
            let length =
                word.find(|c: char| !(c.is_alphabetic() || matches!(c, '-' | '.'))).unwrap_or(word.len());
            let word = &word[..length];
            let is_known = words::look_up(word.trim_end_matches('.')).is_some();
            if !names::is_capitalised(word) || (is_known && !names::is_feminine(word)) {
                break;
            }
            end = Some(from + length);
            let blank = match self.bytes[from + length..] {
                [b' ' | b'+', ..] => 1,
                [b'%', b'2', b'0', ..] => 3,
                _ => break,
            };
            from += length + blank;
        }
        end
    }

    /// The host of an address in a text, perhaps behind user name and password, which go.
    pub(super) fn authority(&mut self, chunk: &Chunk) -> usize {
        let Chunk { start, end, .. } = *chunk;
        self.context.reset();
        if let Some(length) = email::user_info(&self.bytes[start..]) {
            self.replace(start, start + length, "");
            return start + length;
        }
        // Words of a host say nothing about the path.
        let reached = if chunk.digits || chunk.percent { self.parts(start, end, chunk) } else { end };
        self.context.reset();
        self.messenger(start, end);
        reached
    }

    /// Notes a host whose first segment is a person's name or phone number.
    pub(super) fn messenger(&mut self, start: usize, end: usize) {
        let host = Context::for_host(&self.bytes[start..end]);
        if host.label != Label::Unnamed {
            self.context = host;
        }
    }

    /// A user name behind `@`, which begins a segment of a path: `/@ivan/posts`, but not `/@types/node`.
    pub(super) fn handle(&mut self, start: usize, end: usize) -> Option<usize> {
        const PACKAGES: [&str; 14] = [
            "types",
            "vue",
            "angular",
            "babel",
            "react",
            "nuxt",
            "svelte",
            "floating-ui",
            "popperjs",
            "fullcalendar",
            "fontsource",
            "sentry",
            "vite",
            "fs",
        ];
        if self.bytes[start] != b'@' || end - start < 4 {
            return None;
        }
        if !self.bytes[..start].ends_with(b"/") {
            return self.mention(start, end);
        }
        let name = &self.text[start + 1..end];
        let is_plain = name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-') || byte >= 0x80);
        let is_place = name.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-'));
        let before = &self.text[..start - 1];
        let is_registry = ["npm", "unpkg", "node_modules", "package", "gh", "pkg"]
            .iter()
            .any(|word| before.ends_with(word));
        if !is_plain || is_place || is_registry || PACKAGES.contains(&name) || self.is_package(name, end) {
            return None;
        }
        self.replace(start + 1, end, ":name");
        Some(end)
    }

    /// A user name behind `@` in a text: `Message from @ivan`, but not `@media (…)`.
    fn mention(&mut self, start: usize, end: usize) -> Option<usize> {
        const OTHERS: [&str; 25] = [
            "media",
            "import",
            "keyframes",
            "charset",
            "supports",
            "font-face",
            "namespace",
            "click",
            "submit",
            "everyone",
            "param",
            "returns",
            "deprecated",
            "override",
            "context",
            "type",
            "layer",
            "container",
            "property",
            "page",
            "Component",
            "Injectable",
            "NgModule",
            "http",
            "https",
        ];
        let name = self.text[start + 1..end].trim_end_matches('.');
        let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.');
        let goes_on = matches!(self.bytes.get(end), Some(b'/' | b'('));
        let begins = name.starts_with(char::is_alphabetic) && !self.bytes[..start].ends_with(b")");
        if goes_on
            || !begins
            || !name.chars().all(is_plain)
            || OTHERS.contains(&name)
            || words::look_up(name).is_some()
        {
            return None;
        }
        let end = start + 1 + name.len();
        self.replace(start + 1, end, ":name");
        Some(end)
    }

    /// The directory of a user: `/home/ivan/app.js`, `C:\\Users\\ivan`, `/~ivan`. Returns where the name ends.
    pub(super) fn home_directory(&mut self, start: usize, end: usize) -> Option<usize> {
        const LEAST: usize = 3;
        const LONGEST: usize = 256;
        let name = match &self.bytes[start..end] {
            [b'~', _, ..] if self.bytes[..start].ends_with(b"/") => start + 1,
            b"Users" | b"home" => end + 1,
            _ => return None,
        };
        let is_end = |c: char| matches!(c, '/' | '\\' | ' ' | '"' | '\'' | ')' | ':' | '\n' | '?');
        let rest = self.text.get(name..)?;
        // Each search is bounded, because a text may have many such directories.
        let near = rest.floor_char_boundary(LONGEST);
        let length = rest[..near].find(is_end).unwrap_or(near);
        if length < LEAST || rest.starts_with(':') {
            return None;
        }
        if name > end {
            // A path of a file rather than of a page: from the root on, with the extension of a file.
            let [.., before, b'/' | b'\\'] = self.bytes[..start] else { return None };
            let is_root = matches!(before, b' ' | b'(' | b'"' | b'\'' | b'/' | b':' | b'\n');
            let is_below = matches!(self.bytes[end..], [b'/' | b'\\', ..]);
            let file = &rest[..rest[..near].find([' ', ')', '"', '\n']).unwrap_or(near)];
            if !is_root || !is_below || !file[length.min(file.len())..].contains('.') {
                return None;
            }
        }
        self.replace(name, name + length, ":name");
        Some(name + length)
    }

    /// Whether `/@scope/name` is a package: no page of a person follows, and the scope has no sign of a user name.
    fn is_package(&self, scope: &str, end: usize) -> bool {
        let Some(rest) = self.text[end..].strip_prefix('/') else { return false };
        let next = &rest[..rest.find(|c: char| !c.is_alphabetic()).unwrap_or(rest.len())];
        let has_sign = scope.bytes().any(|byte| byte.is_ascii_digit() || matches!(byte, b'_' | b'.'));
        !has_sign && !next.is_empty() && words::look_up(next).is_none()
    }

    /// An e-mail address spelt out, of which this chunk is the word for `@`.
    pub(super) fn spelt_email(&mut self, start: usize, end: usize) -> Option<usize> {
        let length = end - start;
        if !matches!(length, 1 | 2 | 6 | 12 | 14) {
            return None;
        }
        let is_sign = matches!(
            &self.text[start..end],
            "at" | "AT" | "At" | "@" | "собака" | "СОБАКА" | "sobaka" | "собачка"
        );
        let (local, local_end) =
            self.chunk.filter(|(local, end)| is_sign && *local >= self.copied && *end + 3 >= start)?;
        let is_word = self.text[local..local_end].chars().any(char::is_alphanumeric);
        let end = email::spelt_end(self.text, local_end).filter(|_| is_word)?;
        self.replace(local, end, ":email");
        Some(end)
    }

    /// Notes the name of a parameter whose value is the id of a click.
    pub(super) fn name_click_id(&mut self, start: usize, end: usize) {
        if self.bytes.get(end) == Some(&b'=') && CLICK_IDS.contains(&&self.text[start..end]) {
            self.context.label = Label::Word(WordClass::Click);
            self.context.link = Link::Joined;
        }
    }
}
