//! What takes too long, is too much or too many, and how the edge ends.

use std::io::Read as _;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::{Edge, beacon};
use crate::common::{HttpConnection, eventually};

const PATIENCE: Duration = Duration::from_secs(30);

fn with_timeouts(change: impl FnOnce(&mut footfall::transport::Timeouts)) -> Edge {
    Edge::with(|options| change(&mut options.transport.timeouts))
}

#[test]
fn headers_that_come_too_slowly_get_408() {
    let edge = with_timeouts(|timeouts| timeouts.head = Duration::from_millis(200));
    let mut http = edge.connect();
    http.send(b"POST /b HTTP/1.1\r\nHost: x\r\n").unwrap();
    let answer = http.answer().unwrap();
    assert_eq!((answer.status, answer.header("connection")), (408, Some("close")));
    assert!(answer.json()["error"].is_string());
    assert!(http.answer().is_err(), "the connection is closed");

    let mut http = edge.connect();
    http.send(&beacon("", "good")).unwrap();
    assert_eq!(http.answer().unwrap().status, 204);
    http.send(b"POST /b HT").unwrap();
    assert_eq!(http.answer().unwrap().status, 408, "the second request of a connection has the same bound");
}

#[test]
fn a_connection_that_says_nothing_is_closed_without_a_word() {
    let edge = with_timeouts(|timeouts| timeouts.head = Duration::from_millis(200));
    let mut silent = TcpStream::connect(edge.address).unwrap();
    silent.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut read = Vec::new();
    silent.read_to_end(&mut read).unwrap();
    assert!(read.is_empty());
}

#[test]
fn a_body_that_comes_too_slowly_gets_408() {
    let edge = Edge::with(|options| options.public.body_timeout = Duration::from_millis(200));
    let mut http = edge.connect();
    http.send(b"POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf").unwrap();
    let answer = http.answer().unwrap();
    assert_eq!((answer.status, answer.header("connection")), (408, Some("close")));
    assert_eq!(edge.fake.begun(), 0);
}

#[test]
fn a_body_in_pieces_is_whole_when_they_come_in_time() {
    let edge = Edge::start();
    let mut http = edge.connect();
    let body = "x".repeat(60_000);
    let request = beacon("", &body);
    for piece in request.chunks(7_000) {
        http.send(piece).unwrap();
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(http.answer().unwrap().status, 204);
}

#[test]
fn a_body_that_is_cut_off_reaches_nobody() {
    let edge = Edge::start();
    let mut http = edge.connect();
    http.send(b"POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf").unwrap();
    http.shutdown_write().unwrap();
    assert_eq!(http.answer().map(|answer| answer.status).unwrap_or(400), 400);
    assert_eq!(edge.fake.begun(), 0);
}

#[test]
fn an_idle_connection_is_closed_and_a_busy_one_is_not() {
    let edge = with_timeouts(|timeouts| timeouts.idle = Duration::from_millis(300));
    let mut busy = edge.connect();
    busy.send(&beacon("", "wait")).unwrap();
    let mut idle = edge.connect();
    let start = Instant::now();
    idle.send(&beacon("", "good")).unwrap();
    assert_eq!(idle.answer().unwrap().status, 204);
    assert!(idle.answer().is_err());
    assert!(start.elapsed() >= Duration::from_millis(250), "{:?}", start.elapsed());
    std::thread::sleep(Duration::from_millis(300));
    edge.fake.release(1);
    assert_eq!(busy.answer().unwrap().status, 204);
}

#[test]
fn headers_over_the_bound_get_431_even_while_they_are_still_sent() {
    let edge = Edge::start();
    let mut many = String::from("GET / HTTP/1.1\r\nHost: x\r\n");
    for number in 0..200 {
        many += &format!("x-{number}: 1\r\n");
    }
    let large = format!("GET / HTTP/1.1\r\nHost: x\r\nCookie: {}\r\n", "c".repeat(100_000));
    for request in [many + "\r\n", large] {
        let mut http = edge.connect();
        let _ = http.send(request.as_bytes());
        assert_eq!(http.answer().unwrap().status, 431);
    }
    let fits = format!("GET / HTTP/1.1\r\nHost: x\r\nCookie: {}\r\n\r\n", "c".repeat(14_000));
    let mut http = edge.connect();
    http.send(fits.as_bytes()).unwrap();
    assert_eq!(http.answer().unwrap().status, 200);
}

#[test]
fn a_connection_over_the_bound_is_turned_away_and_room_is_given_back() {
    let edge = Edge::with(|options| options.transport.connections = 3);
    let mut held: Vec<HttpConnection> = (0..3).map(|_| edge.connect()).collect();
    for http in &mut held {
        http.send(&beacon("", "good")).unwrap();
        assert_eq!(http.answer().unwrap().status, 204);
    }
    let mut over = edge.connect();
    let answer = over.answer().unwrap();
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("5")));
    drop(held);
    eventually("room is given back", PATIENCE, || {
        let mut http = edge.connect();
        let _ = http.send(&beacon("", "good"));
        http.answer().is_ok_and(|answer| answer.status == 204)
    });
    assert!(!edge.metrics().contains("footfall_connections_rejected_total{reason=\"limit\"} 0\n"));
}

#[test]
fn a_drain_finishes_what_was_begun_and_closes_what_is_idle() {
    let mut edge = Edge::start();
    let mut idle = edge.connect();
    idle.send(&beacon("", "good")).unwrap();
    assert_eq!(idle.answer().unwrap().status, 204);
    let mut fresh = edge.connect();
    let mut busy = edge.connect();
    busy.send(&beacon("", "wait")).unwrap();
    eventually("the beacon is being answered", PATIENCE, || edge.fake.begun() == 2);
    let server = edge.server.take().unwrap();
    let drain = edge.runtime.spawn(server.drain());
    assert!(idle.answer().is_err(), "an idle connection is closed at once");
    assert!(fresh.answer().is_err(), "so is one that has sent nothing");
    eventually("nobody listens", PATIENCE, || TcpStream::connect(edge.address).is_err());
    assert!(!drain.is_finished(), "the beacon is waited for");
    edge.fake.release(1);
    let answer = busy.answer().unwrap();
    assert_eq!((answer.status, answer.header("connection")), (204, Some("close")));
    assert_eq!(edge.runtime.block_on(drain).unwrap().aborted, 0);
}

#[test]
fn a_drain_cuts_what_is_not_done_within_its_bound() {
    let mut edge = with_timeouts(|timeouts| timeouts.drain = Duration::from_millis(200));
    let mut busy = edge.connect();
    busy.send(&beacon("", "wait")).unwrap();
    eventually("the beacon is being answered", PATIENCE, || edge.fake.begun() == 1);
    let server = edge.server.take().unwrap();
    assert_eq!(edge.runtime.block_on(server.drain()).aborted, 1);
    assert!(busy.answer().is_err());
}

#[test]
fn an_answer_that_nobody_finds_ends_the_connection_and_not_the_edge() {
    let edge = with_timeouts(|timeouts| timeouts.response = Duration::from_millis(200));
    let mut http = edge.connect();
    http.send(&beacon("", "wait")).unwrap();
    assert!(http.answer().is_err());
    let mut http = edge.connect();
    http.send(&beacon("", "good")).unwrap();
    assert_eq!(http.answer().unwrap().status, 204);
}

#[test]
fn a_client_that_takes_no_answers_is_cut() {
    let edge = with_timeouts(|timeouts| timeouts.write = Duration::from_millis(300));
    let mut greedy = TcpStream::connect(edge.address).unwrap();
    greedy.set_write_timeout(Some(PATIENCE)).unwrap();
    let requests = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".repeat(1000);
    let mut sent = 0;
    let end = Instant::now() + PATIENCE;
    // It asks and asks, and reads nothing: the buffers fill, then the edge gives it up.
    while std::io::Write::write_all(&mut greedy, &requests).is_ok() {
        sent += requests.len();
        assert!(Instant::now() < end && sent < 1 << 30, "it was served for ever");
    }
    eventually("its place is given back", PATIENCE, || edge.server.as_ref().unwrap().open_connections() == 0);
}
