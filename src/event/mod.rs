//! The one row: every column of table `events`, in the order in which it is written to disk and to ClickHouse.
//!
//! A [`Row`] borrows what the stages before found out, and [`Row::encode`] appends it as ClickHouse RowBinary. The spool
//! keeps these bytes as they are and the store sends them as they are: a row is encoded once. Analysts' names of the
//! columns are a contract; `docs/fields.md` describes each. [`assemble`] puts rows together.

mod column;
pub(crate) mod row_binary;

use column::Column;

/// Takes a column's value off encoded rows. None: there is no whole one.
pub(crate) type ReadColumn = fn(&mut &[u8]) -> Option<serde_json::Value>;

/// Declares the row once, so that its fields, their order and their encoding cannot come apart.
macro_rules! row {
    ($($(#[$doc:meta])* $name:ident: $type:ty,)*) => {
        /// One event as it is stored. Texts are scrubbed and bounded by the stages that made them.
        #[derive(Debug, Clone, Default, PartialEq)]
        pub struct Row<'a> {
            $($(#[$doc])* pub $name: $type,)*
        }

        /// Names of the columns in the order of [`Row::encode`].
        pub const COLUMNS: &[&str] = &[$(stringify!($name)),*];

        /// How to read a column's value off encoded rows. None: this version has no such column.
        pub(crate) fn reader(column: &str) -> Option<ReadColumn> {
            readers().into_iter().find(|(name, _)| *name == column).map(|(_, read)| read)
        }

        // The columns' types name the lifetime, in the body alone.
        #[allow(clippy::extra_unused_lifetimes)]
        fn readers<'a>() -> [(&'static str, ReadColumn); COLUMNS.len()] {
            [$((stringify!($name), <$type as Column>::read as ReadColumn)),*]
        }

        impl Row<'_> {
            /// Appends the row in RowBinary.
            pub fn encode(&self, out: &mut Vec<u8>) {
                $(self.$name.encode(out);)*
            }

            /// Hands each column's name and value to `see`, in order.
            pub fn each(&self, mut see: impl FnMut(&'static str, serde_json::Value)) {
                $(see(stringify!($name), self.$name.to_json());)*
            }
        }
    };
}

row! {
    /// Random id of the page load, made by the script; never stored in the browser.
    page_load: u64,
    /// Number of the event within its page load, from 0.
    seq: u32,
    /// Access time: received minus age, Unix ms, UTC.
    time: Milliseconds,
    /// When the collector took it, Unix ms, UTC.
    received: Milliseconds,
    /// The last day on which the row is kept.
    expires: Day,
    /// Site id.
    site: &'a str,
    /// Host of the page, lower case.
    host: &'a str,
    /// Path of the page, scrubbed.
    path: &'a str,
    /// Allow-listed query parameters, form-encoded, scrubbed.
    query: &'a str,
    /// What happened.
    kind: Kind,
    /// Own events: the name; ads: impression, viewable or click; outbound, download and resource: host and path.
    name: &'a str,
    /// Properties of own events, scrubbed.
    props: Pairs<'a>,
    /// Pseudonym of the visitor on this site in this epoch.
    visitor: u64,
    /// Pseudonym of the address in this epoch, the same on every site.
    address: u64,
    /// Unix time in s at which the key in use came into force.
    epoch: u32,
    /// Version of the privacy policy in force.
    policy: &'a str,
    /// Host of the referrer, lower case, without `www.`.
    referrer_host: &'a str,
    /// Path of the referrer, scrubbed.
    referrer_path: &'a str,
    /// Name of the source, such as `Google` or a host.
    source: &'a str,
    /// Channel, such as `Organic Search`.
    channel: &'a str,
    /// Campaign parameter.
    utm_source: &'a str,
    /// Campaign parameter.
    utm_medium: &'a str,
    /// Campaign parameter.
    utm_campaign: &'a str,
    /// Campaign parameter.
    utm_content: &'a str,
    /// Campaign parameter.
    utm_term: &'a str,
    /// Name of the click-id parameter (`gclid`, `yclid`, …), never its value.
    click_id: &'a str,
    /// Browser family.
    browser: &'a str,
    /// Major version of the browser.
    browser_version: &'a str,
    /// Rendering engine.
    engine: &'a str,
    /// Operating system.
    os: &'a str,
    /// Version of the operating system.
    os_version: &'a str,
    /// Device class.
    device: Device,
    /// Name of the bot; empty for people.
    bot: &'a str,
    /// What the bot is for.
    bot_category: BotCategory,
    /// Whether the client's hints deny what its user agent says.
    spoofed: bool,
    /// Whether the address is in a data centre's network, where servers and VPN exits are and people do not live.
    data_centre: bool,
    /// Preferred language, BCP 47.
    language: &'a str,
    /// IANA time zone of the browser.
    timezone: &'a str,
    /// Screen width in CSS px.
    screen_width: u16,
    /// Screen height in CSS px.
    screen_height: u16,
    /// ISO 3166-1 alpha-2 code.
    country: &'a str,
    /// Region (first subdivision).
    region: &'a str,
    /// City.
    city: &'a str,
    /// Autonomous system number; 0 when unknown.
    asn: u32,
    /// Organisation of the autonomous system.
    network: &'a str,
    /// 4 or 6.
    ip_version: u8,
    /// Whether the browser takes cookies.
    cookies_enabled: bool,
    /// Allow-listed cookies.
    cookies: Pairs<'a>,
    /// Campaign of the advertising block.
    ad: &'a str,
    /// Slot of the advertising block.
    slot: &'a str,
    /// Engaged time in ms (visible, focused, in use).
    engaged_ms: u32,
    /// Deepest scroll position, % of the page's height.
    scroll_depth: u8,
    /// Message of a script error, scrubbed.
    error_message: &'a str,
    /// Host and path of the failing script, scrubbed.
    error_source: &'a str,
    /// Line, from 1.
    error_line: u32,
    /// Column, from 1.
    error_column: u32,
    /// Stack, scrubbed.
    error_stack: &'a str,
    /// Same for errors that are the same but for values in their texts.
    error_group: u64,
    /// Largest Contentful Paint, ms.
    lcp_ms: Option<u32>,
    /// Interaction to Next Paint, ms.
    inp_ms: Option<u32>,
    /// Cumulative Layout Shift, no unit.
    cls: Option<f32>,
    /// First Contentful Paint, ms.
    fcp_ms: Option<u32>,
    /// Time to First Byte, ms.
    ttfb_ms: Option<u32>,
    /// Name look-up of the navigation, ms.
    dns_ms: Option<u32>,
    /// TCP connection of the navigation, ms.
    connect_ms: Option<u32>,
    /// TLS handshake of the navigation, ms.
    tls_ms: Option<u32>,
    /// From the navigation's start to the end of the load event, ms.
    load_ms: Option<u32>,
}

/// Unix time in ms, UTC; `DateTime64(3, 'UTC')` in ClickHouse.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Milliseconds(pub i64);

/// Days since 1970-01-01; `Date` in ClickHouse.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(pub u16);

/// Names and values of a `Map(LowCardinality(String), String)`.
pub type Pairs<'a> = &'a [(&'a str, &'a str)];

/// What happened; `Enum8` in ClickHouse with these numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    /// A page was viewed.
    #[default]
    View = 1,
    /// A page was left or hidden.
    Leave = 2,
    /// The site's own event.
    Event = 3,
    /// An advertising block was shown, viewable or clicked (clause 3.3).
    Ad = 4,
    /// A link to another site was followed.
    Outbound = 5,
    /// A file was downloaded.
    Download = 6,
    /// A script error or an unhandled rejection.
    Error = 7,
    /// An element failed to load.
    Resource = 8,
    /// Web Vitals and navigation phases.
    Vitals = 9,
    /// The page was a 404.
    Missing = 10,
}

impl Kind {
    /// Every kind, in the order of their numbers.
    pub const ALL: [Self; 10] = [
        Self::View,
        Self::Leave,
        Self::Event,
        Self::Ad,
        Self::Outbound,
        Self::Download,
        Self::Error,
        Self::Resource,
        Self::Vitals,
        Self::Missing,
    ];

    /// Its name on the wire and in ClickHouse.
    pub const fn name(self) -> &'static str {
        match self {
            Self::View => "view",
            Self::Leave => "leave",
            Self::Event => "event",
            Self::Ad => "ad",
            Self::Outbound => "outbound",
            Self::Download => "download",
            Self::Error => "error",
            Self::Resource => "resource",
            Self::Vitals => "vitals",
            Self::Missing => "missing",
        }
    }
}

/// Device class; `Enum8` in ClickHouse with these numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Device {
    /// Unknown, or a television, console, wearable, car.
    #[default]
    Other = 0,
    /// Desktop or laptop.
    Desktop = 1,
    /// Phone.
    Mobile = 2,
    /// Tablet.
    Tablet = 3,
    /// A bot.
    Bot = 4,
}

impl Device {
    /// Every class, in the order of their numbers.
    pub const ALL: [Self; 5] = [Self::Other, Self::Desktop, Self::Mobile, Self::Tablet, Self::Bot];

    /// Its name in ClickHouse.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Other => "other",
            Self::Desktop => "desktop",
            Self::Mobile => "mobile",
            Self::Tablet => "tablet",
            Self::Bot => "bot",
        }
    }
}

/// What a bot is for; `Enum8` in ClickHouse with these numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum BotCategory {
    /// Not a bot; its name is empty.
    #[default]
    None = 0,
    /// Fetches pages for a search engine.
    Search = 1,
    /// Fetches pages to train or to answer with a language model.
    Ai = 2,
    /// Shows a link's title and picture in a chat, a social network or a feed reader.
    Preview = 3,
    /// Watches whether a page is up, fast, safe or valid.
    Monitoring = 4,
    /// Gathers links, rankings, prices or advertising data.
    Seo = 5,
    /// A program's HTTP library or a command-line tool.
    Library = 6,
    /// A browser driven by a program.
    Automation = 7,
    /// Any other.
    Other = 8,
}

impl BotCategory {
    /// Every category, in the order of their numbers.
    pub const ALL: [Self; 9] = [
        Self::None,
        Self::Search,
        Self::Ai,
        Self::Preview,
        Self::Monitoring,
        Self::Seo,
        Self::Library,
        Self::Automation,
        Self::Other,
    ];

    /// The categories that bots have.
    pub const BOTS: [Self; 8] = {
        let [_, bots @ ..] = Self::ALL;
        bots
    };

    /// The bots' category of this name, if there is one.
    pub fn named(name: &str) -> Option<Self> {
        Self::BOTS.into_iter().find(|category| category.name() == name)
    }

    /// Its name in ClickHouse and in lists; empty for [`BotCategory::None`].
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Search => "search",
            Self::Ai => "ai",
            Self::Preview => "preview",
            Self::Monitoring => "monitoring",
            Self::Seo => "seo",
            Self::Library => "library",
            Self::Automation => "automation",
            Self::Other => "other",
        }
    }
}

/// Why an event was not stored; the names stand in `x-footfall-dropped`, in metrics and in the books.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Dropped {
    /// The visitor refused: GPC, DNT or the opt-out cookie (clause 2.2).
    OptOut = 0,
    /// A bot, on a site that drops bots.
    Bot = 1,
    /// The same event of the same page load was stored before.
    Duplicate = 2,
}

impl Dropped {
    /// Every reason, in the order of their numbers.
    pub const ALL: [Self; 3] = [Self::OptOut, Self::Bot, Self::Duplicate];

    /// Its name in answers, metrics and books.
    pub const fn name(self) -> &'static str {
        match self {
            Self::OptOut => "optout",
            Self::Bot => "bot",
            Self::Duplicate => "duplicate",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_starts_with_the_event_s_identity_for_the_spool_to_read() {
        let row = Row { page_load: 0x0102_0304_0506_0708, seq: 9, ..Row::default() };
        let mut bytes = Vec::new();
        row.encode(&mut bytes);
        assert_eq!(&bytes[..12], &[8, 7, 6, 5, 4, 3, 2, 1, 9, 0, 0, 0]);
    }

    #[test]
    fn every_column_has_a_name_and_a_value() {
        let mut names = Vec::new();
        Row::default().each(|name, _| names.push(name));
        assert_eq!(names, COLUMNS);
    }
}
