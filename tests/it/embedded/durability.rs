//! What was confirmed is there, once, whatever is killed.

use std::io::Write;
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::{encode, row, store};
use crate::common::process::{Signal, signal};
use crate::common::{eventually, http, ports};

#[test]
fn a_killed_insert_that_is_sent_again_is_there_once() {
    let mut store = store();
    store.text("CREATE TABLE t (a UInt64, s String) ENGINE = MergeTree ORDER BY a SETTINGS non_replicated_deduplication_window = 1000");
    let mut confirmed_before_kill = 0;
    for round in 0..10_u64 {
        let rows: Vec<u8> = (0..50_000).flat_map(|n| row(round * 50_000 + n, b"\n\npayload")).collect();
        let path = format!(
            "/?query={}&insert_deduplication_token=round-{round}",
            encode("INSERT INTO t FORMAT RowBinary")
        );
        let address = store.address();
        let (body, sent_path) = (rows.clone(), path.clone());
        let sender = std::thread::spawn(move || {
            http::post(address, &sent_path, "", &body).is_ok_and(|a| a.status == 200)
        });
        // From before the body has come to after the part is there.
        std::thread::sleep(Duration::from_millis(fastrand::u64(0..60)));
        store.process.kill();
        confirmed_before_kill += u32::from(sender.join().unwrap());
        store.process.start();
        for _ in 0..2 {
            let answer = http::post(store.address(), &path, "", &rows).unwrap();
            assert_eq!(answer.status, 200, "{}", answer.text());
        }
    }
    println!("{confirmed_before_kill} of 10 inserts were confirmed before the kill");
    assert_eq!(
        store.text("SELECT count(), uniqExact(a), countIf(s != '\\n\\npayload') FROM t"),
        "500000\t500000\t0\n"
    );
}

#[test]
fn a_token_is_known_again_and_another_token_is_another_insert() {
    let store = store();
    store.text("CREATE TABLE t (a UInt64, s String) ENGINE = MergeTree ORDER BY a SETTINGS non_replicated_deduplication_window = 1000");
    store.text("CREATE MATERIALIZED VIEW m ENGINE = SummingMergeTree ORDER BY s SETTINGS non_replicated_deduplication_window = 1000 AS SELECT s, count() AS n FROM t GROUP BY s");
    let path = |token: &str| {
        format!("query={}&insert_deduplication_token={token}", encode("INSERT INTO t FORMAT RowBinary"))
    };
    for token in ["one", "one", "two", "one"] {
        store.text_with(&path(token), row(1, b"x"));
    }
    assert_eq!(store.text("SELECT count() FROM t"), "2\n");
    assert_eq!(store.text("SELECT sum(n) FROM m"), "2\n");
}

#[test]
fn a_confirmed_insert_is_synced() {
    let store = store();
    let sql = "SELECT name, value FROM system.merge_tree_settings WHERE name LIKE 'fsync%' ORDER BY name";
    assert_eq!(store.text(sql), "fsync_after_insert\t1\nfsync_part_directory\t1\n");
    assert_eq!(
        store.text("SELECT getSetting('async_insert'), getSetting('fsync_metadata')"),
        "false\ttrue\n"
    );
}

#[test]
fn a_statement_that_runs_at_sigterm_ends_well() {
    let store = store();
    let address = store.address();
    let slow = std::thread::spawn(move || {
        let sql =
            b"SELECT count() FROM numbers(150) WHERE sleepEachRow(0.01) = 0 SETTINGS max_block_size = 1";
        http::post(address, "/", "", sql).unwrap()
    });
    store.wait_until_it_sleeps();
    signal(store.process.pid(), Signal::TERM);
    assert_eq!(slow.join().unwrap().text(), "150\n");
    eventually("the process ends", Duration::from_secs(60), || {
        !crate::common::process::runs(store.process.pid())
    });
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn the_store_ends_with_the_process_that_started_it() {
    let directory = tempfile::tempdir().unwrap();
    let listen = ports::free();
    // The shell's process id is the parent's that the store is told to watch.
    let script = format!(
        "'{}' embedded --data '{}' --listen {listen} --with-parent $$ & wait",
        env!("CARGO_BIN_EXE_footfall"),
        directory.path().join("store").display()
    );
    let mut shell = Command::new("sh")
        .args(["-c", &script])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let answers = || http::get(listen, "/ping").is_ok_and(|answer| answer.status == 200);
    eventually("the store answers", Duration::from_secs(60), answers);
    shell.kill().unwrap();
    shell.wait().unwrap();
    eventually("the store ends", Duration::from_secs(60), || TcpStream::connect(listen).is_err());
}

#[test]
fn bad_input_leaves_the_store_serving() {
    let store = store();
    let long = "a".repeat(2 << 20);
    let requests: Vec<Vec<u8>> = vec![
        b"\x16\x03\x01\x02\x00\x01".to_vec(),
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        format!("GET /?query={long} HTTP/1.1\r\nHost: localhost\r\n\r\n").into_bytes(),
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nSELEC".to_vec(),
        b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n".to_vec(),
        b"POST /?query=%ff%fe HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n".to_vec(),
        b"POST /?decompress=1 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc".to_vec(),
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\n\0\0\0\0".to_vec(),
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 7\r\n\r\n'$$/*`\"".to_vec(),
    ];
    for request in requests {
        let mut stream = TcpStream::connect(store.address()).unwrap();
        // The store may refuse before everything is sent.
        let _ = stream.write_all(&request);
        drop(stream);
        assert_eq!(store.text("SELECT 1"), "1\n");
    }
    let deep = format!("SELECT {}1{}", "(".repeat(5000), ")".repeat(5000));
    assert_ne!(store.ask("", deep).status, 200);
    assert_eq!(store.text("SELECT 1"), "1\n");
}
