//! Words for people that the table does not have, by their endings: `petitioners`, `assignee`, `квартиросъемщик`, `Kreditnehmer`.

use std::collections::HashSet;
use std::sync::LazyLock;

use foldhash::fast::FixedState;

use super::WordClass;

/// Bytes of the longest word that is looked at.
const LONGEST: usize = 48;
/// Bytes of the shortest one.
const SHORTEST: usize = 5;

static THINGS: LazyLock<HashSet<&'static str, FixedState>> = LazyLock::new(|| {
    let lines = include_str!("things.txt").lines().filter(|line| !line.starts_with('#'));
    lines.flat_map(|line| line.split(' ')).collect()
});

/// What a word that is not in the table means by its ending.
pub(in crate::privacy::scrub) fn class_by_ending(word: &str) -> Option<WordClass> {
    if !(SHORTEST..=LONGEST).contains(&word.len()) {
        return None;
    }
    let lower = word.to_lowercase().replace('ё', "е");
    if is_german_record(&lower) {
        return Some(WordClass::Record);
    }
    let is_person = if lower.is_ascii() { is_latin_person(&lower) } else { is_russian_person(&lower) };
    (is_person || is_compound(&lower)).then_some(WordClass::Agent)
}

fn is_latin_person(lower: &str) -> bool {
    const ENDINGS: [&str; 5] = ["er", "ee", "ant", "or", "eur"];
    const RUSSIAN: [&str; 3] = ["tel", "shchik", "schik"];
    const GERMAN: [&str; 4] = ["nehmer", "inhaber", "empfaenger", "pflichtige"];
    let single = lower.strip_suffix('s').unwrap_or(lower);
    if THINGS.contains(single) || single.ends_with("ator") || single.ends_with("ateur") {
        return false;
    }
    if ENDINGS.iter().chain(&GERMAN).any(|ending| single.ends_with(ending)) {
        // `teleporter`, `preorder`: two words that are things are one, too.
        return !is_thing_with_beginning(single);
    }
    let stem = ["", "i", "a", "y", "ja", "ya"].iter().find_map(|case| {
        let stem = lower.strip_suffix(case)?;
        RUSSIAN.iter().any(|ending| stem.len() > ending.len() + 2 && stem.ends_with(ending)).then_some(stem)
    });
    stem.is_some_and(|stem| !THINGS.contains(stem) && !stem.ends_with("otel"))
}

/// Whether a word ends in one of a thing, as `webserver` and `microcontroller` do.
fn is_thing_with_beginning(word: &str) -> bool {
    const LEAST: usize = 5;
    (2..word.len().saturating_sub(LEAST - 1)).any(|at| word.get(at..).is_some_and(|end| THINGS.contains(end)))
}

fn is_russian_person(lower: &str) -> bool {
    const NOUNS: [&str; 3] = ["тель", "щик", "чик"];
    const CASES: [(&str, &str); 9] = [
        ("ь", ""),
        ("и", "ь"),
        ("я", "ь"),
        ("ю", "ь"),
        ("ей", "ь"),
        ("ями", "ь"),
        ("и", ""),
        ("а", ""),
        ("ов", ""),
    ];
    /// Of what somebody did or undergoes: `пострадавшие`, `обучающийся`.
    const PARTICIPLES: [&str; 8] = ["вший", "вшая", "вшие", "вшего", "щийся", "щаяся", "щиеся", "щегося"];
    if PARTICIPLES.iter().any(|ending| lower.ends_with(ending)) {
        return true;
    }
    let is_person = |noun: &str| NOUNS.iter().any(|end| noun.ends_with(end)) && !THINGS.contains(noun);
    is_person(lower)
        || CASES.iter().any(|(case, single)| {
            lower
                .strip_suffix(case)
                .is_some_and(|stem| !case.is_empty() && is_person(&format!("{stem}{single}")))
        })
}

/// Whether a word for people of the table ends a longer one: `subtenant`, `Neukunden`.
fn is_compound(lower: &str) -> bool {
    const LEAST: usize = 5;
    (2..lower.len().saturating_sub(LEAST - 1)).any(|at| {
        let end = lower.get(at..).and_then(super::look_up);
        end.is_some_and(|known| matches!(known.class, WordClass::Person | WordClass::Account))
    }) && !is_thing_with_beginning(lower)
}

/// Whether a German word is a compound for something that belongs to one person: `Kreditantrag`.
fn is_german_record(lower: &str) -> bool {
    const HEADS: [&str; 8] =
        ["antrag", "vertrag", "auftrag", "rechnung", "bestellung", "buchung", "meldung", "akte"];
    HEADS.iter().any(|head| lower.len() > head.len() + 2 && lower.ends_with(head))
        && !matches!(lower, "fehlermeldung" | "statusmeldung" | "pressemeldung" | "warnmeldung")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_for_people_are_known_by_their_endings() {
        for word in [
            "petitioners",
            "Rider",
            "assignee",
            "examinees",
            "defendants",
            "квартиросъёмщик",
            "пострадавшие",
            "страхователя",
            "обучающиеся",
            "zayomshchik",
            "strahovatel",
            "kreditnehmer",
        ] {
            assert_eq!(class_by_ending(word), Some(WordClass::Agent), "{word}");
        }
        assert_eq!(class_by_ending("Kreditantrag"), Some(WordClass::Record));
    }

    #[test]
    fn things_with_the_same_endings_are_no_people() {
        for word in [
            "servers",
            "folder",
            "webserver",
            "newsletters",
            "fees",
            "trees",
            "variants",
            "restaurants",
            "датчики",
            "показатели",
            "ящик",
            "dvigatel",
            "politics",
            "hotel",
            "news",
            "fehlermeldung",
        ] {
            assert_eq!(class_by_ending(word), None, "{word}");
        }
    }
}
