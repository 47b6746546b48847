//! The query of an address: allow-listed parameters are kept, scrubbed; of a click id the name; nothing else.

use std::borrow::Cow;

use super::click_ids::CLICK_IDS;
use super::label::Context;
use super::percent::{push_query, query_value};
use super::scanner;
use super::text::{context_of, fit, scrub};
use crate::config::NamePatterns;

/// Most bytes of a kept query. A parameter that does not fit is dropped as a whole.
const MAX_QUERY: usize = 1_024;
/// Most bytes of one kept value.
const MAX_VALUE: usize = 256;
/// Parameters that are read. No ordinary page has more.
const MAX_PARAMETERS: usize = 100;

/// The campaign parameters that the site allow-lists. A field's name is the parameter's without `utm_`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Campaign<'a> {
    pub source: Cow<'a, str>,
    pub medium: Cow<'a, str>,
    pub campaign: Cow<'a, str>,
    pub content: Cow<'a, str>,
    pub term: Cow<'a, str>,
}

#[derive(Debug, Default)]
pub(super) struct ScrubbedQuery<'a> {
    pub(super) kept: Cow<'a, str>,
    pub(super) campaign: Campaign<'a>,
    pub(super) click_id: &'static str,
}

/// Reads a query, without its `?`, of a page with this path.
pub(super) fn read<'a>(query: &'a str, path: &str, keep: &NamePatterns) -> ScrubbedQuery<'a> {
    let mut read = ScrubbedQuery::default();
    if query.is_empty() {
        return read;
    }
    // While every parameter is kept unchanged, the kept query is a prefix of the given one.
    let mut unchanged = Some(0);
    let mut kept = String::new();
    let mut start = 0;
    for pair in query.split('&').take(MAX_PARAMETERS) {
        let (from, end) = (start, start + pair.len());
        start = end + 1;
        let (raw_name, raw_value) = pair.split_once('=').unwrap_or((pair, ""));
        let decoded = query_value(raw_name);
        let name = usual_name(&decoded);
        let is_usual = matches!(name, Cow::Borrowed(name) if name.len() == decoded.len());
        if let Some(id) = CLICK_IDS.iter().find(|id| **id == name) {
            if read.click_id.is_empty() && !raw_value.is_empty() {
                read.click_id = id;
            }
            continue;
        }
        if !keep.matches(&name) || !is_clean_name(&name) {
            continue;
        }
        let context = context_of(&name).below(|| scanner::pass(path, 0, Context::default()).1);
        let (value, same) = scrub_value(raw_value, context);
        let same = same && is_usual;
        let room = match unchanged {
            Some(length) => length,
            None => kept.len(),
        };
        let encoded = if same { Cow::Borrowed(pair) } else { Cow::Owned(encoded_pair(&name, &value)) };
        if room + 1 + encoded.len() > MAX_QUERY {
            continue;
        }
        let follows = match unchanged {
            Some(0) => from == 0,
            Some(length) => length + 1 == from,
            None => false,
        };
        if same && follows {
            unchanged = Some(end);
        } else {
            if let Some(length) = unchanged.take() {
                kept.push_str(&query[..length]);
            }
            if !kept.is_empty() {
                kept.push('&');
            }
            kept.push_str(&encoded);
        }
        read.campaign.set(&name, value);
    }
    read.kept = match unchanged {
        Some(length) => Cow::Borrowed(&query[..length]),
        None => Cow::Owned(kept),
    };
    read
}

impl<'a> ScrubbedQuery<'a> {
    /// Takes the campaign from a fragment (`#utm_source=…`, `#/route?utm_source=…`) where the query has none.
    pub(super) fn add_from_fragment(&mut self, fragment: &'a str, keep: &NamePatterns) {
        if fragment.is_empty() || self.campaign != Campaign::default() {
            return;
        }
        let parameters = fragment.split_once('?').map_or(fragment, |(_, query)| query);
        let read = read(parameters, "", keep);
        self.campaign = read.campaign;
        if self.click_id.is_empty() {
            self.click_id = read.click_id;
        }
    }
}

/// A name as it is meant: some links have `&amp;` for `&`, and campaign parameters in capitals.
fn usual_name(name: &str) -> Cow<'_, str> {
    let name = name.strip_prefix("amp;").unwrap_or(name);
    let is_campaign = name.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("utm_"));
    if is_campaign && name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(name.to_ascii_lowercase())
    } else {
        Cow::Borrowed(name)
    }
}

/// Whether a name is free of personal data: a pattern may match names that hold anything.
fn is_clean_name(name: &str) -> bool {
    Campaign::has(name) || matches!(scrub(name, Context::default()), Cow::Borrowed(_))
}

impl Campaign<'_> {
    fn has(name: &str) -> bool {
        matches!(name, "utm_source" | "utm_medium" | "utm_campaign" | "utm_content" | "utm_term")
    }
}

impl<'a> Campaign<'a> {
    /// Stores a campaign parameter. Of several with one name the first counts.
    fn set(&mut self, name: &str, value: Cow<'a, str>) {
        let field = match name {
            "utm_source" => &mut self.source,
            "utm_medium" => &mut self.medium,
            "utm_campaign" => &mut self.campaign,
            "utm_content" => &mut self.content,
            "utm_term" => &mut self.term,
            _ => return,
        };
        if field.is_empty() {
            *field = value;
        }
    }
}

/// The scrubbed value, and whether its encoding can stay unchanged.
fn scrub_value(raw: &str, context: Context) -> (Cow<'_, str>, bool) {
    match query_value(raw) {
        Cow::Borrowed(value) => {
            let scrubbed = fit(value, MAX_VALUE, context);
            let same = scrubbed.len() == value.len() && matches!(scrubbed, Cow::Borrowed(_));
            (scrubbed, same)
        }
        Cow::Owned(value) => {
            let scrubbed = fit(&value, MAX_VALUE, context);
            (Cow::Owned(scrubbed.into_owned()), false)
        }
    }
}

fn encoded_pair(name: &str, value: &str) -> String {
    let mut pair = String::with_capacity(name.len() + 1 + value.len());
    push_query(name, true, &mut pair);
    pair.push('=');
    push_query(value, false, &mut pair);
    pair
}
