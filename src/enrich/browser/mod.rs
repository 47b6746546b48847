//! User agent and client hints in, a [`Browser`] out: name, major version, engine, system, device class, bot.
//!
//! `woothee` reads the user agent; [`words`] adds, by tables, the browsers, systems and devices that it does not know;
//! [`hints`] then corrects what user agents have frozen (Windows 11, versions of macOS and Android, the brand behind a common
//! Chromium text), or marks a client whose hints deny what its user agent says. Answers are remembered in a table of fixed
//! size under a hash that is keyed anew in each process: no user agent is kept.

mod device;
mod hints;
mod recognise;
mod system;
#[cfg(test)]
mod tests;
mod words;

use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::Arc;

use foldhash::quality::RandomState;
use woothee::woothee::VALUE_UNKNOWN;

use crate::beacon::ClientHints;
use crate::event::{BotCategory, DeviceClass};
use crate::privacy::cache::Cache;
pub use hints::HintHeaders;

/// Bytes of a user agent that are read: the longest of real browsers, with all their in-app additions, have about 500.
const MAX_USER_AGENT: usize = 1_024;
/// Bytes of a version at most.
const MAX_VERSION: usize = 16;
/// Browsers remembered: a day's visitors of a large site come with fewer. One takes about 250 bytes.
const REMEMBERED: usize = 8_192;

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
    pub device: DeviceClass,
    /// Name of the bot; empty for people.
    pub bot: Box<str>,
    /// What the bot is for.
    pub bot_category: BotCategory,
    /// Whether the client's hints deny what its user agent says.
    pub spoofed: bool,
    /// Which rules decided.
    pub rules: Rules,
}

impl Browser {
    /// What a client says of itself, read anew.
    pub fn of(client: &Client<'_>) -> Self {
        let user_agent = &client.user_agent[..client.user_agent.len().min(MAX_USER_AGENT)];
        recognise::recognise(&Client { user_agent, ..*client })
    }
}

/// Which rule decided what, in words for people; empty where none did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rules {
    /// For name and version.
    pub browser: &'static str,
    /// For the system and its version.
    pub os: &'static str,
    /// For the device class.
    pub device: &'static str,
    /// For the bot.
    pub bot: &'static str,
    /// For the mark that the client is spoofed.
    pub spoofed: &'static str,
}

/// What a client says of itself.
#[derive(Clone, Copy)]
pub struct Client<'a> {
    /// The header `User-Agent`.
    pub user_agent: &'a [u8],
    /// Client hints that the script asked for.
    pub hints: &'a ClientHints<'a>,
    /// Client hints that the browser sent as headers; what the script brought counts more.
    pub headers: HintHeaders<'a>,
    /// `navigator.maxTouchPoints`; 0 when unknown.
    pub touch_points: u8,
    /// Width and height of the screen in CSS px; 0 when unknown.
    pub screen: (u16, u16),
    /// `navigator.webdriver`.
    pub automated: bool,
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

    /// What a client says of itself, read. Of the user agent the first 1,024 bytes count.
    pub fn browser(&self, client: &Client<'_>) -> Arc<Browser> {
        self.cache.get(self.key(client), || Browser::of(client))
    }

    /// Two clients with the same key are taken for the same; with 64 bits that happens to nobody.
    fn key(&self, client: &Client<'_>) -> u64 {
        let Client { user_agent, hints, headers, touch_points, screen, automated } = client;
        let user_agent = &user_agent[..user_agent.len().min(MAX_USER_AGENT)];
        let mut hasher = self.state.build_hasher();
        user_agent.hash(&mut hasher);
        let screen = device::Screen::of(*screen);
        (recognise::has_touch_screen(*touch_points), screen, automated, hints.mobile).hash(&mut hasher);
        (&hints.brands, &hints.full_versions).hash(&mut hasher);
        (&hints.platform, &hints.platform_version, &hints.model, &hints.form_factors).hash(&mut hasher);
        headers.hash(&mut hasher);
        hasher.finish()
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
    version[..end.unwrap_or(version.len()).min(MAX_VERSION)].trim_end_matches('.')
}
