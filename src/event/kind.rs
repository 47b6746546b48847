//! Enums of the row's columns, and the reasons for which an event is not stored.

use super::column::named;
use super::names::names;

named!(EventKind, DeviceClass, BotCategory, ScreenClass);

names! {
    /// What happened; `Enum8` in ClickHouse with these numbers.
    #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
    #[repr(u8)]
    pub enum EventKind {
        #[default]
        View = 1 => "view",
        /// A page was left or hidden.
        Leave = 2 => "leave",
        /// The site's own event.
        Event = 3 => "event",
        /// An advertising block was shown, viewable or clicked (clause 3.3).
        Ad = 4 => "ad",
        /// A link to another site was followed.
        Outbound = 5 => "outbound",
        Download = 6 => "download",
        /// A script error or an unhandled rejection.
        Error = 7 => "error",
        /// An element failed to load.
        Resource = 8 => "resource",
        /// Web Vitals and navigation phases.
        Vitals = 9 => "vitals",
        /// The page was a 404.
        Missing = 10 => "missing",
    }
}

names! {
    /// `Enum8` in ClickHouse with these numbers.
    #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
    #[repr(u8)]
    pub enum DeviceClass {
        /// Unknown, or a television, console, wearable or car.
        #[default]
        Other = 0 => "other",
        /// Desktop or laptop.
        Desktop = 1 => "desktop",
        /// Phone.
        Mobile = 2 => "mobile",
        Tablet = 3 => "tablet",
        Bot = 4 => "bot",
    }
}

names! {
    /// Classes of screens by their width in CSS px, so that a screen does not tell visitors apart; `Enum8` in ClickHouse with these
    /// numbers.
    #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
    #[repr(u8)]
    pub enum ScreenClass {
        #[default]
        Unknown = 0 => "",
        Under600 = 1 => "under 600",
        From600 = 2 => "600-991",
        From992 = 3 => "992-1439",
        From1440 = 4 => "1440-1919",
        From1920 = 5 => "1920 and more",
    }
}

impl ScreenClass {
    /// The class of a width in CSS px; 0 is an unknown width.
    pub fn from_width(width: u16) -> Self {
        match width {
            0 => Self::Unknown,
            1..600 => Self::Under600,
            600..992 => Self::From600,
            992..1440 => Self::From992,
            1440..1920 => Self::From1440,
            1920.. => Self::From1920,
        }
    }
}

names! {
    /// What a bot is for; `Enum8` in ClickHouse with these numbers.
    #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
    #[repr(u8)]
    pub enum BotCategory {
        /// Not a bot; its name is empty.
        #[default]
        None = 0 => "",
        /// Fetches pages for a search engine.
        Search = 1 => "search",
        /// Fetches pages to train a language model, or to answer with one.
        Ai = 2 => "ai",
        /// Shows a link's title and picture in a chat, a social network or a feed reader.
        Preview = 3 => "preview",
        /// Watches whether a page is up, fast, safe or valid.
        Monitoring = 4 => "monitoring",
        /// Gathers links, rankings, prices or advertising data.
        Seo = 5 => "seo",
        /// A program's HTTP library or a command-line tool.
        Library = 6 => "library",
        /// A browser driven by a program.
        Automation = 7 => "automation",
        Other = 8 => "other",
    }
}

impl BotCategory {
    /// The categories that bots have: all but [`BotCategory::None`].
    pub const BOTS: [Self; Self::ALL.len() - 1] = {
        let [_, bots @ ..] = Self::ALL;
        bots
    };
}

names! {
    /// Why an event was not stored. `x-footfall-dropped`, metrics and the store use the names.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    #[repr(u8)]
    pub enum DropReason {
        /// The visitor opted out: GPC, DNT or the opt-out cookie (clause 2.2).
        OptOut = 0 => "optout",
        /// A bot, on a site that drops bots.
        Bot = 1 => "bot",
        /// The same event of the same page load was stored before.
        Duplicate = 2 => "duplicate",
        /// It, or its page's address, cannot be read.
        Malformed = 3 => "malformed",
        /// It happened on a page of another site, beside events of the site.
        Foreign = 4 => "foreign",
        /// The visitor is blocked while a request is checked, or is being erased (clause 6.2.4).
        Blocked = 5 => "blocked",
        /// A click on a link from page to page of the site: the next view tells as much.
        Internal = 6 => "internal",
    }
}
