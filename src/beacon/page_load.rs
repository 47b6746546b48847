//! A beacon: what one page load sent at once, its form on the wire, and the checked form.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, Visitor};

use super::error::{LeftOut, MalformedBeacon};
use super::event::{self, BeaconEvent, PageAddress, WireEvent};
use super::hints::SentHints;
use super::limits::{MAX_COOKIES, MAX_EVENTS, MAX_PAGE_LOAD, MAX_RELEASE, MAX_TAG};
use super::wire::{FieldError, Flag, NamedTexts, RawText, WholeNumber, wire_object};

/// The version of the wire format that is read.
pub const VERSION: u64 = 1;

/// What is wrong with a beacon whose first event has no page.
const NO_PAGE: &str = "is missing: the beacon or its first event needs the page's address";

/// What one page sent at once. The default is an empty beacon without a site.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Beacon<'a> {
    /// The site that the page names. The collector checks it against the configured sites.
    pub site: Cow<'a, str>,
    /// Random id of the page load.
    pub page_load: u64,
    /// Number of the first event within the page load. Adding [`MAX_EVENTS`] does not overflow.
    pub first_seq: u32,
    /// Release of the site's pages: letters, digits and `._-+/`, or empty.
    pub release: Cow<'a, str>,
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
    /// Whether the first page address of the events is that of the beacon.
    pub names_page: bool,
    /// At most [`MAX_EVENTS`] events, in the order of their index; the first has a page address. None if all were left out.
    pub events: Vec<BeaconEvent<'a>>,
    /// Clicks on links from page to page of the site. They are not among the events, and nothing of them is kept.
    pub internal_links: u32,
    /// Events that the page did not send, because the visitor withdrew the consent. Then no other events are kept.
    pub withheld: u32,
    /// What of the beacon was not kept.
    pub left_out: Vec<LeftOut>,
}

impl Beacon<'_> {
    /// Events that it has, clicks within the site, and events that it says were withheld.
    pub fn event_count(&self) -> u32 {
        u32::try_from(self.events.len()).expect("at most MAX_EVENTS") + self.internal_links + self.withheld
    }
}

wire_object! {
    pub(super) struct WireBeacon<'a> {
        /// Version of this format: 1, also if it is missing.
        #[serde(rename = "v", default)]
        version: Option<WholeNumber>,
        /// Site id, or its [signed name](#signed-names).
        #[serde(rename = "s", borrow)]
        site: RawText<'a>,
        /// Id of the page load. Required, unless events were withheld.
        #[serde(rename = "l", borrow, default)]
        page_load: Option<WirePageLoad<'a>>,
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
        /// Release of the site's pages, from `data-release`.
        #[serde(rename = "rel", borrow, default)]
        release: RawText<'a>,
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
        pub(super) cookies: NamedTexts<'a, MAX_COOKIES>,
        /// Client hints.
        #[serde(rename = "ch", borrow, default)]
        hints: Option<SentHints<'a>>,
        /// Number of events, at most 100, that are not sent because the visitor withdrew the consent. Then there is no `e`.
        #[serde(rename = "x", default)]
        withheld: WholeNumber,
        /// The events: 1 to 100. Required, unless events were withheld.
        #[serde(rename = "e", borrow, default)]
        pub(super) events: Vec<WireEvent<'a>>,
    }
}

/// An event as far as it could be read, and the fields that could not.
pub(super) struct ReadEvent<'a> {
    pub(super) event: Result<WireEvent<'a>, FieldError>,
    pub(super) lost: Vec<FieldError>,
}

impl<'a> ReadEvent<'a> {
    pub(super) fn whole(event: WireEvent<'a>) -> Self {
        Self { event: Ok(event), lost: Vec::new() }
    }
}

/// Checks a beacon whose events are given by themselves. `left_out` names what was lost before.
///
/// # Errors
/// With the field without which nothing of the beacon can be stored.
pub(super) fn check<'a>(
    wire: WireBeacon<'a>,
    events: impl ExactSizeIterator<Item = ReadEvent<'a>>,
    mut left_out: Vec<LeftOut>,
) -> Result<Beacon<'a>, MalformedBeacon> {
    if wire.version.is_some_and(|version| version.0 != VERSION) {
        return Err(MalformedBeacon::new("v", "must be 1"));
    }
    if wire.withheld.0 > 0 {
        return withheld(wire, events.len());
    }
    let page_load = wire.page_load.as_ref().ok_or_else(|| MalformedBeacon::new("l", "is missing"))?;
    let page_load = page_load_id(page_load)?;
    if !(1..=MAX_EVENTS).contains(&events.len()) {
        return Err(MalformedBeacon::new("e", format!("must hold 1 to {MAX_EVENTS} events")));
    }
    let first_seq = u32::try_from(wire.first_seq.0)
        .ok()
        .filter(|first| first.checked_add(MAX_EVENTS as u32).is_some())
        .ok_or_else(|| MalformedBeacon::new("o", "must be below 2^32 - 100"))?;
    if wire.cookies.lost > 0 {
        let problem = format!("has {} without a value or over the limit of {MAX_COOKIES}", wire.cookies.lost);
        left_out.push(LeftOut::field(MalformedBeacon::new("ck", problem)));
    }
    let release = release(wire.release.0, &mut left_out);
    let shared = wire.page_url.map(|url| PageAddress { url: url.0, referrer: wire.referrer.0 });
    let KeptEvents { events, names_page, internal_links, .. } =
        check_events(events, shared, wire.sent_at, &mut left_out)?;
    Ok(Beacon {
        site: wire.site.0,
        page_load,
        first_seq,
        release,
        screen_width: u16::try_from(wire.screen_width.0).unwrap_or(u16::MAX),
        screen_height: u16::try_from(wire.screen_height.0).unwrap_or(u16::MAX),
        language: tag(wire.language.0, b"-"),
        timezone: tag(wire.timezone.0, b"-_+/"),
        cookies_enabled: wire.cookies_enabled.0,
        touch_points: u8::try_from(wire.touch_points.0).unwrap_or(u8::MAX),
        automated: wire.automated.0,
        cookies: wire.cookies.texts,
        hints: wire.hints.unwrap_or_default(),
        names_page,
        events,
        internal_links,
        withheld: 0,
        left_out,
    })
}

/// A beacon that says only how many events the page has withheld.
fn withheld(wire: WireBeacon<'_>, events: usize) -> Result<Beacon<'_>, MalformedBeacon> {
    let withheld = u32::try_from(wire.withheld.0).ok().filter(|withheld| *withheld <= MAX_EVENTS as u32);
    match (withheld, events) {
        (Some(withheld), 0) => Ok(Beacon { site: wire.site.0, withheld, ..Beacon::default() }),
        (None, _) => Err(MalformedBeacon::new("x", format!("must be at most {MAX_EVENTS}"))),
        _ => Err(MalformedBeacon::new("e", "must be empty where x says that events were withheld")),
    }
}

fn check_events<'a>(
    wire: impl ExactSizeIterator<Item = ReadEvent<'a>>,
    shared: Option<PageAddress<'a>>,
    sent_at: Option<f64>,
    left_out: &mut Vec<LeftOut>,
) -> Result<KeptEvents<'a>, MalformedBeacon> {
    let mut kept = KeptEvents::new(wire.len(), shared);
    let mut first_fault = None;
    for (index, ReadEvent { event, mut lost }) in (0..).zip(wire) {
        let fault = |(field, problem): FieldError| {
            let dot = if field.is_empty() { "" } else { "." };
            MalformedBeacon::new(format!("e[{index}]{dot}{field}"), problem)
        };
        match event.and_then(|event| kept.add(event, index, sent_at, &mut lost)) {
            Ok(()) => left_out.extend(lost.into_iter().map(fault).map(LeftOut::field)),
            Err(error) => {
                let fault = fault(error);
                first_fault.get_or_insert_with(|| match kept.lacks_page {
                    true => MalformedBeacon::new("u", NO_PAGE),
                    false => fault.clone(),
                });
                left_out.push(LeftOut::event(fault));
            }
        }
    }
    match first_fault {
        Some(fault) if kept.page.is_none() => Err(fault),
        _ => Ok(kept),
    }
}

#[derive(Default)]
struct KeptEvents<'a> {
    events: Vec<BeaconEvent<'a>>,
    /// Place in `events` of the last one that names its page.
    last_named: Option<usize>,
    /// A page that no kept event has yet: those that named it were left out.
    next_page: Option<PageAddress<'a>>,
    /// What named the last page, also for events that were not kept.
    page: Option<PageSource>,
    /// Whether an event was left out for lack of a page.
    lacks_page: bool,
    /// Whether the first page address of the kept events is that of the beacon.
    names_page: bool,
    internal_links: u32,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum PageSource {
    Beacon,
    Event,
}

impl<'a> KeptEvents<'a> {
    /// `shared` is the page of the beacon, which its first event need not name.
    fn new(events: usize, shared: Option<PageAddress<'a>>) -> Self {
        Self {
            events: Vec::with_capacity(events),
            page: shared.is_some().then_some(PageSource::Beacon),
            next_page: shared,
            ..Self::default()
        }
    }

    fn name_page(&mut self, page: PageAddress<'a>) {
        self.next_page = Some(page);
        self.page = Some(PageSource::Event);
    }

    /// Keeps an event. Without a page of its own it is on the page of the event before, also if that one was left out.
    ///
    /// # Errors
    /// With the field without which the event cannot be kept.
    fn add(
        &mut self,
        mut event: WireEvent<'a>,
        index: u32,
        sent_at: Option<f64>,
        lost: &mut Vec<FieldError>,
    ) -> Result<(), FieldError> {
        if let Some(page) = event.take_page()? {
            self.name_page(page);
        } else if let Some(at) = lost.iter().position(|(field, _)| *field == "u") {
            return Err(lost.swap_remove(at));
        }
        let named = self.last_named.and_then(|last| self.events[last].page.as_ref());
        let page = self.next_page.as_ref().or(named).map_or("", |page| &page.url);
        let event = event::check(event, index, page, sent_at, lost).map_err(|(missing, problem)| {
            // It is missing because it could not be read.
            let at = lost.iter().position(|(field, _)| *field == missing);
            at.map_or((missing, problem), |at| lost.swap_remove(at))
        })?;
        let Some(mut event) = event else {
            self.internal_links += 1;
            return Ok(());
        };
        // A sender may name the page in every event. The same page need not be scrubbed again.
        event.page = self.next_page.take().filter(|page| named != Some(page));
        if event.page.is_some() {
            self.names_page |= self.last_named.is_none() && self.page == Some(PageSource::Beacon);
            self.last_named = Some(self.events.len());
        } else if named.is_none() {
            self.lacks_page = true;
            return Err(("u", "is missing, and no event before names a page".into()));
        }
        self.events.push(event);
        Ok(())
    }
}

/// A language tag or zone name, or empty when it cannot be one: other texts must not reach the disk this way.
fn tag<'a>(text: Cow<'a, str>, besides: &[u8]) -> Cow<'a, str> {
    let fits = text.len() <= MAX_TAG
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || besides.contains(&byte));
    if fits { text } else { Cow::Borrowed("") }
}

/// The name of a release, or empty when it cannot be one. It is not cut, because two releases must not become one.
fn release<'a>(text: Cow<'a, str>, left_out: &mut Vec<LeftOut>) -> Cow<'a, str> {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"._-+/".contains(&byte);
    if text.len() <= MAX_RELEASE && text.bytes().all(is_name) {
        return text;
    }
    let problem = format!("must be at most {MAX_RELEASE} letters, digits and ._-+/");
    left_out.push(LeftOut::field(MalformedBeacon::new("rel", problem)));
    Cow::Borrowed("")
}

/// A 64-bit number in base 36, or the 53 random bits of a fraction.
fn page_load_id(wire: &WirePageLoad<'_>) -> Result<u64, MalformedBeacon> {
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
