//! CPU of each stage between the parser and the row on ordinary input: `cargo bench --bench stages`.
//!
//! Place look-ups need the files of `footfall geo install`; without them they are skipped.

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use footfall::beacon::ClientHints;
use footfall::config::{DropBots, NamePatterns, Retention, Site};
use footfall::enrich::{BrowserRecogniser, ClientSignals, HintHeaders, ReferrerOrigin, traffic_source};
use footfall::privacy::scrub::{self, Campaign};
use footfall::privacy::{GeoLookup, KeyRing, Peer, Privacy, SystemClock};

const USER_AGENT: &[u8] =
    b"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36";

fn site() -> Site {
    Site {
        id: "clinic".into(),
        hosts: Vec::new(),
        retention: Retention::Unlimited,
        query: NamePatterns { exact: vec!["q".into()], prefixes: vec!["utm_".into()] },
        cookies: Default::default(),
        drop_bots: DropBots::default(),
        paths: Default::default(),
        signatures: Default::default(),
        policy_url: None,
        goals: Vec::new(),
        funnels: Vec::new(),
    }
}

fn privacy(places: GeoLookup) -> Privacy {
    let directory = tempfile::tempdir().expect("a directory");
    let zone = jiff::tz::TimeZone::UTC;
    let keys = KeyRing::open(directory.path(), true, zone, Arc::new(SystemClock)).expect("a key");
    Privacy::new(keys, places)
}

fn hints() -> ClientHints<'static> {
    let brands = || {
        vec![
            ("Chromium".into(), "142".into()),
            ("Google Chrome".into(), "142".into()),
            ("Not_A Brand".into(), "99".into()),
        ]
    };
    ClientHints {
        brands: brands(),
        full_versions: brands(),
        mobile: Some(false),
        platform: "Windows".into(),
        platform_version: "15.0.0".into(),
        ..ClientHints::default()
    }
}

fn client<'a>(user_agent: &'a [u8], hints: &'a ClientHints<'a>) -> ClientSignals<'a> {
    ClientSignals {
        user_agent,
        hints,
        headers: HintHeaders::default(),
        touch_points: 0,
        screen: (0, 0),
        automated: false,
    }
}

fn scrubbing(c: &mut Criterion) {
    let keep = site().query;
    for (name, url) in [
        ("scrub address: plain", "https://clinic.example/doctors/therapist"),
        (
            "scrub address: campaign",
            "https://clinic.example/?utm_source=yandex&utm_medium=cpc&utm_campaign=spring&yclid=12345",
        ),
        ("scrub address: personal", "https://clinic.example/patients/89161234567/ivan%40mail.ru?token=1"),
        ("scrub address: by the URL Standard", "https://клиника.рф/врачи/терапевт"),
    ] {
        c.bench_function(name, |b| b.iter(|| scrub::address(black_box(url), &keep)));
    }
    let message = "TypeError: Cannot read properties of undefined (reading 'slots') at https://clinic.example/app.js:10:15";
    c.bench_function("scrub text: clean", |b| b.iter(|| scrub::text(black_box(message), 512)));
    let message =
        "cannot reach ivan@mail.ru or +7 (916) 123-45-67 about order 3f2504e0-4f89-41d3-9a0c-0305e82c3301";
    c.bench_function("scrub text: personal", |b| b.iter(|| scrub::text(black_box(message), 512)));
    worst_cases(c);
}

/// Twice the length must take twice the time.
fn worst_cases(c: &mut Criterion) {
    for (name, part) in [
        ("digits", "1234567890"),
        ("groups", "12 34-"),
        ("letters", "patient"),
        ("mixed", "aB3-"),
        ("encoded", "%31%2B"),
    ] {
        for kib in [32, 64] {
            let text = part.repeat(kib * 1024 / part.len());
            let name = format!("scrub text: {kib} KiB of {name}");
            c.bench_function(&name, |b| b.iter(|| scrub::text(black_box(&text), 512)));
        }
    }
}

fn pseudonyms(c: &mut Criterion) {
    let site = site();
    let without = privacy(GeoLookup::default());
    let peer = || Peer::new(IpAddr::V4(Ipv4Addr::new(77, 88, 8, 8)));
    c.bench_function("pseudonymise", |b| {
        b.iter(|| without.epoch().expect("there is a key").identify(peer(), &site, black_box(USER_AGENT)))
    });
    c.bench_function("ids of a page load and of one event", |b| {
        b.iter(|| {
            let epoch = without.epoch().expect("there is a key");
            let page = epoch.page_load(&site, black_box(7));
            (page.pseudonym, page.seq(3), page.filter_id(3))
        });
    });
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("geo");
    let files = ["city-ipv4.mmdb", "city-ipv6.mmdb", "asn.mmdb"].map(|name| directory.join(name));
    if !files.iter().all(|file| file.exists()) {
        return;
    }
    let with = privacy(GeoLookup::open(&files));
    c.bench_function("pseudonymise and locate, one address", |b| {
        b.iter(|| with.epoch().expect("there is a key").identify(peer(), &site, black_box(USER_AGENT)));
    });
    let mut number = 0u32;
    c.bench_function("pseudonymise and locate, another address each time", |b| {
        b.iter(|| {
            // A full-period generator draws addresses from the whole table, so that few records are in a cache.
            number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            with.epoch().expect("there is a key").identify(
                Peer::new(IpAddr::V4(number.into())),
                &site,
                black_box(USER_AGENT),
            )
        });
    });
}

fn enriching(c: &mut Criterion) {
    let hints = hints();
    let browsers = BrowserRecogniser::new();
    c.bench_function("browser: remembered", |b| {
        b.iter(|| browsers.recognise(&client(black_box(USER_AGENT), &hints)))
    });
    let mut number = 0u64;
    c.bench_function("browser: new", |b| {
        b.iter(|| {
            number += 1;
            let user_agent = format!("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.{number}.0 Safari/537.36");
            browsers.recognise(&client(user_agent.as_bytes(), &hints))
        });
    });
    let none = Campaign::default();
    c.bench_function("source: direct", |b| {
        b.iter(|| traffic_source(ReferrerOrigin::Site(black_box("")), "clinic.example", &none, ""))
    });
    c.bench_function("source: search", |b| {
        b.iter(|| traffic_source(ReferrerOrigin::Site(black_box("yandex.ru")), "clinic.example", &none, ""))
    });
    c.bench_function("source: unknown host", |b| {
        b.iter(|| {
            traffic_source(
                ReferrerOrigin::Site(black_box("blog.partner.example")),
                "clinic.example",
                &none,
                "",
            )
        });
    });
    let campaign = Campaign { source: "google".into(), medium: "cpc".into(), ..Campaign::default() };
    c.bench_function("source: campaign", |b| {
        b.iter(|| traffic_source(ReferrerOrigin::Site(""), "clinic.example", black_box(&campaign), "gclid"))
    });
}

criterion_group!(stages, scrubbing, pseudonyms, enriching);
criterion_main!(stages);
