//! Thousands of connections: idle, half-open, abandoned, and with the PROXY protocol.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::time::{Duration, Instant};

use socket2::Socket;

use super::{CLIENT_ADDRESS, ConnectionUse, TIMEOUT, TestTarget, ValidClient, connect_from, valid_request};
use crate::common::{Collector, allowed, eventually, http};

fn open_connections(target: &TestTarget) -> usize {
    let metrics = target.collector.metrics();
    let line = metrics.lines().find_map(|line| line.strip_prefix("footfall_connections "));
    line.and_then(|count| count.parse().ok()).expect("the metric exists")
}

#[test]
fn one_address_cannot_use_all_connections() {
    let target = TestTarget::new("[limits]\nrate = 0\nconnections = 600\nconnections_per_address = 200\n");
    let held = target.attack("idle connections from one address", || {
        let mut idle = Vec::new();
        let mut most = 0;
        eventually("the address has its share", TIMEOUT, || {
            // The collector closes idle connections, on a slow machine before the last ones are opened.
            let more = |_| connect_from(Ipv4Addr::new(127, 0, 0, 9), target.address()).unwrap();
            idle.extend((0..100).map(more));
            most = most.max(open_connections(&target));
            idle.len() >= 500 && most >= 200
        });
        eventually("connections are rejected", TIMEOUT, || {
            let rejected = "footfall_connections_rejected_total{reason=\"address_limit\"}";
            let metrics = target.collector.metrics();
            metrics.contains(rejected) && !metrics.contains(&format!("{rejected} 0\n"))
        });
        drop(idle);
        most
    });
    assert!(
        (200..210).contains(&held),
        "{held} connections are open, not 200 of one address and those of the valid client"
    );
}

#[test]
fn silent_connections_do_not_block_the_operator_s_listeners() {
    let mut collector = Collector::new("");
    collector.start();
    for listener in [collector.admin, collector.reports] {
        let silent: Vec<_> =
            (0..400).map(|_| connect_from(Ipv4Addr::new(127, 0, 0, 9), listener).unwrap()).collect();
        let answer = http::get(listener, "/").unwrap();
        assert!(answer.status < 500, "{}", answer.text());
        for mut stream in silent {
            stream.set_read_timeout(Some(TIMEOUT)).unwrap();
            // The collector closes or resets the connection; a timeout would be another kind of error.
            let ended = stream.read(&mut [0]);
            assert!(
                matches!(&ended, Ok(0))
                    || ended.is_err_and(|error| error.kind() == ErrorKind::ConnectionReset)
            );
        }
    }
}

#[test]
fn ten_thousand_idle_connections_give_way_to_new_clients() {
    let target = TestTarget::new("");
    // A client with an older connection is not disturbed.
    let waited = target.attack_beside("10,000 idle connections", ConnectionUse::Kept, || {
        let mut idle = Vec::new();
        for address in 20..30 {
            for _ in 0..1_000 {
                idle.push(connect_from(Ipv4Addr::new(127, 0, 0, address), target.address()).unwrap());
            }
        }
        // A new client is rejected until the collector has closed idle connections.
        let started = Instant::now();
        loop {
            let mut stream = connect_from(Ipv4Addr::new(127, 0, 0, 3), target.address()).unwrap();
            let mut answer = [0; 12];
            let sent = stream.write_all(&valid_request()).and_then(|()| stream.read_exact(&mut answer));
            if sent.is_ok() && answer.ends_with(b"204") {
                break started.elapsed();
            }
            assert!(started.elapsed() < allowed(TIMEOUT), "no new client was answered");
            std::thread::sleep(Duration::from_millis(50));
        }
    });
    println!("a new client was answered after {waited:?}");
    eventually("idle connections are closed", TIMEOUT, || open_connections(&target) < 100);
}

#[test]
fn connections_of_vanished_clients_are_released() {
    let target = TestTarget::new("");
    target.attack("vanishing clients", || {
        for round in 0..2_000 {
            let mut stream = connect_from(Ipv4Addr::new(127, 0, 0, 9), target.address()).unwrap();
            let request = valid_request();
            let _ = stream.write_all(&request[..(round * 7) % request.len()]);
            if round % 2 == 0 {
                // With this, closing sends RST instead of FIN.
                let socket = Socket::from(stream);
                socket.set_linger(Some(Duration::ZERO)).unwrap();
            }
        }
        eventually("connections are released", TIMEOUT, || open_connections(&target) < 10);
    });
}

#[test]
fn a_connection_without_a_valid_proxy_header_is_closed() {
    let target = TestTarget::new("proxy_protocol = true\ntrusted_proxies = [\"127.0.0.0/8\"]\n");
    let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".to_vec();
    header.extend([203, 0, 113, 7, 10, 0, 0, 1, 0x12, 0x34, 0, 80]);
    let client = ValidClient::start(target.address(), &header, ConnectionUse::KeptAndNew);
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
            let mut stream = connect_from(CLIENT_ADDRESS, target.address()).unwrap();
            let _ = stream.write_all(&bytes);
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer);
            assert!(answer.is_empty(), "an invalid header was answered");
        }
    }
    // The collector waits 10 s for the rest of a header.
    let half: Vec<TcpStream> = (0..200)
        .map(|_| {
            let mut stream = connect_from(CLIENT_ADDRESS, target.address()).unwrap();
            stream.write_all(&header[..14]).unwrap();
            stream
        })
        .collect();
    for mut stream in half {
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        assert!(answer.is_empty(), "half a header was answered");
    }
    target.check("invalid PROXY headers", &client.stop());
}
