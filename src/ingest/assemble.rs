//! Assembles rows from the results of the stages before: a parsed beacon, pseudonyms, a browser.
//!
//! `privacy::scrub` cleans every free text of a page here, so a [`EventRow`] holds no raw text.

use std::borrow::Cow;

use crate::beacon::limits::{MAX_MESSAGE, MAX_NAME, MAX_PROP_NAME, MAX_PROP_VALUE, MAX_STACK};
use crate::beacon::{Beacon, EventDetail, LeftOut, MalformedBeacon, RawText, ScriptError, WebVitals};
use crate::config::{NamePatterns, Retention, Site, is_own};
use crate::enrich::{self, BrowserInfo, ReferrerOrigin};
use crate::event::{BotCategory, DropReason, EventRow, ScreenClass, UniqueText, UnixDay, UnixSeconds};
use crate::privacy::scrub::{self, AppReferrer, ScrubbedAddress};
use crate::privacy::{GeoPlace, PageLoadIdentity, VisitorIdentity};

/// The bot name of an invented visit, whose referrer advertises a site to readers of reports.
pub const REFERRER_SPAM: &str = "referrer spam";

/// What all events of one beacon share.
pub struct PageContext<'a> {
    pub site: &'a Site,
    /// Version of the privacy policy in force.
    pub policy: &'a str,
    /// When the beacon was received, Unix ms.
    pub received: i64,
    /// Pseudonyms and place.
    pub identity: &'a VisitorIdentity,
    pub page_load: &'a PageLoadIdentity,
    pub browser: &'a BrowserInfo,
    /// Allow-listed cookies.
    pub cookies: &'a [(&'a str, &'a str)],
}

/// Why a beacon, or one of its events, does not belong to a page of the site.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AssembleError {
    /// An address cannot be parsed.
    #[error(transparent)]
    Malformed(#[from] MalformedBeacon),
    #[error("the page's host is not one of the site's hosts")]
    ForeignHost,
}

/// Events without a row, because their page is not one of the site's.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct DroppedEvents {
    /// Their places in the beacon's list.
    pub events: Vec<(u32, DropReason)>,
    pub left_out: Vec<LeftOut>,
}

impl DroppedEvents {
    fn add(&mut self, error: &AssembleError, index: u32) {
        let fault = match error {
            AssembleError::Malformed(fault) => {
                self.events.push((index, DropReason::Malformed));
                fault.clone()
            }
            AssembleError::ForeignHost => {
                self.events.push((index, DropReason::Foreign));
                MalformedBeacon::new(format!("e[{index}].u"), "is on none of the site's hosts")
            }
        };
        self.left_out.push(LeftOut::event(fault));
    }
}

/// Calls `emit` with a row for each event on a page of the site for which `wanted` returns true. `wanted` gets the event's number in the
/// page load and the category of its bot.
///
/// # Errors
/// When no event is on a page of the site; then neither function was called.
pub fn rows(
    context: &PageContext<'_>,
    beacon: &Beacon<'_>,
    mut wanted: impl FnMut(u32, BotCategory) -> bool,
    mut emit: impl FnMut(u32, &EventRow<'_>),
) -> Result<DroppedEvents, AssembleError> {
    let mut dropped = DroppedEvents::default();
    let scrubbed = scrubbed_pages(context.site, beacon)?;
    let mut pages = scrubbed.iter().map(|page| page.as_ref().map(|page| page_columns(context, beacon, page)));
    let mut page = Ok(EventRow::default());
    for event in &beacon.events {
        if event.page.is_some() {
            page = pages.next().expect("each page of the beacon was parsed");
        }
        let page = match &page {
            Ok(page) => page,
            Err(error) => {
                dropped.add(error, event.index);
                continue;
            }
        };
        let number = beacon.first_seq + event.index;
        if wanted(number, page.bot_category) {
            let row = EventRow {
                seq: context.page_load.seq(number),
                time: access_time(context.received, context.identity, event.age_ms),
                kind: event.detail.kind(),
                ..page.clone()
            };
            emit_event(context.site, row, &event.detail, &mut |row| emit(number, row));
        }
    }
    Ok(dropped)
}

/// When an event happened. The pseudonyms of an epoch belong to its day alone: an event from before its beginning counts from there, and
/// one that comes before the key has turned counts to its last second.
fn access_time(received: i64, identity: &VisitorIdentity, age_ms: u32) -> UnixSeconds {
    const DAY: u32 = 24 * 60 * 60;
    let received_at = UnixSeconds::from_millis(received).0;
    // After a jump of the clock over days, or while a key cannot turn, an event must not seem to be days old.
    let is_overdue = received_at >= identity.epoch_ends.saturating_add(DAY);
    let last = if is_overdue { received_at } else { received_at.min(identity.epoch_ends.saturating_sub(1)) };
    let time = UnixSeconds::from_millis(received - i64::from(age_ms)).0;
    UnixSeconds(time.max(identity.epoch).min(last))
}

/// The first number of a version: the others tell visitors apart, and reports do not need them.
fn major(version: &str) -> &str {
    version.split('.').next().unwrap_or_default()
}

type PageResult<'a> = Result<ScrubbedPage<'a>, AssembleError>;

/// Parses the pages of a beacon, in their order.
///
/// # Errors
/// When there are pages, but none on a host of the site. A foreign host is reported before an address that cannot be read.
fn scrubbed_pages<'a>(site: &Site, beacon: &'a Beacon<'_>) -> Result<Vec<PageResult<'a>>, AssembleError> {
    let mut pages = Vec::with_capacity(1);
    for event in &beacon.events {
        let Some(sent) = &event.page else { continue };
        pages.push(match scrub::address(&sent.url, &site.query) {
            Ok(page) if site.allows(&page.host) => Ok(ScrubbedPage::new(site, page, &sent.referrer)),
            Ok(_) => Err(AssembleError::ForeignHost),
            Err(error) => {
                let of_beacon = beacon.names_page && pages.is_empty();
                let path = if of_beacon { "u".to_owned() } else { format!("e[{}].u", event.index) };
                Err(MalformedBeacon::new(path, error.to_string()).into())
            }
        });
    }
    if pages.iter().any(Result::is_ok) {
        return Ok(pages);
    }
    let errors = || pages.iter().filter_map(|page| page.as_ref().err());
    let foreign = errors().find(|error| **error == AssembleError::ForeignHost);
    match foreign.or(errors().next()) {
        Some(error) => Err(error.clone()),
        None => Ok(pages),
    }
}

struct ScrubbedPage<'a> {
    page: ScrubbedAddress<'a>,
    /// The page's host for readers, if it differs.
    shown_host: Option<String>,
    referrer: ScrubbedReferrer<'a>,
}

enum ScrubbedReferrer<'a> {
    /// There is none, or one of another kind, such as `about:client`.
    None,
    Site {
        address: ScrubbedAddress<'a>,
        /// Its host for readers, without `www.`, if it differs.
        shown_host: Option<String>,
    },
    App(AppReferrer<'a>),
}

impl<'a> ScrubbedPage<'a> {
    fn new(site: &Site, mut page: ScrubbedAddress<'a>, referrer: &'a str) -> Self {
        if let Some(path) = site.paths.apply(&page.path) {
            page.path = path.into();
        }
        Self { shown_host: shown(&page.host), page, referrer: ScrubbedReferrer::parse(site, referrer) }
    }
}

impl<'a> ScrubbedReferrer<'a> {
    fn parse(site: &Site, referrer: &'a str) -> Self {
        if referrer.is_empty() {
            return Self::None;
        }
        match scrub::address(referrer, const { &NamePatterns::none() }) {
            Ok(mut address) => {
                if let Some(path) = site.paths.apply(&address.path)
                    && is_own(&site.hosts, &address.host)
                {
                    address.path = path.into();
                }
                Self::Site { shown_host: shown(without_www(&address.host)), address }
            }
            Err(_) => scrub::app_referrer(referrer).map_or(Self::None, Self::App),
        }
    }

    /// Host in ASCII; empty for an app.
    fn host(&self) -> &str {
        if let Self::Site { address, .. } = self { &address.host } else { "" }
    }

    fn path(&self) -> &str {
        if let Self::Site { address, .. } = self { &address.path } else { "" }
    }

    /// Host as it is stored, or the app.
    fn shown(&self) -> &str {
        match self {
            Self::None => "",
            Self::Site { address, shown_host } => {
                shown_host.as_deref().unwrap_or_else(|| without_www(&address.host))
            }
            Self::App(app) if enrich::is_known_app(&app.id) => &app.id,
            Self::App(app) => app.scrubbed_id(),
        }
    }

    fn origin(&self) -> ReferrerOrigin<'_> {
        match self {
            Self::App(app) => ReferrerOrigin::App { id: self.shown(), host: &app.host },
            _ => ReferrerOrigin::Site(self.host()),
        }
    }
}

fn shown(host: &str) -> Option<String> {
    match scrub::shown_host(host) {
        Cow::Owned(shown) => Some(shown),
        Cow::Borrowed(_) => None,
    }
}

fn without_www(host: &str) -> &str {
    host.strip_prefix("www.").unwrap_or(host)
}

/// The columns that all events of a page share.
fn page_columns<'a>(
    context: &PageContext<'a>,
    beacon: &'a Beacon<'_>,
    visited: &'a ScrubbedPage<'_>,
) -> EventRow<'a> {
    let PageContext { site, identity, browser, .. } = context;
    let place: &GeoPlace = &identity.place;
    let page = &visited.page;
    let referrer = &visited.referrer;
    let source = enrich::traffic_source(referrer.origin(), &page.host, &page.campaign, page.click_id);
    // A source without a name of its own is the referrer.
    let is_referrer = source.name == without_www(referrer.host());
    let (bot, bot_category) = page_bot(&browser.bot, browser.bot_category, referrer.host());
    EventRow {
        page_load: context.page_load.pseudonym,
        received: UnixSeconds::from_millis(context.received),
        expires: expires(context.received, site.retention),
        site: &site.id,
        host: visited.shown_host.as_deref().unwrap_or(&page.host),
        path: &page.path,
        query: &page.query,
        release: &beacon.release,
        visitor: identity.visitor,
        address: identity.address,
        epoch: identity.epoch,
        policy: context.policy,
        referrer_host: referrer.shown(),
        referrer_path: referrer.path(),
        source: if is_referrer { referrer.shown() } else { source.name },
        channel: source.channel,
        utm_source: &page.campaign.source,
        utm_medium: &page.campaign.medium,
        utm_campaign: &page.campaign.campaign,
        utm_content: &page.campaign.content,
        utm_term: &page.campaign.term,
        click_id: page.click_id,
        browser: &browser.name,
        browser_version: major(&browser.version),
        engine: browser.engine,
        os: &browser.os,
        os_version: major(&browser.os_version),
        device: browser.device,
        bot,
        bot_category,
        spoofed: browser.spoofed,
        data_centre: enrich::is_data_centre(place.asn()),
        language: &beacon.language,
        timezone: &beacon.timezone,
        screen: ScreenClass::from_width(beacon.screen_width),
        country: place.country(),
        region: place.region(),
        city: place.city(),
        asn: place.asn(),
        network: place.network(),
        ip_version: identity.ip_version,
        cookies_enabled: beacon.cookies_enabled,
        cookies: context.cookies,
        ..EventRow::default()
    }
}

/// Name and category of a page's bot: those of the browser, or those of an invented visit with a spam referrer.
pub(crate) fn page_bot<'a>(
    name: &'a str,
    category: BotCategory,
    referrer_host: &str,
) -> (&'a str, BotCategory) {
    if name.is_empty() && enrich::is_spam_referrer(referrer_host) {
        (REFERRER_SPAM, BotCategory::Other)
    } else {
        (name, category)
    }
}

/// The last day on which a row that was received at `received` (Unix ms) may be kept.
fn expires(received: i64, retention: Retention) -> UnixDay {
    const DAY_MS: i64 = 24 * 60 * 60 * 1_000;
    match retention {
        Retention::Unlimited => UnixDay(u16::MAX),
        // The collector deletes it in that hour. On the day after, the store would.
        Retention::Hours(hours) => {
            let last = received.saturating_add(i64::from(hours) * (DAY_MS / 24)) / DAY_MS;
            UnixDay(u16::try_from(last).unwrap_or(u16::MAX))
        }
        Retention::Days(days) => {
            let today = u16::try_from(received / DAY_MS).unwrap_or(u16::MAX);
            UnixDay(today.saturating_add(days))
        }
    }
}

/// Fills in the columns of the event's kind and calls `emit`. Scrubbed texts live as long as this call.
fn emit_event(
    site: &Site,
    mut row: EventRow<'_>,
    detail: &EventDetail<'_>,
    emit: &mut impl FnMut(&EventRow<'_>),
) {
    match detail {
        EventDetail::View | EventDetail::Missing => emit(&row),
        EventDetail::Leave { engaged_ms, scroll_depth } => {
            row.engaged_ms = *engaged_ms;
            row.scroll_depth = *scroll_depth;
            emit(&row);
        }
        EventDetail::Event { name, props } => {
            let scrubbed = scrub_props(props);
            let pairs: Vec<(&str, &str)> = scrubbed.iter().map(|(name, value)| (&**name, &**value)).collect();
            let name = scrub::text(name, MAX_NAME);
            emit(&EventRow { name: &name, props: &pairs, ..row });
        }
        EventDetail::Ad { action, ad, slot } => {
            let (ad, slot) = (scrub::advertisement(ad, MAX_NAME), scrub::advertisement(slot, MAX_NAME));
            emit(&EventRow { name: action.name(), ad: &ad, slot: &slot, ..row });
        }
        EventDetail::Outbound { url } | EventDetail::Download { url } => {
            emit(&EventRow { name: &link(site, url), ..row })
        }
        EventDetail::Resource { url, tag } => {
            let props = [("tag", &**tag)];
            emit(&EventRow {
                name: &link(site, url),
                props: if tag.is_empty() { &[] } else { &props },
                ..row
            });
        }
        EventDetail::Error(error) => fill_error(row, error, emit),
        EventDetail::Vitals(vitals) => emit(&fill_vitals(row, *vitals)),
    }
}

fn fill_error(row: EventRow<'_>, error: &ScriptError<'_>, emit: &mut impl FnMut(&EventRow<'_>)) {
    let message = scrub::text(&error.message, MAX_MESSAGE);
    let stack = scrub::text(&error.stack, MAX_STACK);
    let source = if error.source.is_empty() { Cow::Borrowed("") } else { target(&error.source) };
    emit(&EventRow {
        error_message: UniqueText(&message),
        error_source: UniqueText(&source),
        error_line: error.line,
        error_column: error.column,
        error_stack: UniqueText(&stack),
        error_group: enrich::error_group(&message, &source),
        ..row
    });
}

fn fill_vitals(row: EventRow<'_>, vitals: WebVitals) -> EventRow<'_> {
    EventRow {
        lcp_ms: vitals.lcp_ms,
        inp_ms: vitals.inp_ms,
        cls: vitals.cls,
        fcp_ms: vitals.fcp_ms,
        ttfb_ms: vitals.ttfb_ms,
        dns_ms: vitals.dns_ms,
        connect_ms: vitals.connect_ms,
        tls_ms: vitals.tls_ms,
        load_ms: vitals.load_ms,
        ..row
    }
}

fn scrub_props<'a>(props: &'a [(RawText<'_>, RawText<'_>)]) -> Vec<(Cow<'a, str>, Cow<'a, str>)> {
    let scrub = |(name, value): &'a (RawText<'_>, RawText<'_>)| {
        (scrub::text(name, MAX_PROP_NAME), scrub::value(name, value, MAX_PROP_VALUE))
    };
    props.iter().map(scrub).collect()
}

/// A [`target`], by the site's path templates if it is the site's own.
fn link<'a>(site: &Site, url: &'a str) -> Cow<'a, str> {
    let target = target(url);
    match site.paths.apply_to_link(&site.hosts, &target) {
        Some(link) => Cow::Owned(link),
        None => target,
    }
}

/// Host and path of a link, file or script, scrubbed. Other addresses keep only their scheme, because `mailto:` and `data:`
/// contain personal data or content.
fn target(url: &str) -> Cow<'_, str> {
    match scrub::address(url, const { &NamePatterns::none() }) {
        Ok(address) => Cow::Owned(format!("{}{}", scrub::shown_host(&address.host), address.path)),
        Err(_) => {
            let scheme = url.split(':').next().unwrap_or_default();
            let plain =
                scheme.len() < url.len() && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
            Cow::Borrowed(if plain && scheme.len() <= 32 { &url[..=scheme.len()] } else { "" })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_lies_within_the_day_of_its_pseudonyms() {
        let identity = VisitorIdentity {
            visitor: 1,
            address: 2,
            epoch: 1_000,
            epoch_ends: 2_000,
            ip_version: 4,
            place: GeoPlace::default(),
        };
        for (received, age, time) in [
            (1_500_900, 0, 1_500),
            (1_500_900, 100_000, 1_400),
            // Before midnight, sent after it.
            (1_005_000, 60_000, 1_000),
            // Received in the second after midnight, when the key has not turned yet.
            (2_000_400, 0, 1_999),
            // The clock jumped over days, and the key has not turned yet.
            (200_000_000, 1_000, 199_999),
            // The clock was set back: no event lies in the future.
            (900_000, 5_000, 900),
        ] {
            assert_eq!(access_time(received, &identity, age), UnixSeconds(time), "received at {received} ms");
        }
    }
}
