//! The addresses of a store.
//!
//! Statements go to the address that worked last. When no connection to it can be made, the next one is tried (`connector.rs`). A statement that fails later is
//! not sent again here: only its sender knows whether that would do harm. The sender calls [`StoreAddresses::leave`], and its next attempt goes to another
//! address.

use std::sync::atomic::{AtomicUsize, Ordering};

use hyper::Uri;

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

    /// Sends what follows to one of the addresses, which has answered.
    pub(super) fn prefer(&self, index: usize) {
        self.current.store(index, Ordering::Relaxed);
    }

    /// The indices in the order in which they are tried for a connection to `uri`: its own first.
    pub(super) fn order(&self, uri: &Uri) -> impl Iterator<Item = usize> + use<> {
        let (first, count) = (self.position(uri).unwrap_or(0), self.urls.len());
        (0..count).map(move |step| (first + step) % count)
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
