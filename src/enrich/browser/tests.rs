//! Browsers, systems and devices by their user agents and client hints.

use std::sync::Arc;

use super::*;
use crate::beacon::{ClientHints, MendedBody, json};
use crate::enrich::table;
use crate::event::{BotCategory, DeviceClass};

const CHROME_WINDOWS: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36";
const CHROME_ANDROID: &str = "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Mobile Safari/537.36";
const SAFARI_MAC: &str = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4.1 Safari/605.1.15";
const FIREFOX: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:144.0) Gecko/20100101 Firefox/144.0";

fn client<'a>(user_agent: &'a str, hints: &'a ClientHints<'a>) -> ClientSignals<'a> {
    ClientSignals {
        user_agent: user_agent.as_bytes(),
        hints,
        headers: HintHeaders::default(),
        touch_points: 0,
        screen: (0, 0),
        automated: false,
    }
}

/// name|version|engine|system|its version|device|bot.
fn line(client: &ClientSignals<'_>) -> String {
    let it = recognise_uncached(client);
    let device = it.device.name();
    format!("{}|{}|{}|{}|{}|{device}|{}", it.name, it.version, it.engine, it.os, it.os_version, it.bot)
}

fn hints(
    brand: &'static str,
    version: &'static str,
    platform: (&'static str, &'static str),
) -> ClientHints<'static> {
    ClientHints {
        brands: vec![
            ("Chromium".into(), "142".into()),
            ("Not_A Brand".into(), "99".into()),
            (brand.into(), version.into()),
        ],
        mobile: Some(platform.0 == "Android"),
        platform: platform.0.into(),
        platform_version: platform.1.into(),
        ..ClientHints::default()
    }
}

#[test]
fn user_agents_are_read() {
    for [expected, user_agent] in table::rows(include_str!("tables/cases.tsv")).map(table::columns) {
        assert_eq!(line(&client(user_agent, &ClientHints::default())), expected, "{user_agent}");
    }
    assert_eq!(line(&client("", &ClientHints::default())), "|||||other|");
}

#[test]
fn hints_correct_what_user_agents_have_frozen() {
    for (user_agent, hints, expected) in [
        (
            CHROME_WINDOWS,
            hints("Google Chrome", "142", ("Windows", "15.0.0")),
            "Chrome|142|Blink|Windows|11|desktop|",
        ),
        (
            CHROME_WINDOWS,
            hints("Google Chrome", "142", ("Windows", "10.0.0")),
            "Chrome|142|Blink|Windows|10|desktop|",
        ),
        (CHROME_WINDOWS, hints("Brave", "142", ("Windows", "0.3.0")), "Brave|142|Blink|Windows|8.1|desktop|"),
        (
            CHROME_WINDOWS,
            hints("Yandex", "25", ("Windows", "15.0.0")),
            "Yandex Browser|25|Blink|Windows|11|desktop|",
        ),
        (
            CHROME_WINDOWS,
            hints("Example Browser", "7", ("Windows", "")),
            "Example Browser|7|Blink|Windows|10|desktop|",
        ),
        (CHROME_WINDOWS, hints("Not)A;Brand", "99", ("Windows", "")), "Chrome|142|Blink|Windows|10|desktop|"),
        (
            CHROME_ANDROID,
            hints("Google Chrome", "142", ("Android", "15.0.0")),
            "Chrome|142|Blink|Android|15|mobile|",
        ),
        (
            CHROME_WINDOWS,
            hints("HeadlessChrome", "142", ("Windows", "")),
            "Chrome|142|Blink|Windows|10|bot|HeadlessChrome",
        ),
    ] {
        assert_eq!(line(&client(user_agent, &hints)), expected);
    }
}

#[test]
fn a_fork_or_an_app_that_the_user_agent_names_is_not_taken_for_the_common_brand() {
    let yandex = format!("{CHROME_WINDOWS} YaBrowser/25.10.0");
    let common = hints("Google Chrome", "142", ("Windows", "15.0.0"));
    assert_eq!(line(&client(&yandex, &common)), "Yandex Browser|25|Blink|Windows|11|desktop|");
    let aloha = format!("{CHROME_ANDROID} AlohaBrowser/5.10.4");
    let view = hints("Android WebView", "142", ("Android", "13"));
    assert_eq!(line(&client(&aloha, &view)), "Aloha|5|Blink|Android|13|mobile|");
}

#[test]
fn a_model_or_a_form_factor_tells_the_device() {
    let mut hints = hints("Google Chrome", "142", ("Android", "14.0.0"));
    hints.model = "Tab 10".into();
    assert_eq!(line(&client(CHROME_ANDROID, &hints)), "Chrome|142|Blink|Android|14|tablet|");
    hints.model = "Example Chromebook Spin 14".into();
    assert_eq!(line(&client(CHROME_ANDROID, &hints)), "Chrome|142|Blink|Chrome OS||desktop|");
    hints.model = "K".into();
    hints.form_factors = vec!["XR".into()];
    assert_eq!(line(&client(CHROME_ANDROID, &hints)), "Chrome|142|Blink|Android|14|other|");
}

#[test]
fn hints_come_as_headers_too_and_what_the_script_brought_counts_more() {
    let mut headers = hyper::HeaderMap::new();
    for (name, value) in [
        ("sec-ch-ua", "\"Chromium\";v=\"142\", \"Not_A Brand\";v=\"99\", \"Opera\";v=\"121\""),
        ("sec-ch-ua-mobile", "?0"),
        ("sec-ch-ua-platform", "\"Windows\""),
        ("sec-ch-ua-platform-version", "\"15.0.0\""),
    ] {
        headers.insert(name, value.parse().expect("a header"));
    }
    let none = ClientHints::default();
    let of_headers =
        ClientSignals { headers: HintHeaders::from_request(&headers), ..client(CHROME_WINDOWS, &none) };
    assert_eq!(line(&of_headers), "Opera|121|Blink|Windows|11|desktop|");
    let sent = hints("Vivaldi", "7", ("Windows", "10.0.0"));
    assert_eq!(line(&ClientSignals { hints: &sent, ..of_headers }), "Vivaldi|7|Blink|Windows|10|desktop|");
    headers.insert("sec-ch-ua", "\"Chromium;v=1".parse().expect("a header"));
    let of_headers =
        ClientSignals { headers: HintHeaders::from_request(&headers), ..client(CHROME_WINDOWS, &none) };
    assert_eq!(
        line(&of_headers),
        "Chrome|142|Blink|Windows|11|desktop|",
        "a broken header counts as missing"
    );
}

#[test]
fn a_client_whose_hints_deny_its_user_agent_is_marked_and_neither_is_believed() {
    for (user_agent, hints) in [
        (FIREFOX, hints("Google Chrome", "142", ("Windows", "15.0.0"))),
        (SAFARI_MAC, hints("Google Chrome", "142", ("macOS", "15.0.0"))),
        (CHROME_WINDOWS, hints("Google Chrome", "142", ("Android", "15.0.0"))),
        (CHROME_ANDROID, hints("Google Chrome", "142", ("Windows", "15.0.0"))),
    ] {
        let browser = recognise_uncached(&client(user_agent, &hints));
        assert!(browser.spoofed, "{user_agent}");
        assert!(!browser.rules.spoofed.is_empty());
        assert_eq!(line(&client(user_agent, &hints)), "|||||other|", "{user_agent}");
    }
}

#[test]
fn an_app_that_dropped_chromes_words_is_not_spoofed() {
    let app = "Mozilla/5.0 (Linux; Android 14; X100) AppleWebKit/537.36 (KHTML, like Gecko) Mobile Safari/537.36 ExampleApp/2.0";
    let hints = hints("Android WebView", "142", ("Android", "14.0.0"));
    assert_eq!(line(&client(app, &hints)), "Android WebView|142|Blink|Android|14|mobile|");
}

#[test]
fn who_asks_for_a_page_for_desktops_is_not_spoofed() {
    let desktop = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36";
    let hints = hints("Google Chrome", "142", ("Android", "15.0.0"));
    let browser = recognise_uncached(&client(desktop, &hints));
    assert!(!browser.spoofed);
    assert_eq!((&*browser.os, browser.device), ("Android", DeviceClass::Mobile));
}

#[test]
fn a_mac_with_a_touch_screen_is_an_ipad() {
    let none = ClientHints::default();
    let touched =
        |user_agent, touch_points| line(&ClientSignals { touch_points, ..client(user_agent, &none) });
    assert_eq!(touched(SAFARI_MAC, 5), "Safari|17|WebKit|iOS||tablet|");
    assert_eq!(touched(CHROME_WINDOWS, 10), "Chrome|142|Blink|Windows|10|desktop|");
}

#[test]
fn the_size_of_the_screen_tells_an_unknown_tablet_from_a_phone() {
    let none = ClientHints::default();
    let device = |user_agent, screen| {
        recognise_uncached(&ClientSignals { screen, ..client(user_agent, &none) }).device
    };
    let phone = CHROME_ANDROID;
    let tablet = CHROME_ANDROID.replace(" Mobile", "");
    let known = CHROME_ANDROID.replace("; K)", "; SM-S918B)");
    assert_eq!(device(phone, (800, 1280)), DeviceClass::Tablet);
    assert_eq!(device(phone, (412, 915)), DeviceClass::Mobile);
    assert_eq!(device(&tablet, (412, 915)), DeviceClass::Mobile);
    assert_eq!(device(&tablet, (960, 540)), DeviceClass::Tablet, "it may be a television");
    assert_eq!(device(&known, (800, 1280)), DeviceClass::Mobile, "the model is known");
    assert_eq!(device(CHROME_WINDOWS, (1920, 1080)), DeviceClass::Desktop);
    let mut not_mobile = hints("Google Chrome", "142", ("Android", "15.0.0"));
    not_mobile.mobile = Some(false);
    let desktop = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36";
    let asked = ClientSignals { screen: (412, 915), ..client(desktop, &not_mobile) };
    assert_eq!(
        recognise_uncached(&asked).device,
        DeviceClass::Mobile,
        "a phone that asked for a page for desktops"
    );
}

#[test]
fn a_browser_under_automation_is_a_bot() {
    let none = ClientHints::default();
    let browser = recognise_uncached(&ClientSignals { automated: true, ..client(CHROME_WINDOWS, &none) });
    assert_eq!((&*browser.bot, browser.bot_category), ("WebDriver", BotCategory::Automation));
    assert_eq!(browser.device, DeviceClass::Bot);
}

#[test]
fn hostile_user_agents_give_bounded_texts() {
    for user_agent in [
        "\u{fffd}".repeat(5_000),
        "0".repeat(5_000),
        format!("Chrome/{}", "9".repeat(5_000)),
        format!("{}bot", "x".repeat(900)),
        "a/1 ".repeat(2_000),
        "(Android 1;".repeat(500),
    ] {
        let found = recognise_uncached(&client(&user_agent, &ClientHints::default()));
        assert!(found.name.len() <= 64 && found.bot.len() <= 64, "{:?}", found.name);
        assert!(
            found.version.len() <= version::MAX_VERSION && found.os_version.len() <= version::MAX_VERSION
        );
    }
    let none = ClientHints::default();
    let invalid = ClientSignals { user_agent: &[0xff; 5_000], ..client("", &none) };
    drop(recognise_uncached(&invalid));
}

#[test]
fn the_same_client_is_read_once_and_others_are_told_apart() {
    let browsers = BrowserRecogniser::new();
    let none = ClientHints::default();
    let windows = hints("Google Chrome", "142", ("Windows", "15.0.0"));
    let first = browsers.recognise(&client(CHROME_WINDOWS, &none));
    assert!(Arc::ptr_eq(&first, &browsers.recognise(&client(CHROME_WINDOWS, &none))));
    assert_eq!(&*browsers.recognise(&client(CHROME_WINDOWS, &windows)).os_version, "11");
    let driven = ClientSignals { automated: true, ..client(CHROME_WINDOWS, &none) };
    assert_eq!(&*browsers.recognise(&driven).bot, "WebDriver");
}

#[test]
fn hints_as_they_were_sent_give_the_same_browser_and_one_that_cannot_be_read_costs_only_itself() {
    let body = |hints: &str| {
        format!(r#"{{"v":1,"s":"a","l":"1","ch":{hints},"e":[{{"k":"view","u":"https://a.example/"}}]}}"#)
    };
    let browsers = BrowserRecogniser::new();
    let none = ClientHints::default();
    let sent = body(
        r#"{"brands":[{"brand":"Google Chrome","version":"142"}],"mobile":false,"platform":"Windows","platformVersion":"15.0.0"}"#,
    );
    let mended = MendedBody::default();
    let sent = json::parse(sent.as_bytes(), &mended).unwrap().hints;
    let client = client(CHROME_WINDOWS, &none);
    let parsed = recognise_uncached(&ClientSignals { hints: &sent.parse(), ..client });
    assert_eq!(&*parsed.os_version, "11");
    for _ in 0..2 {
        assert_eq!(*browsers.recognise_sent(&client, sent), parsed);
    }
    let partly =
        body(r#"{"mobile":7,"platform":"Windows","platformVersion":"15.0.0","model":"\ud83d","brands":[]}"#);
    let partly = json::parse(partly.as_bytes(), &mended).unwrap().hints;
    for _ in 0..2 {
        assert_eq!(&*browsers.recognise_sent(&client, partly).os_version, "11");
    }
}
