//! What clients may do to the sockets of both servers: break off, send garbage, stay silent, come in crowds. The engine's process
//! stays the same one and answers.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::{Running, encode};
use crate::common::{StoreProcess, http, process};

/// A store that serves both protocols.
struct Abused {
    running: Running,
    native: SocketAddr,
    pid: u32,
    abuses: Vec<&'static str>,
}

impl Abused {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (mut process, native) = StoreProcess::with_native(&directory.path().join("store"));
        process.start();
        let pid = process.pid();
        Self { running: Running { process, directory }, native, pid, abuses: Vec::new() }
    }

    fn http(&self) -> TcpStream {
        connect(self.running.address())
    }

    /// The same process answers over HTTP, and the native port takes connections.
    #[track_caller]
    fn survives(&mut self, abuse: &'static str) {
        assert!(process::is_running(self.pid), "{abuse} ended the engine");
        assert_eq!(self.running.text("SELECT 1"), "1\n", "after {abuse}");
        assert_eq!(self.running.process.pid(), self.pid, "{abuse} ended the engine, and another one runs");
        drop(connect(self.native));
        self.abuses.push(abuse);
    }
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    stream
}

/// Closes a connection with a reset, not with a farewell.
fn reset(stream: TcpStream) {
    socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
    drop(stream);
}

/// Sends bytes; the server may have closed the connection already.
fn send(stream: &mut TcpStream, bytes: &[u8]) {
    let _refused = stream.write_all(bytes);
}

fn noise(length: usize) -> Vec<u8> {
    (0..length).map(|_| fastrand::u8(..)).collect()
}

#[test]
fn twenty_kinds_of_abuse_leave_the_engine_running() {
    let mut store = Abused::new();
    store.running.text("CREATE TABLE t (a UInt64, s String) ENGINE = MergeTree ORDER BY a");
    let insert = format!(
        "POST /?user=admin&query={} HTTP/1.1\r\nHost: localhost\r\n",
        encode("INSERT INTO t FORMAT TSV")
    );
    for (address, names) in [
        (
            store.running.address(),
            [
                "HTTP: closed at once",
                "HTTP: reset at once",
                "HTTP: garbage and reset",
                "HTTP: garbage and waiting",
                "HTTP: a TLS greeting",
            ],
        ),
        (
            store.native,
            [
                "native: closed at once",
                "native: reset at once",
                "native: garbage and reset",
                "native: garbage and waiting",
                "native: a TLS greeting",
            ],
        ),
    ] {
        (0..20).for_each(|_| drop(connect(address)));
        store.survives(names[0]);
        (0..20).for_each(|_| reset(connect(address)));
        store.survives(names[1]);
        for _ in 0..20 {
            let mut stream = connect(address);
            send(&mut stream, &noise(1_000));
            reset(stream);
        }
        store.survives(names[2]);
        for _ in 0..3 {
            let mut stream = connect(address);
            send(&mut stream, &noise(5_000));
            let _answer = stream.read(&mut [0; 1_000]);
        }
        store.survives(names[3]);
        let mut stream = connect(address);
        send(&mut stream, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03");
        let _answer = stream.read(&mut [0; 1_000]);
        store.survives(names[4]);
    }
    let mut stream = connect(store.native);
    send(&mut stream, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let _answer = stream.read(&mut [0; 1_000]);
    store.survives("native: an HTTP request");
    for head in ["Content-Length: 100000\r\n\r\n1\ta\n", "Transfer-Encoding: chunked\r\n\r\n4\r\n1\ta\n\r\n"]
    {
        for _ in 0..15 {
            let mut stream = store.http();
            send(&mut stream, format!("{insert}{head}").as_bytes());
            std::thread::sleep(Duration::from_millis(10));
            reset(stream);
        }
    }
    store.survives("a reset in the middle of an insert");
    for _ in 0..15 {
        let mut stream = store.http();
        let sql = "SELECT number, randomString(100) FROM numbers(10000000)";
        send(
            &mut stream,
            format!(
                "POST /?user=admin HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{sql}",
                sql.len()
            )
            .as_bytes(),
        );
        let _some = stream.read(&mut [0; 100]);
        reset(stream);
    }
    store.survives("a reset in the middle of a result");
    for request in [
        "POST /?user=admin HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nZZZ\r\nhello"
            .to_owned(),
        format!("GET /{} HTTP/1.1\r\nHost: localhost\r\n\r\n", "a".repeat(2_000_000)),
        format!("GET / HTTP/1.1\r\nHost: localhost\r\n{}\r\n", "X-Header: y\r\n".repeat(100_000)),
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nSELEC"
            .to_owned(),
        "POST /?user=admin&decompress=1 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc"
            .to_owned(),
        "POST /?user=admin&query=%ff%fe HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n".to_owned(),
    ] {
        let mut stream = store.http();
        send(&mut stream, request.as_bytes());
        let _answer = stream.read(&mut [0; 1_000]);
        reset(stream);
    }
    store.survives("chunks, addresses, headers, lengths and blocks that are wrong");
    let deep = format!("SELECT {}1{}", "(".repeat(5_000), ")".repeat(5_000));
    assert_ne!(store.running.ask("", deep).status, 200);
    store.survives("a statement that is nested too deeply");
    for _ in 0..20 {
        let mut stream = store.http();
        send(&mut stream, &"GET /ping HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(50).into_bytes());
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let _answer = stream.read(&mut [0; 1_000]);
        reset(stream);
    }
    store.survives("requests in one go and a half-closed connection");
    let idle: Vec<_> = (0..400).map(|_| store.http()).collect();
    store.survives("400 idle connections");
    idle.into_iter().for_each(reset);
    let mut slow: Vec<_> = (0..400).map(|_| store.http()).collect();
    slow.iter_mut().for_each(|stream| send(stream, b"POST / HTTP/1.1\r\nHost"));
    store.survives("400 requests whose heads do not end");
    slow.into_iter().for_each(reset);
    let idle: Vec<_> = (0..400).map(|_| connect(store.native)).collect();
    store.survives("400 idle native connections");
    idle.into_iter().for_each(reset);
    let crowd: Vec<_> = (0..120)
        .map(|_| {
            let address = store.running.address();
            std::thread::spawn(move || {
                http::post(address, "/?user=admin", "", b"SELECT sum(sipHash64(number)) FROM numbers(300000)")
                    .map(|answer| answer.status)
            })
        })
        .collect();
    let answered = crowd
        .into_iter()
        .map(|thread| thread.join().unwrap())
        .filter(|status| matches!(status, Ok(200)))
        .count();
    assert!(answered >= 50, "{answered} of 120 statements at once were answered");
    store.survives("120 statements at once");
    assert!(store.abuses.len() >= 20, "{:?}", store.abuses);
    assert_eq!(store.running.text("SELECT count() FROM t"), "0\n", "no broken insert was stored");
}

#[test]
fn a_client_that_goes_away_ends_its_statement() {
    let store = super::store();
    let mut stream = TcpStream::connect(store.address()).unwrap();
    let sql = "SELECT count() FROM numbers(1000000000000) WHERE sipHash64(number) = 1 /* endless */";
    let request = format!(
        "POST /?user=footfall_analyst HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{sql}",
        sql.len()
    );
    stream.write_all(request.as_bytes()).unwrap();
    let running = || {
        store
            .text("SELECT count() FROM system.processes WHERE query LIKE '%/* endless */%'")
            .trim()
            .parse::<u32>()
            .unwrap()
    };
    // The question has the words in it, too.
    crate::common::eventually("it runs", Duration::from_secs(30), || running() == 2);
    drop(stream);
    crate::common::eventually("it ends", Duration::from_secs(30), || running() == 1);
}
