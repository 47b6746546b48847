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
            None => (own_name(user_agent).into(), BotCategory::Other),
        }
    }
}

/// Texts of `bots.tsv` that give a bot away by themselves.
pub(super) fn sure() -> impl Iterator<Item = &'static str> {
    let rows = table::rows(include_str!("bots.tsv")).map(table::columns);
    rows.filter(|[_, _, _, mark]| *mark == "sure").map(|[text, ..]| text)
}

fn category_of(name: &str, row: &str) -> BotCategory {
    BotCategory::from_name(name).unwrap_or_else(|| panic!("no such category: {row:?}"))
}

/// What a program's own name ends in when it says that it is a bot.
const ENDS: &[&str] = &["bot", "bots", "crawler", "spider", "scraper"];
/// A bot that no list has and that does not say that it is one.
const UNNAMED: &str = "unnamed";

/// A name that no list has: `ExampleBot` of `(compatible; ExampleBot/1.0; …)`. Any other word of a user agent may be anything, a
/// person's name for one, and is not kept.
fn own_name(user_agent: &str) -> &str {
    let is_of_name = |char: char| char.is_ascii_alphanumeric() || matches!(char, '-' | '_');
    let is_name = |word: &&str| {
        let lower = word.to_ascii_lowercase();
        word.len() <= MAX_NAME && ENDS.iter().any(|end| lower.len() > end.len() && lower.ends_with(end))
    };
    user_agent.split(|char: char| !is_of_name(char)).find(is_name).unwrap_or(UNNAMED)
}
