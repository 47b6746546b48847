//! A bad event or field costs no more than itself, through the whole collector: the others are stored with their numbers, and what was left
//! out is named, counted and recorded.

use std::time::Duration;

use footfall::event::DropReason;

use crate::common::{Collector, EpochKeys, eventually, http, page_load_id};

const PATIENCE: Duration = Duration::from_secs(60);
const PAGE_LOAD: u64 = 15_000_000_000_000_000_001;

/// Events of a page with two faulty scripts and a broken extension.
const EVENTS: [&str; 10] = [
    r#"{"k":"view","u":"https://clinic.example/a"}"#,
    r#"{"k":"event","n":"search","p":{"q":"boom \ud83d","price":1e999,"list":[1]}}"#,
    r#"{"k":"error","m":"x","st":42}"#,
    r#"{"k":"error","m":""}"#,
    r#"{"k":"nonsense","u":"https://clinic.example/b"}"#,
    r#"{"k":"missing"}"#,
    r#"{"k":"view","u":"https://evil.example/"}"#,
    r#"{"k":"leave","u":"https://clinic.example/b","ms":5,"sd":-1}"#,
    "7",
    r#"{"n":"https://clinic.example/c.html","dl":false}"#,
];

fn identities(key: &EpochKeys, numbers: &[u32]) -> Vec<u64> {
    let mut ids: Vec<u64> =
        numbers.iter().flat_map(|number| key.event_ids("clinic", PAGE_LOAD, *number)).collect();
    ids.sort_unstable();
    ids
}

#[test]
fn good_events_beside_bad_ones_are_stored_with_their_numbers_and_the_rest_is_accounted_for() {
    let mut collector = Collector::new("[spool]\nseal_after = \"200ms\"\n");
    collector.start();
    let body = format!(
        r#"{{"v":1,"s":"clinic","l":"{}","o":7,"w":"wide","e":[{}]}}"#,
        page_load_id(PAGE_LOAD),
        EVENTS.join(",")
    );
    let answer = collector.beacon(&body).unwrap();
    assert_eq!(answer.status, 204, "{}", answer.text());
    let dropped = "optout=0,bot=0,duplicate=0,malformed=3,foreign=1,blocked=0,internal=1";
    assert_eq!(answer.header("x-footfall-dropped"), Some(dropped));
    let left_out = answer.header("x-footfall-left-out").unwrap();
    assert!(left_out.starts_with("e[6].u is on none of the site's hosts; w must be"), "{left_out}");
    // The same events once more are duplicates, under the same numbers.
    let again = collector.beacon(&body).unwrap();
    let dropped = "optout=0,bot=0,duplicate=5,malformed=3,foreign=1,blocked=0,internal=1";
    assert_eq!((again.status, again.header("x-footfall-dropped")), (204, Some(dropped)));

    collector.wait_for_events(5, PATIENCE);
    let mut stored = collector.store.events();
    stored.sort_unstable();
    assert_eq!(stored, identities(&collector.key(), &[7, 8, 9, 12, 14]));
    let rows = collector.store.rows(
        "SELECT kind, path, name, props['q'], length(props), error_message, error_stack, engaged_ms, scroll_depth \
         FROM events ORDER BY kind, path",
    );
    assert_eq!(
        rows,
        [
            "view\t/a\t\t\t0\t\t\t0\t0",
            "leave\t/b\t\t\t0\t\t\t5\t0",
            "event\t/a\tsearch\tboom \u{fffd}\t1\t\t\t0\t0",
            "error\t/a\t\t\t0\tx\t\t0\t0",
            "missing\t/b\t\t\t0\t\t\t0\t0",
        ]
    );
    let metrics = collector.metrics();
    for line in [
        "footfall_events_dropped_total{reason=\"malformed\"} 6",
        "footfall_events_dropped_total{reason=\"foreign\"} 2",
        "footfall_events_dropped_total{reason=\"internal\"} 2",
        // The width, two properties at once, the stack, the scroll depth; twice.
        "footfall_event_fields_dropped_total 8",
    ] {
        assert!(metrics.contains(line), "{line} is not in\n{metrics}");
    }
    for (reason, events) in [
        (DropReason::Malformed, "6"),
        (DropReason::Foreign, "2"),
        (DropReason::Duplicate, "5"),
        (DropReason::Internal, "2"),
    ] {
        let sql = format!("SELECT sum(events) FROM segments FINAL WHERE outcome = '{}'", reason.name());
        eventually("the counts are there too", PATIENCE, || collector.store.rows(&sql) == [events]);
    }
    let verified = collector.command(&["verify"]);
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));
}

#[test]
fn a_servers_bad_event_costs_no_good_one_and_a_beacon_without_any_is_accepted_and_counted() {
    let mut collector = Collector::new("[spool]\nseal_after = \"200ms\"\n");
    let added = collector.command(&["token", "add", "backend", "--role", "sender", "--site", "clinic"]);
    assert!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
    let output = String::from_utf8_lossy(&added.stdout).into_owned();
    let token = output.split_whitespace().find(|word| word.starts_with("ff_")).expect("a token");
    collector.start();
    let headers = format!(
        "Authorization: Bearer {token}\r\nX-Footfall-Address: 203.0.113.9\r\nContent-Type: application/json\r\n"
    );
    let send = |l: &str, events: &str| {
        let body =
            [&br#"{"v":1,"s":"clinic","l":""#[..], l.as_bytes(), br#"","e":["#, events.as_bytes(), b"]}"];
        // An own server that writes Latin-1.
        let body =
            body.concat().iter().map(|byte| if *byte == b'~' { 0xe9 } else { *byte }).collect::<Vec<_>>();
        http::post(collector.listen, "/b", &headers, &body).unwrap()
    };
    let answer = send("1", r#"{"k":"event","n":"caf~","u":"https://clinic.example/"},{"k":"event"}"#);
    assert_eq!(answer.status, 204, "{}", answer.text());
    assert_eq!(answer.header("x-footfall-left-out"), Some("e[1].n is missing"));
    let none = send("2", r#"{"k":"event","u":"https://clinic.example/"}"#);
    assert_eq!((none.status, none.header("x-footfall-left-out")), (204, Some("e[0].n is missing")));
    collector.wait_for_events(1, PATIENCE);
    assert_eq!(collector.store.rows("SELECT name FROM events"), ["caf\u{fffd}"]);
}
