//! `dist/footfall.service`: the collector and its embedded store work under the unit's system call rules.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::common::{Collector, good_beacon};

const UNIT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/dist/footfall.service");
const RUN_CONFINED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/unit_file/run_confined.py");
const GROUPS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/unit_file/syscall_groups.txt");
const FOOTFALL: &str = env!("CARGO_BIN_EXE_footfall");
/// How long an event may take into the store on a machine that is busy with other tests.
const STORED: Duration = Duration::from_secs(90);
/// What the kernel sends for a call that the filter does not allow.
const SIGSYS: i32 = 31;

/// A program that runs `program` under the unit's system call rules.
fn confined(directory: &Path, program: &str) -> PathBuf {
    let script = directory.join("confined");
    let command = format!("exec python3 '{RUN_CONFINED}' '{UNIT}' '{GROUPS}' '{program}' \"$@\"");
    std::fs::write(&script, format!("#!/bin/sh\n{command}\n")).unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    script
}

/// Whether a process runs under a seccomp filter.
fn is_filtered(pid: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    status.lines().any(|line| line.split_whitespace().eq(["Seccomp:", "2"]))
}

#[test]
fn the_collector_stores_events_under_the_unit_s_system_call_filter() {
    let directory = tempfile::tempdir().unwrap();
    let mut collector = Collector::new("").program(&confined(directory.path(), FOOTFALL));
    collector.start();
    assert_eq!(collector.beacon(&good_beacon("clinic", 1, 0, "/a")).unwrap().status, 204);
    collector.wait_for_events(1, STORED);
    assert!(is_filtered(collector.pid()));
    assert!(is_filtered(collector.store_pid().expect("the store runs")));
    // Sorting and aggregating go through other parts of the engine than counting.
    let sql = "SELECT path, uniqExact(page_load) FROM events GROUP BY path ORDER BY path";
    assert_eq!(collector.store.rows(sql), ["/a\t1"]);
    assert!(collector.terminate().success(), "{}", collector.log());
}

#[test]
fn a_system_call_that_the_unit_does_not_list_kills_the_process() {
    let directory = tempfile::tempdir().unwrap();
    let script = confined(directory.path(), "/usr/bin/env");
    let run = |code: &str| Command::new(&script).args(["python3", "-c", code]).output().unwrap();
    let allowed = run("import os; os.getpid()");
    assert!(allowed.status.success(), "{allowed:?}");
    let refused = run("import os; os.chroot('/')");
    assert_eq!(refused.status.signal(), Some(SIGSYS), "{refused:?}");
}
