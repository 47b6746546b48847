//! The boundary to the modules above: a handler answers requests and gets the context of their connection.

use std::net::IpAddr;
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::{HeaderMap, Request, Response, StatusCode};

use crate::transport::client::address::{RemoteAddress, TrustedProxies};
use crate::transport::response::Body;

pub trait Handler: Send + Sync + 'static {
    /// What the handler must know of a request to count its response.
    type Route: Send;

    /// Requests of one HTTP/2 connection are handled concurrently.
    fn handle(
        &self,
        request: Request<Incoming>,
        connection: &ConnectionContext,
    ) -> impl Future<Output = (Self::Route, Response<Body>)> + Send;

    /// Called with the status that is sent: 503 in place of the handler's when too many response bodies wait.
    fn count(&self, route: Self::Route, status: StatusCode);
}

pub struct ConnectionContext {
    remote: RemoteAddress,
    through_proxy: bool,
    trusted: Arc<TrustedProxies>,
    tls: bool,
}

impl ConnectionContext {
    pub(super) fn new(remote: RemoteAddress, trusted: Arc<TrustedProxies>, tls: bool) -> Self {
        let through_proxy = trusted.contains(remote.address());
        Self { remote, through_proxy, trusted, tls }
    }

    /// Whether the remote end is a proxy that may name its clients.
    pub fn through_proxy(&self) -> bool {
        self.through_proxy
    }

    /// Whether the connection is encrypted here.
    pub fn is_tls(&self) -> bool {
        self.tls
    }

    /// The remote end, or the client that a trusted proxy names in `headers`.
    pub fn client_address(&self, headers: &HeaderMap) -> IpAddr {
        let address = self.remote.address();
        if self.through_proxy { self.trusted.client(address, headers) } else { address }
    }
}
