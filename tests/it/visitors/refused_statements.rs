//! ClickHouse quotes a statement that it refuses. Neither the log nor the list of requests repeats what of it names a visitor.

use std::time::Duration;

use crate::common::{Collector, eventually, good_beacon, http};

const PATIENCE: Duration = Duration::from_secs(120);
const COOKIE_VALUE: &str = "variant-of-anna";

#[test]
fn the_value_of_a_visitors_cookie_is_in_no_message_of_a_request_that_the_store_refuses() {
    let mut collector = Collector::new(
        "[spool]\nseal_after = \"200ms\"\n[[site]]\nid = \"clinic\"\nhosts = [\"clinic.example\"]\ncookies = { ab = \"value\" }\n",
    );
    collector.start();
    let cookie = format!("\"ck\":[\"ab={COOKIE_VALUE}\"],\"e\":");
    let body = good_beacon("clinic", 1, 0, "/a").replacen("\"e\":", &cookie, 1);
    assert_eq!(collector.beacon(&body).expect("the collector answers").status, 204);
    collector.wait_for_events(1, PATIENCE);
    rename(&collector, "blocked_events", "blocked_events_away");
    let named = format!("ab={COOKIE_VALUE}");
    let subject = ["subject", "block", "--site", "clinic", "--cookie", &named];
    let accepted = collector
        .command(&[&subject[..], &["--ground", "letter 17", "--operator", "Olga", "--wait", "0"]].concat());
    assert!(accepted.status.success(), "{accepted:?}");
    eventually("the request waits for the store", PATIENCE, || {
        collector.log().contains("request of a visitor not carried out yet")
    });
    let list = collector.command(&["subject", "list", "--format", "json"]);
    let list = String::from_utf8_lossy(&list.stdout).into_owned();
    for text in [collector.log(), list] {
        assert!(text.contains("UNKNOWN_TABLE"), "the reason is there: {text}");
        assert!(!text.contains(COOKIE_VALUE), "{text}");
    }
    rename(&collector, "blocked_events_away", "blocked_events");
    eventually("the visitor is blocked", PATIENCE, || collector.stored_events() == Some(0));
}

#[test]
fn the_value_of_a_filter_is_not_logged_when_the_store_refuses_a_report() {
    const PATH: &str = "/results-of-anna";
    let mut collector = Collector::new("[spool]\nseal_after = \"200ms\"\n");
    collector.start();
    assert_eq!(
        collector.beacon(&good_beacon("clinic", 1, 0, PATH)).expect("the collector answers").status,
        204
    );
    collector.wait_for_events(1, PATIENCE);
    collector.store.query("ALTER TABLE events RENAME COLUMN error_line TO line").expect("the store renames");
    let report = format!("/api/reports/errors?site=clinic&from=1d&filter=path%3D{PATH}");
    assert_eq!(http::get(collector.reports, &report).expect("the collector answers").status, 502);
    eventually("the failure is logged", PATIENCE, || collector.log().contains("report failed"));
    let log = collector.log();
    assert!(log.contains("UNKNOWN_IDENTIFIER"), "the reason is there: {log}");
    assert!(!log.contains(PATH), "{log}");
}

#[track_caller]
fn rename(collector: &Collector, from: &str, to: &str) {
    collector.store.query(&format!("RENAME TABLE {from} TO {to}")).map(drop).expect("the store renames");
}
