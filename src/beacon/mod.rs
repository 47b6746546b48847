//! Bytes in, a [`Beacon`] out: a type that cannot hold nonsense, borrowed from the body wherever JSON allows.
//!
//! [`json`] reads version 1 of the wire format (`docs/wire.md`), [`pixel`] the one-pixel image; other products' formats
//! find their room beside them. Texts are still raw here: addresses, messages and properties hold whatever the page
//! put into them until `privacy::scrub` has seen them. An error says what is wrong and where, never what was sent.

pub mod json;
pub mod pixel;
mod text;

use std::borrow::Cow;

pub use text::Text;

use crate::event::{EventKind, names};

/// The version of the wire format that is read.
pub const VERSION: u64 = 1;
/// Bytes of a beacon's body at most: what browsers let `sendBeacon` and `fetch keepalive` send at once.
pub const MAX_BODY: usize = 64 << 10;
/// Events in one beacon at most.
pub const MAX_EVENTS: usize = 100;
/// Properties of one event at most.
pub const MAX_PROPS: usize = 30;
/// Cookies in one beacon at most.
pub const MAX_COOKIES: usize = 30;
/// Events may lie this long in the browser's memory before they are sent; older ones count as this old.
pub const MAX_AGE_MS: u32 = 24 * 60 * 60 * 1_000;

/// What one page sent at once.
#[derive(Debug, Clone, PartialEq)]
pub struct Beacon<'a> {
    /// The site it says it is for; checked against the configured ones by the collector.
    pub site: Cow<'a, str>,
    /// Random id of the page load.
    pub page_load: u64,
    /// Number of the first event within the page load. Adding [`MAX_EVENTS`] does not overflow.
    pub first: u32,
    /// Screen width in CSS px; 0 when unknown.
    pub screen_width: u16,
    /// Screen height in CSS px; 0 when unknown.
    pub screen_height: u16,
    /// Preferred language: a BCP 47 tag, or empty.
    pub language: Cow<'a, str>,
    /// IANA time zone, or empty.
    pub timezone: Cow<'a, str>,
    /// Whether the browser takes cookies.
    pub cookies_enabled: bool,
    /// `navigator.maxTouchPoints`.
    pub touch_points: u8,
    /// `navigator.webdriver`.
    pub automated: bool,
    /// Cookies that the page's tag named.
    pub cookies: Vec<(Text<'a>, Text<'a>)>,
    /// User-agent client hints.
    pub hints: Hints<'a>,
    /// 1 to [`MAX_EVENTS`] events; the first has an address.
    pub events: Vec<Event<'a>>,
}

/// User-agent client hints, as `getHighEntropyValues` answers; empty when the browser offers none.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Hints<'a> {
    /// Brands with their major versions.
    pub brands: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    /// Brands with their full versions.
    pub full_versions: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    /// Whether the browser prefers a mobile page.
    pub mobile: Option<bool>,
    /// Operating system.
    pub platform: Cow<'a, str>,
    /// Its version.
    pub platform_version: Cow<'a, str>,
    /// Device model; empty on desktops.
    pub model: Cow<'a, str>,
    /// Form factors such as `Desktop`, `Tablet`.
    pub form_factors: Vec<Cow<'a, str>>,
}

/// One event of a beacon.
#[derive(Debug, Clone, PartialEq)]
pub struct Event<'a> {
    /// Age in ms when sent, at most [`MAX_AGE_MS`].
    pub age_ms: u32,
    /// Where it happened; `None` means where the event before it did.
    pub page: Option<Page<'a>>,
    /// What happened.
    pub what: What<'a>,
}

/// Address and referrer of a page, raw.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<'a> {
    /// Address of the page.
    pub url: Cow<'a, str>,
    /// Address of the page before it, or empty.
    pub referrer: Cow<'a, str>,
}

/// What happened, with what belongs to it. Texts are raw.
#[derive(Debug, Clone, PartialEq)]
pub enum What<'a> {
    /// A page was viewed.
    View,
    /// A page was left or hidden.
    Leave {
        /// Engaged time in ms.
        engaged_ms: u32,
        /// Deepest scroll position, 0 to 100 %.
        scroll_depth: u8,
    },
    /// The site's own event.
    Event {
        /// Its name, not empty.
        name: Cow<'a, str>,
        /// At most [`MAX_PROPS`] properties.
        props: Vec<(Text<'a>, Text<'a>)>,
    },
    /// An advertising block was shown, viewable or clicked.
    Ad {
        /// Which of the three.
        action: AdAction,
        /// Campaign, not empty.
        ad: Cow<'a, str>,
        /// Place on the page.
        slot: Cow<'a, str>,
    },
    /// A link to another site was followed.
    Outbound {
        /// Address of the link.
        url: Cow<'a, str>,
    },
    /// A file was downloaded.
    Download {
        /// Address of the file.
        url: Cow<'a, str>,
    },
    /// A script error or an unhandled rejection.
    Error(ScriptError<'a>),
    /// An element failed to load.
    Resource {
        /// Address of what failed.
        url: Cow<'a, str>,
        /// Name of the element.
        tag: Cow<'a, str>,
    },
    /// Web Vitals and navigation phases.
    Vitals(Vitals),
    /// The page was a 404.
    Missing,
}

impl What<'_> {
    /// The kind of the row that it becomes.
    pub const fn kind(&self) -> EventKind {
        match self {
            Self::View => EventKind::View,
            Self::Leave { .. } => EventKind::Leave,
            Self::Event { .. } => EventKind::Event,
            Self::Ad { .. } => EventKind::Ad,
            Self::Outbound { .. } => EventKind::Outbound,
            Self::Download { .. } => EventKind::Download,
            Self::Error(_) => EventKind::Error,
            Self::Resource { .. } => EventKind::Resource,
            Self::Vitals(_) => EventKind::Vitals,
            Self::Missing => EventKind::Missing,
        }
    }
}

names! {
    /// What happened to an advertising block.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum AdAction {
        /// It was on the page.
        Impression => "impression",
        /// It was viewable by the MRC's definition: 50 % of its pixels for 1 continuous second, or 30 % over 242,500 px².
        Viewable => "viewable",
        Click => "click",
    }
}

/// A script error. Texts are raw.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ScriptError<'a> {
    /// Message.
    pub message: Cow<'a, str>,
    /// Address of the script, or empty.
    pub source: Cow<'a, str>,
    /// Line, from 1; 0 when unknown.
    pub line: u32,
    /// Column, from 1; 0 when unknown.
    pub column: u32,
    /// Stack, or empty.
    pub stack: Cow<'a, str>,
}

/// Web Vitals and navigation phases; `None` where the browser measured nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Vitals {
    /// Largest Contentful Paint, ms.
    pub lcp_ms: Option<u32>,
    /// Interaction to Next Paint, ms.
    pub inp_ms: Option<u32>,
    /// Cumulative Layout Shift.
    pub cls: Option<f32>,
    /// First Contentful Paint, ms.
    pub fcp_ms: Option<u32>,
    /// Time to First Byte, ms.
    pub ttfb_ms: Option<u32>,
    /// Name look-up, ms.
    pub dns_ms: Option<u32>,
    /// TCP connection, ms.
    pub connect_ms: Option<u32>,
    /// TLS handshake, ms.
    pub tls_ms: Option<u32>,
    /// To the end of the load event, ms.
    pub load_ms: Option<u32>,
}

/// Why bytes are no beacon. Neither part repeats what was sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{at}: {what}")]
pub struct Malformed {
    /// What is wrong.
    pub what: Cow<'static, str>,
    /// Where: a path such as `e[2].k`, `body` for the whole.
    pub at: String,
}

impl Malformed {
    /// An error at a place.
    pub fn new(at: impl Into<String>, what: impl Into<Cow<'static, str>>) -> Self {
        Self { what: what.into(), at: at.into() }
    }
}
