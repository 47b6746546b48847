//! One event of a beacon: its form on the wire, and the checked form.

use std::borrow::Cow;

use super::limits::{MAX_AGE_MS, MAX_ELEMENT, MAX_NAME, MAX_PROPS};
use super::link::ClickedLink;
use super::vitals::{NavigationTimes, WebVitals, cumulative_layout_shift};
use super::wire::{
    DurationMs, EntryTime, FieldError, FiniteScore, Flag, NamedTexts, RawText, WholeNumber, wire_object,
};
use crate::event::{EventKind, names};

#[derive(Debug, Clone, PartialEq)]
pub struct BeaconEvent<'a> {
    /// Its place in the beacon's list, whatever was left out before it. Its number in the page load counts from there.
    pub index: u32,
    /// Age in ms when sent, at most [`MAX_AGE_MS`].
    pub age_ms: u32,
    /// Where it happened; `None` means on the page of the previous event.
    pub page: Option<PageAddress<'a>>,
    pub detail: EventDetail<'a>,
}

/// Address and referrer of a page, raw.
#[derive(Debug, Clone, PartialEq)]
pub struct PageAddress<'a> {
    pub url: Cow<'a, str>,
    /// Address of the previous page, or empty.
    pub referrer: Cow<'a, str>,
}

/// What happened, with the fields of that kind. Texts are raw.
#[derive(Debug, Clone, PartialEq)]
pub enum EventDetail<'a> {
    View,
    Leave {
        /// Engaged time in ms.
        engaged_ms: u32,
        /// Deepest scroll position, 0 to 100 %.
        scroll_depth: u8,
    },
    /// The site's own event.
    Event {
        /// Not empty.
        name: Cow<'a, str>,
        /// At most [`MAX_PROPS`] properties.
        props: Vec<(RawText<'a>, RawText<'a>)>,
    },
    /// An advertising block was shown, viewable or clicked.
    Ad {
        action: AdAction,
        /// Campaign, not empty.
        ad: Cow<'a, str>,
        slot: Cow<'a, str>,
    },
    /// A link to another site was followed.
    Outbound {
        url: Cow<'a, str>,
    },
    Download {
        url: Cow<'a, str>,
    },
    /// A script error or an unhandled rejection.
    Error(ScriptError<'a>),
    /// An element failed to load.
    Resource {
        url: Cow<'a, str>,
        /// Name of the element.
        tag: Cow<'a, str>,
    },
    Vitals(WebVitals),
    /// The page was a 404.
    Missing,
}

impl EventDetail<'_> {
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

wire_object! {
    pub(super) struct WireEvent<'a> {
        /// Kind of event, unless the other fields tell it.
        #[serde(rename = "k", borrow, default)]
        kind: Option<RawText<'a>>,
        /// Age in ms when sent; more than 24 h counts as 24 h.
        #[serde(rename = "a", default)]
        age_ms: WholeNumber,
        /// In place of `a`, if the beacon has `at` too: when it happened, in ms of the same clock.
        #[serde(rename = "at", default)]
        occurred_at: Option<f64>,
        /// Page address, `http` or `https`, if it is not that of the event before.
        #[serde(rename = "u", borrow, default)]
        pub(super) page_url: Option<RawText<'a>>,
        /// Referrer of that page; it counts only beside `u`.
        #[serde(rename = "r", borrow, default)]
        referrer: RawText<'a>,
        /// `event`: name. `ad`: action. `outbound`, `download`, `resource`: address. Required there.
        #[serde(rename = "n", borrow, default)]
        name: Option<RawText<'a>>,
        /// In place of `k` for a link that was clicked, with address `n`: whether it has the attribute `download`.
        #[serde(rename = "dl", default)]
        is_download: Option<Flag>,
        /// `event`: properties.
        #[serde(rename = "p", borrow, default)]
        pub(super) properties: NamedTexts<'a, MAX_PROPS>,
        /// `ad`: campaign, required there.
        #[serde(rename = "ad", borrow, default)]
        ad: Option<RawText<'a>>,
        /// `ad`: slot of the advertising block.
        #[serde(rename = "slot", borrow, default)]
        slot: RawText<'a>,
        /// `leave`: engaged time in ms since the view, or since the previous `leave`.
        #[serde(rename = "ms", default)]
        engaged: Option<DurationMs>,
        /// `leave`: deepest scroll position in % of the page's height, at most 100.
        #[serde(rename = "sd", default)]
        scroll_depth: WholeNumber,
        /// `error`: message, required there.
        #[serde(rename = "m", borrow, default)]
        error_message: Option<RawText<'a>>,
        /// `error`: address of the script.
        #[serde(rename = "f", borrow, default)]
        error_source: RawText<'a>,
        /// `error`: line, from 1.
        #[serde(rename = "ln", default)]
        error_line: WholeNumber,
        /// `error`: column, from 1.
        #[serde(rename = "col", default)]
        error_column: WholeNumber,
        /// `error`: stack.
        #[serde(rename = "st", borrow, default)]
        error_stack: RawText<'a>,
        /// `resource`: element name (`img`, `script`, `link`, …), stored as property `tag`.
        #[serde(rename = "tag", borrow, default)]
        element: RawText<'a>,
        /// `vitals`: Largest Contentful Paint, ms. Also named `largest-contentful-paint`.
        #[serde(rename = "lcp", alias = "largest-contentful-paint", default)]
        lcp: Option<WholeNumber>,
        /// `vitals`: Interaction to Next Paint, ms.
        #[serde(rename = "inp", default)]
        inp: Option<WholeNumber>,
        /// `vitals`: Cumulative Layout Shift.
        #[serde(rename = "cls", default)]
        cls: Option<FiniteScore>,
        /// `vitals`: First Contentful Paint, ms. Also named `paint`.
        #[serde(rename = "fcp", alias = "paint", default)]
        fcp: Option<WholeNumber>,
        /// `vitals`: Time to First Byte, ms.
        #[serde(rename = "ttfb", default)]
        ttfb: Option<WholeNumber>,
        /// `vitals`: name look-up, ms.
        #[serde(rename = "dns", default)]
        dns: Option<WholeNumber>,
        /// `vitals`: TCP connection, ms.
        #[serde(rename = "con", default)]
        connect: Option<WholeNumber>,
        /// `vitals`: TLS handshake, ms.
        #[serde(rename = "tls", default)]
        tls: Option<WholeNumber>,
        /// `vitals`: from the navigation's start to the end of the load event, ms.
        #[serde(rename = "load", default)]
        load: Option<WholeNumber>,
        /// `vitals`, in place of `inp`: duration of the longest interaction, ms; 0 if there was none.
        #[serde(rename = "event", default)]
        interaction: Option<WholeNumber>,
        /// `vitals`, in place of `inp`: duration of the first interaction, in the same way.
        #[serde(rename = "first-input", default)]
        first_input: Option<WholeNumber>,
        /// `vitals`, in place of `cls`: time in ms and score of each shift, in turn.
        #[serde(rename = "layout-shift", default)]
        shifts: Option<Vec<f64>>,
        /// `vitals`: when a prerendered page was shown.
        #[serde(rename = "activationStart", default)]
        activation_start: EntryTime,
        /// `vitals`: begin of `dns`.
        #[serde(rename = "domainLookupStart", default)]
        domain_lookup_start: EntryTime,
        /// `vitals`: end of `dns`.
        #[serde(rename = "domainLookupEnd", default)]
        domain_lookup_end: EntryTime,
        /// `vitals`: begin of `con`.
        #[serde(rename = "connectStart", default)]
        connect_start: EntryTime,
        /// `vitals`: end of `con` and begin of `tls` on a secure connection.
        #[serde(rename = "secureConnectionStart", default)]
        secure_connection_start: EntryTime,
        /// `vitals`: end of `tls`; of `con` on a connection without TLS.
        #[serde(rename = "connectEnd", default)]
        connect_end: EntryTime,
        /// `vitals`, in place of `ttfb`, `dns`, `con`, `tls` and `load`: the value of `ttfb`. The phases count only beside it.
        #[serde(rename = "responseStart", default)]
        response_start: Option<EntryTime>,
        /// `vitals`: the value of `load`.
        #[serde(rename = "loadEventEnd", default)]
        load_event_end: EntryTime,
    }
}

impl<'a> WireEvent<'a> {
    /// The page that the event names.
    ///
    /// # Errors
    /// When its address is of another kind than those of web pages.
    pub(super) fn take_page(&mut self) -> Result<Option<PageAddress<'a>>, FieldError> {
        let Some(url) = self.page_url.take() else { return Ok(None) };
        if !is_web(&url) {
            return Err(("u", "must be an http or https address".into()));
        }
        Ok(Some(PageAddress { url: url.0, referrer: std::mem::take(&mut self.referrer).0 }))
    }

    /// The kind that is named, or the one that has the fields that are there. A link has none yet.
    fn kind(&self) -> Result<EventKind, FieldError> {
        if let Some(kind) = &self.kind {
            return EventKind::from_name(kind).ok_or(("k", Cow::Borrowed("is not a kind of event")));
        }
        let kinds = [
            (self.ad.is_some(), EventKind::Ad),
            (self.error_message.is_some(), EventKind::Error),
            (!self.element.is_empty(), EventKind::Resource),
            (self.engaged.is_some(), EventKind::Leave),
            (self.response_start.is_some(), EventKind::Vitals),
            (self.name.is_some(), EventKind::Event),
        ];
        let implied = kinds.into_iter().find(|(has_fields, _)| *has_fields);
        implied.map(|(_, kind)| kind).ok_or(("k", "is missing, and no other field tells it".into()))
    }
}

/// Whether an address begins as web pages' do. Parsers skip control characters and blanks before it.
fn is_web(url: &str) -> bool {
    let scheme = url.trim_start_matches(|first| first <= ' ').as_bytes();
    let begins = |name: &[u8]| scheme.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name));
    begins(b"https:") || begins(b"http:")
}

/// An event without its page; `None` for a click on a link within the site. `sent_at` is the time on the page's clock when the beacon was
/// sent, if the beacon has it. Properties that are not kept are added to `lost`.
///
/// # Errors
/// With the field without which the event is none of its kind.
pub(super) fn check<'a>(
    wire: WireEvent<'a>,
    index: u32,
    page: &str,
    sent_at: Option<f64>,
    lost: &mut Vec<FieldError>,
) -> Result<Option<BeaconEvent<'a>>, FieldError> {
    let age_ms = match (sent_at, wire.occurred_at) {
        // The cast saturates: a time in the future, after the clock was set, is 0 ms old.
        (Some(sent), Some(occurred)) => (sent - occurred).round() as u32,
        _ => wire.age_ms.saturated(),
    }
    .min(MAX_AGE_MS);
    let detail = match wire.is_download {
        Some(is_download) if wire.kind.is_none() => link(url(wire.name)?, is_download.0, page),
        _ => Some(detail(wire, lost)?),
    };
    Ok(detail.map(|detail| BeaconEvent { index, age_ms, page: None, detail }))
}

/// A click on a link, if it led to a file or to another host than that of its page.
fn link<'a>(url: Cow<'a, str>, is_download: bool, page: &str) -> Option<EventDetail<'a>> {
    match ClickedLink::of(&url, is_download, page) {
        ClickedLink::File => Some(EventDetail::Download { url }),
        ClickedLink::OtherHost => Some(EventDetail::Outbound { url }),
        ClickedLink::SameHost => None,
    }
}

fn detail<'a>(wire: WireEvent<'a>, lost: &mut Vec<FieldError>) -> Result<EventDetail<'a>, FieldError> {
    Ok(match wire.kind()? {
        EventKind::View => EventDetail::View,
        EventKind::Leave => EventDetail::Leave {
            engaged_ms: wire.engaged.unwrap_or_default().0,
            scroll_depth: u8::try_from(wire.scroll_depth.0.min(100)).expect("at most 100"),
        },
        EventKind::Event => EventDetail::Event {
            name: required("n", wire.name, MAX_NAME)?,
            props: properties(wire.properties, lost),
        },
        EventKind::Ad => {
            let slot = cut(wire.slot.0, MAX_NAME);
            EventDetail::Ad {
                action: ad_action(wire.name.as_deref())?,
                ad: required("ad", wire.ad, MAX_NAME)?,
                slot,
            }
        }
        EventKind::Outbound => EventDetail::Outbound { url: url(wire.name)? },
        EventKind::Download => EventDetail::Download { url: url(wire.name)? },
        EventKind::Error => EventDetail::Error(ScriptError {
            message: required("m", wire.error_message, usize::MAX)?,
            source: wire.error_source.0,
            line: wire.error_line.saturated(),
            column: wire.error_column.saturated(),
            stack: wire.error_stack.0,
        }),
        EventKind::Resource => EventDetail::Resource { url: url(wire.name)?, tag: element(wire.element.0) },
        EventKind::Vitals => EventDetail::Vitals(vitals(&wire)),
        EventKind::Missing => EventDetail::Missing,
    })
}

fn vitals(wire: &WireEvent<'_>) -> WebVitals {
    let given = |ms: Option<WholeNumber>| ms.map(WholeNumber::saturated);
    let longest = given(wire.interaction).max(given(wire.first_input)).filter(|ms| *ms > 0);
    let mut vitals = WebVitals {
        lcp_ms: given(wire.lcp),
        inp_ms: longest.or(given(wire.inp)),
        cls: wire.shifts.as_deref().map(cumulative_layout_shift).or(wire.cls.map(|score| score.0)),
        fcp_ms: given(wire.fcp),
        ttfb_ms: given(wire.ttfb),
        dns_ms: given(wire.dns),
        connect_ms: given(wire.connect),
        tls_ms: given(wire.tls),
        load_ms: given(wire.load),
    };
    if let Some(response_start) = wire.response_start {
        vitals.add_navigation(&NavigationTimes {
            activation_start: wire.activation_start.0,
            domain_lookup_start: wire.domain_lookup_start.0,
            domain_lookup_end: wire.domain_lookup_end.0,
            connect_start: wire.connect_start.0,
            secure_connection_start: wire.secure_connection_start.0,
            connect_end: wire.connect_end.0,
            response_start: response_start.0,
            load_event_end: wire.load_event_end.0,
        });
    }
    vitals
}

/// A text that must be present and not empty, cut to `max` bytes.
fn required<'a>(
    field: &'static str,
    text: Option<RawText<'a>>,
    max: usize,
) -> Result<Cow<'a, str>, FieldError> {
    match text {
        Some(text) if !text.is_empty() => Ok(cut(text.0, max)),
        Some(_) => Err((field, "must not be empty".into())),
        None => Err((field, "is missing".into())),
    }
}

fn url(text: Option<RawText<'_>>) -> Result<Cow<'_, str>, FieldError> {
    required("n", text, usize::MAX)
}

/// Cuts a text between characters.
fn cut(text: Cow<'_, str>, max: usize) -> Cow<'_, str> {
    if text.len() <= max {
        return text;
    }
    let end = text.floor_char_boundary(max);
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(&text[..end]),
        Cow::Owned(mut text) => {
            text.truncate(end);
            Cow::Owned(text)
        }
    }
}

fn ad_action(name: Option<&str>) -> Result<AdAction, FieldError> {
    name.and_then(AdAction::from_name).ok_or_else(|| ("n", "must be impression, viewable or click".into()))
}

/// The first [`MAX_PROPS`] properties that have a value.
fn properties<'a>(
    props: NamedTexts<'a, MAX_PROPS>,
    lost: &mut Vec<FieldError>,
) -> Vec<(RawText<'a>, RawText<'a>)> {
    if props.lost > 0 {
        let problem = format!("has {} without a value or over the limit of {MAX_PROPS}", props.lost);
        lost.push(("p", problem.into()));
    }
    props.texts
}

/// The name of an HTML element, or empty when it cannot be one.
fn element(tag: Cow<'_, str>) -> Cow<'_, str> {
    let fits =
        tag.len() <= MAX_ELEMENT && tag.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if fits { tag } else { Cow::Borrowed("") }
}
