//! What the script leaves out: kinds, the version, and the page load of withheld events.

use super::*;

#[test]
fn an_event_that_names_no_kind_has_that_of_its_fields() {
    for (event, kind) in [
        (r#"{"ms":0.1,"sd":null}"#, "leave"),
        (r#"{"n":"booking"}"#, "event"),
        (r#"{"n":"booking","p":{"a":1}}"#, "event"),
        (r#"{"n":"click","ad":"spring"}"#, "ad"),
        (r#"{"m":"x is undefined","f":"","ln":3}"#, "error"),
        (r#"{"n":"https://a.example/a.png","tag":"img"}"#, "resource"),
        (r#"{"responseStart":0}"#, "vitals"),
        (r#"{"n":"https://other.example/","dl":false}"#, "outbound"),
        (r#"{"n":"https://a.example/list.pdf","dl":false}"#, "download"),
        (r#"{"n":"https://a.example/report","dl":true}"#, "download"),
        (r#"{"k":"event","n":"seen","ms":5}"#, "event"),
    ] {
        assert_eq!(detail(event).kind().name(), kind, "{event}");
    }
}

#[test]
fn a_click_on_a_link_to_a_page_of_the_site_is_counted_and_not_kept() {
    let click = r#"{"n":"https://clinic.example/about.html","dl":false}"#;
    let view = r#"{"k":"view","u":"https://clinic.example/"}"#;
    let counted = |events: &[&str]| {
        let body = with_event(&events.join(","));
        let beacon = parse(body.as_bytes()).unwrap();
        assert_eq!((beacon.event_count(), beacon.left_out.len()), (events.len() as u32, 0));
        (beacon.internal_links, kept(&body))
    };
    assert_eq!(counted(&[view, click, r#"{"k":"missing"}"#]), (1, vec![(0, "view"), (2, "missing")]));
    let first = click.replacen('{', r#"{"u":"https://clinic.example/a","#, 1);
    assert_eq!(counted(&[&first]), (1, vec![]));
    assert_eq!(counted(&[&first, r#"{"k":"missing"}"#]), (1, vec![(1, "missing")]));
}

#[test]
fn a_beacon_without_version_is_of_the_first_and_withheld_events_need_no_page_load() {
    assert_eq!(kept(r#"{"s":"a","l":0.5,"e":[{"k":"view","u":"https://a.example/"}]}"#), [(0, "view")]);
    assert_eq!(parse(br#"{"s":"a","x":3}"#).unwrap().withheld, 3);
    refused(r#"{"s":"a","e":[{}]}"#, "l", "is missing");
    refused(r#"{"s":"a","l":{},"e":[{}]}"#, "l", "must be text or a fraction");
    refused(r#"{"v":"1","s":"a","l":"1","e":[{}]}"#, "v", "must be a number that is not negative");
    refused(r#"{"s":"a","l":"1"}"#, "e", "must hold 1 to 100 events");
}
