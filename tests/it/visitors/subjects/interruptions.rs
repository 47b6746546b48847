//! Requests under load, with the store down, over crashes, and while others end.

use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::*;
use crate::common::{SetOnDrop, StoreProcess};

/// Sends beacons, each of the visitor of its page load, until `stop`. Returns how many were acknowledged.
fn load<'a>(
    collector: &Collector,
    stop: &AtomicBool,
    page_loads: &AtomicU64,
    visitor: impl Fn(u64) -> (Cow<'a, str>, &'a str),
) -> u64 {
    let mut acknowledged = 0;
    while !stop.load(Ordering::Relaxed) {
        let page_load = page_loads.fetch_add(1, Ordering::Relaxed);
        let (address, user_agent) = visitor(page_load);
        let answer =
            post(collector, (&address, user_agent), &good_beacon("clinic", page_load, 0, "/load")).unwrap();
        if answer.status == 204 {
            acknowledged += 1;
        } else {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    acknowledged
}

#[test]
fn under_load_and_with_the_store_down_a_request_is_kept_and_carried_out_later() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = StoreProcess::new(directory.path());
    store.start();
    let mut collector = Collector::shipping_to(store.store, "[spool]\nseal_after = \"200ms\"\n");
    collector.start();
    let (stop, anna_left, page_loads) = (AtomicBool::new(false), AtomicBool::new(false), AtomicU64::new(1));
    let others = |page_load: u64| (format!("203.0.113.{}", page_load % 200).into(), BORIS.1);
    let (others, visitor) = std::thread::scope(|scope| {
        let set_stop = SetOnDrop(&stop);
        let set_anna_left = SetOnDrop(&anna_left);
        let loads = [(); 2].map(|()| scope.spawn(|| load(&collector, &stop, &page_loads, others)));
        let anna = scope.spawn(|| load(&collector, &anna_left, &page_loads, |_| (ANNA.0.into(), ANNA.1)));
        collector.wait_for_events(300, PATIENCE);
        store.kill();
        std::thread::sleep(Duration::from_secs(1));
        let waits = subject(&collector, "block", ANNA, &["--wait", "1"]);
        assert_eq!(waits["state"], "open", "{waits:#}");
        let dropped = visit(&collector, ANNA, 1 << 40, "/again");
        assert!(dropped.header("x-footfall-dropped").is_some_and(|reasons| reasons.contains("blocked=1")));
        let found = subject(&collector, "find", ANNA, &[]);
        assert!(found["waiting_events"].as_u64().unwrap() > 0 && found["store"].is_string(), "{found:#}");
        store.start();
        let id = waits["request"].as_str().unwrap();
        let state = || {
            run(&collector, &["subject", "list", "--format", "json"])["requests"]
                .as_array()
                .unwrap()
                .iter()
                .find(|request| request["request"] == id)
                .unwrap()["state"]
                .clone()
        };
        eventually("the block is in force", PATIENCE, || state() == "in force");
        let visitor = found["scope"]["visitor"].as_str().unwrap();
        let of_anna =
            || collector.store.number(&format!("SELECT count() FROM events WHERE visitor = {visitor}"));
        assert_eq!(of_anna(), 0);
        // An erasure ends the block: what Anna sent later would be stored.
        drop(set_anna_left);
        anna.join().unwrap();
        let erased = subject(&collector, "erase", ANNA, &[]);
        assert_eq!(erased["state"], "done", "{erased:#}");
        assert_eq!((of_anna(), &erased["search"]["blocked_events"]), (0, &0.into()));
        drop(set_stop);
        (loads.into_iter().map(|load| load.join().unwrap()).sum::<u64>(), visitor.to_owned())
    });
    let stored = || collector.store.number(&format!("SELECT count() FROM events WHERE visitor != {visitor}"));
    eventually("everything is shipped", PATIENCE, || stored() >= others);
    assert_eq!(stored(), others, "every event of others that was acknowledged is stored once");
    assert_verified(&collector);
}

#[test]
fn a_request_that_is_interrupted_by_crashes_at_any_time_is_completed_and_every_event_is_accounted_for() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = StoreProcess::new(directory.path());
    store.start();
    let mut collector = Collector::shipping_to(store.store, "[spool]\nseal_after = \"200ms\"\n");
    collector.start();
    for page in 0..40 {
        visit(&collector, if page % 2 == 0 { ANNA } else { BORIS }, page, "/a");
    }
    collector.wait_for_events(40, PATIENCE);
    for (action, state, delays) in [
        ("block", "in force", [40, 90, 160]),
        ("unblock", "done", [60, 110, 200]),
        ("erase", "done", [50, 120, 300]),
    ] {
        let waits = subject(&collector, action, ANNA, &["--wait", "0"]);
        let id = waits["request"].as_str().unwrap();
        for delay in delays {
            std::thread::sleep(Duration::from_millis(delay));
            collector.kill();
            collector.start();
        }
        let request = || {
            run(&collector, &["subject", "list", "--format", "json"])["requests"]
                .as_array()
                .unwrap()
                .iter()
                .find(|request| request["request"] == id)
                .unwrap()
                .clone()
        };
        eventually(&format!("{action} is complete"), PATIENCE, || request()["state"] == state);
        assert_eq!(request()["events"], 20, "{action}");
        let expected = if action == "unblock" { 40 } else { 20 };
        assert_eq!(collector.stored_events(), Some(expected), "{action}");
        assert_verified(&collector);
    }
    assert_eq!(collector.store.number("SELECT count() FROM blocked_events FINAL"), 0);
}

#[test]
fn a_block_that_is_accepted_while_another_one_ends_is_carried_out_and_a_whole_site_is_only_erased() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = StoreProcess::new(directory.path());
    store.start();
    let mut collector = Collector::shipping_to(store.store, "[spool]\nseal_after = \"200ms\"\n");
    collector.start();
    for page in 0..6 {
        visit(&collector, if page % 2 == 0 { ANNA } else { BORIS }, page, "/a");
    }
    collector.wait_for_events(6, PATIENCE);
    let first = subject(&collector, "block", ANNA, &[]);
    store.kill();
    let unblock = subject(&collector, "unblock", ANNA, &["--wait", "0"]);
    let second = subject(&collector, "block", ANNA, &["--wait", "0"]);
    assert_ne!(second["request"], first["request"], "the first one is about to end");
    // By its number, a whole site can be named too. Only the erasure is possible.
    let arguments = ["subject", "erase", "--site", "clinic", "--whole-site", "--ground", "x", "--wait", "0"];
    let site = run(&collector, &[&arguments[..], &["--format", "json"]].concat());
    let id = site["request"].as_str().unwrap();
    for action in ["block", "export"] {
        let mut arguments = vec!["subject", action, "--request", id, "--ground", "x"];
        let file = collector.path("never.json");
        if action == "export" {
            arguments.extend(["--output", file.to_str().unwrap()]);
        }
        let refused = refused(&collector, &arguments);
        assert!(refused.contains("a whole site can be erased, and nothing else"), "{action}: {refused}");
    }
    let erased_again = run(&collector, &[&arguments[..], &["--format", "json"]].concat());
    assert_eq!(erased_again["request"], site["request"], "it is open");
    store.start();
    let listed = || run(&collector, &["subject", "list", "--format", "json"])["requests"].clone();
    let state = |id: &Value| {
        let requests = listed();
        let found = requests.as_array().unwrap().iter().find(|request| request["request"] == *id);
        found.map(|request| request["state"].clone()).unwrap_or_default()
    };
    for (request, expected) in [(&unblock, "done"), (&second, "in force"), (&first, "done"), (&site, "done")]
    {
        eventually(expected, PATIENCE, || state(&request["request"]) == expected);
    }
    let dropped = visit(&collector, ANNA, 100, "/again");
    assert!(dropped.header("x-footfall-dropped").is_some_and(|reasons| reasons.contains("blocked=1")));
    assert_eq!(collector.stored_events(), Some(0));
    assert_verified(&collector);
}
