//! Finds the words of a user agent in `browsers.tsv`, `engines.tsv`, `systems.tsv` and `devices.tsv`, in one pass.
//!
//! A word is a run of letters, digits, dots, hyphens and underscores. The number after it is its version. All four tables
//! share one dictionary, so the text is read once. Of the rows whose words occur, the highest in its table decides.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::LazyLock;

use foldhash::fast::RandomState;

use crate::enrich::table;

/// Words of one user agent that are looked up successfully; real ones have up to 15.
const MAX_HITS: usize = 32;
/// Distance in bytes between a word and its number, for the rule `near`.
const NEAR: usize = 24;
/// The first bytes of a word, which find the rows for beginnings of words.
const HEAD: usize = 2;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WordTable {
    Browsers,
    Engines,
    Systems,
    Devices,
}

/// The row that decided, with the version that its rule finds.
#[derive(Debug, Clone, Copy)]
pub(super) struct TableDecision<'a> {
    /// Family, system or device class.
    pub(super) value: &'static str,
    /// The text from the version on; empty when there is none.
    pub(super) version: &'a str,
    /// The table and the word, for people: `browsers.tsv: opr`.
    pub(super) rule: &'static str,
}

/// The words of a text that occur in some table.
pub(super) struct KnownWords<'a> {
    lower: &'a str,
    hits: Vec<WordHit>,
}

struct WordHit {
    word: u16,
    /// Where the word ends.
    end: usize,
    /// Whether it is part of a device name, such as `Edge` in `Moto Edge 20`.
    is_model: bool,
}

impl<'a> KnownWords<'a> {
    /// Reads a text in lower case. `model` is the range of the device's name.
    pub(super) fn new(lower: &'a str, model: Range<usize>) -> Self {
        let dictionary = &*DICTIONARY;
        let mut hits = Vec::with_capacity(MAX_HITS);
        for word in words(lower) {
            let is_model = model.contains(&word.start);
            let text = &lower[word.clone()];
            let mut add = |found| {
                if hits.len() < MAX_HITS {
                    hits.push(WordHit { word: found, end: word.end, is_model });
                }
            };
            dictionary.look_up(text, &mut add);
            if is_model {
                dictionary.look_up_model(text, &mut add);
            }
        }
        Self { lower, hits }
    }

    /// Whether the text has this word, which some table must have.
    pub(super) fn has(&self, word: &str) -> bool {
        DICTIONARY.exact.get(word).is_some_and(|&word| self.hits.iter().any(|hit| hit.word == word))
    }

    /// The text after a word that some table has, if it begins with a digit.
    pub(super) fn version(&self, word: &str) -> Option<&'a str> {
        let word = *DICTIONARY.exact.get(word)?;
        self.version_of(word)
    }

    fn version_of(&self, word: u16) -> Option<&'a str> {
        self.hits.iter().filter(|hit| hit.word == word).find_map(|hit| number_behind(&self.lower[hit.end..]))
    }

    /// The highest row of a table that matches.
    pub(super) fn decide(&self, table: WordTable) -> Option<TableDecision<'a>> {
        let mut best: Option<(&'static WordRow, &'a str)> = None;
        for hit in &self.hits {
            for row in &DICTIONARY.rows[usize::from(hit.word)] {
                let is_better = best.is_none_or(|(best, _)| row.rank < best.rank);
                let may_be_model = table == WordTable::Devices || matches!(row.version, VersionRule::Model);
                if row.table == table && is_better && (!hit.is_model || may_be_model) {
                    best = self.fit(row, hit).map(|version| (row, version)).or(best);
                }
            }
        }
        best.map(|(row, version)| TableDecision { value: row.value, version, rule: &row.rule })
    }

    /// The version by a row's rule, if the rule matches.
    fn fit(&self, row: &WordRow, hit: &WordHit) -> Option<&'a str> {
        if row.needs.is_some_and(|needed| !self.hits.iter().any(|hit| hit.word == needed)) {
            return None;
        }
        let behind = &self.lower[hit.end..];
        match row.version {
            VersionRule::None | VersionRule::Model => Some(""),
            VersionRule::Own => number_behind(behind).filter(|_| !behind.starts_with(' ')),
            VersionRule::Spaced => number_behind(behind),
            VersionRule::Any => Some(number_behind(behind).unwrap_or_default()),
            VersionRule::Near => Some(number_near(behind)),
            VersionRule::OfWord(word) => self.version_of(word),
        }
    }
}

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
    // Versions are not words. They are a quarter of all runs.
    .filter(move |word| {
        !bytes[word.clone()].iter().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'_'))
    })
}

/// Bytes beyond ASCII belong to words, so that words end between characters.
const fn is_of_word(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'_' | 0x80..)
}

/// The version after a word: `/`, a space, `@`, `:` or `(` and an optional `v` separate them.
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
struct WordDictionary {
    exact: HashMap<&'static str, u16, RandomState>,
    /// A bit for the first bytes of each word and beginning: two of three words of a user agent need no look-up.
    heads: Box<[u64; 1 << 10]>,
    /// By the first bytes of the beginning.
    beginnings: HashMap<[u8; HEAD], Vec<(&'static str, u16)>, RandomState>,
    ends: Vec<(&'static str, u16)>,
    /// Forms of model numbers: `#` is a digit, `?` a letter, and `*` at the end anything.
    shapes: Vec<(&'static str, u16)>,
    /// Ends of parts of a device's name, without their digits.
    parts: Vec<(&'static str, u16)>,
    /// Last bytes of all ends: most words need no look-up.
    last_bytes: [bool; 256],
    /// By the number of a word.
    rows: Vec<Vec<WordRow>>,
}

struct WordRow {
    table: WordTable,
    /// Lower is better.
    rank: u16,
    value: &'static str,
    version: VersionRule,
    needs: Option<u16>,
    rule: Box<str>,
}

#[derive(Clone, Copy)]
enum VersionRule {
    Own,
    Spaced,
    Any,
    Near,
    None,
    /// As `None`. The word may be part of a device's name.
    Model,
    /// The number after another word.
    OfWord(u16),
}

static DICTIONARY: LazyLock<WordDictionary> = LazyLock::new(|| {
    let mut dictionary = WordDictionary {
        exact: HashMap::default(),
        heads: Box::new([0; 1 << 10]),
        beginnings: HashMap::default(),
        ends: Vec::new(),
        shapes: Vec::new(),
        parts: Vec::new(),
        last_bytes: [false; 256],
        rows: Vec::new(),
    };
    // Words that the code looks up, even if no table has them.
    for word in ["version", "mobile", "trident"] {
        dictionary.number(word);
    }
    dictionary.read(WordTable::Browsers, "browsers.tsv", include_str!("tables/browsers.tsv"));
    dictionary.read(WordTable::Engines, "engines.tsv", include_str!("tables/engines.tsv"));
    dictionary.read(WordTable::Systems, "systems.tsv", include_str!("tables/systems.tsv"));
    dictionary.read(WordTable::Devices, "devices.tsv", include_str!("tables/devices.tsv"));
    dictionary
});

impl WordDictionary {
    /// Adds a table. Its text is part of the program, and a test finds its faults.
    fn read(&mut self, table: WordTable, name: &str, text: &'static str) {
        for (rank, row) in (0_u16..).zip(table::rows(text)) {
            let [words, value, rule] = table::columns(row);
            let version = match table {
                WordTable::Devices | WordTable::Engines => VersionRule::None,
                WordTable::Browsers | WordTable::Systems => self.version(rule),
            };
            for word in words.split(',') {
                let (word, needs) = match word.split_once('+') {
                    Some((word, needed)) => (word, Some(self.number(needed))),
                    None => (word, None),
                };
                let rule = format!("{name}: {word}").into();
                let (word, version) = match word.strip_suffix('/') {
                    Some(word) => (word, VersionRule::Own),
                    None => (word, version),
                };
                let word = self.number(word);
                self.rows[usize::from(word)].push(WordRow { table, rank, value, version, needs, rule });
            }
        }
    }

    fn version(&mut self, rule: &'static str) -> VersionRule {
        match rule {
            "own" => VersionRule::Own,
            "spaced" => VersionRule::Spaced,
            "any" => VersionRule::Any,
            "near" => VersionRule::Near,
            "none" => VersionRule::None,
            "model" => VersionRule::Model,
            other => {
                let word = other
                    .strip_prefix('=')
                    .unwrap_or_else(|| panic!("no such rule for a version: {other:?}"));
                VersionRule::OfWord(self.number(word))
            }
        }
    }

    /// The number of a word, or of the beginning or end of words.
    fn number(&mut self, word: &'static str) -> u16 {
        if let Some(head) = head(word).filter(|_| !word.starts_with(['*', '_']) && !word.contains(['#', '?']))
        {
            let (at, bit) = bit(head);
            self.heads[at] |= bit;
        }
        let next = u16::try_from(self.rows.len()).expect("the tables have some hundred words");
        let known = if let Some(part) = word.strip_prefix('_') {
            find_or_add(&mut self.parts, part, next)
        } else if word.contains(['#', '?']) {
            find_or_add(&mut self.shapes, word, next)
        } else if let Some(end) = word.strip_prefix('*') {
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

    /// Calls `visit` with the numbers of a text's word.
    fn look_up(&self, word: &str, mut visit: impl FnMut(u16)) {
        let Some(head) = head(word) else { return };
        let (at, bit) = bit(head);
        if self.heads[at] & bit != 0 {
            if let Some(&found) = self.exact.get(word) {
                visit(found);
            }
            let beginnings = self.beginnings.get(&head).into_iter().flatten();
            let fitting = beginnings.filter(|(beginning, _)| word.starts_with(beginning));
            fitting.for_each(|&(_, found)| visit(found));
        }
        if word.bytes().next_back().is_some_and(|last| self.last_bytes[usize::from(last)]) {
            self.look_up_end(word, visit);
        }
    }

    /// Calls `visit` with what a word of a device's name is by its form, and by its parts: `vtab7_pro` is a `vtab`.
    fn look_up_model(&self, word: &str, mut visit: impl FnMut(u16)) {
        let fitting = self.shapes.iter().filter(|(shape, _)| has_shape(word, shape));
        fitting.for_each(|&(_, found)| visit(found));
        for part in word.split(['-', '_', '.']) {
            let part = part.trim_end_matches(|char: char| char.is_ascii_digit());
            let fitting = self.parts.iter().filter(|(end, _)| part.ends_with(end));
            fitting.for_each(|&(_, found)| visit(found));
        }
    }

    fn look_up_end(&self, word: &str, mut visit: impl FnMut(u16)) {
        self.ends.iter().filter(|(end, _)| word.ends_with(end)).for_each(|&(_, found)| visit(found));
    }
}

fn find_or_add(entries: &mut Vec<(&'static str, u16)>, text: &'static str, next: u16) -> u16 {
    if let Some(&(_, known)) = entries.iter().find(|(known, _)| *known == text) {
        return known;
    }
    entries.push((text, next));
    next
}

fn has_shape(word: &str, shape: &str) -> bool {
    let (shape, is_beginning) = shape.strip_suffix('*').map_or((shape, false), |shape| (shape, true));
    (word.len() == shape.len() || is_beginning && word.len() > shape.len())
        && word.bytes().zip(shape.bytes()).all(|(byte, expected)| match expected {
            b'#' => byte.is_ascii_digit(),
            b'?' => byte.is_ascii_alphabetic(),
            _ => byte == expected,
        })
}

fn head(word: &str) -> Option<[u8; HEAD]> {
    word.as_bytes().first_chunk().copied()
}

/// Index and bit of a head in the table of heads.
fn bit(head: [u8; HEAD]) -> (usize, u64) {
    let number = usize::from(u16::from_be_bytes(head));
    (number / 64, 1 << (number % 64))
}
