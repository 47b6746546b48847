//! The address of a client: only trusted proxies may name another one.

use super::{TestServer, beacon};
use crate::common::HttpConnection;

fn behind(networks: &[&str], proxy_protocol: bool) -> TestServer {
    TestServer::with(|options| {
        options.transport.trusted_proxies = networks.iter().map(|network| network.parse().unwrap()).collect();
        options.transport.proxy_protocol = proxy_protocol;
    })
}

fn send(http: &mut HttpConnection, headers: &str) {
    http.send(&beacon(headers, "good")).unwrap();
    assert_eq!(http.answer().unwrap().status, 204);
}

#[test]
fn an_untrusted_client_cannot_name_another_address() {
    let server = behind(&["10.0.0.0/8"], false);
    let mut http = server.connect();
    for headers in [
        "X-Forwarded-For: 203.0.113.7\r\n",
        "Forwarded: for=203.0.113.7\r\n",
        "X-Real-IP: 203.0.113.7\r\n",
        "CF-Connecting-IP: 203.0.113.7\r\n",
        "True-Client-IP: 203.0.113.7\r\n",
    ] {
        send(&mut http, headers);
    }
    assert_eq!((server.fake.beacons_from("127.0.0.1"), server.fake.beacons_from("203.0.113.7")), (5, 0));
}

#[test]
fn a_trusted_proxy_names_its_client_and_entries_of_the_client_are_ignored() {
    let server = behind(&["127.0.0.0/8"], false);
    let mut http = server.connect();
    send(&mut http, "X-Forwarded-For: 198.51.100.1, 203.0.113.7\r\n");
    send(&mut http, "X-Forwarded-For: 198.51.100.1\r\nX-Forwarded-For: 203.0.113.7, 127.0.0.5\r\n");
    send(&mut http, "Forwarded: for=198.51.100.1, for=203.0.113.7\r\n");
    assert_eq!((server.fake.beacons_from("203.0.113.7"), server.fake.beacons_from("198.51.100.1")), (3, 0));
    send(&mut http, "X-Forwarded-For: nonsense\r\n");
    assert_eq!(server.fake.beacons_from("127.0.0.1"), 1);
}

#[test]
fn the_rate_limit_counts_clients_and_not_their_proxy() {
    let server = TestServer::with(|options| {
        options.transport.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
        (options.public.limits.rate, options.public.limits.burst) = (1, 2);
    });
    let mut http = server.connect();
    let mut status = |client: &str| {
        http.send(&beacon(&format!("X-Forwarded-For: {client}\r\n"), "good")).unwrap();
        http.answer().unwrap().status
    };
    let first: Vec<u16> = (0..3).map(|_| status("203.0.113.7")).collect();
    assert_eq!(first, [204, 204, 429]);
    assert_eq!(status("203.0.113.8"), 204);
    assert_eq!(status("2001:db8::1"), 204);
    assert_eq!(status("2001:db8::2"), 204);
    assert_eq!(status("2001:db8::3"), 429, "a /64 is one client");
}

fn proxy_header(command: u8, source: [u8; 4]) -> Vec<u8> {
    let mut header = b"\r\n\r\n\0\r\nQUIT\n".to_vec();
    header.extend([command, 0x11, 0, 12]);
    header.extend(source);
    header.extend([127, 0, 0, 1, 0x30, 0x39, 0, 80]);
    header
}

#[test]
fn a_proxy_header_of_a_load_balancer_names_the_client() {
    let server = behind(&["127.0.0.0/8"], true);
    let mut http = server.connect();
    let mut bytes = proxy_header(0x21, [203, 0, 113, 7]);
    bytes.extend(beacon("X-Forwarded-For: 198.51.100.1\r\n", "good"));
    http.send(&bytes).unwrap();
    assert_eq!(http.answer().unwrap().status, 204);
    send(&mut http, "");
    assert_eq!((server.fake.beacons_from("203.0.113.7"), server.fake.beacons_from("198.51.100.1")), (2, 0));

    let mut http = server.connect();
    for byte in proxy_header(0x20, [203, 0, 113, 9]) {
        http.send(&[byte]).unwrap();
    }
    send(&mut http, "");
    assert_eq!(server.fake.beacons_from("127.0.0.1"), 1, "the balancer's own check");
}

#[test]
fn a_load_balancer_without_a_valid_proxy_header_is_not_served() {
    let server = behind(&["127.0.0.0/8"], true);
    for bytes in [
        beacon("", "good"),
        b"PROXY TCP4 203.0.113.7 127.0.0.1 1 2\r\n".to_vec(),
        proxy_header(0x22, [203, 0, 113, 7]),
        [&b"\r\n\r\n\0\r\nQUIT\n"[..], &[0x21, 0x11, 0xff, 0xff], &[0; 3000]].concat(),
    ] {
        let mut http = server.connect();
        let _ = http.send(&bytes);
        assert!(http.answer().is_err());
    }
    assert_eq!(server.fake.begun(), 0);
}

#[test]
fn an_untrusted_proxy_header_is_not_a_request() {
    let server = behind(&["10.0.0.0/8"], true);
    let mut http = server.connect();
    let mut bytes = proxy_header(0x21, [203, 0, 113, 7]);
    bytes.extend(beacon("", "good"));
    http.send(&bytes).unwrap();
    assert_eq!(http.answer().map(|answer| answer.status).unwrap_or(400), 400);
    assert_eq!(server.fake.begun(), 0);
    let mut http = server.connect();
    send(&mut http, "");
    assert_eq!(server.fake.beacons_from("127.0.0.1"), 1, "without one it is served as itself");
}

#[test]
fn one_listener_accepts_ipv6_and_ipv4() {
    let server = TestServer::with(|options| options.transport.listen = "[::]:0".parse().unwrap());
    let port = server.address.port();
    for address in ["127.0.0.1", "::1"] {
        let mut http =
            HttpConnection::connect((address.parse::<std::net::IpAddr>().unwrap(), port).into()).unwrap();
        send(&mut http, "");
        assert_eq!(server.fake.beacons_from(address), 1);
    }
}
