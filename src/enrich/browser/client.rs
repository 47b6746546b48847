//! Input and result of the recognition.

use super::hint_headers::HintHeaders;
use crate::beacon::ClientHints;
use crate::event::{BotCategory, DeviceClass};

/// A visitor's browser, system and device, or the bot. Texts are empty when unknown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BrowserInfo {
    /// Family, such as `Chrome`.
    pub name: Box<str>,
    /// Major version.
    pub version: Box<str>,
    pub engine: &'static str,
    /// Operating system, such as `Windows`.
    pub os: Box<str>,
    /// Version of the system, at most two parts: `11`, `17.1`.
    pub os_version: Box<str>,
    pub device: DeviceClass,
    /// Name of the bot; empty for people.
    pub bot: Box<str>,
    pub bot_category: BotCategory,
    /// Whether the client hints contradict the user agent.
    pub spoofed: bool,
    pub rules: DecidingRules,
}

/// The rules that decided, for people; empty where none did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DecidingRules {
    /// For name and version.
    pub browser: &'static str,
    /// For the system and its version.
    pub os: &'static str,
    pub device: &'static str,
    pub bot: &'static str,
    pub spoofed: &'static str,
}

/// What the recognition of a browser reads.
#[derive(Clone, Copy)]
pub struct ClientSignals<'a> {
    pub user_agent: &'a [u8],
    /// Client hints of the script.
    pub hints: &'a ClientHints<'a>,
    /// Client hints that the browser sent as headers. Hints of the script have priority.
    pub headers: HintHeaders<'a>,
    /// `navigator.maxTouchPoints`; 0 when unknown.
    pub touch_points: u8,
    /// Width and height of the screen in CSS px; 0 when unknown.
    pub screen: (u16, u16),
    /// `navigator.webdriver`.
    pub automated: bool,
}
