//! Sockets that a service manager passes.

use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use super::PATIENCE;
use crate::common::{Collector, StoreClient, eventually, good_beacon, http, ports};

const PASS_SOCKETS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/service/pass_sockets.py");
const FOOTFALL: &str = env!("CARGO_BIN_EXE_footfall");

/// A program that becomes the collector with sockets, as `pass_sockets.py` takes them.
fn with_sockets(directory: &tempfile::TempDir, sockets: &[String]) -> PathBuf {
    let script = directory.path().join("with-sockets");
    let sockets = sockets.join("' '");
    let command = format!("exec python3 '{PASS_SOCKETS}' '{sockets}' -- '{FOOTFALL}' \"$@\"");
    std::fs::write(&script, format!("#!/bin/sh\n{command}\n")).unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    script
}

#[test]
fn passed_sockets_take_the_place_of_the_settings() {
    let directory = tempfile::tempdir().unwrap();
    let [listen, admin, reports] = std::array::from_fn(|_| ports::free());
    let sockets =
        [format!("footfall.socket={listen}"), format!("admin={admin}"), format!("reports={reports}")];
    let mut collector = Collector::new("").program(&with_sockets(&directory, &sockets));
    let configured = std::mem::replace(&mut collector.listen, listen);
    (collector.admin, collector.reports) = (admin, reports);
    collector.start();
    assert_eq!(collector.beacon(&good_beacon("clinic", 1, 0, "/a")).unwrap().status, 204);
    assert_eq!(http::get(reports, "/api/reports").unwrap().status, 200);
    assert!(TcpStream::connect(configured).is_err(), "nothing listens where the configuration says");
    assert!(collector.log().contains(&format!("beacons={listen}")), "{}", collector.log());

    // The store's process has none of them.
    eventually("the store runs", PATIENCE, || collector.store_pid().is_some());
    collector.wait_for_events(1, PATIENCE);
    let listening = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let is_passed = |line: &&str| {
        [listen, admin, reports].iter().any(|address| line.contains(&format!(":{:04X} ", address.port())))
    };
    let inodes: Vec<String> = listening
        .lines()
        .filter(|line| line.split_whitespace().nth(3) == Some("0A"))
        .filter(is_passed)
        .filter_map(|line| line.split_whitespace().nth(9))
        .map(|inode| format!("socket:[{inode}]"))
        .collect();
    assert_eq!(inodes.len(), 3, "{listening}");
    for entry in std::fs::read_dir(format!("/proc/{}/fd", collector.store_pid().unwrap())).unwrap() {
        let target = std::fs::read_link(entry.unwrap().path()).unwrap_or_default();
        assert!(!inodes.iter().any(|inode| target.as_os_str() == inode.as_str()), "{target:?}");
    }
    assert!(collector.terminate().success(), "{}", collector.log());
}

#[test]
fn sockets_that_cannot_be_used_are_an_error_of_the_configuration() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("unix").display().to_string();
    for (sockets, what) in [
        (vec![format!("admin={path}")], "socket \"admin\" of the service manager is not a TCP socket"),
        (vec![format!("x!={}", ports::free())], "socket \"x\" of the service manager does not listen"),
        (
            vec![format!("x={}", ports::free()), format!("y={}", ports::free())],
            "two sockets for `listen`; those for `admin` and `reports` are named by",
        ),
    ] {
        let store = StoreClient::without_password(ports::free());
        let mut collector = Collector::shipping_to(store, "").program(&with_sockets(&directory, &sockets));
        collector.spawn();
        let mut status = None;
        eventually(what, PATIENCE, || {
            status = collector.try_wait();
            status.is_some()
        });
        assert_eq!(status.and_then(|status| status.code()), Some(3), "{}", collector.log());
        assert!(collector.log().contains(what), "{}", collector.log());
    }
}
