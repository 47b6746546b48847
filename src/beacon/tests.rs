//! The wire format by example.

use std::borrow::Cow;

use super::json::{FIELDS, parse};
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

/// Checks one event; its page is added.
fn detail(event: &str) -> EventDetail<'static> {
    let body = with_event(&event.replacen('{', r#"{"u":"https://a.example/","#, 1)).leak();
    parse(body.as_bytes()).unwrap().events.remove(0).detail
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
    let hints = beacon.hints.parse().unwrap();
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
fn malformed_hints_are_refused_with_the_path_of_the_field() {
    let body = |hints: &str| {
        format!(
            r#"{{"v":1,"s":"clinic","l":"1","ch":{hints},"e":[{{"k":"view","u":"https://clinic.example/"}}]}}"#
        )
    };
    refused(&body("7"), "ch", "must be an object");
    refused(&body("[]"), "ch", "must be an object");
    refused(&body(r#"{"mobile":}"#), "ch", "is not JSON at line 1, column 44");
    for (hints, path, problem) in [
        (r#"{"mobile":"yes"}"#, "ch.mobile", "must be a boolean"),
        (r#"{"brands":[{"brand":"Chromium","version":7}]}"#, "ch.brands[0].version", "must be text"),
        (r#"{"model":"a","model":"b"}"#, "ch", "has the field model twice"),
    ] {
        let body = body(hints);
        let error = parse(body.as_bytes()).unwrap().hints.parse().unwrap_err();
        assert_eq!((error.path.as_str(), &*error.problem), (path, problem), "{hints}");
    }
    for missing in [body("null"), body("{}")] {
        assert_eq!(parse(missing.as_bytes()).unwrap().hints.parse(), Ok(ClientHints::default()));
    }
}

#[test]
fn a_body_that_is_not_utf_8_is_refused() {
    let mut body = EXAMPLE.as_bytes().to_vec();
    let at = EXAMPLE.find("spring").unwrap();
    body[at] = 0xff;
    assert!(parse(&body).is_err());
    // Also in a field that the format does not have.
    body =
        br#"{"v":1,"s":"clinic","l":"1","e":[{"k":"view","u":"https://clinic.example/"}],"x":"?"}"#.to_vec();
    assert!(parse(&body).is_ok());
    let at = body.len() - 3;
    body[at] = 0xff;
    let error = parse(&body).unwrap_err();
    assert_eq!((error.path.as_str(), &*error.problem), ("body", "is not UTF-8"));
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
    let EventDetail::Event { name, props } =
        detail(r#"{"k":"event","n":"booking","p":{"a":"x","b":1,"c":true,"d":-2.5}}"#)
    else {
        panic!("not an event");
    };
    assert_eq!(name, "booking");
    let values: Vec<&str> = props.iter().map(|(_, value)| &**value).collect();
    assert_eq!(values, ["x", "1", "true", "-2.5"]);
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
fn what_is_wrong_is_named_with_its_place_and_never_repeated() {
    refused("", "body", "ends before the JSON object does");
    refused("[]", "body", "must be an object");
    refused("{\"v\":1} x", "body", "has no field s");
    refused(&with_event(r#"{"k":7}"#), "e[0].k", "must be text");
    refused(&with_event(r#"{"k":"<script>"}"#), "e[0].k", "is not a kind of event");
    refused(
        &with_event(r#"{"k":"view"}"#),
        "u",
        "is missing: the beacon or its first event needs the page's address",
    );
    refused(&with_event(r#"{"k":"view","a":-1}"#), "e[0].a", "must be a number that is not negative");
    refused(&with_event(r#"{"k":"view","k":"view"}"#), "e[0]", "has the field k twice");
    refused(
        &with_event(r#"{"k":"ad","n":"seen","ad":"a"}"#),
        "e[0].n",
        "must be impression, viewable or click",
    );
    refused(&with_event(r#"{"k":"error"}"#), "e[0].m", "is missing");
    refused(&with_event(""), "e", "must hold 1 to 100 events");
    refused(r#"{"v":2,"s":"a","l":"1","e":[]}"#, "v", "must be 1");
    refused(
        r#"{"v":1,"s":"a","l":"K","e":[]}"#,
        "l",
        "must be a 64-bit number in base 36: 1 to 13 of 0-9 and a-z",
    );
    refused(
        r#"{"v":1,"s":"a","l":"1","o":4294967295,"e":[{"k":"missing"}]}"#,
        "o",
        "must be below 2^32 - 100",
    );
}

#[test]
fn too_many_of_anything_is_refused() {
    let events = vec![r#"{"k":"view","u":"https://a.example/"}"#; 101].join(",");
    refused(&with_event(&events), "e", "must hold 1 to 100 events");
    let many: Vec<String> = (0..31).map(|n| format!("\"p{n}\":1")).collect();
    let event = format!(r#"{{"k":"event","n":"x","u":"https://a.example/","p":{{{}}}}}"#, many.join(","));
    refused(&with_event(&event), "e[0].p", "must hold at most 30 properties");
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
fn deep_nesting_is_refused_rather_than_followed() {
    let body = format!(r#"{{"v":1,"x":{}"#, "[".repeat(60_000));
    assert!(parse(body.as_bytes()).is_err());
}

#[test]
fn the_phases_of_a_navigation_are_read_as_the_browser_writes_them() {
    let vitals =
        |nt: &str| match detail(&format!(r#"{{"k":"vitals","lcp":900.4,"fcp":null,"cls":0,"nt":{nt}}}"#)) {
            EventDetail::Vitals(vitals) => vitals,
            _ => panic!("not vitals"),
        };
    let secure = vitals(
        r#"{"name":"https://a.example/?secret","entryType":"navigation","serverTiming":[{}],"activationStart":0,
            "domainLookupStart":5.1,"domainLookupEnd":12.3,"connectStart":12.3,"secureConnectionStart":30,
            "connectEnd":61,"responseStart":120.6,"loadEventEnd":0}"#,
    );
    assert_eq!((secure.dns_ms, secure.connect_ms, secure.tls_ms), (Some(7), Some(18), Some(31)));
    assert_eq!((secure.ttfb_ms, secure.load_ms, secure.lcp_ms), (Some(121), None, Some(900)));
    assert_eq!((secure.fcp_ms, secure.cls), (None, Some(0.0)));
    let plain = vitals(r#"{"connectStart":3,"secureConnectionStart":0,"connectEnd":5,"loadEventEnd":800}"#);
    assert_eq!(
        (plain.connect_ms, plain.tls_ms, plain.load_ms, plain.dns_ms),
        (Some(2), Some(0), Some(800), None)
    );
    let prerendered = vitals(r#"{"activationStart":500,"responseStart":90,"loadEventEnd":700}"#);
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
    refused(r#"{"v":1,"s":"a","l":1.5,"e":[]}"#, "l", "must be below 1, or text");
}

#[test]
fn vitals_are_made_of_the_browsers_entries() {
    let entries = r#"{"k":"vitals","layout-shift":[100,0.1,1000,0.05,2100,0.12,3000,0.01],
        "paint":{"name":"first-contentful-paint","startTime":80.4,"duration":0},
        "largest-contentful-paint":{"startTime":900.6,"duration":0,"size":12,"url":"https://a.example/?x"},
        "event":{"startTime":5000,"duration":48,"name":"click","interactionId":7},"first-input":{"duration":16},
        "navigation":{"activationStart":0,"responseStart":33,"loadEventEnd":700.2}}"#;
    let EventDetail::Vitals(vitals) = detail(entries) else { panic!("not vitals") };
    assert_eq!((vitals.fcp_ms, vitals.lcp_ms, vitals.inp_ms), (Some(80), Some(901), Some(48)));
    assert_eq!((vitals.ttfb_ms, vitals.load_ms, vitals.cls), (Some(33), Some(700), Some(0.15)));
    let EventDetail::Vitals(still) = detail(r#"{"k":"vitals","layout-shift":[]}"#) else {
        panic!("not vitals")
    };
    assert_eq!((still.cls, still.inp_ms), (Some(0.0), None));
}

#[test]
fn the_tables_of_the_document_are_made_from_the_types() {
    for (section, fields) in
        ["beacon", "event", "client hints", "brand", "entry", "navigation"].into_iter().zip(FIELDS)
    {
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
