//! HTTP/1.1 by hand: what a test sends is what goes over the wire, byte for byte.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// The longest that a test waits for a server.
const TIMEOUT: Duration = Duration::from_secs(60);

/// An answer, taken apart.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// Headers, names in lower case, in order.
    pub headers: Vec<(String, String)>,
    /// The body, without its framing.
    pub body: Vec<u8>,
    /// All bytes as they came.
    pub raw: Vec<u8>,
}

impl Answer {
    /// The first header of this name, in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; `null` when it is not.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// A connection.
pub struct Http {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Http {
    /// Opens one.
    ///
    /// # Errors
    /// When nothing listens there.
    pub fn connect(target: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(target)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        Ok(Self { stream, read: Vec::new() })
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// When the server has closed the connection.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Says that nothing more will be sent.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn end(&mut self) -> io::Result<()> {
        self.stream.shutdown(std::net::Shutdown::Write)
    }

    /// Reads everything up to the end, as it comes.
    ///
    /// # Errors
    /// When the connection breaks or stays silent.
    pub fn rest(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = std::mem::take(&mut self.read);
        self.stream.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Reads one answer.
    ///
    /// # Errors
    /// When the connection ends or stays silent before a whole one has come.
    pub fn answer(&mut self) -> io::Result<Answer> {
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

/// Sends one request on a connection of its own.
///
/// # Errors
/// When the server cannot be reached or does not answer.
pub fn exchange(target: SocketAddr, request: &[u8]) -> io::Result<Answer> {
    let mut http = Http::connect(target)?;
    // A server may answer before it has read everything and close: its answer is still to be read.
    let sent = http.send(request);
    http.answer().or_else(|error| sent.and(Err(error)))
}

/// `GET path`.
///
/// # Errors
/// When the server cannot be reached or does not answer.
pub fn get(target: SocketAddr, path: &str) -> io::Result<Answer> {
    exchange(target, format!("GET {path} HTTP/1.1\r\nHost: {target}\r\nConnection: close\r\n\r\n").as_bytes())
}

/// `POST path` with headers, each ended by CRLF, and a body.
///
/// # Errors
/// When the server cannot be reached or does not answer.
pub fn post(target: SocketAddr, path: &str, headers: &str, body: &[u8]) -> io::Result<Answer> {
    let mut request = format!(
        "POST {path} HTTP/1.1\r\nHost: {target}\r\nConnection: close\r\n{headers}Content-Length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    request.extend_from_slice(body);
    exchange(target, &request)
}

/// The answer at the start of `bytes` and its length; `ended` when no more will come.
fn parse(bytes: &[u8], ended: bool) -> io::Result<Option<(Answer, usize)>> {
    let Some(end) = memchr::memmem::find(bytes, b"\r\n\r\n") else { return Ok(None) };
    let head = String::from_utf8_lossy(&bytes[..end]);
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.get(9..12)).and_then(|code| code.parse().ok());
    let status = status.ok_or_else(|| io::Error::other(format!("not an answer: {head}")))?;
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let mut answer = Answer { status, headers, ..Answer::default() };
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

/// Collects the chunks at the start of `bytes`, if all are there, and says how long they were on the wire.
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
