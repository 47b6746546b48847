//! Names and categories of bots, from `bots.tsv` and `lists/crawlers.tsv`, in one search for all their texts.

use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickKind};

use crate::enrich::lists::CRAWLERS;
use crate::enrich::table;
use crate::event::BotCategory;

/// Bytes of a bot's own name at most.
const MAX_NAME: usize = 64;

/// Both lists, ready to search.
pub(super) struct Names {
    search: AhoCorasick,
    /// By the number of a text.
    rows: Vec<Row>,
}

struct Row {
    name: &'static str,
    category: BotCategory,
    /// Lower is better; rows of `lists/crawlers.tsv` share the last, among which the longest counts.
    rank: u32,
}

pub(super) static NAMES: LazyLock<Names> = LazyLock::new(Names::new);

impl Names {
    fn new() -> Self {
        let mut texts = Vec::new();
        let mut rows = Vec::new();
        for (rank, row) in (0..).zip(table::rows(include_str!("bots.tsv"))) {
            let [text, name, category] = table::columns(row);
            texts.push(text.to_owned());
            rows.push(Row { name, category: category_of(category, row), rank });
        }
        for row in CRAWLERS.entries() {
            let [text, name, category] = table::columns(row);
            texts.push(text.to_ascii_lowercase());
            rows.push(Row { name, category: category_of(category, row), rank: u32::MAX });
        }
        // The smallest form: it is asked for bots alone, and once for each that is not remembered.
        let search = AhoCorasick::builder().kind(Some(AhoCorasickKind::ContiguousNFA)).build(&texts);
        Self { search: search.expect("some thousand short texts"), rows }
    }

    /// Name and category of a user agent that is a bot's.
    pub(super) fn of(&self, user_agent: &str, lower: &str) -> (Box<str>, BotCategory) {
        // Within a word, a text is that of another bot: `dbot` of `BacklinksExtendedBot`.
        let begins_a_word = |at: usize| !lower[..at].ends_with(|before: char| before.is_ascii_alphanumeric());
        let best = self
            .search
            .find_overlapping_iter(lower)
            .filter(|found| begins_a_word(found.start()))
            .map(|found| (&self.rows[found.pattern().as_usize()], found.len()))
            .min_by_key(|(row, length)| (row.rank, usize::MAX - length));
        match best {
            Some((row, _)) => (row.name.into(), row.category),
            None => (own_name(user_agent), BotCategory::Other),
        }
    }
}

/// Texts of `bots.tsv` that give a bot away by themselves.
pub(super) fn sure() -> impl Iterator<Item = &'static str> {
    let rows = table::rows(include_str!("bots.tsv")).map(table::columns);
    rows.filter(|[_, _, _, mark]| *mark == "sure").map(|[text, ..]| text)
}

fn category_of(name: &str, row: &str) -> BotCategory {
    let found = BotCategory::ALL.into_iter().find(|category| category.name() == name);
    found.unwrap_or_else(|| panic!("no such category: {row:?}"))
}

/// Words that bots are told by, when they stand in a longer one.
const MARKS: &[&str] =
    &["bot", "crawl", "spider", "scrap", "fetch", "agent", "monitor", "check", "scan", "preview"];
/// Words of browsers' user agents that name none.
const COMMON: &[&str] = &[
    "mozilla",
    "compatible",
    "applewebkit",
    "khtml",
    "gecko",
    "chrome",
    "safari",
    "version",
    "mobile",
    "firefox",
];

/// A name that no list has, out of a user agent's own words: the one that gives the bot away, such as `ExampleBot`; the one behind
/// `compatible;`; the first of a user agent that is no browser's; the last that is followed by a version.
fn own_name(user_agent: &str) -> Box<str> {
    let is_of_name = |char: char| char.is_ascii_alphanumeric() || matches!(char, '-' | '_' | '.' | '!');
    let words = user_agent.split(|char: char| !is_of_name(char)).filter(|word| is_telling(word));
    let behind_compatible = user_agent.split_once("compatible; ").map(|(_, behind)| behind);
    let behind_compatible =
        behind_compatible.and_then(|behind| behind.split(|char: char| !is_of_name(char)).next());
    let first = words.clone().next().filter(|_| !user_agent.starts_with("Mozilla"));
    let versioned = || user_agent.rsplit(' ').filter_map(|part| part.split_once('/')).map(|(name, _)| name);
    let word = words
        .clone()
        .find(|word| is_marked(word))
        .or(behind_compatible.filter(|word| is_telling(word)))
        .or(first)
        .or_else(|| versioned().find(|word| is_telling(word) && word.chars().all(is_of_name)))
        .unwrap_or("unnamed");
    word[..word.len().min(MAX_NAME)].into()
}

fn is_telling(word: &str) -> bool {
    word.len() > 1
        && word.bytes().any(|byte| byte.is_ascii_alphabetic())
        && !COMMON.iter().any(|common| word.eq_ignore_ascii_case(common))
}

/// Whether a mark stands in a word that says more than the mark, and that is no address.
fn is_marked(word: &str) -> bool {
    let lower = word.to_ascii_lowercase();
    let is_address = [".com", ".org", ".net", ".htm", ".php", "www."].iter().any(|part| lower.contains(part));
    !is_address && MARKS.iter().any(|mark| lower.contains(mark) && lower.len() > mark.len() + 2)
}
