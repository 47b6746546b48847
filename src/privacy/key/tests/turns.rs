//! When ids change, and when they stay.

use super::*;

#[test]
fn ids_change_at_the_turn_in_the_configured_zone_and_only_then() {
    let bench = Bench::azores("2026-11-22T09:00:00Z");
    let ring = bench.open();
    let (first, status) = (id(&ring), ring.status());
    assert_eq!(status.next_turn, at("2026-11-23T01:00:00Z"), "midnight");
    for still in ["2026-11-22T21:00:00Z", "2026-11-23T00:00:00Z", "2026-11-23T00:59:59Z"] {
        bench.set(still);
        assert_eq!((ring.turn_if_due(), id(&ring)), (None, first), "{still}");
    }
    bench.set("2026-11-23T01:00:00Z");
    let turn = ring.turn_if_due().unwrap();
    assert_ne!(id(&ring), first);
    assert_eq!(turn.ended, status.fingerprint);
    assert_eq!((turn.began, turn.epoch), (ring.status().fingerprint, ring.status().epoch));
    assert_eq!(i64::from(turn.epoch), at("2026-11-23T01:00:00Z").as_second());
    assert_eq!(ring.turn_if_due(), None, "once");
}

#[test]
fn a_key_expires_while_no_collector_runs_and_no_new_one_is_made() {
    let bench = Bench::azores("2026-11-22T09:00:00Z");
    let expire = || {
        let zone = TimeZone::get(bench.zone).unwrap();
        KeyRing::expire(bench.directory.path(), true, zone, &*bench.clock).unwrap()
    };
    assert_eq!(expire(), None, "there is no key");
    let status = bench.open().status();
    bench.set("2026-11-23T00:59:59Z");
    assert_eq!(expire(), None);
    let key = bench.stored_key();
    bench.set("2026-11-23T01:00:00Z");
    assert_eq!(expire(), Some((status.epoch, status.fingerprint)));
    assert!(!bench.file().exists());
    assert_eq!(expire(), None, "once");
    // The duplicate filter's key goes an hour later.
    let filter = bench.directory.path().join("filter");
    assert!(filter.exists());
    bench.set("2026-11-23T02:00:01Z");
    expire();
    assert!(!filter.exists());
    for entry in fs::read_dir(bench.directory.path()).unwrap() {
        let bytes = fs::read(entry.unwrap().path()).unwrap();
        assert!(!bytes.windows(key.len()).any(|window| window == key));
    }
    assert_ne!(bench.open().status().fingerprint, status.fingerprint);
}

#[test]
fn a_turn_comes_once_where_clocks_skip_midnight_or_have_it_twice() {
    for (before, turns) in [
        ("2026-03-07T12:00:00Z", ["2026-03-08T05:00:00Z", "2026-03-09T04:00:00Z"]),
        ("2026-10-31T12:00:00Z", ["2026-11-01T04:00:00Z", "2026-11-02T05:00:00Z"]),
    ] {
        let bench = Bench::new("America/Havana", before);
        let ring = bench.open();
        let mut epochs = Vec::new();
        for minute in 0..(2 * 24 * 60) {
            let now = at(before).as_second() + minute * 60;
            bench.clock.0.store(now, Ordering::Relaxed);
            let seen = id(&ring);
            let turn = ring.turn_if_due();
            assert_eq!(turn.is_some(), id(&ring) != seen, "ids change with a turn and only then");
            epochs.extend(turn.map(|turn| i64::from(turn.epoch)));
        }
        assert_eq!(epochs, turns.map(|turn| at(turn).as_second()), "{before}");
    }
}

#[test]
fn a_restart_before_the_turn_keeps_ids_and_one_after_it_changes_them() {
    let bench = Bench::azores("2026-11-22T09:00:00Z");
    let first = bench.open();
    let (kept, status) = (id(&first), first.status());
    drop(first);
    bench.set("2026-11-23T00:59:59Z");
    let second = bench.open();
    assert_eq!((id(&second), second.status().epoch), (kept, status.epoch));
    assert_eq!(second.turn_if_due(), None);
    drop(second);
    bench.set("2026-11-23T01:00:01Z");
    let third = bench.open();
    assert_ne!(id(&third), kept);
    let turn = third.turn_if_due().expect("the turn of the restart is told");
    assert_eq!((turn.ended, turn.began), (status.fingerprint, third.status().fingerprint));
    assert_eq!(third.turn_if_due(), None);
}

#[test]
fn days_of_downtime_make_one_turn() {
    let bench = Bench::azores("2026-11-10T09:00:00Z");
    drop(bench.open());
    bench.set("2026-11-22T09:00:00Z");
    let ring = bench.open();
    assert_eq!(i64::from(ring.turn_if_due().unwrap().epoch), at("2026-11-22T01:00:00Z").as_second());
    assert_eq!(ring.turn_if_due(), None);
    assert_eq!(ring.status().next_turn, at("2026-11-23T01:00:00Z"));
}

#[test]
fn a_clock_set_back_neither_changes_ids_nor_takes_the_epoch_back() {
    let bench = Bench::azores("2026-11-23T00:59:00Z");
    let ring = bench.open();
    bench.set("2026-11-23T01:00:00Z");
    let turned = ring.turn_if_due().unwrap();
    let kept = id(&ring);
    bench.set("2026-11-22T23:00:00Z");
    assert_eq!((ring.turn_if_due(), id(&ring)), (None, kept));
    bench.set("2026-11-23T01:00:00Z");
    assert_eq!((ring.turn_if_due(), id(&ring)), (None, kept), "the same turn does not come twice");
    drop(ring);
    bench.set("2026-11-22T22:00:00Z");
    let restarted = bench.open();
    assert_eq!((id(&restarted), restarted.status().epoch), (kept, turned.epoch));
    assert_eq!(restarted.rotate().unwrap().epoch, turned.epoch + 1, "later, though the clock says earlier");
    bench.set("2026-11-24T01:00:00Z");
    assert_eq!(i64::from(restarted.turn_if_due().unwrap().epoch), at("2026-11-24T01:00:00Z").as_second());
}

#[test]
fn a_clock_set_back_by_more_than_a_day_turns_at_once_so_that_no_key_outlives_its_day() {
    let bench = Bench::azores("2030-01-01T09:00:00Z");
    let ring = bench.open();
    let far = ring.status().epoch;
    bench.set("2026-11-22T09:00:00Z");
    assert_eq!(ring.turn_if_due().unwrap().epoch, far + 1);
    assert_eq!(ring.turn_if_due(), None);
    bench.set("2026-11-23T00:59:59Z");
    assert_eq!(ring.turn_if_due(), None);
    bench.set("2026-11-23T01:00:00Z");
    assert_eq!(ring.turn_if_due().unwrap().epoch, far + 2);
}

#[test]
fn a_turn_that_is_asked_for_comes_at_once_and_the_next_one_in_its_time() {
    let bench = Bench::azores("2026-11-22T09:00:00Z");
    let ring = bench.open();
    let first = (id(&ring), ring.status().epoch);
    let turn = ring.rotate().unwrap();
    assert_ne!(id(&ring), first.0);
    assert_eq!(turn.epoch, first.1 + 1, "within the same second the number still rises");
    assert_eq!(ring.status().next_turn, at("2026-11-23T01:00:00Z"));
}

#[test]
fn collectors_with_one_directory_share_each_epoch_s_key() {
    let bench = Bench::azores("2026-11-22T09:00:00Z");
    let (one, other) = (bench.open(), bench.open());
    assert_eq!(id(&one), id(&other));
    bench.set("2026-11-23T01:00:00Z");
    let made = one.turn_if_due().unwrap();
    assert_eq!(other.turn_if_due(), Some(made));
    assert_eq!(id(&one), id(&other));
    let made = other.rotate().unwrap();
    assert_eq!(one.turn_if_due(), Some(made));
    assert_eq!(id(&one), id(&other));
}

#[test]
fn a_key_that_another_process_wrote_over_the_old_one_is_noticed() {
    let bench = Bench::azores("2026-11-22T09:00:00Z");
    let ring = bench.open();
    let kept = id(&ring);
    bench.set("2026-11-22T09:00:02Z");
    let other = Bench::azores("2026-11-22T09:00:01Z");
    other.open();
    // Clocks of file systems move every few milliseconds.
    std::thread::sleep(std::time::Duration::from_millis(50));
    let file = OpenOptions::new().write(true).open(bench.file()).unwrap();
    file.write_all_at(&fs::read(other.file()).unwrap(), 0).unwrap();
    assert_eq!(ring.turn_if_due().map(|turn| turn.epoch), Some(ring.status().epoch));
    assert_ne!(id(&ring), kept);
    assert_eq!(ring.turn_if_due(), None, "once");
}

#[test]
fn a_fingerprint_tells_keys_apart_and_shows_nothing_of_them() {
    let bench = Bench::azores("2026-11-22T09:00:00Z");
    let ring = bench.open();
    let key: String = bench.stored_key().iter().map(|byte| format!("{byte:02x}")).collect();
    let fingerprint = ring.status().fingerprint.to_string();
    assert_eq!(fingerprint.len(), 8);
    assert!(!key.contains(&fingerprint));
    assert_ne!(ring.rotate().unwrap().began.to_string(), fingerprint);
}

#[test]
fn ids_are_made_while_keys_turn() {
    let bench = Bench::azores("2026-11-22T09:00:00Z");
    let ring = bench.open();
    thread::scope(|scope| {
        let readers: Vec<_> = (0..2).map(|_| scope.spawn(|| (0..20_000).map(|_| id(&ring)).max())).collect();
        for _ in 0..50 {
            ring.rotate().unwrap();
        }
        for reader in readers {
            reader.join().unwrap();
        }
    });
}
