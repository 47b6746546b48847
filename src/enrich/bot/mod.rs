//! Bots: found by patterns, named and classified by lists, or detected by automation.
//!
//! A user agent belongs to a bot if it matches a pattern of `lists/isbot.txt` or a row of `bots.tsv` marked `sure`, or if
//! `woothee` says so. Its name and category come from the first matching row of `bots.tsv`, then from the longest match in
//! `lists/crawlers.tsv`, then from its own name. A bot that pretends to be a browser is not found by its user agent; some are
//! found by `navigator.webdriver` or the brand of a headless browser.

mod detect;
mod library;
mod names;
mod patterns;
#[cfg(test)]
mod tests;

pub(super) use detect::detect;
pub(super) use names::BotNames;
pub(super) use patterns::BotPatterns;
