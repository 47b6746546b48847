//! The keys by which the duplicate filter knows events of epochs that have ended.

use super::*;

fn filter(ring: &KeyRing) -> (u64, Vec<u64>) {
    let id = |mac: PseudonymHmac<'_>| mac.part(b"event").finish();
    let previous = ring.previous_filters().iter().map(|filter| id(filter.mac())).collect();
    (id(ring.current().filter_mac()), previous)
}

#[test]
fn the_filter_knows_events_of_the_previous_epoch_for_an_hour_also_over_a_restart() {
    let bench = Bench::azores("2026-11-22T09:00:00Z");
    let ring = bench.open();
    let (before, none) = filter(&ring);
    assert!(none.is_empty());
    bench.set("2026-11-23T01:00:00Z");
    ring.turn_if_due().unwrap();
    assert_eq!(filter(&ring).1, [before]);
    assert_ne!(filter(&ring).0, before);
    drop(ring);
    bench.set("2026-11-23T01:59:59Z");
    let restarted = bench.open();
    assert_eq!(restarted.turn_if_due(), None);
    assert_eq!(filter(&restarted).1, [before]);
    bench.set("2026-11-23T02:00:00Z");
    assert_eq!(restarted.turn_if_due(), None);
    assert!(filter(&restarted).1.is_empty());
    assert!(!bench.directory.path().join("filter").exists(), "its key is wiped");
    assert!(filter(&bench.open()).1.is_empty());
}

#[test]
fn a_collector_that_was_down_at_the_turn_knows_the_events_before_it() {
    let bench = Bench::azores("2026-11-22T09:00:00Z");
    let before = filter(&bench.open()).0;
    bench.set("2026-11-23T01:10:00Z");
    assert_eq!(filter(&bench.open()).1, [before]);
    bench.set("2026-11-23T02:10:00Z");
    assert!(filter(&bench.open()).1.is_empty(), "an hour after the turn");
}

#[test]
fn several_turns_in_an_hour_are_all_known_but_not_more_than_eight() {
    let bench = Bench::azores("2026-11-22T09:00:00Z");
    let ring = bench.open();
    let mut expected = Vec::new();
    for _ in 0..10 {
        expected.push(filter(&ring).0);
        ring.rotate().unwrap();
    }
    assert_eq!(filter(&ring).1, expected[2..]);
    assert_eq!(filter(&bench.open()).1, expected[2..]);
}

#[test]
fn a_damaged_file_of_filters_is_wiped() {
    let bench = Bench::azores("2026-11-22T09:00:00Z");
    bench.open().rotate().unwrap();
    let path = bench.directory.path().join("filter");
    let mut bytes = fs::read(&path).unwrap();
    bytes[30] ^= 1;
    fs::write(&path, bytes).unwrap();
    assert!(filter(&bench.open()).1.is_empty());
    assert!(!path.exists());
}

#[test]
fn the_filter_s_key_tells_nothing_of_the_pseudonyms() {
    let bench = Bench::azores("2026-11-22T09:00:00Z");
    let ring = bench.open();
    let pseudonym = ring.current().mac().part(b"event").finish();
    assert_ne!(filter(&ring).0, pseudonym);
}
