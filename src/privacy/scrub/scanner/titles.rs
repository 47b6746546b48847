//! Names behind a title or a greeting: `Herr Bürger`, `Mrs. Pemberton`, `Уважаемая Громова`.

use super::TextScanner;
use crate::privacy::scrub::shapes::names;
use crate::privacy::scrub::words::{self, WordClass};

impl TextScanner<'_> {
    /// Replaces the name behind a title that ends at `end`. Returns where the name ends.
    pub(super) fn name_behind_title(&mut self, class: WordClass, end: usize) -> Option<usize> {
        const MOST_WORDS: usize = 3;
        let rest = &self.text[end..];
        let blank = rest.strip_prefix('.').unwrap_or(rest).strip_prefix([' ', '\u{a0}'])?;
        let start = self.text.len() - blank.len();
        let (mut from, mut name_end) = (start, None);
        for _ in 0..MOST_WORDS {
            let word = &self.text[from..];
            let length = word
                .find(|c: char| !(c.is_alphabetic() || matches!(c, '-' | '\'' | '’')))
                .unwrap_or(word.len());
            let word = word[..length].trim_end_matches(['-', '\'', '’']);
            if !is_name_behind(class, word, name_end.is_some()) {
                break;
            }
            name_end = Some(from + word.len());
            if self.bytes.get(from + word.len()) != Some(&b' ') {
                break;
            }
            from += word.len() + 1;
        }
        let name_end = name_end?;
        self.replace(start, name_end, ":name");
        Some(name_end)
    }
}

/// Whether a word behind a title is a name. `Dear Customer` is none, and `Herr Bürger` is one, although the table has the word.
fn is_name_behind(title: WordClass, word: &str, goes_on: bool) -> bool {
    const ROLES: [&str; 12] = [
        "President",
        "Doktor",
        "Professor",
        "Sir",
        "Madam",
        "Speaker",
        "Chairman",
        "Judge",
        "Damen",
        "Herren",
        "Ladies",
        "Kollegen",
    ];
    let is_spelt = names::is_capitalised(word) && word.chars().skip(1).any(char::is_lowercase);
    let known = words::look_up(word);
    match known {
        _ if !is_spelt || ROLES.contains(&word) => false,
        Some(known) => {
            !goes_on
                && title == WordClass::Title
                && known.class != WordClass::Public
                && !known.class.is_title()
        }
        None => true,
    }
}
