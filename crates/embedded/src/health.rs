//! Whether the server works: two requests over HTTP, written by hand so that the supervisor needs no client library.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

use crate::configuration::HEALTH_USER;

/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(2);
/// Bytes of an answer that are read.
const ANSWER_MAX: u64 = 8 << 10;

/// Whether something answers `/ping` as ClickHouse does.
pub(crate) fn pings(address: SocketAddr) -> bool {
    get(address, "/ping", "").is_some_and(|body| body == "Ok.\n")
}

/// Whether the server that was started as `instance` runs statements. Another server on the same port does not know the name.
pub(crate) fn serves(address: SocketAddr, password: &str, instance: &str) -> bool {
    let headers = format!("X-ClickHouse-User: {HEALTH_USER}\r\nX-ClickHouse-Key: {password}\r\n");
    get(address, "/?query=SELECT%20getMacro('instance')", &headers)
        .is_some_and(|body| body.trim_end() == instance)
}

/// The body of a 200 answer.
fn get(address: SocketAddr, target: &str, headers: &str) -> Option<String> {
    let mut stream = TcpStream::connect_timeout(&reachable(address), TIMEOUT).ok()?;
    stream.set_read_timeout(Some(TIMEOUT)).ok()?;
    stream.set_write_timeout(Some(TIMEOUT)).ok()?;
    // HTTP/1.0: the answer ends with the connection and is not chunked.
    let request = format!("GET {target} HTTP/1.0\r\nHost: localhost\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.take(ANSWER_MAX).read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    head.split(' ').nth(1).filter(|status| *status == "200").map(|_| body.to_owned())
}

/// An address that this machine can connect to.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}
