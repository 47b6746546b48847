//! Starts the listener and the workers, and stops them.

use std::net::{SocketAddr, TcpListener};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ipnet::IpNet;

use crate::config::{self, Config};
use crate::transport::accept::dispatcher::Dispatcher;
use crate::transport::accept::listener::{Acceptor, Listener};
use crate::transport::accept::permit::AddressPermits;
use crate::transport::accept::worker::Worker;
use crate::transport::bounds::Timeouts;
use crate::transport::client::address::TrustedProxies;
use crate::transport::connection::deadlines::CoarseClock;
use crate::transport::connection::state::{ServerState, WorkerState};
use crate::transport::connection_metrics::ConnectionMetrics;
use crate::transport::error::ServerError;
use crate::transport::handler::Handler;
use crate::transport::response::ResponseBodyPermits;
use crate::transport::tls::Certificates;

#[derive(Debug, Clone)]
pub struct ServerOptions {
    pub listen: SocketAddr,
    /// Networks whose proxies may name their clients.
    pub trusted_proxies: Vec<IpNet>,
    /// Whether connections from trusted proxies begin with a PROXY protocol header, version 2.
    pub proxy_protocol: bool,
    /// Certificate and key; without them the server speaks plain HTTP.
    pub tls: Option<config::TlsConfig>,
    /// Most open connections.
    pub connections: usize,
    /// Most open connections of one address; trusted proxies are exempt.
    pub connections_per_address: usize,
    pub timeouts: Timeouts,
    pub threads: NonZeroUsize,
}

impl ServerOptions {
    /// The options of the public listener, with one worker for each core.
    pub fn from_config(config: &Config) -> Self {
        Self {
            listen: config.listen,
            trusted_proxies: config.trusted_proxies.clone(),
            proxy_protocol: config.proxy_protocol,
            tls: config.tls.clone(),
            connections: config.limits.connections,
            connections_per_address: config.limits.connections_per_address,
            timeouts: Timeouts::default(),
            threads: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
        }
    }
}

/// Shows whether the threads of a server are alive: its numbers go on while they are, whether or not there are connections.
#[derive(Debug)]
pub struct ServerProgress {
    rounds: Arc<AtomicU64>,
    workers: Vec<Arc<CoarseClock>>,
}

impl ServerProgress {
    /// Rounds of the thread that accepts, at least two a second.
    pub fn accepts(&self) -> u64 {
        self.rounds.load(Ordering::Relaxed)
    }

    /// For each worker, the time of its last sweep, which comes at each [`Timeouts::sweep`].
    pub fn workers(&self) -> Vec<u32> {
        self.workers.iter().map(|clock| clock.now()).collect()
    }
}

/// Stops when it is drained or dropped.
pub struct Server<H> {
    address: SocketAddr,
    state: Arc<ServerState<H>>,
    // Dropped before the workers, which it holds too.
    pub(super) acceptor: Acceptor,
    rounds: Arc<AtomicU64>,
    pub(super) workers: Arc<Vec<Worker<H>>>,
}

impl<H: Handler> Server<H> {
    /// Listens, and answers every request with `handler`, on threads of its own. Its metrics go to the
    /// recorder that is installed now.
    ///
    /// # Errors
    /// When the address cannot be listened on, the certificate cannot be used, or a thread cannot be started.
    pub fn start(options: ServerOptions, handler: Arc<H>) -> Result<Self, ServerError> {
        Self::start_on(None, options, handler)
    }

    /// The same, on a socket that listens already if there is one. Then the address of the options is not used.
    ///
    /// # Errors
    /// The same.
    pub fn start_on(
        socket: Option<TcpListener>,
        options: ServerOptions,
        handler: Arc<H>,
    ) -> Result<Self, ServerError> {
        let tls = options.tls.as_ref().map(Certificates::load).transpose()?;
        let listener = match socket {
            Some(socket) => Listener::from_socket(socket)?,
            None => Listener::bind(options.listen)?,
        };
        let state = Arc::new(ServerState {
            handler,
            trusted: Arc::new(TrustedProxies::new(options.trusted_proxies)),
            tls,
            proxy_protocol: options.proxy_protocol,
            crowded: options.connections / 4 * 3,
            timeouts: options.timeouts,
            response_bodies: ResponseBodyPermits::default(),
            metrics: ConnectionMetrics::register(),
        });
        let start = |number| Worker::start(Arc::new(WorkerState::new(number, state.clone())));
        let workers = Arc::new((0..options.threads.get()).map(start).collect::<Result<Vec<_>, _>>()?);
        let address = listener.address();
        let dispatcher = Dispatcher {
            server: state.clone(),
            workers: workers.clone(),
            max_connections: options.connections,
            permits: Arc::new(AddressPermits::new(options.connections_per_address)),
        };
        let rounds = Arc::new(AtomicU64::new(0));
        let acceptor = Acceptor::start(listener, dispatcher, rounds.clone())?;
        Ok(Self { address, state, acceptor, rounds, workers })
    }

    /// The address that the server listens on, with the port that the system chose for port 0.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn handler(&self) -> &Arc<H> {
        &self.state.handler
    }

    pub fn certificates(&self) -> Option<&Arc<Certificates>> {
        self.state.tls.as_ref()
    }

    pub fn open_connections(&self) -> usize {
        self.state.metrics.open()
    }

    pub fn progress(&self) -> ServerProgress {
        let workers = self.workers.iter().map(|worker| worker.state().deadlines.clock()).collect();
        ServerProgress { rounds: self.rounds.clone(), workers }
    }

    pub(super) fn timeouts(&self) -> &Timeouts {
        &self.state.timeouts
    }
}
