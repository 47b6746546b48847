//! What words mean together: `patient` and `name`, `user` and `agent`.

use super::kind::{Label, Link};
use crate::privacy::scrub::words::{self, KnownWord, WordClass};

/// The label of two words together.
pub(super) fn combine(before: Label, class: WordClass, link: Link) -> Label {
    use WordClass::*;
    let Label::Word(first) = before else {
        return match (before, class) {
            (Label::Id | Label::Plain, Transparent) => before,
            (_, Transparent) => Label::Id,
            (Label::Unnamed, Connective) => Label::Plain,
            (_, Connective | Title | Greeting) => before,
            (_, Page) => Label::Plain,
            // `host name`, `file_name`: of something that is not a person.
            (Label::Plain, NameHead) if link == Link::Joined => Label::Word(Neutral),
            _ => Label::Word(class),
        };
    };
    let kept = match (first, class) {
        (_, Transparent) => true,
        (Agent, Connective) => true,
        (_, Connective) => link != Link::Path,
        // What is said of a person: `phone of the patient`, `имя пациента`.
        (
            Name | Phone | Mail | Birth | Document | Address | Login | Secret | Position,
            Person | Account | Public | NamePart,
        ) => link != Link::Path,
        (Name, NameHead) => true,
        (Birth, Date | Measure | Time) => link != Link::Path,
        (Campaign, class) => link != Link::Path && class != Name,
        (Mail | Device | Neutral, Address) => true,
        // `/confirm-email/…`
        (Token, Mail) => matches!(link, Link::Path | Link::Joined),
        (Token, Secret | Account | Person | Record) => link == Link::Path,
        // `истории болезни`, `результаты анализов`
        (Record | Document, Content) => matches!(link, Link::Near | Link::Joined),
        _ => false,
    };
    if kept {
        return before;
    }
    match (first, class) {
        (Account, NameHead) if link != Link::Path => Label::Word(Login),
        (Person | Account | NamePart | Name | Record, NameHead) => Label::Word(Name),
        (NameHead, Person | Account | NamePart) if link != Link::Path => Label::Word(Name),
        // `driver_license`
        (Person, Law) if link == Link::Joined => Label::Word(Document),
        (_, NameHead) if link == Link::Joined => Label::Word(Neutral),
        (_, Page) => Label::Plain,
        _ => Label::Word(class),
    }
}

/// A single capital names nothing: it begins a number.
pub(super) fn is_capital(word: &str) -> bool {
    word.len() == 1 && word.as_bytes()[0].is_ascii_uppercase()
}

/// A short word before a hyphen, with which the next one may be a word of the table: `e-mail`, `one-time`.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ShortWord {
    length: u8,
    bytes: [u8; Self::MOST],
}

impl ShortWord {
    const SHORT: usize = 4;
    const MOST: usize = 6;

    pub(super) fn set(&mut self, word: &str) {
        self.length = 0;
        if let Some(bytes) = self.bytes.get_mut(..word.len()) {
            bytes.copy_from_slice(word.as_bytes());
            self.length = word.len() as u8;
        }
    }

    pub(super) fn is(&self, word: &str) -> bool {
        self.bytes[..usize::from(self.length)] == *word.as_bytes()
    }

    /// The word of the table that both words are together.
    pub(super) fn joined(&self, word: &str) -> Option<KnownWord> {
        let mut both = [0; 24];
        let (first, second) = both.split_at_mut(usize::from(self.length));
        // Longer words are joined by names of fields alone: `screen_name`.
        if first.is_empty() || !word.is_ascii() || (first.len() > Self::SHORT && word != "name") {
            return None;
        }
        first.copy_from_slice(&self.bytes[..first.len()]);
        second.get_mut(..word.len())?.copy_from_slice(word.as_bytes());
        let length = first.len() + word.len();
        words::look_up(std::str::from_utf8(&both[..length]).ok()?)
            .filter(|known| known.class != WordClass::Page)
    }
}

/// One to four capitals, such as begin the number of a document.
pub(super) fn is_code(word: &str) -> bool {
    let letters = word.chars().count();
    letters <= 4 && word.chars().all(char::is_uppercase)
}
