//! HTTP/1.1 requests that are slow, endless, large or malformed.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::time::{Duration, Instant};

use socket2::Socket;

use super::{TIMEOUT, TestTarget, connect_from, statuses, valid_request};
use crate::common::{HttpConnection, allowed};

const ATTACKER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 9);

/// Discards received bytes and returns whether the connection has ended.
fn has_ended(stream: &mut TcpStream) -> bool {
    let _ = stream.set_read_timeout(Some(Duration::from_millis(1)));
    let mut chunk = [0; 4096];
    match stream.read(&mut chunk) {
        Ok(count) => count == 0,
        Err(error) => !matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut),
    }
}

/// Opens connections that send `start` and then `byte` every second, until the collector has closed all of them.
///
/// Returns how long that took.
fn trickle(target: &TestTarget, count: usize, start: &[u8], byte: &[u8]) -> Duration {
    let mut slow: Vec<_> = (0..count).map(|_| connect_from(ATTACKER, target.address()).unwrap()).collect();
    for stream in &mut slow {
        stream.write_all(start).unwrap();
    }
    let started = Instant::now();
    while !slow.is_empty() {
        assert!(started.elapsed() < allowed(TIMEOUT), "{} slow connections are still open", slow.len());
        std::thread::sleep(Duration::from_secs(1));
        // A connection whose response is discarded now is seen to have ended a second later.
        slow.retain_mut(|stream| !has_ended(stream) && stream.write_all(byte).is_ok());
    }
    started.elapsed()
}

#[test]
fn headers_and_bodies_at_a_byte_a_second_are_cut_off() {
    let target = TestTarget::new("");
    let cut = target.attack("slow headers and bodies", || {
        std::thread::scope(|scope| {
            let heads = scope.spawn(|| trickle(&target, 300, b"POST /b HTTP/1.1\r\nHost: x\r\nX-", b"a"));
            let bodies =
                b"POST /b HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: 60000\r\n\r\n{";
            let bodies = scope.spawn(|| trickle(&target, 300, bodies, b" "));
            (heads.join().unwrap(), bodies.join().unwrap())
        })
    });
    println!("slow headers were cut off after {:?}, slow bodies after {:?}", cut.0, cut.1);
}

#[test]
fn a_client_that_reads_no_responses_uses_little_memory() {
    let target = TestTarget::new("");
    target.attack("slow reads", || {
        let requests = b"GET /s.js HTTP/1.1\r\nHost: x\r\n\r\n".repeat(10_000);
        let greedy: Vec<TcpStream> = (0..50)
            .map(|_| {
                let stream = connect_from(ATTACKER, target.address()).unwrap();
                let socket = Socket::from(stream);
                // The system rounds this up to its smallest window.
                socket.set_recv_buffer_size(1).unwrap();
                let mut stream = TcpStream::from(socket);
                stream.set_write_timeout(Some(Duration::from_millis(20))).unwrap();
                let _ = stream.write_all(&requests);
                stream
            })
            .collect();
        std::thread::sleep(Duration::from_secs(2));
        drop(greedy);
    });
}

#[test]
fn ten_thousand_beacons_in_one_write_are_all_answered() {
    let target = TestTarget::new("");
    let answered = target.attack("a pipeline of 10,000", || {
        let stream = connect_from(ATTACKER, target.address()).unwrap();
        let mut writing = stream.try_clone().unwrap();
        let writer = std::thread::spawn(move || {
            let pipeline: Vec<u8> = (0..10_000).flat_map(|_| valid_request()).collect();
            writing.write_all(&pipeline).unwrap();
            writing.shutdown(std::net::Shutdown::Write).unwrap();
        });
        let mut answers = Vec::new();
        let mut stream = stream;
        stream.read_to_end(&mut answers).unwrap();
        writer.join().unwrap();
        memchr::memmem::find_iter(&answers, b"HTTP/1.1 204").count()
    });
    assert_eq!(answered, 10_000);
}

#[test]
fn floods_of_headers_are_refused_before_their_end() {
    let target = TestTarget::new("");
    let many: String = (0..100_000).map(|number| format!("x-{number}: 1\r\n")).collect();
    let large = format!("Cookie: {}\r\n", "c".repeat(4 << 20));
    let line = format!("GET /{} HTTP/1.1\r\n", "a".repeat(4 << 20));
    let blank = "\r\n".repeat(1 << 20);
    target.attack("header floods", || {
        for (name, flood) in [
            ("many", format!("GET / HTTP/1.1\r\nHost: x\r\n{many}")),
            ("large", format!("GET / HTTP/1.1\r\nHost: x\r\n{large}")),
            ("an endless name", format!("GET / HTTP/1.1\r\nHost: x\r\n{}", "n".repeat(4 << 20))),
            ("an endless request line", line.clone()),
            ("only line ends", blank.clone()),
        ] {
            let mut http = HttpConnection::connect(target.address()).unwrap();
            // The collector closes the connection before the end.
            let _ = http.send(flood.as_bytes());
            let answered = statuses(&mut http);
            let refused = answered.iter().all(|status| matches!(status, 400 | 414 | 431));
            assert!(refused && answered.len() <= 1, "{name}: {answered:?}");
        }
    });
}

#[test]
fn chunked_bodies_are_refused_and_what_follows_them_is_not_read() {
    let target = TestTarget::new("");
    let one_by_one = "1\r\nx\r\n".repeat(50_000);
    let endless_extension = format!("1;{}", "e".repeat(4 << 20));
    let trailers = format!("0\r\n{}\r\n", "t: 1\r\n".repeat(100_000));
    target.attack("chunked bodies", || {
        for path in ["POST /b", "POST /", "GET /s.js", "GET /b.gif?s=clinic", "OPTIONS /b", "PUT /x"] {
            for (name, body) in [
                ("a valid chunk", "4\r\n{}{}\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n"),
                ("a huge size", "ffffffffffffffff\r\nx"),
                ("a size that overflows", "fffffffffffffffff\r\nx"),
                ("no size", "\r\nx\r\n"),
                ("a negative size", "-1\r\nx\r\n"),
                ("one byte each", &one_by_one),
                ("an endless extension", &endless_extension),
                ("trailers", &trailers),
            ] {
                let mut http = HttpConnection::connect(target.address()).unwrap();
                let head = format!("{path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
                http.send(head.as_bytes()).unwrap();
                let _ = http.send(body.as_bytes());
                let answered = statuses(&mut http);
                assert!(
                    answered == [411] || answered == [400] || answered.is_empty(),
                    "{path}, {name}: {answered:?}"
                );
            }
        }
    });
}
