//! Quarantined segments: shown, requeued beside a running collector, salvaged, discarded. `verify` accounts for them throughout.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::common::{Collector, StoreProcess, eventually, good_beacon};

const PATIENCE: Duration = Duration::from_secs(90);

/// A collector whose store refuses events of the path `/poison`. So many of them are quarantined, each alone. One event was stored before,
/// and up to three came between them.
fn with_poison(beacons: u64) -> (Collector, String) {
    let mut collector = Collector::new("[spool]\nseal_after = \"1s\"\n");
    collector.start();
    send(&collector, 1_000, "/");
    collector.wait_for_events(1, PATIENCE);
    collector.store.query("ALTER TABLE events ADD CONSTRAINT no_poison CHECK path != '/poison'").unwrap();
    for page in 0..beacons {
        send(&collector, page, "/poison");
        if page < 3 {
            send(&collector, 2_000 + page, "/between");
        }
    }
    collector.wait_for_events(1 + beacons.min(3), PATIENCE);
    let expected = usize::try_from(beacons).unwrap();
    eventually("each is quarantined", PATIENCE, || quarantined(&collector, "segment").len() == expected);
    let name = quarantined(&collector, "segment").remove(0);
    let name = name.file_stem().unwrap().to_str().unwrap().to_owned();
    (collector, name)
}

fn send(collector: &Collector, page: u64, path: &str) {
    let answer = collector.beacon(&good_beacon("clinic", page, 0, path)).expect("the collector answers");
    assert_eq!(answer.status, 204, "{}", answer.text());
}

fn quarantined(collector: &Collector, ending: &str) -> Vec<PathBuf> {
    let files = std::fs::read_dir(collector.data().join("spool/quarantine")).into_iter().flatten().flatten();
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

fn unbalanced(collector: &Collector) -> serde_json::Value {
    let output = collector.command(&["verify", "--format", "json"]);
    assert_eq!(output.status.code(), Some(4), "an event that was acknowledged is gone");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

#[test]
fn refused_rows_are_quarantined_alone_and_shipped_when_they_are_requeued() {
    let (collector, name) = with_poison(3);
    let stored = collector.store.rows("SELECT DISTINCT path FROM events ORDER BY path");
    assert_eq!(stored, ["/", "/between"], "what came with the refused rows went on");
    let listed = run(&collector, &["spool", "list"]);
    assert_eq!(listed.matches("no_poison").count(), 3, "{listed}");
    let shown = run(&collector, &["spool", "show", &name]);
    assert!(shown.contains("no_poison") && shown.contains("1 event"), "{shown}");
    assert!(
        !shown.contains("clinic.example") && !shown.contains("/poison"),
        "rows are visitors' data: {shown}"
    );
    assert!(!collector.log().contains("/poison"), "and the log keeps none");
    let rows = run(&collector, &["spool", "show", &name, "--rows"]);
    assert_eq!(rows.matches("\"path\":\"/poison\"").count(), 1, "{rows}");
    let line = &verify(&collector)["days"][0];
    assert_eq!((line["quarantined"].as_u64(), line["stored"].as_u64()), (Some(3), Some(4)), "{line}");
    assert!(collector.metrics().contains("footfall_segments_split_total"));

    collector.store.query("ALTER TABLE events DROP CONSTRAINT no_poison").unwrap();
    run(&collector, &["spool", "requeue", "--all"]);
    collector.wait_for_events(7, PATIENCE);
    eventually("nothing is quarantined", PATIENCE, || verify(&collector)["days"][0]["quarantined"] == 0);
    let line = &verify(&collector)["days"][0];
    assert_eq!((line["missing"].as_u64(), line["stored"].as_u64()), (Some(0), Some(7)), "{line}");
    assert_eq!(collector.store.number("SELECT count() FROM events"), 7);
}

#[test]
fn rows_that_are_all_refused_are_quarantined_together_after_the_first_ones() {
    let mut collector = Collector::new("[spool]\nseal_after = \"1s\"\n");
    collector.start();
    send(&collector, 1_000, "/");
    collector.wait_for_events(1, PATIENCE);
    collector.store.query("ALTER TABLE events ADD CONSTRAINT no_poison CHECK path != '/poison'").unwrap();
    for page in 0..100 {
        send(&collector, page, "/poison");
    }
    eventually("all are quarantined", PATIENCE, || verify(&collector)["days"][0]["quarantined"] == 100);
    let files = quarantined(&collector, "segment").len();
    assert!((32..60).contains(&files), "{files} files");
    send(&collector, 2_000, "/after");
    collector.wait_for_events(2, PATIENCE);
    collector.store.query("ALTER TABLE events DROP CONSTRAINT no_poison").unwrap();
    run(&collector, &["spool", "requeue", "--all"]);
    collector.wait_for_events(102, PATIENCE);
    eventually("all events are accounted for", PATIENCE, || {
        let verified = verify(&collector);
        verified["reconciled"] == true && verified["days"][0]["stored"] == 102
    });
    assert_eq!(collector.store.number("SELECT count() FROM events"), 102);
}

#[test]
fn a_segment_is_discarded_only_with_consent_and_stays_in_the_counts_and_the_audit() {
    let (collector, name) = with_poison(1);
    let refused = collector.command(&["spool", "discard", &name]);
    assert!(!refused.status.success(), "nobody consented");
    assert_eq!(quarantined(&collector, "segment").len(), 1);
    run(&collector, &["spool", "discard", &name, "--yes", "--reason", "a test"]);
    assert!(quarantined(&collector, "segment").is_empty());
    let line = &verify(&collector)["days"][0];
    assert_eq!((line["discarded"].as_u64(), line["received"].as_u64()), (Some(1), Some(3)), "{line}");
    let audit = "SELECT count() FROM audit WHERE action = 'segment discarded' AND detail LIKE '%a test%'";
    eventually("the audit knows", PATIENCE, || collector.store.number(audit) == 1);
    assert_eq!(quarantined(&collector, "tombstone").len(), 1);
    assert_eq!(verify(&collector)["days"][0]["discarded"], 1);
}

#[test]
fn the_whole_frames_of_a_damaged_segment_are_shipped_once_under_another_id() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = StoreProcess::new(&directory.path().join("store"));
    store.start();
    let mut collector = Collector::shipping_to(store.store, "[spool]\nseal_after = \"1s\"\n");
    collector.start();
    send(&collector, 1_000, "/");
    collector.wait_for_events(1, PATIENCE);
    store.kill();
    for page in 0..5 {
        send(&collector, page, "/decays");
    }
    collector.terminate();
    damage_a_row(&collector.data().join("spool"));
    store.start();
    collector.start();
    eventually("it is quarantined", PATIENCE, || quarantined(&collector, "segment").len() == 1);
    let name = quarantined(&collector, "segment").remove(0);
    let name = name.file_stem().unwrap().to_str().unwrap();
    let shown = run(&collector, &["spool", "show", name]);
    assert!(shown.contains("damaged at byte"), "{shown}");
    let said = run(&collector, &["spool", "requeue", name]);
    assert!(said.contains("4 events"), "{said}");
    assert_eq!(quarantined(&collector, "salvaged").len(), 1, "the damaged file stays");
    collector.wait_for_events(5, PATIENCE);
    eventually("nothing waits", PATIENCE, || unbalanced(&collector)["days"][0]["spooled"] == 0);
    assert_eq!(collector.store.number("SELECT count() FROM events"), 5);
    let balance = unbalanced(&collector);
    let finding = &balance["discrepancies"][0];
    assert_eq!((finding["finding"].as_str(), finding["segment"].as_str()), (Some("damaged"), Some(name)));
    assert_eq!(finding["events"], 1, "{balance}");
    let line = &balance["days"][0];
    assert_eq!((line["lost"].as_u64(), line["received"].as_u64()), (Some(1), Some(6)), "{line}");

    let listed = run(&collector, &["spool", "list"]);
    assert!(listed.contains(&format!("{name}.salvaged")), "{listed}");
    run(&collector, &["spool", "discard", name, "--yes", "--reason", "the disk decays"]);
    let line = &verify(&collector)["days"][0];
    assert_eq!((line["discarded"].as_u64(), line["received"].as_u64()), (Some(1), Some(6)), "{line}");
    assert_eq!(quarantined(&collector, "salvaged").len(), 0);
    let again = collector.command(&["spool", "discard", name, "--yes"]);
    assert!(String::from_utf8_lossy(&again.stderr).contains("discarded before"), "{again:?}");
    assert_eq!(verify(&collector)["days"][0]["discarded"], 1, "the tombstone stays");
}

/// Changes a byte of the second row of the path `/decays`.
fn damage_a_row(spool: &Path) {
    let files = std::fs::read_dir(spool).unwrap().flatten().map(|file| file.path());
    let mut segments = files.filter(|path| path.extension().is_some_and(|it| it == "segment"));
    let file = segments
        .find(|file| rows_in(&std::fs::read(file).unwrap()).len() == 5)
        .expect("one segment holds them");
    let mut bytes = std::fs::read(&file).unwrap();
    let at = rows_in(&bytes)[1];
    bytes[at] ^= 1;
    std::fs::write(file, bytes).unwrap();
}

fn rows_in(bytes: &[u8]) -> Vec<usize> {
    memchr::memmem::find_iter(bytes, b"/decays").collect()
}
