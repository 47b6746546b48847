//! The class of the device.

use std::ops::Range;

use woothee::parser::WootheeResult;

use super::words::{KnownWords, TableDecision, WordTable};
use crate::event::DeviceClass;

/// The rule for Android with `Mobile` and an unknown model.
const PHONE_SYSTEM: &str = "Android with Mobile";
/// The rule for Android without `Mobile`.
const NO_MOBILE: &str = "Android without Mobile";

/// The rule for Android whose hints prefer a page for desktops: a tablet, or a phone in desktop mode.
pub(super) const NOT_MOBILE: &str = "hints: not mobile";

/// Smallest side of a tablet's screen in CSS px, which equal Android's dp: Android's own bound (`sw600dp`).
const SMALLEST_TABLET: u16 = 600;

/// The kind of device that a screen suggests on Android.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum ScreenClass {
    Unknown,
    /// Taller than wide, and too small for a tablet.
    Phone,
    /// Wider than tall, and too small for a tablet: a phone on its side, or a television.
    Wide,
    Tablet,
}

impl ScreenClass {
    pub(super) fn from_size((width, height): (u16, u16)) -> Self {
        match width.min(height) {
            0 => Self::Unknown,
            SMALLEST_TABLET.. => Self::Tablet,
            _ if width > height => Self::Wide,
            _ => Self::Phone,
        }
    }
}

/// Distinguishes phones from tablets by the screen, if neither the model nor a form factor did.
pub(super) fn by_screen(device: DeviceClass, rule: &str, screen: ScreenClass) -> Option<DeviceClass> {
    let is_open = [PHONE_SYSTEM, NO_MOBILE, NOT_MOBILE].contains(&rule);
    match (device, screen) {
        (DeviceClass::Mobile, ScreenClass::Tablet) if is_open => Some(DeviceClass::Tablet),
        (DeviceClass::Tablet, ScreenClass::Phone) if is_open => Some(DeviceClass::Mobile),
        _ => None,
    }
}

/// The class by the user agent, and the rule that decided.
pub(super) fn device(
    words: &KnownWords<'_>,
    parsed: &WootheeResult<'_>,
    os: &str,
) -> (DeviceClass, &'static str) {
    if let Some(found) = words.decide(WordTable::Devices) {
        return (class(&found), found.rule);
    }
    match os {
        // Android's own rule: a phone sends `Mobile`, a tablet does not.
        "Android" | "HarmonyOS" if !words.has("mobile") => (DeviceClass::Tablet, NO_MOBILE),
        "Android" | "HarmonyOS" => (DeviceClass::Mobile, PHONE_SYSTEM),
        "iOS" | "Windows Phone" | "KaiOS" => (DeviceClass::Mobile, "a system of phones"),
        "Windows" | "macOS" | "Linux" | "Chrome OS" if !words.has("mobile") => {
            (DeviceClass::Desktop, "a system of desktops")
        }
        "Tizen" | "webOS" if !words.has("mobile") => (DeviceClass::Other, "a system of televisions"),
        _ => match parsed.category {
            "smartphone" | "mobilephone" => (DeviceClass::Mobile, "woothee"),
            "pc" => (DeviceClass::Desktop, "woothee"),
            _ if words.has("mobile") => (DeviceClass::Mobile, "Mobile"),
            _ => (DeviceClass::Other, ""),
        },
    }
}

/// The class by a model's name, such as `Tab 10`.
pub(super) fn from_model(model: &str) -> Option<(DeviceClass, &'static str)> {
    let lower = model.to_ascii_lowercase();
    KnownWords::new(&lower, 0..lower.len())
        .decide(WordTable::Devices)
        .map(|found| (class(&found), found.rule))
}

/// Range of the device name in a user agent of Android, in lower case. It follows `Android 14;` and other parts.
pub(super) fn model(lower: &str) -> Range<usize> {
    let mut at = lower.find("android ").unwrap_or(lower.len());
    while let Some(behind) = lower[at..].find([';', ')']).filter(|found| lower[at + found..].starts_with(';'))
    {
        let start = at + behind + 1;
        let end = start + lower[start..].find([';', ')']).unwrap_or(lower.len() - start);
        let is_language = |part: &str| {
            matches!(part.len(), 2 | 5) && part.as_bytes().get(2).is_none_or(|&byte| byte == b'-')
        };
        let part = lower[start..end].trim();
        if part != "harmonyos" && part != "u" && !is_language(part) {
            // Other forms of user agents may have anything here, such as the name of a bot.
            return if lower[end..].contains("applewebkit/") { start..end } else { 0..0 };
        }
        at = end;
    }
    0..0
}

fn class(found: &TableDecision<'_>) -> DeviceClass {
    match found.value {
        "tablet" => DeviceClass::Tablet,
        "mobile" => DeviceClass::Mobile,
        "desktop" => DeviceClass::Desktop,
        _ => DeviceClass::Other,
    }
}
