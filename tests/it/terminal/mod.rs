//! What a collector shows on a terminal: its log, and nothing of the engine's.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use crate::common::{Collector, eventually, good_beacon, http};

const ON_TERMINAL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/terminal/on_terminal.py");
const FOOTFALL: &str = env!("CARGO_BIN_EXE_footfall");
const STORED: Duration = Duration::from_secs(90);

/// Removes the sequences that set a terminal's colours.
fn plain(text: &str) -> String {
    let mut parts = text.split("\u{1b}[");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + part.split_once('m').map_or(part, |(_, rest)| rest))
}

#[test]
fn the_engine_writes_nothing_to_the_terminal_of_a_collector() {
    let directory = tempfile::tempdir().unwrap();
    let script = directory.path().join("on-terminal");
    let command = format!("exec python3 '{ON_TERMINAL}' '{FOOTFALL}' \"$@\"");
    std::fs::write(&script, format!("#!/bin/sh\n{command}\n")).unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut collector = Collector::new("[spool]\nseal_after = \"200ms\"\n").program(&script);
    collector.start();
    // Several segments, reports, and statements that fail.
    for page_load in 1..=5 {
        assert_eq!(collector.beacon(&good_beacon("clinic", page_load, 0, "/a")).unwrap().status, 204);
        collector.wait_for_events(page_load, STORED);
    }
    eventually("a report is answered", STORED, || {
        http::get(collector.reports, "/api/reports/pages?site=clinic").unwrap().status == 200
    });
    assert!(collector.store.query("SELECT throwIf(1)").is_err());
    assert!(collector.store.query("nonsense").is_err());
    let segments = collector.store.number("SELECT uniqExact(segment) FROM events");
    assert!(segments >= 5, "{segments}");
    assert!(collector.terminate().success(), "{}", collector.log());

    let shown = plain(&collector.log());
    assert!(shown.contains("the embedded ClickHouse is ready"), "{shown}");
    let is_own = |line: &str| {
        // A line of the log begins with its time; the other lines are those for the page.
        let is_log = line.as_bytes().first().is_some_and(u8::is_ascii_digit) && line.contains("Z  ");
        let of_page = [
            "Put this into",
            "  <script",
            "To pin this",
            "  integrity=",
            "Only browsers on",
            "Reports are at",
        ];
        is_log || of_page.iter().any(|begin| line.starts_with(begin))
    };
    let foreign: Vec<&str> =
        shown.lines().map(str::trim_end).filter(|line| !line.is_empty() && !is_own(line)).collect();
    assert!(foreign.is_empty(), "{foreign:?} of\n{shown}");
    assert!(!shown.contains("Fatal") && !shown.contains("ThreadStatus"), "{shown}");
}
