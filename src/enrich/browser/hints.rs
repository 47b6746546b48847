//! User-agent client hints, with which Chromium identifies itself: its user agent is the same for all versions and systems.
//!
//! A brand replaces the user agent's name if it is more specific. If hints and user agent contradict each other, neither is
//! used and the client is marked as spoofed.

use std::collections::HashMap;
use std::sync::LazyLock;

use foldhash::fast::RandomState;

use super::client::{BrowserInfo, DecidingRules};
use super::hint_headers::MAX_BRANDS;
use super::version::{major, two_parts};
use super::{device, system as systems};
use crate::beacon::ClientHints;
use crate::enrich::table;
use crate::event::DeviceClass;

/// Most bytes of a brand that is used as a name.
const MAX_BRAND: usize = 32;
/// The brand of every browser that is built on Chromium. Its version is the engine's.
const ENGINE_BRAND: &str = "Chromium";

static FAMILIES: LazyLock<HashMap<&'static str, &'static str, RandomState>> = LazyLock::new(|| {
    let rows = table::rows(include_str!("tables/brands.tsv")).map(table::columns);
    rows.map(|[brand, family]| (brand, family)).collect()
});

/// How specific a brand is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum BrandWorth {
    Engine,
    Common,
    Own,
}

fn worth(brand: &str) -> Option<(BrandWorth, &str)> {
    match brand {
        ENGINE_BRAND => Some((BrandWorth::Engine, "Chrome")),
        "Google Chrome" => Some((BrandWorth::Common, "Chrome")),
        "Android WebView" => Some((BrandWorth::Common, brand)),
        "Microsoft Edge WebView2" => Some((BrandWorth::Common, "Edge")),
        _ => FAMILIES.get(brand).copied().or_else(|| plain(brand)).map(|family| (BrandWorth::Own, family)),
    }
}

/// A brand that is used as a name. Invented brands (GREASE), such as `Not/A)Brand`, contain these words in changing
/// spelling.
fn plain(brand: &str) -> Option<&str> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b' ' | b'-' | b'.' | b'_');
    let letters: String =
        brand.chars().filter(char::is_ascii_alphabetic).map(|letter| letter.to_ascii_lowercase()).collect();
    let is_made_up = letters.contains("not") && letters.contains("brand");
    let fits = !brand.is_empty() && brand.len() <= MAX_BRAND && brand.bytes().all(is_plain);
    (fits && !is_made_up && brand.starts_with(|first: char| first.is_ascii_alphabetic())).then_some(brand)
}

/// Corrects the result of the user agent, or marks the client as spoofed.
pub(super) fn correct(browser: &mut BrowserInfo, hints: &ClientHints<'_>) {
    let brands = if hints.brands.is_empty() { &hints.full_versions } else { &hints.brands };
    let best = brands
        .iter()
        .take(MAX_BRANDS)
        .filter_map(|(brand, version)| worth(brand).map(|(worth, family)| (worth, family, version)))
        .reduce(|best, next| if next.0 > best.0 { next } else { best });
    if let Some(rule) = contradiction(browser, hints, best.is_some()) {
        return mark_spoofed(browser, rule);
    }
    if let Some((worth, family, version)) = best {
        name(browser, worth, family, version);
    }
    system(browser, hints);
    class(browser, hints);
}

/// Uses the brand if it is more specific than the user agent.
fn name(browser: &mut BrowserInfo, worth: BrandWorth, family: &str, version: &str) {
    browser.engine = "Blink";
    let is_plain = matches!(&*browser.name, "" | "Chrome" | "Android Browser");
    let says_more = match worth {
        // The user agent already names a fork, or the app around a web view.
        BrandWorth::Engine | BrandWorth::Common => {
            is_plain && (worth == BrandWorth::Common || browser.name.is_empty())
        }
        BrandWorth::Own => &*browser.name != family,
    };
    if says_more {
        browser.name = family.into();
        browser.version = major(version).into();
        browser.rules.browser = "hints: brand";
    }
}

/// Discards what hints and user agent contradict.
fn mark_spoofed(browser: &mut BrowserInfo, rule: &'static str) {
    let rules = DecidingRules { spoofed: rule, ..DecidingRules::default() };
    *browser = BrowserInfo { spoofed: true, rules, ..BrowserInfo::default() };
}

/// Why the hints contradict the user agent, if they do.
fn contradiction(browser: &BrowserInfo, hints: &ClientHints<'_>, has_brands: bool) -> Option<&'static str> {
    // An app around Android's web view may omit Chrome's words and then looks like WebKit.
    let is_other_engine = match browser.engine {
        "WebKit" => matches!(&*browser.os, "iOS" | "macOS"),
        engine => matches!(engine, "Gecko" | "Trident" | "Presto" | "EdgeHTML"),
    };
    if has_brands && is_other_engine {
        return Some("hints of Chromium, a user agent of another engine");
    }
    let os = &*browser.os;
    let fits = match &*hints.platform {
        "Windows" => matches!(os, "Windows" | "Xbox"),
        "macOS" | "Mac OS X" => os == "macOS",
        "Chrome OS" | "Chromium OS" => matches!(os, "Chrome OS" | "Linux"),
        "iOS" => os == "iOS",
        // A phone in desktop mode sends the user agent of Linux. Televisions, headsets and phones that are built on Linux
        // or Android send either.
        "Android" | "Linux" => !matches!(os, "Windows" | "macOS" | "iOS"),
        _ => true,
    };
    (!fits && !os.is_empty()).then_some("hints of one system, a user agent of another")
}

fn system(browser: &mut BrowserInfo, hints: &ClientHints<'_>) {
    let version = &*hints.platform_version;
    // A version without a platform belongs to the user agent's platform.
    let platform = if hints.platform.is_empty() { &*browser.os } else { &*hints.platform };
    let (os, version) = match platform {
        "Windows" => ("Windows", windows(version)),
        "macOS" | "Mac OS X" => ("macOS", two_parts(version)),
        "Android" => ("Android", major(version)),
        "Chrome OS" | "Chromium OS" => ("Chrome OS", two_parts(version)),
        "iOS" => ("iOS", two_parts(version)),
        _ => return,
    };
    if matches!(&*browser.os, "" | "Linux") && os != &*browser.os {
        browser.os = os.into();
        browser.os_version = Box::default();
        browser.rules.os = "hints: platform";
    }
    if let Some(os) = systems::from_model(&hints.model).filter(|os| *os != &*browser.os) {
        browser.os = os.into();
        browser.os_version = Box::default();
        browser.rules.os = "hints: model";
    } else if !version.is_empty() && &*browser.os == os {
        browser.os_version = version.into();
        browser.rules.os = "hints: platform version";
    }
}

/// The Windows behind `Sec-CH-UA-Platform-Version`, as Microsoft documents it.
fn windows(version: &str) -> &str {
    match two_parts(version) {
        "0.1" => "7",
        "0.2" => "8",
        "0.3" => "8.1",
        other => match major(other).parse() {
            Ok(13u32..) => "11",
            Ok(1..) => "10",
            _ => "",
        },
    }
}

fn class(browser: &mut BrowserInfo, hints: &ClientHints<'_>) {
    let has_form = |form: &str| hints.form_factors.iter().any(|other| other == form);
    let found = if has_form("Tablet") || has_form("EInk") {
        Some((DeviceClass::Tablet, "hints: form factor"))
    } else if has_form("XR") || has_form("Watch") || has_form("Automotive") {
        Some((DeviceClass::Other, "hints: form factor"))
    } else if let Some((device, _)) = device::from_model(&hints.model) {
        Some((device, "hints: model"))
    } else {
        match (&*browser.os, hints.mobile) {
            ("Android", Some(false)) if browser.device != DeviceClass::Other => {
                Some((DeviceClass::Tablet, device::NOT_MOBILE))
            }
            (_, Some(true)) if browser.device == DeviceClass::Desktop => {
                Some((DeviceClass::Mobile, "hints: mobile"))
            }
            _ => None,
        }
    };
    if let Some((device, rule)) = found {
        browser.device = device;
        browser.rules.device = rule;
    }
}
