//! The boundary to the modules above: a handler answers requests and gets the context of their connection.

use std::net::IpAddr;
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::{HeaderMap, Request, Response};

use crate::transport::client::address::{RemoteAddress, TrustedProxies};
use crate::transport::response::Body;

pub trait Handler: Send + Sync + 'static {
    /// Requests of one HTTP/2 connection are handled concurrently.
    fn handle(
        &self,
        request: Request<Incoming>,
        connection: &ConnectionContext,
    ) -> impl Future<Output = Response<Body>> + Send;
}

pub struct ConnectionContext {
    remote: RemoteAddress,
    through_proxy: bool,
    trusted: Arc<TrustedProxies>,
    tls: bool,
    worker: usize,
}

impl ConnectionContext {
    pub(super) fn new(remote: RemoteAddress, trusted: Arc<TrustedProxies>, tls: bool, worker: usize) -> Self {
        let through_proxy = trusted.contains(remote.address());
        Self { remote, through_proxy, trusted, tls, worker }
    }

    /// Whether the remote end is a proxy that may name its clients.
    pub fn through_proxy(&self) -> bool {
        self.through_proxy
    }

    /// Whether the connection is encrypted here.
    pub fn is_tls(&self) -> bool {
        self.tls
    }

    /// Number of the worker thread that serves the connection, from 0; below [`ServerOptions::threads`](super::ServerOptions::threads).
    pub fn worker(&self) -> usize {
        self.worker
    }

    /// The remote end, or the client that a trusted proxy names in `headers`.
    pub fn client_address(&self, headers: &HeaderMap) -> IpAddr {
        let address = self.remote.address();
        if self.through_proxy { self.trusted.client(address, headers) } else { address }
    }
}
