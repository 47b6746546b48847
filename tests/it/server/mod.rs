//! The public server over real sockets, with a collector that the test controls.

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

use footfall::beacon::{MalformedBeacon, WireFormat, WireInput};
use footfall::config::{ClientLimits, DropBots, HostPattern, NamePatterns, Retention, Site, Sites};
use footfall::ingest::{Accepted, IngestError, RefusedBeacon, Sender, VisitPreview};
use footfall::privacy::{Peer, ReferenceCode, Subject};
use footfall::server::{BeaconCollector, ErasureResult, PublicHandler, PublicOptions};
use footfall::transport::{Server, ServerOptions, Timeouts};
use hyper::HeaderMap;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tokio::sync::Semaphore;

use crate::common::HttpConnection;

type Hasher = BuildHasherDefault<DefaultHasher>;

/// A collector whose result is named by the beacon's text. It counts beacons by a hash of their address.
pub struct Fake {
    peers: std::sync::Mutex<HashMap<u64, usize>>,
    begun: AtomicUsize,
    release: Semaphore,
}

impl Fake {
    pub fn beacons_from(&self, address: &str) -> usize {
        let address: IpAddr = address.parse().unwrap();
        let hash = Peer::new(address).hash(&Hasher::default());
        self.peers.lock().unwrap().get(&hash).copied().unwrap_or(0)
    }

    /// Number of beacons that reached the collector.
    pub fn begun(&self) -> usize {
        self.begun.load(Ordering::SeqCst)
    }

    /// Lets `count` beacons with the text `wait` finish, woken from the caller's thread.
    pub fn release(&self, count: usize) {
        self.release.add_permits(count);
    }

    async fn answer(&self, peer: Peer, text: &[u8]) -> Result<Accepted, RefusedBeacon> {
        *self.peers.lock().unwrap().entry(peer.hash(&Hasher::default())).or_default() += 1;
        self.begun.fetch_add(1, Ordering::SeqCst);
        match text {
            b"malformed" => Err(MalformedBeacon::new("e[0].k", "no such kind").into()),
            b"unknown" => Err(IngestError::UnknownSite.into()),
            b"foreign" => Err(RefusedBeacon { cause: IngestError::ForeignPage, site: Some("clinic".into()) }),
            b"full" => Err(IngestError::Unavailable.into()),
            b"bot" => Ok(Accepted { dropped: [0, 3, 0, 0, 0, 0, 0], ..Accepted::default() }),
            b"wait" => {
                self.release.acquire().await.unwrap().forget();
                Ok(Accepted { stored: 1, ..Accepted::default() })
            }
            _ => Ok(Accepted { stored: 1, ..Accepted::default() }),
        }
    }
}

impl BeaconCollector for Fake {
    async fn store(
        &self,
        sender: Sender<'_>,
        _: &HeaderMap,
        _: &WireFormat,
        input: &WireInput<'_>,
    ) -> Result<Accepted, RefusedBeacon> {
        let (Sender::Page(peer) | Sender::Server { visitor: peer, .. }) = sender;
        let text = if input.body.is_empty() { input.query.as_bytes() } else { input.body };
        self.answer(peer, text).await
    }

    fn preview(&self, _: Peer, _: &HeaderMap, _: Option<&str>) -> Option<VisitPreview> {
        None
    }

    fn reference(&self, _: &Subject) -> ReferenceCode {
        unreachable!("nothing is previewed")
    }
}

pub struct TestServerOptions {
    pub transport: ServerOptions,
    pub public: PublicOptions,
}

pub struct TestServer {
    pub address: SocketAddr,
    pub fake: Arc<Fake>,
    pub running: Option<Server<PublicHandler<Fake>>>,
    metrics: PrometheusHandle,
    pub runtime: tokio::runtime::Runtime,
}

impl TestServer {
    /// Starts a server whose limits no ordinary test reaches.
    pub fn start() -> Self {
        Self::with(|_| {})
    }

    pub fn with(change: impl FnOnce(&mut TestServerOptions)) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let mut options = TestServerOptions {
            transport: ServerOptions {
                listen: "127.0.0.1:0".parse().unwrap(),
                trusted_proxies: Vec::new(),
                proxy_protocol: false,
                tls: None,
                connections: 1000,
                connections_per_address: 1000,
                timeouts: Timeouts { sweep: Duration::from_millis(20), ..Timeouts::default() },
                threads: NonZeroUsize::new(2).unwrap(),
            },
            public: PublicOptions {
                limits: ClientLimits {
                    rate: 0,
                    burst: 1,
                    sender_rate: 0,
                    sender_burst: 1,
                    ..footfall::config::Config::check("footfall.toml", "", &[]).unwrap().limits
                },
                verifier: footfall::access::TokenVerifier::without_tokens(),
                body_timeout: Duration::from_secs(10),
            },
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
            paths: Default::default(),
            signatures: Default::default(),
            policy_url: None,
            goals: Vec::new(),
            funnels: Vec::new(),
        };
        let fake = Arc::new(Fake {
            peers: Default::default(),
            begun: AtomicUsize::new(0),
            release: Semaphore::new(0),
        });
        let recorder = PrometheusBuilder::new().build_recorder();
        let server = metrics::with_local_recorder(&recorder, || {
            let handler = PublicHandler::new(
                options.public,
                &Sites::new([site]),
                fake.clone(),
                Box::new(|_| ErasureResult::Failed),
            );
            Server::start(options.transport, handler).unwrap()
        });
        let metrics = recorder.handle();
        Self { address: server.address(), fake, running: Some(server), metrics, runtime }
    }

    pub fn connect(&self) -> HttpConnection {
        HttpConnection::connect(self.address).unwrap()
    }

    pub fn metrics(&self) -> String {
        self.metrics.render()
    }
}

/// The request of a beacon with `body` and further `headers`, each with its CRLF.
pub fn beacon(headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("POST /b HTTP/1.1\r\nHost: stats.example\r\n{headers}Content-Length: {length}\r\n\r\n{body}")
        .into_bytes()
}
