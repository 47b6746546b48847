//! The patterns of `lists/isbot.txt` and the sure texts of `bots.tsv` over a user agent in lower case, in one search.
//!
//! The patterns are regular expressions of JavaScript. A few look around themselves, which a search in linear time cannot: such a
//! one is taken apart into its core and the literal texts that must not stand before or behind a match. Some also fit rare
//! browsers, which `excuses.tsv` excuses from them.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickKind};
use regex_automata::meta::{BuildError, Config, Regex};
use regex_automata::util::syntax;
use regex_automata::{Anchored, Input};

use super::names;
use crate::enrich::lists::ISBOT;
use crate::enrich::table;

/// Bytes of one search's working memory at most, for each thread that searches at once.
const MAX_CACHE: usize = 1 << 20;

/// The list, ready to search. Most patterns are plain text and are looked for all at once; of the others those that are bound to the
/// beginning end soon, and together they would make each other slow.
pub(super) struct Patterns {
    texts: AhoCorasick,
    text_rules: Vec<Rule>,
    bound: Regex,
    bound_rules: Vec<Rule>,
    free: Regex,
    free_rules: Vec<Rule>,
    /// Patterns with guards that are more than text.
    guarded: Vec<(Regex, Rule)>,
}

/// What people are told decided, and when a match does not count.
struct Rule {
    name: Box<str>,
    /// Where a match must begin and end; of plain texts alone, the rest say so themselves.
    begins: Edge,
    ends: Edge,
    /// Texts that must not stand before a match, nor behind it.
    not_before: Vec<&'static str>,
    not_behind: Vec<&'static str>,
    /// Texts that excuse a user agent as a whole.
    excuses: Vec<&'static str>,
}

/// An edge of a plain text.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Edge {
    Anywhere,
    /// Between a word and what is none: `\b`.
    Word,
    /// The user agent's: `^`.
    Text,
}

pub(super) static PATTERNS: LazyLock<Patterns> = LazyLock::new(|| {
    // The list is part of the program: a test reads it, so that what is wrong with it is seen there.
    Patterns::new().expect("the list's patterns are of the form that is understood")
});

impl Patterns {
    fn new() -> Result<Self, Box<BuildError>> {
        let excuses = excuses();
        let (mut texts, mut bound, mut free, mut guarded) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for pattern in ISBOT.entries() {
            let (core, mut rule) = Rule::of(pattern, excuses.get(pattern).cloned().unwrap_or_default());
            if let Some((text, begins, ends)) = plain(core) {
                (rule.begins, rule.ends) = (begins, ends);
                texts.push((text, rule));
            } else if rule.is_guarded() {
                guarded.push((regex(&[core.to_owned()])?, rule));
            } else if core.starts_with('^') {
                bound.push((core.to_owned(), rule));
            } else {
                free.push((core.to_owned(), rule));
            }
        }
        texts.extend(names::sure().map(|text| (text.to_owned(), Rule::sure(text))));
        let (texts, text_rules): (Vec<String>, _) = texts.into_iter().unzip();
        let (bound, bound_rules): (Vec<String>, _) = bound.into_iter().unzip();
        let (free, free_rules): (Vec<String>, _) = free.into_iter().unzip();
        let texts = AhoCorasick::builder().kind(Some(AhoCorasickKind::ContiguousNFA)).build(texts);
        Ok(Self {
            texts: texts.expect("some hundred short texts"),
            text_rules,
            bound: regex(&bound)?,
            bound_rules,
            free: regex(&free)?,
            free_rules,
            guarded,
        })
    }

    /// The rule that finds a bot in a user agent in lower case.
    pub(super) fn find(&'static self, lower: &str) -> Option<&'static str> {
        let texts = self.texts.find_overlapping_iter(lower);
        let mut texts = texts.map(|found| (&self.text_rules[found.pattern().as_usize()], found.range()));
        if let Some((rule, _)) = texts.find(|(rule, range)| rule.holds(lower, range)) {
            return Some(&rule.name);
        }
        if let Some(found) = self.bound.find(Input::new(lower).anchored(Anchored::Yes)) {
            return Some(&self.bound_rules[found.pattern().as_usize()].name);
        }
        if let Some(found) = self.free.find(lower) {
            return Some(&self.free_rules[found.pattern().as_usize()].name);
        }
        let holds =
            |core: &Regex, rule: &Rule| core.find_iter(lower).any(|found| rule.holds(lower, &found.range()));
        self.guarded.iter().find(|(core, rule)| holds(core, rule)).map(|(_, rule)| &*rule.name)
    }
}

impl Rule {
    /// `(?<!before)core(?!behind)`, where both are alternatives of literal text: the core and the rest.
    fn of(pattern: &'static str, excuses: Vec<&'static str>) -> (&'static str, Self) {
        let (not_before, rest) = match pattern.strip_prefix("(?<!").and_then(|rest| rest.split_once(')')) {
            Some((texts, rest)) => (alternatives(texts), rest),
            None => (Vec::new(), pattern),
        };
        let (core, not_behind) = match rest.split_once("(?!") {
            Some((core, texts)) => (core, alternatives(texts)),
            None => (rest, Vec::new()),
        };
        let name = format!("isbot.txt: {pattern}").into();
        (core, Self { name, begins: Edge::Anywhere, ends: Edge::Anywhere, not_before, not_behind, excuses })
    }

    fn sure(text: &str) -> Self {
        let name = format!("bots.tsv: {text}").into();
        let (begins, ends) = (Edge::Anywhere, Edge::Anywhere);
        Self { name, begins, ends, not_before: Vec::new(), not_behind: Vec::new(), excuses: Vec::new() }
    }

    fn is_guarded(&self) -> bool {
        !(self.not_before.is_empty() && self.not_behind.is_empty() && self.excuses.is_empty())
    }

    /// Whether a match counts.
    fn holds(&self, lower: &str, range: &Range<usize>) -> bool {
        let (before, behind) = (&lower.as_bytes()[..range.start], &lower.as_bytes()[range.end..]);
        let is_of_word =
            |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
        let fits = |edge, beside: Option<&u8>| match edge {
            Edge::Anywhere => true,
            Edge::Word => !is_of_word(beside),
            Edge::Text => beside.is_none(),
        };
        fits(self.begins, before.last())
            && fits(self.ends, behind.first())
            && !self.not_before.iter().any(|text| before.ends_with(text.as_bytes()))
            && !self.not_behind.iter().any(|text| behind.starts_with(text.as_bytes()))
            && !self.excuses.iter().any(|text| lower.contains(text))
    }
}

/// `\w` and `\b` are ASCII's, as in JavaScript, where a hyphen behind a class of characters (`[\d-.]`) is a hyphen.
fn regex(patterns: &[String]) -> Result<Regex, Box<BuildError>> {
    let patterns: Vec<String> =
        patterns.iter().map(|pattern| pattern.replace(r"\d-", r"\d\-").replace(r"\w-", r"\w\-")).collect();
    Regex::builder()
        .syntax(syntax::Config::new().unicode(false).utf8(false))
        .configure(Config::new().utf8_empty(false).hybrid_cache_capacity(MAX_CACHE))
        .build_many(&patterns)
        .map_err(Box::new)
}

/// A text with its edges, if that is all that a pattern stands for. The edges of words are only read where the text's own end is
/// of a word.
fn plain(pattern: &str) -> Option<(String, Edge, Edge)> {
    let (begins, rest) = match (pattern.strip_prefix('^'), pattern.strip_prefix(r"\b")) {
        (Some(rest), _) => (Edge::Text, rest),
        (_, Some(rest)) => (Edge::Word, rest),
        _ => (Edge::Anywhere, pattern),
    };
    let (ends, core) = rest.strip_suffix(r"\b").map_or((Edge::Anywhere, rest), |core| (Edge::Word, core));
    let text = text(core)?;
    let is_word = |letter: Option<char>| letter.is_some_and(|letter| letter.is_ascii_alphanumeric());
    let begins_well = begins != Edge::Word || is_word(text.chars().next());
    let ends_well = ends != Edge::Word || is_word(text.chars().next_back());
    (begins_well && ends_well).then_some((text, begins, ends))
}

/// The text that a pattern stands for, if it is one: nothing but letters, digits and signs, perhaps behind a backslash.
fn text(pattern: &str) -> Option<String> {
    let mut text = String::new();
    let mut letters = pattern.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => text.push(letters.next().filter(|escaped| !escaped.is_ascii_alphanumeric())?),
            '^' | '$' | '.' | '|' | '?' | '*' | '+' | '(' | ')' | '[' | ']' | '{' | '}' => return None,
            _ => text.push(letter),
        }
    }
    Some(text)
}

/// By pattern, the texts that excuse from it.
fn excuses() -> HashMap<&'static str, Vec<&'static str>> {
    let rows = table::rows(include_str!("excuses.tsv")).map(table::columns);
    rows.map(|[pattern, texts]| (pattern, texts.split(',').collect())).collect()
}

/// `a|b` or `(?:a|b)` and what closes it.
fn alternatives(texts: &'static str) -> Vec<&'static str> {
    texts.trim_start_matches("(?:").trim_end_matches(')').split('|').collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_counts_only_where_what_must_not_stand_beside_it_does_not() {
        for (lower, is_bot) in [
            ("mozilla/5.0 (linux; android 9; cubot_p30) applewebkit/537.36", false),
            ("mozilla/5.0 (linux; android 9; cubot_p30; examplebot) applewebkit/537.36", true),
            ("mozilla/5.0 (linux; android 15; google pixel 9) applewebkit/537.36", false),
            ("mozilla/5.0 (google) applewebkit/537.36", true),
            ("mozilla/5.0 (x11; linux x86_64) camscanner", false),
            ("mozilla/5.0 (x11; linux x86_64) example-scan", true),
        ] {
            assert_eq!(PATTERNS.find(lower).is_some(), is_bot, "{lower}");
        }
    }

    #[test]
    fn no_pattern_of_the_list_looks_around_itself_in_a_way_that_is_not_understood() {
        let guarded = PATTERNS.guarded.iter().map(|(_, rule)| rule);
        for rule in guarded.chain(&PATTERNS.text_rules) {
            for text in rule.not_before.iter().chain(&rule.not_behind) {
                assert!(!text.contains(['(', ')', '[', '\\', '*', '+']), "{}: {text}", rule.name);
            }
        }
        let kinds = [PATTERNS.text_rules.len(), PATTERNS.bound_rules.len(), PATTERNS.free_rules.len()];
        assert!(!kinds.contains(&0) && !PATTERNS.guarded.is_empty(), "{kinds:?}");
    }
}
