//! Makes the connections of a client: tries the addresses of the store in order, and watches each connection.

use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::Uri;
use hyper_util::client::legacy::connect::HttpConnector;
use tower_service::Service;

use super::addresses::StoreAddresses;
use super::silence::WatchedIo;

/// Idle time after which the system asks whether the other end is there.
const KEEP_ALIVE: Duration = Duration::from_secs(60);
/// How long a connection may take when there are other addresses. A host without power does not answer at all.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Makes the connections of hyper's client.
#[derive(Clone)]
pub(super) struct FailoverConnector {
    http: HttpConnector,
    addresses: Arc<StoreAddresses>,
    longest_silence: Duration,
}

impl FailoverConnector {
    pub(super) fn new(addresses: Arc<StoreAddresses>, longest_silence: Duration) -> Self {
        let mut http = HttpConnector::new();
        http.set_keepalive(Some(KEEP_ALIVE));
        let has_others = addresses.urls().len() > 1;
        http.set_connect_timeout(Some(if has_others { CONNECT_TIMEOUT } else { longest_silence }));
        Self { http, addresses, longest_silence }
    }
}

impl Service<Uri> for FailoverConnector {
    type Response = WatchedIo;
    type Error = Box<dyn Error + Send + Sync>;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.http.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let Self { mut http, addresses, longest_silence } = self.clone();
        Box::pin(async move {
            let (mut connected_to, mut result) = (uri.clone(), http.call(uri.clone()).await);
            for index in addresses.order(&uri).skip(1) {
                let Err(error) = &result else { break };
                let Ok(other) = addresses.urls()[index].parse::<Uri>() else { continue };
                tracing::debug!(%uri, %other, error = error as &dyn Error, "no connection to the store; trying the next address");
                (connected_to, result) = (other.clone(), http.call(other).await);
                if result.is_ok() {
                    addresses.prefer(index);
                }
            }
            Ok(WatchedIo::new(result?, &connected_to, addresses, longest_silence)?)
        })
    }
}
