//! The edge: connections in, beacons to the [`collect::Collector`], answers out.
//!
//! ```text
//! accept ─► worker ─► connection ─► route ─┬─► address, limit, body ─► collect (POST /b, GET /b.gif)
//!  (one)    (one a     (PROXY, TLS,        └─► script (GET /s.js)
//!            core)      HTTP/1.1, 2)
//! ```
//!
//! Every bound on a client has a name in [`bounds`]. A thread's connections are its own: what they share with other
//! threads is read-only, or is counted apart. Refused here: everything that `docs/wire.md` lists, before the events of a
//! beacon are looked at. An address lives in its connection and in the request that [`collect`] takes it from; nothing
//! here logs it, labels a metric with it, or keeps it.

mod accept;
mod address;
pub mod admin;
mod answer;
mod body;
pub mod bounds;
mod connection;
mod cors;
mod count;
pub mod door;
mod drain;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod limit;
mod progress;
mod proxy;
mod route;
mod script;
mod share;
mod side;
pub mod tls;
mod wake;
mod wire;
mod worker;

use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arc_swap::ArcSwap;
use hyper::HeaderMap;
use ipnet::IpNet;

use crate::access::TokenVerifier;
use crate::config::{self, Config, Sites};
use crate::ingest::collector::{By, Collector, Refused, Taken};
use crate::privacy::Peer;
use accept::{Acceptor, Listener, Room};
use address::Trusted;
use answer::Waiting;
use body::Bodies;
use bounds::Bounds;
use count::{Connections, Counts};
use limit::Limiter;
use progress::Watch;
use route::Edge;
use script::Script;
use share::Shares;
use tls::{Certificates, TlsError};
use wake::Hub;
use worker::{Thread, Worker};

/// Why the edge cannot start.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The address is taken, or not of this machine.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address of the configuration.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The system gives no thread or no event queue.
    #[error("cannot start a thread of the edge")]
    Thread(#[source] io::Error),
    /// The certificate cannot be used.
    #[error("TLS cannot be offered")]
    Tls(#[from] TlsError),
}

/// What beacons are handed to.
pub trait Collect: Send + Sync + 'static {
    /// `POST /b`: answers once everything that was stored is synced.
    fn beacon(
        &self,
        by: By<'_>,
        headers: &HeaderMap,
        body: &[u8],
    ) -> impl Future<Output = Result<Taken, Refused>> + Send;

    /// `GET /b.gif`.
    fn pixel(
        &self,
        peer: Peer,
        headers: &HeaderMap,
        query: Option<&str>,
    ) -> impl Future<Output = Result<Taken, Refused>> + Send;
}

impl Collect for Collector {
    async fn beacon(&self, by: By<'_>, headers: &HeaderMap, body: &[u8]) -> Result<Taken, Refused> {
        Self::beacon(self, by, headers, body).await
    }

    async fn pixel(&self, peer: Peer, headers: &HeaderMap, query: Option<&str>) -> Result<Taken, Refused> {
        Self::pixel(self, peer, headers, query).await
    }
}

/// How the edge is to run.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Networks that may speak for a client.
    pub trusted_proxies: Vec<IpNet>,
    /// Whether trusted peers start with a PROXY v2 header.
    pub proxy_protocol: bool,
    /// TLS, if it is offered.
    pub tls: Option<config::TlsConfig>,
    /// Bounds on one address and on all connections.
    pub limits: config::ClientLimits,
    /// Who may send for visitors: knows the tokens of role sender.
    pub gate: Arc<TokenVerifier>,
    /// Bounds in time.
    pub bounds: Bounds,
    /// Threads; the cores of the machine by default.
    pub threads: NonZeroUsize,
}

impl Options {
    /// What the configuration asks for.
    pub fn of(config: &Config, gate: Arc<TokenVerifier>) -> Self {
        Self {
            listen: config.listen,
            trusted_proxies: config.trusted_proxies.clone(),
            proxy_protocol: config.proxy_protocol,
            tls: config.tls.clone(),
            limits: config.limits.clone(),
            gate,
            bounds: Bounds::default(),
            threads: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
        }
    }
}

/// The running edge.
pub struct Server<C> {
    address: SocketAddr,
    edge: Arc<Edge<C>>,
    // Dropped first: it holds the workers too.
    acceptor: Acceptor,
    workers: Arc<Vec<Worker<C>>>,
    connections: Arc<Connections>,
    tls: Option<Arc<Certificates>>,
}

impl<C: Collect> Server<C> {
    /// Listens and serves, on threads of its own, until it is drained or dropped.
    ///
    /// # Errors
    /// When the address cannot be listened on, the certificate cannot be used, or a thread cannot be started.
    pub fn start(options: Options, sites: &Sites, collector: Arc<C>) -> Result<Self, ServerError> {
        let tls = options.tls.as_ref().map(Certificates::load).transpose()?;
        let listener = Listener::bind(options.listen)?;
        let edge = Arc::new(Edge {
            collector,
            script: Script::new(),
            trusted: Trusted::new(options.trusted_proxies),
            limiter: Limiter::new(options.limits.rate, options.limits.burst),
            senders: Limiter::new(options.limits.sender_rate, options.limits.sender_burst),
            gate: options.gate,
            tries: door::tries(),
            tls: tls.is_some(),
            origins: ArcSwap::from_pointee(cors::Origins::new(sites)),
            bodies: Bodies::default(),
            waiting: Waiting::default(),
            bounds: options.bounds,
        });
        let connections = Arc::new(Connections::default());
        let start = |number| {
            let thread = Thread {
                edge: edge.clone(),
                connections: connections.clone(),
                tls: tls.clone(),
                proxy_protocol: options.proxy_protocol,
                crowded: options.limits.connections / 4 * 3,
                counts: Arc::new(Counts::default()),
                watch: Watch::new(),
                hub: Arc::new(Hub::new(number)),
                open: AtomicUsize::new(0),
            };
            Worker::start(number, Arc::new(thread))
        };
        let workers = Arc::new((0..options.threads.get()).map(start).collect::<Result<Vec<_>, _>>()?);
        let address = listener.address();
        let most = options.limits.connections;
        let shares = Arc::new(Shares::new(options.limits.connections_per_address));
        let room = Room { workers: workers.clone(), connections: connections.clone(), most, shares };
        let acceptor = Acceptor::start(listener, room)?;
        Ok(Self { address, edge, acceptor, workers, connections, tls })
    }

    /// The address that is listened on, with its true port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether it speaks TLS.
    pub fn certificates(&self) -> Option<&Arc<Certificates>> {
        self.tls.as_ref()
    }

    /// The script's path that changes with its content, and the value of `integrity` that goes with it.
    pub fn script(&self) -> (&str, &str) {
        (self.edge.script.hashed_path(), self.edge.script.integrity())
    }

    /// Lets pages of these sites read the answers to their beacons from now on.
    pub fn reload(&self, sites: &Sites) {
        self.edge.origins.store(Arc::new(cors::Origins::new(sites)));
    }

    /// Writes the edge's metrics; may be kept beyond the server's life.
    pub fn metrics(&self) -> impl Fn(&mut String) + Send + Sync + use<C> {
        let counts: Vec<_> = self.workers.iter().map(|worker| worker.thread.counts.clone()).collect();
        let connections = self.connections.clone();
        move |out| {
            let threads: Vec<&Counts> = counts.iter().map(|counts| &**counts).collect();
            count::render(&threads, &connections, out);
        }
    }

    /// Connections that are open.
    pub fn open_connections(&self) -> usize {
        self.connections.open.load(Ordering::Relaxed)
    }
}
