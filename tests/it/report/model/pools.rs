//! What random ledgers are made of: few values of each kind, so that rows of reports have several events.

use footfall::event::{BotCategory, DeviceClass, ScreenClass};

use super::event::{Identity, Origin, ScriptError};

pub type Props = &'static [(&'static str, &'static str)];

pub const PATHS: [&str; 6] = ["/", "/prices", "/doctors", "/Doctors/ivanov", "/a|b", "/страница"];
pub const HOSTS: [&str; 3] = ["clinic.example", "clinic.example", "m.clinic.example"];
pub const GONE: [&str; 3] = ["/old", "/gone", "/prices"];
pub const RELEASES: [&str; 4] = ["", "2026.2-1", "2026.2-2", "3f2a9c1"];
pub const QUERIES: [&str; 3] = ["", "", "utm_source=vk"];
pub const EVENTS: [&str; 4] = ["booking", "call", "Booking", "chat"];
pub const PROPS: [Props; 6] = [
    &[],
    &[("doctor", "Иванов")],
    &[("doctor", "Петров"), ("online", "1")],
    &[("doctor", "Petrov|a\\b"), ("online", "0")],
    &[("online", "1"), ("empty", "")],
    &[("doctor", "")],
];
pub const LINKS: [&str; 3] = ["partner.example/", "vk.com/clinic", "maps.example/route"];
pub const FILES: [&str; 3] = ["clinic.example/price.pdf", "clinic.example/form.docx", "clinic.example/a.zip"];
pub const RESOURCES: [(&str, Props); 4] = [
    ("clinic.example/a.png", &[("tag", "img")]),
    ("clinic.example/app.js", &[("tag", "script")]),
    ("clinic.example/a.png", &[("tag", "source")]),
    ("cdn.example/x.css", &[]),
];
pub const ADS: [(&str, &str); 4] =
    [("spring", "top"), ("spring", "footer"), ("autumn", "top"), ("autumn", "")];
/// What happens to a block, as often as it is drawn.
pub const AD_ACTIONS: [&str; 6] = ["impression", "impression", "impression", "viewable", "viewable", "click"];
pub const COOKIES: [Props; 4] = [&[], &[], &[("ab", "A")], &[("ab", "B"), ("seen", "1")]];
pub const SCORES: [f32; 8] = [0.0, 0.05, 0.099, 0.1, 0.101, 0.25, 0.333, 1.5];
/// Times in ms around the thresholds of Web Vitals.
pub const TIMES: [u32; 14] = [0, 1, 20, 199, 200, 201, 799, 800, 801, 1800, 1801, 2499, 2500, 2501];

const ERROR: ScriptError = ScriptError {
    message: "boom",
    source: "clinic.example/app.js",
    line: 10,
    column: 5,
    stack: "at f",
    group: 0xaa,
};
pub const ERRORS: [ScriptError; 5] = [
    ERROR,
    ScriptError { message: "Boom 2", line: 12, ..ERROR },
    ScriptError { message: "x is null", group: u64::MAX, stack: "", ..ERROR },
    ScriptError { message: "Script error.", source: "", line: 0, column: 0, stack: "", group: 0xff },
    ScriptError { message: "rejected", source: "clinic.example/b.js", group: 0x0123_4567_89ab_cdef, ..ERROR },
];

const DIRECT: Origin = Origin {
    referrer_host: "",
    referrer_path: "",
    source: "Direct",
    channel: "Direct",
    utm_source: "",
    utm_medium: "",
    utm_campaign: "",
    utm_content: "",
    utm_term: "",
    click_id: "",
};
pub const ORIGINS: [Origin; 10] = [
    DIRECT,
    DIRECT,
    Origin {
        referrer_host: "google.com",
        referrer_path: "/",
        source: "Google",
        channel: "Organic Search",
        ..DIRECT
    },
    Origin {
        referrer_host: "blog.example",
        referrer_path: "/post",
        source: "blog.example",
        channel: "Referral",
        ..DIRECT
    },
    Origin { referrer_host: "clinic.example", referrer_path: "/prices", ..DIRECT },
    Origin {
        source: "VK",
        channel: "Paid Social",
        utm_source: "vk",
        utm_medium: "cpc",
        utm_campaign: "autumn",
        utm_content: "banner-2",
        ..DIRECT
    },
    Origin { source: "VK", channel: "Organic Social", utm_source: "vk", ..DIRECT },
    Origin { channel: "Unassigned", utm_campaign: "autumn", ..DIRECT },
    Origin { channel: "Unassigned", utm_term: "mri", ..DIRECT },
    Origin { source: "Yandex", channel: "Paid Search", utm_medium: "cpc", click_id: "yclid", ..DIRECT },
];

/// What the place of a client is known from.
fn place(client: usize) -> Identity {
    let none = Identity::default();
    match client % 5 {
        0 | 1 => Identity {
            country: "RU",
            region: "Moscow",
            city: "Moscow",
            asn: 12389,
            network: "Rostelecom",
            ..none
        },
        2 => Identity {
            country: "RU",
            region: "Tatarstan",
            city: "Kazan",
            asn: 12389,
            network: "Rostelecom",
            ..none
        },
        3 => Identity {
            country: "DE",
            region: "Berlin",
            city: "Berlin",
            asn: 3320,
            network: "Telekom",
            ..none
        },
        // Nothing is known.
        _ => none,
    }
}

/// How many clients there are besides bots.
pub const PEOPLE: usize = 14;
/// How many clients there are.
pub const CLIENTS: usize = PEOPLE + 4;

/// The client of a number, without its pseudonyms.
pub fn client(number: usize) -> Identity {
    let common = Identity {
        policy: if number.is_multiple_of(3) { "2026-01-01" } else { "2026-03-01" },
        expires: if number.is_multiple_of(4) { 65_000 } else { 65_001 },
        language: ["ru-RU", "de-DE", "", "en"][number % 4],
        timezone: ["Europe/Moscow", "Europe/Berlin"][number % 2],
        screen: [ScreenClass::Unknown, ScreenClass::Under600, ScreenClass::From1920][number % 3],
        ip_version: if number.is_multiple_of(3) { 6 } else { 4 },
        cookies_enabled: !number.is_multiple_of(5),
        ..place(number)
    };
    let server = Identity { data_centre: true, country: "US", region: "", city: "", ..common.clone() };
    let browser = |browser, browser_version, engine, os, os_version, device| Identity {
        browser,
        browser_version,
        engine,
        os,
        os_version,
        device,
        ..common.clone()
    };
    let bot = |bot, bot_category| Identity {
        browser: bot,
        bot,
        bot_category,
        device: DeviceClass::Bot,
        asn: 15169,
        network: "Google",
        ..server.clone()
    };
    match number {
        14 => bot("Googlebot", BotCategory::Search),
        15 => bot("GPTBot", BotCategory::Ai),
        16 => Identity {
            data_centre: false,
            ..Identity { country: "FR", asn: 0, network: "", ..bot("curl", BotCategory::Library) }
        },
        // A person behind a server's address.
        17 => Identity { browser: "Chrome", browser_version: "140", asn: 16509, network: "Amazon", ..server },
        // Its hints contradict its user agent.
        13 => Identity { spoofed: true, device: DeviceClass::Desktop, ..common },
        _ => match number % 4 {
            0 => browser("Chrome", "140", "Blink", "Windows", "11", DeviceClass::Desktop),
            1 => browser("Chrome", "141", "Blink", "Android", "15", DeviceClass::Mobile),
            2 => browser("Safari", "18", "WebKit", "iOS", "18", DeviceClass::Mobile),
            _ => browser("Firefox", "", "Gecko", "Linux", "", DeviceClass::Desktop),
        },
    }
}

/// The same client on a visit that only shows its referrer.
pub fn spammer(client: &Identity) -> Identity {
    Identity { bot: "referrer spam", bot_category: BotCategory::Other, ..client.clone() }
}
