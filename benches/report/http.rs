//! A client of the reports' listener: HTTP/1.1 over one connection, which is opened again when the listener closed it between requests.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::Request;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::HOST;
use hyper_util::rt::TokioIo;

pub struct Api {
    address: SocketAddr,
    sender: SendRequest<Empty<Bytes>>,
}

impl Api {
    pub async fn connect(address: SocketAddr) -> Self {
        let stream = tokio::net::TcpStream::connect(address).await.expect("the listener of reports accepts");
        stream.set_nodelay(true).expect("a socket's option");
        let (sender, connection) = handshake(TokioIo::new(stream)).await.expect("HTTP/1.1");
        tokio::spawn(connection);
        Self { address, sender }
    }

    /// The answer, and the time from the request to the answer's last byte.
    pub async fn get(&mut self, path: &str) -> (Bytes, Duration) {
        let request = Request::get(path).header(HOST, self.address.to_string()).body(Empty::new());
        if self.sender.ready().await.is_err() {
            *self = Self::connect(self.address).await;
        }
        let began = Instant::now();
        let response = self.sender.send_request(request.expect("a request")).await.expect("an answer");
        let status = response.status();
        let body = response.into_body().collect().await.expect("a whole answer").to_bytes();
        let elapsed = began.elapsed();
        assert!(status.is_success(), "{path}: {status}: {}", String::from_utf8_lossy(&body));
        (body, elapsed)
    }
}
