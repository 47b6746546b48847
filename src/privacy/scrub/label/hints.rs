//! What the last word before a value says beyond its class.

use super::{Context, Label, Link, Section};
use crate::privacy::scrub::words::WordClass;

impl Context {
    /// Whether the words before a number or an earlier segment of its path are about a person.
    pub(in crate::privacy::scrub) fn is_about_person(&self) -> bool {
        self.names_person() || (self.path && self.section == Section::Personal)
    }

    /// Whether a date is a day of birth. `dr` is a doctor, and the Russian abbreviation of it. Behind other words, only a date that no page
    /// of today has is one: `birthday sale until 01.12.2026`.
    pub(in crate::privacy::scrub) fn announces_birth(&self, date: &str) -> bool {
        const PAGES: u32 = 2020;
        let is_past = || {
            let mut numbers = date.split(|c: char| !c.is_ascii_digit());
            numbers.any(|number| number.len() == 4 && number.parse::<u32>().is_ok_and(|year| year < PAGES))
        };
        self.class() == Some(WordClass::Birth)
            || (self.link == Link::Assigned && self.last.is("dr"))
            || (self.birth && is_past())
    }

    /// Whether the id of somebody follows, if the label means people. A name's part does only with a word for ids: `child_id`.
    pub(super) fn announces_id(&self) -> bool {
        let is_named = self.label == Label::Word(WordClass::Agent) || self.marked;
        match self.link {
            Link::Path => is_named && self.section != Section::Content,
            Link::Assigned => is_named && (self.marked || !self.plural),
            _ => false,
        }
    }

    /// Whether a segment of a path that says nothing else stands before the value.
    pub(in crate::privacy::scrub) fn follows_unknown_segment(&self) -> bool {
        self.path && self.link == Link::Path && self.label == Label::Plain && self.section == Section::Unknown
    }

    /// Reads a brace: the object behind a name is what the name says, and in a list all of its objects are.
    pub(super) fn brace(&mut self, byte: u8) {
        let is_named = matches!(self.label, Label::Word(_)) && !self.used;
        if byte == b'{' && is_named && matches!(self.link, Link::Assigned | Link::Near) {
            self.outer = self.label;
        } else if byte == b'}' && !self.list {
            self.outer = Label::Unnamed;
        }
        self.reset();
    }

    /// The label of a key in an object, by the key and the object's name: the object's id, or its name.
    pub(super) fn for_object(&self, class: WordClass) -> Label {
        use WordClass::*;
        match (self.outer, class) {
            // A document has other numbers than its id.
            (Label::Word(outer), Transparent) if outer.is_personal() || self.last.is("id") => self.outer,
            (Label::Word(Person | Account | Name | NameHead), NameHead | NamePart) => Label::Word(Name),
            _ => Label::Unnamed,
        }
    }

    /// Whether the page of a book follows.
    pub(in crate::privacy::scrub) fn is_about_book(&self) -> bool {
        let is_word = ["book", "books", "kniga", "knigi"].iter().any(|word| self.last.is(word));
        is_word && self.is(WordClass::Content)
    }

    /// Whether the value is what scripts are loaded with, so that a browser fetches them anew: `app.js?v=1764254415`.
    pub(in crate::privacy::scrub) fn is_cache_buster(&self) -> bool {
        self.link == Link::Assigned && ["v", "t", "ts", "ver"].iter().any(|name| self.last.is(name))
    }

    /// Notes that a list of values begins: behind the word for people, of their ids rather than of counts.
    pub(in crate::privacy::scrub) fn list(&mut self) {
        if matches!(self.label, Label::Word(_)) && matches!(self.link, Link::Assigned) && !self.is_person() {
            self.list = true;
        }
        if self.is_person() && matches!(self.link, Link::Assigned | Link::Prose | Link::Joined | Link::Near) {
            self.list = true;
            if self.plural && !self.marked {
                self.plural = false;
                self.link = Link::Near;
            }
        }
    }
}
