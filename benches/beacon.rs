//! CPU of parsing a beacon and of assembling its rows, without network and disk.
//!
//! `cargo bench --bench beacon`

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use footfall::beacon::{Beacon, ClientHints, MendedBody, json};
use footfall::config::Site;
use footfall::enrich::{BrowserRecogniser, ClientSignals, HintHeaders};
use footfall::ingest::assemble::{self, PageContext};
use footfall::privacy::{CurrentEpoch, GeoLookup, GeoPlace, KeyRing, Privacy, SystemClock, VisitorIdentity};

const USER_AGENT: &[u8] =
    b"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) \
                            Chrome/153.0.0.0 Safari/537.36";
const HEAD: &str = r#"{"v":1,"s":"localhost","l":"k3f9zq81mx0a","o":0,"w":1536,"h":864,"g":"ru-RU","z":"Europe/Moscow","c":1,"#;
const VIEW: &str = r#"{"k":"view","a":0,"u":"https://localhost/doctors/therapist?utm_source=newsletter&utm_medium=email","r":"https://yandex.ru/search?text=x"}"#;
const REST: &str = r#"{"k":"ad","a":1200,"n":"viewable","ad":"spring-checkup","slot":"top"}"#;

fn body(events: usize) -> String {
    let events: Vec<&str> = std::iter::once(VIEW).chain(std::iter::repeat_n(REST, events - 1)).collect();
    format!("{HEAD}\"e\":[{}]}}", events.join(","))
}

fn encode(
    beacon: &Beacon<'_>,
    site: &Site,
    who: &VisitorIdentity,
    epoch: &CurrentEpoch<'_>,
    browsers: &BrowserRecogniser,
    rows: &mut Vec<u8>,
) {
    rows.clear();
    let signals = ClientSignals {
        user_agent: USER_AGENT,
        hints: &ClientHints::default(),
        headers: HintHeaders::default(),
        touch_points: beacon.touch_points,
        screen: (0, 0),
        automated: beacon.automated,
    };
    let browser = browsers.recognise_sent(&signals, beacon.hints);
    let context = PageContext {
        site,
        policy: "2026-11-22",
        received: 1_795_000_000_000,
        identity: who,
        page_load: &epoch.page_load(site, beacon.page_load),
        browser: &browser,
        cookies: &[],
    };
    assemble::rows(&context, beacon, |_, _| true, |_, row| row.encode(rows))
        .expect("the bodies above are good");
}

fn stages(criterion: &mut Criterion) {
    let site = Site::localhost();
    let who = VisitorIdentity {
        visitor: 1,
        address: 2,
        epoch: 3,
        epoch_ends: u32::MAX,
        ip_version: 4,
        place: GeoPlace::default(),
    };
    let directory = tempfile::tempdir().expect("a directory");
    let keys = KeyRing::open(directory.path(), true, jiff::tz::TimeZone::UTC, Arc::new(SystemClock));
    let privacy = Privacy::new(keys.expect("a key"), GeoLookup::default());
    let epoch = privacy.epoch().expect("there is a key");
    let browsers = BrowserRecogniser::new();
    for events in [1, 10] {
        let body = body(events);
        let mut group = criterion.benchmark_group(format!("beacon of {events}"));
        group.throughput(Throughput::Elements(events as u64));
        group.bench_function("parse", |bench| {
            bench.iter(|| {
                let mended = MendedBody::default();
                json::parse(black_box(body.as_bytes()), &mended)
                    .expect("the bodies above are good")
                    .events
                    .len()
            });
        });
        let mended = MendedBody::default();
        let beacon = json::parse(body.as_bytes(), &mended).expect("the bodies above are good");
        let mut rows = Vec::with_capacity(64 << 10);
        group.bench_function("rows", |bench| {
            bench.iter(|| encode(black_box(&beacon), &site, &who, &epoch, &browsers, &mut rows));
        });
        println!("bytes of {events} rows: {}", rows.len());
        group.finish();
    }
    let ten = body(10);
    for (name, bad) in [
        ("a field of a wrong type", ten.replacen("1200", "\"x\"", 1)),
        ("half a character", ten.replacen("spring", r"\ud83d", 1)),
        ("no beacon", ten.replacen("\"v\":1,", "", 1)),
    ] {
        criterion.bench_function(&format!("beacon of 10 with {name}"), |bench| {
            bench.iter(|| json::parse(black_box(bad.as_bytes()), &MendedBody::default()).is_ok());
        });
    }
}

criterion_group!(benches, stages);
criterion_main!(benches);
