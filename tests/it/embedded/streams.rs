//! Results and inserts larger than memory would bear, failures half way, clients that go away.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::{Running, encode, refusal, row, store};
use crate::common::{eventually, http, process};

/// What the process may hold at most: the engine's 300 MB and its buffers, but no result or body of the sizes below.
const MEMORY: u64 = 800 << 20;

fn open(store: &Running, path: &str, body: &str) -> TcpStream {
    let mut stream = TcpStream::connect(store.address()).unwrap();
    let head =
        format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    stream.write_all(head.as_bytes()).unwrap();
    stream
}

/// Reads to the end; how much, and the last bytes.
fn exhaust(mut stream: TcpStream) -> (u64, Vec<u8>) {
    let (mut count, mut tail, mut piece) = (0, Vec::new(), vec![0; 1 << 20]);
    loop {
        // A connection that is cut after a failure may end in an error; what came before it counts.
        let length = stream.read(&mut piece).unwrap_or(0);
        if length == 0 {
            return (count, tail);
        }
        count += length as u64;
        tail.extend_from_slice(&piece[..length]);
        let spare = tail.len().saturating_sub(4096);
        tail.drain(..spare);
    }
}

fn running(store: &Running, what: &str) -> u64 {
    // Written so that the question does not match itself.
    let sql = format!(
        "SELECT count() FROM system.processes WHERE position(query, concat('{}', '{}')) > 0",
        &what[..4],
        &what[4..]
    );
    store.text(sql).trim().parse().unwrap()
}

#[test]
fn a_result_of_a_gigabyte_leaves_in_bounded_memory() {
    let store = store();
    let sql = "SELECT number FROM numbers(125000000) FORMAT RowBinary";
    let mut stream = TcpStream::connect(store.address()).unwrap();
    let head = format!(
        "POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{sql}",
        sql.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    let (count, tail) = exhaust(stream);
    assert!(count > 1_000_000_000, "{count}");
    assert!(tail.ends_with(b"\r\n0\r\n\r\n"), "the response ends as it should");
    let peak = process::peak_memory(store.process.pid()).unwrap();
    println!("1 GB out: peak {} MB", peak >> 20);
    assert!(peak < MEMORY, "{peak}");
}

#[test]
fn an_insert_of_200_megabytes_comes_in_bounded_memory() {
    let store = store();
    store.text("CREATE TABLE t (a UInt64, s String) ENGINE = MergeTree ORDER BY a");
    let rows: Vec<u8> = (0..100_000).flat_map(|number| row(number, b"0123456789")).collect();
    let times = 110;
    let path = format!("/?query={}", encode("INSERT INTO t FORMAT RowBinary"));
    let mut stream = TcpStream::connect(store.address()).unwrap();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        rows.len() * times
    );
    stream.write_all(head.as_bytes()).unwrap();
    for _ in 0..times {
        stream.write_all(&rows).unwrap();
    }
    let (_, answer) = exhaust(stream);
    assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
    assert_eq!(store.text("SELECT count(), uniqExact(a) FROM t"), "11000000\t100000\n");
    let peak = process::peak_memory(store.process.pid()).unwrap();
    println!("209 MB in: peak {} MB", peak >> 20);
    assert!(peak < MEMORY, "{peak}");
}

#[test]
fn a_client_that_stops_reading_stops_the_statement_and_one_that_leaves_ends_it() {
    let store = store();
    let mut stream = open(&store, "/", "SELECT number AS endless FROM system.numbers");
    let mut piece = vec![0; 1 << 20];
    stream.read_exact(&mut piece).unwrap();
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(running(&store, "endless"), 1);
    let memory = process::memory(store.process.pid()).unwrap();
    assert!(memory < MEMORY, "{memory}");
    drop(stream);
    eventually("the statement is killed", Duration::from_secs(30), || running(&store, "endless") == 0);
}

#[test]
fn a_client_that_leaves_before_the_first_row_ends_its_statement() {
    let store = store();
    let stream = open(&store, "/", "SELECT sum(sipHash64(number)) AS endless FROM numbers(1000000000000)");
    eventually("the statement runs", Duration::from_secs(30), || running(&store, "endless") == 1);
    drop(stream);
    eventually("the statement is killed", Duration::from_secs(30), || running(&store, "endless") == 0);
}

#[test]
fn a_failure_after_the_first_rows_is_told_in_the_body() {
    let store = store();
    let sql =
        "SELECT throwIf(number = 5000000, 'half way') FROM numbers(10000000) SETTINGS max_block_size = 65536";
    let answer = store.ask("", sql);
    let (count, tail) = (answer.body.len(), answer.body);
    let tag = answer.headers.iter().find(|(name, _)| name == "x-clickhouse-exception-tag").unwrap().1.clone();
    let tail = String::from_utf8_lossy(&tail);
    assert!(count > 1 << 20);
    assert!(tail.contains(&format!("\r\n__exception__\r\n{tag}\r\nCode: 395")), "{tag}");
    assert!(tail.ends_with(&format!(" {tag}\r\n__exception__\r\n")), "{tag}");
    assert!(tail.contains("Code: 395. DB::Exception: half way"));
    let early = "SELECT throwIf(number = 5, 'at once') FROM numbers(10000000)";
    assert_eq!(store.refusal("", early), (500, 395));
    assert_eq!(store.refusal("wait_end_of_query=1", sql), (500, 395));
}

#[test]
fn a_result_that_is_waited_for_comes_whole() {
    let store = store();
    let answer = store.ask("wait_end_of_query=1", "SELECT number FROM numbers(1000000) FORMAT RowBinary");
    assert_eq!((answer.status, answer.body.len()), (200, 8_000_000));
    let summary = answer.header("x-clickhouse-summary").unwrap();
    assert!(summary.contains("\"result_rows\":\"1000000\""), "{summary}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_clickhouse_crate_sees_a_failure_half_way() {
    let store = tokio::task::spawn_blocking(store).await.unwrap();
    for compression in [clickhouse::Compression::None, clickhouse::Compression::Lz4] {
        let client = clickhouse::Client::default()
            .with_url(format!("http://{}", store.address()))
            .with_user("footfall_writer")
            .with_compression(compression);
        let sql = "SELECT throwIf(number = 5000000, 'half way') AS x FROM numbers(10000000) SETTINGS max_block_size = 65536";
        let mut cursor = client.query(sql).fetch::<u8>().unwrap();
        let mut rows = 0_u64;
        let error = loop {
            match cursor.next().await {
                Ok(Some(_)) => rows += 1,
                Ok(None) => panic!("{rows} rows passed for everything"),
                Err(error) => break error.to_string(),
            }
        };
        assert!(rows > 0);
        assert!(error.contains("half way"), "{error}");
    }
    tokio::task::spawn_blocking(move || drop(store)).await.unwrap();
}

#[test]
fn an_insert_whose_body_breaks_off_writes_nothing() {
    let store = store();
    store.text("CREATE TABLE t (a UInt64, s String) ENGINE = MergeTree ORDER BY a");
    let path = format!("/?query={}", encode("INSERT INTO t FORMAT RowBinary"));
    let rows = row(1, b"x").repeat(1000);
    let heads = [
        "Content-Length: 100000\r\n\r\n".to_owned(),
        format!("Transfer-Encoding: chunked\r\n\r\n{:x}\r\n", rows.len()),
    ];
    for head in heads {
        let mut stream = TcpStream::connect(store.address()).unwrap();
        stream.write_all(format!("POST {path} HTTP/1.1\r\nHost: localhost\r\n{head}").as_bytes()).unwrap();
        stream.write_all(&rows).unwrap();
        std::thread::sleep(Duration::from_millis(200));
        drop(stream);
    }
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(store.text("SELECT count() FROM t"), "0\n");
}

#[test]
fn statements_beyond_the_bound_are_refused_and_the_others_end() {
    let store = store();
    let address = store.address();
    let sql = b"SELECT count() FROM numbers(150) WHERE sleepEachRow(0.02) = 0 SETTINGS max_block_size = 1, max_threads = 1";
    let threads: Vec<_> =
        (0..80).map(|_| std::thread::spawn(move || http::post(address, "/", "", sql).unwrap())).collect();
    let answers: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    let (good, bad): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 200);
    assert!(good.iter().all(|answer| answer.text() == "150\n"));
    assert!(!bad.is_empty() && bad.iter().all(|answer| refusal(answer) == (500, 202)), "{}", bad.len());
    assert!(good.len() >= 60, "{}", good.len());
    assert_eq!(store.text("SELECT 1"), "1\n");
}
