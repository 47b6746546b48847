//! Searches a user agent in lower case for the patterns of `lists/isbot.txt` and the sure texts of `bots.tsv`.
//!
//! The patterns are regular expressions of JavaScript. A few use look-around, which a search in linear time does not have:
//! they are split into a core and the literal texts that must not precede or follow a match. Some also match rare browsers;
//! `excuses.tsv` lists those exceptions.

use std::collections::HashMap;
use std::ops::Range;

use aho_corasick::{AhoCorasick, AhoCorasickKind};
use regex_automata::meta::{BuildError, Config, Regex};
use regex_automata::util::syntax;
use regex_automata::{Anchored, Input};

use super::names;
use crate::enrich::table;

/// Most bytes of a search's working memory, for each thread that searches at the same time.
const MAX_CACHE: usize = 1 << 20;

/// The list. Most patterns are plain text and are searched together. Patterns that are bound to the beginning end early, so
/// they are searched apart from the rest.
pub(in crate::enrich) struct BotPatterns {
    texts: AhoCorasick,
    text_rules: Vec<BotPattern>,
    bound: Regex,
    bound_rules: Vec<BotPattern>,
    free: Regex,
    free_rules: Vec<BotPattern>,
    /// Patterns with guards that are not plain text.
    guarded: Vec<(Regex, BotPattern)>,
}

/// The name of a pattern for people, and when a match does not count.
struct BotPattern {
    name: Box<str>,
    /// Where a match of a plain text must begin and end.
    begins: MatchEdge,
    ends: MatchEdge,
    /// Texts that must not precede or follow a match.
    not_before: Vec<&'static str>,
    not_behind: Vec<&'static str>,
    /// Texts that exempt a user agent as a whole.
    excuses: Vec<&'static str>,
}

/// A condition at the begin or end of a plain text.
#[derive(Clone, Copy, PartialEq, Eq)]
enum MatchEdge {
    Anywhere,
    /// A word boundary: `\b`.
    Word,
    /// The user agent's: `^`.
    Text,
}

impl BotPatterns {
    /// The patterns of a list and the sure texts of `bots.tsv`.
    ///
    /// # Errors
    /// The number of a line whose pattern does not have the supported form, and what is wrong with it.
    pub(in crate::enrich) fn new(entries: &[(usize, &'static str)]) -> Result<Self, (usize, String)> {
        let excuses = excuses();
        let (mut texts, mut bound, mut free, mut guarded) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for &(line, pattern) in entries {
            let (core, mut rule) =
                BotPattern::parse(pattern, excuses.get(pattern).cloned().unwrap_or_default());
            if !rule.is_supported() {
                return Err((line, format!("{pattern:?} looks around itself for more than plain text")));
            }
            if let Some((text, begins, ends)) = plain(core) {
                (rule.begins, rule.ends) = (begins, ends);
                texts.push((text, rule));
                continue;
            }
            let alone = regex(&[core.to_owned()])
                .map_err(|error| (line, format!("{pattern:?} is not a regular expression: {error}")))?;
            if rule.is_guarded() {
                guarded.push((alone, rule));
            } else if core.starts_with('^') {
                bound.push((core.to_owned(), rule));
            } else {
                free.push((core.to_owned(), rule));
            }
        }
        texts.extend(names::sure().map(|text| (text.to_owned(), BotPattern::sure(text))));
        let (texts, text_rules): (Vec<String>, _) = texts.into_iter().unzip();
        let (bound, bound_rules): (Vec<String>, _) = bound.into_iter().unzip();
        let (free, free_rules): (Vec<String>, _) = free.into_iter().unzip();
        // What each line is allowed, all lines together may exceed.
        let too_large = |error: &dyn std::fmt::Display| (0, format!("the list is too large: {error}"));
        let texts = AhoCorasick::builder().kind(Some(AhoCorasickKind::ContiguousNFA)).build(texts);
        Ok(Self {
            texts: texts.map_err(|error| too_large(&error))?,
            text_rules,
            bound: regex(&bound).map_err(|error| too_large(&error))?,
            bound_rules,
            free: regex(&free).map_err(|error| too_large(&error))?,
            free_rules,
            guarded,
        })
    }

    /// The name of the pattern that matches a user agent in lower case.
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
        let holds = |core: &Regex, rule: &BotPattern| {
            core.find_iter(lower).any(|found| rule.holds(lower, &found.range()))
        };
        self.guarded.iter().find(|(core, rule)| holds(core, rule)).map(|(_, rule)| &*rule.name)
    }
}

impl BotPattern {
    /// Splits `(?<!before)core(?!behind)`, where both are alternatives of literal text, into the core and the rest.
    fn parse(pattern: &'static str, excuses: Vec<&'static str>) -> (&'static str, Self) {
        let (not_before, rest) = match pattern.strip_prefix("(?<!").and_then(|rest| rest.split_once(')')) {
            Some((texts, rest)) => (alternatives(texts), rest),
            None => (Vec::new(), pattern),
        };
        let (core, not_behind) = match rest.split_once("(?!") {
            Some((core, texts)) => (core, alternatives(texts)),
            None => (rest, Vec::new()),
        };
        let name = format!("isbot.txt: {pattern}").into();
        (
            core,
            Self {
                name,
                begins: MatchEdge::Anywhere,
                ends: MatchEdge::Anywhere,
                not_before,
                not_behind,
                excuses,
            },
        )
    }

    fn sure(text: &str) -> Self {
        let name = format!("bots.tsv: {text}").into();
        let (begins, ends) = (MatchEdge::Anywhere, MatchEdge::Anywhere);
        Self { name, begins, ends, not_before: Vec::new(), not_behind: Vec::new(), excuses: Vec::new() }
    }

    /// Whether what must not be beside a match is literal text.
    fn is_supported(&self) -> bool {
        let mut texts = self.not_before.iter().chain(&self.not_behind);
        texts.all(|text| !text.contains(['(', ')', '[', '\\', '*', '+']))
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
            MatchEdge::Anywhere => true,
            MatchEdge::Word => !is_of_word(beside),
            MatchEdge::Text => beside.is_none(),
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

/// The text and the edges of a pattern that is only plain text. Edges of words are supported if the text itself begins or
/// ends with a word character.
fn plain(pattern: &str) -> Option<(String, MatchEdge, MatchEdge)> {
    let (begins, rest) = match (pattern.strip_prefix('^'), pattern.strip_prefix(r"\b")) {
        (Some(rest), _) => (MatchEdge::Text, rest),
        (_, Some(rest)) => (MatchEdge::Word, rest),
        _ => (MatchEdge::Anywhere, pattern),
    };
    let (ends, core) =
        rest.strip_suffix(r"\b").map_or((MatchEdge::Anywhere, rest), |core| (MatchEdge::Word, core));
    let text = text(core)?;
    let is_word = |letter: Option<char>| letter.is_some_and(|letter| letter.is_ascii_alphanumeric());
    let begins_well = begins != MatchEdge::Word || is_word(text.chars().next());
    let ends_well = ends != MatchEdge::Word || is_word(text.chars().next_back());
    (begins_well && ends_well).then_some((text, begins, ends))
}

/// The text of a pattern that has only letters, digits and signs, with or without a backslash.
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

/// Exempting texts by pattern.
fn excuses() -> HashMap<&'static str, Vec<&'static str>> {
    let rows = table::rows(include_str!("excuses.tsv")).map(table::columns);
    rows.map(|[pattern, texts]| (pattern, texts.split(',').collect())).collect()
}

/// The alternatives of `a|b` or `(?:a|b)`, with the closing parenthesis of the guard.
fn alternatives(texts: &'static str) -> Vec<&'static str> {
    texts.trim_start_matches("(?:").trim_end_matches(')').split('|').collect()
}

#[cfg(test)]
mod tests {
    use crate::enrich::lists;

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
            assert_eq!(lists::in_force().patterns.find(lower).is_some(), is_bot, "{lower}");
        }
    }

    #[test]
    fn the_built_in_list_has_patterns_of_each_kind() {
        let patterns = &lists::in_force().patterns;
        let kinds = [patterns.text_rules.len(), patterns.bound_rules.len(), patterns.free_rules.len()];
        assert!(!kinds.contains(&0) && !patterns.guarded.is_empty(), "{kinds:?}");
    }
}
