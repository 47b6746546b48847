//! Which programs are no people: found by patterns, named and sorted by lists, or given away by automation.
//!
//! A user agent is a bot's if a pattern of `lists/isbot.txt` fits, if a row of `bots.tsv` marked `sure` does, or if
//! `woothee` says so. Its name and category come from the first row of `bots.tsv` that fits, then from the longest of
//! `lists/crawlers.tsv`, then from what it calls itself. A bot that pretends to be a browser is not found by its user agent;
//! `navigator.webdriver` and the brand of a headless browser tell some.

mod names;
mod patterns;
#[cfg(test)]
mod tests;

use woothee::parser::WootheeResult;

use crate::beacon::ClientHints;
use crate::event::BotCategory;
use names::NAMES;
use patterns::PATTERNS;

/// What stands for a browser under automation that does not say so in its user agent.
const AUTOMATED: &str = "WebDriver";
/// The brand of a browser without a window.
const HEADLESS: &str = "HeadlessChrome";

/// A bot, and how it was found.
pub(super) struct Bot {
    pub(super) name: Box<str>,
    pub(super) category: BotCategory,
    pub(super) rule: &'static str,
}

/// The bot that a client is, if it is one.
pub(super) fn bot(
    user_agent: &str,
    lower: &str,
    parsed: &WootheeResult<'_>,
    hints: &ClientHints<'_>,
    is_automated: bool,
) -> Option<Bot> {
    let rule = PATTERNS.find(lower).or_else(|| (parsed.category == "crawler").then_some("woothee"));
    if let Some(rule) = rule {
        let (name, category) = NAMES.of(user_agent, lower);
        return Some(Bot { name, category, rule });
    }
    let driven = |name: &str, rule| Bot { name: name.into(), category: BotCategory::Automation, rule };
    if hints.brands.iter().chain(&hints.full_versions).any(|(brand, _)| brand == HEADLESS) {
        return Some(driven(HEADLESS, "hints: brand HeadlessChrome"));
    }
    is_automated.then(|| driven(AUTOMATED, "navigator.webdriver"))
}
