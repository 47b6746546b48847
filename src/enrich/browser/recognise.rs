//! The stages of recognition, in their order: `woothee`, the tables, the hints, the touch screen, the bot.

use std::ops::Range;

use woothee::parser::{Parser, WootheeResult};

use super::words::{Table, Words};
use super::{Browser, Client, Rules, device, hints, known, major, system};
use crate::enrich::bot;
use crate::event::{BotCategory, DeviceClass};

/// Whether so many touch points are a touch screen's: a Mac reports none, an iPad 5.
pub(super) const fn has_touch_screen(touch_points: u8) -> bool {
    touch_points > 1
}

/// Reads what a client says of itself.
pub(super) fn recognise(client: &Client<'_>) -> Browser {
    let user_agent = String::from_utf8_lossy(client.user_agent);
    let mut lower = user_agent.to_ascii_lowercase();
    let parsed = Parser::new().parse(&user_agent).unwrap_or_default();
    let model = device::model(&lower);
    let mut browser = from_user_agent(&parsed, &lower, model.clone());
    // A device may be called `Spider 8`.
    lower.replace_range(model, "");
    let hints = hints::merged(client.hints, &client.headers);
    let bot = bot::bot(&user_agent, &lower, &parsed, &hints, client.automated);
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
    let screen = device::Screen::of(client.screen);
    if let Some(device) = device::by_screen(browser.device, browser.rules.device, screen) {
        browser.device = device;
        browser.rules.device = "the size of the screen";
    }
    // An iPad in desktop mode says that it is a Mac; no Mac has a touch screen.
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

fn from_user_agent(parsed: &WootheeResult<'_>, lower: &str, model: Range<usize>) -> Browser {
    let words = Words::of(lower, model);
    let system = system::system(&words, parsed, lower);
    let (device, device_rule) = device::device(&words, parsed, &system.name);
    let name = name(&words, parsed, &system.name, lower);
    Browser {
        engine: words.decide(Table::Engines).map_or("", |found| found.value),
        name: name.family.into(),
        version: name.version.into(),
        os: system.name,
        os_version: system.version,
        device,
        rules: Rules { browser: name.rule, os: system.rule, device: device_rule, ..Rules::default() },
        ..Browser::default()
    }
}

struct Name<'a> {
    family: &'a str,
    version: &'a str,
    rule: &'static str,
}

fn name<'a>(words: &Words<'a>, parsed: &'a WootheeResult<'a>, os: &str, lower: &str) -> Name<'a> {
    if let Some(found) = words.decide(Table::Browsers) {
        if found.value == "Chrome" && hides_model(lower) {
            return Name {
                family: "Avast Secure Browser",
                version: "",
                rule: "Android's model hidden behind random letters",
            };
        }
        let version = match words.version("trident").map(major) {
            Some(trident) if found.value == "Internet Explorer" => {
                behind_compatibility(trident, major(found.version))
            }
            _ => major(found.version),
        };
        return Name { family: found.value, version, rule: found.rule };
    }
    let version = major(known(parsed.version));
    let woothee = |family| Name { family, version, rule: "woothee" };
    match known(parsed.name) {
        // What it calls a crawler is the bot's name, not a browser's; these two are kinds.
        "HTTP Library" | "RSSReader" => Name { family: "", version: "", rule: "" },
        _ if parsed.category == "crawler" => Name { family: "", version: "", rule: "" },
        "Safari" | "Webview" if os == "Android" => {
            Name { family: "Android Browser", version: "", rule: "Safari's words on Android" }
        }
        // Apps on iOS show pages with Safari's web view and need not name themselves.
        "Webview" => woothee("Safari"),
        other => woothee(other),
    }
}

/// Avast's browser on Android puts ten random letters for the model, then `U` and the language: `wIbfilGb1r; U; de)`.
fn hides_model(lower: &str) -> bool {
    let Some((android, _)) = lower.split_once("; u; ").filter(|(before, _)| before.contains("android "))
    else {
        return false;
    };
    let model = android.rsplit("; ").next().unwrap_or_default();
    model.len() == 10 && model.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// Internet Explorer says that it is an older one where a page asks for that; its engine's version tells.
fn behind_compatibility<'a>(trident: &str, said: &'a str) -> &'a str {
    match trident {
        "4" => "8",
        "5" => "9",
        "6" => "10",
        "7" => "11",
        _ => said,
    }
}
