//! A listener of the operator's side: the connections of `transport` behind authentication.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::{Request, Response};

use crate::access::{Principal, same_origin};
use crate::operator::auth::Auth;
use crate::operator::entry::{Admission, ReportsEntry};
use crate::transport::tls::Certificates;
use crate::transport::{Body, ServerError, TaskListener};

/// A listener of the operator's side: administration, or reports. Plain HTTP on loopback; TLS elsewhere when the collector
/// has a certificate.
pub struct OperatorListener(TaskListener);

impl OperatorListener {
    /// Takes a socket that listens already, or else listens on `address`.
    ///
    /// # Errors
    /// When the address is in use, or does not belong to this machine.
    pub async fn open(socket: Option<TcpListener>, address: SocketAddr) -> Result<Self, ServerError> {
        Ok(Self(match socket {
            Some(socket) => TaskListener::from_socket(socket)?,
            None => TaskListener::bind(address).await?,
        }))
    }

    /// The address, with the port that the system chose for port 0.
    pub fn address(&self) -> SocketAddr {
        self.0.address()
    }

    /// Answers the requests that `auth` allows with `handler`; over TLS if there are `certificates`. Never returns.
    pub async fn serve<A, F>(self, auth: Auth, certificates: Option<Arc<Certificates>>, handler: A)
    where
        A: Fn(Request<Incoming>, Principal) -> F + Send + Sync + 'static,
        F: Future<Output = Response<Body>> + Send + 'static,
    {
        let tls = certificates.is_some();
        let handler = move |request: Request<Incoming>, remote| {
            let authenticated = auth.authenticate(&request, remote);
            let response = authenticated.map(|principal| handler(request, principal));
            async move {
                let mut response = match response {
                    Ok(response) => response.await,
                    Err(error) => error.response(),
                };
                same_origin::add_security_headers(response.headers_mut(), tls);
                response
            }
        };
        self.0.serve(certificates, handler).await;
    }

    /// Answers the requests that `entry` admits with `handler`, as [`Self::serve`] does.
    pub async fn serve_pages<A, F>(
        self,
        entry: Arc<ReportsEntry>,
        certificates: Option<Arc<Certificates>>,
        handler: A,
    ) where
        A: Fn(Request<Incoming>, Principal) -> F + Send + Sync + 'static,
        F: Future<Output = Response<Body>> + Send + 'static,
    {
        let tls = certificates.is_some();
        let handler = Arc::new(handler);
        let handler = move |request: Request<Incoming>, remote| {
            let (entry, handler) = (entry.clone(), handler.clone());
            async move {
                let mut response = match entry.admit(request, remote, tls).await {
                    Admission::Admitted(request, principal) => handler(request, principal).await,
                    Admission::Answered(response) => response,
                };
                same_origin::add_security_headers(response.headers_mut(), tls);
                response
            }
        };
        self.0.serve(certificates, handler).await;
    }
}
