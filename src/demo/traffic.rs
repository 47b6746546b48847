//! Plausible visitors of the demonstration clinic: who they are, when they come, what they look at, as rows.
//!
//! The same seed makes the same rows, to the last id. The rows are the collector's own type, encoded by its own code.

use std::collections::BTreeMap;

use fastrand::Rng;
use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;

use crate::demo::clinic::{self, ADS, SITE, WAYS};
use crate::demo::draw::{chance, log_normal, mix, pick, weighted};
use crate::demo::visitor::Visitor;
use crate::enrich;
use crate::event::{DeviceClass, EventKind, EventRow, UnixDay, UnixMillis};
use crate::ingest::assemble;
use crate::privacy::scrub::Campaign;

/// Visits on which a page is asked for that is gone, a script fails, an element fails to load, each per 1,000 views.
const MISSING: u32 = 8;
const ERRORS: u32 = 9;
const RESOURCES: u32 = 6;
/// Visitors that come back later on the same day, per 1,000.
const RETURNING: u32 = 180;
/// Milliseconds of a day.
const DAY_MS: i64 = 86_400_000;
/// Longest visit in pages.
const MAX_PAGES: u32 = 25;

/// Encoded rows.
#[derive(Default)]
pub(crate) struct Rows {
    pub(crate) bytes: Vec<u8>,
    pub(crate) count: usize,
    /// How many were received on each day (UTC, since 1970-01-01), for the books.
    pub(crate) received: BTreeMap<i64, u64>,
}

/// The demonstration's visitors.
pub(crate) struct Traffic {
    pub(crate) seed: u64,
    pub(crate) zone: TimeZone,
    pub(crate) rotate_at: Time,
    /// Days that rows are kept.
    pub(crate) retention: u16,
    pub(crate) policy: String,
    pub(crate) paths: Paths,
    pub(crate) sources: Sources,
}

/// Source and channel of each way to the clinic, as the collector finds them.
pub(crate) struct Sources {
    of_ways: Vec<(String, &'static str)>,
    within: (String, &'static str),
}

impl Sources {
    pub(crate) fn new() -> Self {
        let find = |referrer_host: &str, [source, medium, campaign]: [&str; 3], click_id: &str| {
            let campaign = Campaign {
                source: source.into(),
                medium: medium.into(),
                campaign: campaign.into(),
                ..Campaign::default()
            };
            let found = enrich::traffic_source(referrer_host, clinic::HOST, &campaign, click_id);
            (found.name.to_owned(), found.channel)
        };
        Self {
            of_ways: WAYS.iter().map(|way| find(way.referrer_host, way.campaign, way.click_id)).collect(),
            within: find(clinic::HOST, [""; 3], ""),
        }
    }
}

/// The clinic's pages; the weight of a page falls with its number, as popularity does.
pub(crate) struct Paths {
    all: Vec<String>,
}

impl Paths {
    pub(crate) fn new() -> Self {
        let mut all: Vec<String> = [
            "/",
            "/doctors",
            "/booking",
            "/prices",
            "/services",
            "/contacts",
            "/reviews",
            "/about",
            "/journal",
        ]
        .map(str::to_owned)
        .to_vec();
        for (index, service) in clinic::SERVICES.iter().enumerate() {
            all.push(format!("/services/{service}"));
            if let Some(article) = clinic::ARTICLES.get(index) {
                all.push(format!("/journal/{article}"));
            }
            all.extend((1..=6).map(|number| format!("/doctors/{service}-{number}")));
        }
        Self { all }
    }

    fn pick(&self, rng: &mut Rng) -> &str {
        // The cube of an even number in 0..1 prefers the first pages about as much as visitors do.
        let at = rng.f64().powi(3) * self.all.len() as f64;
        &self.all[at as usize]
    }
}

/// One visit of a visitor.
struct Visit<'v> {
    visitor: &'v Visitor,
    /// Number of the way to the clinic.
    way: usize,
    epoch: u32,
}

/// The pen: what the rows of one page load share, and what was written so far.
struct Page<'a, 'r> {
    /// Its `time` is the page load's, its `received` that of the first beacon.
    row: EventRow<'a>,
    rows: &'r mut Rows,
    /// When the page's last beacon is received, Unix ms.
    last: i64,
    /// Events after this are in the future, Unix ms.
    now: i64,
}

impl<'a> Page<'a, '_> {
    /// Writes an event of this page load.
    fn write(&mut self, time: i64, kind: EventKind, fill: impl FnOnce(&mut EventRow<'a>)) {
        if time > self.now {
            return;
        }
        let mut row = EventRow { time: UnixMillis(time), kind, ..self.row.clone() };
        // What happens after the first beacon waits for the last.
        if time > row.received.0 {
            row.received = UnixMillis(self.last.min(self.now).max(time));
        }
        fill(&mut row);
        row.encode(&mut self.rows.bytes);
        self.rows.count += 1;
        *self.rows.received.entry(row.received.0.div_euclid(DAY_MS)).or_default() += 1;
        self.row.seq += 1;
    }
}

impl Traffic {
    /// Writes a day of about `visitors` visitors, as far as it lies before `now` (Unix ms), and hands the rows on whenever
    /// there are `batch`.
    pub(crate) fn day(
        &self,
        date: Date,
        visitors: u32,
        now: i64,
        batch: usize,
        mut take: impl FnMut(Rows) -> bool,
    ) {
        let Ok(midnight) = date.to_zoned(self.zone.clone()) else { return };
        let midnight = midnight.timestamp().as_millisecond();
        let mut rng =
            Rng::with_seed(self.seed ^ midnight.cast_unsigned().wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let weekday = usize::from(date.weekday().to_monday_zero_offset().unsigned_abs());
        let visitors = f64::from(visitors * clinic::WEEK[weekday]) / 100.0 * (0.92 + 0.16 * rng.f64());
        let mut rows = Rows::default();
        for _ in 0..visitors as u32 {
            let mut rng = rng.fork();
            self.visitor(&mut rng, midnight, &clinic::HOURS[usize::from(weekday > 4)], now, &mut rows);
            if rows.count >= batch && !take(std::mem::take(&mut rows)) {
                return;
            }
        }
        if rows.count > 0 {
            take(rows);
        }
    }

    fn visitor(&self, rng: &mut Rng, midnight: i64, hours: &[u32; 24], now: i64, rows: &mut Rows) {
        let visitor = Visitor::new(rng);
        let hour = weighted(rng, hours.iter().copied()) as i64;
        let mut start =
            midnight + (hour * 3_600 + i64::from(rng.u32(..3_600))) * 1_000 + i64::from(rng.u32(..1_000));
        let mut way = weighted(rng, WAYS.iter().map(|way| way.weight));
        loop {
            let visit = Visit { visitor: &visitor, way, epoch: self.epoch(start) };
            let end = self.visit(rng, &visit, start, now, rows);
            if !chance(rng, RETURNING) || end > now {
                return;
            }
            // Who comes back mostly knows the address by then.
            if chance(rng, 600) {
                way = 0;
            }
            start = end + i64::from(rng.u32(40 * 60..8 * 3_600)) * 1_000;
        }
    }

    /// Writes one visit and says when it ended.
    fn visit(&self, rng: &mut Rng, visit: &Visit<'_>, start: i64, now: i64, rows: &mut Rows) -> i64 {
        let mut time = start;
        let mut from: Option<&str> = None;
        let spam = enrich::is_spam_referrer(WAYS[visit.way].referrer_host);
        let person = visit.visitor.bot.is_empty() && !spam;
        let mut pages = 1;
        // A referrer's spammer has shown what there is to show with one.
        while !spam && pages < MAX_PAGES && chance(rng, if person { 640 } else { 900 }) {
            pages += 1;
        }
        for _ in 0..pages {
            let gone = chance(rng, MISSING);
            let path = if gone { pick(rng, clinic::GONE) } else { self.paths.pick(rng) };
            let row = self.page_row(rng, visit, from, path, time);
            let mut page = Page { row, rows, last: time, now };
            time = if gone {
                page.write(time, EventKind::Missing, |_| {});
                time + i64::from(rng.u32(1_500..9_000))
            } else if person {
                read(rng, &mut page, time)
            } else {
                page.write(time, EventKind::View, |_| {});
                time + i64::from(rng.u32(300..4_000))
            };
            from = Some(path);
            if time > now {
                break;
            }
        }
        time
    }

    /// What the rows of one page load share.
    fn page_row<'a>(
        &'a self,
        rng: &mut Rng,
        visit: &Visit<'_>,
        from: Option<&'a str>,
        path: &'a str,
        time: i64,
    ) -> EventRow<'a> {
        let Visit { visitor, epoch, .. } = *visit;
        let way = &WAYS[visit.way];
        let first = from.is_none();
        let [utm_source, utm_medium, utm_campaign] = if first { way.campaign } else { ["", "", ""] };
        let click_id = if first { way.click_id } else { "" };
        let referrer_host = if first { way.referrer_host } else { clinic::HOST };
        let (source, channel) = if first { &self.sources.of_ways[visit.way] } else { &self.sources.within };
        let (bot, bot_category) = assemble::bot(visitor.bot, visitor.bot_category, referrer_host);
        let received = time + i64::from(rng.u32(1_040..1_900));
        EventRow {
            page_load: rng.u64(..),
            time: UnixMillis(time),
            received: UnixMillis(received),
            expires: UnixDay(
                u16::try_from(received / DAY_MS).unwrap_or(u16::MAX).saturating_add(self.retention),
            ),
            site: SITE,
            host: clinic::HOST,
            path,
            visitor: mix(visitor.key, u64::from(epoch)),
            address: mix(visitor.address, u64::from(epoch)),
            epoch,
            policy: &self.policy,
            referrer_host,
            referrer_path: from.unwrap_or(way.referrer_path),
            source,
            channel,
            utm_source,
            utm_medium,
            utm_campaign,
            click_id,
            browser: visitor.browser.name,
            browser_version: visitor.version,
            engine: visitor.browser.engine,
            os: visitor.browser.os,
            os_version: visitor.os_version,
            device: visitor.device,
            bot,
            bot_category,
            spoofed: visitor.spoofed,
            data_centre: enrich::is_data_centre(visitor.network.0),
            language: visitor.language,
            timezone: visitor.timezone,
            screen_width: visitor.screen.0,
            screen_height: visitor.screen.1,
            country: visitor.place.country,
            region: visitor.place.region,
            city: visitor.place.city,
            asn: visitor.network.0,
            network: visitor.network.1,
            ip_version: visitor.ip_version,
            cookies_enabled: true,
            ..EventRow::default()
        }
    }

    /// The turn of the key at or before a time (Unix ms), in Unix s.
    fn epoch(&self, time: i64) -> u32 {
        let turn = || {
            let zoned = jiff::Timestamp::from_millisecond(time).ok()?.to_zoned(self.zone.clone());
            let date =
                if zoned.time() >= self.rotate_at { zoned.date() } else { zoned.date().yesterday().ok()? };
            let turn = date.to_datetime(self.rotate_at).to_zoned(self.zone.clone()).ok()?;
            u32::try_from(turn.timestamp().as_second()).ok()
        };
        turn().unwrap_or_default()
    }
}

/// Writes what a person does on one page and says when they leave it.
fn read(rng: &mut Rng, page: &mut Page<'_, '_>, time: i64) -> i64 {
    let dwell = log_normal(rng, 28_000.0, 1.0).clamp(1_200.0, 20.0 * 60_000.0) as i64;
    let left = time + dwell;
    page.last = left + i64::from(rng.u32(30..600));
    page.write(time, EventKind::View, |_| {});
    if chance(rng, ERRORS) {
        let (message, source, line, column, stack) = pick(rng, clinic::ERRORS);
        page.write(time + i64::from(rng.u32(200..1_000)), EventKind::Error, |row| {
            row.error_message = message;
            row.error_source = source;
            row.error_line = line;
            row.error_column = column;
            row.error_stack = stack;
            row.error_group = enrich::error_group(message, source);
        });
    }
    if chance(rng, RESOURCES) {
        let (name, props) = pick(rng, clinic::BROKEN);
        page.write(time + i64::from(rng.u32(300..1_200)), EventKind::Resource, |row| {
            row.name = name;
            row.props = props;
        });
    }
    advertise(rng, page, time, dwell);
    act(rng, page, time, dwell);
    let engaged = (dwell as f64 * (0.35 + 0.6 * rng.f64())) as u32;
    let depth = (rng.f64().sqrt() * 100.0) as u8;
    vitals(rng, page, left);
    page.write(left, EventKind::Leave, |row| {
        row.engaged_ms = engaged;
        row.scroll_depth = depth;
    });
    left + i64::from(rng.u32(100..700))
}

/// The advertising block of two pages in five: shown, seen by seven in ten, clicked by two in a hundred of those.
fn advertise(rng: &mut Rng, page: &mut Page<'_, '_>, time: i64, dwell: i64) {
    if !chance(rng, 400) {
        return;
    }
    let (ad, slot) = pick(rng, ADS);
    let mut shown = |time: i64, name: &'static str| {
        page.write(time, EventKind::Ad, |row| {
            row.name = name;
            row.ad = ad;
            row.slot = slot;
        });
    };
    shown(time + i64::from(rng.u32(250..900)), "impression");
    if dwell > 2_500 && chance(rng, 700) {
        shown(time + i64::from(rng.u32(1_300..2_400)), "viewable");
        if chance(rng, 20) {
            shown(time + dwell - 150, "click");
        }
    }
}

/// Bookings, links away and downloads.
fn act(rng: &mut Rng, page: &mut Page<'_, '_>, time: i64, dwell: i64) {
    let at = time + dwell * 3 / 4;
    let booking = if page.row.path == "/booking" { 260 } else { 4 };
    if chance(rng, booking) {
        let props = &clinic::BOOKINGS[rng.usize(..clinic::BOOKINGS.len())];
        page.write(at, EventKind::Event, |row| {
            row.name = "booking";
            row.props = props;
        });
    }
    if chance(rng, 15) {
        let name = pick(rng, &["yandex.ru/maps", "t.me/clinic_example", "prodoctorov.ru/moskva"]);
        page.write(at + 10, EventKind::Outbound, |row| row.name = name);
    }
    if chance(rng, 8) {
        let name = pick(rng, &["clinic.example/files/price-list.pdf", "clinic.example/files/consent.pdf"]);
        page.write(at + 20, EventKind::Download, |row| row.name = name);
    }
}

/// How fast the page was: medians as in the field, wider for phones, with a long tail.
fn vitals(rng: &mut Rng, page: &mut Page<'_, '_>, time: i64) {
    let phone = page.row.device == DeviceClass::Mobile;
    let slow = if phone { 1.45 } else { 1.0 };
    let dns = log_normal(rng, 12.0 * slow, 0.9);
    let connect = log_normal(rng, 28.0 * slow, 0.7);
    let tls = log_normal(rng, 36.0 * slow, 0.6);
    let ttfb = dns + connect + tls + log_normal(rng, 160.0, 0.6);
    let fcp = ttfb + log_normal(rng, 550.0 * slow, 0.5);
    let lcp = fcp + log_normal(rng, 620.0 * slow, 0.7);
    let load = lcp + log_normal(rng, 500.0 * slow, 0.8);
    let shift = if chance(rng, 450) { 0.0 } else { log_normal(rng, 0.04, 1.1).min(2.0) };
    let answer = chance(rng, 620).then(|| log_normal(rng, 90.0 * slow, 0.8) as u32);
    let measured = !matches!(page.row.engine, "WebKit");
    page.write(time, EventKind::Vitals, |row| {
        row.ttfb_ms = Some(ttfb as u32);
        row.fcp_ms = Some(fcp as u32);
        row.dns_ms = Some(dns as u32);
        row.connect_ms = Some(connect as u32);
        row.tls_ms = Some(tls as u32);
        row.load_ms = Some(load as u32);
        // These come with the browser's own measurements alone.
        row.lcp_ms = measured.then_some(lcp as u32);
        row.inp_ms = answer.filter(|_| measured);
        row.cls = measured.then_some((shift as f32 * 1_000.0).round() / 1_000.0);
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::BotCategory;

    /// A Wednesday.
    const DAY: Date = Date::constant(2026, 11, 18);
    const LATER: i64 = 1_800_000_000_000;

    fn traffic(seed: u64) -> Traffic {
        Traffic {
            seed,
            zone: TimeZone::get("Europe/Moscow").expect("a zone"),
            rotate_at: Time::constant(4, 0, 0, 0),
            retention: 400,
            policy: "2026-11-22".to_owned(),
            paths: Paths::new(),
            sources: Sources::new(),
        }
    }

    fn rows(seed: u64, now: i64) -> (usize, Vec<u8>) {
        let (mut count, mut bytes) = (0, Vec::new());
        traffic(seed).day(DAY, 200, now, 500, |rows| {
            count += rows.count;
            bytes.extend(rows.bytes);
            true
        });
        (count, bytes)
    }

    #[test]
    fn the_same_seed_makes_the_same_rows_and_another_seed_makes_others() {
        assert_eq!(rows(1, LATER), rows(1, LATER));
        assert_ne!(rows(1, LATER), rows(2, LATER));
    }

    #[test]
    fn a_visitor_leaves_some_events_and_nothing_lies_in_the_future() {
        let (all, _) = rows(1, LATER);
        assert!((1_000..10_000).contains(&all), "{all} rows of about 200 visitors");
        // The noon of that day in Moscow.
        let (half, _) = rows(1, 1_794_992_400_000);
        assert!(half > all / 5 && half < all * 4 / 5, "{half} of {all} rows by noon");
        assert_eq!(rows(1, 0).0, 0);
    }

    #[test]
    fn every_category_of_bots_comes_data_centres_and_contradictions_too_and_people_mostly_from_home() {
        let mut rng = Rng::with_seed(3);
        let visitors: Vec<_> = (0..20_000).map(|_| Visitor::new(&mut rng)).collect();
        for category in BotCategory::BOTS {
            // Other is what referrers' spammers are.
            let comes = visitors.iter().any(|visitor| visitor.bot_category == category);
            assert_eq!(comes, category != BotCategory::Other, "{category:?}");
        }
        for visitor in &visitors {
            assert_eq!(visitor.bot.is_empty(), visitor.bot_category == BotCategory::None);
            assert_eq!(visitor.bot.is_empty(), visitor.device != DeviceClass::Bot);
        }
        let share = |of: &dyn Fn(&&Visitor) -> bool| visitors.iter().filter(of).count() as f64 / 20_000.0;
        let rented = share(&|visitor| visitor.bot.is_empty() && enrich::is_data_centre(visitor.network.0));
        assert!((0.02..0.05).contains(&rented), "{rented} of all are people from data centres");
        let of_bots = share(&|visitor| !visitor.bot.is_empty() && enrich::is_data_centre(visitor.network.0));
        assert!((0.01..0.025).contains(&of_bots), "{of_bots} of all are bots from data centres");
        let spoofed = share(&|visitor| visitor.spoofed);
        assert!((0.002..0.007).contains(&spoofed), "{spoofed} of all contradict themselves");
        assert!(WAYS.iter().any(|way| enrich::is_spam_referrer(way.referrer_host)));
    }

    #[test]
    fn ways_to_the_clinic_are_named_as_the_collector_names_them() {
        let sources = Sources::new();
        assert_eq!(sources.of_ways[0], ("Direct".to_owned(), "Direct"));
        assert_eq!(sources.of_ways[1], ("Yandex".to_owned(), "Organic Search"));
        assert_eq!(sources.within.1, "Direct");
    }
}
