//! `footfall serve`: everything that collects, stores and reports, in one process.
//!
//! Beacons come first: they are taken as soon as there is a key and a spool, whether or not a store is there, and until
//! the last moment of a drain. What the store needs (its process, its tables, its visits) happens beside that.
//!
//! The first `SIGTERM` or `SIGINT` drains, the second one ends at once; `SIGHUP` reads the sites anew. A spool whose disk
//! failed ends the process with [`Exit::Spool`], so that its supervisor starts it again and recovery can look.

mod audit;
mod background;
mod gates;
mod health;
mod host;
pub(crate) mod log;

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::command::{Common, Error, Exit};
use crate::config::{Config, ConfigError, HostPattern};
use crate::ingest::Collector;
use crate::operator::{Admin, Auth, AuthPolicy, OperatorListener, respond_with_reports};
use crate::privacy::{self, GeoLookup, KeyRing, Privacy, SystemClock};
use crate::report::Reports;
use crate::server::{PublicHandler, PublicOptions};
use crate::spool::{Spool, SpoolError};
use crate::store::Client;
use crate::transport::tls::{CERTIFICATE_CHECK_INTERVAL, Certificates};
use crate::transport::{Server, ServerOptions};
use background::Background;

/// Threads beside those that serve beacons: signals, shipping, reports, metrics.
const SIDE_THREADS: usize = 2;

/// How to serve.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// How to write the log, which goes to standard error.
    #[arg(long, value_enum, default_value_t)]
    log: log::Format,
    /// How much of it.
    #[arg(long, value_enum, default_value_t)]
    log_level: log::Level,
}

impl Arguments {
    /// Text, and only what somebody should do something about.
    pub(crate) fn quiet() -> Self {
        Self { log: log::Format::default(), log_level: log::Level::Warn }
    }
}

/// Runs the command.
///
/// # Errors
/// When the configuration is wrong, an address is taken, the key or the spool cannot be opened, or the spool breaks.
pub fn run(arguments: Arguments, common: &Common) -> Result<(), Error> {
    serve(&arguments, || common.read(), async || Ok(()))
}

/// Serves the configuration that `load` gives, now and at each `SIGHUP`; `then` runs once beacons are taken.
pub(crate) fn serve(
    arguments: &Arguments,
    load: impl Fn() -> Result<Config, ConfigError>,
    then: impl AsyncFnOnce() -> Result<(), Error>,
) -> Result<(), Error> {
    let config = load().map_err(|error| Error::new(Exit::Configuration, error))?;
    let _log = log::init(arguments.log, arguments.log_level);
    if let Err(error) = privacy::forbid_core_dumps() {
        tracing::warn!(%error, "core dumps cannot be forbidden");
    }
    host::raise_descriptors(config.limits.connections);
    health::tell_list_ages();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(SIDE_THREADS)
        .thread_name("side")
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let running = Running::start(config, arguments.log).await?;
        then().await?;
        running.until_the_end(load).await
    })
}

/// What runs.
struct Running {
    config: Arc<Config>,
    collector: Arc<Collector>,
    spool: Arc<Spool>,
    server: Server<PublicHandler<Collector>>,
    background: Background,
    draining: Arc<AtomicBool>,
}

impl Running {
    /// Starts everything; beacons are taken from the middle of it on.
    async fn start(config: Config, format: log::Format) -> Result<Self, Error> {
        let recorder = health::recorder()?;
        let keys = KeyRing::open(
            &config.key,
            config.key_on_disk,
            config.timezone.clone(),
            config.rotate_at,
            Arc::new(SystemClock),
        )?;
        let privacy = Privacy::new(keys, GeoLookup::open(&config.geo));
        let (spool, recovered) = Spool::open(&config.data.join("spool"), &config.spool)?;
        let collector = Arc::new(Collector::new(&config, privacy, spool.clone(), &recovered));
        let admin = OperatorListener::bind(config.admin).await?;
        let reports = OperatorListener::bind(config.reports).await?;
        let gate = gates::open(&config);
        let options = ServerOptions::from_config(&config);
        let public = PublicOptions::from_config(&config, gate.clone(), options.threads);
        let server = Server::start(options, PublicHandler::new(public, &config.sites, collector.clone()))?;
        let addresses =
            Addresses { beacons: server.address(), admin: admin.address(), reports: reports.address() };
        announce(&config, &addresses, &server, format)?;

        let config = Arc::new(config);
        let embedded = background::start_embedded(&config);
        let passwords = embedded.as_ref().map(|store| store.passwords().clone()).unwrap_or_default();
        let client = Client::new(&config.store).with_passwords(&passwords);
        let draining = Arc::new(AtomicBool::new(false));
        let background = Background::start(&config, &client, &collector, &spool, embedded);
        let checks = health::checks(&config, &collector, &spool, background.store_state(), draining.clone());
        let requests = Box::new(server.handler().metrics());
        let sources = health::sources(&config, &collector, &spool, requests, Box::new(server.metrics()));
        let answers = Admin::new(recorder, sources, checks);
        let auth_policy = AuthPolicy::new(&config, gate.clone());
        gates::tell(
            &gate,
            &auth_policy,
            &[admin.address(), reports.address()],
            server.certificates().is_some(),
        );
        tokio::spawn(gates::follow(gate, spool.clone()));
        let (auth, tls) = gates::of(&auth_policy, &admin, &server);
        tokio::spawn(
            admin.serve(auth, tls, move |request, principal| answers.clone().respond(request, principal)),
        );
        let (auth, tls) = gates::of(&auth_policy, &reports, &server);
        serve_reports(reports, auth, tls, &config, &client)?;
        if let Some(certificates) = server.certificates().cloned() {
            tokio::spawn(async move { certificates.follow(CERTIFICATE_CHECK_INTERVAL).await });
        }
        Ok(Self { config, collector, spool, server, background, draining })
    }

    /// Waits for a signal or for the spool to break, and ends accordingly.
    async fn until_the_end(self, load: impl Fn() -> Result<Config, ConfigError>) -> Result<(), Error> {
        let mut hangup = signal(SignalKind::hangup())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let broken = loop {
            tokio::select! {
                _ = hangup.recv() => self.reload(load()),
                _ = terminate.recv() => break None,
                _ = interrupt.recv() => break None,
                error = self.spool.broken() => break Some(error),
            }
        };
        if let Some(error) = &broken {
            tracing::error!(%error, "the spool is broken; nothing acknowledged is lost");
        }
        tokio::spawn(second_signal(terminate, interrupt));
        self.end(broken).await
    }

    /// Reads the sites, the policy's version and the certificate anew. What is wrong changes nothing.
    fn reload(&self, config: Result<Config, ConfigError>) {
        match config {
            Ok(config) => {
                self.collector.reload(&config);
                self.server.handler().reload(&config.sites);
                let sites = config.sites.len();
                tracing::info!(
                    sites,
                    policy = config.policy,
                    "sites read anew; other settings need a restart"
                );
            }
            Err(error) => tracing::error!(%error, "the configuration is wrong; the one in use stays in use"),
        }
        if let Some(Err(error)) = self.server.certificates().map(|certificates| certificates.reload()) {
            tracing::error!(%error, "the certificate in use stays in use");
        }
    }

    /// Takes no more, finishes what was begun, seals and ships what there is time for, and leaves the rest on disk.
    async fn end(self, broken: Option<SpoolError>) -> Result<(), Error> {
        self.draining.store(true, Ordering::Relaxed);
        tracing::info!(connections = self.server.open_connections(), "draining");
        let drained = self.server.drain().await;
        if drained.aborted > 0 {
            tracing::warn!(connections = drained.aborted, "cut before they were done");
        }
        let spool = self.spool.clone();
        // It waits for the disk; a panic of it was printed by itself.
        let _ = tokio::task::spawn_blocking(move || spool.close()).await;
        self.background.stop().await;
        let left = self.spool.status();
        tracing::info!(rows = left.events, data = %self.config.data.display(), "ended; rows in the spool wait there");
        broken.map_or(Ok(()), |error| Err(Error::new(Exit::Spool, error)))
    }
}

/// Ends the process at once when it is asked to end a second time.
async fn second_signal(mut terminate: Signal, mut interrupt: Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::warn!("asked to end a second time: ending at once; what was acknowledged is on disk");
    std::process::exit(i32::from(Exit::Failed as u8));
}

fn serve_reports(
    listener: OperatorListener,
    auth: Auth,
    tls: Option<Arc<Certificates>>,
    config: &Config,
    client: &Client,
) -> Result<(), Error> {
    let sites: Vec<&str> = config.sites.iter().map(|site| &*site.id).collect();
    let reports = Arc::new(Reports::new(client.reader(), config.timezone.clone(), &sites)?);
    tokio::spawn(listener.serve(auth, tls, move |request, principal| {
        let reports = reports.clone();
        async move { respond_with_reports(&reports, request, &principal).await }
    }));
    Ok(())
}

/// Where it listens, with the true ports.
struct Addresses {
    beacons: std::net::SocketAddr,
    admin: std::net::SocketAddr,
    reports: std::net::SocketAddr,
}

/// Says what listens where, and what to put into pages.
fn announce(
    config: &Config,
    addresses: &Addresses,
    server: &Server<PublicHandler<Collector>>,
    format: log::Format,
) -> Result<(), Error> {
    let scheme = if config.tls.is_some() { "https" } else { "http" };
    tracing::info!(
        beacons = %addresses.beacons,
        admin = %addresses.admin,
        reports = %addresses.reports,
        sites = config.sites.len(),
        version = env!("CARGO_PKG_VERSION"),
        "taking beacons"
    );
    if format == log::Format::Json {
        return Ok(());
    }
    let host = match addresses.beacons {
        address if address.ip().is_unspecified() => format!("localhost:{}", address.port()),
        address => address.to_string(),
    };
    let (hashed, integrity) = server.handler().script();
    let site = config.sites.iter().min_by_key(|site| &site.id);
    let id = site.map_or("SITE", |site| &site.id);
    let any = site.is_some_and(|site| site.hosts.contains(&HostPattern::Any));
    let mut out = std::io::stdout().lock();
    writeln!(out, "Put this into every page of site {id}{}:", if any { " (any host)" } else { "" })?;
    writeln!(out, "  <script defer src=\"{scheme}://{host}/s.js\" data-site=\"{id}\"></script>")?;
    writeln!(out, "To pin this version of the script, use src=\"{scheme}://{host}{hashed}\" with")?;
    writeln!(out, "  integrity=\"{integrity}\" crossorigin=\"anonymous\"")?;
    writeln!(
        out,
        "Reports are at http://{}, metrics at http://{}/metrics.",
        addresses.reports, addresses.admin
    )?;
    Ok(())
}
