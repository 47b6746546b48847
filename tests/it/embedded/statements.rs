//! Statements, formats, settings and parameters over HTTP.

use super::{encode, row, store};
use crate::common::http;

#[test]
fn the_paths_that_probes_ask_answer() {
    let store = store();
    for path in ["/", "/ping", "/replicas_status"] {
        let answer = store.get(path);
        assert_eq!((answer.status, answer.text().as_str()), (200, "Ok.\n"), "{path}");
    }
    assert_eq!(store.get("/nothing").status, 404);
    let request = format!("PUT / HTTP/1.1\r\nHost: {}\r\nContent-Length: 0\r\n\r\n", store.address());
    assert_eq!(http::exchange(store.address(), request.as_bytes()).unwrap().status, 405);
}

#[test]
fn a_statement_may_stand_in_the_url_the_body_or_both() {
    let store = store();
    assert_eq!(store.get("/?query=SELECT%201").text(), "1\n");
    assert_eq!(store.text("SELECT 2"), "2\n");
    assert_eq!(store.text_with("query=SELECT%203,", "4"), "3\t4\n");
    assert_eq!(store.text("SELECT 5 -- a comment at the end"), "5\n");
    assert_eq!(store.text("SELECT 6;"), "6\n");
    assert_eq!(store.refusal("", ""), (400, 62));
    assert_eq!(store.refusal("", "SELECT 1; SELECT 2"), (400, 62));
    assert_eq!(store.refusal("", "SELEC 1"), (400, 62));
    assert_eq!(store.refusal("", "SELECT nothing"), (404, 47));
    assert_eq!(store.refusal("", "SELECT * FROM nothing"), (404, 60));
    assert_eq!(store.refusal("database=nothing", "SELECT 1"), (404, 81));
}

#[test]
fn every_kind_of_reading_statement_gives_its_rows() {
    let store = store();
    store.text("CREATE TABLE t (a UInt64) ENGINE = MergeTree ORDER BY a");
    assert!(store.text("SHOW DATABASES").contains("system\n"));
    assert_eq!(store.text("SHOW TABLES"), "t\n");
    assert!(store.text("SHOW CREATE TABLE t").starts_with("CREATE TABLE default.t"));
    assert!(store.text("DESCRIBE t").starts_with("a\tUInt64"));
    assert_eq!(store.text("EXISTS TABLE t"), "1\n");
    assert!(store.text("EXPLAIN SELECT 1").contains("ReadFrom"));
    assert_eq!(store.text("(SELECT 1) UNION ALL (SELECT 1)"), "1\n1\n");
    assert_eq!(store.text("WITH 7 AS x SELECT x"), "7\n");
    assert_eq!(store.text("SELECT 1 SETTINGS max_threads = 1"), "1\n");
}

#[test]
fn the_format_is_the_statement_s_or_the_client_s() {
    let store = store();
    let answer = store.ask("default_format=JSONEachRow", "SELECT 1 AS x");
    assert_eq!(answer.text(), "{\"x\":1}\n");
    assert_eq!(answer.header("x-clickhouse-format"), Some("JSONEachRow"));
    let answer = store.ask("default_format=JSONEachRow", "SELECT 1 AS x FORMAT CSVWithNames");
    assert_eq!(answer.text(), "\"x\"\n1\n");
    assert_eq!(answer.header("content-type"), Some("text/csv; charset=UTF-8; header=present"));
    let json = store.ask(
        "",
        "SELECT number % 2 AS k, count() AS c FROM numbers(10) GROUP BY k WITH TOTALS ORDER BY k FORMAT JSON",
    );
    let json = json.json();
    assert_eq!(json["data"].as_array().unwrap().len(), 2);
    assert_eq!(json["totals"]["c"].as_u64().or_else(|| json["totals"]["c"].as_str()?.parse().ok()), Some(10));
    let header = "X-ClickHouse-Format: XML\r\n";
    let answer = http::post(store.address(), "/", header, b"SELECT 1").unwrap();
    assert!(answer.text().starts_with("<?xml"), "{}", answer.text());
    assert_eq!(store.refusal("", "SELECT 1 FORMAT Nothing").1, 73);
    assert_eq!(store.refusal("default_format=Nothing", "SELECT 1").1, 73);
}

#[test]
fn an_answer_tells_what_was_read_and_written() {
    let store = store();
    store.text("CREATE TABLE t (a UInt64, s String) ENGINE = MergeTree ORDER BY a");
    let written =
        store.ask("query=INSERT%20INTO%20t%20FORMAT%20RowBinary", [row(1, b"x"), row(2, b"y")].concat());
    let summary: serde_json::Value =
        serde_json::from_str(written.header("x-clickhouse-summary").unwrap()).unwrap();
    assert_eq!(summary["written_rows"], "2");
    let read = store.ask("query_id=mine", "SELECT * FROM t");
    let summary: serde_json::Value =
        serde_json::from_str(read.header("x-clickhouse-summary").unwrap()).unwrap();
    assert_eq!((&summary["read_rows"], &summary["result_rows"]), (&"2".into(), &"2".into()));
    assert_eq!(read.header("x-clickhouse-query-id"), Some("mine"));
    assert!(read.header("x-clickhouse-timezone").is_some());
    assert!(read.header("x-clickhouse-server-display-name").is_some());
}

#[test]
fn a_parameter_is_a_value_whatever_it_holds() {
    let store = store();
    for value in [
        "plain",
        "it's",
        "'; DROP TABLE t; --",
        "\") OR 1=1",
        "{a:String}",
        "тест \u{1f600}",
        "%27 OR 1",
        "$1",
        "/* */",
    ] {
        // ClickHouse reads parameters as TabSeparated does: a backslash begins an escape.
        let escaped = value.replace('\\', "\\\\");
        let answer = store.ask(&format!("param_a={}", encode(&escaped)), "SELECT {a:String} FORMAT RawBLOB");
        assert_eq!(answer.text(), value);
    }
    let answer =
        store.text_with(&format!("param_a={}", encode("x\\ty\\n\\\\z")), "SELECT {a:String} FORMAT RawBLOB");
    assert_eq!(answer, "x\ty\n\\z");
    assert_eq!(
        store.text_with("param_a=%5B1,2%5D&param_n=7", "SELECT {a:Array(UInt8)}, {n:UInt64} + 1"),
        "[1,2]\t8\n"
    );
    assert_eq!(store.text_with("param_t=numbers", "SELECT number FROM system.{t:Identifier} LIMIT 1"), "0\n");
    assert_eq!(store.refusal("", "SELECT {a:String}").1, 456);
    assert_eq!(store.refusal("param_a=x", "SELECT {a:UInt8}").1, 457);
}

#[test]
fn a_setting_lives_no_longer_than_its_request() {
    let store = store();
    let sql = "SELECT getSetting('max_block_size'), getSetting('max_threads')";
    let before = store.text(sql);
    assert_eq!(store.text_with("max_block_size=77&max_threads=1", sql), "77\t1\n");
    store.text("SET max_block_size = 78");
    for _ in 0..20 {
        assert_eq!(store.text(sql), before);
    }
    assert_eq!(store.refusal("nothing_such=1", "SELECT 1"), (404, 115));
    assert_eq!(store.refusal("max_threads=many", "SELECT 1").0, 400);
    assert_eq!(store.refusal(&format!("{}=1", encode("max_threads=1, readonly")), "SELECT 1").1, 115);
}

#[test]
fn an_insert_takes_its_data_from_wherever_it_stands() {
    let store = store();
    store.text("CREATE TABLE t (a UInt64, s String) ENGINE = MergeTree ORDER BY a");
    store.text("INSERT INTO t VALUES (1, 'a;b'), (2, 'c\nd')");
    store.text_with("query=INSERT%20INTO%20t%20VALUES", "(3, 'e')");
    store.text("INSERT INTO t FORMAT JSONEachRow {\"a\": 4, \"s\": \"f\"}\n\n{\"a\": 5, \"s\": \"g\"}");
    store.text_with("query=INSERT%20INTO%20t%20(s,a)%20FORMAT%20CSV", "\"h\",6\n\"i\",7\n");
    store.text_with("query=INSERT%20INTO%20t%20FORMAT%20TSV%0A", "8\tj\n");
    store.text("INSERT INTO t SELECT number + 9, 'k' FROM numbers(2)");
    // Blank lines, semicolons and what looks like SQL are data.
    let hostile = [row(11, b"\n\n\n"), row(12, b"; DROP TABLE t;\n\n"), row(13, b"\0\xff\n\n")].concat();
    store.text_with("query=INSERT%20INTO%20t%20FORMAT%20RowBinary", &hostile);
    let mut whole = b"INSERT INTO t FORMAT RowBinary\n".to_vec();
    whole.extend_from_slice(&row(14, b"\n\nin one body"));
    store.text(&whole);
    store.text_with("query=INSERT%20INTO%20t%20FORMAT%20RowBinary", b"");
    assert_eq!(store.text("SELECT count(), sum(a) FROM t"), "14\t105\n");
    assert_eq!(store.text("SELECT hex(s) FROM t WHERE a IN (11, 13) ORDER BY a"), "0A0A0A\n00FF0A0A\n");
    assert_eq!(store.refusal("query=INSERT%20INTO%20t%20FORMAT%20RowBinary", &row(1, b"xyz")[..10]).1, 33);
    assert_eq!(store.refusal("query=INSERT%20INTO%20nothing%20FORMAT%20RowBinary", b"").1, 60);
    assert_eq!(store.text("SELECT count() FROM t"), "14\n");
}

#[test]
fn a_get_changes_nothing() {
    let store = store();
    store.text("CREATE TABLE t (a UInt64) ENGINE = MergeTree ORDER BY a");
    for sql in ["INSERT INTO t VALUES (1)", "DROP TABLE t", "CREATE TABLE u (a Int8) ENGINE = Memory"] {
        assert_eq!(super::refusal(&store.get(&format!("/?query={}", encode(sql)))).1, 164, "{sql}");
    }
    assert_eq!(super::refusal(&store.get(&format!("/?readonly=0&query={}", encode("DROP TABLE t")))).1, 164);
    assert_eq!(store.text("SELECT count() FROM t"), "0\n");
}

#[test]
fn tables_may_come_with_the_query() {
    let store = store();
    let form = "--b\r\nContent-Disposition: form-data; name=\"query\"\r\n\r\n\
        SELECT sum(a), {x:String} FROM mine\r\n--b\r\n\
        Content-Disposition: form-data; name=\"param_x\"\r\n\r\nit's\r\n--b\r\n\
        Content-Disposition: form-data; name=\"mine\"; filename=\"mine\"\r\n\r\n1\n2\n3\n\r\n--b--\r\n";
    let header = "Content-Type: multipart/form-data; boundary=b\r\n";
    let path = "/?mine_structure=a%20UInt8&mine_format=TSV";
    let answer = http::post(store.address(), path, header, form.as_bytes()).unwrap();
    assert_eq!(answer.text(), "6\tit\\'s\n");
}

#[test]
fn a_name_in_use_is_refused_and_free_again_afterwards() {
    let store = store();
    let address = store.address();
    let slow = std::thread::spawn(move || {
        http::post(
            address,
            "/?query_id=mine",
            "",
            b"SELECT count() FROM numbers(300) WHERE sleepEachRow(0.01) = 0 SETTINGS max_block_size = 1",
        )
        .unwrap()
    });
    store.wait_until_it_sleeps();
    assert_eq!(store.refusal("query_id=mine", "SELECT 1").1, 216);
    assert_eq!(slow.join().unwrap().text(), "300\n");
    assert_eq!(store.text_with("query_id=mine", "SELECT 1"), "1\n");
}
