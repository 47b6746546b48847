//! Beacons as pages of a clinic send them from Chromium, Firefox and Safari; heads as Chromium writes them.
//!
//! Heads and events are made once and put together by copying, so that the generator costs little and the same whatever
//! it measures. Everything follows from the seed.

use std::io::Write;
use std::net::SocketAddr;

use fastrand::Rng;
use serde_json::{Value, json};

/// Different ends of beacons that are made ahead for each agent.
const VARIANTS: usize = 48;
/// Client addresses that the load pretends to come from, by `X-Forwarded-For`.
const ADDRESSES: usize = 8_192;
/// Most beacons of one page load.
const BEACONS_MAX: u32 = 6;

#[derive(Debug, Clone)]
pub struct PageLoad {
    id: u64,
    next: u32,
    left: u32,
    events: u32,
    agent: usize,
    address: usize,
}

impl PageLoad {
    /// Whether its last beacon was made.
    pub fn over(&self) -> bool {
        self.left == 0
    }

    /// Page load, first number and count of the events in its last beacon.
    pub fn last_beacon(&self) -> (u64, u32, u32) {
        (self.id, self.next - self.events, self.events)
    }
}

pub struct Traffic {
    rng: Rng,
    site: String,
    events: u32,
    agents: Vec<Prepared>,
    addresses: Vec<String>,
}

/// What all beacons of one browser share.
struct Prepared {
    /// Request line and headers up to the client's address.
    head: Vec<u8>,
    /// From after the event numbers to the closing brace: for a page's first beacon, and for later ones.
    first: Vec<Vec<u8>>,
    later: Vec<Vec<u8>>,
}

impl Traffic {
    /// Prepares traffic of `events` events a beacon for `site`, sent to `target`.
    pub fn new(seed: u64, site: &str, target: SocketAddr, events: u32) -> Self {
        let mut rng = Rng::with_seed(seed);
        let agents = AGENTS
            .iter()
            .map(|agent| Prepared {
                head: head(agent, target),
                first: (0..VARIANTS).map(|_| tail(&mut rng, agent, true, events)).collect(),
                later: (0..VARIANTS).map(|_| tail(&mut rng, agent, false, events)).collect(),
            })
            .collect();
        let addresses = (0..ADDRESSES).map(|_| address(&mut rng)).collect();
        Self { rng, site: site.to_owned(), events, agents, addresses }
    }

    pub fn page_load(&mut self) -> PageLoad {
        PageLoad {
            id: self.rng.u64(..),
            next: 0,
            left: self.rng.u32(1..=BEACONS_MAX),
            events: self.events,
            agent: self.rng.usize(..self.agents.len()),
            address: self.rng.usize(..self.addresses.len()),
        }
    }

    /// Writes the next beacon of `page` as a whole request.
    pub fn beacon(&mut self, page: &mut PageLoad, request: &mut Vec<u8>) {
        let agent = &self.agents[page.agent];
        let tails = if page.next == 0 { &agent.first } else { &agent.later };
        let tail = &tails[self.rng.usize(..tails.len())];
        let mut digits = [0; 13];
        let id = base36(page.id, &mut digits);
        let mut start = Vec::with_capacity(96);
        // Writing to a vector cannot fail.
        let _ = write!(start, r#"{{"v":1,"s":"{}","l":"{id}","o":{}"#, self.site, page.next);
        request.extend_from_slice(&agent.head);
        let _ = write!(
            request,
            "X-Forwarded-For: {}\r\nContent-Length: {}\r\n\r\n",
            self.addresses[page.address],
            start.len() + tail.len()
        );
        request.extend_from_slice(&start);
        request.extend_from_slice(tail);
        page.next += self.events;
        page.left -= 1;
    }
}

/// A number in base 36, as the script writes page loads.
pub fn base36(mut number: u64, digits: &mut [u8; 13]) -> &str {
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b"0123456789abcdefghijklmnopqrstuvwxyz"[(number % 36) as usize];
        number /= 36;
        if number == 0 {
            return std::str::from_utf8(&digits[at..]).expect("the digits are ASCII");
        }
    }
}

/// A browser: its user agent and, for Chromium, what it tells about itself.
struct Agent {
    user_agent: &'static str,
    chromium: Option<(&'static str, &'static str, bool)>,
}

/// The user agents of the load, in no particular share.
pub fn user_agents() -> impl Iterator<Item = &'static str> {
    AGENTS.iter().map(|agent| agent.user_agent)
}

const AGENTS: [Agent; 8] = [
    Agent {
        user_agent: "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
        chromium: Some(("Windows", "142", false)),
    },
    Agent {
        user_agent: "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Mobile Safari/537.36",
        chromium: Some(("Android", "141", true)),
    },
    Agent {
        user_agent: "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
        chromium: Some(("macOS", "142", false)),
    },
    Agent {
        user_agent: "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
        chromium: Some(("Linux", "140", false)),
    },
    Agent {
        user_agent: "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:145.0) Gecko/20100101 Firefox/145.0",
        chromium: None,
    },
    Agent {
        user_agent: "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.1 Mobile/15E148 Safari/604.1",
        chromium: None,
    },
    Agent {
        user_agent: "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.1 Safari/605.1.15",
        chromium: None,
    },
    Agent {
        user_agent: "Mozilla/5.0 (Android 15; Mobile; rv:145.0) Gecko/145.0 Firefox/145.0",
        chromium: None,
    },
];

/// The page that the load pretends to run on; a site of it must allow this host.
pub const HOST: &str = "clinic.example";
const PATHS: [&str; 12] = [
    "/",
    "/doctors",
    "/doctors/cardiology",
    "/doctors/neurology/anna-petrova",
    "/prices",
    "/booking",
    "/booking/confirm",
    "/contacts",
    "/articles/how-to-prepare-for-an-mri",
    "/analyses?q=vitamin+d",
    "/about",
    "/articles/flu-season?utm_source=newsletter&utm_medium=email&utm_campaign=autumn",
];
const REFERRERS: [&str; 6] = [
    "",
    "https://www.google.com/",
    "https://yandex.ru/",
    "https://clinic.example/",
    "https://t.me/",
    "https://duckduckgo.com/",
];
const SCREENS: [(u16, u16); 6] =
    [(1920, 1080), (1536, 864), (1366, 768), (390, 844), (412, 915), (2560, 1440)];
const LANGUAGES: [&str; 4] = ["ru-RU", "en-US", "ru", "de-DE"];
const ZONES: [&str; 4] = ["Europe/Moscow", "Asia/Yekaterinburg", "Europe/Berlin", "Europe/Samara"];

fn head(agent: &Agent, target: SocketAddr) -> Vec<u8> {
    let mut head = format!("POST /b HTTP/1.1\r\nHost: {target}\r\nConnection: keep-alive\r\n");
    if let Some((platform, version, mobile)) = agent.chromium {
        head += &format!(
            "sec-ch-ua-platform: \"{platform}\"\r\nsec-ch-ua: \"Chromium\";v=\"{version}\", \"Google Chrome\";v=\"{version}\", \
             \"Not_A Brand\";v=\"99\"\r\nsec-ch-ua-mobile: ?{}\r\n",
            u8::from(mobile)
        );
    }
    head += &format!(
        "User-Agent: {}\r\nContent-Type: text/plain;charset=UTF-8\r\nAccept: */*\r\nOrigin: https://{HOST}\r\n\
         Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors\r\nSec-Fetch-Dest: empty\r\nReferer: https://{HOST}/\r\n\
         Accept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: ru-RU,ru;q=0.9,en-US;q=0.8,en;q=0.7\r\n",
        agent.user_agent
    );
    head.into_bytes()
}

/// The end of a beacon: the browser's fields and the events.
fn tail(rng: &mut Rng, agent: &Agent, first: bool, events: u32) -> Vec<u8> {
    let (width, height) = SCREENS[rng.usize(..SCREENS.len())];
    let mut fields = json!({
        "w": width, "h": height, "g": LANGUAGES[rng.usize(..LANGUAGES.len())],
        "z": ZONES[rng.usize(..ZONES.len())], "c": 1,
    });
    if let Some((platform, version, mobile)) = agent.chromium {
        fields["ch"] = hints(platform, version, mobile);
    }
    let mut list: Vec<Value> = (0..events).map(|index| event(rng, first && index == 0)).collect();
    list[0]["u"] = json!(format!("https://{HOST}{}", PATHS[rng.usize(..PATHS.len())]));
    list[0]["r"] = json!(REFERRERS[rng.usize(..REFERRERS.len())]);
    fields["e"] = json!(list);
    let text = fields.to_string();
    format!(",{}", &text[1..]).into_bytes()
}

fn hints(platform: &str, version: &str, mobile: bool) -> Value {
    let brands = |version: &str| {
        json!([{"brand": "Chromium", "version": version}, {"brand": "Google Chrome", "version": version},
               {"brand": "Not_A Brand", "version": "99"}])
    };
    json!({
        "brands": brands(version), "fullVersionList": brands(&format!("{version}.0.7444.60")), "mobile": mobile,
        "platform": platform, "platformVersion": "15.0.0", "model": if mobile { "Pixel 8" } else { "" },
    })
}

fn event(rng: &mut Rng, view: bool) -> Value {
    let age = rng.u32(..20_000);
    let slot = ["top", "side", "bottom"][rng.usize(..3)];
    match if view { 0 } else { rng.u32(..10) } {
        0 | 1 => json!({"k": "view", "a": age}),
        2 | 3 => json!({"k": "leave", "a": age, "ms": rng.u32(500..90_000), "sd": rng.u32(..=100)}),
        4 => json!({"k": "ad", "a": age, "n": "impression", "ad": "spring-checkup", "slot": slot}),
        5 => json!({"k": "ad", "a": age, "n": "viewable", "ad": "spring-checkup", "slot": slot}),
        6 => {
            json!({"k": "event", "a": age, "n": "booking", "p": {"specialty": "cardiology", "step": rng.u32(1..4)}})
        }
        7 => json!({"k": "vitals", "a": age, "lcp": rng.u32(300..4_000), "inp": rng.u32(8..400), "cls": 0.03,
                    "fcp": rng.u32(200..2_000), "ttfb": rng.u32(20..900)}),
        8 => json!({"k": "outbound", "a": age, "n": "https://maps.example/route?to=clinic"}),
        _ => {
            json!({"k": "error", "a": age, "m": "Uncaught TypeError: Cannot read properties of undefined (reading 'slot')",
                    "f": "https://clinic.example/assets/booking.js", "ln": rng.u32(1..900), "col": rng.u32(1..80)})
        }
    }
}

/// An address that the load pretends to come from: nine in ten IPv4, the others IPv6.
fn address(rng: &mut Rng) -> String {
    if rng.u32(..10) == 0 {
        format!("2a02:6b8:{:x}:{:x}::{:x}", rng.u16(..), rng.u16(..), rng.u16(1..))
    } else {
        format!("{}.{}.{}.{}", rng.u8(11..100), rng.u8(..), rng.u8(..), rng.u8(1..255))
    }
}
