//! Words of letters: names of people that a patronymic gives away, and homes.

use super::{TextScanner, Word};
use crate::privacy::scrub::label::Link;
use crate::privacy::scrub::shapes::names::{self, Patronymic};
use crate::privacy::scrub::words::{self, WordClass};

/// Bytes between the word of a street and the number of a flat at most.
const MAX_ADDRESS: usize = 120;

impl TextScanner<'_> {
    /// Reads a word, or several in camel case. Returns where to continue.
    pub(super) fn letters(&mut self, start: usize, end: usize) -> usize {
        let run = &self.text[start..end];
        if names::is_son_or_daughter(run)
            && let Some(to) = self.name_before(start, end)
        {
            return to;
        }
        if let Some(patronymic) = names::patronymic(run)
            && let Some(to) = self.full_name(start, end, patronymic)
        {
            return to;
        }
        if let Some(to) = self.name_of_person(start).or_else(|| self.given_and_surname(start, end)) {
            return to;
        }
        let class = self.words_of(start, end);
        if let Some(class) = class.filter(|class| class.is_title())
            && let Some(to) = self.name_behind_title(class, end)
        {
            return to;
        }
        if class == Some(WordClass::Street)
            && self.street.is_none_or(|street| start - street > MAX_ADDRESS / 2)
        {
            self.street = Some(self.street_start(start, end));
        }
        self.words = [Some(Word { start, end, capitalised: names::is_capitalised(run) }), self.words[0]];
        end
    }

    /// Replaces the name around a patronymic: a given name before it, a surname before or behind both.
    fn full_name(&mut self, start: usize, end: usize, patronymic: Patronymic) -> Option<usize> {
        if self.context.public {
            return None;
        }
        let given = self.words[0].filter(|given| given.start >= self.copied)?;
        let word = |word: Word| &self.text[word.start..word.end];
        let capitalised = names::is_capitalised(&self.text[start..end]);
        // In a sentence, names begin with capitals. In an address or a search nothing does.
        let says_who = |word: &str| {
            use WordClass::*;
            let is_sure = capitalised && patronymic == Patronymic::Sure;
            words::look_up(word).is_some_and(|known| {
                !is_sure || matches!(known.class, Person | Account | Record | Public | Name | NameHead)
            })
        };
        if capitalised != given.capitalised || says_who(word(given)) && !names::is_given(word(given)) {
            return None;
        }
        let is_name = |candidate: Word| {
            names::is_given(word(candidate))
                || names::is_surname(word(candidate))
                || ends_as_oblique_name(word(candidate))
        };
        let follows_name =
            is_name(given) || self.words[1].is_some_and(|before| before.capitalised && is_name(before));
        if patronymic == Patronymic::Unsure && !(capitalised && follows_name) {
            return None;
        }
        let is_surname = |candidate: Word| {
            candidate.capitalised == capitalised
                && candidate.start >= self.copied
                && words::look_up(word(candidate)).is_none()
                && (capitalised || names::is_surname(word(candidate)) || self.starts_segment(candidate.start))
        };
        let before = self.words[1].filter(|before| is_surname(*before));
        let name_start = before.map_or(given.start, |before| before.start);
        let name_end =
            if before.is_none() { self.surname_behind(end, capitalised).unwrap_or(end) } else { end };
        if capitalised && self.is_public_behind(name_end) {
            return None;
        }
        self.replace(name_start, name_end, ":name");
        Some(name_end)
    }

    /// Replaces the names before the word for a son or daughter: `Мамедов Эльчин Рафик оглы`.
    fn name_before(&mut self, start: usize, end: usize) -> Option<usize> {
        let [Some(father), Some(given)] = self.words else { return None };
        let are_names = father.capitalised && given.capitalised && given.start >= self.copied;
        if !are_names || &self.text[father.end..start] != " " {
            return None;
        }
        let before = self.text[self.copied..given.start].trim_end_matches(' ');
        let surname = before.rsplit(|c: char| !c.is_alphabetic()).next().unwrap_or_default();
        let is_surname = names::is_capitalised(surname) && words::look_up(surname).is_none();
        let from = if is_surname { self.copied + before.len() - surname.len() } else { given.start };
        self.replace(from, end, ":name");
        Some(end)
    }

    /// Replaces a common given name and a surname beside it, which nothing announces: `Завьялова Эльвира`.
    fn given_and_surname(&mut self, start: usize, end: usize) -> Option<usize> {
        let first = self.words[0].filter(|first| first.capitalised && first.start >= self.copied)?;
        let second = &self.text[start..end];
        if self.context.public || !names::is_capitalised(second) || !self.text[first.end..start].eq(" ") {
            return None;
        }
        let first_name = &self.text[first.start..first.end];
        let is_pair = |given, surname| {
            names::is_only_given(given)
                && names::is_sure_surname(surname)
                && words::look_up(surname).is_none()
        };
        if !is_pair(first_name, second) && !is_pair(second, first_name) {
            return None;
        }
        let behind = self.text[end..].strip_prefix(' ').unwrap_or_default();
        let word = &behind[..behind.find(|c: char| !c.is_alphabetic()).unwrap_or(behind.len())];
        let end = if names::patronymic(word).is_some() { end + 1 + word.len() } else { end };
        if self.is_public_behind(end) {
            return None;
        }
        self.replace(first.start, end, ":name");
        Some(end)
    }

    /// Whether what follows a name says that the person is one in public: `… — врач-кардиолог`.
    fn is_public_behind(&self, end: usize) -> bool {
        const MOST_WORDS: usize = 3;
        let rest = self.text[end..].trim_start_matches([' ', '\u{a0}']);
        let Some(rest) = rest.strip_prefix([',', '-', '–', '—', '|', '(', ':']) else { return false };
        let mut words = rest.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty());
        let is_role = |word: &str| {
            names::is_profession(&word.to_lowercase())
                || words::look_up(word).is_some_and(|known| known.class == WordClass::Public)
        };
        words.by_ref().take(MOST_WORDS).take_while(|word| !names::is_given(word)).any(is_role)
    }

    /// Whether nothing of the segment or text stands before `at`.
    fn starts_segment(&self, at: usize) -> bool {
        at == 0 || matches!(self.bytes[at - 1], b'/' | b'=' | b'"')
    }

    /// Where a surname ends that follows at `at`.
    fn surname_behind(&self, at: usize, capitalised: bool) -> Option<usize> {
        let rest = self.text[at..].strip_prefix([' ', '-', '_'])?;
        let length = rest.find(|c: char| !c.is_alphabetic()).unwrap_or(rest.len());
        let word = &rest[..length];
        let fits = length > 0
            && names::is_capitalised(word) == capitalised
            && (words::look_up(word).is_none() || (capitalised && names::is_sure_surname(word)))
            && (names::is_surname(word)
                || capitalised
                || rest.len() == length
                || rest.as_bytes()[length] == b'/');
        fits.then_some(self.text.len() - rest.len() + length)
    }

    /// Replaces a name behind the word for a person: `Пациент Иванов Иван`.
    fn name_of_person(&mut self, start: usize) -> Option<usize> {
        let is_person =
            matches!(self.context.class(), Some(WordClass::Person | WordClass::Account | WordClass::Name));
        if !is_person || self.context.link != Link::Near || self.bytes[start].is_ascii() {
            return None;
        }
        let mut end = start;
        let mut is_name = false;
        for word in self.text[start..].split(' ').take(3) {
            let bare = word.trim_end_matches([',', '.', '!', ';', ':', '"', ')']);
            if bare.is_empty()
                || !names::is_capitalised(bare)
                || !bare.chars().all(|c| c.is_alphabetic() || c == '-')
                || words::look_up(bare).is_some()
            {
                break;
            }
            is_name |= names::is_given(bare)
                || names::is_surname(bare)
                || names::patronymic(bare).is_some()
                || ends_as_oblique_name(bare);
            end = self.text[end..].find(bare).map_or(end, |at| end + at + bare.len());
            if bare.len() < word.len() {
                break;
            }
        }
        is_name.then(|| {
            self.replace(start, end, ":name");
            end
        })
    }

    /// Where the name of a street begins whose word was read: there (`ул. Кленовая`), or before (`12 Elm Street`).
    fn street_start(&self, start: usize, end: usize) -> usize {
        let after = self.text[end..].trim_start_matches(['.', ' ', '-', '_']);
        let follows = after.chars().next().is_some_and(|c| c.is_alphabetic());
        if follows
            && !(names::is_capitalised(&self.text[start..end])
                && self.bytes[start].is_ascii()
                && self.words[0].is_some())
        {
            return start;
        }
        let least = self.copied.max(self.text.floor_char_boundary(start.saturating_sub(MAX_ADDRESS / 2)));
        let mut from = start;
        // The name and number before it: capitals and digits.
        for word in self.text[least..start].rsplit(' ').filter(|word| !word.is_empty()) {
            let is_part = names::is_capitalised(word) || word.starts_with(|c: char| c.is_ascii_digit());
            if !is_part || word.ends_with([',', ':', ';', '=', '(', '"']) {
                break;
            }
            from = self.text[..from].rfind(word).unwrap_or(from);
        }
        from
    }

    /// Replaces the address of a home, when the digits `at..after` are the number of its flat. Returns where it ends.
    pub(super) fn flat(&mut self, at: usize, after: usize) -> Option<usize> {
        if self.context.class() != Some(WordClass::Flat) || after - at > 4 {
            return None;
        }
        let street = self.street.filter(|street| *street >= self.copied && at - *street <= MAX_ADDRESS)?;
        self.street = None;
        self.replace(street, after, ":address");
        Some(after)
    }
}

/// Whether a Russian word ends as names do in other cases than the first: Ивановой, Марии, Петровым.
fn ends_as_oblique_name(word: &str) -> bool {
    const ENDINGS: [&str; 12] =
        ["овой", "евой", "иной", "ской", "ского", "скому", "овым", "евым", "иным", "ову", "еву", "ии"];
    let lower = word.to_lowercase();
    lower.len() >= 8 && ENDINGS.iter().any(|ending| lower.ends_with(ending))
}
