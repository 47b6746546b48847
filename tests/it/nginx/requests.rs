//! Requests of a visitor: good ones, and every kind that nginx answers before it has chosen a location.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

/// An address that nothing else in a test has.
pub const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 77));
/// A user agent that nothing else in a test has.
pub const USER_AGENT: &str = "Mozilla/5.0 (Unheard-Of 77)";
/// For an answer that must come.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// For an answer that may not come, because the server waits for more.
pub const SHORT_TIMEOUT: Duration = Duration::from_millis(500);

/// A connection from [`CLIENT`].
pub struct Client(pub TcpStream);

impl Client {
    pub fn connect(server: SocketAddr) -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::new(CLIENT, 0).into()).unwrap();
        socket.connect(&server.into()).unwrap();
        let stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(ANSWER_TIMEOUT)).unwrap();
        stream.set_write_timeout(Some(ANSWER_TIMEOUT)).unwrap();
        Self(stream)
    }

    /// Waits until the server has closed too, so that it has logged whatever it logs.
    pub fn send_and_close(mut self, bytes: &[u8]) {
        // The server may close at once.
        let _ = self.0.write_all(bytes);
        let _ = self.0.shutdown(std::net::Shutdown::Write);
        let _ = self.0.read_to_end(&mut Vec::new());
    }
}

/// Each of the headers must end with CRLF.
pub fn request(method: &str, path: &str, headers: &str, body: &str) -> Vec<u8> {
    format!(
        "{method} {path} HTTP/1.1\r\nHost: stats.clinic.example\r\nUser-Agent: {USER_AGENT}\r\nContent-Length: {}\r\n{headers}\r\n{body}",
        body.len()
    )
    .into_bytes()
}

pub fn oversized_beacon() -> Vec<u8> {
    request("POST", "/b", "", &"x".repeat(2 << 20))
}

/// Requests that are answered with an error, or by nothing.
pub fn bad_requests() -> Vec<Vec<u8>> {
    let agent = format!("User-Agent: {USER_AGENT}\r\n");
    let host = "Host: stats.clinic.example\r\n";
    let long = "x".repeat(40_000);
    [
        // The request line.
        format!("GARBAGE\r\n{host}{agent}\r\n"),
        format!("G@T /b HTTP/1.1\r\n{host}{agent}\r\n"),
        format!("GET /b HTTP/9.9\r\n{host}{agent}\r\n"),
        format!("GET /b HTTP/x\r\n{host}{agent}\r\n"),
        format!("GET b HTTP/1.1\r\n{host}{agent}\r\n"),
        format!("GET /b?{long} HTTP/1.1\r\n{host}{agent}\r\n"),
        format!("GET /%zz/b HTTP/1.1\r\n{host}{agent}\r\n"),
        format!("GET /../../b HTTP/1.1\r\n{host}{agent}\r\n"),
        format!("GET /b%00 HTTP/1.1\r\n{host}{agent}\r\n"),
        format!("GET http://stats.clinic.example/b HTTP/1.1\r\n{host}{agent}\r\n"),
        format!("GET http:///b HTTP/1.1\r\n{host}{agent}\r\n"),
        format!("CONNECT stats.clinic.example:443 HTTP/1.1\r\n{host}{agent}\r\n"),
        format!("TRACE /b HTTP/1.1\r\n{host}{agent}\r\n"),
        format!("TRACE /%62 HTTP/1.1\r\n{host}{agent}\r\n"),
        format!("GET /%62 HTTP/9.9\r\n{host}{agent}\r\n"),
        "GET /b\r\n".to_owned(),
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nnonsense".to_owned(),
        // The headers, with the user agent read already.
        format!("GET /b HTTP/1.1\r\n{agent}\r\n"),
        format!("GET /b HTTP/1.1\r\n{agent}Host: a b\r\n\r\n"),
        format!("GET /%62 HTTP/1.1\r\n{agent}Host: a b\r\n\r\n"),
        format!("GET /x/../%73.js HTTP/1.1\r\n{agent}Host: a b\r\n\r\n"),
        format!("GET /b HTTP/1.1\r\n{agent}{host}{host}\r\n"),
        format!("GET /b HTTP/1.1\r\n{agent}{host}No colon\r\n\r\n"),
        format!("GET /b HTTP/1.1\r\n{agent}{host}Nul: \0\r\n\r\n"),
        format!("GET /b HTTP/1.1\r\n{agent}{host}Long: {long}\r\n\r\n"),
        format!("GET /s.js HTTP/1.1\r\n{agent}{host}Long: {long}\r\n\r\n"),
        format!("GET /b.gif?s=clinic HTTP/1.1\r\n{agent}{host}Cookie: {long}\r\n\r\n"),
        // The body.
        format!("POST /b HTTP/1.1\r\n{agent}{host}Content-Length: x\r\n\r\n"),
        format!("POST /b HTTP/1.1\r\n{agent}{host}Content-Length: 9999999999\r\n\r\n"),
        format!("POST /b HTTP/1.1\r\n{agent}{host}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        format!("POST /b HTTP/1.1\r\n{agent}{host}Transfer-Encoding: chunked\r\n\r\nzz\r\n"),
        format!("POST /b HTTP/1.1\r\n{agent}{host}Transfer-Encoding: gzip\r\n\r\n"),
        format!("POST /b HTTP/1.1\r\n{agent}{host}Content-Length: 100\r\n\r\nless"),
        format!("POST /b HTTP/1.1\r\n{agent}{host}Expect: nonsense\r\nContent-Length: 2\r\n\r\n{{}}"),
    ]
    .map(String::into_bytes)
    .to_vec()
}
