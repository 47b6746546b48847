//! One pass over a user agent's words against `browsers.tsv`, `engines.tsv`, `systems.tsv` and `devices.tsv`.
//!
//! A word is a run of letters, digits, dots, hyphens and underscores; the number behind it is its version. All four tables
//! share one dictionary, so that the text is walked once, however many rows they have. Of the rows whose words are there,
//! the one that stands highest in its table decides.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::LazyLock;

use foldhash::fast::RandomState;

use crate::enrich::table;

/// Words with a row of their own that one user agent may have; real ones have up to 15.
const MAX_HITS: usize = 32;
/// How far behind its word a number may stand for the rule `near`, in bytes.
const NEAR: usize = 24;
/// Bytes of a word's beginning that find the rows for beginnings of words.
const HEAD: usize = 2;

/// Which table a row stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Table {
    Browsers,
    Engines,
    Systems,
    Devices,
}

/// A table's row that decided, with the version that its rule finds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Decision<'a> {
    /// Family, system or device class.
    pub(super) value: &'static str,
    /// What stands where the version is, up to the end of the text; empty when there is none.
    pub(super) version: &'a str,
    /// The table and the word, for people: `browsers.tsv: opr`.
    pub(super) rule: &'static str,
}

/// The words of a text that some table has.
pub(super) struct Words<'a> {
    lower: &'a str,
    hits: Vec<Hit>,
}

struct Hit {
    word: u16,
    /// Where the word ends.
    end: usize,
    /// Whether it stands in the name of a device, which may be anything: `Moto Edge 20`, `BlackBerry Key2`.
    is_model: bool,
}

impl<'a> Words<'a> {
    /// Walks over a text in lower case, in which a device's name stands at `model`.
    pub(super) fn of(lower: &'a str, model: Range<usize>) -> Self {
        let dictionary = &*DICTIONARY;
        let mut hits = Vec::with_capacity(MAX_HITS);
        for word in words(lower) {
            dictionary.look_up(&lower[word.clone()], |found| {
                if hits.len() < MAX_HITS {
                    hits.push(Hit { word: found, end: word.end, is_model: model.contains(&word.start) });
                }
            });
        }
        Self { lower, hits }
    }

    /// Whether a word is there that some table has.
    pub(super) fn has(&self, word: &str) -> bool {
        DICTIONARY.exact.get(word).is_some_and(|&word| self.hits.iter().any(|hit| hit.word == word))
    }

    /// What stands behind a word that some table has, if it begins with a digit.
    pub(super) fn version(&self, word: &str) -> Option<&'a str> {
        let word = *DICTIONARY.exact.get(word)?;
        self.version_of(word)
    }

    fn version_of(&self, word: u16) -> Option<&'a str> {
        self.hits.iter().filter(|hit| hit.word == word).find_map(|hit| number_behind(&self.lower[hit.end..]))
    }

    /// The highest row of a table that fits.
    pub(super) fn decide(&self, table: Table) -> Option<Decision<'a>> {
        let mut best: Option<(&'static Row, &'a str)> = None;
        for hit in &self.hits {
            for row in &DICTIONARY.rows[usize::from(hit.word)] {
                let is_better = best.is_none_or(|(best, _)| row.rank < best.rank);
                if row.table == table && is_better && (!hit.is_model || table == Table::Devices) {
                    best = self.fit(row, hit).map(|version| (row, version)).or(best);
                }
            }
        }
        best.map(|(row, version)| Decision { value: row.value, version, rule: &row.rule })
    }

    /// The version by a row's rule, if the rule holds.
    fn fit(&self, row: &Row, hit: &Hit) -> Option<&'a str> {
        if row.needs.is_some_and(|needed| !self.hits.iter().any(|hit| hit.word == needed)) {
            return None;
        }
        let behind = &self.lower[hit.end..];
        match row.version {
            Version::None => Some(""),
            Version::Own => number_behind(behind).filter(|_| !behind.starts_with(' ')),
            Version::Spaced => number_behind(behind),
            Version::Any => Some(number_behind(behind).unwrap_or_default()),
            Version::Near => Some(number_near(behind)),
            Version::Of(word) => self.version_of(word),
        }
    }
}

/// The words of a text.
fn words(text: &str) -> impl Iterator<Item = Range<usize>> {
    let bytes = text.as_bytes();
    let mut at = 0;
    std::iter::from_fn(move || {
        while at < bytes.len() && !is_of_word(bytes[at]) {
            at += 1;
        }
        let start = at;
        while at < bytes.len() && is_of_word(bytes[at]) {
            at += 1;
        }
        (start < at).then_some(start..at)
    })
    // Versions are no words: a quarter of what stands there.
    .filter(move |word| {
        !bytes[word.clone()].iter().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'_'))
    })
}

/// Bytes beyond ASCII belong to words, so that a word's ends lie between characters.
const fn is_of_word(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'_' | 0x80..)
}

/// A version behind its word: `/`, a space, `@`, `:` or `(` and perhaps a `v` stand between.
fn number_behind(behind: &str) -> Option<&str> {
    let number = behind.strip_prefix(['/', ' ', '@', ':', '('])?;
    let number = number.strip_prefix('v').unwrap_or(number);
    number.starts_with(|first: char| first.is_ascii_digit()).then_some(number)
}

fn number_near(behind: &str) -> &str {
    let near = behind.bytes().take(NEAR).position(|byte| byte.is_ascii_digit());
    near.map_or("", |at| &behind[at..])
}

/// All four tables.
struct Dictionary {
    exact: HashMap<&'static str, u16, RandomState>,
    /// First bytes of all words and beginnings, a bit each: two of three words of a user agent need no closer look.
    heads: Box<[u64; 1 << 10]>,
    /// By the first bytes of the beginning.
    beginnings: HashMap<[u8; HEAD], Vec<(&'static str, u16)>, RandomState>,
    ends: Vec<(&'static str, u16)>,
    /// Last bytes of all ends: most words need no closer look.
    last_bytes: [bool; 256],
    /// By the number of a word.
    rows: Vec<Vec<Row>>,
}

struct Row {
    table: Table,
    /// Lower is better.
    rank: u16,
    value: &'static str,
    version: Version,
    needs: Option<u16>,
    rule: Box<str>,
}

#[derive(Clone, Copy)]
enum Version {
    Own,
    Spaced,
    Any,
    Near,
    None,
    Of(u16),
}

static DICTIONARY: LazyLock<Dictionary> = LazyLock::new(|| {
    let mut dictionary = Dictionary {
        exact: HashMap::default(),
        heads: Box::new([0; 1 << 10]),
        beginnings: HashMap::default(),
        ends: Vec::new(),
        last_bytes: [false; 256],
        rows: Vec::new(),
    };
    // Words that the code asks for, whether or not a table has them.
    for word in ["version", "mobile", "trident"] {
        dictionary.number(word);
    }
    dictionary.read(Table::Browsers, "browsers.tsv", include_str!("browsers.tsv"));
    dictionary.read(Table::Engines, "engines.tsv", include_str!("engines.tsv"));
    dictionary.read(Table::Systems, "systems.tsv", include_str!("systems.tsv"));
    dictionary.read(Table::Devices, "devices.tsv", include_str!("devices.tsv"));
    dictionary
});

impl Dictionary {
    /// Adds a table. Its text is part of the program: a test reads it, so that what is wrong with it is seen there.
    fn read(&mut self, table: Table, name: &str, text: &'static str) {
        for (rank, row) in (0_u16..).zip(table::rows(text)) {
            let [words, value, rule] = table::columns(row);
            let version = match table {
                Table::Devices | Table::Engines => Version::None,
                Table::Browsers | Table::Systems => self.version(rule),
            };
            for word in words.split(',') {
                let (word, needs) = match word.split_once('+') {
                    Some((word, needed)) => (word, Some(self.number(needed))),
                    None => (word, None),
                };
                let rule = format!("{name}: {word}").into();
                let (word, version) = match word.strip_suffix('/') {
                    Some(word) => (word, Version::Own),
                    None => (word, version),
                };
                let word = self.number(word);
                self.rows[usize::from(word)].push(Row { table, rank, value, version, needs, rule });
            }
        }
    }

    fn version(&mut self, rule: &'static str) -> Version {
        match rule {
            "own" => Version::Own,
            "spaced" => Version::Spaced,
            "any" => Version::Any,
            "near" => Version::Near,
            "none" => Version::None,
            other => {
                let word = other
                    .strip_prefix('=')
                    .unwrap_or_else(|| panic!("no such rule for a version: {other:?}"));
                Version::Of(self.number(word))
            }
        }
    }

    /// The number of a word, a word's beginning or its end.
    fn number(&mut self, word: &'static str) -> u16 {
        if let Some(head) = head(word).filter(|_| !word.starts_with('*')) {
            let (at, bit) = bit(head);
            self.heads[at] |= bit;
        }
        let next = u16::try_from(self.rows.len()).expect("the tables have some hundred words");
        let known = if let Some(end) = word.strip_prefix('*') {
            self.last_bytes[usize::from(*end.as_bytes().last().expect("an end is not empty"))] = true;
            find_or_add(&mut self.ends, end, next)
        } else if let Some(beginning) = word.strip_suffix('*') {
            let head = head(beginning).expect("a beginning has at least HEAD bytes");
            find_or_add(self.beginnings.entry(head).or_default(), beginning, next)
        } else {
            *self.exact.entry(word).or_insert(next)
        };
        if known == next {
            self.rows.push(Vec::new());
        }
        known
    }

    /// Hands the numbers of a text's word to `take`.
    fn look_up(&self, word: &str, mut take: impl FnMut(u16)) {
        let Some(head) = head(word) else { return };
        let (at, bit) = bit(head);
        if self.heads[at] & bit != 0 {
            if let Some(&found) = self.exact.get(word) {
                take(found);
            }
            let beginnings = self.beginnings.get(&head).into_iter().flatten();
            let fitting = beginnings.filter(|(beginning, _)| word.starts_with(beginning));
            fitting.for_each(|&(_, found)| take(found));
        }
        if word.bytes().next_back().is_some_and(|last| self.last_bytes[usize::from(last)]) {
            self.look_up_end(word, take);
        }
    }

    fn look_up_end(&self, word: &str, mut take: impl FnMut(u16)) {
        self.ends.iter().filter(|(end, _)| word.ends_with(end)).for_each(|&(_, found)| take(found));
    }
}

fn find_or_add(entries: &mut Vec<(&'static str, u16)>, text: &'static str, next: u16) -> u16 {
    if let Some(&(_, known)) = entries.iter().find(|(known, _)| *known == text) {
        return known;
    }
    entries.push((text, next));
    next
}

fn head(word: &str) -> Option<[u8; HEAD]> {
    word.as_bytes().first_chunk().copied()
}

/// Where a head stands in the table of heads.
fn bit(head: [u8; HEAD]) -> (usize, u64) {
    let number = usize::from(u16::from_be_bytes(head));
    (number / 64, 1 << (number % 64))
}
