//! Decides about a value as a whole that a word names: `fio=…`, `/users/…`, `"token":"…"`.

use super::camel::camel_ends;
use super::label::{Context, Link};
use super::placeholder;
use super::shapes::{dates, names, places, tokens};
use super::words::{self, WordClass};

/// Letters and digits of the shortest password in a text.
const LEAST_SECRET: usize = 3;
/// Bytes of the longest value that is decided about; longer ones are texts.
pub(super) const MAX_VALUE: usize = 200;

/// Whether a value behind such a word is decided about as a whole.
pub(super) fn is_decided(class: WordClass) -> bool {
    class.is_personal() || class == WordClass::NameHead
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
    // `%s` of a message stands for nothing.
    if !path && digits + letters < 2 || (value.starts_with('%') && !assigned) {
        return None;
    }
    let marker = match class {
        Click => ":token",
        Secret if assigned && !is_status(value) => ":token",
        Secret if !path && is_password(value) => ":token",
        Secret | Token => {
            return (tokens::is_opaque(value.as_bytes()) && !is_page(value)).then_some(":token");
        }
        // The address is found as such, and the rest of the value stays.
        _ if value.contains('@') && !value.starts_with('@') => return None,
        Name | NameHead | Person | Record | Login | Account if names_someone(class, context, value) => {
            ":name"
        }
        Mail if assigned && is_user_name(value, true) => ":email",
        Birth if digits >= 4 && dates::birth_end(value, 0).is_some_and(|end| value.len() - end <= 20) => {
            ":number"
        }
        Position if !path && places::single_end(value.trim_start_matches('-').as_bytes(), 0).is_some() => {
            ":number"
        }
        Address
            if (assigned || context.link == Link::Prose)
                && digits > 0
                && letters >= 4
                && digits < letters =>
        {
            ":address"
        }
        Plate if digits >= 3 && letters > 0 && value.len() <= 20 => ":number",
        Device if is_device(value) => ":number",
        _ => return None,
    };
    Some(marker)
}

/// Whether a value behind a word for people or their names is somebody's name.
fn names_someone(class: WordClass, context: &Context, value: &str) -> bool {
    use WordClass::*;
    let has_letters = value.chars().filter(|c| c.is_alphabetic()).nth(1).is_some();
    match (class, context.link) {
        (Name, Link::Path) => has_letters && !is_page(value) && !is_abbreviation(value),
        (Name, Link::Assigned) => has_letters && !is_status_of_name(value) && is_name_like(value),
        (Name, Link::Prose) => is_name_like(value) && !value.split(' ').any(is_abbreviation),
        (Name, Link::Near) => value.split(' ').any(is_name),
        (NameHead | Person, Link::Assigned | Link::Prose) => is_person(value),
        (Record, Link::Prose) => value.contains(' ') && is_person(value),
        (Person, Link::Path) => is_person_in_slug(value, false),
        (Record, Link::Path) => is_person_in_slug(value, true),
        // `handle = Handle::new(…)` is code.
        (Login, Link::Assigned) => {
            has_letters && !is_page(value) && !value.contains("::") && !value.contains('(')
        }
        (Account, Link::Assigned) if is_person(value) => true,
        (Login, Link::Path) | (Account, Link::Path | Link::Assigned) => {
            is_user_name(value, context.is_short_account())
        }
        // In a sentence, a plain word goes on with it.
        (Login | Account, Link::Near) => {
            let (line, digit) = (value.contains('_'), value.contains(|c: char| c.is_ascii_digit()));
            let line_of_initial = names::ends_with_initial(value);
            let has_sign = if class == Login { line || digit } else { line && digit || line_of_initial };
            let has_sign = has_sign || names::begins_with_initial(value);
            has_sign && is_user_name(value, false)
        }
        (Login | Account, Link::Prose) => is_user_name(value, false),
        _ => false,
    }
}

/// Whether a word in a sentence is a password rather than a word about it: it has digits or signs.
fn is_password(value: &str) -> bool {
    let letters = value.chars().filter(|c| c.is_alphanumeric()).count();
    let has_sign =
        value.contains(|c: char| c.is_ascii_digit() || matches!(c, '!' | '#' | '$' | '^' | '*' | '&'));
    letters >= LEAST_SECRET && has_sign && !is_status(value.trim_end_matches(['!', '.']))
}

/// Whether a value is the number of a device or vehicle.
fn is_device(value: &str) -> bool {
    const VIN: usize = 17;
    let digits = value.bytes().filter(u8::is_ascii_digit).count();
    let is_vin =
        value.len() == VIN && value.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    (digits >= 4 && value.len() >= 8 && !value.contains(' ')) || (is_vin && digits > 0)
}

/// Whether a word is an abbreviation in capitals, as no name is: `DLL`, `HEAD`.
fn is_abbreviation(word: &str) -> bool {
    let letters = word.chars().filter(|c| c.is_alphabetic()).count();
    (1..=4).contains(&letters)
        && word.chars().all(|c| c.is_uppercase() || !c.is_alphabetic())
        && !word.contains('.')
}

/// Whether a word ends like a name, or is a common one.
fn is_name(word: &str) -> bool {
    let word = word.trim_end_matches(['.', ',']);
    names::is_given(word) || names::is_surname(word) || names::patronymic(word).is_some()
}

/// Whether a value says something about what is named, rather than being it: `password=required`.
fn is_status(value: &str) -> bool {
    match words::look_up(value) {
        Some(known) => !matches!(known.class, WordClass::Street),
        None => value.bytes().all(|byte| byte.is_ascii_digit()) && value.len() < 3,
    }
}

/// The same of a name: with a capital, many words are surnames, such as `Brandt` or `Price`.
fn is_status_of_name(value: &str) -> bool {
    use WordClass::*;
    let is_about_fields = |known: words::KnownWord| {
        matches!(known.class, Page | Neutral | Transparent | Connective | Name | NameHead | NamePart)
    };
    match words::look_up(value) {
        Some(known) if names::is_capitalised(value) => is_about_fields(known),
        _ => is_status(value),
    }
}

/// Whether all words of a value are ones that stand on pages: `sign_in`, `delivery-addresses`.
fn is_page(value: &str) -> bool {
    let mut parts = parts(value).peekable();
    parts.peek().is_none() || parts.all(|part| words::look_up(part).is_some())
}

/// The words of a value, without the extension of a file.
fn parts(value: &str) -> impl Iterator<Item = &str> {
    let words = stem(value).split(|c: char| !c.is_alphabetic()).filter(|part| !part.is_empty());
    words.flat_map(|word| {
        let mut start = 0;
        camel_ends(word).map(move |end| {
            let part = &word[start..end];
            start = end;
            part
        })
    })
}

/// A value without the extension of a file.
fn stem(value: &str) -> &str {
    const EXTENSIONS: [&str; 18] = [
        ".md", ".txt", ".html", ".htm", ".php", ".aspx", ".asp", ".jsp", ".json", ".xml", ".svg", ".png",
        ".jpg", ".webp", ".pdf", ".keys", ".gpg", ".atom",
    ];
    EXTENSIONS.iter().find_map(|extension| value.strip_suffix(extension)).unwrap_or(value)
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
            && (words::look_up(word).is_none() || word.chars().nth(1).is_none() || names::is_feminine(word))
    };
    let is_small = |word: &&str| word.chars().all(char::is_lowercase);
    if (2..=3).contains(&words.len()) && words.iter().all(is_small) {
        return words.iter().any(|word| names::is_only_given(word))
            && words.iter().any(|word| names::is_sure_surname(word));
    }
    if !(1..=4).contains(&words.len()) || !words.iter().all(plain) {
        return false;
    }
    let has_given = words.iter().any(|word| word.split('-').any(names::is_given));
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

/// Whether a segment of a path is a person's name: `ivanov-ivan`. `sure`: only with a common given name and a surname.
fn is_person_in_slug(value: &str, sure: bool) -> bool {
    if value.bytes().any(|byte| byte.is_ascii_digit()) {
        return false;
    }
    let words: Vec<&str> = parts(value).collect();
    (2..=3).contains(&words.len())
        && words.iter().all(|word| words::look_up(word).is_none() || names::is_given(word))
        && (!sure
            || (words.iter().any(|word| names::is_only_given(word))
                && words.iter().any(|word| names::is_surname(word))))
        && (words.iter().any(|word| names::is_given(word))
            || (words.len() == 2 && words.iter().any(|word| names::is_surname(word))))
}

/// Whether a value is a name that a user chose. `any` also takes a single plain word.
fn is_user_name(value: &str, any: bool) -> bool {
    const LEAST: usize = 3;
    const MOST: usize = 64;
    let value = value.strip_prefix('@').unwrap_or(value);
    let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '~');
    if !(LEAST..=MOST).contains(&value.len())
        || !value.chars().all(is_plain)
        || !stem(value).chars().any(char::is_alphabetic)
    {
        return false;
    }
    let is_known = |part: &str| words::look_up(part).is_some() && !names::is_given(part);
    // `dark_knight77` is a name, and `orders_2026` and `dark-theme` are none.
    let is_numbered =
        stem(value).bytes().rev().take_while(u8::is_ascii_digit).count() == 2 && !parts(value).all(is_known);
    // `petrova_ok`
    let has_surname = parts(value).any(|part| names::is_sure_surname(part) && words::look_up(part).is_none());
    if !is_numbered && !has_surname && parts(value).any(|part| part.len() > 1 && is_known(part)) {
        return false;
    }
    // A robot of a messenger is not a person.
    if value.to_ascii_lowercase().ends_with("bot") || parts(value).next().is_none() {
        return false;
    }
    // Slugs of pages have more words than names.
    const MOST_WORDS: usize = 2;
    if value.contains('-') && parts(value).count() > MOST_WORDS {
        return false;
    }
    // `KotikMurr`: pages are written small, or with words of the table.
    let has_sign = value.contains(|c: char| c.is_uppercase()) && parts(value).count() > 1;
    let has_sign =
        has_sign || stem(value).bytes().any(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'_'));
    any || has_sign
        || names::begins_with_initial(stem(value))
        || parts(value).any(|part| names::is_given(part) || names::is_surname(part))
        || tokens::is_opaque(value.as_bytes())
}
