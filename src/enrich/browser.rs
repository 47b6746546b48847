//! User agent and client hints in, a [`Browser`] out: name, major version, engine, system, device class, bot.
//!
//! `woothee` reads the user agent; tables here add the browsers it does not know and give systems one spelling; client
//! hints then correct what user agents have frozen (Windows 11, versions of macOS and Android, the brand behind a common
//! Chromium text). Answers are remembered in a table of fixed size under a hash that is keyed anew in each process: no user
//! agent is kept.

use std::borrow::Cow;
use std::sync::Arc;

use foldhash::quality::RandomState;
use std::hash::{BuildHasher, Hash, Hasher};
use woothee::parser::{Parser, WootheeResult};
use woothee::woothee::VALUE_UNKNOWN;

use super::bot;
use crate::beacon::Hints;
use crate::cache::Cache;
use crate::event::{BotCategory, Device};

/// Bytes of a user agent that are read: the longest of real browsers, with all their in-app additions, have about 500.
const MAX_USER_AGENT: usize = 1_024;
/// Bytes of a version at most.
const MAX_VERSION: usize = 16;
/// Browsers remembered: a day's visitors of a large site come with fewer. One takes about 200 bytes.
const REMEMBERED: usize = 4_096;

/// What a visitor uses. Texts are empty when unknown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Browser {
    /// Family, such as `Chrome`.
    pub name: Box<str>,
    /// Major version.
    pub version: Box<str>,
    /// Rendering engine.
    pub engine: &'static str,
    /// Operating system, such as `Windows`.
    pub os: Box<str>,
    /// Its version, at most two parts: `11`, `17.1`.
    pub os_version: Box<str>,
    /// Device class.
    pub device: Device,
    /// Name of the bot; empty for people.
    pub bot: Box<str>,
    /// What the bot is for.
    pub bot_category: BotCategory,
    /// Whether the client's hints deny what its user agent says.
    pub spoofed: bool,
}

/// Recognises browsers, and remembers them.
pub struct Browsers {
    cache: Cache<Browser>,
    state: RandomState,
}

impl Default for Browsers {
    fn default() -> Self {
        Self { cache: Cache::new(REMEMBERED), state: RandomState::default() }
    }
}

impl Browsers {
    /// An empty memory.
    pub fn new() -> Self {
        Self::default()
    }

    /// What a user agent, its client hints, the number of touch points and the mark of automation say.
    pub fn browser(
        &self,
        user_agent: &[u8],
        hints: &Hints<'_>,
        touch_points: u8,
        automated: bool,
    ) -> Arc<Browser> {
        let user_agent = &user_agent[..user_agent.len().min(MAX_USER_AGENT)];
        let has_touch = touch_points > 1;
        let mut hasher = self.state.build_hasher();
        user_agent.hash(&mut hasher);
        (has_touch, automated, hints.mobile).hash(&mut hasher);
        (&hints.brands, &hints.full_versions).hash(&mut hasher);
        (&hints.platform, &hints.platform_version, &hints.form_factors).hash(&mut hasher);
        self.cache.get(hasher.finish(), || {
            recognise(&String::from_utf8_lossy(user_agent), hints, has_touch, automated)
        })
    }
}

fn recognise(user_agent: &str, hints: &Hints<'_>, has_touch: bool, automated: bool) -> Browser {
    let mut browser = from_user_agent(user_agent);
    correct_by_hints(&mut browser, hints);
    // An iPad in desktop mode says that it is a Mac; no Mac has a touch screen.
    if has_touch && &*browser.os == "macOS" {
        browser.os = "iPadOS".into();
        browser.os_version = Box::default();
        browser.device = Device::Tablet;
        browser.engine = "WebKit";
    }
    if browser.bot.is_empty() && automated {
        browser.bot = bot::AUTOMATED.into();
    }
    if !browser.bot.is_empty() {
        browser.bot_category = BotCategory::Other;
        browser.device = Device::Bot;
    }
    browser
}

fn from_user_agent(user_agent: &str) -> Browser {
    let parsed = Parser::new().parse(user_agent).unwrap_or_default();
    let (os, os_version) = system(&parsed, user_agent);
    let (name, version) =
        named(user_agent).unwrap_or_else(|| (known(parsed.name), major(known(parsed.version))));
    let mut bot = bot::name(user_agent);
    if bot.is_empty() && parsed.category == "crawler" {
        bot = known(parsed.name).into();
    }
    Browser {
        device: device(&parsed, user_agent, os),
        engine: engine(user_agent),
        name: name.into(),
        version: version.into(),
        os: os.into(),
        os_version: os_version.into(),
        bot,
        bot_category: BotCategory::None,
        spoofed: false,
    }
}

/// Browsers that `woothee` does not know or takes for the one they are built on: the token before the version, the name.
const TOKENS: &[(&str, &str)] = &[
    ("YaBrowser/", "Yandex Browser"),
    ("YaSearchBrowser/", "Yandex Browser"),
    ("EdgiOS/", "Edge"),
    ("OPR/", "Opera"),
    ("OPT/", "Opera"),
    ("OPX/", "Opera"),
    ("OPiOS/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("MiuiBrowser/", "Mi Browser"),
    ("HuaweiBrowser/", "Huawei Browser"),
    ("HeyTapBrowser/", "HeyTap Browser"),
    ("VivoBrowser/", "vivo Browser"),
    ("UCBrowser/", "UC Browser"),
    ("Whale/", "Whale"),
    ("MQQBrowser/", "QQ Browser"),
    ("QQBrowser/", "QQ Browser"),
    ("DuckDuckGo/", "DuckDuckGo"),
    ("Ddg/", "DuckDuckGo"),
    ("Vivaldi/", "Vivaldi"),
    ("Atom/", "Atom"),
    ("FxiOS/", "Firefox"),
    ("Focus/", "Firefox Focus"),
    ("SeaMonkey/", "SeaMonkey"),
    ("PaleMoon/", "Pale Moon"),
    ("Instagram ", "Instagram"),
    ("FBAV/", "Facebook"),
    ("VKAndroidApp/", "VK"),
    ("com.vk.vkclient/", "VK"),
    ("Telegram-Android/", "Telegram"),
    ("GSA/", "Google App"),
    ("Electron/", "Electron"),
];

fn named(user_agent: &str) -> Option<(&'static str, &str)> {
    TOKENS.iter().find_map(|(token, name)| {
        let at = user_agent.find(token)? + token.len();
        Some((*name, major(&user_agent[at..])))
    })
}

fn engine(user_agent: &str) -> &'static str {
    let has = |token| user_agent.contains(token);
    if has("Trident/") || has("MSIE ") {
        "Trident"
    } else if has("Edge/") {
        "EdgeHTML"
    } else if has("Presto/") {
        "Presto"
    } else if has("iPhone") || has("iPad") || has("iPod") {
        // Whatever its name, a browser there shows pages with the system's engine.
        "WebKit"
    } else if has("Chrome/") || has("Chromium/") {
        "Blink"
    } else if has("AppleWebKit/") {
        "WebKit"
    } else if has("Gecko/") {
        "Gecko"
    } else {
        ""
    }
}

/// The operating system and its version in one spelling.
fn system<'a>(parsed: &'a WootheeResult<'_>, user_agent: &str) -> (&'a str, Cow<'a, str>) {
    let version = two_parts(known(&parsed.os_version));
    match known(parsed.os) {
        "Mac OSX" | "Mac OS Classic" => ("macOS", version.into()),
        "iPad" if major(version).parse().is_ok_and(|number: u32| number >= 13) => ("iPadOS", version.into()),
        "iPhone" | "iPad" | "iPod" | "iOS" => ("iOS", version.into()),
        "Windows UNKNOWN Ver" => ("Windows", "".into()),
        "Windows Phone OS" => ("Windows Phone", version.into()),
        windows if windows.starts_with("Windows") => {
            let name = windows.trim_start_matches("Windows").trim();
            ("Windows", name.into())
        }
        "ChromeOS" => ("ChromeOS", "".into()),
        "Linux" if user_agent.contains("HarmonyOS") => ("HarmonyOS", "".into()),
        "Linux" => ("Linux", "".into()),
        "Android" => ("Android", major(version).into()),
        other => (other, version.into()),
    }
}

fn device(parsed: &WootheeResult<'_>, user_agent: &str, os: &str) -> Device {
    match parsed.category {
        "crawler" => Device::Bot,
        _ if user_agent.contains("iPad") || user_agent.contains("Tablet") => Device::Tablet,
        // Android's own rule: a phone says `Mobile`, a tablet or a television does not.
        "smartphone" if os == "Android" && !user_agent.contains("Mobile") => {
            if ["TV", "AFT", "BRAVIA"].iter().any(|mark| user_agent.contains(mark)) {
                Device::Other
            } else {
                Device::Tablet
            }
        }
        "smartphone" | "mobilephone" => Device::Mobile,
        "pc" => Device::Desktop,
        _ => Device::Other,
    }
}

/// Brands of client hints and what they are called here. `None` marks those that say nothing.
fn brand(brand: &str) -> Option<&str> {
    Some(match brand {
        "Google Chrome" => "Chrome",
        "Microsoft Edge" | "Microsoft Edge WebView2" => "Edge",
        "Yandex" | "YaBrowser" => "Yandex Browser",
        "Opera" | "Opera GX" | "Opera Mobile" => "Opera",
        "Samsung Internet" => "Samsung Internet",
        "DuckDuckGo" => "DuckDuckGo",
        "Brave" | "Vivaldi" | "Whale" | "Android WebView" | "HeadlessChrome" => brand,
        // What else a brand says is often made up to keep pages from relying on it (`Not/A)Brand`).
        _ => return None,
    })
}

fn correct_by_hints(browser: &mut Browser, hints: &Hints<'_>) {
    let brands = if hints.full_versions.is_empty() { &hints.brands } else { &hints.full_versions };
    let known = || brands.iter().filter_map(|(name, version)| Some((brand(name)?, version)));
    // A browser built on Chrome may list it too; its own name tells more.
    let own = known().find(|(name, _)| *name != "Chrome").or_else(|| known().next());
    // In-app browsers and Yandex say more in the user agent than `Android WebView` or `Chrome` does.
    let keeps_name = |name: &str| {
        matches!(name, "Chrome" | "Android WebView") && !matches!(&*browser.name, "" | "Chrome" | "Webview")
    };
    if let Some((name, version)) = own.filter(|(name, _)| !keeps_name(name)) {
        if name == "HeadlessChrome" && browser.bot.is_empty() {
            browser.bot = name.into();
        }
        browser.name = name.into();
        browser.version = major(version).into();
        browser.engine = "Blink";
    }
    correct_system(browser, hints);
    if !hints.platform.is_empty() {
        let is_tablet = hints.form_factors.iter().any(|form| form == "Tablet");
        browser.device = match (&*browser.os, hints.mobile) {
            _ if is_tablet => Device::Tablet,
            (_, Some(true)) => Device::Mobile,
            // Android without `mobile` is a tablet, unless the user agent told of a television.
            ("Android", Some(false)) if browser.device == Device::Mobile => Device::Tablet,
            _ => browser.device,
        };
    }
}

fn correct_system(browser: &mut Browser, hints: &Hints<'_>) {
    let version = &*hints.platform_version;
    let (os, version) = match &*hints.platform {
        "Windows" => ("Windows", windows(version)),
        "macOS" | "Mac OS X" => ("macOS", two_parts(version)),
        "Android" => ("Android", major(version)),
        "Chrome OS" | "Chromium OS" => ("ChromeOS", two_parts(version)),
        "Linux" => ("Linux", ""),
        "iOS" => ("iOS", two_parts(version)),
        _ => return,
    };
    if &*browser.os != os {
        browser.os = os.into();
        browser.os_version = Box::default();
        if matches!(os, "Windows" | "macOS" | "Linux" | "ChromeOS") {
            browser.device = Device::Desktop;
        }
    }
    if !version.is_empty() {
        browser.os_version = version.into();
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

/// `woothee`'s word for nothing is no word.
fn known(text: &str) -> &str {
    if text == VALUE_UNKNOWN { "" } else { text }
}

/// The digits before the first dot.
fn major(version: &str) -> &str {
    let end = version.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(version.len());
    &version[..end.min(MAX_VERSION)]
}

/// The first two numbers of a version.
fn two_parts(version: &str) -> &str {
    let mut dots = 0;
    let end = version.bytes().position(|byte| {
        dots += usize::from(byte == b'.');
        dots == 2 || !(byte.is_ascii_digit() || byte == b'.')
    });
    &version[..end.unwrap_or(version.len()).min(MAX_VERSION)]
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHROME_WINDOWS: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36";
    const SAFARI_MAC: &str = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4.1 Safari/605.1.15";

    /// name, version, engine, os, os version, device, bot.
    fn line(user_agent: &str, hints: &Hints<'_>, touch_points: u8, automated: bool) -> String {
        let it = Browsers::new().browser(user_agent.as_bytes(), hints, touch_points, automated);
        let device = it.device.name();
        format!("{}|{}|{}|{}|{}|{device}|{}", it.name, it.version, it.engine, it.os, it.os_version, it.bot)
    }

    fn hints(
        brand: (&'static str, &'static str),
        platform: &'static str,
        version: &'static str,
    ) -> Hints<'static> {
        Hints {
            brands: vec![
                ("Chromium".into(), "142".into()),
                ("Not_A Brand".into(), "99".into()),
                (brand.0.into(), brand.1.into()),
            ],
            mobile: Some(platform == "Android"),
            platform: platform.into(),
            platform_version: version.into(),
            ..Hints::default()
        }
    }

    #[test]
    fn user_agents_are_read() {
        for (user_agent, expected) in [
            (CHROME_WINDOWS, "Chrome|142|Blink|Windows|10|desktop|"),
            (SAFARI_MAC, "Safari|17|WebKit|macOS|10.15|desktop|"),
            (
                "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0",
                "Firefox|133|Gecko|Linux||desktop|",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 17_1_2 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.1 Mobile/15E148 Safari/604.1",
                "Safari|17|WebKit|iOS|17.1|mobile|",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 17_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/142.0.7444.46 Mobile/15E148 Safari/604.1",
                "Chrome|142|WebKit|iOS|17.1|mobile|",
            ),
            (
                "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Mobile Safari/537.36",
                "Chrome|142|Blink|Android|10|mobile|",
            ),
            (
                "Mozilla/5.0 (Linux; Android 13; SM-X700) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
                "Chrome|142|Blink|Android|13|tablet|",
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 YaBrowser/25.10.0.0 Safari/537.36",
                "Yandex Browser|25|Blink|Windows|10|desktop|",
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0",
                "Edge|142|Blink|Windows|10|desktop|",
            ),
            (
                "Mozilla/5.0 (Linux; Android 14; SM-S918B) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/26.0 Chrome/122.0.0.0 Mobile Safari/537.36",
                "Samsung Internet|26|Blink|Android|14|mobile|",
            ),
            ("Mozilla/5.0 (compatible; YandexBot/3.0; +http://yandex.com/bots)", "|||||bot|YandexBot"),
            ("curl/8.5.0", "|||||bot|curl"),
            ("", "|||||other|"),
        ] {
            let found = line(user_agent, &Hints::default(), 0, false);
            // A bot's browser fields are whatever it claims to be.
            if expected.starts_with('|') && expected.contains("bot") {
                assert!(found.ends_with(expected.trim_start_matches('|')), "{user_agent}: {found}");
            } else {
                assert_eq!(found, expected, "{user_agent}");
            }
        }
    }

    #[test]
    fn client_hints_correct_what_user_agents_have_frozen() {
        let android = "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Mobile Safari/537.36";
        for (user_agent, hints, expected) in [
            (
                CHROME_WINDOWS,
                hints(("Google Chrome", "142"), "Windows", "15.0.0"),
                "Chrome|142|Blink|Windows|11|desktop|",
            ),
            (
                CHROME_WINDOWS,
                hints(("Google Chrome", "142"), "Windows", "10.0.0"),
                "Chrome|142|Blink|Windows|10|desktop|",
            ),
            (
                CHROME_WINDOWS,
                hints(("Brave", "142"), "Windows", "0.3.0"),
                "Brave|142|Blink|Windows|8.1|desktop|",
            ),
            (
                CHROME_WINDOWS,
                hints(("Yandex", "25"), "Windows", "15.0.0"),
                "Yandex Browser|25|Blink|Windows|11|desktop|",
            ),
            (
                android,
                hints(("Google Chrome", "142"), "Android", "15.0.0"),
                "Chrome|142|Blink|Android|15|mobile|",
            ),
            (
                CHROME_WINDOWS,
                hints(("HeadlessChrome", "142"), "Linux", "6.1"),
                "HeadlessChrome|142|Blink|Linux||bot|HeadlessChrome",
            ),
        ] {
            assert_eq!(line(user_agent, &hints, 0, false), expected);
        }
    }

    #[test]
    fn a_mac_with_a_touch_screen_is_an_ipad() {
        assert_eq!(line(SAFARI_MAC, &Hints::default(), 5, false), "Safari|17|WebKit|iPadOS||tablet|");
        assert_eq!(
            line(CHROME_WINDOWS, &Hints::default(), 10, false),
            "Chrome|142|Blink|Windows|10|desktop|"
        );
    }

    #[test]
    fn a_browser_under_automation_is_a_bot() {
        assert_eq!(
            line(CHROME_WINDOWS, &Hints::default(), 0, true),
            "Chrome|142|Blink|Windows|10|bot|WebDriver"
        );
    }

    #[test]
    fn hostile_user_agents_give_bounded_texts() {
        let browsers = Browsers::new();
        for user_agent in
            [vec![0xff; 5_000], vec![b'0'; 5_000], format!("Chrome/{}", "9".repeat(5_000)).into_bytes()]
        {
            let found = browsers.browser(&user_agent, &Hints::default(), 0, false);
            assert!(
                found.name.len() <= 64
                    && found.version.len() <= MAX_VERSION
                    && found.os_version.len() <= MAX_VERSION
            );
        }
    }
}
