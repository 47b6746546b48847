//! A small HTTP/1.1 client that sends exactly the bytes that a test gives it.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// A server that is silent for longer fails the test.
const TIMEOUT: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, Default)]
pub struct HttpResponse {
    pub status: u16,
    /// Headers in their order on the wire; names are in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, without its framing.
    pub body: Vec<u8>,
    pub raw: Vec<u8>,
}

impl HttpResponse {
    /// The value of the first header with this name, which must be in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON, or `null` if it cannot be parsed.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

pub struct HttpConnection {
    stream: TcpStream,
    read: Vec<u8>,
}

impl HttpConnection {
    pub fn connect(target: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(target)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        Ok(Self { stream, read: Vec::new() })
    }

    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    pub fn shutdown_write(&mut self) -> io::Result<()> {
        self.stream.shutdown(std::net::Shutdown::Write)
    }

    pub fn read_to_end(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = std::mem::take(&mut self.read);
        self.stream.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    pub fn answer(&mut self) -> io::Result<HttpResponse> {
        loop {
            if let Some((answer, length)) = parse(&self.read, false)? {
                self.read.drain(..length);
                return Ok(answer);
            }
            let mut chunk = [0; 16 * 1024];
            let count = self.stream.read(&mut chunk)?;
            if count == 0 {
                return parse(&self.read, true)?
                    .map(|(answer, _)| answer)
                    .ok_or_else(|| io::ErrorKind::UnexpectedEof.into());
            }
            self.read.extend_from_slice(&chunk[..count]);
        }
    }
}

/// Uses a new connection.
pub fn exchange(target: SocketAddr, request: &[u8]) -> io::Result<HttpResponse> {
    let mut http = HttpConnection::connect(target)?;
    // A server may answer and close before it has read everything. Its response can still be read.
    let sent = http.send(request);
    http.answer().or_else(|error| sent.and(Err(error)))
}

pub fn get(target: SocketAddr, path: &str) -> io::Result<HttpResponse> {
    exchange(target, format!("GET {path} HTTP/1.1\r\nHost: {target}\r\nConnection: close\r\n\r\n").as_bytes())
}

/// Each of the headers must end with CRLF.
pub fn post(target: SocketAddr, path: &str, headers: &str, body: &[u8]) -> io::Result<HttpResponse> {
    let mut request = format!(
        "POST {path} HTTP/1.1\r\nHost: {target}\r\nConnection: close\r\n{headers}Content-Length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    request.extend_from_slice(body);
    exchange(target, &request)
}

/// Parses the response at the start of `bytes` and returns it with its length.
///
/// `ended` says that the server has closed the connection. Returns `None` if the response is incomplete.
fn parse(bytes: &[u8], ended: bool) -> io::Result<Option<(HttpResponse, usize)>> {
    let Some(end) = memchr::memmem::find(bytes, b"\r\n\r\n") else { return Ok(None) };
    let head = String::from_utf8_lossy(&bytes[..end]);
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.get(9..12)).and_then(|code| code.parse().ok());
    let status = status.ok_or_else(|| io::Error::other(format!("not a response: {head}")))?;
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let mut answer = HttpResponse { status, headers, ..HttpResponse::default() };
    let rest = &bytes[end + 4..];
    let bodiless = status == 204 || status == 304 || status < 200;
    let taken = if bodiless {
        Some(0)
    } else if answer.header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked")) {
        chunks(rest, &mut answer.body)
    } else if let Some(length) = answer.header("content-length").and_then(|value| value.parse::<usize>().ok())
    {
        rest.get(..length).map(|body| {
            answer.body = body.to_vec();
            length
        })
    } else if ended {
        answer.body = rest.to_vec();
        Some(rest.len())
    } else {
        None
    };
    Ok(taken.map(|taken| {
        let length = end + 4 + taken;
        answer.raw = bytes[..length].to_vec();
        (answer, length)
    }))
}

/// Appends the chunks at the start of `bytes` to `body` and returns their length on the wire.
///
/// Returns `None` if the last chunk is missing.
fn chunks(bytes: &[u8], body: &mut Vec<u8>) -> Option<usize> {
    let mut at = 0;
    loop {
        let line = memchr::memmem::find(&bytes[at..], b"\r\n")?;
        let size = std::str::from_utf8(&bytes[at..at + line]).ok()?.split(';').next()?.trim();
        let size = usize::from_str_radix(size, 16).ok()?;
        at += line + 2;
        let chunk = bytes.get(at..at + size)?;
        bytes.get(at + size..at + size + 2)?;
        body.extend_from_slice(chunk);
        at += size + 2;
        if size == 0 {
            return Some(at);
        }
    }
}
