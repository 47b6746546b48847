//! What single words say about the value behind them: the table `words.tsv`, in Russian (also in Latin letters) and English.
//!
//! The table knows classes of words only. What they mean together is up to [`label`](super::label).

use std::collections::HashMap;
use std::sync::LazyLock;

use foldhash::fast::FixedState;

use crate::event::names;

/// Longest word of the table in bytes; longer ones are not looked up.
const MAX_WORD: usize = 40;
/// Most letters of an ending that `*` stands for.
const MAX_ENDING: usize = 3;

names! {
    /// What a word says about the value behind it.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(in crate::privacy::scrub) enum WordClass {
        /// A person whom the site knows: any id behind it is theirs.
        Person => "person",
        /// The same, and people choose the id themselves: user names.
        Account => "account",
        /// What belongs to one person and has a number: an order, an appointment, a medical card.
        Record => "record",
        /// A number that an authority gave to a person.
        Document => "document",
        Phone => "phone",
        Mail => "mail",
        /// Says by itself that a person's name follows.
        Name => "name",
        /// A name of anything; of a person only beside another word.
        NameHead => "name-head",
        /// Makes a person's name of a [`WordClass::NameHead`].
        NamePart => "name-part",
        /// A user name.
        Login => "login",
        /// A secret that gives access, made by a machine.
        Token => "token",
        /// A secret that a person chose.
        Secret => "secret",
        Birth => "birth",
        /// One half of coordinates.
        Position => "position",
        Address => "address",
        Street => "street",
        Flat => "flat",
        /// The number plate of a car.
        Plate => "plate",
        /// Numbers of devices and vehicles.
        Device => "device",
        /// The id of a click.
        Click => "click",
        /// What many visitors read: short ids behind it are pages.
        Content => "content",
        /// People in public: doctors, authors. Their names are pages, too.
        Public => "public",
        /// What is sold. Its codes mix letters and digits.
        Goods => "goods",
        /// Prices, sizes, positions: numbers that name nothing.
        Measure => "measure",
        Time => "time",
        Date => "date",
        Version => "version",
        Commit => "commit",
        /// Numbers of books and goods with a check digit.
        Book => "book",
        Company => "company",
        /// Laws, standards, licences.
        Law => "law",
        /// Ids of campaigns and advertisements.
        Campaign => "campaign",
        /// Turns what stands before it into something that is no person's: `user_agent`, `card_type`.
        Neutral => "neutral",
        /// Adds nothing: `patient_id` is about a patient.
        Transparent => "transparent",
        Connective => "connective",
        /// What stands where a name or an id could stand, and is neither: `/users/settings`.
        Page => "page",
    }
}

/// A word of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct KnownWord {
    pub(super) class: WordClass,
    /// Of several: `visits=14` counts visits, and `visit=14` names one.
    pub(super) plural: bool,
}

struct Entry {
    class: WordClass,
    /// Whether an ending may follow.
    stem: bool,
}

static WORDS: LazyLock<HashMap<&'static [u8], Entry, FixedState>> = LazyLock::new(|| {
    let mut words = HashMap::with_hasher(FixedState::default());
    for (class, word) in table() {
        let entry = Entry { class, stem: word.ends_with('*') };
        words.insert(word.trim_end_matches('*').as_bytes(), entry);
    }
    words
});

/// The lines of the table: class and word.
pub(super) fn table() -> impl Iterator<Item = (WordClass, &'static str)> {
    let lines = include_str!("words.tsv").lines().filter(|line| !line.starts_with('#'));
    lines.flat_map(|line| {
        let (class, words) = line.split_once('\t').expect("a line of the table has two columns");
        let class = WordClass::from_name(class).expect("the table names classes that exist");
        words.split(' ').map(move |word| (class, word))
    })
}

/// Looks a word up, in any case.
pub(super) fn look_up(word: &str) -> Option<KnownWord> {
    let mut buffer = [0; MAX_WORD];
    let word = lower(word, &mut buffer)?;
    find(word)
}

/// Two words that are written as one: `patientid`. The second one is a word that ends names of parameters.
pub(super) fn split(word: &str) -> Option<(KnownWord, KnownWord)> {
    const ENDS: [&str; 11] =
        ["id", "ids", "uid", "no", "num", "name", "number", "token", "key", "code", "date"];
    let mut buffer = [0; MAX_WORD];
    let word = lower(word, &mut buffer)?;
    ENDS.iter().find_map(|end| {
        let first = word.strip_suffix(end.as_bytes()).filter(|first| first.len() > 2)?;
        Some((find(first)?, find(end.as_bytes())?))
    })
}

/// The word in lower case, with `е` for `ё`; `None` when it is too long for the table.
fn lower<'b>(word: &str, buffer: &'b mut [u8; MAX_WORD]) -> Option<&'b [u8]> {
    if word.is_ascii() {
        let lower = buffer.get_mut(..word.len())?;
        lower.copy_from_slice(word.as_bytes());
        lower.make_ascii_lowercase();
        return Some(lower);
    }
    let mut length = 0;
    for letter in word.chars() {
        let letter = match letter {
            'ё' | 'Ё' => 'е',
            // Simple mappings do for Cyrillic; the table has no other letters beyond ASCII.
            letter => letter.to_lowercase().next().unwrap_or(letter),
        };
        let room = buffer.get_mut(length..length + letter.len_utf8())?;
        letter.encode_utf8(room);
        length += letter.len_utf8();
    }
    Some(&buffer[..length])
}

fn find(word: &[u8]) -> Option<KnownWord> {
    if let Some(entry) = WORDS.get(word) {
        return Some(KnownWord { class: entry.class, plural: is_plural(word, word) });
    }
    let step = if word.is_ascii() { 1 } else { 2 };
    for letters in 1..=MAX_ENDING {
        let stem = word.len().checked_sub(letters * step).filter(|length| *length >= 3 * step)?;
        if let Some(entry) = WORDS.get(&word[..stem])
            && entry.stem
        {
            return Some(KnownWord { class: entry.class, plural: is_plural(word, &word[..stem]) });
        }
    }
    None
}

/// Whether a word is in the plural: English -s, or Russian -ы, -и and -ов, also in Latin letters.
fn is_plural(word: &[u8], stem: &[u8]) -> bool {
    let ending = &word[stem.len()..];
    match ending {
        [] => word.ends_with(b"s") && !word.ends_with(b"ss") && word.len() > 4,
        _ => {
            matches!(ending, b"s" | b"y" | b"i" | b"ov" | b"ej" | b"ey")
                || matches!(std::str::from_utf8(ending), Ok("ы" | "и" | "ов" | "ей"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_belongs_to_one_class() {
        let mut seen = std::collections::HashSet::new();
        for (_, word) in table() {
            assert!(seen.insert(word.trim_end_matches('*')), "{word} is twice in the table");
            assert!(word.chars().all(|c| c.is_alphanumeric() || c == '*'), "{word} is not one word");
            assert_eq!(word.to_lowercase().replace('ё', "е"), word, "{word} would not be found");
        }
    }

    #[test]
    fn a_word_is_found_in_any_case_and_with_its_endings() {
        use WordClass::*;
        for (word, class) in [
            ("patient", Person),
            ("Patients", Person),
            ("ПАЦИЕНТАМ", Person),
            ("приём", Record),
            ("klienty", Person),
            ("articles", Content),
        ] {
            assert_eq!(look_up(word).map(|known| known.class), Some(class), "{word}");
        }
        for word in ["patience", "ab", "", "пациентоориентированный"] {
            assert_eq!(look_up(word), None, "{word}");
        }
        assert_eq!(split("patientId").map(|(a, b)| (a.class, b.class)), Some((Person, Transparent)));
        assert_eq!(split("grid"), None);
    }

    #[test]
    fn several_are_told_from_one() {
        for (word, plural) in [
            ("visits", true),
            ("visit", false),
            ("заказы", true),
            ("заказа", false),
            ("pacienty", true),
            ("access", false),
        ] {
            assert_eq!(look_up(word).is_some_and(|known| known.plural), plural, "{word}");
        }
    }
}
