//! Fuzz targets: what must hold for any bytes. `fuzz/` calls these functions with random bytes, and `cargo test` with the
//! inputs in `fuzz/corpus`.
//!
//! Each function gives its input to code that reads untrusted bytes, and panics when that code breaks a promise. The targets
//! exist only in tests and under `cfg(fuzzing)`, which `cargo fuzz` sets.

use std::net::IpAddr;
use std::sync::{Arc, LazyLock};

use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue};

use crate::beacon::{
    self, Beacon, ClientHints, EventDetail, MAX_AGE_MS, MAX_COOKIES, MAX_EVENTS, MAX_PROPS, MendedBody,
    WIRE_FORMATS, WireInput,
};
use crate::config::{Config, ConfigError, CookieRule, NamePatterns, Site};
use crate::enrich::{BrowserRecogniser, ClientSignals, HintHeaders, recognise_uncached};
use crate::privacy::scrub::{self, ScrubbedAddress};
use crate::privacy::{GeoLookup, KeyRing, Privacy, SystemClock};

pub use crate::spool::fuzz::spool_recovery;
pub use crate::transport::fuzz::forwarded_headers;

/// The name of a target, which is its directory in `fuzz/corpus`, and its function.
pub type FuzzTarget = (&'static str, fn(&[u8]));

pub const TARGETS: &[FuzzTarget] = &[
    ("beacon", beacon),
    ("bad_event", bad_event),
    ("url_scrubber", url_scrubber),
    ("forwarded_headers", forwarded_headers),
    ("cookies", cookies),
    ("client_hints", client_hints),
    ("user_agent", user_agent),
    ("spool_recovery", spool_recovery),
    ("configuration", configuration),
];

/// Longest text of a recognised browser, in bytes: untrusted texts must not reach the disk at length.
const MAX_BROWSER_TEXT: usize = 128;
/// Longest message about one setting, without the setting itself.
const MAX_MESSAGE: usize = 512;

/// A body of `POST /b`, or after a `?` the query of the pixel and its `Referer`. Every other wire format gets both too.
///
/// An accepted body is JSON, keeps every bound of the wire, and is read in the same way again. Whatever was left out is named shortly, as is
/// the error of another body.
pub fn beacon(data: &[u8]) {
    let query = std::str::from_utf8(data).unwrap_or_default();
    for format in WIRE_FORMATS {
        let (mended, again) = (MendedBody::default(), MendedBody::default());
        let input = WireInput { body: data, query, referer: query, random_page_load: || 7 };
        match (format.parse)(&input, &mended) {
            Ok(beacon) => {
                check_beacon(&beacon);
                assert_eq!(
                    (format.parse)(&input, &again).as_ref(),
                    Ok(&beacon),
                    "a body reads the same twice"
                );
            }
            Err(error) => check_fault(&error),
        }
    }
    if let Some(pixel) = data.strip_prefix(b"?") {
        let Ok(text) = std::str::from_utf8(pixel) else { return };
        let (query, referer) = text.split_once('\n').unwrap_or((text, ""));
        if let Ok(beacon) = beacon::pixel::parse(query, referer, 7) {
            assert!(!beacon.site.is_empty() && beacon.events.len() == 1 && beacon.events[0].page.is_some());
        }
        return;
    }
    if beacon::json::parse(data, &MendedBody::default()).is_ok() {
        serde_json::from_slice::<serde::de::IgnoredAny>(data).expect("a beacon is JSON");
    }
}

fn check_fault(fault: &beacon::MalformedBeacon) {
    assert!(fault.path.len() <= 64 && fault.problem.len() <= 256, "a long answer: {fault}");
}

fn check_beacon(beacon: &Beacon<'_>) {
    let lost_events = beacon.left_out.iter().filter(|part| part.is_event).count();
    assert!((1..=MAX_EVENTS).contains(&(beacon.event_count() as usize + lost_events)));
    assert!(beacon.cookies.len() <= MAX_COOKIES);
    assert!(beacon.first_seq.checked_add(MAX_EVENTS as u32).is_some());
    assert!(beacon.events.first().is_none_or(|event| event.page.is_some()), "the first event has an address");
    assert!(beacon.events.is_sorted_by(|before, after| before.index < after.index), "numbers do not repeat");
    beacon.left_out.iter().for_each(|part| check_fault(&part.fault));
    beacon.hints.parse();
    for event in &beacon.events {
        assert!(event.age_ms <= MAX_AGE_MS && event.index < MAX_EVENTS as u32);
        match &event.detail {
            EventDetail::Leave { scroll_depth, .. } => assert!(*scroll_depth <= 100),
            EventDetail::Event { name, props } => assert!(!name.is_empty() && props.len() <= MAX_PROPS),
            EventDetail::Vitals(vitals) => {
                assert!(vitals.cls.is_none_or(|cls| cls.is_finite() && cls >= 0.0))
            }
            _ => {}
        }
    }
}

/// One event of a beacon, any JSON. The first byte says where it stands between two good events.
///
/// The good ones are read as if it were not there, with their numbers.
pub fn bad_event(data: &[u8]) {
    const GOOD: [&str; 2] = [
        r#"{"k":"event","n":"before","u":"https://clinic.example/a","p":{"x":1}}"#,
        r#"{"k":"error","m":"after","u":"https://clinic.example/b","st":"at f"}"#,
    ];
    let Some((&place, event)) = data.split_first() else { return };
    if serde_json::from_slice::<serde::de::IgnoredAny>(event).is_err() {
        return;
    }
    let place = usize::from(place) % (GOOD.len() + 1);
    let body = |events: &[&[u8]]| {
        [br#"{"v":1,"s":"clinic","l":"1","o":40,"e":["#, &events.join(&b","[..])[..], b"]}"].concat()
    };
    let good = body(&GOOD.map(str::as_bytes));
    let mended = MendedBody::default();
    let expected = beacon::json::parse(&good, &mended).expect("the events above are good").events;
    let mut events = GOOD.map(str::as_bytes).to_vec();
    events.insert(place, event);
    let (body, mended) = (body(&events), MendedBody::default());
    let found = beacon::json::parse(&body, &mended).expect("a bad event does not refuse a beacon");
    check_beacon(&found);
    for (index, mut event) in expected.into_iter().enumerate() {
        event.index = (index + usize::from(index >= place)) as u32;
        let kept = found.events.iter().find(|kept| kept.index == event.index);
        let kept = kept.expect("a good event is kept, with its number");
        assert_eq!((kept.age_ms, &kept.detail), (event.age_ms, &event.detail));
        // The page of the event before is not named again.
        assert!(kept.page.is_none() || kept.page == event.page, "it is on its own page");
    }
}

/// An address or a text of a page.
///
/// Scrubbing keeps its bound, does not change its own output, and leaves no e-mail address. The kept parts of an address make
/// an address again, also with the host as readers see it.
pub fn url_scrubber(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    for max_bytes in [4_096, 64, 7] {
        let once = scrub::text(text, max_bytes);
        assert!(once.len() <= max_bytes);
        assert_eq!(scrub::text(&once, max_bytes), once, "scrubbed twice");
        assert!(!has_email(&once), "an e-mail address stays: {once:?}");
    }
    let keep = NamePatterns { exact: vec!["q".into(), "page".into()], prefixes: vec!["utm_".into()] };
    let Ok(ScrubbedAddress { host, path, query, .. }) = scrub::address(text, &keep) else { return };
    assert!(!host.is_empty() && path.starts_with('/') && path.len() <= 1_024 && query.len() <= 1_024);
    assert!(!has_email(&path) && !has_email(&query), "an e-mail address stays in {path:?} {query:?}");
    for part in query.split('&').filter(|part| !part.is_empty()) {
        let name = part.split('=').next().unwrap_or_default();
        let name: String = form_urlencoded::parse(name.as_bytes()).map(|(name, _)| name).collect();
        assert!(keep.matches(&name), "the parameter {name:?} was not to be kept");
    }
    // A path that was cut may end in a dot segment.
    if path.len() >= 1_000 {
        return;
    }
    let kept = format!("https://{}{path}", scrub::shown_host(&host));
    let again = scrub::address(&kept, &keep).expect("what is kept is an address");
    assert_eq!((&again.host, &again.path), (&host, &path), "an address is scrubbed the same again");
    assert_eq!(scrub::percent::path(&path), path, "a path has one form");
}

/// `letters@letters.letters` between blanks or ends of the text.
fn has_email(text: &str) -> bool {
    let is_word = |byte: &u8| byte.is_ascii_lowercase();
    text.match_indices('@').any(|(at, _)| {
        let (before, after) = (&text.as_bytes()[..at], &text.as_bytes()[at + 1..]);
        let local = before.iter().rev().take_while(|byte| is_word(byte)).count();
        let label = after.iter().take_while(|byte| is_word(byte)).count();
        let top =
            after[label..].strip_prefix(b".").map_or(0, |top| top.iter().take_while(|b| is_word(b)).count());
        let starts = before.len() == local || before[before.len() - local - 1] == b' ';
        let ends = matches!(after.get(label + 1 + top), None | Some(b' '));
        starts && ends && local >= 3 && label >= 2 && top >= 2
    })
}

/// Lines `name=value`, as a page's cookies.
///
/// Only allow-listed cookies are kept, each once, and a value only by a rule of the site.
pub fn cookies(data: &[u8]) {
    static PRIVACY: LazyLock<Privacy> = LazyLock::new(|| {
        let directory = std::env::temp_dir().join(format!("footfall-fuzz-{}", std::process::id()));
        let keys = KeyRing::open(&directory, true, jiff::tz::TimeZone::UTC, Arc::new(SystemClock));
        Privacy::new(keys.expect("a key in the directory for temporary files"), GeoLookup::open(&[]))
    });
    static SITE: LazyLock<Site> = LazyLock::new(|| Site {
        cookies: [("ab", CookieRule::Value), ("uid", CookieRule::Hmac), ("consent", CookieRule::Presence)]
            .map(|(name, rule)| (name.to_owned(), rule))
            .into(),
        ..Site::localhost()
    });
    let text = String::from_utf8_lossy(data);
    let offered: Vec<_> = text.lines().filter_map(|line| line.split_once('=')).collect();
    let kept = PRIVACY.epoch().expect("it is no member of a fleet").cookies(&SITE, offered.iter().copied());
    assert!(kept.len() <= SITE.cookies.len());
    for (index, (name, value)) in kept.iter().enumerate() {
        assert!(!kept[..index].iter().any(|(other, _)| other == name), "{name} is kept twice");
        let (_, given) = offered.iter().find(|(offered, _)| offered == name).expect("it was offered");
        match SITE.cookies[*name] {
            CookieRule::Presence => assert_eq!(value, "1"),
            CookieRule::Hmac => {
                assert!(value.len() == 16 && value.bytes().all(|byte| byte.is_ascii_hexdigit()));
                assert_ne!(value, given);
            }
            CookieRule::Value => {
                assert!(value.len() <= 128 && !has_email(value));
                assert_eq!(scrub::text(value, 128), *value, "scrubbed twice");
            }
        }
    }
    assert_eq!(
        PRIVACY.epoch().expect("it is no member of a fleet").cookies(&SITE, offered.iter().copied()),
        kept,
        "the same cookies are kept the same"
    );
}

/// Lines of `Sec-CH-UA` headers in the order of the specification, the first for brands; then a user agent.
pub fn client_hints(data: &[u8]) {
    const NAMES: [&str; 7] = [
        "sec-ch-ua",
        "sec-ch-ua-full-version-list",
        "sec-ch-ua-mobile",
        "sec-ch-ua-platform",
        "sec-ch-ua-platform-version",
        "sec-ch-ua-model",
        "sec-ch-ua-form-factors",
    ];
    let mut lines = data.splitn(NAMES.len() + 1, |byte| *byte == b'\n');
    let mut headers = HeaderMap::new();
    for (name, line) in NAMES.into_iter().zip(&mut lines) {
        if let Ok(value) = HeaderValue::from_bytes(line) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    let hints = ClientHints::default();
    check_browser(&ClientSignals {
        user_agent: lines.next().unwrap_or_default(),
        hints: &hints,
        headers: HintHeaders::from_request(&headers),
        touch_points: 0,
        screen: (0, 0),
        automated: false,
    });
}

/// Three bytes (touch points, screen, and whether a script drives the browser), then a user agent.
pub fn user_agent(data: &[u8]) {
    let Some(([touch_points, screen, flags], user_agent)) = data.split_first_chunk::<3>() else { return };
    let hints = ClientHints::default();
    check_browser(&ClientSignals {
        user_agent,
        hints: &hints,
        headers: HintHeaders::default(),
        touch_points: *touch_points,
        screen: (u16::from(*screen) * 8, u16::from(*screen) * 5),
        automated: flags & 1 == 1,
    });
}

/// The result does not depend on earlier clients, and it is short for any input.
fn check_browser(client: &ClientSignals<'_>) {
    static CACHED: LazyLock<BrowserRecogniser> = LazyLock::new(BrowserRecogniser::new);
    let fresh = recognise_uncached(client);
    assert_eq!(*CACHED.recognise(client), fresh, "not what is found anew");
    assert_eq!(*CACHED.recognise(client), fresh, "not what was remembered");
    for text in [&fresh.name, &fresh.os, &fresh.bot] {
        assert!(text.len() <= MAX_BROWSER_TEXT, "{} bytes", text.len());
    }
    for version in [&fresh.version, &fresh.os_version] {
        assert!(version.len() <= 16, "{} bytes of a version", version.len());
    }
}

/// The text of `footfall.toml`; after a NUL, lines of `FOOTFALL_NAME=value`.
///
/// An error names lines that exist. An accepted configuration keeps the bounds that the program relies on.
pub fn configuration(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    // A setting that names a file is read when it is checked. The files of the machine are not part of the input.
    if text.contains("password") || text.contains("PASSWORD") || text.contains("\\u") || text.contains("\\U")
    {
        return;
    }
    let (file, variables) = text.split_once('\0').unwrap_or((&text, ""));
    let environment: Vec<_> = variables
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    match Config::check("footfall.toml", file, &environment) {
        Ok(config) => {
            assert!(config.limits.connections >= 1 && config.limits.burst >= 1);
            assert!(config.spool.seal_rows >= 1 && config.spool.seal_bytes <= config.spool.max_bytes / 2);
            assert!(config.sites.iter().all(|site| !site.id.is_empty() && site.id.len() <= 64));
        }
        Err(ConfigError::Wrong { problems, .. }) => {
            let told = problems.to_string();
            assert!(!told.is_empty());
            let last = file.matches('\n').count() + 1;
            for problem in told.lines().filter_map(|line| line.strip_prefix("  line ")) {
                let Some((line, message)) = problem.split_once(": ") else { continue };
                let line: usize = line.parse().expect("a number");
                assert!((1..=last).contains(&line), "line {line} of {last}");
                assert!(message.len() <= MAX_MESSAGE + 8 * file.len(), "{} bytes", message.len());
            }
        }
        Err(error) => panic!("nothing is read from a file here: {error}"),
    }
}

/// An address in a chain of proxies, for [`forwarded_headers`].
pub(crate) fn ip(text: &'static str) -> IpAddr {
    text.parse().expect("an address")
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::TARGETS;

    #[test]
    fn every_input_that_fuzzing_kept_still_holds() {
        let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
        for (name, run) in TARGETS {
            let mut inputs = 0;
            for entry in fs::read_dir(corpora.join(name)).expect("a target has a corpus") {
                let path = entry.unwrap().path();
                let input = fs::read(&path).unwrap();
                // Shown by the harness only when the assertion behind it fails.
                println!("{}", path.display());
                run(&input);
                inputs += 1;
            }
            assert!(inputs >= 10, "{name} has a corpus of {inputs}");
        }
    }

    #[test]
    fn every_target_has_a_program_that_runs_it_and_no_program_is_left_over() {
        let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
        let manifest = fs::read_to_string(fuzz.join("Cargo.toml")).unwrap();
        for (name, _) in TARGETS {
            let program = fs::read_to_string(fuzz.join(format!("fuzz_targets/{name}.rs"))).unwrap();
            assert!(program.contains(&format!("footfall::fuzz::{name}(data)")), "{name}");
            assert!(manifest.contains(&format!("path = \"fuzz_targets/{name}.rs\"")), "{name}");
        }
        assert_eq!(fs::read_dir(fuzz.join("fuzz_targets")).unwrap().count(), TARGETS.len());
    }
}
