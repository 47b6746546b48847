//! User-agent client hints: what Chromium says beyond its user agent, which it keeps the same for all.
//!
//! They come from the script (`navigator.userAgentData`), which may ask for all of them, and as headers (W3C "User-Agent
//! Client Hints", structured fields of RFC 9651), of which a browser sends three unasked. Brands beat the user agent where
//! they say more than it does; where the two deny each other, neither is believed and the client is marked.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::LazyLock;

use foldhash::fast::RandomState;
use hyper::HeaderMap;
use sfv::{BareItem, List, ListEntry, Parser};

use super::{Browser, Rules, device, major, two_parts};
use crate::beacon::ClientHints;
use crate::enrich::table;
use crate::event::DeviceClass;

/// Bytes of a brand at most, for it to be called by its own name.
const MAX_BRAND: usize = 32;
/// Brands of one client that are read.
const MAX_BRANDS: usize = 8;
/// The brand that all built on Chromium share; its version is the engine's.
const ENGINE_BRAND: &str = "Chromium";

/// Client hints as headers, raw; empty where a header is missing.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct HintHeaders<'a> {
    brands: &'a [u8],
    full_versions: &'a [u8],
    mobile: &'a [u8],
    platform: &'a [u8],
    platform_version: &'a [u8],
    model: &'a [u8],
    form_factors: &'a [u8],
}

impl<'a> HintHeaders<'a> {
    /// Those of a request. A browser that sends any sends `Sec-CH-UA`: others cost one look-up.
    pub fn of(headers: &'a HeaderMap) -> Self {
        let get = |name| headers.get(name).map_or(&b""[..], |value| value.as_bytes());
        let brands = get("sec-ch-ua");
        if brands.is_empty() {
            return Self::default();
        }
        Self {
            brands,
            full_versions: get("sec-ch-ua-full-version-list"),
            mobile: get("sec-ch-ua-mobile"),
            platform: get("sec-ch-ua-platform"),
            platform_version: get("sec-ch-ua-platform-version"),
            model: get("sec-ch-ua-model"),
            form_factors: get("sec-ch-ua-form-factors"),
        }
    }

    /// Their values; a header that is no structured field of its kind counts as missing.
    fn parse(&self) -> ClientHints<'static> {
        ClientHints {
            brands: brands(self.brands),
            full_versions: brands(self.full_versions),
            mobile: flag(self.mobile),
            platform: text(self.platform),
            platform_version: text(self.platform_version),
            model: text(self.model),
            form_factors: texts(self.form_factors),
        }
    }
}

/// What the script brought, with what it lacks from the headers.
pub(super) fn merged<'a>(sent: &'a ClientHints<'a>, headers: &HintHeaders<'_>) -> Cow<'a, ClientHints<'a>> {
    if *headers == HintHeaders::default() {
        return Cow::Borrowed(sent);
    }
    let headers = headers.parse();
    let mut merged = sent.clone();
    if merged.brands.is_empty() && merged.full_versions.is_empty() {
        merged.brands = headers.brands;
        merged.full_versions = headers.full_versions;
    }
    merged.mobile = merged.mobile.or(headers.mobile);
    if merged.platform.is_empty() {
        merged.platform = headers.platform;
    }
    if merged.platform_version.is_empty() {
        merged.platform_version = headers.platform_version;
    }
    if merged.model.is_empty() {
        merged.model = headers.model;
    }
    if merged.form_factors.is_empty() {
        merged.form_factors = headers.form_factors;
    }
    Cow::Owned(merged)
}

/// `"Chromium";v="142", "Google Chrome";v="142"`.
fn brands(header: &[u8]) -> Vec<(Cow<'static, str>, Cow<'static, str>)> {
    let list: List = Parser::new(header).parse().unwrap_or_default();
    let brand = |entry: &ListEntry| {
        let ListEntry::Item(item) = entry else { return None };
        let version = item.params.get("v").and_then(BareItem::as_string);
        let version = version.map_or_else(String::new, |version| version.as_str().to_owned());
        Some((Cow::Owned(item.bare_item.as_string()?.as_str().to_owned()), Cow::Owned(version)))
    };
    list.iter().take(MAX_BRANDS).filter_map(brand).collect()
}

fn texts(header: &[u8]) -> Vec<Cow<'static, str>> {
    let list: List = Parser::new(header).parse().unwrap_or_default();
    let text = |entry: &ListEntry| {
        let ListEntry::Item(item) = entry else { return None };
        Some(Cow::Owned(item.bare_item.as_string()?.as_str().to_owned()))
    };
    list.iter().take(MAX_BRANDS).filter_map(text).collect()
}

fn text(header: &[u8]) -> Cow<'static, str> {
    let item = Parser::new(header).parse::<sfv::Item>().ok();
    let text = item.and_then(|item| Some(item.bare_item.as_string()?.as_str().to_owned()));
    text.map_or(Cow::Borrowed(""), Cow::Owned)
}

fn flag(header: &[u8]) -> Option<bool> {
    Parser::new(header).parse::<sfv::Item>().ok()?.bare_item.as_boolean()
}

static FAMILIES: LazyLock<HashMap<&'static str, &'static str, RandomState>> = LazyLock::new(|| {
    let rows = table::rows(include_str!("brands.tsv")).map(table::columns);
    rows.map(|[brand, family]| (brand, family)).collect()
});

/// How much a brand tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Worth {
    Engine,
    Common,
    Own,
}

fn worth(brand: &str) -> Option<(Worth, &str)> {
    match brand {
        ENGINE_BRAND => Some((Worth::Engine, "Chrome")),
        "Google Chrome" => Some((Worth::Common, "Chrome")),
        "Android WebView" => Some((Worth::Common, brand)),
        "Microsoft Edge WebView2" => Some((Worth::Common, "Edge")),
        _ => FAMILIES.get(brand).copied().or_else(|| plain(brand)).map(|family| (Worth::Own, family)),
    }
}

/// A brand that stands for itself. Those that are made up so that pages rely on none, such as `Not/A)Brand` (GREASE, as the
/// specification calls it), say so in changing spelling.
fn plain(brand: &str) -> Option<&str> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b' ' | b'-' | b'.' | b'_');
    let letters: String =
        brand.chars().filter(char::is_ascii_alphabetic).map(|letter| letter.to_ascii_lowercase()).collect();
    let is_made_up = letters.contains("not") && letters.contains("brand");
    let fits = !brand.is_empty() && brand.len() <= MAX_BRAND && brand.bytes().all(is_plain);
    (fits && !is_made_up && brand.starts_with(|first: char| first.is_ascii_alphabetic())).then_some(brand)
}

/// Corrects what the user agent said, or marks the client as spoofed.
pub(super) fn correct(browser: &mut Browser, hints: &ClientHints<'_>) {
    let brands = if hints.brands.is_empty() { &hints.full_versions } else { &hints.brands };
    let best = brands
        .iter()
        .take(MAX_BRANDS)
        .filter_map(|(brand, version)| worth(brand).map(|(worth, family)| (worth, family, version)))
        .reduce(|best, next| if next.0 > best.0 { next } else { best });
    if let Some(rule) = denied(browser, hints, best.is_some()) {
        return forget(browser, rule);
    }
    if let Some((worth, family, version)) = best {
        name(browser, worth, family, version);
    }
    system(browser, hints);
    class(browser, hints);
}

/// Takes the brand where it says more than the user agent.
fn name(browser: &mut Browser, worth: Worth, family: &str, version: &str) {
    browser.engine = "Blink";
    let is_plain = matches!(&*browser.name, "" | "Chrome" | "Android Browser");
    let says_more = match worth {
        // A fork that the user agent names, or the app around a web view.
        Worth::Engine | Worth::Common => is_plain && (worth == Worth::Common || browser.name.is_empty()),
        Worth::Own => &*browser.name != family,
    };
    if says_more {
        browser.name = family.into();
        browser.version = major(version).into();
        browser.rules.browser = "hints: brand";
    }
}

/// Where hints and user agent deny each other, neither is believed: what they contradict is not known.
fn forget(browser: &mut Browser, rule: &'static str) {
    let rules = Rules { spoofed: rule, ..Rules::default() };
    *browser = Browser { spoofed: true, rules, ..Browser::default() };
}

/// Why the hints deny what the user agent says, if they do.
fn denied(browser: &Browser, hints: &ClientHints<'_>, has_brands: bool) -> Option<&'static str> {
    // An app around Android's web view may drop Chrome's words, and then looks like WebKit.
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
        // A page for desktops that a phone asks for comes with the user agent of Linux; televisions, headsets and phones
        // that are built on Linux or Android name either.
        "Android" | "Linux" => !matches!(os, "Windows" | "macOS" | "iOS"),
        _ => true,
    };
    (!fits && !os.is_empty()).then_some("hints of one system, a user agent of another")
}

fn system(browser: &mut Browser, hints: &ClientHints<'_>) {
    let version = &*hints.platform_version;
    // A version without its platform is that of the user agent's.
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
    if !version.is_empty() && &*browser.os == os {
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

fn class(browser: &mut Browser, hints: &ClientHints<'_>) {
    let has_form = |form: &str| hints.form_factors.iter().any(|other| other == form);
    let found = if has_form("Tablet") || has_form("EInk") {
        Some((DeviceClass::Tablet, "hints: form factor"))
    } else if has_form("XR") || has_form("Watch") || has_form("Automotive") {
        Some((DeviceClass::Other, "hints: form factor"))
    } else if let Some((device, _)) = device::of_model(&hints.model) {
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
