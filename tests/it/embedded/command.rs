//! `footfall embedded`, the store on its own, as an operator starts it; and the program under it on a kernel without Landlock.

use std::io::Read;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::store;
use crate::common::http::{self, HttpResponse};
use crate::common::process::{self, Signal, signal};
use crate::common::{Collector, eventually, good_beacon, ports};

const PATIENCE: Duration = Duration::from_secs(60);

struct Embedded {
    child: Child,
    listen: SocketAddr,
}

impl Embedded {
    fn start(data: &Path, arguments: &[&str]) -> Self {
        Self::start_by(Command::new(env!("CARGO_BIN_EXE_footfall")), data, arguments)
    }

    fn start_by(mut program: Command, data: &Path, arguments: &[&str]) -> Self {
        let listen = ports::free();
        let child = program
            .args(["embedded", "--listen", &listen.to_string(), "--data"])
            .arg(data)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let store = Self { child, listen };
        eventually("the store answers", PATIENCE, || {
            http::get(listen, "/ping").is_ok_and(|answer| answer.status == 200)
        });
        store
    }

    fn ask(&self, headers: &str, sql: &str) -> HttpResponse {
        http::post(self.listen, "/", headers, sql.as_bytes()).unwrap()
    }

    fn engine(&self) -> u32 {
        process::children(self.child.id())[0]
    }

    /// Ends it in order and returns what it printed.
    fn end(mut self) -> String {
        signal(self.child.id(), Signal::TERM);
        assert!(self.child.wait().unwrap().success());
        let mut printed = String::new();
        self.child.stdout.take().unwrap().read_to_string(&mut printed).unwrap();
        self.child.stderr.take().unwrap().read_to_string(&mut printed).unwrap();
        printed
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

fn key(user: &str, password: &str) -> String {
    format!("X-ClickHouse-User: {user}\r\nX-ClickHouse-Key: {password}\r\n")
}

fn failing(arguments: &[&str], data: &Path) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_footfall"))
        .arg("embedded")
        .args(arguments)
        .arg("--data")
        .arg(data)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_password_file_decides_who_may_log_in() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("passwords");
    std::fs::write(&file, "footfall_collector:w\nfootfall_analyst:\nfootfall_sre:s\n").unwrap();
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let store =
        Embedded::start(&directory.path().join("store"), &["--password-file", file.to_str().unwrap()]);
    for (user, password) in [("footfall_collector", "w"), ("footfall_analyst", ""), ("footfall_sre", "s")] {
        assert_eq!(store.ask(&key(user, password), "SELECT currentUser()").text(), format!("{user}\n"));
    }
    for (user, password) in [
        ("footfall_collector", ""),
        ("footfall_collector", "s"),
        ("footfall_sre", ""),
        ("footfall_operator", ""),
        ("footfall_privacy", ""),
        ("footfall_reports", ""),
        ("default", ""),
        ("", ""),
        ("supervisor", ""),
        ("root", "w"),
    ] {
        let answer = store.ask(&key(user, password), "SELECT 1");
        assert_ne!(answer.status, 200, "{user}:{password} is let in");
        assert!(!answer.text().contains('w') || !answer.text().contains("password: w"), "{}", answer.text());
    }
    assert_eq!(store.end(), "", "an orderly store has nothing to say");
}

#[test]
fn what_cannot_be_served_is_refused_with_the_reason() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("store");
    let said = failing(&["--listen", "0.0.0.0:18123"], &data);
    assert!(said.contains("has no password, and 0.0.0.0:18123 is not a loopback address"), "{said}");
    let said = failing(&["--listen", "127.0.0.1:18123", "--native", "127.0.0.2:19000"], &data);
    assert!(said.contains("must listen on the same IP address"), "{said}");
    let said = failing(&["--password-file", "/nonexistent"], &data);
    assert!(said.contains("the password file /nonexistent does not exist"), "{said}");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let said = failing(&["--listen", &address.to_string()], &data);
    assert!(said.contains(&format!("cannot listen on {address}")) && said.contains("--listen"), "{said}");
    let running = store();
    let said = failing(&["--listen", &ports::free().to_string()], &running.directory.path().join("store"));
    assert!(said.contains("is in use by another process"), "{said}");
    assert_eq!(running.text("SELECT 1"), "1\n");
}

#[test]
fn the_store_ends_with_the_process_that_started_it() {
    let directory = tempfile::tempdir().unwrap();
    let store = Embedded::start(&directory.path().join("store"), &[]);
    let engine = store.engine();
    drop(store);
    eventually("the engine ends", PATIENCE, || !process::is_running(engine));
}

#[test]
fn a_killed_engine_is_started_again_by_itself() {
    let directory = tempfile::tempdir().unwrap();
    let store = loop {
        let mut store = Embedded::start(&directory.path().join("store"), &[]);
        let engine = store.engine();
        signal(engine, Signal::KILL);
        // The engine may answer this test before the program has seen its first answer. Then its end is a failed start.
        let mut failed = false;
        eventually("another engine answers", PATIENCE, || {
            failed = store.child.try_wait().unwrap().is_some();
            let is_replaced = process::children(store.child.id()).iter().any(|pid| *pid != engine);
            failed || is_replaced && http::get(store.listen, "/ping").is_ok_and(|answer| answer.status == 200)
        });
        if !failed {
            break store;
        }
    };
    assert_eq!(store.ask(&key("footfall_analyst", ""), "SELECT 1").text(), "1\n");
}

#[test]
fn a_statement_that_runs_at_the_end_ends_well() {
    let directory = tempfile::tempdir().unwrap();
    let store = Embedded::start(&directory.path().join("store"), &[]);
    let listen = store.listen;
    let slow = std::thread::spawn(move || {
        // It ends within the 5 s that the engine waits.
        http::post(listen, "/?user=footfall_analyst", "", b"SELECT sleep(2.5)").unwrap()
    });
    eventually("the statement runs beside this query", PATIENCE, || {
        let sql = "SELECT value FROM system.metrics WHERE metric = 'Query'";
        store.ask(&key("footfall_sre", ""), sql).text() == "2\n"
    });
    store.end();
    assert_eq!(slow.join().unwrap().text(), "0\n");
    assert!(TcpStream::connect(listen).is_err());
}

/// A program under a kernel that answers the Landlock calls as one without Landlock does.
fn without_landlock() -> Command {
    let mut python = Command::new("python3");
    python
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/without_landlock.py"))
        .arg(env!("CARGO_BIN_EXE_footfall"));
    python
}

#[test]
fn without_landlock_people_are_served_only_when_the_operator_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let statuses = |arguments: &[&str]| {
        let store = Embedded::start_by(without_landlock(), &directory.path().join("store"), arguments);
        let users = [
            "footfall_collector",
            "footfall_reports",
            "footfall_analyst",
            "footfall_operator",
            "footfall_sre",
        ];
        users.map(|user| store.ask(&key(user, ""), "SELECT 1").status == 200)
    };
    assert_eq!(statuses(&[]), [true, true, false, false, false]);
    assert_eq!(statuses(&["--unconfined"]), [true; 5]);
}

#[test]
fn without_landlock_a_collector_stores_and_reports_and_serves_no_people() {
    let directory = tempfile::tempdir().unwrap();
    let wrapper = directory.path().join("footfall");
    let launcher = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/without_landlock.py");
    let script =
        format!("#!/bin/sh\nexec python3 '{launcher}' '{}' \"$@\"\n", env!("CARGO_BIN_EXE_footfall"));
    std::fs::write(&wrapper, script).unwrap();
    std::fs::set_permissions(&wrapper, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let mut collector = Collector::new("").program(&wrapper);
    let analyst = |collector: &Collector| {
        http::post(collector.store.listen, "/", &key("footfall_analyst", ""), b"SELECT 1").unwrap().status
            == 200
    };
    collector.start();
    assert_eq!(collector.beacon(&good_beacon("clinic", 1, 0, "/a")).unwrap().status, 204);
    collector.wait_for_events(1, PATIENCE);
    assert!(!analyst(&collector), "the analyst is served");
    for arguments in [
        &["report", "overview", "--site", "clinic", "--k", "1"][..],
        &["query", "SELECT count() FROM events"],
        &["verify"],
    ] {
        let output = collector.command(arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
    }
    let log = collector.log();
    assert!(log.contains("only the collector and the reports are served"), "{log}");
    assert!(collector.terminate().success());
    let settings = collector.path("footfall.toml");
    let text = std::fs::read_to_string(&settings).unwrap();
    std::fs::write(&settings, text.replacen("[store]", "[store]\nunconfined = true", 1)).unwrap();
    collector.start();
    collector.wait_for_events(1, PATIENCE);
    assert!(analyst(&collector), "{}", collector.log());
}
