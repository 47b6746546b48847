//! The edge over real sockets, byte for byte, before a collector that the test controls.

mod answers;
mod bounds;
mod clients;
mod protocols;
mod script;
mod tls;

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, DefaultHasher};
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use footfall::beacon::MalformedBeacon;
use footfall::config::{ClientLimits, DropBots, HostPattern, NamePatterns, Retention, Site, Sites};
use footfall::ingest::collector::{By, Refused, Taken};
use footfall::privacy::Peer;
use footfall::server::bounds::Bounds;
use footfall::server::{Collect, Options, Server};
use hyper::HeaderMap;
use tokio::sync::Semaphore;

use crate::common::HttpConnection;

type Hasher = BuildHasherDefault<DefaultHasher>;

/// Answers as the beacon's text asks it to, and remembers whose beacons came, as hashes.
pub struct Fake {
    peers: std::sync::Mutex<HashMap<u64, usize>>,
    begun: AtomicUsize,
    release: Semaphore,
}

impl Fake {
    /// How many beacons came from `address`.
    pub fn beacons_from(&self, address: &str) -> usize {
        let address: IpAddr = address.parse().unwrap();
        let hash = Peer::new(address).hash(&Hasher::default());
        self.peers.lock().unwrap().get(&hash).copied().unwrap_or(0)
    }

    /// How many beacons came at all.
    pub fn begun(&self) -> usize {
        self.begun.load(Ordering::SeqCst)
    }

    /// Lets `count` beacons with the text `wait` finish, on this thread and not on the edge's own.
    pub fn release(&self, count: usize) {
        self.release.add_permits(count);
    }

    async fn answer(&self, peer: Peer, text: &[u8]) -> Result<Taken, Refused> {
        *self.peers.lock().unwrap().entry(peer.hash(&Hasher::default())).or_default() += 1;
        self.begun.fetch_add(1, Ordering::SeqCst);
        match text {
            b"malformed" => Err(MalformedBeacon::new("e[0].k", "no such kind").into()),
            b"unknown" => Err(Refused::UnknownSite),
            b"foreign" => Err(Refused::ForeignHost),
            b"full" => Err(Refused::Unavailable),
            b"bot" => Ok(Taken { stored: 0, dropped: [0, 3, 0] }),
            b"wait" => {
                self.release.acquire().await.unwrap().forget();
                Ok(Taken { stored: 1, ..Taken::default() })
            }
            _ => Ok(Taken { stored: 1, ..Taken::default() }),
        }
    }
}

impl Collect for Fake {
    async fn beacon(&self, by: By<'_>, _: &HeaderMap, body: &[u8]) -> Result<Taken, Refused> {
        let (By::Page(peer) | By::Sender { visitor: peer, .. }) = by;
        self.answer(peer, body).await
    }

    async fn pixel(&self, peer: Peer, _: &HeaderMap, query: Option<&str>) -> Result<Taken, Refused> {
        self.answer(peer, query.unwrap_or_default().as_bytes()).await
    }
}

/// A running edge.
pub struct Edge {
    pub address: SocketAddr,
    pub fake: Arc<Fake>,
    pub server: Option<Server<Fake>>,
    pub runtime: tokio::runtime::Runtime,
}

impl Edge {
    /// One with bounds that suit tests: none that ends a test's own connection.
    pub fn start() -> Self {
        Self::with(|_| {})
    }

    /// One with options of the test's own.
    pub fn with(change: impl FnOnce(&mut Options)) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let mut options = Options {
            listen: "127.0.0.1:0".parse().unwrap(),
            trusted_proxies: Vec::new(),
            proxy_protocol: false,
            tls: None,
            limits: ClientLimits {
                rate: 0,
                burst: 1,
                sender_rate: 0,
                sender_burst: 1,
                connections: 1000,
                connections_per_address: 1000,
            },
            gate: footfall::access::TokenVerifier::without_tokens(),
            bounds: Bounds { sweep: Duration::from_millis(20), ..Bounds::default() },
            threads: NonZeroUsize::new(2).unwrap(),
        };
        change(&mut options);
        let site = Site {
            id: "clinic".into(),
            hosts: vec![
                HostPattern::Exact("clinic.example".into()),
                HostPattern::Below(".clinic.example".into()),
            ],
            retention: Retention::Unlimited,
            query: NamePatterns::default(),
            cookies: Default::default(),
            drop_bots: DropBots::default(),
            signatures: Default::default(),
        };
        let fake = Arc::new(Fake {
            peers: Default::default(),
            begun: AtomicUsize::new(0),
            release: Semaphore::new(0),
        });
        let server = Server::start(options, &Sites::new([site]), fake.clone()).unwrap();
        Self { address: server.address(), fake, server: Some(server), runtime }
    }

    /// A connection to it.
    pub fn connect(&self) -> HttpConnection {
        HttpConnection::connect(self.address).unwrap()
    }

    /// Its metrics.
    pub fn metrics(&self) -> String {
        let mut text = String::new();
        self.server.as_ref().unwrap().metrics()(&mut text);
        text
    }
}

/// A beacon's request with this body and further headers, each ended by CRLF.
pub fn beacon(headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("POST /b HTTP/1.1\r\nHost: stats.example\r\n{headers}Content-Length: {length}\r\n\r\n{body}")
        .into_bytes()
}
