//! What was confirmed is there, once, whatever is killed.

use std::time::Duration;

use super::{encode, row, store};
use crate::common::http;

#[test]
fn a_killed_insert_that_is_sent_again_is_there_once() {
    let mut store = store();
    store.text("CREATE TABLE t (a UInt64, s String) ENGINE = MergeTree ORDER BY a SETTINGS non_replicated_deduplication_window = 1000");
    let mut confirmed_before_kill = 0;
    for round in 0..10_u64 {
        let rows: Vec<u8> = (0..50_000).flat_map(|n| row(round * 50_000 + n, b"\n\npayload")).collect();
        let path = format!(
            "/?user=admin&query={}&insert_deduplication_token=round-{round}",
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
    for user in ["user=footfall_collector", "user=admin"] {
        let sql = "SELECT getSetting('async_insert'), getSetting('fsync_metadata')";
        assert_eq!(store.text_with(user, sql), "false\ttrue\n");
    }
}
