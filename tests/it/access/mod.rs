//! What each role may do on a running collector, over real sockets, and attempts to do more.

mod forgery;
mod pages;
mod share;
mod sign_in;
mod store;
mod tokens;

use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::time::Duration;

use crate::common::{Collector, HttpResponse, eventually, http};

/// Longer than the collector takes to look at the file of tokens.
const NOTICED: Duration = Duration::from_secs(20);

/// `GET path` with further headers, each ended by CRLF, and a `Host` that is the address.
pub fn get(target: SocketAddr, path: &str, headers: &str) -> HttpResponse {
    let request = format!("GET {path} HTTP/1.1\r\nHost: {target}\r\nConnection: close\r\n{headers}\r\n");
    http::exchange(target, request.as_bytes()).unwrap()
}

pub fn get_as(target: SocketAddr, path: &str, token: &str) -> HttpResponse {
    get(target, path, &bearer(token))
}

pub fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}

/// Makes a token and answers with it.
pub fn add(collector: &Collector, arguments: &[&str]) -> String {
    let output = collector.command(&[&["token", "add"], arguments].concat());
    assert!(output.status.success(), "{output:?}");
    let token = String::from_utf8(output.stdout).unwrap().trim().to_owned();
    assert!(token.starts_with("ff_") && token.len() == 46 && !token.contains(char::is_whitespace), "{token}");
    token
}

/// Waits until the running collector takes the token, or refuses it.
#[track_caller]
pub fn wait_for(collector: &Collector, path: &str, token: &str, status: u16) {
    eventually(&format!("{path} answers {status}"), NOTICED, || {
        get_as(collector.reports, path, token).status == status
    });
}

/// An address of this machine that is not loopback, and a free port on it; `None` on a machine without a network.
pub fn beyond_loopback() -> Option<SocketAddr> {
    // Nothing is sent: connecting tells which address would be used.
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    let address = socket.local_addr().ok()?.ip();
    (!address.is_loopback()).then(|| TcpListener::bind((address, 0)).ok()?.local_addr().ok())?
}
