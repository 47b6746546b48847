//! A few days of a small site whose every figure is worked out by hand in the tests beside.
//!
//! The zone is Europe/Berlin. 2026-10-25 has 25 hours there: 02:30 comes twice. Pseudonyms change with each day's key at midnight.
//!
//! ```text
//! 22nd  B  one view
//! 24th  A  10:00 /, /doctors, an error, left at 10:02 · 15:00 /prices          B  12:00 /, a booking, an error     bot: 3 views
//! 25th  B  00:30Z /        C  01:30Z /contacts and /old, missing               A  23:50 /
//! 26th  A  00:05 /prices · 09:00 / with advertising, vitals, an error, a broken image, left at 09:00:20
//! ```
//!
//! The pages of the 24th are of release 2026.10.20, those of the 26th of 2026.10.25, and the others name none.

use footfall::config::{Funnel, Goal, GoalCondition, PagePattern, Site, Sites};
use footfall::event::{
    BotCategory, DeviceClass, EventKind, EventRow, ScreenClass, UniqueText, UnixDay, UnixSeconds,
};
use jiff::tz::TimeZone;

pub const ZONE: &str = "Europe/Berlin";
pub const SITE: &str = "clinic";

/// Rows in RowBinary, with ids of their own.
#[derive(Default)]
pub struct Rows {
    pub bytes: Vec<u8>,
    /// Of events that name none.
    pub release: &'static str,
    count: u32,
}

impl Rows {
    /// Adds an event at a local time such as `2026-10-24 10:00:00`, or at one in UTC that ends in `Z`.
    pub fn add(&mut self, at: &str, who: &EventRow<'static>, what: EventRow<'static>) {
        self.at(moment(at), who, what);
    }

    /// Adds an event at a time in ms. Its page load has no other event, unless it names one.
    pub fn at(&mut self, ms: i64, who: &EventRow<'static>, what: EventRow<'static>) {
        let row = EventRow {
            page_load: if what.page_load == 0 { u64::from(self.count) } else { what.page_load },
            seq: self.count,
            time: UnixSeconds::from_millis(ms),
            received: UnixSeconds::from_millis(ms),
            expires: UnixDay(u16::MAX - 1),
            site: if what.site.is_empty() { SITE } else { what.site },
            host: "clinic.example",
            release: if what.release.is_empty() { self.release } else { what.release },
            visitor: who.visitor,
            address: who.address,
            epoch: who.epoch,
            policy: "2026-01-01",
            browser: who.browser,
            browser_version: who.browser_version,
            os: who.os,
            os_version: who.os_version,
            device: who.device,
            bot: who.bot,
            bot_category: who.bot_category,
            spoofed: who.spoofed,
            data_centre: who.data_centre,
            language: who.language,
            screen: who.screen,
            country: who.country,
            region: who.region,
            city: who.city,
            asn: who.asn,
            network: who.network,
            ip_version: who.ip_version,
            cookies_enabled: true,
            ..what
        };
        row.encode(&mut self.bytes);
        self.count += 1;
    }
}

/// Unix time in ms of a local time, or of one in UTC.
pub fn moment(at: &str) -> i64 {
    if at.ends_with('Z') {
        return at.parse::<jiff::Timestamp>().unwrap().as_millisecond();
    }
    let zone = TimeZone::get(ZONE).unwrap();
    let local: jiff::civil::DateTime = at.parse().unwrap();
    local.to_zoned(zone).unwrap().timestamp().as_millisecond()
}

/// The visitors of the day (of the month) on which a key came into force.
pub fn person(name: char, day: u64) -> EventRow<'static> {
    let of = |n: u64| (day << 8) + n;
    let epoch = moment(&format!("2026-10-{day:02} 00:00:00")) / 1000;
    let common = EventRow { epoch: epoch as u32, ip_version: 4, ..EventRow::default() };
    match name {
        'A' => EventRow {
            visitor: of(1),
            address: of(11),
            browser: "Chrome",
            browser_version: "140",
            os: "Windows",
            os_version: "11",
            device: DeviceClass::Desktop,
            screen: ScreenClass::From1440,
            language: "ru-RU",
            country: "RU",
            region: "Moscow Oblast",
            city: "Moscow",
            asn: 12389,
            network: "Rostelecom",
            ..common
        },
        'B' => EventRow {
            visitor: of(2),
            address: of(12),
            browser: "Safari",
            browser_version: "18",
            os: "iOS",
            os_version: "18",
            device: DeviceClass::Mobile,
            screen: ScreenClass::Under600,
            language: "de-DE",
            country: "DE",
            region: "Berlin",
            city: "Berlin",
            asn: 3320,
            network: "Deutsche Telekom",
            ip_version: 6,
            ..common
        },
        // At A's address, with another browser, which contradicts itself.
        'C' => EventRow {
            visitor: of(3),
            address: of(11),
            browser: "Firefox",
            spoofed: true,
            browser_version: "143",
            os: "Linux",
            device: DeviceClass::Desktop,
            screen: ScreenClass::From1440,
            language: "ru-RU",
            country: "RU",
            region: "Moscow Oblast",
            city: "Moscow",
            asn: 12389,
            network: "Rostelecom",
            ..common
        },
        'G' => EventRow {
            visitor: of(9),
            address: of(19),
            browser: "Googlebot",
            device: DeviceClass::Bot,
            bot: "Googlebot",
            bot_category: BotCategory::Search,
            data_centre: true,
            country: "US",
            asn: 15169,
            network: "Google",
            ..common
        },
        // A person's browser, sent there to show its referrer.
        'S' => EventRow {
            visitor: of(10),
            address: of(20),
            browser: "Opera",
            browser_version: "123",
            os: "macOS",
            os_version: "15",
            device: DeviceClass::Desktop,
            bot: "referrer spam",
            bot_category: BotCategory::Other,
            language: "fr-FR",
            country: "FR",
            region: "Ile-de-France",
            city: "Paris",
            asn: 12322,
            network: "Free SAS",
            ..common
        },
        _ => unreachable!("nobody else visits"),
    }
}

pub fn view(path: &'static str) -> EventRow<'static> {
    EventRow { kind: EventKind::View, path, source: "Direct", channel: "Direct", ..EventRow::default() }
}

pub fn what(kind: EventKind, path: &'static str, name: &'static str) -> EventRow<'static> {
    EventRow { kind, path, name, ..EventRow::default() }
}

fn error(group: u64, message: &'static str, path: &'static str) -> EventRow<'static> {
    EventRow {
        kind: EventKind::Error,
        path,
        error_group: group,
        error_message: UniqueText(message),
        error_source: UniqueText("clinic.example/app.js"),
        error_line: 10,
        error_column: 5,
        error_stack: UniqueText("at f"),
        ..EventRow::default()
    }
}

pub fn ad(slot: &'static str, name: &'static str) -> EventRow<'static> {
    EventRow { ad: "spring", slot, ..what(EventKind::Ad, "/", name) }
}

/// What a crawler and a referrer's spammer add to those days, and to the last half hour: an event of every kind each.
pub fn bots() -> Vec<u8> {
    let mut rows = Rows { count: 1_000, ..Rows::default() };
    let now = jiff::Timestamp::now().as_millisecond() - 60_000;
    for name in ['G', 'S'] {
        for (second, kind) in EventKind::ALL.into_iter().enumerate() {
            let path = "/for-bots";
            let event = match kind {
                EventKind::View => EventRow {
                    referrer_host: "spam.example",
                    source: "spam.example",
                    channel: "Referral",
                    utm_source: "spam",
                    utm_medium: "bot",
                    utm_campaign: "made-up",
                    utm_content: "made-up",
                    utm_term: "made-up",
                    ..view(path)
                },
                EventKind::Leave => EventRow { engaged_ms: 9_000, ..what(kind, path, "") },
                EventKind::Event => EventRow { props: &[("bot", "1")], ..what(kind, path, "made-up") },
                EventKind::Ad => ad("bots", "impression"),
                EventKind::Error => error(0xb0, "bot", path),
                EventKind::Vitals => EventRow { lcp_ms: Some(9_999), ..what(kind, path, "") },
                EventKind::Missing => what(kind, "/gone", ""),
                EventKind::Outbound | EventKind::Download | EventKind::Resource => {
                    what(kind, path, "elsewhere.example/x")
                }
            };
            rows.add(&format!("2026-10-24 18:00:{second:02}"), &person(name, 24), event.clone());
            rows.add(&format!("2026-10-26 18:00:{second:02}"), &person(name, 26), event.clone());
            rows.at(now, &person(name, 27), event);
        }
    }
    rows.bytes
}

/// The goals and the funnel of the site.
pub fn settings() -> Sites {
    let goal = |name: &str, condition| Goal { name: name.to_owned(), condition };
    let page = |pattern| PagePattern::parse(pattern).unwrap();
    let booking = goal("Booking", GoalCondition::Event("booking".to_owned()));
    let goals = vec![
        booking.clone(),
        goal("Prices", GoalCondition::Page(page("/pri*"))),
        goal("Spring", GoalCondition::AdClick("spring".to_owned())),
        goal("Doctors", GoalCondition::Scroll { percent: 75, page: Some(page("/doctors")) }),
    ];
    let steps = vec![goal("Home", GoalCondition::Page(page("/"))), booking];
    let funnels = vec![Funnel { name: "Booking".to_owned(), steps }];
    Sites::new([Site { id: SITE.into(), goals, funnels, ..Site::localhost() }])
}

/// The days of the table above.
pub fn small_site() -> Vec<u8> {
    let mut rows = Rows::default();
    rows.add("2026-10-22 12:00:00", &person('B', 22), view("/"));
    saturday(&mut rows);
    sunday(&mut rows);
    monday(&mut rows);
    rows.bytes
}

fn saturday(rows: &mut Rows) {
    rows.release = "2026.10.20";
    let (a, b, g) = (person('A', 24), person('B', 24), person('G', 24));
    let google = EventRow {
        referrer_host: "google.com",
        referrer_path: "/",
        source: "Google",
        channel: "Organic Search",
        ..view("/")
    };
    rows.add("2026-10-24 10:00:00", &a, google);
    rows.add("2026-10-24 10:00:30", &a, view("/doctors"));
    rows.add("2026-10-24 10:01:00", &a, error(0xaa, "boom", "/doctors"));
    rows.add(
        "2026-10-24 10:02:00",
        &a,
        EventRow { engaged_ms: 60_000, scroll_depth: 80, ..what(EventKind::Leave, "/doctors", "") },
    );
    rows.add("2026-10-24 15:00:00", &a, view("/prices"));
    let campaign = EventRow {
        source: "VK",
        channel: "Paid Social",
        utm_source: "vk",
        utm_medium: "cpc",
        utm_campaign: "autumn",
        utm_content: "banner-2",
        ..view("/")
    };
    rows.add("2026-10-24 12:00:00", &b, campaign);
    rows.add("2026-10-24 12:00:05", &b, error(0xff, "x is null", "/"));
    let props: &[(&str, &str)] = &[("doctor", "Ivanov"), ("online", "1")];
    rows.add("2026-10-24 12:00:10", &b, EventRow { props, ..what(EventKind::Event, "/", "booking") });
    for second in ["01", "02", "03"] {
        rows.add(&format!("2026-10-24 13:00:{second}"), &g, view("/"));
    }
}

fn sunday(rows: &mut Rows) {
    rows.release = "";
    let (b, c, a) = (person('B', 25), person('C', 25), person('A', 25));
    rows.add("2026-10-25T00:30:00Z", &b, view("/"));
    rows.add("2026-10-25T01:30:00Z", &c, view("/contacts"));
    let missing = EventRow {
        referrer_host: "clinic.example",
        referrer_path: "/contacts",
        ..what(EventKind::Missing, "/old", "")
    };
    rows.add("2026-10-25T01:30:00Z", &c, missing);
    rows.add("2026-10-25 23:50:00", &a, view("/"));
}

fn monday(rows: &mut Rows) {
    rows.release = "2026.10.25";
    let a = person('A', 26);
    rows.add("2026-10-26 00:05:00", &a, view("/prices"));
    rows.add("2026-10-26 09:00:00", &a, view("/"));
    for (second, slot, name) in [
        ("02", "top", "impression"),
        ("03", "top", "impression"),
        ("04", "top", "impression"),
        ("05", "top", "viewable"),
        ("06", "top", "viewable"),
        ("10", "top", "click"),
        ("12", "footer", "impression"),
    ] {
        rows.add(&format!("2026-10-26 09:00:{second}"), &a, ad(slot, name));
    }
    for lcp in [1000, 2000, 3000, 4000] {
        let vitals = EventRow { lcp_ms: Some(lcp), ..what(EventKind::Vitals, "/", "") };
        rows.add("2026-10-26 09:00:07", &a, vitals);
    }
    rows.add("2026-10-26 09:00:08", &a, EventRow { cls: Some(0.25), ..what(EventKind::Vitals, "/", "") });
    rows.add("2026-10-26 09:00:07", &a, error(0xff, "x is null", "/"));
    rows.add("2026-10-26 09:00:07", &a, error(0xff, "x is null", "/"));
    let tag: &[(&str, &str)] = &[("tag", "img")];
    let image = what(EventKind::Resource, "/", "clinic.example/img/x.png");
    rows.add("2026-10-26 09:00:08", &a, EventRow { props: tag, ..image });
    rows.add(
        "2026-10-26 09:00:20",
        &a,
        EventRow { engaged_ms: 15_000, scroll_depth: 30, ..what(EventKind::Leave, "/", "") },
    );
}
