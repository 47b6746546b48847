//! What the scrubber replaces and what it leaves, case by case (`cases.tsv`), and what holds for any input.

use std::borrow::Cow;

use proptest::prelude::*;

use super::*;
use crate::config::NamePatterns;

/// The table: input, a tab, what comes out (`=`: the same).
fn cases() -> impl Iterator<Item = (&'static str, &'static str)> {
    let lines = include_str!("cases.tsv").lines().filter(|line| !line.is_empty() && !line.starts_with("# "));
    lines.map(|line| line.split_once('\t').expect("a case has two columns"))
}

#[test]
fn every_case_of_the_table_comes_out_as_written() {
    assert!(cases().count() >= 150);
    let mut wrong = Vec::new();
    for (given, expected) in cases() {
        let expected = if expected == "=" { given } else { expected };
        let found = text(given, 1_000);
        if found != expected {
            wrong.push(format!("{given:?}\n   expected {expected:?}\n   found    {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn what_stays_is_borrowed() {
    for (given, _) in cases().filter(|(_, expected)| *expected == "=") {
        assert!(matches!(text(given, 1_000), Cow::Borrowed(_)), "{given}");
    }
}

#[test]
fn a_text_is_cut_between_characters_and_never_within_what_was_replaced_into_something_personal() {
    assert_eq!(text("врач", 5), "вр");
    assert_eq!(text("write to ivan@mail.ru", 12), "write to :em");
    assert_eq!(text("abc", 0), "");
    // Without its end this is hexadecimal: it must not come out as such.
    assert_eq!(text("aaaaaaaabbbbbbb1z", 16), ":token");
}

#[test]
fn a_property_that_is_a_number_stays_one_and_identifies_nobody() {
    for (given, stored) in [
        ("0.3333333333333333", "0.333"),
        ("55.751244", "55.75"),
        ("-37.618423", "-37.62"),
        ("123456.78", "123500"),
        // Texts that nothing is to be replaced of stay as they were written.
        ("1.10", "1.10"),
        ("12.50", "12.50"),
        ("3.14159", "3.14159"),
        ("12345", "12345"),
        ("1500000", "1500000"),
        ("79160000000", "79160000000"),
        ("-4506000000", "-4506000000"),
        // These may be ids, and a place of two numbers is one text.
        ("1234567", ":number"),
        ("0001234", ":number"),
        ("89161234567", ":phone"),
        ("+79160000000", ":phone"),
        ("00.1234567", ":number"),
        ("55.751244, 37.618423", ":number"),
        ("192.0.2.77", ":number"),
    ] {
        assert_eq!(value("reading", given, 512), stored, "{given}");
        assert_eq!(value("reading", stored, 512), stored, "{given}");
    }
}

#[test]
fn the_name_of_a_property_decides_whether_its_number_is_kept() {
    for (name, given, stored) in [
        ("patient_id", "1500000", ":number"),
        ("visit_id", "12345", ":number"),
        ("phone", "9160000", ":phone"),
        ("lat", "55.7512", "55.75"),
        ("lon", "-37.618423", "-37.62"),
        ("price", "123456.78", "123456.78"),
        ("price", "1234567", "1234567"),
        ("ratio", "0.3333333333333333", "0.333"),
        ("article_id", "1234567", "1234567"),
    ] {
        assert_eq!(value(name, given, 512), stored, "{name}={given}");
        assert_eq!(value(name, stored, 512), stored, "{name}={stored}");
    }
}

/// What scanners that go back over their input choke on.
#[test]
fn hostile_texts_of_64_kib_are_scrubbed() {
    let parts = [
        "@",
        "a@",
        "@a",
        "%",
        "%25",
        "%40",
        "1",
        "1 ",
        "1-",
        "(",
        "(1",
        "+",
        "+1",
        "1.",
        "-",
        "_a1",
        "eyJ",
        "eyJ.",
        "a",
        "aB3-",
        "\u{a0}",
        "1\u{a0}",
        "0-",
        "f-",
        "/users/",
        "%31%2B",
        "12 34-",
        "Ивановна ",
        "ул. ",
        "token=",
        "00000000-",
        "é",
        "é@",
        "\u{2011}1",
        "a%4",
        "://",
        "8 9",
        "a@a.",
        "=",
        "deadbeef",
    ];
    for part in parts {
        let hostile = part.repeat((64 << 10) / part.len());
        let once = text(&hostile, 64 << 10);
        assert!(once.len() <= 64 << 10);
        assert_eq!(text(&once, 64 << 10), once, "{part}");
    }
}

/// Parts of personal data and of similar texts.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z]{1,8}",
        "[0-9]{1,12}",
        "[A-Za-z0-9_-]{1,30}",
        "[0-9a-f]{1,40}",
        "%[0-9A-F]{2}",
        "[ @+().:/%=&?#~-]",
        "[а-я]{1,6}",
        Just("ivan@mail.ru".to_owned()),
        Just("+7 (916) 123-45-67".to_owned()),
        Just("3f2504e0-4f89-41d3-9a0c-0305e82c3301".to_owned()),
        Just("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc".to_owned()),
        Just("\u{a0}".to_owned()),
        Just("%2540".to_owned()),
        any::<char>().prop_map(String::from),
    ]
}

fn mixed() -> impl Strategy<Value = String> {
    proptest::collection::vec(piece(), 0..24).prop_map(|pieces| pieces.concat())
}

fn keep() -> NamePatterns {
    NamePatterns { exact: vec!["q".into(), "page".into()], prefixes: vec!["utm_".into()] }
}

proptest! {
    #[test]
    fn scrubbing_twice_is_scrubbing_once(given in mixed(), max_bytes in prop_oneof![Just(4_000usize), 0usize..80]) {
        let once = text(&given, max_bytes);
        prop_assert!(once.len() <= max_bytes);
        let twice = text(&once, max_bytes);
        prop_assert_eq!(&once, &twice);
    }

    #[test]
    fn an_e_mail_address_never_survives(
        local in "[a-z][a-z0-9._+-]{0,12}", domain in "[a-z][a-z0-9-]{0,10}\\.(ru|com|рф)",
        before in "[ /:;,=<(«]?", after in "[ /:;,>)»?]?",
    ) {
        let given = format!("{before}{local}@{domain}{after}");
        prop_assert!(!text(&given, 1_000).contains('@'), "{}", given);
        let encoded = format!("/x/{local}%40{domain}/y");
        let encoded = text(&encoded, 1_000);
        prop_assert!(!encoded.contains("%40"), "{}", encoded);
    }

    #[test]
    fn a_russian_phone_number_never_survives(
        prefix in "(\\+7|8|7)", code in "[3489][0-9]{2}", number in "[0-9]{7}", form in 0..6,
        before in "( |/|=|: |тел\\.|,)?", after in "( |/|,|;|\\.|\\))?",
    ) {
        let (a, b, c) = (&number[..3], &number[3..5], &number[5..]);
        let phone = match form {
            0 => format!("{prefix}{code}{number}"),
            1 => format!("{prefix} {code} {a} {b} {c}"),
            2 => format!("{prefix} ({code}) {a}-{b}-{c}"),
            3 => format!("{prefix}({code}){number}"),
            4 => format!("{prefix}-{code}-{a}-{b}-{c}"),
            _ => format!("{prefix}\u{a0}{code}\u{a0}{a}\u{2011}{b}\u{2011}{c}"),
        };
        let given = format!("{before}{phone}{after}");
        prop_assert_eq!(text(&given, 1_000), format!("{before}:phone{after}"));
    }

    #[test]
    fn plain_addresses_are_read_as_the_url_standard_says(url in url_like()) {
        let keep = keep();
        let ours = address(&url, &keep);
        let by_standard = address::normalised(&url, &keep);
        prop_assert_eq!(ours, by_standard, "{}", url);
    }

    #[test]
    fn what_is_kept_of_an_address_is_kept_again(url in url_like()) {
        let keep = keep();
        let Ok(kept) = address(&url, &keep) else { return Ok(()) };
        let query = if kept.query.is_empty() { String::new() } else { format!("?{}", kept.query) };
        let again = format!("https://{}{}{query}", shown_host(&kept.host), kept.path);
        let again = address(&again, &keep).unwrap();
        prop_assert_eq!((&again.host, &again.path, &again.query), (&kept.host, &kept.path, &kept.query), "{}", url);
    }
}

/// Addresses that are almost plain: each has a chance of something that needs normalising.
fn url_like() -> impl Strategy<Value = String> {
    let scheme = prop_oneof![8 => Just("https://"), 4 => Just("http://"), 1 => Just("HTTPS://"), 1 => Just("ftp://"), 1 => Just("https:/"), 1 => Just(" https://")];
    let host = prop_oneof![
        8 => "[a-z][a-z0-9-]{0,8}(\\.[a-z0-9-]{1,8}){0,3}",
        2 => "[a-zA-Zа-я0-9._~%!-]{0,20}",
        1 => "[0-9]{1,3}(\\.[0-9x]{1,3}){0,3}",
        1 => "(xn--|ab--|www\\.xn--)[a-z0-9-]{0,12}\\.ru",
        1 => "[a-z]{1,4}(:[a-z]{0,3})?@[a-z]{1,5}\\.ru",
        1 => Just("[::1]".to_owned()),
    ];
    let port = prop_oneof![6 => Just(String::new()), 2 => "(:[0-9]{0,6})", 1 => ":[a-z]{1,2}"];
    let path = prop_oneof![
        8 => "(/[a-zA-Z0-9._~!$&'()*+,;=:@%-]{0,12}){0,4}",
        2 => "(/|\\.|\\.\\.|%2e|%2E|[a-z]|\\\\|[ \"<>^`{}|\\[\\]]|[а-я]|\t|\n){0,8}",
        3 => "(/|%[0-9a-fA-F]{2}|%d0%[b][0-9a-f]|%|[a-z0-9@;(]|%40|%3[bB]sid=1|%2[05]){0,12}",
    ];
    let query = prop_oneof![
        4 => Just(String::new()),
        6 => "\\?((q|page|utm_source|utm_term|gclid|x|%71|)=?[a-zA-Z0-9+%@._ -]{0,8}&){0,4}(q=[а-яa-z'\"<>]{0,4})?",
        3 => "\\?(utm_[a-z]{0,3}|q|%71)=(%[0-9a-fA-F]{2}|%d0%[b][0-9a-f]|%|\\+|[a-z0-9@=]|%2[56b]){0,8}",
    ];
    let fragment = prop_oneof![6 => Just(String::new()), 2 => "#[ -~]{0,8}"];
    (scheme, host, port, path, query, fragment).prop_map(|(a, b, c, d, e, f)| format!("{a}{b}{c}{d}{e}{f}"))
}

/// host, path, query, campaign's source, click id.
#[track_caller]
fn check_address(url: &str, expected: [&str; 5]) {
    let found = address(url, &keep()).unwrap();
    let found = [&*found.host, &*found.path, &*found.query, &*found.campaign.source, found.click_id];
    assert_eq!(found, expected, "{url}");
}

#[test]
fn an_address_keeps_its_host_its_path_and_what_is_allow_listed() {
    check_address("https://clinic.example/doctors", ["clinic.example", "/doctors", "", "", ""]);
    check_address("https://clinic.example", ["clinic.example", "/", "", "", ""]);
    check_address("https://clinic.example?q=mrt", ["clinic.example", "/", "q=mrt", "", ""]);
    check_address("http://Clinic.Example:8080/A#top", ["clinic.example", "/A", "", "", ""]);
    check_address("https://user:secret@clinic.example/", ["clinic.example", "/", "", "", ""]);
    check_address("https://клиника.рф/врачи", ["xn--80apagcdp.xn--p1ai", "/врачи", "", "", ""]);
    check_address("https://clinic.example./a/../b", ["clinic.example", "/b", "", "", ""]);
    check_address("https://c.example/?q=a&token=secret&page=2", ["c.example", "/", "q=a&page=2", "", ""]);
    check_address("https://c.example/?token=secret", ["c.example", "/", "", "", ""]);
    check_address(
        "https://c.example/?utm_source=vk&gclid=abc",
        ["c.example", "/", "utm_source=vk", "vk", "gclid"],
    );
    check_address("https://c.example/?gclid=", ["c.example", "/", "", "", ""]);
    check_address("https://c.example/?q=ivan%40mail.ru", ["c.example", "/", "q=:email", "", ""]);
    check_address("https://c.example/?q=+79161234567", ["c.example", "/", "q=+:phone", "", ""]);
    check_address(
        "https://c.example/?utm_source=%D0%92%D0%9A&q=%D0%B0",
        ["c.example", "/", "utm_source=ВК&q=а", "ВК", ""],
    );
    check_address(
        "https://c.example/u/89161234567/ivan@mail.ru",
        ["c.example", "/u/:phone/:email", "", "", ""],
    );
}

#[test]
fn what_is_not_utf_8_stays_apart_and_the_scrubber_sees_what_is() {
    let campaign = |query: &str| {
        let url = format!("https://c.example/?{query}");
        let keep = keep();
        address(&url, &keep).unwrap().into_owned()
    };
    let (spring, autumn) = ("%E2%E5%F1%ED%E0", "%ee%f1%e5%ed%fc");
    assert_eq!(campaign(&format!("utm_campaign={spring}")).campaign.campaign, spring);
    assert_eq!(campaign(&format!("utm_campaign={autumn}")).campaign.campaign, "%EE%F1%E5%ED%FC");
    assert_eq!(campaign(&format!("utm_campaign={autumn}")).query, "utm_campaign=%EE%F1%E5%ED%FC");
    let personal =
        campaign(&format!("utm_campaign={spring}+%2B79161234567&utm_term={spring}%20ivan%40mail.ru"));
    assert_eq!(personal.campaign.campaign, format!("{spring} :phone"));
    assert_eq!(personal.campaign.term, format!("{spring} :email"));
    for (path, stored) in [
        (format!("/{spring}/89161234567"), format!("/{spring}/:phone")),
        (format!("/{spring}%2089161234567"), format!("/{spring}%20:phone")),
        ("/%D0%B2%D1%80%D0%B0%D1%87%20ivan%40mail.ru".to_owned(), "/врач%20:email".to_owned()),
        (
            "/%d0%b8%d0%b2%d0%b0%d0%bd%40%d0%bf%d0%be%d1%87%d1%82%d0%b0.%d1%80%d1%84".to_owned(),
            "/:email".to_owned(),
        ),
        ("/%38%39%31%36%31%32%33%34%35%36%37".to_owned(), "/:phone".to_owned()),
    ] {
        let url = format!("https://c.example{path}");
        assert_eq!(address(&url, &NamePatterns::none()).unwrap().path, stored, "{path}");
    }
}

#[test]
fn ids_of_sessions_in_a_path_are_dropped() {
    for (path, expected) in [
        ("/doctors;jsessionid=aaaXyZ123", "/doctors"),
        ("/doctors;JSESSIONID=A1.node1?q=a", "/doctors"),
        ("/a;jsessionid=1/b;sid=2/c", "/a/b/c"),
        ("/a;PHPSESSID=abcdef;lang=ru", "/a;lang=ru"),
        ("/a;lang=ru;sid=1", "/a;lang=ru"),
        ("/a%3Bjsessionid=AB12", "/a"),
        ("/a%3bjsessionid%3dAB12/b", "/a/b"),
        ("/a;sid", "/a"),
        ("/(S(lit3py55t21z5v55vlm25s55))/page.aspx", "/page.aspx"),
        ("/(S(lit3py55t21z5v55vlm25s55))", "/"),
        ("/;jsessionid=1", "/"),
        ("/app/(A(x)S(lit3py55t21z5v55vlm25s55))/p.aspx", "/app/p.aspx"),
        // Others say which page it is.
        ("/a;side=left", "/a;side=left"),
        ("/a;v=1;w", "/a;v=1;w"),
        ("/faq(2)/b", "/faq(2)/b"),
        ("/(a(b))/c", "/(a(b))/c"),
        ("/%D0%B2%3F", "/в%3F"),
        ("/100%", "/100%25"),
        ("/;;", "/;;"),
    ] {
        let url = format!("https://c.example{path}");
        assert_eq!(address(&url, &NamePatterns::none()).unwrap().path, expected, "{path}");
    }
}

#[test]
fn a_campaign_is_read_however_the_link_writes_it() {
    for (rest, source) in [
        ("?UTM_SOURCE=vk", "vk"),
        ("?Utm_Source=vk&q=a", "vk"),
        ("?q=a&amp;utm_source=vk", "vk"),
        ("?utm_medium=cpc&amp;UTM_SOURCE=vk", "vk"),
        ("#utm_source=vk", "vk"),
        ("#/doctors?tab=2&utm_source=vk", "vk"),
        ("?q=a#!/doctors?UTM_SOURCE=vk", "vk"),
        ("?utm_source=vk#utm_source=ok", "vk"),
        ("#top", ""),
        ("#xutm_source=vk", ""),
    ] {
        let url = format!("https://c.example/{rest}");
        assert_eq!(address(&url, &keep()).unwrap().campaign.source, source, "{rest}");
    }
    assert_eq!(address("https://c.example/#gclid=abc", &keep()).unwrap().click_id, "gclid");
    let keep = keep();
    let kept = address("https://c.example/?UTM_SOURCE=vk&q=a", &keep).unwrap();
    assert_eq!(kept.query, "utm_source=vk&q=a");
}

#[test]
fn other_addresses_are_refused_without_being_repeated() {
    for (url, error) in [
        ("", AddressError::Malformed),
        ("/doctors", AddressError::Malformed),
        ("https://", AddressError::Malformed),
        ("https://.", AddressError::Malformed),
        ("https://clinic.example../", AddressError::Malformed),
        ("https://clinic..example/", AddressError::Malformed),
        ("https://clinic.33%2e%2e/", AddressError::Malformed),
        ("mailto:ivan@mail.ru", AddressError::Scheme),
        ("javascript:alert(1)", AddressError::Scheme),
        ("file:///etc/passwd", AddressError::Scheme),
        ("android-app://com.google.android.gm/", AddressError::Scheme),
    ] {
        let found = address(url, &keep()).unwrap_err();
        assert_eq!(found, error, "{url}");
        assert!(url.is_empty() || !found.to_string().contains(url));
    }
}

#[test]
fn a_plain_address_is_borrowed_whole() {
    let keep = keep();
    let found = address("https://clinic.example/doctors?q=mrt&utm_source=vk#top", &keep).unwrap();
    for part in [&found.host, &found.path, &found.query, &found.campaign.source] {
        assert!(matches!(part, Cow::Borrowed(_)), "{part}");
    }
}

#[test]
fn a_query_of_any_length_is_kept_within_bounds() {
    let long = "q=".to_owned() + &"a b".repeat(20_000);
    let many = "q=abc&".repeat(20_000);
    // Names under an allow-listed beginning may be of any length, and grow when they are encoded.
    let names = format!("q=%D0%B0&utm_{}=a%20b", "?".repeat(900));
    for query in [long, many, names] {
        let url = format!("https://clinic.example/?{query}");
        assert!(address(&url, &keep()).unwrap().query.len() <= 1_024);
    }
}

#[test]
fn any_character_may_stand_between_a_segment_and_an_id() {
    for between in (' '..='\u{3000}').chain(['\u{1f600}', '\u{10ffff}']) {
        for (before, after) in [
            ("/petitioners/", ""),
            ("/petitioners", "/"),
            ("Key (user_id)", "="),
            ("Herr ", "Bürger "),
            ("[App\\Models\\X", "] "),
        ] {
            let given = format!("{before}{between}{after}551207");
            text(&given, 1_000);
        }
    }
}
