//! The steps of the recognition in their order: `woothee`, the tables, the bot, the hints, the screen.

use std::ops::Range;

use woothee::parser::{Parser, WootheeResult};

use super::client::{BrowserInfo, ClientSignals, DecidingRules};
use super::device::ScreenClass;
use super::version::{known, major};
use super::words::{KnownWords, WordTable};
use super::{device, hint_headers, hints, system};
use crate::enrich::bot;
use crate::event::{BotCategory, DeviceClass};

/// Whether a device with this many touch points has a touch screen. A Mac reports 0, an iPad 5.
pub(super) const fn has_touch_screen(touch_points: u8) -> bool {
    touch_points > 1
}

/// The parser that reads a user agent beside the tables.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum UserAgentParser {
    Woothee,
    /// For measuring what `woothee` contributes.
    None,
}

pub(super) fn recognise(client: &ClientSignals<'_>, parser: UserAgentParser) -> BrowserInfo {
    let user_agent = String::from_utf8_lossy(client.user_agent);
    let mut lower = user_agent.to_ascii_lowercase();
    let parsed = match parser {
        UserAgentParser::Woothee => Parser::new().parse(&user_agent).unwrap_or_default(),
        UserAgentParser::None => WootheeResult::default(),
    };
    let model = device::model(&lower);
    let mut browser = from_user_agent(&parsed, &lower, model.clone());
    // The name of a device may look like a bot: `Spider 8`.
    lower.replace_range(model, "");
    let hints = hint_headers::merged(client.hints, &client.headers);
    let bot = bot::detect(&user_agent, &lower, &parsed, &hints, client.automated);
    if let Some(bot) = bot {
        browser.bot = bot.name;
        browser.bot_category = bot.category;
        browser.rules.bot = bot.rule;
        browser.device = DeviceClass::Bot;
        browser.rules.device = "a bot";
        return browser;
    }
    browser.bot_category = BotCategory::None;
    hints::correct(&mut browser, &hints);
    let screen = ScreenClass::from_size(client.screen);
    if let Some(device) = device::by_screen(browser.device, browser.rules.device, screen) {
        browser.device = device;
        browser.rules.device = "the size of the screen";
    }
    // An iPad in desktop mode claims to be a Mac, but no Mac has a touch screen.
    if has_touch_screen(client.touch_points) && &*browser.os == "macOS" {
        browser.os = "iOS".into();
        browser.os_version = Box::default();
        browser.device = DeviceClass::Tablet;
        browser.engine = "WebKit";
        browser.rules.os = "a Mac with a touch screen";
        browser.rules.device = browser.rules.os;
    }
    browser
}

fn from_user_agent(parsed: &WootheeResult<'_>, lower: &str, model: Range<usize>) -> BrowserInfo {
    let words = KnownWords::new(lower, model);
    let system = system::system(&words, parsed, lower);
    let (device, device_rule) = device::device(&words, parsed, &system.name);
    let name = name(&words, parsed, &system.name, lower);
    BrowserInfo {
        engine: words.decide(WordTable::Engines).map_or("", |found| found.value),
        name: name.family.into(),
        version: name.version.into(),
        os: system.name,
        os_version: system.version,
        device,
        rules: DecidingRules {
            browser: name.rule,
            os: system.rule,
            device: device_rule,
            ..DecidingRules::default()
        },
        ..BrowserInfo::default()
    }
}

struct BrowserName<'a> {
    family: &'a str,
    version: &'a str,
    rule: &'static str,
}

fn name<'a>(words: &KnownWords<'a>, parsed: &'a WootheeResult<'a>, os: &str, lower: &str) -> BrowserName<'a> {
    if let Some(found) = words.decide(WordTable::Browsers) {
        if found.value == "Chrome" && hides_model(lower) {
            return BrowserName {
                family: "Avast Secure Browser",
                version: "",
                rule: "Android's model hidden behind random letters",
            };
        }
        let version = match words.version("trident").map(major) {
            Some(trident) if found.value == "Internet Explorer" => {
                version_by_engine(trident, major(found.version))
            }
            _ => major(found.version),
        };
        return BrowserName { family: found.value, version, rule: found.rule };
    }
    let version = major(known(parsed.version));
    let woothee = |family| BrowserName { family, version, rule: "woothee" };
    match known(parsed.name) {
        // These two are kinds of programs, and a crawler's name is not a browser.
        "HTTP Library" | "RSSReader" => BrowserName { family: "", version: "", rule: "" },
        _ if parsed.category == "crawler" => BrowserName { family: "", version: "", rule: "" },
        "Safari" | "Webview" if os == "Android" => {
            BrowserName { family: "Android Browser", version: "", rule: "Safari's words on Android" }
        }
        // Apps on iOS use Safari's web view and often have no name of their own.
        "Webview" => woothee("Safari"),
        other => woothee(other),
    }
}

/// Avast's browser on Android replaces the model by ten random letters, `U` and the language: `wIbfilGb1r; U; de)`.
fn hides_model(lower: &str) -> bool {
    let Some((android, _)) = lower.split_once("; u; ").filter(|(before, _)| before.contains("android "))
    else {
        return false;
    };
    let model = android.rsplit("; ").next().unwrap_or_default();
    model.len() == 10 && model.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// The version of Internet Explorer by its engine. In compatibility mode the user agent names an older version.
fn version_by_engine<'a>(trident: &str, said: &'a str) -> &'a str {
    match trident {
        "4" => "8",
        "5" => "9",
        "6" => "10",
        "7" => "11",
        _ => said,
    }
}
