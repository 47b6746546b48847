//! `deploy/footfall.service`: the collector and its embedded store work under the unit's system call rules, and the install steps in its
//! head put the engine where the unit looks for it.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use footfall::report::catalogue;

use crate::common::process::{Signal, signal};
use crate::common::{Collector, eventually, good_beacon, http};

const UNIT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/footfall.service");
const RUN_CONFINED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/deploy/unit_file/run_confined.py");
const GROUPS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/deploy/unit_file/syscall_groups.txt");
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
    let places = Path::new(env!("CARGO_MANIFEST_DIR")).join("geo/city-ipv4.mmdb");
    let settings = format!("geo = [{places:?}]\n[spool]\nseal_after = \"1s\"\n");
    let mut collector = Collector::new(&settings).program(&confined(directory.path(), FOOTFALL));
    collector.start();
    assert_eq!(collector.beacon(&good_beacon("clinic", 1, 0, "/a")).unwrap().status, 204);
    collector.wait_for_events(1, STORED);
    assert!(is_filtered(collector.pid()));
    assert!(is_filtered(collector.store_pid().expect("the store runs")));
    // Sorting and aggregating go through other parts of the engine than counting.
    let sql = "SELECT path, uniqExact(page_load) FROM events GROUP BY path ORDER BY path";
    assert_eq!(collector.store.rows(sql), ["/a\t1"]);
    // So do every report, merges, and changes of rows.
    for report in catalogue::all() {
        let answer =
            http::get(collector.reports, &format!("/api/reports/{}?site=clinic", report.name)).unwrap();
        assert_eq!(answer.status, 200, "{}: {}", report.name, answer.text());
    }
    assert_eq!(collector.beacon(&good_beacon("clinic", 2, 0, "/b")).unwrap().status, 204);
    collector.wait_for_events(2, STORED);
    for sql in [
        "OPTIMIZE TABLE events FINAL",
        "ALTER TABLE events DELETE WHERE path = '/a' SETTINGS mutations_sync = 1",
        "SELECT number, toString(number) AS text FROM numbers(1000000) ORDER BY text LIMIT 1 SETTINGS max_bytes_before_external_sort = 1000000",
    ] {
        collector.store.query(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
    }
    // What the collector does beside: reload, another key, its other commands.
    signal(collector.pid(), Signal::HUP);
    for arguments in
        [&["key", "rotate"][..], &["spool", "status"], &["token", "add", "anna", "--role", "sre"]]
    {
        let output = collector.command(arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
    }
    eventually("the reload", STORED, || collector.log().contains("sites reloaded"));
    assert_eq!(collector.beacon(&good_beacon("clinic", 3, 0, "/c")).unwrap().status, 204);
    collector.wait_for_events(2, STORED);
    assert!(collector.store_pid().is_some_and(is_filtered), "{}", collector.log());
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

/// The unit with its paths below /var moved into a directory, and the program to the one that is tested.
fn relocated(text: &str, root: &Path) -> String {
    text.replace("/var/", &format!("{}/var/", root.display())).replace("/usr/local/bin/footfall", FOOTFALL)
}

fn values<'u>(unit: &'u str, key: &str) -> Vec<&'u str> {
    unit.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('=')).collect()
}

/// The commands in the unit's head, one a line.
pub fn install_commands(unit: &str) -> Vec<&str> {
    unit.lines()
        .map_while(|line| line.strip_prefix('#'))
        .filter_map(|line| line.strip_prefix("   "))
        .collect()
}

/// Runs a command with the given variables alone, and with a PATH that has no npm.
fn run_with(program: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(program);
    command.args(arguments).env_clear().env("PATH", "/nonexistent").stdin(Stdio::null());
    command.envs(variables.iter().copied()).output().unwrap()
}

#[test]
fn the_manual_shows_the_install_step_of_the_unit() {
    let unit = std::fs::read_to_string(UNIT).unwrap();
    let manual =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/operations/install.md")).unwrap();
    let steps = install_commands(&unit);
    let step =
        steps.iter().find(|line| line.contains("embedded --install")).expect("a step installs the engine");
    assert!(manual.lines().any(|line| line == *step), "{step}");
}

#[test]
fn the_install_steps_put_the_engine_where_the_unit_looks_for_it() {
    let root = tempfile::tempdir().unwrap();
    let unit = relocated(&std::fs::read_to_string(UNIT).unwrap(), root.path());
    let steps: Vec<&str> =
        install_commands(&unit).into_iter().filter(|line| line.contains("embedded --install")).collect();
    let [step] = steps[..] else { panic!("no single step installs the engine: {steps:?}") };

    // What the service finds: systemd gives it the unit's variables alone, and no home.
    let variables: Vec<_> =
        values(&unit, "Environment").iter().filter_map(|one| one.split_once('=')).collect();
    let data = root.path().join("store");
    let serve = ["embedded", "--listen", "127.0.0.1:0", "--data", data.to_str().unwrap()];
    let missing = run_with(FOOTFALL, &serve, &variables);
    let said = String::from_utf8(missing.stderr).unwrap();
    let library =
        said.split_once("is not at ").and_then(|(_, rest)| rest.split_once(": run ")).map(|(path, _)| path);
    let library = library.unwrap_or_else(|| panic!("it does not say where the engine should be: {said}"));
    assert!(Path::new(library).starts_with(root.path().join("var/cache")), "{library}");

    // What the step finds, with a library there so that nothing is downloaded. It is run as root, who has a home.
    std::fs::create_dir_all(Path::new(library).parent().unwrap()).unwrap();
    std::fs::write(library, "engine").unwrap();
    let installed = run_with("/bin/sh", &["-c", step], &[("HOME", "/nonexistent")]);
    let said = format!("{step}: {installed:?}");
    assert!(installed.status.success(), "{said}");
    assert_eq!(String::from_utf8(installed.stdout).unwrap().trim(), library, "{said}");
    // The unit's user reads what root installs, whatever root's umask is.
    assert!(step.contains("umask 022"), "{step}");
}
