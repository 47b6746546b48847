//! Segments that were set aside: shown, tried again beside a running collector, salvaged, discarded; the books balance throughout.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::common::{Collector, eventually, good_beacon};

const PATIENCE: Duration = Duration::from_secs(90);

/// A collector whose store refuses events of the path `/poison`, and one such segment set aside.
fn with_poison(beacons: u64) -> (Collector, String) {
    let mut collector = Collector::new("[spool]\nseal_after = \"1s\"\n");
    collector.start();
    send(&collector, 1_000, "/");
    collector.wait_for_events(1, PATIENCE);
    collector.store.query("ALTER TABLE events ADD CONSTRAINT no_poison CHECK path != '/poison'").unwrap();
    for page in 0..beacons {
        send(&collector, page, "/poison");
    }
    eventually("the segment is set aside", PATIENCE, || aside(&collector, "segment").len() == 1);
    let name = aside(&collector, "segment").remove(0);
    let name = name.file_stem().unwrap().to_str().unwrap().to_owned();
    (collector, name)
}

fn send(collector: &Collector, page: u64, path: &str) {
    let answer = collector.beacon(&good_beacon("clinic", page, 0, path)).expect("the collector answers");
    assert_eq!(answer.status, 204, "{}", answer.text());
}

/// Files that were set aside, with this ending.
fn aside(collector: &Collector, ending: &str) -> Vec<PathBuf> {
    let files = std::fs::read_dir(collector.data().join("spool/aside")).into_iter().flatten().flatten();
    let files = files.map(|file| file.path());
    files.filter(|path| path.extension().is_some_and(|it| it == ending)).collect()
}

fn run(collector: &Collector, arguments: &[&str]) -> String {
    let output = collector.command(arguments);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{arguments:?}: {text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

fn verify(collector: &Collector) -> serde_json::Value {
    serde_json::from_str(&run(collector, &["verify", "--format", "json"])).expect("JSON")
}

#[test]
fn a_refused_segment_is_shown_without_its_rows_and_shipped_when_it_is_tried_again() {
    let (collector, name) = with_poison(3);
    assert!(run(&collector, &["spool", "list"]).contains(&name));
    let shown = run(&collector, &["spool", "show", &name]);
    assert!(shown.contains("no_poison") && shown.contains("3 events"), "{shown}");
    assert!(!shown.contains("clinic.example"), "rows are visitors' data: {shown}");
    let rows = run(&collector, &["spool", "show", &name, "--rows"]);
    assert_eq!(rows.matches("\"path\":\"/poison\"").count(), 3, "{rows}");
    let line = &verify(&collector)["lines"][0];
    assert_eq!((line["aside"].as_u64(), line["stored"].as_u64()), (Some(3), Some(1)), "{line}");

    collector.store.query("ALTER TABLE events DROP CONSTRAINT no_poison").unwrap();
    run(&collector, &["spool", "retry", "--all"]);
    collector.wait_for_events(4, PATIENCE);
    eventually("nothing is aside", PATIENCE, || verify(&collector)["lines"][0]["aside"] == 0);
    let line = &verify(&collector)["lines"][0];
    assert_eq!((line["proven"].as_bool(), line["stored"].as_u64()), (Some(true), Some(4)), "{line}");
    assert_eq!(collector.store.number("SELECT count() FROM events"), 4);
}

#[test]
fn a_segment_is_discarded_only_when_asked_and_stays_in_the_books_and_the_audit() {
    let (collector, name) = with_poison(2);
    let refused = collector.command(&["spool", "discard", &name]);
    assert!(!refused.status.success(), "nobody said yes");
    assert_eq!(aside(&collector, "segment").len(), 1);
    run(&collector, &["spool", "discard", &name, "--yes", "--reason", "a test"]);
    assert!(aside(&collector, "segment").is_empty());
    let line = &verify(&collector)["lines"][0];
    assert_eq!((line["discarded"].as_u64(), line["received"].as_u64()), (Some(2), Some(3)), "{line}");
    let audit = "SELECT count() FROM audit WHERE action = 'segment discarded' AND detail LIKE '%a test%'";
    eventually("the audit knows", PATIENCE, || collector.store.number(audit) == 1);
    assert_eq!(aside(&collector, "discarded").len(), 1);
    assert_eq!(verify(&collector)["lines"][0]["discarded"], 2);
}

#[test]
fn what_is_whole_of_a_damaged_segment_is_shipped_once_under_another_name() {
    let (mut collector, name) = with_poison(5);
    collector.terminate();
    let file = collector.data().join("spool/aside").join(format!("{name}.segment"));
    spoil_a_row(&file);
    let shown = run(&collector, &["spool", "show", &name]);
    assert!(shown.contains("damaged at byte"), "{shown}");
    let said = run(&collector, &["spool", "retry", &name]);
    assert!(said.contains("4 events"), "{said}");
    assert_eq!(aside(&collector, "salvaged").len(), 1, "the damaged file stays");
    collector.start();
    eventually("the store runs", PATIENCE, || collector.store.pings());
    collector.store.query("ALTER TABLE events DROP CONSTRAINT no_poison").unwrap();
    collector.wait_for_events(5, PATIENCE);
    eventually("nothing waits", PATIENCE, || verify(&collector)["lines"][0]["spooled"] == 0);
    assert_eq!(collector.store.number("SELECT count() FROM events"), 5);
    assert_eq!(verify(&collector)["balances"], true);
}

/// Changes a byte of the second of the rows, as a disk that decays may.
fn spoil_a_row(file: &Path) {
    let mut bytes = std::fs::read(file).unwrap();
    let paths: Vec<usize> = memchr::memmem::find_iter(&bytes, b"/poison").collect();
    bytes[paths[1]] ^= 1;
    std::fs::write(file, bytes).unwrap();
}
