//! What single words say about the value behind them: the table `words.tsv`, in Russian (also in Latin letters), English and the words of
//! forms in other languages.
//!
//! The table knows classes of words only. What they mean together is up to [`label`](super::label).

mod people;

use std::collections::HashMap;
use std::sync::LazyLock;

use foldhash::fast::FixedState;

use crate::event::names;

pub(super) use people::class_by_ending;

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
        /// A word that may be one for people: longer ids behind it are theirs.
        Agent => "agent",
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
        /// A title, behind which a surname stands.
        Title => "title",
        /// Begins a letter, and somebody's name or role stands behind it.
        Greeting => "greeting",
        /// Adds nothing: `patient_id` is about a patient.
        Transparent => "transparent",
        Connective => "connective",
        /// What stands where a name or an id could stand, and is neither: `/users/settings`.
        Page => "page",
    }
}

impl WordClass {
    /// Whether what such a word names is a person's, or gives access to what is.
    pub(in crate::privacy::scrub) fn is_personal(self) -> bool {
        use WordClass::*;
        matches!(
            self,
            Person
                | Account
                | Record
                | Document
                | Phone
                | Mail
                | Name
                | Login
                | Token
                | Secret
                | Birth
                | Position
                | Address
                | Plate
                | Device
                | Click
        )
    }

    /// Whether a person's name may stand behind such a word, with a capital.
    pub(in crate::privacy::scrub) fn is_title(self) -> bool {
        matches!(self, Self::Title | Self::Greeting)
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
    word: &'static [u8],
    class: WordClass,
    /// Whether an ending may follow.
    stem: bool,
}

/// The table by the hashes of its words. Most words of texts are not in it, and the filter says so with one look.
struct WordClasses {
    by_hash: HashMap<WordHash, Entry, FixedState>,
    filter: Box<[u64; FILTER_BITS / 64]>,
}

/// Bits of the filter: 20 for each word of the table.
const FILTER_BITS: usize = 1 << 16;

static WORDS: LazyLock<WordClasses> = LazyLock::new(|| {
    let mut words = WordClasses { by_hash: HashMap::default(), filter: Box::new([0; FILTER_BITS / 64]) };
    for (class, word) in table() {
        let stem = word.ends_with('*');
        let word = word.trim_end_matches('*').as_bytes();
        let hash = WordHash::new(word);
        words.filter[hash.bit() / 64] |= 1 << (hash.bit() % 64);
        words.by_hash.insert(hash, Entry { word, class, stem });
    }
    words
});

impl WordClasses {
    fn get(&self, hash: WordHash, word: &[u8]) -> Option<&Entry> {
        if self.filter[hash.bit() / 64] & 1 << (hash.bit() % 64) == 0 {
            return None;
        }
        self.by_hash.get(&hash).filter(|entry| entry.word == word)
    }
}

/// FNV-1a, which gives the hashes of all beginnings of a word on the way. The words of the table are ours, so nobody makes them collide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct WordHash(u64);

impl WordHash {
    const EMPTY: Self = Self(0xcbf2_9ce4_8422_2325);

    fn new(word: &[u8]) -> Self {
        word.iter().fold(Self::EMPTY, |hash, byte| hash.push(*byte))
    }

    fn push(self, byte: u8) -> Self {
        Self((self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
    }

    fn bit(self) -> usize {
        // The upper bits of the product are the best mixed ones.
        (self.0 >> 48) as usize % FILTER_BITS
    }
}

/// The lines of the table: class and word.
pub(super) fn table() -> impl Iterator<Item = (WordClass, &'static str)> {
    let lines = include_str!("words.tsv").lines().filter(|line| !line.starts_with('#'));
    lines.flat_map(|line| {
        let (class, words) = line.split_once('\t').expect("a line of the table has two columns");
        let class = WordClass::from_name(class).expect("the table names classes that exist");
        words.split(' ').map(move |word| (class, word))
    })
}

/// What the table says about a word, in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lookup {
    Unknown,
    Known(KnownWord),
    /// Two words that are written as one: `patientid`.
    Pair(KnownWord, KnownWord),
}

/// Looks a word up, in any case.
pub(super) fn look_up(word: &str) -> Option<KnownWord> {
    in_lower_case(word, find).flatten()
}

/// Looks a word up, and two words that may be written in it as one.
pub(super) fn look_up_pair(word: &str) -> Lookup {
    let look_up = |lower: &[u8]| match find(lower) {
        Some(known) => Lookup::Known(known),
        None => split(lower).map_or(Lookup::Unknown, |(first, second)| Lookup::Pair(first, second)),
    };
    in_lower_case(word, look_up).unwrap_or(Lookup::Unknown)
}

/// Calls `look_up` with the word in lower case and without marks on its letters; `None` when it is too long for the table.
fn in_lower_case<T>(word: &str, look_up: impl FnOnce(&[u8]) -> T) -> Option<T> {
    if word.len() > MAX_WORD {
        return None;
    }
    let bytes = word.as_bytes();
    // Most words are.
    if bytes.iter().all(u8::is_ascii_lowercase) {
        return Some(look_up(bytes));
    }
    let mut lower = [0; MAX_WORD];
    let mut length = 0;
    for letter in word.chars() {
        let letter = match letter {
            'а'..='я' | 'a'..='z' => letter,
            // Simple mappings do for all scripts of the table.
            letter => without_mark(letter.to_lowercase().next().unwrap_or(letter)),
        };
        let end = length + letter.len_utf8();
        letter.encode_utf8(lower.get_mut(length..end)?);
        length = end;
    }
    Some(look_up(&lower[..length]))
}

/// A small letter without its mark, so that `número` and `numero` are one word.
pub(super) fn without_mark(letter: char) -> char {
    match letter {
        'ё' => 'е',
        'à'..='å' | 'ā' | 'ă' | 'ą' => 'a',
        'ç' | 'ć' | 'č' => 'c',
        'ď' => 'd',
        'è'..='ë' | 'ē' | 'ę' | 'ě' => 'e',
        'ğ' => 'g',
        'ì'..='ï' | 'ī' | 'ı' => 'i',
        'ł' => 'l',
        'ñ' | 'ń' | 'ň' => 'n',
        'ò'..='ö' | 'ø' | 'ő' => 'o',
        'ř' => 'r',
        'ß' | 'ś' | 'š' | 'ş' | 'ș' => 's',
        'ť' | 'ţ' | 'ț' => 't',
        'ù'..='ü' | 'ū' | 'ů' | 'ű' => 'u',
        'ý' | 'ÿ' => 'y',
        'ź' | 'ż' | 'ž' => 'z',
        letter => letter,
    }
}

/// Finds a word in lower case, with the endings that the table allows.
fn find(word: &[u8]) -> Option<KnownWord> {
    let step = if word.first().is_some_and(u8::is_ascii) { 1 } else { 2 };
    let least = 3 * step;
    // Beginnings from the shortest on, as the hash is made.
    let most = word.len().saturating_sub(MAX_ENDING * step).max(least.min(word.len()));
    let mut hash = WordHash::new(&word[..most]);
    let mut found = None;
    let mut length = most;
    loop {
        let is_whole = length == word.len();
        if let Some(entry) = WORDS.get(hash, &word[..length])
            && (entry.stem || is_whole)
        {
            found = Some(KnownWord { class: entry.class, plural: is_plural(word, &word[..length]) });
        }
        if is_whole {
            return found;
        }
        let next = (length + step).min(word.len());
        hash = word[length..next].iter().fold(hash, |hash, byte| hash.push(*byte));
        length = next;
    }
}

/// The two words, of which the second one ends names of parameters.
fn split(word: &[u8]) -> Option<(KnownWord, KnownWord)> {
    const ENDS: [&[u8]; 11] =
        [b"id", b"ids", b"uid", b"no", b"num", b"name", b"number", b"token", b"key", b"code", b"date"];
    const SHORTEST: usize = 3;
    if !matches!(
        word,
        [
            ..,
            b'i' | b'd' | b'n' | b'u' | b'm' | b'e' | b'a' | b'o' | b't',
            b'd' | b's' | b'o' | b'm' | b'e' | b'r' | b'n' | b'y'
        ]
    ) {
        return None;
    }
    ENDS.iter().find_map(|end| {
        let first = word.strip_suffix(*end).filter(|first| first.len() >= SHORTEST)?;
        let second = WORDS.get(WordHash::new(end), end)?;
        Some((find(first)?, KnownWord { class: second.class, plural: false }))
    })
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
        let pair = look_up_pair("patientId");
        assert!(
            matches!(pair, Lookup::Pair(first, second) if first.class == Person && second.class == Transparent)
        );
        assert_eq!(look_up_pair("grid"), Lookup::Unknown);
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
