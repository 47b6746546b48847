//! Names of people, by their endings: patronymics give themselves away, surnames only together with another name.

use std::collections::HashSet;
use std::sync::LazyLock;

use foldhash::fast::FixedState;

use super::super::words::without_mark;

/// Letters of the longest name that is looked at.
const MAX_NAME: usize = 30;

static GIVEN: LazyLock<HashSet<&'static str, FixedState>> = LazyLock::new(|| {
    let lines = include_str!("given_names.txt").lines().filter(|line| !line.starts_with('#'));
    lines.flat_map(|line| line.split(' ')).collect()
});

/// How sure it is that a word is a patronymic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::privacy::scrub) enum Patronymic {
    /// Other words hardly end so.
    Sure,
    /// Adjectives do, too, so it counts only in capitals and behind a name in capitals.
    Unsure,
}

/// Whether a word is a Russian patronymic, in any case and spelling: Ивановна, Ильича, petrovich.
pub(in crate::privacy::scrub) fn patronymic(word: &str) -> Option<Patronymic> {
    if word.is_ascii() { latin_patronymic(word) } else { cyrillic_patronymic(word) }
}

/// Whether a word stands behind the name of the father in Turkic names.
pub(in crate::privacy::scrub) fn is_son_or_daughter(word: &str) -> bool {
    matches!(word, "оглы" | "оғлы" | "кызы" | "қызы" | "гызы" | "ұлы" | "oglu" | "ogly" | "kyzy" | "qizi")
}

fn latin_patronymic(word: &str) -> Option<Patronymic> {
    const SURE: [&str; 12] = [
        "ovich", "evich", "ovitch", "evitch", "ovna", "evna", "inichna", "ilyich", "ilich", "kuzmich",
        "nikitich", "fomich",
    ];
    // The last letters tell most words apart.
    let &[.., a, b, c] = word.as_bytes() else { return None };
    if !matches!([a | 0x20, b | 0x20, c | 0x20], [b'v' | b'h', b'n', b'a'] | [b'i' | b't', b'c', b'h'])
        || !(5..=MAX_NAME).contains(&word.len())
    {
        return None;
    }
    let lower = word.to_ascii_lowercase();
    let is_sure = SURE.iter().any(|ending| lower.ends_with(ending)) && (lower.len() > 5 || lower == "ilich");
    let is_unsure = lower == "lukich" || lower.ends_with("tichna");
    let is_title = ["tsarevna", "tsarevich", "tsesarevich", "korolevna", "korolevich"].contains(&&*lower);
    ((is_sure || is_unsure) && !is_title).then_some(Patronymic::Sure)
}

fn cyrillic_patronymic(word: &str) -> Option<Patronymic> {
    const MASCULINE: [&str; 8] = ["ович", "евич", "ильич", "кузьмич", "никитич", "саввич", "фомич", "лукич"];
    const FEMININE: [&str; 6] = ["овн", "евн", "иничн", "тичн", "івн", "ївн"];
    const TURKIC: [&str; 6] = ["оглы", "оғлы", "улы", "ұлы", "кызы", "қызы"];
    let bytes = word.as_bytes();
    if !(10..=2 * MAX_NAME).contains(&bytes.len()) {
        return None;
    }
    // `Сериккызы`: a daughter of Serik.
    if word.ends_with('ы') && word.len() >= 14 && TURKIC.iter().any(|ending| word.ends_with(ending)) {
        let is_kazakh = word.contains(['ұ', 'қ', 'ғ']);
        return Some(if is_kazakh { Patronymic::Sure } else { Patronymic::Unsure });
    }
    // `ич`, `вн` or `чн` is among the last four letters of each of them, and of few other words.
    let is_near_end = |letters: &[u8]| {
        matches!(
            letters,
            [0xd0, 0xb8 | 0x98, 0xd1, 0x87]
                | [0xd0, 0x98, 0xd0, 0xa7]
                | [0xd0, 0xb2 | 0x92, 0xd0, 0xbd | 0x9d]
                | [0xd1, 0x87, 0xd0, 0xbd]
                | [0xd0, 0xa7, 0xd0, 0x9d]
        )
    };
    if !bytes[bytes.len() - 8..].windows(4).any(is_near_end) {
        return None;
    }
    let lower = word.to_lowercase();
    for ending in ["ем", "ом", "а", "у", "е", ""] {
        let Some(stem) = lower.strip_suffix(ending) else { continue };
        if MASCULINE.iter().any(|end| stem.ends_with(end)) {
            let is_title =
                stem.ends_with("царевич") || stem.ends_with("цесаревич") || stem.ends_with("королевич");
            return (!is_title).then_some(Patronymic::Sure);
        }
    }
    let stem = ["ой", "а", "ы", "е", "у"].iter().find_map(|ending| lower.strip_suffix(ending))?;
    let end = FEMININE.iter().find(|end| stem.ends_with(**end) && stem.len() > end.len() + 2)?;
    let is_sure = lower.ends_with('а') && !matches!(*end, "тичн" | "івн") && !is_short_adjective(&lower);
    Some(if is_sure { Patronymic::Sure } else { Patronymic::Unsure })
}

/// Short forms of adjectives that end like patronymics, and other words that do.
fn is_short_adjective(lower: &str) -> bool {
    const WORDS: [&str; 18] = [
        "королевна",
        "царевна",
        "церковна",
        "верховна",
        "духовна",
        "основна",
        "условна",
        "безусловна",
        "виновна",
        "невиновна",
        "любовна",
        "кровна",
        "плачевна",
        "задушевна",
        "душевна",
        "ежедневна",
        "подробностна",
        "готовна",
    ];
    WORDS.contains(&lower)
}

/// Whether a word ends like a Slavic surname.
pub(in crate::privacy::scrub) fn is_surname(word: &str) -> bool {
    const CYRILLIC: [&str; 26] = [
        "ов",
        "ова",
        "ову",
        "овой",
        "ев",
        "ева",
        "еву",
        "евой",
        "ин",
        "ина",
        "ину",
        "иной",
        "ын",
        "ына",
        "ский",
        "ская",
        "цкий",
        "цкая",
        "енко",
        "чук",
        "щук",
        "ян",
        "дзе",
        "швили",
        "вич",
        "ко",
    ];
    const LATIN: [&str; 20] = [
        "ov", "ova", "ev", "eva", "in", "ina", "yn", "yna", "sky", "skiy", "skij", "skaya", "skaia",
        "tskaya", "enko", "chuk", "yan", "dze", "shvili", "vich",
    ];
    let lower = word.to_lowercase();
    let endings: &[&str] = if word.is_ascii() { &LATIN } else { &CYRILLIC };
    lower.chars().count() >= 5 && endings.iter().any(|ending| lower.ends_with(ending))
}

/// Whether a word is a common given name.
pub(in crate::privacy::scrub) fn is_given(word: &str) -> bool {
    let lower = || word.to_lowercase().chars().map(without_mark).collect::<String>();
    word.len() <= 2 * MAX_NAME && GIVEN.contains(&*lower())
}

/// Whether a word is a common given name and no other word.
pub(in crate::privacy::scrub) fn is_only_given(word: &str) -> bool {
    const AMBIGUOUS: [&str; 13] = [
        "роман",
        "вера",
        "надежда",
        "любовь",
        "лев",
        "марк",
        "майя",
        "слава",
        "рома",
        "roman",
        "vera",
        "mark",
        "marina",
    ];
    is_given(word) && !AMBIGUOUS.contains(&&*word.to_lowercase())
}

/// Whether a word ends as surnames and few other words do.
pub(in crate::privacy::scrub) fn is_sure_surname(word: &str) -> bool {
    const ENDINGS: [&str; 18] = [
        "ов",
        "ова",
        "ев",
        "ева",
        "ский",
        "ская",
        "цкий",
        "цкая",
        "енко",
        "ин",
        "ина",
        "швили",
        "ov",
        "ova",
        "ev",
        "eva",
        "skaya",
        "enko",
    ];
    let lower = word.to_lowercase();
    lower.chars().count() >= 6 && ENDINGS.iter().any(|ending| lower.ends_with(ending))
}

/// Whether a word ends as Russian surnames of women do, and no form of another noun: `Логинова`.
pub(in crate::privacy::scrub) fn is_feminine(word: &str) -> bool {
    const LEAST: usize = 12;
    is_capitalised(word) && word.len() >= LEAST && (word.ends_with("ова") || word.ends_with("ева"))
}

/// Whether a word names a medical profession: `kardiolog`, `oncologist`, `неврологи`.
pub(in crate::privacy::scrub) fn is_profession(word: &str) -> bool {
    const ENDINGS: [&str; 9] =
        ["olog", "ologi", "ologist", "ologists", "iatr", "олог", "ологи", "олога", "иатр"];
    let &[.., a, b, _] = word.as_bytes() else { return false };
    // The letters before the last one tell most words apart.
    let is_near = matches!(
        [a | 0x20, b | 0x20],
        [b'l', b'o'] | [b'o', b'g'] | [b'a', b't'] | [b'i', b's'] | [b's', b't']
    ) || !word.is_ascii();
    is_near && word.len() > 7 && ENDINGS.iter().any(|ending| word.ends_with(ending))
}

/// Whether a user name is an initial and a surname: `kschmidt`. No word begins with such two consonants.
pub(in crate::privacy::scrub) fn begins_with_initial(name: &str) -> bool {
    const LEAST: usize = 5;
    /// Consonants at the beginning of a word, and those that may follow them.
    const BEGINNINGS: [(u8, &[u8]); 15] = [
        (b'b', b"lr"),
        (b'c', b"hlrtz"),
        (b'd', b"hjlnrvw"),
        (b'f', b"lr"),
        (b'g', b"dhlnrv"),
        (b'k', b"hlnrtvw"),
        (b'm', b"ln"),
        (b'p', b"fhlrst"),
        (b'q', b"bcdfghjklmnpqrstvwxz"),
        (b's', b"bcdfghjklmnpqrtvw"),
        (b't', b"hrsvw"),
        (b'v', b"dklmrstvz"),
        (b'w', b"hrw"),
        (b'x', b"bcdfghjklmnpqrstvwxz"),
        (b'z', b"dhlnrvw"),
    ];
    let is_consonant =
        |byte: u8| byte.is_ascii_lowercase() && !matches!(byte, b'a' | b'e' | b'i' | b'o' | b'u' | b'y');
    let &[first, second, ref rest @ ..] = name.as_bytes() else { return false };
    let begins_words = BEGINNINGS.iter().any(|(one, others)| *one == first && others.contains(&second));
    let begins_words = begins_words && !name.starts_with("tsch");
    name.len() >= LEAST
        && name.bytes().all(|byte| byte.is_ascii_lowercase())
        && is_consonant(first)
        && is_consonant(second)
        && !begins_words
        && rest.iter().skip(usize::from(name.len() > LEAST)).any(|byte| !is_consonant(*byte))
}

/// Whether a user name is a name and an initial: `sidorov_k`.
pub(in crate::privacy::scrub) fn ends_with_initial(name: &str) -> bool {
    const LEAST: usize = 4;
    let Some((name, initial)) = name.rsplit_once('_') else { return false };
    name.len() >= LEAST
        && name.bytes().all(|byte| byte.is_ascii_lowercase())
        && matches!(initial.as_bytes(), [b'a'..=b'z'])
}

/// Whether a word begins with a capital.
pub(in crate::privacy::scrub) fn is_capitalised(word: &str) -> bool {
    word.chars().next().is_some_and(char::is_uppercase)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patronymics_are_known_by_their_endings() {
        for word in [
            "Ивановна",
            "Ильича",
            "petrovich",
            "Кузьмич",
            "ЛЬВОВНА",
            "lvovna",
            "Yurievna",
            "Фоминична",
            "Лукичу",
            "Григорьевич",
            "юрьевича",
            "nikitichna",
        ] {
            assert_eq!(patronymic(word), Some(Patronymic::Sure), "{word}");
        }
        for word in ["Сергеевне", "Никитичной", "уровне", "деревне", "основной", "Никитична"]
        {
            assert_eq!(patronymic(word), Some(Patronymic::Unsure), "{word}");
        }
        for word in [
            "условный",
            "духовна",
            "москвич",
            "различны",
            "отличная",
            "вечный",
            "больничный",
            "лекции",
            "sandwich",
            "ночь",
            "прогулочные",
            "ровно",
            "первичной",
            "косметичны",
            "ведётся",
            "кирпич",
            "паралича",
        ] {
            assert_ne!(patronymic(word), Some(Patronymic::Sure), "{word}");
        }
    }

    #[test]
    fn professions_are_known_by_their_endings() {
        for word in ["kardiolog", "Neurologists", "гинеколог", "психиатр"] {
            assert!(is_profession(word), "{word}");
        }
        for word in ["catalog", "каталог", "blog", "диалог"] {
            assert!(!is_profession(word), "{word}");
        }
    }
}
