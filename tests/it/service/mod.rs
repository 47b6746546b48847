//! What the collector tells a service manager, as systemd would read it. `packaging` does the same under systemd itself.

mod sockets;

use std::io::{BufRead, BufReader};
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::common::process::{self, Signal};
use crate::common::{Collector, StoreClient, allowed, eventually, http, ports};

const STOP_THREADS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/service/stop_threads.py");
const PATIENCE: Duration = Duration::from_secs(60);
/// How `stop_threads.py` ends where the system does not allow it.
const NOT_ALLOWED: i32 = 77;
/// The collector checks its threads four times in it.
const WATCHDOG: Duration = Duration::from_secs(4);

/// The service manager's end of the socket.
struct Manager {
    socket: UnixDatagram,
    _directory: tempfile::TempDir,
}

impl Manager {
    /// A manager, and a collector under it whose store does not exist.
    fn with_collector() -> (Self, Collector) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        let collector = Collector::shipping_to(StoreClient::without_password(ports::free()), "")
            .environment("NOTIFY_SOCKET", path)
            .environment("WATCHDOG_USEC", WATCHDOG.as_micros().to_string());
        (Self { socket, _directory: directory }, collector)
    }

    /// The assignments of the next message; `None` if none comes for `timeout`.
    fn receive(&self, timeout: Duration) -> Option<Vec<String>> {
        self.socket.set_read_timeout(Some(timeout)).unwrap();
        let mut buffer = [0; 4_096];
        let length = self.socket.recv(&mut buffer).ok()?;
        let message = std::str::from_utf8(&buffer[..length]).unwrap();
        Some(message.lines().map(str::to_owned).collect())
    }

    /// Waits for a message with this assignment, or one that begins so, and returns the message.
    fn wait_for(&self, assignment: &str) -> Vec<String> {
        self.wait_until(assignment, |line| line.starts_with(assignment))
    }

    /// Waits for a message with a line that is right, and returns the message.
    fn wait_until(&self, what: &str, is_right: impl Fn(&str) -> bool) -> Vec<String> {
        let began = Instant::now();
        while began.elapsed() < allowed(PATIENCE) {
            let message = self.receive(Duration::from_secs(1)).unwrap_or_default();
            if message.iter().any(|line| is_right(line)) {
                return message;
            }
        }
        panic!("never: {what}");
    }

    /// Whether there is a sign of life within `time`.
    fn is_fed_within(&self, time: Duration) -> bool {
        let began = Instant::now();
        std::iter::from_fn(|| {
            let rest = time.checked_sub(began.elapsed()).filter(|rest| !rest.is_zero())?;
            Some(self.receive(rest).unwrap_or_default())
        })
        .flatten()
        .any(|line| line == "WATCHDOG=1")
    }
}

/// Threads that are stopped until this is dropped.
struct Stopped(Child);

impl Stopped {
    /// Stops the threads with this name. Returns `None`, with a message, where the system does not allow it.
    fn stop(pid: u32, name: &str) -> Option<Self> {
        let mut child = Command::new("python3")
            .args([STOP_THREADS, &pid.to_string(), name])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        if line != "stopped\n" {
            assert_eq!(child.wait().unwrap().code(), Some(NOT_ALLOWED), "{name}");
            println!("skipped: this test needs root, to stop single threads");
            return None;
        }
        Some(Self(child))
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

#[test]
fn the_manager_is_told_of_the_start_of_a_reload_and_of_the_end() {
    let (manager, mut collector) = Manager::with_collector();
    collector.spawn();
    assert_eq!(manager.wait_for("READY=1"), ["READY=1", "STATUS=accepting beacons"]);
    // Ready means that it listens.
    assert_eq!(http::get(collector.listen, "/s.js").unwrap().status, 200);
    let status = manager.wait_for("WATCHDOG=1")[1].clone();
    assert!(status.starts_with("STATUS=accepting beacons; store: "), "{status}");
    process::signal(collector.pid(), Signal::HUP);
    let reloading = manager.wait_for("RELOADING=1");
    assert!(reloading[1].starts_with("MONOTONIC_USEC="), "systemd needs the time: {reloading:?}");
    assert_eq!(manager.wait_for("READY=1"), ["READY=1", "STATUS=reloaded"]);
    std::fs::write(collector.path("footfall.toml"), "listen = 7").unwrap();
    process::signal(collector.pid(), Signal::HUP);
    let failed = manager.wait_for("READY=1");
    assert_eq!(failed, ["READY=1", "STATUS=the reload failed, see the log"], "it goes on as before");
    process::signal(collector.pid(), Signal::TERM);
    manager.wait_for("STOPPING=1");
    eventually("the collector ends", PATIENCE, || collector.try_wait().is_some());
}

#[test]
fn the_watchdog_is_fed_only_while_every_thread_makes_progress() {
    let (manager, mut collector) = Manager::with_collector();
    collector.start();
    for thread in ["accept", "worker", "spool"] {
        manager.wait_for("WATCHDOG=1");
        let Some(stopped) = Stopped::stop(collector.pid(), thread) else { return };
        // On a busy machine others may be late too.
        manager.wait_until(&format!("{thread} is named"), |line| {
            line.strip_prefix("STATUS=no progress: ").is_some_and(|named| named.contains(thread))
        });
        assert!(!manager.is_fed_within(WATCHDOG), "{thread}");
        let series = format!("footfall_watchdog_failures_total{{thread=\"{thread}\"}} ");
        let exported = collector.metrics();
        let count = exported.lines().find_map(|line| line.strip_prefix(&series)?.parse::<u64>().ok());
        assert!(count.is_some_and(|count| count > 0), "{exported}");
        drop(stopped);
        manager.wait_for("WATCHDOG=1");
    }
    // Without the runtime nothing at all is sent.
    let Some(stopped) = Stopped::stop(collector.pid(), "background") else { return };
    while manager.receive(Duration::from_millis(10)).is_some() {}
    assert_eq!(manager.receive(WATCHDOG), None);
    drop(stopped);
    manager.wait_for("WATCHDOG=1");
    assert!(collector.terminate().success(), "{}", collector.log());
}
