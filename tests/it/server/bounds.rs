//! Timeouts, limits on size and number, and draining.

use std::io::Read as _;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::{TestServer, beacon};
use crate::common::{HttpConnection, eventually};

const PATIENCE: Duration = Duration::from_secs(30);

fn with_timeouts(change: impl FnOnce(&mut footfall::transport::Timeouts)) -> TestServer {
    TestServer::with(|options| change(&mut options.transport.timeouts))
}

#[test]
fn headers_that_come_too_slowly_get_408() {
    let server = with_timeouts(|timeouts| timeouts.head = Duration::from_millis(200));
    let mut http = server.connect();
    http.send(b"POST /b HTTP/1.1\r\nHost: x\r\n").unwrap();
    let answer = http.answer().unwrap();
    assert_eq!((answer.status, answer.header("connection")), (408, Some("close")));
    assert!(answer.json()["error"].is_string());
    assert!(http.answer().is_err(), "the connection is closed");

    let mut http = server.connect();
    http.send(&beacon("", "good")).unwrap();
    assert_eq!(http.answer().unwrap().status, 204);
    http.send(b"POST /b HT").unwrap();
    assert_eq!(http.answer().unwrap().status, 408, "the second request of a connection has the same bound");
}

#[test]
fn a_connection_that_sends_nothing_is_closed_without_a_response() {
    let server = with_timeouts(|timeouts| timeouts.head = Duration::from_millis(200));
    let mut silent = TcpStream::connect(server.address).unwrap();
    silent.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut read = Vec::new();
    silent.read_to_end(&mut read).unwrap();
    assert!(read.is_empty());
}

#[test]
fn a_body_that_comes_too_slowly_gets_408() {
    let server = TestServer::with(|options| options.public.body_timeout = Duration::from_millis(200));
    let mut http = server.connect();
    http.send(b"POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf").unwrap();
    let answer = http.answer().unwrap();
    assert_eq!((answer.status, answer.header("connection")), (408, Some("close")));
    assert_eq!(server.fake.begun(), 0);
}

#[test]
fn a_body_in_pieces_is_accepted_when_they_come_in_time() {
    let server = TestServer::start();
    let mut http = server.connect();
    let body = "x".repeat(60_000);
    let request = beacon("", &body);
    for piece in request.chunks(7_000) {
        http.send(piece).unwrap();
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(http.answer().unwrap().status, 204);
}

#[test]
fn a_body_that_is_cut_off_does_not_reach_the_collector() {
    let server = TestServer::start();
    let mut http = server.connect();
    http.send(b"POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf").unwrap();
    http.shutdown_write().unwrap();
    assert_eq!(http.answer().map(|answer| answer.status).unwrap_or(400), 400);
    assert_eq!(server.fake.begun(), 0);
}

#[test]
fn an_idle_connection_is_closed_and_a_busy_one_is_not() {
    let server = with_timeouts(|timeouts| timeouts.idle = Duration::from_millis(300));
    let mut busy = server.connect();
    busy.send(&beacon("", "wait")).unwrap();
    let mut idle = server.connect();
    let start = Instant::now();
    idle.send(&beacon("", "good")).unwrap();
    assert_eq!(idle.answer().unwrap().status, 204);
    assert!(idle.answer().is_err());
    assert!(start.elapsed() >= Duration::from_millis(250), "{:?}", start.elapsed());
    std::thread::sleep(Duration::from_millis(300));
    server.fake.release(1);
    assert_eq!(busy.answer().unwrap().status, 204);
}

#[test]
fn headers_over_the_limit_get_431_even_while_they_are_still_sent() {
    let server = TestServer::start();
    let mut many = String::from("GET / HTTP/1.1\r\nHost: x\r\n");
    for number in 0..200 {
        many += &format!("x-{number}: 1\r\n");
    }
    let large = format!("GET / HTTP/1.1\r\nHost: x\r\nCookie: {}\r\n", "c".repeat(100_000));
    for request in [many + "\r\n", large] {
        let mut http = server.connect();
        let _ = http.send(request.as_bytes());
        assert_eq!(http.answer().unwrap().status, 431);
    }
    let fits = format!("GET / HTTP/1.1\r\nHost: x\r\nCookie: {}\r\n\r\n", "c".repeat(14_000));
    let mut http = server.connect();
    http.send(fits.as_bytes()).unwrap();
    assert_eq!(http.answer().unwrap().status, 200);
}

#[test]
fn a_connection_over_the_limit_is_rejected_and_a_closed_one_makes_room() {
    let server = TestServer::with(|options| options.transport.connections = 3);
    let mut held: Vec<HttpConnection> = (0..3).map(|_| server.connect()).collect();
    for http in &mut held {
        http.send(&beacon("", "good")).unwrap();
        assert_eq!(http.answer().unwrap().status, 204);
    }
    let mut over = server.connect();
    let answer = over.answer().unwrap();
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("5")));
    drop(held);
    eventually("a new connection is accepted", PATIENCE, || {
        let mut http = server.connect();
        let _ = http.send(&beacon("", "good"));
        http.answer().is_ok_and(|answer| answer.status == 204)
    });
    assert!(!server.metrics().contains("footfall_connections_rejected_total{reason=\"limit\"} 0\n"));
}

#[test]
fn a_drain_finishes_open_requests_and_closes_idle_connections() {
    let mut server = TestServer::start();
    let mut idle = server.connect();
    idle.send(&beacon("", "good")).unwrap();
    assert_eq!(idle.answer().unwrap().status, 204);
    let mut fresh = server.connect();
    let mut busy = server.connect();
    busy.send(&beacon("", "wait")).unwrap();
    eventually("the beacon is being answered", PATIENCE, || server.fake.begun() == 2);
    let running = server.running.take().unwrap();
    let drain = server.runtime.spawn(running.drain());
    assert!(idle.answer().is_err(), "an idle connection is closed at once");
    assert!(fresh.answer().is_err(), "a connection that sent nothing is closed too");
    eventually("the listener is closed", PATIENCE, || TcpStream::connect(server.address).is_err());
    assert!(!drain.is_finished(), "the beacon is waited for");
    server.fake.release(1);
    let answer = busy.answer().unwrap();
    assert_eq!((answer.status, answer.header("connection")), (204, Some("close")));
    assert_eq!(server.runtime.block_on(drain).unwrap().aborted, 0);
}

#[test]
fn a_request_that_is_on_its_way_when_a_drain_begins_is_answered() {
    let mut server = TestServer::start();
    let mut opened: Vec<_> = (0..32).map(|_| server.connect()).collect();
    let running = server.running.take().unwrap();
    let drain = server.runtime.spawn(running.drain());
    eventually("the listener is closed", PATIENCE, || TcpStream::connect(server.address).is_err());
    for http in &mut opened {
        http.send(&beacon("", "good")).unwrap();
    }
    for http in &mut opened {
        let answer = http.answer().unwrap();
        assert_eq!((answer.status, answer.header("connection")), (204, Some("close")));
    }
    assert_eq!(server.runtime.block_on(drain).unwrap().aborted, 0);
}

#[test]
fn a_drain_aborts_requests_that_outlast_its_timeout() {
    let mut server = with_timeouts(|timeouts| timeouts.drain = Duration::from_millis(200));
    let mut busy = server.connect();
    busy.send(&beacon("", "wait")).unwrap();
    eventually("the beacon is being answered", PATIENCE, || server.fake.begun() == 1);
    let running = server.running.take().unwrap();
    assert_eq!(server.runtime.block_on(running.drain()).aborted, 1);
    assert!(busy.answer().is_err());
}

#[test]
fn a_handler_that_never_answers_ends_the_connection_and_not_the_server() {
    let server = with_timeouts(|timeouts| timeouts.response = Duration::from_millis(200));
    let mut http = server.connect();
    http.send(&beacon("", "wait")).unwrap();
    assert!(http.answer().is_err());
    let mut http = server.connect();
    http.send(&beacon("", "good")).unwrap();
    assert_eq!(http.answer().unwrap().status, 204);
}

#[test]
fn a_client_that_reads_no_responses_is_disconnected() {
    let server = with_timeouts(|timeouts| timeouts.write = Duration::from_millis(300));
    let mut greedy = TcpStream::connect(server.address).unwrap();
    greedy.set_write_timeout(Some(PATIENCE)).unwrap();
    let requests = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".repeat(1000);
    let mut sent = 0;
    let end = Instant::now() + PATIENCE;
    // It reads no response: the buffers fill, and then the server closes the connection.
    while std::io::Write::write_all(&mut greedy, &requests).is_ok() {
        sent += requests.len();
        assert!(Instant::now() < end && sent < 1 << 30, "the connection was never closed");
    }
    eventually("no connection is open", PATIENCE, || {
        server.running.as_ref().unwrap().open_connections() == 0
    });
}
