//! The blocks of `docs/operations/proxy-and-tls.md`, run by nginx as they are written there: what reaches the collector, and that nginx writes
//! neither an address nor a user agent.
//!
//! `make deps-nginx` extracts nginx from Debian's package. Without it these tests say that they were skipped.

mod requests;
mod server;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use crate::common::{Collector, StoreClient, eventually, good_beacon, ports};
use requests::{CLIENT, Client, SHORT_TIMEOUT, USER_AGENT, bad_requests, oversized_beacon, request};
use server::Nginx;

const PATIENCE: Duration = Duration::from_secs(30);

/// An upstream that answers 204 to everything and passes on what it got.
fn recorder() -> (SocketAddr, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut got = Vec::new();
            let mut piece = [0; 8_192];
            while memchr::memmem::find(&got, b"\r\n\r\n").is_none() {
                match stream.read(&mut piece) {
                    Ok(length) if length > 0 => got.extend_from_slice(&piece[..length]),
                    _ => break,
                }
            }
            let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
            if sender.send(String::from_utf8_lossy(&got).into_owned()).is_err() {
                return;
            }
        }
    });
    (address, receiver)
}

/// The values of a header, which must be in lower case.
fn values(request: &str, name: &str) -> Vec<String> {
    let headers = request.split("\r\n").skip(1).filter_map(|line| line.split_once(':'));
    headers
        .filter(|(found, _)| found.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim().to_owned())
        .collect()
}

/// Both ways to run it: on a name of its own, over TLS, and on the name of a site whose pages are logged.
fn both(upstream: SocketAddr) -> Option<[Nginx; 2]> {
    Some([Nginx::on_its_own_name(upstream)?, Nginx::on_the_site_s_name(upstream)?])
}

#[test]
fn what_a_visitor_says_of_addresses_does_not_reach_the_collector() {
    let (upstream, received) = recorder();
    let Some(servers) = both(upstream) else { return };
    for nginx in &servers {
        let forged = "X-Forwarded-For: 203.0.113.7\r\nX-Forwarded-For: 203.0.113.8\r\nForwarded: for=203.0.113.9\r\n\
                      forwarded: for=203.0.113.10\r\nX_Forwarded_For: 203.0.113.11\r\nConnection: X-Forwarded-For\r\n\
                      Cookie: footfall_optout=1\r\nOrigin: https://clinic.example\r\nSec-GPC: 1\r\n";
        for path in ["/b", "/b.gif?s=clinic", "/s.js", "/s.0c0234e3e5e8b193.js", "/%62", "//b"] {
            assert_eq!(nginx.exchange(&request("GET", path, forged, "")), 204, "{path}");
            let got = received.recv().unwrap();
            assert_eq!(values(&got, "x-forwarded-for"), [CLIENT.to_string()], "{got}");
            assert!(!got.contains("203.0.113") && values(&got, "forwarded").is_empty(), "{got}");
            // What the collector needs of the visitor does.
            for (name, value) in [
                ("user-agent", USER_AGENT),
                ("origin", "https://clinic.example"),
                ("cookie", "footfall_optout=1"),
                ("sec-gpc", "1"),
                ("host", "stats.clinic.example"),
            ] {
                assert_eq!(values(&got, name), [value], "{name} of {got}");
            }
        }
    }
}

#[test]
fn the_script_and_beacons_pass_and_leave_no_trace() {
    let mut collector = Collector::shipping_to(
        StoreClient::without_password(ports::free()),
        "trusted_proxies = [\"127.0.0.1\"]\n",
    );
    collector.start();
    let Some(servers) = both(collector.listen) else { return };
    for (number, nginx) in servers.iter().enumerate() {
        let headers = "Origin: https://clinic.example\r\nContent-Type: text/plain\r\n";
        let page_load = number as u64 + 1;
        let beacon = request("POST", "/b", headers, &good_beacon("clinic", page_load, 0, "/a"));
        assert_eq!(nginx.exchange(&beacon), 204);
        assert_eq!(nginx.exchange(&request("GET", "/s.js", "", "")), 200);
        let refused = request("POST", "/b", headers, &good_beacon("nobody", page_load, 0, "/a"));
        assert_eq!(nginx.exchange(&refused), 403, "the collector's answers pass");
        // What came before is logged when the next one is answered.
        nginx.exchange(&request("GET", "/s.js", "", ""));
        nginx.assert_no_trace("a visit");
    }
    assert!(!collector.log().contains("outside `trusted_proxies`"), "{}", collector.log());
}

#[test]
fn errors_leave_no_trace_of_the_client() {
    // Nothing listens there.
    let Some(servers) = both(ports::free()) else { return };
    for nginx in &servers {
        for path in ["/b", "/b.gif?s=clinic", "/s.js", "/%62"] {
            let status = nginx.exchange(&request("POST", path, "", "{}"));
            assert!([502, 503].contains(&status), "{path}: {status}");
        }
        assert_eq!(nginx.exchange(&oversized_beacon()), 413);
        nginx.assert_no_trace("a collector that is down, and a large body");
        for bad in bad_requests() {
            nginx.send(&bad, SHORT_TIMEOUT);
            nginx.assert_no_trace(&String::from_utf8_lossy(&bad[..bad.len().min(60)]));
        }
        // A client that sends something other than TLS, or gives up.
        for bytes in
            [&b"GET /b HTTP/1.1\r\nHost: stats.clinic.example\r\n\r\n"[..], b"\x16\x03\x01\x02", b"\0", b""]
        {
            Client::connect(nginx.address).send_and_close(bytes);
        }
        // One process serves all: what came before is logged when this is answered.
        nginx.exchange(&request("GET", "/b", "", ""));
        nginx.assert_no_trace("bytes that are not TLS");
    }
}

#[test]
fn the_site_s_own_pages_are_logged_as_before() {
    let Some(nginx) = Nginx::on_the_site_s_name(ports::free()) else { return };
    for path in ["/prices", "/b/news", "/s.js.html", "/?from=/b", "/about.js"] {
        assert_eq!(nginx.exchange(&request("GET", path, "", "")), 200, "{path}");
        // nginx logs after it has answered.
        let request = format!("GET {path} ");
        eventually(path, PATIENCE, || nginx.access_log().contains(&request));
        let log = nginx.access_log();
        let line = log.lines().find(|line| line.contains(&request)).unwrap();
        assert!(line.contains(&CLIENT.to_string()) && line.contains(USER_AGENT), "{line}");
    }
}
