//! Bad bodies: not JSON, other JSON, wrong types, numbers and texts out of range, pages of other sites.

use super::case::{CANARY, Case, Expect, PAGE_LOAD, beacon, on_page};
use Expect::{At, EventLeftOut, FieldLeftOut, FirstStored, OneOf, Status, Stored};

const VIEW: &str = r#"{"k":"view","u":"https://clinic.example/hostile"}"#;

pub fn cases() -> Vec<Case> {
    let mut cases = not_json();
    cases.extend(truncated());
    cases.extend(nested());
    cases.extend(wrong_types_in_the_beacon());
    cases.extend(wrong_types_in_events());
    cases.extend(missing());
    cases.extend(out_of_range());
    cases.extend(too_many());
    cases.extend(foreign());
    cases
}

fn not_json() -> Vec<Case> {
    let good = beacon(VIEW);
    let utf16 = |to_bytes: fn(u16) -> [u8; 2]| good.encode_utf16().flat_map(to_bytes).collect::<Vec<u8>>();
    let spliced = |bytes: &[u8]| {
        let event = br#"{"k":"event","n":""#;
        let head = br#"{"v":1,"s":"clinic","l":"$L","e":["#;
        [&head[..], &event[..], bytes, &br#"","u":"https://clinic.example/"}]}"#[..]].concat()
    };
    let table: &[(&str, Vec<u8>, Expect)] = &[
        ("nothing", b"".to_vec(), At("body")),
        ("spaces", b"  \r\n\t ".to_vec(), At("body")),
        ("null", b"null".to_vec(), At("body")),
        ("true", b"true".to_vec(), At("body")),
        ("a number", b"42".to_vec(), At("body")),
        ("a text", format!("\"{CANARY}\"").into_bytes(), At("body")),
        ("a list", b"[]".to_vec(), At("body")),
        ("a list of a beacon", format!("[{good}]").into_bytes(), At("body")),
        ("a list of the fields' values", format!(r#"[1,"clinic","1",0,[{VIEW}]]"#).into_bytes(), At("body")),
        ("an empty object", b"{}".to_vec(), At("body")),
        ("a word", CANARY.as_bytes().to_vec(), At("body")),
        ("a form", format!("v=1&s=clinic&l={CANARY}").into_bytes(), At("body")),
        ("XML", format!("<?xml version=\"1.0\"?><!DOCTYPE a [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><a>&x;{CANARY}</a>").into_bytes(), At("body")),
        ("YAML", format!("v: 1\ns: clinic\nl: {CANARY}\n").into_bytes(), At("body")),
        ("two beacons", format!("{good}{good}").into_bytes(), At("body")),
        ("two beacons in two lines", format!("{good}\n{good}").into_bytes(), At("body")),
        ("a beacon and a word", format!("{good} {CANARY}").into_bytes(), At("body")),
        ("a beacon and a NUL", format!("{good}\0").into_bytes(), At("body")),
        ("single quotes", good.replace('"', "'").into_bytes(), At("body")),
        ("names without quotes", format!("{{v:1,s:\"{CANARY}\"}}").into_bytes(), At("body")),
        ("a comment", format!("/* {CANARY} */ {good}").into_bytes(), At("body")),
        ("a comma at the end", good.replace("]}", "],}").into_bytes(), At("body")),
        ("JSONP", format!("{CANARY}({good})").into_bytes(), At("body")),
        ("a guard against JSON hijacking", format!(")]}}',\n{good}").into_bytes(), At("body")),
        ("a byte order mark", [b"\xef\xbb\xbf".to_vec(), good.clone().into_bytes()].concat(), At("body")),
        ("UTF-16, little end first", utf16(u16::to_le_bytes), At("body")),
        ("UTF-16, big end first", utf16(u16::to_be_bytes), At("body")),
        ("UTF-16 with a mark", [b"\xff\xfe".to_vec(), utf16(u16::to_le_bytes)].concat(), At("body")),
        ("gzip", b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xabV*S\xb22\xac\x05\x00".to_vec(), At("body")),
        ("only NULs", vec![0; 512], At("body")),
        ("all bytes there are", (0..=255).collect(), At("body")),
        ("a lone continuation byte in a text", spliced(b"\x80"), Stored),
        ("an overlong slash in a text", spliced(b"\xc0\xaf"), Stored),
        ("a surrogate in UTF-8 in a text", spliced(b"\xed\xa0\x80"), Stored),
        ("a character beyond Unicode in a text", spliced(b"\xf4\x90\x80\x80"), Stored),
        ("a cut character in a text", spliced(b"\xd0"), Stored),
        ("Latin-1 in a text", spliced(b"caf\xe9"), Stored),
        ("a NUL in a text", spliced(b"a\0b"), At("e[0].n")),
        ("a line break in a text", spliced(b"a\nb"), At("e[0].n")),
        ("a lone surrogate by escape", spliced(br"\ud800"), Stored),
        ("two low surrogates by escape", spliced(br"\udc00\udc00"), Stored),
        ("an unknown escape", spliced(br"\x41"), At("e[0].n")),
        ("half an escape", spliced(br"\u12"), At("e[0].n")),
        ("not a number", good.replace(":1,", ":NaN,").into_bytes(), At("v")),
        ("infinity", good.replace(":1,", ":Infinity,").into_bytes(), At("v")),
        ("a hexadecimal number", good.replace(":1,", ":0x1,").into_bytes(), OneOf(&[400])),
        ("a number with a zero before it", good.replace(":1,", ":01,").into_bytes(), OneOf(&[400])),
        ("a number with a plus", good.replace(":1,", ":+1,").into_bytes(), At("v")),
        ("the version twice", good.replace(":1,", ":1,\"v\":1,").into_bytes(), At("v")),
        ("the site twice", good.replace(":1,", &format!(":1,\"s\":\"{CANARY}\",")).into_bytes(), At("s")),
        ("the kind twice", beacon(&on_page(r#""k":"view","k":"leave""#)).into_bytes(), EventLeftOut("e[0].k".into())),
        ("the address twice", beacon(&on_page(r#""k":"view","u":"https://evil.example/""#)).into_bytes(), At("e[0].u")),
        ("a name of the prototype", good.replace(":1,", ":1,\"__proto__\":{\"admin\":true},").into_bytes(), Stored),
        ("unknown fields everywhere", format!(r#"{{"{CANARY}":{{"a":[1]}},"v":1,"s":"clinic","l":"{PAGE_LOAD}","ip":"10.0.0.1","e":[{{"k":"view","u":"https://clinic.example/hostile","{CANARY}":"{CANARY}"}}]}}"#).into_bytes(), Stored),
        ("spaces around", format!(" \r\n\t{good}\n\n").into_bytes(), Stored),
        ("every character escaped in a name", good.replace("\"v\"", "\"\\u0076\"").into_bytes(), Stored),
    ];
    table.iter().map(|(name, body, expect)| Case::body(*name, body.clone(), expect.clone())).collect()
}

/// A beacon that is truncated at twenty places.
fn truncated() -> Vec<Case> {
    let good = beacon(&on_page(r#""k":"event","n":"booking","p":{"a":"b"}"#));
    (1..=20)
        .map(|part| {
            let end = good.len() * part / 21;
            Case::body(format!("cut off after {end} bytes"), &good.as_bytes()[..end], OneOf(&[400]))
        })
        .collect()
}

fn nested() -> Vec<Case> {
    let lists = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let objects = |depth: usize| format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth));
    let unknown = |value: &str| beacon(VIEW).replace(":1,", &format!(":1,\"x\":{value},"));
    let prop = |value: &str| beacon(&on_page(&format!(r#""k":"event","n":"x","p":{{"prop":{value}}}"#)));
    vec![
        Case::body("100 lists in an unknown field", unknown(&lists(100)), Stored),
        Case::body("1,000 lists in an unknown field", unknown(&lists(1_000)), Stored),
        Case::body("30,000 lists in an unknown field", unknown(&lists(30_000)), Stored),
        Case::body("10,000 objects in an unknown field", unknown(&objects(10_000)), Stored),
        Case::body("60,000 lists that never end", "[".repeat(60_000), At("body")),
        Case::body("10,000 objects that never end", "{\"v\":".repeat(10_000), OneOf(&[400])),
        Case::body("a list as a property", prop("[1]"), Stored),
        Case::body("an object as a property", prop("{}"), Stored),
        Case::body("nothing as a property", prop("null"), Stored),
        Case::body("a text as an event", beacon("\"view\""), At("e[0]")),
        Case::body("nothing as an event", beacon("null"), At("e[0]")),
        Case::body("a number as an event", beacon("7"), At("e[0]")),
        Case::body("a good event and a bad one", beacon(&format!("{VIEW},7")), FirstStored("malformed=1")),
    ]
}

/// What a value of a wrong type costs.
#[derive(Clone, Copy)]
enum Cost {
    Beacon,
    Event,
    Field,
}

impl Cost {
    fn of(self, path: String, value: &str) -> Expect {
        match self {
            Self::Beacon => At(path.leak()),
            Self::Event => EventLeftOut(path),
            // Null is no value.
            Self::Field if value == "null" => Stored,
            Self::Field => FieldLeftOut(path),
        }
    }
}

fn wrong_types_in_the_beacon() -> Vec<Case> {
    let canary = format!("\"{CANARY}\"");
    let not_text = ["null", "true", "7", "[]", "{}"];
    let not_number = ["null", "true", "[]", "{}", "-1", "-0.5", "-1e300", &canary];
    let not_object = ["true", "7", &canary];
    let mut cases = Vec::new();
    let mut add = |field: &'static str, values: &[&str], cost: Cost| {
        for value in values {
            let others: Vec<String> =
                [("v", "1"), ("s", "\"clinic\""), ("l", "\"$L\""), ("e", &format!("[{VIEW}]"))]
                    .iter()
                    .filter(|(name, _)| *name != field)
                    .map(|(name, value)| format!("\"{name}\":{value}"))
                    .collect();
            let body = format!("{{\"{field}\":{value},{}}}", others.join(","));
            cases.push(Case::body(format!("{value} as {field}"), body, cost.of(field.to_owned(), value)));
        }
    };
    add("s", &not_text, Cost::Beacon);
    add("l", &not_text, Cost::Beacon);
    for field in ["v", "o"] {
        add(field, &not_number[1..], Cost::Beacon);
    }
    add("e", &["null", "true", "7", "{}", &canary], Cost::Beacon);
    for field in ["g", "z"] {
        add(field, &not_text, Cost::Field);
    }
    for field in ["w", "h", "t"] {
        add(field, &not_number, Cost::Field);
    }
    for field in ["c", "b"] {
        add(field, &["[]", "{}", "-1", "-0.5", &canary], Cost::Field);
    }
    add("ch", &not_object, Cost::Field);
    cases
}

fn wrong_types_in_events() -> Vec<Case> {
    use Cost::{Event, Field};
    let fields: &[(&str, &str, &[&str], Cost)] = &[
        ("k", "", &["null", "true", "7", "[]", "{}"], Event),
        ("a", r#""k":"view""#, &["null", "true", "\"1\"", "[]", "{}", "-1"], Field),
        ("r", r#""k":"view""#, &["null", "7", "[]", "{}"], Field),
        ("n", r#""k":"event""#, &["7", "true", "[]", "{}"], Event),
        ("ad", r#""k":"ad","n":"click""#, &["7", "[]", "{}"], Event),
        ("slot", r#""k":"ad","n":"click","ad":"x""#, &["null", "7", "[]"], Field),
        ("ms", r#""k":"leave""#, &["null", "\"1\"", "[]"], Field),
        ("sd", r#""k":"leave""#, &["null", "\"1\"", "[]", "-1"], Field),
        ("m", r#""k":"error""#, &["7", "[]", "{}"], Event),
        ("f", r#""k":"error","m":"x""#, &["null", "7", "[]"], Field),
        ("ln", r#""k":"error","m":"x""#, &["null", "\"1\"", "-1"], Field),
        ("col", r#""k":"error","m":"x""#, &["null", "\"1\"", "-1"], Field),
        ("st", r#""k":"error","m":"x""#, &["null", "7", "[]"], Field),
        ("tag", r#""k":"resource","n":"https://a.example/x.png""#, &["null", "7", "[]"], Field),
        ("lcp", r#""k":"vitals""#, &["true", "\"1\"", "-1", "[]", "1e999"], Field),
        ("cls", r#""k":"vitals""#, &["true", "\"1\"", "-1", "[]", "1e39"], Field),
        ("dns", r#""k":"vitals""#, &["true", "\"1\"", "-1", "[]"], Field),
        ("p", r#""k":"event","n":"x""#, &["null", "7", "true"], Field),
    ];
    let mut cases = Vec::new();
    for (field, others, values, cost) in fields {
        for value in *values {
            let comma = if others.is_empty() { "" } else { "," };
            let event = on_page(&format!("{others}{comma}\"{field}\":{value}"));
            let expect = cost.of(format!("e[0].{field}"), value);
            cases.push(Case::event(format!("{value} as {field} of an event"), &event, expect));
        }
    }
    for value in ["7", "true", "[]", "{}"] {
        cases.push(Case::event(
            format!("{value} as u"),
            &format!(r#"{{"k":"view","u":{value}}}"#),
            At("e[0].u"),
        ));
    }
    cases
}

fn missing() -> Vec<Case> {
    let without = |field: &str| {
        let fields = [
            ("v", "1".to_owned()),
            ("s", "\"clinic\"".to_owned()),
            ("l", "\"$L\"".to_owned()),
            ("e", format!("[{VIEW}]")),
        ];
        let kept: Vec<String> = fields
            .iter()
            .filter(|(name, _)| *name != field)
            .map(|(name, value)| format!("\"{name}\":{value}"))
            .collect();
        format!("{{{}}}", kept.join(","))
    };
    let left_out = |field: &str| EventLeftOut(format!("e[0].{field}"));
    vec![
        Case::body("no version", without("v"), Stored),
        Case::body("no site", without("s"), At("body")),
        Case::body("no page load", without("l"), At("l")),
        Case::body("no events", without("e"), At("e")),
        Case::body("an empty list of events", beacon(""), At("e")),
        Case::event("an event without a kind", &on_page(r#""a":1"#), left_out("k")),
        Case::event("an empty event", "{}", At("e[0].k")),
        Case::event("a first event without a page", r#"{"k":"view"}"#, At("u")),
        Case::event("a first event with no page's address", r#"{"k":"view","u":null}"#, At("u")),
        Case::event("an own event without a name", &on_page(r#""k":"event""#), left_out("n")),
        Case::event("an own event with an empty name", &on_page(r#""k":"event","n":"""#), left_out("n")),
        Case::event("an ad event without an action", &on_page(r#""k":"ad","ad":"x""#), left_out("n")),
        Case::event("an ad event without a campaign", &on_page(r#""k":"ad","n":"click""#), left_out("ad")),
        Case::event(
            "an ad event with an empty campaign",
            &on_page(r#""k":"ad","n":"click","ad":"""#),
            left_out("ad"),
        ),
        Case::event("a link without an address", &on_page(r#""k":"outbound""#), left_out("n")),
        Case::event("a download without an address", &on_page(r#""k":"download""#), left_out("n")),
        Case::event(
            "a failed element without an address",
            &on_page(r#""k":"resource","tag":"img""#),
            left_out("n"),
        ),
        Case::event("a script error without a message", &on_page(r#""k":"error""#), left_out("m")),
    ]
}

fn out_of_range() -> Vec<Case> {
    let field = |name: &str, value: &str| beacon(VIEW).replace(":1,", &format!(":1,\"{name}\":{value},"));
    let page_load = |id: &str| beacon(VIEW).replace(PAGE_LOAD, id);
    let version = |value: &str| beacon(VIEW).replace("\"v\":1", &format!("\"v\":{value}"));
    let mut cases = vec![
        Case::body("a first number of 2^32 - 1", field("o", "4294967295"), At("o")),
        Case::body("a first number of 2^63", field("o", "9223372036854775808"), At("o")),
        Case::body("a first number of 1e18", field("o", "1e18"), At("o")),
        Case::body("a number that no float holds", field("w", "1e400"), FieldLeftOut("w".into())),
        Case::body("a number of 10,000 digits", field("w", &"9".repeat(10_000)), OneOf(&[204, 400])),
        Case::body("a screen of 2^64 px", field("w", "18446744073709551615"), Stored),
        Case::body("a screen of a fraction", field("h", "863.5"), Stored),
        Case::body("cookies enabled twice over", field("c", "2"), Stored),
        Case::body("a thousand fingers", field("t", "1000"), Stored),
        Case::event("a kind in capitals", &on_page(r#""k":"VIEW""#), EventLeftOut("e[0].k".into())),
        Case::event("a kind with a space", &on_page(r#""k":"view ""#), EventLeftOut("e[0].k".into())),
        Case::event(
            "a kind that is not known",
            &on_page(&format!(r#""k":"{CANARY}""#)),
            EventLeftOut("e[0].k".into()),
        ),
        Case::event("an empty kind", &on_page(r#""k":"""#), EventLeftOut("e[0].k".into())),
        Case::event(
            "an ad action that is not known",
            &on_page(&format!(r#""k":"ad","n":"{CANARY}","ad":"x""#)),
            EventLeftOut("e[0].n".into()),
        ),
        Case::event("an age of a century", &on_page(r#""k":"view","a":3153600000000"#), Stored),
        Case::event("an age of 1e300", &on_page(r#""k":"view","a":1e300"#), Stored),
        Case::event("a scroll depth of 101 %", &on_page(r#""k":"leave","sd":101"#), Stored),
        Case::event("an engaged time of 2^64", &on_page(r#""k":"leave","ms":18446744073709551615"#), Stored),
        Case::event("a line of 2^53", &on_page(r#""k":"error","m":"x","ln":9007199254740992"#), Stored),
        Case::event("a paint of 1e300", &on_page(r#""k":"vitals","lcp":1e300"#), Stored),
    ];
    for id in [
        "",
        "K3F9",
        "zzzzzzzzzzzzzz",
        "3w5e11264sgsg",
        "zzzzzzzzzzzzz",
        "-1",
        "+1",
        " 1",
        "1 ",
        "١٢٣",
        "1'--",
        "zqxcanary!",
        "../1",
    ] {
        cases.push(Case::body(format!("{id:?} as page load"), page_load(id), At("l")));
    }
    for value in ["0", "2", "1.5", "1e10", "18446744073709551615"] {
        cases.push(Case::body(format!("version {value}"), version(value), At("v")));
    }
    cases
}

fn too_many() -> Vec<Case> {
    let events = |count: usize| beacon(&vec![VIEW; count].join(","));
    let pairs = |count: usize| (0..count).map(|n| format!("\"p{n}\":\"x\"")).collect::<Vec<_>>().join(",");
    let props = |count: usize| beacon(&on_page(&format!(r#""k":"event","n":"x","p":{{{}}}"#, pairs(count))));
    let cookies = |count: usize| beacon(VIEW).replace(":1,", &format!(":1,\"ck\":{{{}}},", pairs(count)));
    // A beacon of an exact size: the text pads it.
    let sized = |size: usize| {
        let empty = beacon(&on_page(r#""k":"event","n":"size","p":{"a":""}"#));
        // The page load's id has 13 digits; its placeholder has two.
        let fill = size - (empty.len() - PAGE_LOAD.len() + 13);
        empty.replace(r#""a":"""#, &format!(r#""a":"{}""#, "x".repeat(fill)))
    };
    vec![
        Case::body("101 events", events(101), At("e")),
        Case::body("1,000 events", events(1_000), At("e")),
        Case::body("31 properties", props(31), FieldLeftOut("e[0].p".into())),
        Case::body("30 properties", props(30), Stored),
        Case::body("1,000 properties", props(1_000), FieldLeftOut("e[0].p".into())),
        Case::body("31 cookies", cookies(31), FieldLeftOut("ck".into())),
        Case::body("64 KiB less a byte", sized((64 << 10) - 1), Stored),
        Case::body("64 KiB", sized(64 << 10), Stored),
        Case::body("64 KiB and a byte", sized((64 << 10) + 1), Status(413)),
        Case::body("1 MiB", sized(1 << 20), Status(413)),
        Case::body("1 MiB of garbage", vec![b'x'; 1 << 20], Status(413)),
    ]
}

fn foreign() -> Vec<Case> {
    let at = |url: &str| beacon(&format!(r#"{{"k":"view","u":"{url}"}}"#));
    let site = |id: &str| beacon(VIEW).replace("clinic\"", &format!("{id}\""));
    let mut cases = Vec::new();
    for id in [
        "unknown",
        "",
        "CLINIC",
        "clinic ",
        "clinic\\u0000",
        "clini",
        "clinic2",
        "*",
        "../clinic",
        "' OR 1=1 --",
        "zqxcanary",
        "кlinic",
    ] {
        cases.push(Case::body(format!("site {id:?}"), site(id), Status(403)));
    }
    for url in [
        "https://evil.example/",
        "https://clinic.example.evil.example/",
        "https://evilclinic.example/",
        "https://www.clinic.example/",
        "https://clinic.example@evil.example/",
        "https://clinic.example:pass@evil.example/",
        "https://evil.example/clinic.example",
        "https://evil.example?clinic.example",
        "https://evil.example#clinic.example",
        "https://clinic。evil.example/",
        "https://сlinic.example/",
        "http://127.0.0.1/",
        "http://[::1]/",
        "https://zqxcanary.example/",
    ] {
        cases.push(Case::body(format!("page {url}"), at(url), Status(403)));
    }
    for url in [
        "",
        " ",
        "zqxcanary",
        "/doctors",
        "//clinic.example/",
        "https://",
        "https:///",
        "http://:80/",
        "javascript:alert(1)",
        "data:text/html,zqxcanary",
        "file:///etc/passwd",
        "ftp://clinic.example/",
        "about:blank",
        "blob:https://clinic.example/1",
        "chrome-extension://abc/x.html",
        "https://clinic.example:99999/",
        "https://clinic.example:port/",
        "https://[::1/",
        "https://clin ic.example/",
    ] {
        cases.push(Case::body(format!("page {url:?}"), at(url), At("e[0].u")));
    }
    for url in [
        "https://CLINIC.EXAMPLE/hostile",
        "http://clinic.example:8080/hostile",
        "https://user:zqxcanary@clinic.example/hostile",
        "https://clinic.example/../../../etc/passwd",
        "https://clinic.example/%2e%2e/%2e%2e/etc/passwd",
        "https://clinic.example/%00%0d%0aSet-Cookie:%20a=b",
        "https://clinic.example/?q=%27%20OR%201=1%20--",
        "https://clinic.example/?q=<script>alert(1)</script>#<img src=x onerror=alert(1)>",
        "https://clinic.example\\\\@evil.example/",
        "https://clinic.example/%ff%fe%c0%af",
    ] {
        cases.push(Case::body(format!("page {url:?}"), at(url), Stored));
    }
    let second = format!(r#"{VIEW},{{"k":"view","u":"https://evil.example/"}}"#);
    cases.push(Case::body("a second event on a foreign page", beacon(&second), FirstStored("foreign=1")));
    let second = format!(r#"{VIEW},{{"k":"view","u":"https://:80/"}}"#);
    cases.push(Case::body("a second event on no page", beacon(&second), FirstStored("malformed=1")));
    let named = |url: &str| beacon(r#"{"k":"view"}"#).replace("\"e\"", &format!("\"u\":\"{url}\",\"e\""));
    cases.push(Case::body(
        "the beacon's page is of the site",
        named("https://clinic.example/hostile"),
        Stored,
    ));
    cases.push(Case::body("the beacon's page is foreign", named("https://evil.example/"), Status(403)));
    cases.push(Case::body("the beacon's page is no address", named("mailto:a@b.example"), At("u")));
    cases
}
