//! The demonstration clinic: its pages and ads, and the browsers, places and referrers of its visitors. Weights are relative to the
//! sum of their list.

use crate::event::{BotCategory, DeviceClass, TextPairs};

/// The site of all invented events. No real site may have this id where a demonstration is put into its store.
pub(crate) const SITE: &str = "demo";
pub(crate) const HOST: &str = "clinic.example";

/// A browser as the collector stores it.
pub(crate) struct DemoBrowser {
    pub(crate) weight: u32,
    pub(crate) name: &'static str,
    pub(crate) versions: Texts,
    pub(crate) engine: &'static str,
    pub(crate) os: &'static str,
    pub(crate) os_versions: Texts,
    pub(crate) device: DeviceClass,
    pub(crate) screens: &'static [(u16, u16)],
}

const DESKTOP: &[(u16, u16)] =
    &[(1920, 1080), (1920, 1080), (1366, 768), (1536, 864), (2560, 1440), (1440, 900), (1600, 900)];
const ANDROID: &[(u16, u16)] = &[(360, 800), (393, 873), (412, 915), (384, 832), (360, 780), (412, 892)];
const IPHONE: &[(u16, u16)] = &[(390, 844), (393, 852), (430, 932), (375, 812), (402, 874), (414, 896)];
const TABLETS: &[(u16, u16)] = &[(820, 1180), (768, 1024), (800, 1280), (834, 1194)];
const CHROME: &[&str] = &["142", "142", "142", "141", "141", "140", "138", "131", "109"];
const YANDEX: &[&str] = &["25", "25", "25", "24"];
const WINDOWS: &[&str] = &["10", "10", "11"];
const ANDROIDS: &[&str] = &["15", "14", "14", "13", "12", "11", "10"];

/// Texts; one of them is drawn. A text that occurs twice is drawn twice as often.
type Texts = &'static [&'static str];

const fn browser(
    weight: u32,
    (name, versions, engine): (&'static str, Texts, &'static str),
    (os, os_versions): (&'static str, Texts),
    device: DeviceClass,
    screens: &'static [(u16, u16)],
) -> DemoBrowser {
    DemoBrowser { weight, name, versions, engine, os, os_versions, device, screens }
}

pub(crate) const BROWSERS: &[DemoBrowser] = &[
    browser(200, ("Chrome", CHROME, "Blink"), ("Android", ANDROIDS), DeviceClass::Mobile, ANDROID),
    browser(165, ("Chrome", CHROME, "Blink"), ("Windows", WINDOWS), DeviceClass::Desktop, DESKTOP),
    browser(
        150,
        ("Safari", &["18", "26", "17", "16"], "WebKit"),
        ("iOS", &["18", "26", "17", "16"]),
        DeviceClass::Mobile,
        IPHONE,
    ),
    browser(120, ("Yandex Browser", YANDEX, "Blink"), ("Android", ANDROIDS), DeviceClass::Mobile, ANDROID),
    browser(110, ("Yandex Browser", YANDEX, "Blink"), ("Windows", WINDOWS), DeviceClass::Desktop, DESKTOP),
    browser(
        45,
        ("Edge", &["142", "141", "140"], "Blink"),
        ("Windows", &["11", "10"]),
        DeviceClass::Desktop,
        DESKTOP,
    ),
    browser(
        40,
        ("Firefox", &["144", "143", "140", "115"], "Gecko"),
        ("Windows", WINDOWS),
        DeviceClass::Desktop,
        DESKTOP,
    ),
    browser(
        40,
        ("Samsung Internet", &["28", "27", "25"], "Blink"),
        ("Android", ANDROIDS),
        DeviceClass::Mobile,
        ANDROID,
    ),
    browser(
        35,
        ("Safari", &["18", "26", "17"], "WebKit"),
        ("macOS", &["15", "14", "26"]),
        DeviceClass::Desktop,
        DESKTOP,
    ),
    browser(22, ("Opera", &["123", "122"], "Blink"), ("Windows", WINDOWS), DeviceClass::Desktop, DESKTOP),
    browser(20, ("Chrome", CHROME, "Blink"), ("macOS", &["15", "14"]), DeviceClass::Desktop, DESKTOP),
    browser(18, ("Safari", &["18", "17"], "WebKit"), ("iOS", &["18", "17"]), DeviceClass::Tablet, TABLETS),
    browser(12, ("Chrome", CHROME, "Blink"), ("Android", ANDROIDS), DeviceClass::Tablet, TABLETS),
    browser(12, ("Chrome", CHROME, "Blink"), ("Linux", &[""]), DeviceClass::Desktop, DESKTOP),
    browser(10, ("Firefox", &["144", "140"], "Gecko"), ("Linux", &[""]), DeviceClass::Desktop, DESKTOP),
    browser(
        14,
        ("MIUI Browser", &["14", "14", "13"], "Blink"),
        ("Android", ANDROIDS),
        DeviceClass::Mobile,
        ANDROID,
    ),
    browser(4, ("Chrome", CHROME, "Blink"), ("Chrome OS", &[""]), DeviceClass::Desktop, DESKTOP),
];

/// The record of a client whose browser is unknown.
pub(crate) static NO_BROWSER: DemoBrowser =
    browser(0, ("", &[""], ""), ("", &[""]), DeviceClass::Other, DESKTOP);

/// A bot as the collector stores it.
pub(crate) struct DemoBot {
    pub(crate) weight: u32,
    pub(crate) name: &'static str,
    pub(crate) category: BotCategory,
    pub(crate) place: &'static DemoPlace,
}

const fn bot(weight: u32, name: &'static str, category: BotCategory, place: &'static DemoPlace) -> DemoBot {
    DemoBot { weight, name, category, place }
}

pub(crate) static BOTS: &[DemoBot] = &[
    bot(50, "YandexBot", BotCategory::Search, &YANDEX_CRAWLERS),
    bot(40, "Googlebot", BotCategory::Search, &GOOGLE),
    bot(15, "bingbot", BotCategory::Search, &MICROSOFT),
    bot(12, "GPTBot", BotCategory::Ai, &MICROSOFT),
    bot(8, "ClaudeBot", BotCategory::Ai, &AMAZON),
    bot(4, "PerplexityBot", BotCategory::Ai, &AMAZON),
    bot(8, "TelegramBot", BotCategory::Preview, &TELEGRAM),
    bot(10, "UptimeRobot", BotCategory::Monitoring, &HETZNER),
    bot(10, "AhrefsBot", BotCategory::Seo, &OVH),
    bot(6, "python-requests", BotCategory::Library, &HETZNER),
    bot(5, "HeadlessChrome", BotCategory::Automation, &AMAZON),
];

pub(crate) struct DemoPlace {
    pub(crate) weight: u32,
    pub(crate) country: &'static str,
    pub(crate) region: &'static str,
    pub(crate) city: &'static str,
    pub(crate) timezone: &'static str,
    pub(crate) languages: Texts,
    pub(crate) networks: &'static [(u32, &'static str)],
}

const RUSSIAN: &[&str] = &["ru-RU", "ru-RU", "ru-RU", "ru", "en-US"];
const GERMAN: &[&str] = &["de-DE", "de-DE", "de", "en-US", "ru-RU"];
const RU: &[(u32, &str)] = &[
    (12_389, "PJSC Rostelecom"),
    (8_359, "PJSC MegaFon"),
    (8_402, "PJSC Vimpelcom"),
    (8_359, "PJSC MTS"),
    (42_610, "PJSC Rostelecom"),
    (41_330, "T2 Mobile LLC"),
    (25_513, "PJSC Moscow city telephone network"),
    (51_570, "JSC ER-Telecom Holding"),
];
const DE: &[(u32, &str)] = &[
    (3_320, "Deutsche Telekom AG"),
    (3_209, "Vodafone GmbH"),
    (6_805, "Telefonica Germany"),
    (8_881, "1&1 Versatel"),
];
const KZ: &[(u32, &str)] = &[(9_198, "JSC Kazakhtelecom"), (48_503, "Tele2 Kazakhstan")];
const OTHER: &[(u32, &str)] =
    &[(12_322, "Free SAS"), (5_607, "Sky UK Limited"), (701, "Verizon Business"), (6_697, "Beltelecom")];

const fn place(
    weight: u32,
    country: &'static str,
    region: &'static str,
    city: &'static str,
    timezone: &'static str,
    languages: &'static [&'static str],
    networks: &'static [(u32, &'static str)],
) -> DemoPlace {
    DemoPlace { weight, country, region, city, timezone, languages, networks }
}

const ENGLISH: Texts = &["en-US"];
const VIRGINIA: DemoPlace = place(0, "US", "Virginia", "Ashburn", "America/New_York", ENGLISH, &[]);
static YANDEX_CRAWLERS: DemoPlace =
    place(0, "RU", "Moscow", "Moscow", "Europe/Moscow", &["ru-RU"], &[(13_238, "YANDEX LLC")]);
static GOOGLE: DemoPlace = DemoPlace { networks: &[(15_169, "Google LLC")], ..VIRGINIA };
static MICROSOFT: DemoPlace = DemoPlace { networks: &[(8_075, "Microsoft Corporation")], ..VIRGINIA };
static AMAZON: DemoPlace =
    DemoPlace { networks: &[(14_618, "Amazon.com, Inc."), (16_509, "Amazon.com, Inc.")], ..VIRGINIA };
static TELEGRAM: DemoPlace = place(
    0,
    "NL",
    "North Holland",
    "Amsterdam",
    "Europe/Amsterdam",
    ENGLISH,
    &[(62_041, "Telegram Messenger Inc")],
);
static HETZNER: DemoPlace =
    place(0, "DE", "Saxony", "Falkenstein", "Europe/Berlin", ENGLISH, &[(24_940, "Hetzner Online GmbH")]);
static OVH: DemoPlace =
    place(0, "FR", "Hauts-de-France", "Roubaix", "Europe/Paris", ENGLISH, &[(16_276, "OVH SAS")]);

/// Places where VPNs connect to the Internet. Their users keep the time zone and language of home.
pub(crate) const VPN_EXITS: &[DemoPlace] = &[
    place(
        50,
        "NL",
        "North Holland",
        "Amsterdam",
        "",
        &[],
        &[(9_009, "M247 Europe SRL"), (60_781, "LeaseWeb Netherlands B.V."), (14_061, "DigitalOcean, LLC")],
    ),
    place(
        30,
        "DE",
        "Hesse",
        "Frankfurt am Main",
        "",
        &[],
        &[(212_238, "Datacamp Limited"), (24_940, "Hetzner Online GmbH")],
    ),
    place(20, "FI", "Uusimaa", "Helsinki", "", &[], &[(24_940, "Hetzner Online GmbH")]),
];

pub(crate) const PLACES: &[DemoPlace] = &[
    place(300, "RU", "Moscow", "Moscow", "Europe/Moscow", RUSSIAN, RU),
    place(90, "RU", "Moscow Oblast", "Khimki", "Europe/Moscow", RUSSIAN, RU),
    place(70, "RU", "Moscow Oblast", "Mytishchi", "Europe/Moscow", RUSSIAN, RU),
    place(60, "RU", "Moscow Oblast", "Podolsk", "Europe/Moscow", RUSSIAN, RU),
    place(80, "RU", "St.-Petersburg", "Saint Petersburg", "Europe/Moscow", RUSSIAN, RU),
    place(25, "RU", "Kaluga Oblast", "Kaluga", "Europe/Moscow", RUSSIAN, RU),
    place(25, "RU", "Tula Oblast", "Tula", "Europe/Moscow", RUSSIAN, RU),
    place(20, "RU", "Tatarstan Republic", "Kazan", "Europe/Moscow", RUSSIAN, RU),
    place(20, "RU", "Sverdlovsk Oblast", "Yekaterinburg", "Asia/Yekaterinburg", RUSSIAN, RU),
    place(18, "RU", "Novosibirsk Oblast", "Novosibirsk", "Asia/Novosibirsk", RUSSIAN, RU),
    place(15, "RU", "Samara Oblast", "Samara", "Europe/Samara", RUSSIAN, RU),
    place(15, "RU", "Krasnodar Krai", "Krasnodar", "Europe/Moscow", RUSSIAN, RU),
    place(12, "KZ", "Almaty", "Almaty", "Asia/Almaty", RUSSIAN, KZ),
    place(25, "DE", "Land Berlin", "Berlin", "Europe/Berlin", GERMAN, DE),
    place(14, "DE", "Bavaria", "Munich", "Europe/Berlin", GERMAN, DE),
    place(12, "DE", "Hesse", "Frankfurt am Main", "Europe/Berlin", GERMAN, DE),
    place(10, "DE", "North Rhine-Westphalia", "Cologne", "Europe/Berlin", GERMAN, DE),
    place(10, "BY", "Minsk City", "Minsk", "Europe/Minsk", RUSSIAN, OTHER),
    place(6, "FR", "Ile-de-France", "Paris", "Europe/Paris", &["fr-FR", "en-US"], OTHER),
    place(6, "GB", "England", "London", "Europe/London", &["en-GB"], OTHER),
    place(6, "US", "New York", "New York City", "America/New_York", &["en-US"], OTHER),
    place(12, "", "", "", "Europe/Moscow", RUSSIAN, &[(0, "")]),
];

/// A way to the clinic: the referrer, and the campaign and click id in the first page's address.
pub(crate) struct Referral {
    pub(crate) weight: u32,
    pub(crate) referrer_host: &'static str,
    pub(crate) referrer_path: &'static str,
    pub(crate) campaign: [&'static str; 3],
    pub(crate) click_id: &'static str,
}

const fn referral(weight: u32, referrer_host: &'static str, referrer_path: &'static str) -> Referral {
    Referral { weight, referrer_host, referrer_path, campaign: ["", "", ""], click_id: "" }
}

const fn ad(
    weight: u32,
    referrer_host: &'static str,
    campaign: [&'static str; 3],
    click_id: &'static str,
) -> Referral {
    Referral { weight, referrer_host, referrer_path: "/", campaign, click_id }
}

pub(crate) const REFERRALS: &[Referral] = &[
    referral(270, "", ""),
    referral(230, "yandex.ru", "/"),
    referral(140, "google.com", "/"),
    referral(15, "bing.com", "/"),
    referral(12, "go.mail.ru", "/search"),
    referral(30, "away.vk.com", "/away.php"),
    referral(22, "t.me", "/"),
    referral(10, "dzen.ru", "/"),
    referral(10, "chatgpt.com", "/"),
    referral(18, "prodoctorov.ru", "/moskva/lpu/"),
    referral(12, "2gis.ru", "/moscow/firm/"),
    referral(8, "city-news.example", "/health/spring-checkups"),
    // On the list of referrer spam, so the collector counts it as a bot.
    referral(3, "semalt.com", "/project_crawl.php"),
    ad(90, "yandex.ru", ["yandex", "cpc", "spring-checkup"], "yclid"),
    ad(45, "yandex.ru", ["yandex", "cpc", "mri-discount"], "yclid"),
    ad(30, "google.com", ["google", "cpc", "brand"], "gclid"),
    ad(25, "away.vk.com", ["vk", "paid_social", "family-doctor"], ""),
    ad(20, "", ["newsletter", "email", "monthly"], ""),
];

/// Ads on the clinic's pages: campaign and slot.
pub(crate) const ADS: &[(&str, &str)] = &[
    ("spring-checkup", "top"),
    ("mri-discount", "sidebar"),
    ("family-doctor", "footer"),
    ("vitamins", "sidebar"),
];

/// Services with a page; a booking names one.
pub(crate) const SERVICES: &[&str] = &[
    "cardiology",
    "dermatology",
    "neurology",
    "ophthalmology",
    "dentistry",
    "paediatrics",
    "gynaecology",
    "urology",
    "endocrinology",
    "gastroenterology",
    "mri",
    "ultrasound",
    "blood-tests",
    "vaccination",
    "massage",
    "surgery",
];

pub(crate) const ARTICLES: &[&str] = &[
    "how-to-prepare-for-blood-tests",
    "when-to-see-a-neurologist",
    "seasonal-allergy",
    "healthy-back-at-the-desk",
    "vaccines-for-adults",
    "what-an-mri-shows",
    "children-and-screens",
    "sleep-and-blood-pressure",
    "vitamin-d-in-winter",
    "first-aid-for-burns",
    "migraine-or-headache",
    "how-often-to-see-a-dentist",
];

/// Missing pages that other sites still link to.
pub(crate) const GONE: &[&str] =
    &["/price.php", "/old/doctors.html", "/actions/autumn", "/wp-login.php", "/doctor/ivanova"];

/// Script errors of the clinic's pages: message, script, line, column, stack.
pub(crate) const ERRORS: &[(&str, &str, u32, u32, &str)] = &[
    (
        "TypeError: Cannot read properties of undefined (reading 'slots')",
        "clinic.example/static/booking.js",
        218,
        31,
        "TypeError: Cannot read properties of undefined (reading 'slots')\n    at renderSlots (clinic.example/static/booking.js:218:31)\n    at onDoctor (clinic.example/static/booking.js:140:9)",
    ),
    (
        "ReferenceError: ymaps is not defined",
        "clinic.example/static/contacts.js",
        12,
        3,
        "ReferenceError: ymaps is not defined\n    at initMap (clinic.example/static/contacts.js:12:3)",
    ),
    ("ResizeObserver loop completed with undelivered notifications.", "clinic.example/doctors", 0, 0, ""),
    (
        "Unhandled rejection: NetworkError when attempting to fetch resource.",
        "clinic.example/static/schedule.js",
        77,
        15,
        "load@clinic.example/static/schedule.js:77:15",
    ),
    ("Script error.", "", 0, 0, ""),
];

/// The script error of a broken release.
pub(crate) const RELEASE_ERROR: (&str, &str, u32, u32, &str) = (
    "TypeError: free.union is not a function. (In 'free.union(booked)', 'free.union' is undefined)",
    "clinic.example/static/schedule.js",
    41,
    22,
    "merge@clinic.example/static/schedule.js:41:22\nrenderWeek@clinic.example/static/schedule.js:96:14",
);

/// Elements that sometimes fail to load: address and element.
pub(crate) const BROKEN: &[(&str, TextPairs<'static>)] = &[
    ("clinic.example/static/photos/doctor-17.webp", &[("tag", "img")]),
    ("clinic.example/static/legacy/slider.js", &[("tag", "script")]),
    ("fonts.clinic.example/inter.woff2", &[("tag", "link")]),
];

/// Properties of the bookings: a service and how it was booked.
pub(crate) static BOOKINGS: [[(&str, &str); 2]; SERVICES.len() * 2] = {
    let mut all = [[("", ""); 2]; SERVICES.len() * 2];
    let mut at = 0;
    while at < all.len() {
        all[at] = [("service", SERVICES[at / 2]), ("channel", if at % 2 == 0 { "form" } else { "phone" })];
        at += 1;
    }
    all
};

/// Relative number of visits that begin in each hour of a working day, and of a day off.
pub(crate) const HOURS: [[u32; 24]; 2] = [
    [8, 5, 3, 2, 2, 4, 10, 24, 46, 62, 68, 66, 62, 60, 58, 56, 55, 54, 56, 60, 62, 54, 38, 20],
    [12, 8, 5, 4, 3, 4, 7, 14, 26, 40, 50, 54, 54, 52, 50, 48, 48, 50, 54, 58, 58, 50, 38, 24],
];

/// Visitors of each day of the week, Monday first, in % of a mean day.
pub(crate) const WEEK: [u32; 7] = [124, 118, 112, 108, 100, 70, 68];
