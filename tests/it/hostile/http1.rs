//! HTTP/1.1: slow, endless, large and broken requests.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::time::{Duration, Instant};

use socket2::Socket;

use super::{Siege, connect_from, good_request, statuses};
use crate::common::Http;

const ATTACKER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 9);

/// Reads what is there and says whether the connection has ended.
fn ended(stream: &mut TcpStream) -> bool {
    let _ = stream.set_read_timeout(Some(Duration::from_millis(1)));
    let mut chunk = [0; 4096];
    match stream.read(&mut chunk) {
        Ok(count) => count == 0,
        Err(error) => !matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut),
    }
}

/// Opens connections that begin like `start`, sends each one more byte a second, and says how many ended by themselves.
fn trickle(siege: &Siege, count: usize, start: &[u8], byte: &[u8], seconds: u64) -> usize {
    let mut slow: Vec<_> = (0..count).map(|_| connect_from(ATTACKER, siege.target()).unwrap()).collect();
    for stream in &mut slow {
        stream.write_all(start).unwrap();
    }
    let end = Instant::now() + Duration::from_secs(seconds);
    while Instant::now() < end {
        std::thread::sleep(Duration::from_secs(1));
        for stream in &mut slow {
            let _ = stream.write_all(byte);
        }
    }
    // The first look takes the answer off, the second sees the end.
    slow.iter_mut().map(|stream| ended(stream) || ended(stream)).filter(|ended| *ended).count()
}

#[test]
fn headers_and_bodies_at_a_byte_a_second_are_given_up_and_hold_up_nobody() {
    let siege = Siege::new("");
    let (cut, _) = siege.under("slow headers and bodies", || {
        std::thread::scope(|scope| {
            let heads = scope.spawn(|| trickle(&siege, 300, b"POST /b HTTP/1.1\r\nHost: x\r\nX-", b"a", 13));
            let bodies =
                b"POST /b HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: 60000\r\n\r\n{";
            let bodies = scope.spawn(|| trickle(&siege, 300, bodies, b" ", 13));
            (heads.join().unwrap(), bodies.join().unwrap())
        })
    });
    assert_eq!(cut, (300, 300), "all that are slow are cut after 10 s");
}

#[test]
fn a_client_that_asks_much_and_reads_nothing_holds_little() {
    let siege = Siege::new("");
    siege.under("slow reads", || {
        let requests = b"GET /s.js HTTP/1.1\r\nHost: x\r\n\r\n".repeat(10_000);
        let greedy: Vec<TcpStream> = (0..50)
            .map(|_| {
                let stream = connect_from(ATTACKER, siege.target()).unwrap();
                let socket = Socket::from(stream);
                // The smallest window that the system gives.
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
    let siege = Siege::new("");
    let (answered, _) = siege.under("a pipeline of 10,000", || {
        let stream = connect_from(ATTACKER, siege.target()).unwrap();
        let mut writing = stream.try_clone().unwrap();
        let writer = std::thread::spawn(move || {
            let pipeline: Vec<u8> = (0..10_000).flat_map(|_| good_request()).collect();
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
fn floods_of_headers_are_refused_while_they_are_sent() {
    let siege = Siege::new("");
    let many: String = (0..100_000).map(|number| format!("x-{number}: 1\r\n")).collect();
    let large = format!("Cookie: {}\r\n", "c".repeat(4 << 20));
    let line = format!("GET /{} HTTP/1.1\r\n", "a".repeat(4 << 20));
    let blank = "\r\n".repeat(1 << 20);
    siege.under("header floods", || {
        for (name, flood) in [
            ("many", format!("GET / HTTP/1.1\r\nHost: x\r\n{many}")),
            ("large", format!("GET / HTTP/1.1\r\nHost: x\r\n{large}")),
            ("a name without an end", format!("GET / HTTP/1.1\r\nHost: x\r\n{}", "n".repeat(4 << 20))),
            ("a line without an end", line.clone()),
            ("nothing but line ends", blank.clone()),
        ] {
            let mut http = Http::connect(siege.target()).unwrap();
            // It is cut off in the middle.
            let _ = http.send(flood.as_bytes());
            let answered = statuses(&mut http);
            let refused = answered.iter().all(|status| matches!(status, 400 | 414 | 431));
            assert!(refused && answered.len() <= 1, "{name}: {answered:?}");
        }
    });
}

#[test]
fn chunks_of_any_shape_are_refused_unread_and_nothing_behind_them_is_heard() {
    let siege = Siege::new("");
    let one_by_one = "1\r\nx\r\n".repeat(50_000);
    let endless_extension = format!("1;{}", "e".repeat(4 << 20));
    let trailers = format!("0\r\n{}\r\n", "t: 1\r\n".repeat(100_000));
    siege.under("chunked bodies", || {
        for path in ["POST /b", "POST /", "GET /s.js", "GET /b.gif?s=clinic", "OPTIONS /b", "PUT /x"] {
            for (name, body) in [
                ("a good chunk", "4\r\n{}{}\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n"),
                ("a huge size", "ffffffffffffffff\r\nx"),
                ("a size over all sizes", "fffffffffffffffff\r\nx"),
                ("no size", "\r\nx\r\n"),
                ("a negative size", "-1\r\nx\r\n"),
                ("one byte each", &one_by_one),
                ("an extension without an end", &endless_extension),
                ("trailers", &trailers),
            ] {
                let mut http = Http::connect(siege.target()).unwrap();
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
