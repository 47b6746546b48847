//! Requests of commands to the running collector, which alone has the key in its memory: HTTP to its administration listener.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use zeroize::Zeroizing;

use crate::app::ExitError;
use crate::config::Config;
use crate::operator::LOCAL_SECRET;
use crate::subject;

/// An answer that takes longer does not come: the collector bounds each of its own steps by less.
const TIMEOUT: Duration = Duration::from_secs(120);

pub(super) struct AdminClient {
    address: SocketAddr,
    token: Option<Zeroizing<String>>,
    local_secret: Option<Zeroizing<String>>,
}

impl AdminClient {
    /// # Errors
    /// When the listener cannot be reached from here, or the file of the token cannot be read.
    pub(super) fn new(config: &Config, token_file: Option<&Path>) -> Result<Self, ExitError> {
        let mut address = config.admin;
        if address.ip().is_unspecified() {
            address.set_ip(match address.ip() {
                IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
                IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
            });
        }
        if config.tls.is_some() && !config.admin.ip().to_canonical().is_loopback() {
            return Err(format!(
                "the administration listener is at {} with TLS, which this command does not speak; set `admin` to a loopback address, or \
                 send the request with curl (docs/operations/subject-requests.md)",
                config.admin
            )
            .into());
        }
        let read = |file: &Path| {
            let text =
                std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
            Ok::<_, String>(Zeroizing::new(text.trim().to_owned()))
        };
        let token = token_file.map(read).transpose()?;
        let local_secret = if token.is_none() { subject::read_local_secret(&config.data)? } else { None };
        Ok(Self { address, token, local_secret })
    }

    /// Returns the status and the JSON of the answer.
    ///
    /// # Errors
    /// When no collector answers, or not in JSON.
    pub(super) async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<(StatusCode, Value), ExitError> {
        let exchanged = tokio::time::timeout(TIMEOUT, self.exchange(method, path, body)).await;
        exchanged
            .map_err(|_| format!("the collector at {} did not answer within {TIMEOUT:?}", self.address))?
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<(StatusCode, Value), ExitError> {
        let stream = TcpStream::connect(self.address).await.map_err(|error| {
            format!(
                "no collector answers at {} (`admin`): {error}; only a running collector has the key",
                self.address
            )
        })?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        let mut request = Request::builder().method(method).uri(path).header(HOST, self.address.to_string());
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, format!("Bearer {}", **token));
        }
        if let Some(secret) = &self.local_secret {
            request = request.header(LOCAL_SECRET, secret.as_str());
        }
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let bytes = body.map(|body| Bytes::from(body.to_string())).unwrap_or_default();
        let answer = sender.send_request(request.body(Full::new(bytes))?).await?;
        let status = answer.status();
        let text = answer.into_body().collect().await?.to_bytes();
        let json = serde_json::from_slice(&text).map_err(|_| {
            format!("the collector at {} answered {status} in another form than JSON", self.address)
        })?;
        Ok((status, json))
    }
}
