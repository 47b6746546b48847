//! The patterns of `lists/isbot.txt` and the sure texts of `bots.tsv` over a user agent in lower case, in one search.
//!
//! The patterns are regular expressions of JavaScript. A few look around themselves, which a search in linear time cannot: such a
//! one is taken apart into its core and the literal texts that must not stand before or behind a match. Some also fit rare
//! browsers, which `excuses.tsv` excuses from them.

use std::collections::HashMap;
use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickKind};
use regex_automata::meta::{BuildError, Config, Regex};
use regex_automata::util::syntax;
use regex_automata::{Anchored, Input};

use super::names;

/// Bytes of one search's working memory at most, for each thread that searches at once.
const MAX_CACHE: usize = 1 << 20;

/// The list, ready to search. Most patterns are plain text and are looked for all at once; of the others those that are bound to the
/// beginning end soon, and together they would make each other slow.
pub(super) struct Patterns {
    texts: AhoCorasick,
    text_rules: Vec<Box<str>>,
    bound: Regex,
    bound_rules: Vec<Box<str>>,
    free: Regex,
    free_rules: Vec<Box<str>>,
    guarded: Vec<Guarded>,
}

/// A pattern whose matches count only where certain texts do not stand beside them.
struct Guarded {
    core: Regex,
    not_before: Vec<&'static str>,
    not_behind: Vec<&'static str>,
    /// Texts that excuse a user agent as a whole.
    excuses: Vec<&'static str>,
    rule: Box<str>,
}

pub(super) static PATTERNS: LazyLock<Patterns> = LazyLock::new(|| {
    let list = include_str!("../lists/isbot.txt");
    // The list is part of the program: a test reads it, so that what is wrong with it is seen there.
    Patterns::of(list).expect("the list's patterns are of the form that is understood")
});

impl Patterns {
    fn of(list: &'static str) -> Result<Self, Box<BuildError>> {
        let excuses = excuses();
        let (mut texts, mut bound, mut free, mut guarded) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for pattern in list.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let excuses = excuses.get(pattern).cloned().unwrap_or_default();
            if let Some(pattern) = Guarded::of(pattern, excuses)? {
                guarded.push(pattern);
            } else if let Some(text) = text(pattern) {
                texts.push((text, rule(pattern)));
            } else if pattern.starts_with('^') {
                bound.push((pattern.to_owned(), rule(pattern)));
            } else {
                free.push((pattern.to_owned(), rule(pattern)));
            }
        }
        texts.extend(names::sure().map(|text| (text.to_owned(), format!("bots.tsv: {text}").into())));
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
        if let Some(found) = self.texts.find(lower) {
            return Some(&self.text_rules[found.pattern().as_usize()]);
        }
        if let Some(found) = self.bound.find(Input::new(lower).anchored(Anchored::Yes)) {
            return Some(&self.bound_rules[found.pattern().as_usize()]);
        }
        if let Some(found) = self.free.find(lower) {
            return Some(&self.free_rules[found.pattern().as_usize()]);
        }
        self.guarded.iter().find(|guarded| guarded.is_in(lower)).map(|guarded| &*guarded.rule)
    }
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

fn rule(pattern: &str) -> Box<str> {
    format!("isbot.txt: {pattern}").into()
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

impl Guarded {
    /// `(?<!before)core(?!behind)`, where both are alternatives of literal text.
    /// `None` when there is nothing to look for around it.
    fn of(pattern: &'static str, excuses: Vec<&'static str>) -> Result<Option<Self>, Box<BuildError>> {
        let (not_before, rest) = match pattern.strip_prefix("(?<!").and_then(|rest| rest.split_once(')')) {
            Some((texts, rest)) => (alternatives(texts), rest),
            None => (Vec::new(), pattern),
        };
        let (core, not_behind) = match rest.split_once("(?!") {
            Some((core, texts)) => (core, alternatives(texts)),
            None => (rest, Vec::new()),
        };
        if not_before.is_empty() && not_behind.is_empty() && excuses.is_empty() {
            return Ok(None);
        }
        Ok(Some(Self {
            core: regex(&[core.to_owned()])?,
            not_before,
            not_behind,
            excuses,
            rule: rule(pattern),
        }))
    }

    fn is_in(&self, lower: &str) -> bool {
        let is_free = |range: std::ops::Range<usize>| {
            let (before, behind) = (&lower.as_bytes()[..range.start], &lower.as_bytes()[range.end..]);
            !self.not_before.iter().any(|text| before.ends_with(text.as_bytes()))
                && !self.not_behind.iter().any(|text| behind.starts_with(text.as_bytes()))
        };
        self.core.find_iter(lower).any(|found| is_free(found.range()))
            && !self.excuses.iter().any(|text| lower.contains(text))
    }
}

/// By pattern, the texts that excuse from it.
fn excuses() -> HashMap<&'static str, Vec<&'static str>> {
    let rows = include_str!("excuses.tsv").lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    rows.map(|row| {
        let mut columns = row.split('\t');
        let mut column = || columns.next().unwrap_or_else(|| panic!("excuses.tsv: too few columns: {row:?}"));
        (column(), column().split(',').collect())
    })
    .collect()
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
        for guarded in &PATTERNS.guarded {
            for text in guarded.not_before.iter().chain(&guarded.not_behind) {
                assert!(!text.contains(['(', ')', '[', '\\', '*', '+']), "{}: {text}", guarded.rule);
            }
        }
        let kinds = [PATTERNS.text_rules.len(), PATTERNS.bound_rules.len(), PATTERNS.free_rules.len()];
        assert!(!kinds.contains(&0) && !PATTERNS.guarded.is_empty(), "{kinds:?}");
    }
}
