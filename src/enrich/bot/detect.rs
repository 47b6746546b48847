//! Detects a bot by its user agent, its hints or its automation.

use woothee::parser::WootheeResult;

use super::library;
use crate::beacon::ClientHints;
use crate::enrich::lists;
use crate::event::BotCategory;

/// Name of a browser under automation whose user agent does not say so.
const AUTOMATED: &str = "WebDriver";
/// Brand of a browser without a window.
const HEADLESS: &str = "HeadlessChrome";

/// A bot, and the rule that found it.
pub(in crate::enrich) struct DetectedBot {
    pub(in crate::enrich) name: Box<str>,
    pub(in crate::enrich) category: BotCategory,
    pub(in crate::enrich) rule: &'static str,
}

pub(in crate::enrich) fn detect(
    user_agent: &str,
    lower: &str,
    parsed: &WootheeResult<'_>,
    hints: &ClientHints<'_>,
    is_automated: bool,
) -> Option<DetectedBot> {
    let lists = lists::in_force();
    let rule = lists.patterns.find(lower).or_else(|| (parsed.category == "crawler").then_some("woothee"));
    if let Some(rule) = rule {
        let (name, category) = lists.names.find(user_agent, lower);
        return Some(DetectedBot { name, category, rule });
    }
    if library::is_library(lower) {
        let (name, category) = lists.names.find(user_agent, lower);
        let category = if category == BotCategory::Other { BotCategory::Library } else { category };
        return Some(DetectedBot { name, category, rule: "a language's name" });
    }
    let driven =
        |name: &str, rule| DetectedBot { name: name.into(), category: BotCategory::Automation, rule };
    if hints.brands.iter().chain(&hints.full_versions).any(|(brand, _)| brand == HEADLESS) {
        return Some(driven(HEADLESS, "hints: brand HeadlessChrome"));
    }
    is_automated.then(|| driven(AUTOMATED, "navigator.webdriver"))
}
