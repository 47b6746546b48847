//! The addresses of a store, and the connector that tries them in order.
//!
//! Statements go to the address that worked last. When no connection to it can be made, the next one is tried. A statement that fails later is not sent
//! again here: only its sender knows whether that would do harm. The sender calls [`StoreAddresses::leave`], and its next attempt goes to another address.

use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::Uri;
use hyper_util::client::legacy::connect::HttpConnector;
use tower_service::Service;

use super::silence::WatchedIo;

/// Idle time after which the system asks whether the other end is there.
const KEEP_ALIVE: Duration = Duration::from_secs(60);
/// How long a connection may take when there are other addresses. A host without power does not answer at all.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Base URLs of one store, at least one.
#[derive(Debug)]
pub(super) struct StoreAddresses {
    urls: Vec<String>,
    /// Index of the address that statements go to.
    current: AtomicUsize,
}

impl StoreAddresses {
    /// # Panics
    /// Without any URL. The configuration has at least one.
    pub(super) fn new(urls: Vec<String>) -> Self {
        assert!(!urls.is_empty(), "a store has an address");
        Self { urls, current: AtomicUsize::new(0) }
    }

    pub(super) fn urls(&self) -> &[String] {
        &self.urls
    }

    pub(super) fn current(&self) -> &str {
        &self.urls[self.index()]
    }

    /// The one that is asked for.
    pub(super) fn url_of(&self, uri: &Uri) -> Option<&str> {
        self.position(uri).map(|index| &*self.urls[index])
    }

    fn position(&self, uri: &Uri) -> Option<usize> {
        let is_asked = |url: &String| url.parse::<Uri>().is_ok_and(|url| url.authority() == uri.authority());
        self.urls.iter().position(is_asked)
    }

    fn index(&self) -> usize {
        self.current.load(Ordering::Relaxed)
    }

    /// Sends what follows to the address after this one, unless somebody has left it already.
    pub(super) fn leave(&self, url: &str) {
        let index = self.index();
        if self.urls[index] == url {
            let next = (index + 1) % self.urls.len();
            // A second caller would skip an address.
            let _ = self.current.compare_exchange(index, next, Ordering::Relaxed, Ordering::Relaxed);
        }
    }

    /// The indices in the order in which they are tried for a connection to `uri`: its own first.
    fn order(&self, uri: &Uri) -> impl Iterator<Item = usize> + use<> {
        let (first, count) = (self.position(uri).unwrap_or(0), self.urls.len());
        (0..count).map(move |step| (first + step) % count)
    }
}

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
        let has_others = addresses.urls.len() > 1;
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
                let Ok(other) = addresses.urls[index].parse::<Uri>() else { continue };
                tracing::debug!(%uri, %other, error = error as &dyn Error, "no connection to the store; trying the next address");
                (connected_to, result) = (other.clone(), http.call(other).await);
                if result.is_ok() {
                    addresses.current.store(index, Ordering::Relaxed);
                }
            }
            Ok(WatchedIo::new(result?, &connected_to, addresses, longest_silence)?)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses() -> StoreAddresses {
        StoreAddresses::new(["http://a:1", "http://b:2/path", "http://c:3"].map(str::to_owned).to_vec())
    }

    #[test]
    fn an_address_is_left_once_however_many_statements_failed_there() {
        let addresses = addresses();
        assert_eq!(addresses.current(), "http://a:1");
        addresses.leave("http://a:1");
        addresses.leave("http://a:1");
        assert_eq!(addresses.current(), "http://b:2/path");
        addresses.leave("http://b:2/path");
        addresses.leave("http://c:3");
        assert_eq!(addresses.current(), "http://a:1");
    }

    #[test]
    fn the_address_that_is_asked_for_is_tried_first_and_each_once() {
        let order = |uri: &'static str| addresses().order(&Uri::from_static(uri)).collect::<Vec<_>>();
        assert_eq!(order("http://b:2/"), [1, 2, 0]);
        assert_eq!(order("http://c:3/?a=b"), [2, 0, 1]);
    }
}
