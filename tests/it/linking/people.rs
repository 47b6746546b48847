//! Invented people with skewed properties: a few values are common, many are rare.
//!
//! The k-th value of a list has a share proportional to 1/k (Zipf's law: browsers, systems, screens, places, networks), or to 1/k² where most
//! people have one of two values (languages of a country; versions, because browsers update themselves). Nobody changes browser, version or
//! network during the test, which helps the attacker.

use std::net::SocketAddr;
use std::time::Duration;

use fastrand::Rng;
use mmdb_writer::{Value as Record, Writer};
use serde_json::{Value, json};

use crate::common::{Collector, HttpConnection, page_load_id};

/// Places, the most common first. All but the last [`ABROAD`] are in one country.
const PLACES: usize = 40;
const ABROAD: [(&str, &str, &str); 12] = [
    ("DE", "de-DE", "Europe/Berlin"),
    ("KZ", "kk-KZ", "Asia/Almaty"),
    ("BY", "be-BY", "Europe/Minsk"),
    ("US", "en-US", "America/New_York"),
    ("AM", "hy-AM", "Asia/Yerevan"),
    ("UZ", "uz-UZ", "Asia/Tashkent"),
    ("TR", "tr-TR", "Europe/Istanbul"),
    ("GB", "en-GB", "Europe/London"),
    ("FR", "fr-FR", "Europe/Paris"),
    ("AE", "ar-AE", "Asia/Dubai"),
    ("FI", "fi-FI", "Europe/Helsinki"),
    ("IL", "he-IL", "Asia/Jerusalem"),
];
/// Networks of each place, each a /16.
const NETWORKS: usize = 6;
/// In 1,000: people whose address is one of few that many in their network share.
const SHARED_ADDRESS: u32 = 125;
const ZONES: [&str; 4] = ["Europe/Moscow", "Asia/Yekaterinburg", "Asia/Novosibirsk", "Europe/Samara"];
const LANGUAGES: [&str; 8] = ["ru-RU", "ru", "en-US", "uk-UA", "tt-RU", "en-GB", "kk-KZ", "de-DE"];
const DESKTOPS: [(u16, u16); 18] = [
    (1920, 1080),
    (1536, 864),
    (1366, 768),
    (2560, 1440),
    (1440, 900),
    (1600, 900),
    (1280, 720),
    (1680, 1050),
    (1280, 1024),
    (3840, 2160),
    (1707, 960),
    (1920, 1200),
    (2048, 1152),
    (1280, 800),
    (3440, 1440),
    (1745, 982),
    (1097, 617),
    (2195, 1235),
];
const PHONES: [(u16, u16); 16] = [
    (360, 800),
    (393, 873),
    (412, 915),
    (390, 844),
    (384, 832),
    (360, 780),
    (393, 852),
    (430, 932),
    (414, 896),
    (375, 812),
    (402, 874),
    (375, 667),
    (320, 568),
    (428, 926),
    (601, 962),
    (768, 1024),
];
/// Between two pages of a visit: times are stored in whole seconds, and people do not read two pages in one.
const READING: Duration = Duration::from_millis(1_100);
/// People who act at the same time.
const AT_A_TIME: usize = 100;
/// Words that make the paths of pages, such as `/doctors/elm`.
const SECTIONS: [&str; 6] = ["doctors", "services", "journal", "prices", "booking", "reviews"];
const NAMES: [&str; 10] = ["elm", "oak", "fir", "ash", "yew", "lime", "pine", "beech", "birch", "alder"];

#[derive(Clone, Copy)]
pub enum Site {
    A,
    B,
}

impl Site {
    pub fn id(self) -> &'static str {
        match self {
            Self::A => "site-a",
            Self::B => "site-b",
        }
    }

    fn host(self) -> &'static str {
        match self {
            Self::A => "a.example",
            Self::B => "b.example",
        }
    }

    /// Configuration of both sites. Each keeps an HMAC of a cookie.
    pub fn settings() -> String {
        let site = |site: Self| {
            format!(
                "[[site]]\nid = \"{}\"\nhosts = [\"{}\"]\ncookies = {{ visit = \"hmac\" }}\n",
                site.id(),
                site.host()
            )
        };
        format!("{}{}", site(Self::A), site(Self::B))
    }
}

/// A page that is open in somebody's browser.
#[derive(Clone)]
struct OpenPage {
    site: Site,
    id: u64,
    /// Number of its next event.
    next: u32,
    url: String,
}

pub struct Person {
    /// The person's number. It is sent with each beacon, for the score alone.
    name: String,
    user_agent: String,
    hints: Option<Value>,
    address: String,
    screen: (u16, u16),
    language: &'static str,
    timezone: &'static str,
    cookie: String,
    rng: Rng,
    open: Option<OpenPage>,
    /// Address of the page that was loaded last.
    last: String,
    pub habits: Habits,
}

/// What a person does on the day of the turn.
#[derive(Clone, Copy)]
pub struct Habits {
    /// Comes to site A before the turn.
    pub comes_before: bool,
    /// Is in the middle of a visit at the turn.
    pub is_reading: bool,
    /// Leaves a tab open over the turn.
    pub leaves_tab: bool,
    /// Begins another visit after the turn.
    pub returns: bool,
    /// Visits site B, too, before the turn.
    pub visits_other_site: bool,
}

/// A number below `count`: `k` with a probability proportional to 1 / (k + 1).
fn zipf(rng: &mut Rng, count: usize) -> usize {
    skewed(rng, count, 1)
}

/// A number below `count`: `k` with a probability proportional to 1 / (k + 1)².
fn mostly_first(rng: &mut Rng, count: usize) -> usize {
    skewed(rng, count, 2)
}

fn skewed(rng: &mut Rng, count: usize, exponent: i32) -> usize {
    let weight = |k: usize| 1.0 / (k as f64 + 1.0).powi(exponent);
    let mut at = rng.f64() * (0..count).map(weight).sum::<f64>();
    for k in 0..count {
        at -= weight(k);
        if at < 0.0 {
            return k;
        }
    }
    count - 1
}

fn chance(rng: &mut Rng, per_mille: u32) -> bool {
    rng.u32(..1_000) < per_mille
}

/// A name of letters, which the scrubber keeps.
fn letters(mut number: usize) -> String {
    let mut name = String::new();
    for _ in 0..4 {
        name.push(char::from(b'a' + (number % 26) as u8));
        number /= 26;
    }
    name
}

pub fn people(seed: u64, count: usize) -> Vec<Person> {
    let mut rng = Rng::with_seed(seed);
    (0..count).map(|number| Person::new(&mut rng, number)).collect()
}

impl Person {
    fn new(rng: &mut Rng, number: usize) -> Self {
        let (user_agent, hints, mobile) = browser(rng);
        let place = zipf(rng, PLACES);
        let network = place * NETWORKS + zipf(rng, NETWORKS);
        let host = if chance(rng, SHARED_ADDRESS) { rng.u16(..4) } else { rng.u16(4..) };
        let (language, timezone) = match place.checked_sub(PLACES - ABROAD.len()) {
            Some(abroad) if !chance(rng, 300) => (ABROAD[abroad].1, ABROAD[abroad].2),
            Some(abroad) => (LANGUAGES[mostly_first(rng, LANGUAGES.len())], ABROAD[abroad].2),
            None => (LANGUAGES[mostly_first(rng, LANGUAGES.len())], home_zone(place)),
        };
        let comes_before = chance(rng, 800);
        let is_reading = comes_before && chance(rng, 150);
        Self {
            name: letters(number),
            user_agent,
            hints,
            address: format!("{}.{}.{}.{}", 80 + network / 200, network % 200, host >> 8, host & 0xff),
            screen: if mobile {
                PHONES[zipf(rng, PHONES.len())]
            } else {
                DESKTOPS[zipf(rng, DESKTOPS.len())]
            },
            language,
            timezone,
            cookie: format!("{:016x}", rng.u64(..)),
            rng: rng.fork(),
            open: None,
            last: String::new(),
            habits: Habits {
                comes_before,
                is_reading,
                leaves_tab: comes_before && !is_reading && chance(rng, 300),
                returns: !comes_before || (!is_reading && chance(rng, 500)),
                visits_other_site: comes_before && chance(rng, 500),
            },
        }
    }

    /// A visit of some pages. It begins with `referrer`, and with `stay` its last page stays open.
    pub fn visit(&mut self, http: &mut HttpConnection, site: Site, referrer: &str, stay: bool) {
        let pages = 1 + zipf(&mut self.rng, 6);
        let mut referrer = referrer.to_owned();
        for page in 0..pages {
            if page > 0 {
                std::thread::sleep(READING);
            }
            let url = format!("https://{}{}", site.host(), path(&mut self.rng));
            self.load(http, site, &url, &referrer);
            if page + 1 < pages || !stay {
                self.leave(http);
            } else {
                self.read(http);
            }
            referrer = url;
        }
    }

    /// Goes on with the page that stayed open: it is left, and its link followed.
    pub fn go_on(&mut self, http: &mut HttpConnection, follow: bool) {
        let Some(page) = self.open.clone() else { return };
        self.leave(http);
        if follow {
            std::thread::sleep(READING);
            self.visit(http, page.site, &page.url, false);
        }
    }

    /// The page from which a visit begins: none, or one elsewhere.
    pub fn referrer(&mut self) -> &'static str {
        ["", "https://yandex.ru/", "https://www.google.com/", "https://t.me/"][zipf(&mut self.rng, 4)]
    }

    /// The page from which a visit of another site begins: as often as not, the last one that was read.
    pub fn link(&mut self) -> String {
        if self.rng.bool() { self.last.clone() } else { self.referrer().to_owned() }
    }

    /// One view of a page, after which nothing is heard of the person.
    pub fn glance(&mut self, http: &mut HttpConnection, site: Site) {
        let url = format!("https://{}{}", site.host(), path(&mut self.rng));
        self.load(http, site, &url, "");
        self.open = None;
    }

    fn load(&mut self, http: &mut HttpConnection, site: Site, url: &str, referrer: &str) {
        let page = OpenPage { site, id: self.rng.u64(..), next: 0, url: url.to_owned() };
        self.open = Some(page);
        url.clone_into(&mut self.last);
        self.send(http, &[json!({"k": "view", "a": 0, "u": url, "r": referrer})]);
    }

    /// Some events of the open page, so that pages differ in how many they have.
    fn read(&mut self, http: &mut HttpConnection) {
        for _ in 0..zipf(&mut self.rng, 12) {
            let url = self.last.clone();
            self.send(http, &[json!({"k": "ad", "a": 0, "u": url, "n": "impression", "ad": "spring"})]);
        }
    }

    fn leave(&mut self, http: &mut HttpConnection) {
        let Some(page) = &self.open else { return };
        let (engaged, scrolled) = (self.rng.u32(500..90_000), self.rng.u32(..=10) * 10);
        self.send(http, &[json!({"k": "leave", "a": 0, "u": page.url, "ms": engaged, "sd": scrolled})]);
        self.open = None;
    }

    /// Sends events of the open page as one beacon, and the person's name with them.
    fn send(&mut self, http: &mut HttpConnection, events: &[Value]) {
        let page = self.open.as_mut().expect("a page is open");
        let mut events = events.to_vec();
        events.push(json!({"k": "event", "a": 0, "n": super::MARK, "p": {"who": self.name}}));
        let mut body = json!({
            "v": 1, "s": page.site.id(), "l": page_load_id(page.id), "o": page.next, "w": self.screen.0, "h": self.screen.1,
            "g": self.language, "z": self.timezone, "c": 1, "ck": {"visit": self.cookie}, "e": events,
        });
        if let Some(hints) = &self.hints {
            body["ch"] = hints.clone();
        }
        page.next += u32::try_from(events.len()).expect("few events");
        let (body, host) = (body.to_string(), page.site.host());
        let head = format!(
            "POST /b HTTP/1.1\r\nHost: stats.example\r\nOrigin: https://{host}\r\nContent-Type: text/plain\r\n\
             User-Agent: {}\r\nX-Forwarded-For: {}\r\nContent-Length: {}\r\n\r\n{body}",
            self.user_agent,
            self.address,
            body.len()
        );
        http.send(head.as_bytes()).unwrap();
        let answer = http.answer().unwrap();
        assert_eq!(answer.status, 204, "{}", answer.text());
    }
}

/// Lets everybody act, several at the same time.
pub fn everybody(
    people: &mut [Person],
    target: SocketAddr,
    act: impl Fn(&mut Person, &mut HttpConnection) + Sync,
) {
    let share = people.len().div_ceil(AT_A_TIME);
    std::thread::scope(|scope| {
        for part in people.chunks_mut(share) {
            scope.spawn(|| {
                let mut http = HttpConnection::connect(target).unwrap();
                part.iter_mut().for_each(|person| act(person, &mut http));
            });
        }
    });
}

fn path(rng: &mut Rng) -> String {
    let page = zipf(rng, 1 + SECTIONS.len() * NAMES.len());
    match page.checked_sub(1) {
        None => "/".to_owned(),
        Some(page) => format!("/{}/{}", SECTIONS[page % SECTIONS.len()], NAMES[page / SECTIONS.len()]),
    }
}

fn home_zone(place: usize) -> &'static str {
    match place % 9 {
        5 => ZONES[1],
        7 => ZONES[2],
        8 => ZONES[3],
        _ => ZONES[0],
    }
}

/// A browser: its user agent, its client hints, and whether it runs on a phone.
fn browser(rng: &mut Rng) -> (String, Option<Value>, bool) {
    const WEBKIT: &str = "AppleWebKit/537.36 (KHTML, like Gecko)";
    let family = zipf(rng, 10);
    let age = mostly_first(rng, 14);
    let build = format!("{}.{}", 7_000 + zipf(rng, 9), 30 + zipf(rng, 9));
    let chromium = |(platform, system): (&str, &str),
                    brand: &str,
                    version: usize,
                    tail: &str,
                    os: &str,
                    mobile: bool| {
        let engine = 142 - age;
        let phone = if mobile { " Mobile" } else { "" };
        let agent =
            format!("Mozilla/5.0 ({system}) {WEBKIT} Chrome/{engine}.0.0.0{phone} Safari/537.36{tail}");
        let full = json!([{"brand": "Chromium", "version": format!("{engine}.0.{build}")},
                          {"brand": brand, "version": format!("{version}.0.{build}")}]);
        let brands = json!([{"brand": "Chromium", "version": engine.to_string()},
                            {"brand": brand, "version": version.to_string()}]);
        let hints = json!({"brands": brands, "fullVersionList": full, "mobile": mobile, "platform": platform,
                           "platformVersion": os, "model": ""});
        (agent, Some(hints), mobile)
    };
    let android =
        ["15.0.0", "14.0.0", "13.0.0", "16.0.0", "12.0.0", "11.0.0", "10.0.0", "9.0.0"][zipf(rng, 8)];
    let windows = ["15.0.0", "10.0.0", "19.0.0", "13.0.0", "0.3.0"][zipf(rng, 5)];
    let mac = ["15.6.1", "26.1.0", "14.7.2", "15.5.0", "13.7.0", "12.7.6"][zipf(rng, 6)];
    let phone = ("Android", "Linux; Android 10; K");
    let desktop = ("Windows", "Windows NT 10.0; Win64; x64");
    let apple = ("macOS", "Macintosh; Intel Mac OS X 10_15_7");
    match family {
        0 => chromium(phone, "Google Chrome", 142 - age, "", android, true),
        1 => chromium(desktop, "Google Chrome", 142 - age, "", windows, false),
        2 => {
            let system = ["26_1", "18_6", "18_5", "17_7", "26_0", "16_7", "18_7", "15_8"][zipf(rng, 8)];
            let (version, _) = system.split_once('_').expect("a major and a minor version");
            let minor = zipf(rng, 4);
            let agent = format!(
                "Mozilla/5.0 (iPhone; CPU iPhone OS {system} like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) \
                 Version/{version}.{minor} Mobile/15E148 Safari/604.1"
            );
            (agent, None, true)
        }
        3 => chromium(
            desktop,
            "Microsoft Edge",
            142 - age,
            &format!(" Edg/{}.0.0.0", 142 - age),
            windows,
            false,
        ),
        4 => {
            let version = 145 - age;
            (
                format!(
                    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:{version}.0) Gecko/20100101 Firefox/{version}.0"
                ),
                None,
                false,
            )
        }
        5 => chromium(apple, "Google Chrome", 142 - age, "", mac, false),
        6 => chromium(desktop, "Opera", 126 - age, &format!(" OPR/{}.0.0.0", 126 - age), windows, false),
        7 => {
            let version = ["26.1", "18.6", "18.5", "17.6", "16.6"][zipf(rng, 5)];
            let agent = format!(
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/{version} Safari/605.1.15"
            );
            (agent, None, false)
        }
        8 => {
            let version = 145 - age;
            (
                format!(
                    "Mozilla/5.0 (Android 15; Mobile; rv:{version}.0) Gecko/{version}.0 Firefox/{version}.0"
                ),
                None,
                true,
            )
        }
        _ => {
            let version = 145 - age;
            (
                format!("Mozilla/5.0 (X11; Linux x86_64; rv:{version}.0) Gecko/20100101 Firefox/{version}.0"),
                None,
                false,
            )
        }
    }
}

/// Writes the files of places and networks that the people's addresses are in.
pub fn write_places(collector: &Collector) {
    let mut cities = Writer::new("GeoLite2-City");
    let mut networks = Writer::new("GeoLite2-ASN");
    for network in 0..PLACES * NETWORKS {
        let place = network / NETWORKS;
        let abroad = place.checked_sub(PLACES - ABROAD.len());
        let country = abroad.map_or("RU", |abroad| ABROAD[abroad].0);
        let block: ipnet::IpNet = format!("{}.{}.0.0/16", 80 + network / 200, network % 200).parse().unwrap();
        let (region, city) = (format!("Region {}", place / 2), format!("City {place}"));
        let record = Record::map([
            ("country_code", Record::from(country)),
            ("state1", Record::from(region.as_str())),
            ("city", Record::from(city.as_str())),
        ]);
        cities.insert_value(block, record).unwrap();
        // The networks of the home country serve several of its places.
        let carrier = (place + (network % NETWORKS).pow(2)) % 12;
        let asn = 64_512 + abroad.map_or(carrier, |abroad| 20 + abroad * 3 + network % 3);
        let name = format!("Network {asn}");
        let record = Record::map([
            ("autonomous_system_number", Record::from(u32::try_from(asn).unwrap())),
            ("autonomous_system_organization", Record::from(name.as_str())),
        ]);
        networks.insert_value(block, record).unwrap();
    }
    std::fs::write(collector.path("city.mmdb"), cities.to_bytes().unwrap()).unwrap();
    std::fs::write(collector.path("asn.mmdb"), networks.to_bytes().unwrap()).unwrap();
}
