//! Decides about a value as a whole that a word names: `fio=…`, `/users/…`, `"token":"…"`.

use super::label::{Context, Link, camel_ends};
use super::placeholder;
use super::shapes::{dates, names, places, tokens};
use super::words::{self, WordClass};

/// Bytes of the longest value that is decided about; longer ones are texts.
pub(super) const MAX_VALUE: usize = 200;

/// Whether a value behind such a word is decided about as a whole.
pub(super) fn is_decided(class: WordClass) -> bool {
    use WordClass::*;
    matches!(
        class,
        Person
            | Account
            | Phone
            | Mail
            | Name
            | NameHead
            | Login
            | Token
            | Secret
            | Birth
            | Position
            | Address
            | Plate
            | Device
            | Click
            | Document
    )
}

/// What replaces a value, without percent encodings; `None` when only parts of it may have to go.
pub(super) fn replacement(class: WordClass, context: &Context, value: &str) -> Option<&'static str> {
    use WordClass::*;
    let value = value.trim();
    if value.is_empty() || value.len() > MAX_VALUE || placeholder::is_all(value) {
        return None;
    }
    let assigned = context.link == Link::Assigned;
    let path = context.link == Link::Path;
    let digits = value.bytes().filter(u8::is_ascii_digit).count();
    let letters = value.chars().filter(|c| c.is_alphabetic()).count();
    let marker = match class {
        Click => ":token",
        Secret if assigned && !is_status(value) => ":token",
        Secret | Token => {
            return (tokens::is_opaque(value.as_bytes()) && !is_page(value)).then_some(":token");
        }
        // The address is found as such, and the rest of the value stays.
        _ if value.contains('@') && !value.starts_with('@') => return None,
        Name if letters >= 2
            && (assigned || context.link == Link::Near)
            && !is_status(value)
            && is_name_like(value) =>
        {
            ":name"
        }
        Name if path && letters >= 2 && !is_page(value) => ":name",
        NameHead | Person if assigned && is_person(value) => ":name",
        Person if path && is_person_in_slug(value) => ":name",
        Login if assigned && letters >= 2 && !is_page(value) => ":name",
        Login if path && is_user_name(value, context.is_short_account()) => ":name",
        Account if (path || assigned) && is_user_name(value, context.is_short_account()) => ":name",
        Mail if assigned && is_user_name(value, true) => ":email",
        Birth if digits >= 4 && dates::birth_end(value, 0).is_some_and(|end| value.len() - end <= 20) => {
            ":number"
        }
        Position if assigned && places::single_end(value.trim_start_matches('-').as_bytes(), 0).is_some() => {
            ":number"
        }
        Address if assigned && digits > 0 && letters >= 4 && digits < letters => ":address",
        Plate if digits >= 3 && letters > 0 && value.len() <= 20 => ":number",
        Device if digits >= 4 && value.len() >= 8 && !value.contains(' ') => ":number",
        _ => return None,
    };
    Some(marker)
}

/// Whether a value says something about what is named, rather than being it: `password=required`.
fn is_status(value: &str) -> bool {
    match words::look_up(value) {
        Some(known) => !matches!(known.class, WordClass::Street),
        None => value.bytes().all(|byte| byte.is_ascii_digit()) && value.len() < 3,
    }
}

/// Whether all words of a value are ones that stand on pages: `sign_in`, `delivery-addresses`.
fn is_page(value: &str) -> bool {
    let mut parts = parts(value).peekable();
    parts.peek().is_none() || parts.all(|part| words::look_up(part).is_some())
}

/// The words of a value, without the extension of a file.
fn parts(value: &str) -> impl Iterator<Item = &str> {
    const EXTENSIONS: [&str; 8] = [".html", ".htm", ".php", ".aspx", ".asp", ".jsp", ".json", ".xml"];
    let stem = EXTENSIONS.iter().find_map(|extension| value.strip_suffix(extension)).unwrap_or(value);
    let words = stem.split(|c: char| !c.is_alphabetic()).filter(|part| !part.is_empty());
    words.flat_map(|word| {
        let mut start = 0;
        camel_ends(word).map(move |end| {
            let part = &word[start..end];
            start = end;
            part
        })
    })
}

/// Whether a value is spelt as names are: words without digits, few of them.
fn is_name_like(value: &str) -> bool {
    const MOST_WORDS: usize = 6;
    !value.bytes().any(|byte| byte.is_ascii_digit() || matches!(byte, b'<' | b'{' | b'=' | b'/'))
        && value.split(' ').filter(|word| !word.is_empty()).count() <= MOST_WORDS
}

/// Whether a value is a person's name by itself: capitalised words that no page has, and one of them ends like a name.
fn is_person(value: &str) -> bool {
    let words: Vec<&str> = value.split([' ', '.']).filter(|word| !word.is_empty()).collect();
    let plain = |word: &&str| {
        names::is_capitalised(word)
            && word.chars().all(|c| c.is_alphabetic() || c == '-')
            && words::look_up(word).is_none()
    };
    if !(1..=4).contains(&words.len()) || !words.iter().all(plain) {
        return false;
    }
    let has_given = words.iter().any(|word| names::is_given(word));
    let surnames = words.iter().filter(|word| names::is_surname(word)).count();
    let patronymic = words.iter().any(|word| names::patronymic(word).is_some());
    match words.len() {
        1 => has_given || (surnames == 1 && !words[0].is_ascii() && ends_as_most_surnames(words[0])),
        _ => has_given || patronymic || surnames > 0,
    }
}

/// Whether a single word ends as most Russian surnames and few other words do.
fn ends_as_most_surnames(word: &str) -> bool {
    let lower = word.to_lowercase();
    lower.len() >= 12
        && ["ов", "ова", "ев", "ева", "ский", "ская", "енко"].iter().any(|ending| lower.ends_with(ending))
}

/// Whether a segment of a path is a person's name: `ivanov-ivan`.
fn is_person_in_slug(value: &str) -> bool {
    if value.bytes().any(|byte| byte.is_ascii_digit()) {
        return false;
    }
    let words: Vec<&str> = parts(value).collect();
    (2..=3).contains(&words.len())
        && words.iter().all(|word| words::look_up(word).is_none() || names::is_given(word))
        && words.iter().any(|word| names::is_surname(word) || names::is_given(word))
}

/// Whether a value is a name that a user chose. `any` also takes a single plain word.
fn is_user_name(value: &str, any: bool) -> bool {
    const LEAST: usize = 3;
    const MOST: usize = 64;
    let value = value.strip_prefix('@').unwrap_or(value);
    let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '~');
    if !(LEAST..=MOST).contains(&value.len())
        || !value.chars().all(is_plain)
        || !value.chars().any(char::is_alphabetic)
    {
        return false;
    }
    if parts(value).any(|part| part.len() > 1 && words::look_up(part).is_some() && !names::is_given(part)) {
        return false;
    }
    // A robot of a messenger is no person.
    if value.to_ascii_lowercase().ends_with("bot") || parts(value).next().is_none() {
        return false;
    }
    let has_sign = value.bytes().any(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'_'));
    any || has_sign
        || parts(value).any(|part| names::is_given(part) || names::is_surname(part))
        || tokens::is_opaque(value.as_bytes())
}
