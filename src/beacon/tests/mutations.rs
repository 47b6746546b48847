//! One event of several is made bad in any way that JSON allows. The others are read as if it were good, with their numbers.

use proptest::prelude::*;

use crate::beacon::{Beacon, BeaconEvent, MendedBody, json};

/// Good events of each kind. Each names its page.
const GOOD: [&str; 10] = [
    r#"{"k":"view","a":0,"u":"https://clinic.example/doctors","r":"https://yandex.ru/"}"#,
    r#"{"k":"leave","a":4000,"u":"https://clinic.example/doctors","ms":31000,"sd":80}"#,
    r#"{"k":"event","u":"https://clinic.example/a","n":"booking","p":{"doctor":"Petrova","first":true,"n":3}}"#,
    r#"{"k":"ad","u":"https://clinic.example/a","n":"viewable","ad":"spring","slot":"top"}"#,
    r#"{"k":"outbound","u":"https://clinic.example/b","n":"https://other.example/"}"#,
    r#"{"k":"download","u":"https://clinic.example/b","n":"https://clinic.example/price.pdf"}"#,
    r#"{"k":"error","u":"https://clinic.example/b","m":"x is undefined","f":"https://clinic.example/a.js","ln":3,"col":7,"st":"at f"}"#,
    r#"{"k":"resource","u":"https://clinic.example/c","n":"https://clinic.example/a.png","tag":"img"}"#,
    r#"{"k":"vitals","u":"https://clinic.example/c","lcp":1200,"cls":0.05,"ttfb":80}"#,
    r#"{"k":"missing","u":"https://clinic.example/d"}"#,
];

/// Values that break something: types, numbers out of range, halves of characters, control characters, depth.
fn value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        Just("-1".to_owned()),
        Just("1e999".to_owned()),
        Just("-1e-999".to_owned()),
        Just("18446744073709551616".to_owned()),
        any::<f64>().prop_filter_map("JSON has no NaN", |number| serde_json::to_string(&number).ok()),
        Just(r#""\ud83d""#.to_owned()),
        Just(r#""\udc00\ud800 x""#.to_owned()),
        Just(r#""\u0000\u001f""#.to_owned()),
        Just(r#""javascript:alert(1)""#.to_owned()),
        Just(r#""https://evil.example/""#.to_owned()),
        any::<String>().prop_map(|text| serde_json::Value::from(text).to_string()),
        (1_usize..700).prop_map(|length| format!("\"{}\"", "中".repeat(length))),
        (1_usize..400).prop_map(|depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth))),
        (1_usize..400).prop_map(|depth| format!("{}0{}", "{\"a\":".repeat(depth), "}".repeat(depth))),
    ];
    leaf.prop_recursive(2, 20, 8, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..40)
                .prop_map(|items| format!("[{}]", items.join(","))),
            proptest::collection::vec((name(), inner), 0..40).prop_map(|members| object(&members)),
        ]
    })
}

/// A field of the format, or another name.
fn name() -> impl Strategy<Value = String> {
    let fields: Vec<&'static str> = json::FIELDS.into_iter().flatten().map(|field| field.name).collect();
    prop_oneof![
        8 => proptest::sample::select(fields).prop_map(|name| format!("\"{name}\"")),
        1 => Just(r#""\ud800""#.to_owned()),
        1 => any::<String>().prop_map(|name| serde_json::Value::from(name).to_string()),
    ]
}

fn object(members: &[(String, String)]) -> String {
    let members: Vec<String> = members.iter().map(|(name, value)| format!("{name}:{value}")).collect();
    format!("{{{}}}", members.join(","))
}

/// A good event with fields added, replaced, repeated or removed, or any value in its place.
fn bad_event() -> impl Strategy<Value = Vec<u8>> {
    let members = |index: usize| {
        let event: serde_json::Map<String, serde_json::Value> = serde_json::from_str(GOOD[index]).unwrap();
        let members = event.into_iter().map(|(name, value)| (format!("\"{name}\""), value.to_string()));
        members.collect::<Vec<_>>()
    };
    let changed = (0..GOOD.len(), proptest::collection::vec((name(), value()), 0..4), any::<u16>()).prop_map(
        move |(index, added, kept)| {
            let mut all: Vec<_> = members(index);
            // Every third event keeps all its fields.
            let mut place = 0;
            all.retain(|_| {
                place += 1;
                kept % 3 == 0 || kept >> place & 1 == 0
            });
            all.extend(added);
            object(&all)
        },
    );
    let event = prop_oneof![6 => changed, 1 => value()].prop_map(String::into_bytes);
    // Bytes that are not UTF-8, within a text.
    (event, any::<[u8; 2]>()).prop_map(|(mut event, bytes)| {
        let text = memchr::memmem::find(&event, b"\"u\":\"https").map(|at| at + 9);
        if let Some(at) = text.filter(|_| bytes.iter().all(|byte| *byte >= 0x80)) {
            event.splice(at..at, bytes);
        }
        event
    })
}

fn body(events: &[&[u8]]) -> Vec<u8> {
    let head = br#"{"v":1,"s":"clinic","l":"k3f9","o":40,"at":1795383000123,"g":"ru","e":["#;
    [&head[..], &events.join(&b","[..]), b"]}"].concat()
}

/// The page that each event of a beacon is on.
fn pages<'a>(beacon: &'a Beacon<'_>) -> Vec<&'a str> {
    let mut page = "";
    let on = |event: &'a BeaconEvent<'_>| {
        page = event.page.as_ref().map_or(page, |named| &*named.url);
        page
    };
    beacon.events.iter().map(on).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn a_bad_event_costs_no_good_one_and_no_number(
        good in proptest::sample::subsequence((0..GOOD.len()).collect::<Vec<_>>(), 1..5),
        bad in bad_event(), place in 0_usize..5,
    ) {
        let place = place.min(good.len());
        let mut events: Vec<&[u8]> = good.iter().map(|index| GOOD[*index].as_bytes()).collect();
        let (alone, mended) = (body(&events), MendedBody::default());
        let alone = json::parse(&alone, &mended).expect("the events above are good");
        events.insert(place, &bad);
        let (with_bad, mended) = (body(&events), MendedBody::default());
        let found = json::parse(&with_bad, &mended);
        let found = found.map_err(|error| TestCaseError::fail(error.to_string()))?;
        let pages_found = pages(&found);
        for (at, (event, page)) in alone.events.iter().zip(pages(&alone)).enumerate() {
            let index = (at + usize::from(at >= place)) as u32;
            let kept = found.events.iter().position(|kept| kept.index == index);
            prop_assert!(kept.is_some(), "event {} is lost", index);
            let kept = kept.unwrap();
            prop_assert_eq!(&found.events[kept].detail, &event.detail);
            prop_assert_eq!(found.events[kept].age_ms, event.age_ms);
            prop_assert_eq!(pages_found[kept], page);
        }
        let lost = found.left_out.iter().filter(|part| part.is_event).count();
        prop_assert_eq!(found.event_count() as usize + lost, events.len());
    }
}
