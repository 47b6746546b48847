//! Connections by the thousand: idle, half-open, gone, and behind the PROXY protocol.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::time::{Duration, Instant};

use socket2::Socket;

use super::{PATIENCE, Siege, VISITOR, Visitor, Visits, connect_from, good_request};
use crate::common::{Collector, eventually, http};

fn open(siege: &Siege) -> usize {
    let metrics = siege.collector.metrics();
    let line = metrics.lines().find_map(|line| line.strip_prefix("footfall_connections "));
    line.and_then(|count| count.parse().ok()).expect("open connections are counted")
}

#[test]
fn one_address_cannot_take_all_connections() {
    let siege = Siege::new("[limits]\nrate = 0\nconnections = 600\nconnections_per_address = 200\n");
    let (held, _) = siege.under("idle connections from one address", || {
        let idle: Vec<_> =
            (0..500).map(|_| connect_from(Ipv4Addr::new(127, 0, 0, 9), siege.target()).unwrap()).collect();
        eventually("all are accepted", PATIENCE, || {
            siege.collector.metrics().contains("footfall_connections_over_share_total ")
        });
        let held = open(&siege);
        drop(idle);
        held
    });
    assert!((200..210).contains(&held), "{held} connections are open: 200 of one address, and the visitor's");
}

#[test]
fn silent_connections_keep_nobody_from_the_operator_s_listeners() {
    let mut collector = Collector::new("");
    collector.start();
    for listener in [collector.admin, collector.reports] {
        let silent: Vec<_> =
            (0..400).map(|_| connect_from(Ipv4Addr::new(127, 0, 0, 9), listener).unwrap()).collect();
        let answer = http::get(listener, "/").unwrap();
        assert!(answer.status < 500, "{}", answer.text());
        for mut stream in silent {
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            // Ended by the other side, whichever way; a timeout would be an error of another kind.
            let ended = stream.read(&mut [0]);
            assert!(
                matches!(&ended, Ok(0))
                    || ended.is_err_and(|error| error.kind() == ErrorKind::ConnectionReset)
            );
        }
    }
}

#[test]
fn ten_thousand_idle_connections_leave_room_for_those_who_have_something_to_say() {
    let siege = Siege::new("");
    // A visitor who was there before is not disturbed.
    let (arrived, _) = siege.during("10,000 idle connections", Visits::Kept, || {
        let mut idle = Vec::new();
        for address in 20..30 {
            for _ in 0..1_000 {
                idle.push(connect_from(Ipv4Addr::new(127, 0, 0, address), siege.target()).unwrap());
            }
        }
        // Whoever comes now is told to come back, and gets through as soon as the idle ones had to leave.
        let begun = Instant::now();
        loop {
            let mut stream = connect_from(Ipv4Addr::new(127, 0, 0, 3), siege.target()).unwrap();
            let mut answer = [0; 12];
            let sent = stream.write_all(&good_request()).and_then(|()| stream.read_exact(&mut answer));
            if sent.is_ok() && answer.ends_with(b"204") {
                break begun.elapsed();
            }
            assert!(begun.elapsed() < PATIENCE, "a new visitor never got through");
            std::thread::sleep(Duration::from_millis(50));
        }
    });
    println!("a new visitor got through after {arrived:?}");
    eventually("the idle ones have left", PATIENCE, || open(&siege) < 100);
}

#[test]
fn clients_that_vanish_leave_nothing_behind() {
    let siege = Siege::new("");
    siege.under("clients that vanish", || {
        for round in 0..2_000 {
            let mut stream = connect_from(Ipv4Addr::new(127, 0, 0, 9), siege.target()).unwrap();
            let request = good_request();
            let _ = stream.write_all(&request[..(round * 7) % request.len()]);
            if round % 2 == 0 {
                // A reset instead of a farewell.
                let socket = Socket::from(stream);
                socket.set_linger(Some(Duration::ZERO)).unwrap();
            }
        }
        eventually("their places are given back", PATIENCE, || open(&siege) < 10);
    });
}

#[test]
fn garbage_before_the_proxy_header_is_cut_off() {
    let siege = Siege::new("proxy_protocol = true\ntrusted_proxies = [\"127.0.0.0/8\"]\n");
    let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".to_vec();
    header.extend([203, 0, 113, 7, 10, 0, 0, 1, 0x12, 0x34, 0, 80]);
    let visitor = Visitor::start(siege.target(), &header, Visits::KeptAndNew);
    let signature = &header[..12];
    let attacks: [Vec<u8>; 6] = [
        b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
        [signature, &b"\x21\x11\xff\xff"[..], &[0; 70_000]].concat(),
        [signature, &b"\x21\x11\0\x0b"[..], &[0; 11]].concat(),
        [signature, &b"\x22\x11\0\x0c"[..], &[0; 12]].concat(),
        vec![0xff; 70_000],
    ];
    for bytes in attacks {
        for _ in 0..50 {
            let mut stream = connect_from(VISITOR, siege.target()).unwrap();
            let _ = stream.write_all(&bytes);
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer);
            assert!(answer.is_empty(), "garbage got an answer");
        }
    }
    // Half a header is waited for, for 10 s.
    let half: Vec<TcpStream> = (0..200)
        .map(|_| {
            let mut stream = connect_from(VISITOR, siege.target()).unwrap();
            stream.write_all(&header[..14]).unwrap();
            stream
        })
        .collect();
    for mut stream in half {
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        assert!(answer.is_empty(), "half a header got an answer");
    }
    let outcome = visitor.stop();
    siege.recovered("PROXY garbage", &outcome);
}
