//! Checks whether the server works, with two HTTP requests. They are written by hand, so the supervisor needs no client library.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::configuration::HEALTH_USER;

/// How long an answer may take, from the connection to its last byte.
const TIMEOUT: Duration = Duration::from_secs(2);
/// Longest answer that is read, in bytes.
const ANSWER_MAX: usize = 8 << 10;

/// How a server reacts to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    Right,
    /// It runs, but has too many connections and resets them, or refuses the query.
    Wrong,
    /// It does not listen, or does not answer.
    Silence,
}

pub(crate) fn ping(address: SocketAddr) -> Answer {
    judge(get(address, "/ping", ""), "Ok.")
}

/// Queries the name of this start.
pub(crate) fn ask_instance(address: SocketAddr, password: &str, instance: &str) -> Answer {
    let headers = format!("X-ClickHouse-User: {HEALTH_USER}\r\nX-ClickHouse-Key: {password}\r\n");
    judge(get(address, "/?query=SELECT%20getMacro('instance')", &headers), instance)
}

fn judge(answer: io::Result<String>, right: &str) -> Answer {
    match answer {
        Ok(answer) => {
            let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
            let succeeded = head.split(' ').nth(1) == Some("200");
            if succeeded && body.trim_end() == right { Answer::Right } else { Answer::Wrong }
        }
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Answer::Wrong,
        Err(_) => Answer::Silence,
    }
}

/// Head and body of the answer.
fn get(address: SocketAddr, target: &str, headers: &str) -> io::Result<String> {
    let deadline = Instant::now() + TIMEOUT;
    let mut stream = TcpStream::connect_timeout(&reachable(address), TIMEOUT)?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    // HTTP/1.0: the answer ends with the connection and is not chunked.
    write!(stream, "GET {target} HTTP/1.0\r\nHost: localhost\r\n{headers}\r\n")?;
    let mut answer = Vec::new();
    let mut piece = [0; 1024];
    while answer.len() < ANSWER_MAX {
        let left = deadline.saturating_duration_since(Instant::now());
        stream.set_read_timeout(Some(left.max(Duration::from_millis(1))))?;
        match stream.read(&mut piece)? {
            0 => break,
            length => answer.extend_from_slice(&piece[..length]),
        }
    }
    Ok(String::from_utf8_lossy(&answer).into_owned())
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
