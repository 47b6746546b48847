//! Plausible traffic of the demonstration clinic, as rows. The same seed generates the same rows, including all ids.

mod releases;

use std::ops::Range;

use fastrand::Rng;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::demo::clinic::{self, REFERRALS, SITE};
use crate::demo::days::SecondsOfDay;
use crate::demo::draw::{chance, mix, pick, weighted};
use crate::demo::page_view::{EncodedRows, PageWriter, read_page};
use crate::demo::visitor::DemoVisitor;
use crate::enrich::{self, ReferrerOrigin};
use crate::event::{EventKind, EventRow, ScreenClass, UnixDay, UnixSeconds};
use crate::ingest::assemble;
use crate::privacy::scrub::Campaign;
use releases::DayReleases;

/// Views of pages that no longer exist, per 1,000.
const MISSING_PAGES: u32 = 8;
/// Visitors who come back later on the same day, per 1,000.
const RETURNING: u32 = 180;
/// Longest visit, in pages.
const MAX_PAGES: u32 = 25;

pub(crate) struct Traffic {
    pub(crate) seed: u64,
    pub(crate) zone: TimeZone,
    /// In days.
    pub(crate) retention: u16,
    pub(crate) policy: String,
    pub(crate) paths: PagePaths,
    pub(crate) sources: ReferralSources,
}

/// Source and channel of each referral, as the collector derives them.
pub(crate) struct ReferralSources {
    of_referrals: Vec<(String, &'static str)>,
    internal: (String, &'static str),
}

impl ReferralSources {
    pub(crate) fn new() -> Self {
        let find = |referrer_host: &str, [source, medium, campaign]: [&str; 3], click_id: &str| {
            let campaign = Campaign {
                source: source.into(),
                medium: medium.into(),
                campaign: campaign.into(),
                ..Campaign::default()
            };
            let found = enrich::traffic_source(
                ReferrerOrigin::Site(referrer_host),
                clinic::HOST,
                &campaign,
                click_id,
            );
            (found.name.to_owned(), found.channel)
        };
        Self {
            of_referrals: REFERRALS
                .iter()
                .map(|way| find(way.referrer_host, way.campaign, way.click_id))
                .collect(),
            internal: find(clinic::HOST, [""; 3], ""),
        }
    }
}

/// The clinic's pages, the most popular first.
pub(crate) struct PagePaths {
    all: Vec<String>,
}

impl PagePaths {
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
        // The cube of a uniform number in 0..1 prefers the first pages, as visitors do.
        let at = rng.f64().powi(3) * self.all.len() as f64;
        &self.all[at as usize]
    }
}

struct DemoDay<'d> {
    /// Unix ms.
    midnight: i64,
    /// How many visits begin in each hour, relative to each other.
    hours: &'d [u32; 24],
    releases: &'d DayReleases,
}

struct DemoVisit<'v> {
    visitor: &'v DemoVisitor,
    /// Index into [`REFERRALS`].
    referral: usize,
    epoch: u32,
    releases: &'v DayReleases,
}

impl Traffic {
    /// Generates the events within `part` of a day of about `visitors` visitors. Passes the rows to `accept` in batches of at least
    /// `batch` rows, and stops when it returns false. The batches stand for segments, the first of them with the number `segment`.
    pub(crate) fn day(
        &self,
        date: Date,
        visitors: u32,
        part: &SecondsOfDay,
        batch: usize,
        segment: u64,
        mut accept: impl FnMut(EncodedRows) -> bool,
    ) {
        let Ok(midnight) = date.to_zoned(self.zone.clone()) else { return };
        // A visit ends with its day.
        let next = date.tomorrow().and_then(|next| next.to_zoned(self.zone.clone()));
        let midnight = midnight.timestamp().as_millisecond();
        let [from, until] = [part.start, part.end].map(|second| midnight + i64::from(second) * 1_000);
        let until = next.map_or(until, |next| until.min(next.timestamp().as_millisecond()));
        let span = from..until;
        let mut rng =
            Rng::with_seed(self.seed ^ midnight.cast_unsigned().wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let weekday = usize::from(date.weekday().to_monday_zero_offset().unsigned_abs());
        let visitors = f64::from(visitors * clinic::WEEK[weekday]) / 100.0 * (0.92 + 0.16 * rng.f64());
        let releases = DayReleases::new(date, &self.zone);
        let mut rows = EncodedRows { segment, ..EncodedRows::default() };
        for _ in 0..visitors as u32 {
            let mut rng = rng.fork();
            let day =
                DemoDay { midnight, hours: &clinic::HOURS[usize::from(weekday > 4)], releases: &releases };
            self.visitor(&mut rng, &day, &span, &mut rows);
            if rows.count >= batch {
                let next = EncodedRows { segment: rows.segment + 1, ..EncodedRows::default() };
                if !accept(std::mem::replace(&mut rows, next)) {
                    return;
                }
            }
        }
        if rows.count > 0 {
            accept(rows);
        }
    }

    fn visitor(&self, rng: &mut Rng, day: &DemoDay<'_>, span: &Range<i64>, rows: &mut EncodedRows) {
        let DemoDay { midnight, hours, releases } = *day;
        let visitor = DemoVisitor::new(rng);
        let hour = weighted(rng, hours.iter().copied()) as i64;
        let mut start =
            midnight + (hour * 3_600 + i64::from(rng.u32(..3_600))) * 1_000 + i64::from(rng.u32(..1_000));
        let mut referral = weighted(rng, REFERRALS.iter().map(|way| way.weight));
        loop {
            let epoch = UnixSeconds::from_millis(midnight).0;
            let visit = DemoVisit { visitor: &visitor, referral, epoch, releases };
            let end = self.visit(rng, &visit, start, span, rows);
            if !chance(rng, RETURNING) || end >= span.end {
                return;
            }
            // Most returning visitors type the address.
            if chance(rng, 600) {
                referral = 0;
            }
            start = end + i64::from(rng.u32(40 * 60..8 * 3_600)) * 1_000;
        }
    }

    /// Returns the end of the visit, Unix ms.
    fn visit(
        &self,
        rng: &mut Rng,
        visit: &DemoVisit<'_>,
        start: i64,
        span: &Range<i64>,
        rows: &mut EncodedRows,
    ) -> i64 {
        let mut time = start;
        let mut from: Option<&str> = None;
        let spam = enrich::is_spam_referrer(REFERRALS[visit.referral].referrer_host);
        let person = visit.visitor.bot.is_empty() && !spam;
        let mut pages = 1;
        // Referrer spam views one page.
        while !spam && pages < MAX_PAGES && chance(rng, if person { 640 } else { 900 }) {
            pages += 1;
        }
        for _ in 0..pages {
            let gone = chance(rng, MISSING_PAGES);
            let path = if gone { pick(rng, clinic::GONE) } else { self.paths.pick(rng) };
            let row = self.page_row(rng, visit, from, path, time);
            let DemoVisitor { browser, version, .. } = visit.visitor;
            let is_broken = visit.releases.at(time).fails_in(browser, version);
            let mut page = PageWriter { row, rows, is_broken, last: time, span };
            time = if gone {
                page.write(time, EventKind::Missing, |_| {});
                time + i64::from(rng.u32(1_500..9_000))
            } else if person {
                read_page(rng, &mut page, time)
            } else {
                page.write(time, EventKind::View, |_| {});
                time + i64::from(rng.u32(300..4_000))
            };
            from = Some(path);
            if time >= span.end {
                break;
            }
        }
        time
    }

    /// The columns that all rows of one page load share.
    fn page_row<'a>(
        &'a self,
        rng: &mut Rng,
        visit: &DemoVisit<'a>,
        from: Option<&'a str>,
        path: &'a str,
        time: i64,
    ) -> EventRow<'a> {
        let DemoVisit { visitor, epoch, releases, .. } = *visit;
        let referral = &REFERRALS[visit.referral];
        let first = from.is_none();
        let [utm_source, utm_medium, utm_campaign] = if first { referral.campaign } else { ["", "", ""] };
        let click_id = if first { referral.click_id } else { "" };
        let referrer_host = if first { referral.referrer_host } else { clinic::HOST };
        let (source, channel) =
            if first { &self.sources.of_referrals[visit.referral] } else { &self.sources.internal };
        let (bot, bot_category) = assemble::page_bot(visitor.bot, visitor.bot_category, referrer_host);
        let received = UnixSeconds::from_millis(time + i64::from(rng.u32(1_040..1_900)));
        EventRow {
            page_load: rng.u64(..),
            seq: rng.u32(..1 << 31),
            time: UnixSeconds::from_millis(time),
            received,
            expires: UnixDay(received.day().0.saturating_add(self.retention)),
            site: SITE,
            host: clinic::HOST,
            path,
            release: &releases.at(time).name,
            visitor: mix(visitor.key, u64::from(epoch)),
            address: mix(visitor.address, u64::from(epoch)),
            epoch,
            policy: &self.policy,
            referrer_host,
            referrer_path: from.unwrap_or(referral.referrer_path),
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
            screen: ScreenClass::from_width(visitor.screen.0),
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::days::WHOLE_DAY;
    use crate::event::{BotCategory, DeviceClass};

    /// A Wednesday.
    const DAY: Date = Date::constant(2026, 11, 18);
    const WHOLE: SecondsOfDay = 0..WHOLE_DAY;

    fn traffic(seed: u64) -> Traffic {
        Traffic {
            seed,
            zone: TimeZone::get("Europe/Moscow").expect("a zone"),
            retention: 400,
            policy: "2026-11-22".to_owned(),
            paths: PagePaths::new(),
            sources: ReferralSources::new(),
        }
    }

    fn rows(seed: u64, part: &SecondsOfDay) -> (usize, Vec<u8>) {
        let (mut count, mut bytes) = (0, Vec::new());
        traffic(seed).day(DAY, 200, part, 500, 0, |rows| {
            count += rows.count;
            bytes.extend(rows.bytes);
            true
        });
        (count, bytes)
    }

    #[test]
    fn the_same_seed_makes_the_same_rows_and_another_seed_makes_others() {
        assert_eq!(rows(1, &WHOLE), rows(1, &WHOLE));
        assert_ne!(rows(1, &WHOLE), rows(2, &WHOLE));
    }

    #[test]
    fn the_parts_of_a_day_have_each_of_its_events_once() {
        /// The identities of the events: page load and number, which begin each row.
        fn events(part: &SecondsOfDay) -> Vec<[u8; 12]> {
            let mut found = Vec::new();
            traffic(1).day(DAY, 200, part, 1, 0, |rows| {
                found.extend(rows.identities);
                true
            });
            found.sort_unstable();
            found
        }
        let whole = events(&WHOLE);
        assert!(whole.len() > 1_000, "{}", whole.len());
        let cuts = [0, 1, 36_000, 43_217, 43_218, 80_000, WHOLE_DAY];
        let mut parts: Vec<_> = cuts.windows(2).flat_map(|cut| events(&(cut[0]..cut[1]))).collect();
        parts.sort_unstable();
        assert_eq!(parts, whole);
        parts.dedup();
        assert_eq!(parts, whole, "no two events have one identity");
    }

    #[test]
    fn a_visitor_causes_several_events_and_none_lies_in_the_future() {
        let (all, _) = rows(1, &WHOLE);
        assert!((1_000..10_000).contains(&all), "{all} rows of about 200 visitors");
        let (half, _) = rows(1, &(0..12 * 3_600));
        assert!(half > all / 5 && half < all * 4 / 5, "{half} of {all} rows by noon");
        assert_eq!(rows(1, &(0..0)).0, 0);
    }

    #[test]
    fn there_are_bots_of_every_category_and_some_people_from_data_centres_or_with_spoofed_browsers() {
        let mut rng = Rng::with_seed(3);
        let visitors: Vec<_> = (0..20_000).map(|_| DemoVisitor::new(&mut rng)).collect();
        for category in BotCategory::BOTS {
            // Referrer spam is the category other.
            let comes = visitors.iter().any(|visitor| visitor.bot_category == category);
            assert_eq!(comes, category != BotCategory::Other, "{category:?}");
        }
        for visitor in &visitors {
            assert_eq!(visitor.bot.is_empty(), visitor.bot_category == BotCategory::None);
            assert_eq!(visitor.bot.is_empty(), visitor.device != DeviceClass::Bot);
        }
        let share = |of: &dyn Fn(&&DemoVisitor) -> bool| visitors.iter().filter(of).count() as f64 / 20_000.0;
        let rented = share(&|visitor| visitor.bot.is_empty() && enrich::is_data_centre(visitor.network.0));
        assert!((0.02..0.05).contains(&rented), "{rented} of all are people from data centres");
        let of_bots = share(&|visitor| !visitor.bot.is_empty() && enrich::is_data_centre(visitor.network.0));
        assert!((0.01..0.025).contains(&of_bots), "{of_bots} of all are bots from data centres");
        let spoofed = share(&|visitor| visitor.spoofed);
        assert!((0.002..0.007).contains(&spoofed), "{spoofed} of all contradict themselves");
        assert!(REFERRALS.iter().any(|way| enrich::is_spam_referrer(way.referrer_host)));
    }

    #[test]
    fn referrals_have_the_sources_that_the_collector_derives() {
        let sources = ReferralSources::new();
        assert_eq!(sources.of_referrals[0], ("Direct".to_owned(), "Direct"));
        assert_eq!(sources.of_referrals[1], ("Yandex".to_owned(), "Organic Search"));
        assert_eq!(sources.internal.1, "Direct");
    }
}
