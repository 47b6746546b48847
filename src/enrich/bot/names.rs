//! Names and categories of bots, from `bots.tsv` and `lists/crawlers.tsv`, in one search for all their texts.

use aho_corasick::{AhoCorasick, AhoCorasickKind};

use crate::enrich::table;
use crate::event::BotCategory;

/// Most bytes of a bot's own name.
const MAX_NAME: usize = 64;

pub(in crate::enrich) struct BotNames {
    search: AhoCorasick,
    /// By the index of a text.
    rows: Vec<BotNameRow>,
}

struct BotNameRow {
    name: &'static str,
    category: BotCategory,
    /// Lower is better. All rows of `lists/crawlers.tsv` have the last rank; the longest match counts there.
    rank: u32,
}

impl BotNames {
    /// The names of `bots.tsv` and of a list of crawlers.
    ///
    /// # Errors
    /// The number of a line of `crawlers` that does not have its three columns, and what is wrong with it.
    pub(in crate::enrich) fn new(crawlers: &[(usize, &'static str)]) -> Result<Self, (usize, String)> {
        let mut texts = Vec::new();
        let mut rows = Vec::new();
        for (rank, row) in (0..).zip(table::rows(include_str!("bots.tsv"))) {
            let [text, name, category] = table::columns(row);
            texts.push(text.to_owned());
            let category = BotCategory::from_name(category).expect("a test reads every row");
            rows.push(BotNameRow { name, category, rank });
        }
        for &(line, row) in crawlers {
            let [text, name, category] = table::columns(row);
            if [text, name, category].contains(&"") {
                return Err((line, "expected a text, a tab, a name, a tab and a category".to_owned()));
            }
            let category = BotCategory::from_name(category)
                .ok_or_else(|| (line, format!("{category:?} is not a category of bots")))?;
            texts.push(text.to_ascii_lowercase());
            rows.push(BotNameRow { name, category, rank: u32::MAX });
        }
        // The smallest form: only bots that are not cached are searched.
        let search = AhoCorasick::builder().kind(Some(AhoCorasickKind::ContiguousNFA)).build(&texts);
        Ok(Self { search: search.map_err(|error| (0, error.to_string()))?, rows })
    }

    pub(super) fn find(&self, user_agent: &str, lower: &str) -> (Box<str>, BotCategory) {
        // Inside a word, a text belongs to another bot: `dbot` in `BacklinksExtendedBot`.
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

/// Texts of `bots.tsv` that identify a bot by themselves.
pub(super) fn sure() -> impl Iterator<Item = &'static str> {
    let rows = table::rows(include_str!("bots.tsv")).map(table::columns);
    rows.filter(|[_, _, _, mark]| *mark == "sure").map(|[text, ..]| text)
}

/// Endings of names that identify a bot.
const ENDS: &[&str] = &["bot", "bots", "crawler", "spider", "scraper"];
/// Name of a bot without a name of its own.
const UNNAMED: &str = "unnamed";

/// A name that no list has: `ExampleBot` in `(compatible; ExampleBot/1.0; …)`. Other words of a user agent are not kept: they
/// may be anything, such as a person's name.
fn own_name(user_agent: &str) -> &str {
    let is_of_name = |char: char| char.is_ascii_alphanumeric() || matches!(char, '-' | '_');
    let is_name = |word: &&str| {
        let lower = word.to_ascii_lowercase();
        word.len() <= MAX_NAME && ENDS.iter().any(|end| lower.len() > end.len() && lower.ends_with(end))
    };
    user_agent.split(|char: char| !is_of_name(char)).find(is_name).unwrap_or(UNNAMED)
}
