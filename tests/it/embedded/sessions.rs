//! Sessions: what they keep, what they do not, and when they end.

use std::time::Duration;

use super::store;
use crate::common::{eventually, http};

#[test]
fn a_session_keeps_tables_settings_and_the_database() {
    let store = store();
    let session = "session_id=s";
    store.text_with(session, "CREATE TEMPORARY TABLE mine (a UInt8)");
    store.text_with(session, "INSERT INTO mine VALUES (1), (2)");
    store.text_with(session, "SET max_block_size = 77");
    store.text_with(session, "USE system");
    let sql = "SELECT sum(a), getSetting('max_block_size'), currentDatabase() FROM mine";
    assert_eq!(store.text_with(session, sql), "3\t77\tsystem\n");
    assert_eq!(store.refusal("", sql).1, 60);
    assert_eq!(store.refusal("session_id=other", sql).1, 60);
}

#[test]
fn a_request_s_settings_do_not_stay_in_its_session() {
    let store = store();
    let sql = "SELECT getSetting('max_block_size'), getSetting('max_result_rows'), currentDatabase()";
    store.text_with("session_id=s", "SET max_block_size = 77");
    let with = "session_id=s&max_block_size=5&max_result_rows=9&database=system";
    assert_eq!(store.text_with(with, sql), "5\t9\tsystem\n");
    assert_eq!(store.text_with("session_id=s", sql), "77\t0\tdefault\n");
    // A GET may not write, and does not make the session one that may not.
    assert_eq!(super::refusal(&store.get("/?session_id=s&query=CREATE%20DATABASE%20d")).1, 164);
    store.text_with("session_id=s", "CREATE DATABASE d");
}

#[test]
fn a_session_must_be_there_when_the_client_says_so_and_ends_in_time() {
    let store = store();
    assert_eq!(store.refusal("session_id=s&session_check=1", "SELECT 1").1, 372);
    store.text_with("session_id=s&session_timeout=1", "SELECT 1");
    store.text_with("session_id=s&session_check=1&session_timeout=1", "SELECT 1");
    eventually("the session ends", Duration::from_secs(20), || {
        std::thread::sleep(Duration::from_millis(1500));
        store.ask("session_id=s&session_check=1&session_timeout=1", "SELECT 1").status != 200
    });
    store.text_with("session_id=t&close_session=1", "SELECT 1");
    assert_eq!(store.refusal("session_id=t&session_check=1", "SELECT 1").1, 372);
    assert_eq!(store.refusal("session_id=t&session_timeout=soon", "SELECT 1").1, 374);
}

#[test]
fn one_session_runs_one_statement() {
    let store = store();
    let address = store.address();
    let slow = std::thread::spawn(move || {
        let sql =
            b"SELECT count() FROM numbers(200) WHERE sleepEachRow(0.01) = 0 SETTINGS max_block_size = 1";
        http::post(address, "/?session_id=s", "", sql).unwrap()
    });
    store.wait_until_it_sleeps();
    assert_eq!(store.refusal("session_id=s", "SELECT 1").1, 373);
    assert_eq!(slow.join().unwrap().text(), "200\n");
    assert_eq!(store.text_with("session_id=s", "SELECT 1"), "1\n");
}
