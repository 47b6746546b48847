//! The wire format by example.

mod implied;
mod mutations;

use std::borrow::Cow;

use super::json::FIELDS;
use super::*;
use crate::generated_docs;

/// The design's own example.
const EXAMPLE: &str = r#"{"v":1,"s":"clinic","l":"k3f9","o":5,"w":1536,"h":864,"g":"ru-RU","z":"Europe/Moscow","c":1,"t":5,
    "ck":{"ab":"B"},"ch":{"brands":[{"brand":"Chromium","version":"156"}],"mobile":false,"platform":"Windows",
    "platformVersion":"15.0.0","unknown":[{}]},
    "e":[{"k":"view","a":0,"u":"https://clinic.example/doctors","r":"https://yandex.ru/"},
         {"k":"ad","a":1200,"n":"viewable","ad":"spring-checkup","slot":"top"},
         {"k":"leave","a":45000.4,"ms":31000,"sd":180}]}"#;

fn with_event(event: &str) -> String {
    format!(r#"{{"v":1,"s":"clinic","l":"1","e":[{event}]}}"#)
}

/// What a body is read as. It is never freed.
fn parse(body: &[u8]) -> Result<Beacon<'static>, MalformedBeacon> {
    json::parse(body.to_vec().leak(), Box::leak(Box::default()))
}

/// Checks one event; its page is added.
fn detail(event: &str) -> EventDetail<'static> {
    let body = with_event(&on_page(event));
    parse(body.as_bytes()).unwrap().events.remove(0).detail
}

/// An event, given without its page.
fn on_page(event: &str) -> String {
    event.replacen('{', r#"{"u":"https://a.example/","#, 1)
}

/// What is left out of a beacon: path, problem, and whether it is a whole event.
fn left_out(body: &str) -> Vec<(String, String, bool)> {
    let left_out = parse(body.as_bytes()).unwrap_or_else(|error| panic!("{error}: {body}")).left_out;
    left_out.into_iter().map(|part| (part.fault.path, part.fault.problem.into(), part.is_event)).collect()
}

/// The events that are kept: index and kind.
fn kept(body: &str) -> Vec<(u32, &'static str)> {
    let events = parse(body.as_bytes()).unwrap_or_else(|error| panic!("{error}: {body}")).events;
    events.iter().map(|event| (event.index, event.detail.kind().name())).collect()
}

#[track_caller]
fn refused(body: &str, path: &str, problem: &str) {
    let error = parse(body.as_bytes()).unwrap_err();
    assert_eq!((error.path.as_str(), &*error.problem), (path, problem), "{body}");
}

#[test]
fn the_example_is_read_whole() {
    let beacon = parse(EXAMPLE.as_bytes()).unwrap();
    assert_eq!((beacon.page_load, beacon.first_seq), (u64::from_str_radix("k3f9", 36).unwrap(), 5));
    assert_eq!((beacon.screen_width, beacon.screen_height, beacon.touch_points), (1536, 864, 5));
    assert_eq!((&*beacon.language, &*beacon.timezone), ("ru-RU", "Europe/Moscow"));
    let hints = beacon.hints.parse();
    assert_eq!(hints.brands, [("Chromium".into(), "156".into())]);
    assert_eq!((hints.mobile, &*hints.platform_version), (Some(false), "15.0.0"));
    assert_eq!(beacon.events[0].page.as_ref().unwrap().referrer, "https://yandex.ru/");
    assert_eq!(beacon.events[1].page, None);
    assert!(
        matches!(&beacon.events[1].detail, EventDetail::Ad { action: AdAction::Viewable, ad, .. } if ad == "spring-checkup")
    );
    assert_eq!(beacon.events[2].detail, EventDetail::Leave { engaged_ms: 31_000, scroll_depth: 100 });
    assert_eq!(beacon.events[2].age_ms, 45_000);
}

#[test]
fn hints_that_cannot_be_read_cost_no_more_than_themselves() {
    let hints = |hints: &str| {
        let body = format!(
            r#"{{"v":1,"s":"clinic","l":"1","ch":{hints},"e":[{{"k":"view","u":"https://clinic.example/"}}]}}"#
        );
        let beacon = parse(body.as_bytes()).unwrap();
        (beacon.hints.parse(), beacon.left_out.len())
    };
    for (sent, left_out) in [("7", 1), ("[]", 1), ("null", 0), ("{}", 0)] {
        assert_eq!(hints(sent), (ClientHints::default(), left_out), "{sent}");
    }
    let windows = ClientHints { platform: "Windows".into(), ..ClientHints::default() };
    for sent in [
        r#"{"platform":"Windows","mobile":"yes"}"#,
        r#"{"platform":"Windows","brands":[{"brand":"Chromium","version":7}]}"#,
        r#"{"platform":"Windows","model":"a","model":"b"}"#,
    ] {
        assert_eq!(hints(sent), (windows.clone(), 0), "{sent}");
    }
}

#[test]
fn bytes_that_are_not_utf_8_become_the_replacement_character() {
    let body = EXAMPLE.as_bytes().to_vec();
    let mut other = body.clone();
    other[EXAMPLE.find("spring").unwrap()] = 0xff;
    let event = parse(&other).unwrap().events.remove(1);
    assert!(
        matches!(&event.detail, EventDetail::Ad { ad, .. } if ad == "\u{fffd}pring-checkup"),
        "{event:?}"
    );
    assert_eq!(parse(&other).unwrap().left_out, []);
    // Also in a field that the format does not have.
    assert!(parse(&[&body[..body.len() - 1], b",\"x\":\"\xff\"}"].concat()).is_ok());
    // Other encodings are not JSON.
    let utf_16: Vec<u8> = EXAMPLE.encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(parse(&utf_16).unwrap_err().path, "body");
}

#[test]
fn texts_without_escapes_are_borrowed() {
    let beacon = parse(EXAMPLE.as_bytes()).unwrap();
    assert!(matches!(beacon.site, Cow::Borrowed(_)));
    assert!(matches!(beacon.events[0].page.as_ref().unwrap().url, Cow::Borrowed(_)));
    assert!(matches!(beacon.cookies[0].1.0, Cow::Borrowed(_)));
    let body =
        br#"{"v":1,"s":"a","l":"1","u":"https://a.example/x","r":"https://b.example/","e":[{"k":"view"}]}"#;
    let beacon = parse(body).unwrap();
    let page = beacon.events[0].page.as_ref().unwrap();
    assert!(matches!((&page.url, &page.referrer), (Cow::Borrowed(_), Cow::Borrowed(_))));
}

#[test]
fn properties_are_texts_whatever_their_type() {
    let EventDetail::Event { name, props } = detail(
        r#"{"k":"event","n":"booking","p":{"a":"x","b":1,"c":true,"d":-2.5,"e":0.3333333333333333,"f":79161234567}}"#,
    ) else {
        panic!("not an event");
    };
    assert_eq!(name, "booking");
    let values: Vec<&str> = props.iter().map(|(_, value)| &**value).collect();
    assert_eq!(values, ["x", "1", "true", "-2.5", "0.333", "79160000000"]);
}

#[test]
fn vitals_that_were_not_measured_stay_unknown() {
    let EventDetail::Vitals(vitals) = detail(r#"{"k":"vitals","lcp":1200.6,"cls":0.05,"inp":1e300}"#) else {
        panic!("not vitals")
    };
    assert_eq!((vitals.lcp_ms, vitals.cls, vitals.fcp_ms), (Some(1_201), Some(0.05), None));
    assert_eq!(vitals.inp_ms, Some(u32::MAX));
}

#[test]
fn a_wrong_envelope_is_named_with_its_place_and_never_repeated() {
    refused("", "body", "ends before the JSON object does");
    refused("[]", "body", "must be an object");
    refused("{\"v\":1} x", "body", "is not JSON at line 1, column 9");
    refused(r#"{"v":1,"l":"1","e":[]}"#, "body", "has no field s");
    refused(r#"{"v":1,"s":"a","s":"b","l":"1","e":[]}"#, "s", "stands twice");
    refused(r#"{"v":1,"s":"a","l":"1","e":{}}"#, "e", "must be a sequence");
    refused(
        &with_event(r#"{"k":"view"}"#),
        "u",
        "is missing: the beacon or its first event needs the page's address",
    );
    refused(&with_event(""), "e", "must hold 1 to 100 events");
    refused(
        &with_event(&vec![r#"{"k":"view","u":"https://a.example/"}"#; 101].join(",")),
        "e",
        "must hold 1 to 100 events",
    );
    refused(r#"{"v":2,"s":"a","l":"1","e":[]}"#, "v", "must be 1");
    refused(
        r#"{"v":1,"s":"a","l":"K","e":[]}"#,
        "l",
        "must be a 64-bit number in base 36: 1 to 13 of 0-9 and a-z",
    );
    refused(r#"{"v":1,"s":"a","l":"1","o":4294967295,"e":[{}]}"#, "o", "must be below 2^32 - 100");
    refused(r#"{"v":1,"s":"a","l":"1","o":-1,"e":[{}]}"#, "o", "must be a number that is not negative");
    // No event says where it happened.
    refused(&with_event(r#"{"k":"view","u":7}"#), "e[0].u", "must be text");
    refused(
        &with_event(r#"{"k":"view","u":"about:blank"},{"k":"view"}"#),
        "e[0].u",
        "must be an http or https address",
    );
    refused(&with_event("7"), "e[0]", "must be an object");
    // What is no JSON is named, not what is of a wrong type before it.
    refused(
        &with_event(r#"{"k":7,"u":"https://a.example/"},{"k":"a\x"}"#),
        "body",
        "is not JSON at line 1, column 75",
    );
    refused(&with_event("{\"k\":\"a\nb\"}"), "e[0].k", "is not JSON at line 1, column 40");
}

#[test]
fn an_event_that_cannot_be_kept_costs_no_other_and_no_number() {
    let good = r#"{"k":"view","u":"https://a.example/"}"#;
    for (bad, path, problem) in [
        ("7", "e[1]", "must be an object"),
        ("null", "e[1]", "must be an object"),
        ("{}", "e[1].k", "is missing, and no other field tells it"),
        (r#"{"dl":true}"#, "e[1].n", "is missing"),
        (r#"{"k":7}"#, "e[1].k", "must be text"),
        (r#"{"k":"<script>"}"#, "e[1].k", "is not a kind of event"),
        (r#"{"k":"view","k":"view"}"#, "e[1].k", "stands twice"),
        (r#"{"k":"ad","n":"seen","ad":"a"}"#, "e[1].n", "must be impression, viewable or click"),
        (r#"{"k":"ad","n":"click"}"#, "e[1].ad", "is missing"),
        (r#"{"k":"error"}"#, "e[1].m", "is missing"),
        (r#"{"k":"error","m":""}"#, "e[1].m", "must not be empty"),
        (r#"{"k":"error","m":42}"#, "e[1].m", "must be text"),
        (r#"{"k":"event","n":1e400}"#, "e[1].n", "cannot be read"),
        (r#"{"k":"outbound","n":[]}"#, "e[1].n", "must be text"),
        (r#"{"k":"view","u":{}}"#, "e[1].u", "must be text"),
        (r#"{"k":"view","u":"mailto:ivan@mail.ru"}"#, "e[1].u", "must be an http or https address"),
    ] {
        let body = with_event(&[good, bad, r#"{"k":"missing"}"#].join(","));
        assert_eq!(kept(&body), [(0, "view"), (2, "missing")], "{bad}");
        assert_eq!(left_out(&body), [(path.to_owned(), problem.to_owned(), true)], "{bad}");
    }
}

#[test]
fn a_field_that_cannot_be_read_costs_no_event() {
    for (field, path, problem) in [
        (r#""st":42"#, "st", "must be text"),
        (r#""st":["at f"]"#, "st", "must be text"),
        (r#""a":-1"#, "a", "must be a number that is not negative"),
        (r#""a":1e999"#, "a", "cannot be read"),
        (r#""r":{"a":"b"}"#, "r", "must be text"),
        (r#""st":"a","st":"b""#, "st", "stands twice"),
        (r#""ln":"12""#, "ln", "must be a number that is not negative"),
    ] {
        let body = with_event(&on_page(&format!(r#"{{"k":"error","m":"x",{field}}}"#)));
        assert_eq!(kept(&body), [(0, "error")], "{field}");
        assert_eq!(left_out(&body), [(format!("e[0].{path}"), problem.to_owned(), false)], "{field}");
    }
    assert_eq!(left_out(&with_event(&on_page(r#"{"k":"error","m":"x","st":null}"#))), []);
}

#[test]
fn a_field_of_the_beacon_that_cannot_be_read_costs_only_itself() {
    for field in [
        r#""w":"wide""#,
        r#""h":-1"#,
        r#""g":null,"z":7"#,
        r#""c":"yes""#,
        r#""t":1e999"#,
        r#""b":[]"#,
        r#""at":"now""#,
        r#""ck":7"#,
        r#""w":1,"w":2"#,
    ] {
        let body = format!(r#"{{"v":1,"s":"a","l":"1",{field},"e":[{}]}}"#, on_page(r#"{"k":"view"}"#));
        assert_eq!(kept(&body), [(0, "view")], "{field}");
        assert_eq!(left_out(&body).len(), 1, "{field}");
    }
}

#[test]
fn half_a_character_is_replaced_and_nothing_is_lost() {
    let body = with_event(&on_page(
        r#"{"k":"event","n":"boom \ud83d","p":{"q\udc00":"\ud83d","ok":"\ud83d\ude00"}}"#,
    ));
    let beacon = parse(body.as_bytes()).unwrap();
    let EventDetail::Event { name, props } = &beacon.events[0].detail else { panic!("not an event") };
    assert_eq!((&**name, beacon.left_out.len()), ("boom \u{fffd}", 0));
    let pairs: Vec<(&str, &str)> = props.iter().map(|(name, value)| (&**name, &**value)).collect();
    assert_eq!(pairs, [("q\u{fffd}", "\u{fffd}"), ("ok", "😀")]);
}

#[test]
fn an_event_is_on_the_page_of_the_one_before_also_if_that_is_left_out() {
    let events = [
        r#"{"k":"view","u":"https://a.example/one"}"#,
        r#"{"k":"nonsense","u":"https://a.example/two"}"#,
        r#"{"k":"missing"}"#,
        r#"{"k":7,"u":"https://a.example/three"}"#,
        r#"{"k":"missing"}"#,
        r#"{"k":"leave","u":7}"#,
        r#"{"k":"missing"}"#,
    ];
    let beacon = parse(with_event(&events.join(",")).as_bytes()).unwrap();
    let pages: Vec<_> =
        beacon.events.iter().map(|event| (event.index, event.page.as_ref().map(|page| &*page.url))).collect();
    assert_eq!(
        pages,
        [
            (0, Some("https://a.example/one")),
            (2, Some("https://a.example/two")),
            (4, Some("https://a.example/three")),
            (6, None)
        ]
    );
}

#[test]
fn properties_beyond_the_limit_are_left_out() {
    let many: Vec<String> = (0..33).map(|n| format!("\"p{n}\":{n}")).collect();
    for p in [
        format!("{{{}}}", many.join(",")),
        format!("[{}]", vec!["\"a=b\""; 33].join(",")),
        format!("\"{}\"", vec!["a=b"; 33].join("&")),
    ] {
        let body = with_event(&on_page(&format!(r#"{{"k":"event","n":"x","p":{p}}}"#)));
        let EventDetail::Event { props, .. } = parse(body.as_bytes()).unwrap().events.remove(0).detail else {
            panic!("not an event")
        };
        assert_eq!(props.len(), 30);
        assert_eq!(
            left_out(&body),
            [("e[0].p".to_owned(), "has 3 without a value or over the limit of 30".to_owned(), false)]
        );
    }
}

#[test]
fn long_names_are_cut_at_a_character() {
    let EventDetail::Event { name, .. } = detail(&format!(r#"{{"k":"event","n":"{}"}}"#, "ы".repeat(100)))
    else {
        panic!("not an event");
    };
    assert_eq!(name, "ы".repeat(64));
}

#[test]
fn a_language_that_is_none_is_dropped() {
    let body = r#"{"v":1,"s":"a","l":"1","g":"call me: 555","z":"'; DROP","e":[{"k":"view","u":"https://a.example/"}]}"#;
    let beacon = parse(body.as_bytes()).unwrap();
    assert_eq!((&*beacon.language, &*beacon.timezone), ("", ""));
}

#[test]
fn a_release_is_kept_as_it_is_or_dropped_whole() {
    let read = |sent: &str| {
        let body = format!(
            r#"{{"v":1,"s":"a","l":"1","rel":{sent},"e":[{{"k":"view","u":"https://a.example/"}}]}}"#
        );
        let problems: Vec<String> =
            left_out(&body).into_iter().map(|(path, problem, _)| format!("{path} {problem}")).collect();
        (parse(body.as_bytes()).unwrap().release.into_owned(), problems.join(", "))
    };
    let longest = "a".repeat(64);
    for kept in ["2026.11.27-1", "3f2a9c1", "web/v1.2.3-rc.1+build_5", "20261127153000", "", &longest] {
        assert_eq!(read(&format!("{kept:?}")), (kept.to_owned(), String::new()));
    }
    let is_no_name = "rel must be at most 64 letters, digits and ._-+/";
    for dropped in ["anna@clinic.example", "two words", "выпуск", &format!("{longest}a")] {
        assert_eq!(read(&format!("{dropped:?}")), (String::new(), is_no_name.to_owned()), "{dropped}");
    }
    assert_eq!(read("7"), (String::new(), "rel must be text".to_owned()));
    assert_eq!(read("null"), (String::new(), String::new()));
}

#[test]
fn deep_nesting_is_refused_rather_than_followed() {
    let body = format!(r#"{{"v":1,"x":{}"#, "[".repeat(60_000));
    assert!(parse(body.as_bytes()).is_err());
}

#[test]
fn the_phases_of_a_navigation_are_read_as_the_browser_writes_them() {
    let vitals =
        |times: &str| match detail(&format!(r#"{{"k":"vitals","lcp":900.4,"fcp":null,"cls":0,{times}}}"#)) {
            EventDetail::Vitals(vitals) => vitals,
            _ => panic!("not vitals"),
        };
    let secure = vitals(
        r#""entryType":"navigation","serverTiming":[{}],"activationStart":0,"domainLookupStart":5.1,"domainLookupEnd":12.3,
            "connectStart":12.3,"secureConnectionStart":30,"connectEnd":61,"responseStart":120.6,"loadEventEnd":0"#,
    );
    assert_eq!((secure.dns_ms, secure.connect_ms, secure.tls_ms), (Some(7), Some(18), Some(31)));
    assert_eq!((secure.ttfb_ms, secure.load_ms, secure.lcp_ms), (Some(121), None, Some(900)));
    assert_eq!((secure.fcp_ms, secure.cls), (None, Some(0.0)));
    let plain = vitals(
        r#""connectStart":3,"secureConnectionStart":0,"connectEnd":5,"responseStart":9,"loadEventEnd":800"#,
    );
    assert_eq!(
        (plain.connect_ms, plain.tls_ms, plain.load_ms, plain.dns_ms),
        (Some(2), Some(0), Some(800), None)
    );
    let prerendered = vitals(r#""activationStart":500,"responseStart":90,"loadEventEnd":700"#);
    assert_eq!(
        (prerendered.lcp_ms, prerendered.ttfb_ms, prerendered.load_ms),
        (Some(400), Some(0), Some(200))
    );
}

#[test]
fn cookies_come_as_an_object_or_as_the_browser_writes_them() {
    let body =
        r#"{"v":1,"s":"clinic","l":"1","ck":["ab=B=2"," bare"],"e":[{"k":"view","u":"https://a.example/"}]}"#;
    let cookies = parse(body.as_bytes()).unwrap().cookies;
    let pairs: Vec<(&str, &str)> = cookies.iter().map(|(name, value)| (&**name, &**value)).collect();
    assert_eq!(pairs, [("ab", "B=2"), ("bare", "")]);
}

#[test]
fn a_page_that_is_named_again_is_the_page_before() {
    let event = |url: &str| format!(r#"{{"k":"view","u":"https://a.example/{url}","r":""}}"#);
    let body = with_event(&[event("x"), event("x"), event("y"), event("y"), event("x")].join(",")).leak();
    let pages: Vec<bool> =
        parse(body.as_bytes()).unwrap().events.iter().map(|event| event.page.is_some()).collect();
    assert_eq!(pages, [true, false, true, false, true]);
}

#[test]
fn the_page_of_the_beacon_is_that_of_all_events_that_name_none() {
    let body = |page: &str, events: &str| {
        format!(r#"{{"v":1,"s":"clinic","l":"1",{page}"e":[{events}]}}"#).leak().as_bytes()
    };
    let pages = |body: &'static [u8]| -> Vec<Option<(String, String)>> {
        let page = |event: &BeaconEvent<'_>| {
            event.page.as_ref().map(|page| (page.url.to_string(), page.referrer.to_string()))
        };
        parse(body).unwrap().events.iter().map(page).collect()
    };
    let page = |url: &str, referrer: &str| Some((format!("https://a.example/{url}"), referrer.to_owned()));
    let shared = r#""u":"https://a.example/x","r":"https://b.example/","#;
    let view = r#"{"k":"view"}"#;
    let other = r#"{"k":"view","u":"https://a.example/y","r":"https://a.example/x"}"#;
    let leave = r#"{"k":"leave","ms":1}"#;
    let x = page("x", "https://b.example/");
    let y = page("y", "https://a.example/x");
    assert_eq!(pages(body(shared, &[view, leave].join(","))), [x.clone(), None]);
    assert_eq!(pages(body(shared, &[view, other, leave].join(","))), [x, y.clone(), None]);
    // Without need, the page of the beacon is not used.
    assert_eq!(pages(body(shared, &[other, leave].join(","))), [y, None]);
    assert_eq!(pages(body(r#""u":"https://a.example/x","#, view)), [page("x", "")]);
    // A referrer without its address counts for nothing.
    let lone = r#"{"k":"view","r":"https://c.example/"}"#;
    assert_eq!(pages(body(r#""u":"https://a.example/x","#, lone)), [page("x", "")]);
}

#[test]
fn a_property_that_is_no_text_number_or_flag_is_dropped_alone() {
    let props = |p: &str| match detail(&format!(r#"{{"k":"event","n":"x","p":{p}}}"#)) {
        EventDetail::Event { props, .. } => props
            .into_iter()
            .map(|(name, value)| format!("{}={}", &*name, &*value))
            .collect::<Vec<_>>()
            .join(" "),
        _ => panic!("not an event"),
    };
    assert_eq!(props(r#"{"a":null,"b":[1,[2]],"c":{"d":{}},"e":"kept"}"#), "e=kept");
    assert_eq!(props(r#"{"a":1e999,"b":[1,[2]],"e":"kept","f":true}"#), "e=kept f=true");
    assert_eq!(props(r#"["a=1",1e999,[],null,"e=kept"]"#), "a=1 e=kept");
    assert_eq!(
        props(r#""doctor=%D0%98%D0%B2%D0%B0%D0%BD&first=true&x=a+b""#),
        "doctor=Иван first=true x=a b"
    );
    for none in ["null", "7", "-7", "1.5", "true"] {
        assert_eq!(props(none), "");
    }
}

#[test]
fn ages_are_counted_on_the_pages_clock_if_it_is_given() {
    let body = r#"{"v":1,"s":"a","l":0.5,"at":1795383000123,"c":true,"b":false,"e":[
        {"at":1795383000000.4,"k":"view","u":"https://a.example/"},{"at":1795383009000,"k":"missing"},
        {"at":0,"k":"missing"},{"a":7,"k":"leave","ms":-3}]}"#;
    let beacon = parse(body.as_bytes()).unwrap();
    let ages: Vec<u32> = beacon.events.iter().map(|event| event.age_ms).collect();
    assert_eq!(ages, [123, 0, MAX_AGE_MS, 7]);
    assert_eq!((beacon.page_load, beacon.cookies_enabled, beacon.automated), (1 << 52, true, false));
    assert_eq!(beacon.events[3].detail, EventDetail::Leave { engaged_ms: 0, scroll_depth: 0 });
    refused(r#"{"v":1,"s":"a","l":1.5,"e":[{}]}"#, "l", "must be below 1, or text");
}

#[test]
fn vitals_are_made_of_the_browsers_entries() {
    let entries = r#"{"layout-shift":[100,0.1,1000,0.05,2100,0.12,3000,0.01],"paint":80.4,"largest-contentful-paint":900.6,
        "event":48,"first-input":16,"activationStart":0,"responseStart":33,"loadEventEnd":700.2}"#;
    let EventDetail::Vitals(vitals) = detail(entries) else { panic!("not vitals") };
    assert_eq!((vitals.fcp_ms, vitals.lcp_ms, vitals.inp_ms), (Some(80), Some(901), Some(48)));
    assert_eq!((vitals.ttfb_ms, vitals.load_ms, vitals.cls), (Some(33), Some(700), Some(0.15)));
    let EventDetail::Vitals(still) = detail(r#"{"k":"vitals","layout-shift":[],"event":0}"#) else {
        panic!("not vitals")
    };
    assert_eq!((still.cls, still.inp_ms), (Some(0.0), None));
}

#[test]
fn the_tables_of_the_document_are_made_from_the_types() {
    for (section, fields) in ["beacon", "event", "client hints", "brand"].into_iter().zip(FIELDS) {
        let mut table = "| field | type | meaning |\n|---|---|---|\n".to_owned();
        for field in fields {
            let required = if field.is_required() { ", required" } else { "" };
            let (name, meaning) = (field.name, field.meaning.trim_ascii());
            table += &format!("| `{name}` | {}{required} | {meaning} |\n", (field.type_name)());
        }
        generated_docs::check("docs/wire.md", section, &table);
    }
    let mut table = "| bound | at most |\n|---|---|\n".to_owned();
    for (meaning, bound) in limits::ALL {
        table += &format!("| {} | {bound} |\n", meaning.trim_ascii().trim_end_matches('.'));
    }
    generated_docs::check("docs/wire.md", "limits", &table);
}
