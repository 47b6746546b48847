//! A beacon: what one page load sent at once, its form on the wire, and the checked form.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, Visitor};

use super::error::MalformedBeacon;
use super::event::{self, BeaconEvent, PageAddress, WireEvent};
use super::hints::SentHints;
use super::limits::{MAX_COOKIES, MAX_EVENTS, MAX_PAGE_LOAD, MAX_TAG};
use super::wire::{Flag, NamedTexts, RawText, WholeNumber, wire_object};

/// The version of the wire format that is read.
pub const VERSION: u64 = 1;

/// What one page sent at once. The default is an empty beacon without a site.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Beacon<'a> {
    /// The site that the page names. The collector checks it against the configured sites.
    pub site: Cow<'a, str>,
    /// Random id of the page load.
    pub page_load: u64,
    /// Number of the first event within the page load. Adding [`MAX_EVENTS`] does not overflow.
    pub first_seq: u32,
    /// Screen width in CSS px; 0 when unknown.
    pub screen_width: u16,
    /// Screen height in CSS px; 0 when unknown.
    pub screen_height: u16,
    /// Preferred language: a BCP 47 tag, or empty.
    pub language: Cow<'a, str>,
    /// IANA time zone, or empty.
    pub timezone: Cow<'a, str>,
    /// Whether the browser accepts cookies.
    pub cookies_enabled: bool,
    /// `navigator.maxTouchPoints`.
    pub touch_points: u8,
    /// `navigator.webdriver`.
    pub automated: bool,
    /// Cookies that the page's script element names.
    pub cookies: Vec<(RawText<'a>, RawText<'a>)>,
    pub hints: SentHints<'a>,
    /// Whether the address of the first event's page is that of the beacon.
    pub names_page: bool,
    /// 1 to [`MAX_EVENTS`] events; the first has a page address.
    pub events: Vec<BeaconEvent<'a>>,
}

wire_object! {
    pub(super) struct WireBeacon<'a> {
        /// Version of this format: 1.
        #[serde(rename = "v")]
        version: WholeNumber,
        /// Site id, or its [signed name](#signed-names).
        #[serde(rename = "s", borrow)]
        site: RawText<'a>,
        /// Id of the page load.
        #[serde(rename = "l", borrow)]
        page_load: WirePageLoad<'a>,
        /// Number of this beacon's first event within its page load; below 2^32 - 100.
        #[serde(rename = "o", default)]
        first_seq: WholeNumber,
        /// The page's clock when the beacon is sent, ms. The ages of events count from it.
        #[serde(rename = "at", default)]
        sent_at: Option<f64>,
        /// Page address, `http` or `https`, of the first event.
        #[serde(rename = "u", borrow, default)]
        page_url: Option<RawText<'a>>,
        /// Referrer of that page.
        #[serde(rename = "r", borrow, default)]
        referrer: RawText<'a>,
        /// Screen width in CSS px, at most 65,535.
        #[serde(rename = "w", default)]
        screen_width: WholeNumber,
        /// Screen height in CSS px, at most 65,535.
        #[serde(rename = "h", default)]
        screen_height: WholeNumber,
        /// Preferred language, BCP 47 (`navigator.language`).
        #[serde(rename = "g", borrow, default)]
        language: RawText<'a>,
        /// IANA time zone of the browser.
        #[serde(rename = "z", borrow, default)]
        timezone: RawText<'a>,
        /// The browser accepts cookies.
        #[serde(rename = "c", default)]
        cookies_enabled: Flag,
        /// Touch points (`navigator.maxTouchPoints`).
        #[serde(rename = "t", default)]
        touch_points: WholeNumber,
        /// The browser is under automation (`navigator.webdriver`).
        #[serde(rename = "b", default)]
        automated: Flag,
        /// Cookies that the page's script element names.
        #[serde(rename = "ck", borrow, default)]
        cookies: NamedTexts<'a, MAX_COOKIES>,
        /// Client hints.
        #[serde(rename = "ch", borrow, default)]
        hints: Option<SentHints<'a>>,
        /// The events: 1 to 100.
        #[serde(rename = "e", borrow)]
        events: Vec<WireEvent<'a>>,
    }
}

pub(super) fn check(wire: WireBeacon<'_>) -> Result<Beacon<'_>, MalformedBeacon> {
    if wire.version.0 != VERSION {
        return Err(MalformedBeacon::new("v", "must be 1"));
    }
    let page_load = page_load(&wire.page_load)?;
    if wire.events.is_empty() || wire.events.len() > MAX_EVENTS {
        return Err(MalformedBeacon::new("e", format!("must hold 1 to {MAX_EVENTS} events")));
    }
    let first_seq = u32::try_from(wire.first_seq.0)
        .ok()
        .filter(|first| first.checked_add(MAX_EVENTS as u32).is_some())
        .ok_or_else(|| MalformedBeacon::new("o", "must be below 2^32 - 100"))?;
    if wire.cookies.0.len() > MAX_COOKIES {
        return Err(MalformedBeacon::new("ck", format!("must hold at most {MAX_COOKIES} cookies")));
    }
    let names_page = wire.events[0].page_url.is_none();
    let shared = wire.page_url.map(|url| PageAddress { url: url.0, referrer: wire.referrer.0 });
    Ok(Beacon {
        site: wire.site.0,
        page_load,
        first_seq,
        screen_width: u16::try_from(wire.screen_width.0).unwrap_or(u16::MAX),
        screen_height: u16::try_from(wire.screen_height.0).unwrap_or(u16::MAX),
        language: tag(wire.language.0, b"-"),
        timezone: tag(wire.timezone.0, b"-_+/"),
        cookies_enabled: wire.cookies_enabled.0,
        touch_points: u8::try_from(wire.touch_points.0).unwrap_or(u8::MAX),
        automated: wire.automated.0,
        cookies: wire.cookies.0,
        hints: wire.hints.unwrap_or_default(),
        names_page,
        events: check_events(wire.events, shared, wire.sent_at)?,
    })
}

fn check_events<'a>(
    wire: Vec<WireEvent<'a>>,
    mut shared: Option<PageAddress<'a>>,
    sent_at: Option<f64>,
) -> Result<Vec<BeaconEvent<'a>>, MalformedBeacon> {
    let mut events: Vec<BeaconEvent<'_>> = Vec::with_capacity(wire.len());
    let mut last_named = None;
    for (index, event) in wire.into_iter().enumerate() {
        let mut event = event::check(event, sent_at)
            .map_err(|(field, problem)| MalformedBeacon::new(format!("e[{index}].{field}"), problem))?;
        if index == 0 && event.page.is_none() {
            event.page = shared.take();
            if event.page.is_none() {
                let problem = "is missing: the beacon or its first event needs the page's address";
                return Err(MalformedBeacon::new("u", problem));
            }
        }
        // A sender may name the page in every event. The same page need not be scrubbed again.
        if event.page.is_some() {
            if last_named.is_some_and(|named: usize| events[named].page == event.page) {
                event.page = None;
            } else {
                last_named = Some(index);
            }
        }
        events.push(event);
    }
    Ok(events)
}

/// A language tag or zone name, or empty when it cannot be one: other texts must not reach the disk this way.
fn tag<'a>(text: Cow<'a, str>, besides: &[u8]) -> Cow<'a, str> {
    let fits = text.len() <= MAX_TAG
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || besides.contains(&byte));
    if fits { text } else { Cow::Borrowed("") }
}

/// A 64-bit number in base 36, or the 53 random bits of a fraction.
fn page_load(wire: &WirePageLoad<'_>) -> Result<u64, MalformedBeacon> {
    let text = match wire {
        WirePageLoad::Base36(text) => text,
        WirePageLoad::Fraction(number) if (0.0..1.0).contains(number) => {
            return Ok((number * (1_u64 << f64::MANTISSA_DIGITS) as f64) as u64);
        }
        WirePageLoad::Fraction(_) => return Err(MalformedBeacon::new("l", "must be below 1, or text")),
    };
    let plain = (1..=MAX_PAGE_LOAD).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_lowercase());
    plain.then(|| u64::from_str_radix(text, 36).ok()).flatten().ok_or_else(|| {
        MalformedBeacon::new("l", "must be a 64-bit number in base 36: 1 to 13 of 0-9 and a-z")
    })
}

/// The id of a page load: a number in base 36, or a fraction as `Math.random()` gives it.
enum WirePageLoad<'a> {
    Base36(RawText<'a>),
    Fraction(f64),
}

impl<'de: 'a, 'a> Deserialize<'de> for WirePageLoad<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PageLoadVisitor)
    }
}

struct PageLoadVisitor;

impl<'de> Visitor<'de> for PageLoadVisitor {
    type Value = WirePageLoad<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text or a fraction")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(WirePageLoad::Base36(RawText(Cow::Borrowed(text))))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(WirePageLoad::Base36(RawText(Cow::Owned(text.to_owned()))))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Self::Value, E> {
        Ok(WirePageLoad::Fraction(number))
    }
}

#[cfg(test)]
impl super::wire::WireType for WirePageLoad<'_> {
    fn type_name() -> &'static str {
        "text or number"
    }
}
