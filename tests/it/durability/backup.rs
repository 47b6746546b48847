//! Backups and what they are for: a collector is lost with all of its data, and comes back out of a backup that was taken under load.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crate::common::{Collector, EpochKeys, SetOnDrop, StoreClient, eventually, good_beacon, ports, process};

const PATIENCE: Duration = Duration::from_secs(90);

#[track_caller]
fn done(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[track_caller]
fn refused(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn back_up(collector: &Collector, name: &str) -> PathBuf {
    let to = collector.path(name);
    done(&collector.command(&["backup", to.to_str().unwrap()]));
    to
}

/// Loses everything but the backup and the settings.
fn lose_everything(collector: &mut Collector) {
    collector.kill();
    eventually("the store has ended", PATIENCE, || !collector.store.pings());
    for directory in [collector.data(), collector.path("key")] {
        // The store's last files may appear meanwhile.
        eventually("it is deleted", PATIENCE, || {
            fs::remove_dir_all(&directory).is_ok() || !directory.exists()
        });
    }
}

fn restore(collector: &Collector, from: &Path) -> String {
    done(&collector.command(&["restore", from.to_str().unwrap()]))
}

/// Sends a beacon with one view. Returns whether it was acknowledged.
fn send(collector: &Collector, page: u64) -> bool {
    collector.beacon(&good_beacon("clinic", page, 0, "/")).is_ok_and(|answer| answer.status == 204)
}

fn assert_verified(collector: &Collector) {
    let mut last = String::new();
    eventually("everything is accounted for", PATIENCE, || {
        let output = collector.command(&["verify"]);
        last = format!("{output:?}");
        output.status.success()
    });
    assert!(last.contains("every acknowledged event is accounted for"), "{last}");
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// Reports on days that are over.
fn reports(collector: &Collector) -> Vec<serde_json::Value> {
    let names = ["overview", "timeseries", "pages", "sources", "countries", "events", "speed"];
    let report = |name: &&str| {
        let arguments = ["report", *name, "--site", "demo", "--from", "4d", "--to", "2d", "--format", "json"];
        let answer: serde_json::Value = serde_json::from_str(&done(&collector.command(&arguments))).unwrap();
        answer["rows"].clone()
    };
    let published = || {
        let arguments = [
            "report", "pages", "--viewer", "--site", "demo", "--from", "4d", "--to", "2d", "--format", "json",
        ];
        let answer: serde_json::Value = serde_json::from_str(&done(&collector.command(&arguments))).unwrap();
        answer["rows"].clone()
    };
    names.iter().map(report).chain([published()]).collect()
}

#[test]
fn a_collector_that_was_lost_comes_back_out_of_a_backup_that_was_taken_under_load() {
    let mut collector = Collector::new("[spool]\nseal_after = \"200ms\"\n");
    collector.start();
    eventually("the store answers", PATIENCE, || collector.store_answers());
    done(&collector.command(&["demo", "--visitors", "60", "--days", "6"]));
    done(&collector.command(&["token", "add", "anna", "--role", "analyst"]));
    let before = reports(&collector);
    assert!(before.iter().all(|rows| !rows.as_array().unwrap().is_empty()), "{before:#?}");
    let key = fs::read(collector.path("key/key")).unwrap();
    let noise_key = fs::read(collector.data().join("noise.key")).unwrap();
    let ids = collector.key();

    let (next, acknowledged, stop) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
    let (certain, to) = std::thread::scope(|scope| {
        let _stop = SetOnDrop(&stop);
        for _ in 0..3 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    // Pages are sent in order, so those below a number are all acknowledged once it is.
                    let page = next.fetch_add(1, Ordering::Relaxed);
                    assert!(send(&collector, page));
                    acknowledged.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        eventually("there is load", PATIENCE, || acknowledged.load(Ordering::Relaxed) > 300);
        // Three senders may each be about to be answered.
        let certain = acknowledged.load(Ordering::Relaxed) - 3;
        let to = back_up(&collector, "backup");
        (certain, to)
    });
    let sent = next.load(Ordering::Relaxed);
    for file in files(&to) {
        let bytes = fs::read(&file).unwrap();
        assert!(memchr::memmem::find(&bytes, &key[27..59]).is_none(), "the key is in {}", file.display());
        assert!(!file.ends_with("store.passwords"), "{}", file.display());
    }
    lose_everything(&mut collector);

    let said = restore(&collector, &to);
    assert!(said.contains("restored the backup of"), "{said}");
    collector.start();
    eventually("the store answers", PATIENCE, || collector.store_answers());
    assert_verified(&collector);
    let stored = || -> Vec<u64> { collector.store.events() };
    let of = |page: u64| ids.event_ids("clinic", page, 0)[0];
    let expected: BTreeSet<u64> = (0..certain).map(of).collect();
    let stored_set: BTreeSet<u64> = stored().into_iter().collect();
    assert!(expected.is_subset(&stored_set), "{} are missing", expected.difference(&stored_set).count());
    let clinic = collector.store.number("SELECT count() FROM events WHERE site = 'clinic'");
    assert!((certain..=sent).contains(&clinic), "{certain}, {clinic}, {sent}");
    assert_eq!(stored().len(), stored_set.len(), "nothing is stored twice");
    assert_eq!(reports(&collector), before);
    assert_eq!(fs::read(collector.data().join("noise.key")).unwrap(), noise_key);
    assert!(done(&collector.command(&["token", "list"])).contains("anna"));
    // It goes on, under another key.
    assert_ne!(fs::read(collector.path("key/key")).unwrap()[27..59], key[27..59]);
    for page in 0..20 {
        assert!(send(&collector, 1_000_000 + page));
    }
    collector.wait_for_events(stored_set.len() as u64 + 20, PATIENCE);
    assert_verified(&collector);
    let audit = collector.store.rows("SELECT action, count() FROM audit GROUP BY action ORDER BY action");
    assert!(audit.contains(&"backup restored\t1".to_owned()), "{audit:?}");
    let again = back_up(&collector, "again");
    assert!(again.join("footfall-backup.json").exists(), "a restored collector can be backed up");
}

/// The names of the segments that wait in a spool.
fn waiting(spool: &Path) -> BTreeSet<String> {
    let names = fs::read_dir(spool).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.ends_with(".segment")).collect()
}

#[test]
fn what_is_in_the_spool_and_in_the_tables_of_a_backup_is_stored_once() {
    let mut collector = Collector::new("[spool]\nseal_after = \"100ms\"\n");
    collector.start();
    eventually("the store answers", PATIENCE, || collector.store_answers());
    assert!(send(&collector, 0));
    collector.wait_for_events(1, PATIENCE);
    // Segments that cannot be shipped yet are kept aside.
    let store = collector.store_pid().unwrap();
    process::signal(store, process::Signal::STOP);
    for page in 1..=4 {
        assert!(send(&collector, page));
        std::thread::sleep(Duration::from_millis(300));
    }
    let spool = collector.data().join("spool");
    eventually("the segments are sealed", PATIENCE, || waiting(&spool).len() >= 4);
    let aside = collector.path("aside");
    fs::create_dir(&aside).unwrap();
    for name in waiting(&spool) {
        fs::copy(spool.join(&name), aside.join(&name)).unwrap();
    }
    process::signal(store, process::Signal::CONT);
    collector.wait_for_events(5, PATIENCE);
    eventually("all are shipped", PATIENCE, || waiting(&spool).len() <= 1);
    let ids: EpochKeys = collector.key();
    // As if the backup of the tables had begun between the insert of the events and that of the account.
    let half = collector.store.rows("SELECT max(segment) FROM events").remove(0);
    collector
        .store
        .query(&format!("ALTER TABLE segments DELETE WHERE segment = {half} SETTINGS mutations_sync = 1"))
        .unwrap();
    let whole = back_up(&collector, "whole");
    let without_account = collector.store.number("SELECT uniqExact(segment) FROM events") - 1;

    // The backup has the segment that was being written, which may be among those aside.
    let backup = whole.join("spool");
    let shipped: Vec<String> = waiting(&aside).difference(&waiting(&backup)).cloned().collect();
    assert!(shipped.len() >= 3, "{shipped:?}");
    for with_spool in [true, false] {
        lose_everything(&mut collector);
        for name in &shipped {
            // As if the spool had been copied before the segments were shipped.
            if with_spool {
                fs::copy(aside.join(name), backup.join(name)).unwrap();
            } else {
                fs::remove_file(backup.join(name)).unwrap();
            }
        }
        restore(&collector, &whole);
        collector.start();
        eventually("the store answers", PATIENCE, || collector.store_answers());
        assert_verified(&collector);
        let expected: BTreeSet<u64> = (0..=4).map(|page| ids.event_ids("clinic", page, 0)[0]).collect();
        let stored = collector.store.events();
        assert_eq!(stored.len(), 5, "with the spool: {with_spool}");
        assert_eq!(stored.into_iter().collect::<BTreeSet<_>>(), expected);
        let accounts = "SELECT uniqExact(segment) FROM segments FINAL WHERE outcome = 'stored'";
        eventually("each segment has an account", PATIENCE, || {
            collector.store.number(accounts) > without_account
        });
    }
}

#[test]
fn quarantined_segments_are_backed_up_and_can_be_requeued_after_a_restore() {
    let mut collector = Collector::new("[spool]\nseal_after = \"100ms\"\n");
    collector.start();
    eventually("the store answers", PATIENCE, || collector.store_answers());
    assert!(send(&collector, 0));
    collector.wait_for_events(1, PATIENCE);
    collector.store.query("ALTER TABLE events ADD CONSTRAINT no_poison CHECK path != '/poison'").unwrap();
    assert_eq!(collector.beacon(&good_beacon("clinic", 7, 0, "/poison")).unwrap().status, 204);
    let listed = |collector: &Collector| done(&collector.command(&["spool", "list"]));
    eventually("it is quarantined", PATIENCE, || listed(&collector).contains("quarantined: "));
    // Of a collector that has ended, too: the command starts the store.
    assert!(collector.terminate().success());
    let backup = back_up(&collector, "backup");
    lose_everything(&mut collector);
    let said = restore(&collector, &backup);
    assert!(said.contains("1 are quarantined"), "{said}");
    assert!(listed(&collector).contains("no_poison"), "{}", listed(&collector));
    collector.start();
    eventually("the store answers", PATIENCE, || collector.store_answers());
    assert_verified(&collector);
    collector.store.query("ALTER TABLE events DROP CONSTRAINT no_poison").unwrap();
    done(&collector.command(&["spool", "requeue", "--all"]));
    collector.wait_for_events(2, PATIENCE);
    assert_verified(&collector);
    assert_eq!(collector.store.number("SELECT count() FROM events"), 2);
}

#[test]
fn what_would_mix_or_lose_something_is_refused_and_changes_nothing() {
    let mut collector = Collector::new("");
    collector.start();
    eventually("the store answers", PATIENCE, || collector.store_answers());
    assert!(send(&collector, 0));
    collector.wait_for_events(1, PATIENCE);
    let backup = back_up(&collector, "backup");
    let path = backup.to_str().unwrap();
    assert!(refused(&collector.command(&["backup", path])).contains("is not empty"));
    assert!(
        refused(&collector.command(&["backup", "other", "--disk", "backups"]))
            .contains("--disk is for a ClickHouse server")
    );
    assert!(!collector.path("other").exists());
    assert!(refused(&collector.command(&["restore", path])).contains("stop it first"));
    assert!(collector.terminate().success());
    assert!(refused(&collector.command(&["restore", path])).contains("is not empty"));
    let moved = collector.path("moved");
    fs::rename(collector.data(), &moved).unwrap();
    assert!(refused(&collector.command(&["restore", "moved"])).contains("is not a backup"));
    let list = backup.join("footfall-backup.json");
    let text = fs::read_to_string(&list).unwrap();
    fs::write(&list, text.replace("\"format\": 1", "\"format\": 9")).unwrap();
    assert!(refused(&collector.command(&["restore", path])).contains("has format 9"));
    fs::write(&list, &text).unwrap();
    let settings = backup.join("configuration/footfall.toml");
    let before = fs::read_to_string(&settings).unwrap();
    fs::write(&settings, "damaged").unwrap();
    assert!(refused(&collector.command(&["restore", path])).contains("the backup is damaged"));
    fs::write(&settings, before).unwrap();
    assert!(!collector.data().exists(), "nothing was made");

    // A table whose file is damaged is found by ClickHouse, and the command can be repeated.
    let data = files(&backup.join("store/data"))
        .into_iter()
        .max_by_key(|file| fs::metadata(file).unwrap().len())
        .unwrap();
    let bytes = fs::read(&data).unwrap();
    fs::write(&data, &bytes[..bytes.len() / 2]).unwrap();
    let said = refused(&collector.command(&["restore", path]));
    assert!(said.contains("the store did not restore its tables"), "{said}");
    fs::write(&data, &bytes).unwrap();
    restore(&collector, &backup);
    collector.start();
    eventually("the event is back", PATIENCE, || collector.stored_events() == Some(1));
    assert_verified(&collector);

    let server = Collector::shipping_to(StoreClient::without_password(ports::free()), "");
    assert!(refused(&server.command(&["backup", "here"])).contains("--disk backups"));
    assert!(refused(&server.command(&["restore", path])).contains("a backup of the embedded store"));
}
