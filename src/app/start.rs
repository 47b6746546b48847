//! Starting the collector: configuration, log, listeners, tasks.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use metrics_exporter_prometheus::PrometheusHandle;

use crate::access::TokenVerifier;
use crate::app::check::{CheckedFor, check};
use crate::app::exit::{Exit, ExitError};
use crate::app::log::{self, LogFormat, LogLevel};
use crate::app::running::{Running, Signals};
use crate::app::script_tag::script_tag;
use crate::app::service::{Liveness, PassedSockets, ServiceManager, Watchdog};
use crate::app::tasks::{self, Tasks};
use crate::app::{audit, health, metrics, open_files, tokens};
use crate::config::{
    Config, ConfigError, ConfigProblems, HostPattern, ReadConfig, Severity, Site, WrittenSettings,
};
use crate::enrich::lists;
use crate::ingest::Collector;
use crate::operator::{
    Admin, Auth, AuthPolicy, CollectorState, OperatorListener, ReportsEntry, WorldMap, respond_with_reports,
};
use crate::privacy::{self, GeoLookup, KeyRing, KeySource, Privacy, SystemClock};
use crate::report::{EXACT_READ, Reports};
use crate::server::{EraseVisitor, ErasureResult, PublicHandler, PublicOptions};
use crate::spool::{self, Spool, SpoolError};
use crate::store::Client;
use crate::store::days::{OpenDays, Publisher};
use crate::store::embedded::EmbeddedStore;
use crate::subject::{SubjectError, Subjects};
use crate::transport::tls::{CERTIFICATE_CHECK_INTERVAL, Certificates};
use crate::transport::{Server, ServerOptions};

/// Threads beside those that accept beacons: signals, shipping, reports, metrics.
const BACKGROUND_THREADS: usize = 2;

/// Runs a collector until it is told to stop or its spool fails. `read` reads the configuration, at the start and at each
/// `SIGHUP`. `companion` begins once beacons are accepted, and the collector stops if it fails.
///
/// # Errors
/// When the configuration is wrong, which includes an address in use and a directory that cannot be used; when another collector works in
/// the data directory; or when the spool fails.
pub(crate) fn serve(
    log_format: LogFormat,
    log_level: LogLevel,
    read: impl Fn() -> Result<ReadConfig, ConfigError>,
    companion: impl AsyncFnOnce() -> Result<(), ExitError>,
) -> Result<(), ExitError> {
    // Before any thread starts.
    let sockets = PassedSockets::receive().map_err(|error| ExitError::new(Exit::Configuration, error))?;
    let wrong = |error| ExitError::new(Exit::Configuration, error);
    let mut checked = read().map_err(wrong)?;
    let in_use = check(&mut checked, CheckedFor::ThisProcess, &sockets.settings());
    let written = checked.written().clone();
    let (config, problems) = checked.startable().map_err(wrong)?;
    if in_use {
        // Nothing is wrong with the settings, and the other collector may be about to end.
        return Err(SpoolError::Locked(config.data.join(spool::DIRECTORY)).into());
    }
    lists::install(&config.lists).map_err(|error| ExitError::new(Exit::Configuration, error))?;
    let _log = log::init_log(log_format, log_level);
    log_problems(&problems);
    if let Err(error) = privacy::forbid_core_dumps() {
        tracing::warn!(%error, "disabling core dumps failed; a core dump would contain the key");
    }
    open_files::raise_limit(config.limits.connections);
    health::log_list_ages();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(BACKGROUND_THREADS)
        .thread_name("background")
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let signals = Signals::install()?;
        let running = start(config, written, sockets, log_format).await?;
        running.run_until_stopped(signals, read, companion()).await
    })
}

/// Logs what does not keep the collector from starting.
fn log_problems(problems: &ConfigProblems) {
    for (severity, problem) in problems.lines() {
        match severity {
            Severity::Remark => tracing::warn!("{problem}"),
            Severity::Stops | Severity::Degrades => tracing::error!("{problem}"),
        }
    }
}

/// A collector that accepts beacons, and nothing else yet.
struct AcceptingCollector {
    config: Config,
    recorder: PrometheusHandle,
    collector: Arc<Collector>,
    subjects: Arc<Subjects>,
    spool: Arc<Spool>,
    server: Server<PublicHandler<Collector>>,
    verifier: Arc<TokenVerifier>,
    admin: OperatorListener,
    reports: OperatorListener,
}

async fn accept(
    config: Config,
    sockets: PassedSockets,
    log_format: LogFormat,
) -> Result<AcceptingCollector, ExitError> {
    let recorder = metrics::install_recorder()?;
    let source = if config.key_fleet { KeySource::Fleet } else { KeySource::Own };
    let zone = config.timezone.clone();
    let keys = KeyRing::open_from(source, &config.key, config.key_on_disk, zone, Arc::new(SystemClock))?;
    let privacy = Privacy::new(keys, GeoLookup::open(&config.geo));
    let (spool, recovered) = Spool::open(&config.data.join(spool::DIRECTORY), &config.spool)?;
    let collector = Arc::new(Collector::new(&config, privacy, spool.clone(), &recovered));
    let subjects = open_subjects(&config, &collector, &spool)?;
    let admin = OperatorListener::open(sockets.admin, config.admin).await?;
    let reports = OperatorListener::open(sockets.reports, config.reports).await?;
    let verifier = tokens::open_verifier(&config);
    let options = ServerOptions::from_config(&config);
    let public = PublicOptions::from_config(&config, verifier.clone());
    let handler =
        PublicHandler::new(public, &config.sites, collector.clone(), erasure_by_visitors(&subjects));
    let server = Server::start_on(sockets.listen, options, handler)?;
    let addresses =
        BoundAddresses { beacons: server.address(), admin: admin.address(), reports: reports.address() };
    // A start script may read no more than the first lines. That must not end the collector.
    if let Err(error) = announce(&config, &addresses, &server, log_format) {
        tracing::warn!(%error, "printing the tag for the pages failed");
    }
    Ok(AcceptingCollector { config, recorder, collector, subjects, spool, server, verifier, admin, reports })
}

/// What the visitor's page does with the rows of the day.
fn erasure_by_visitors(subjects: &Arc<Subjects>) -> EraseVisitor {
    let subjects = subjects.clone();
    Box::new(move |subject| match subjects.erase_from_page(subject) {
        Ok(_) => ErasureResult::Accepted,
        Err(SubjectError::Blocked) => ErasureResult::Blocked,
        Err(SubjectError::TooMany) => ErasureResult::TooMany,
        Err(error) => {
            tracing::warn!(%error, "an erasure on the visitor's page failed");
            ErasureResult::Failed
        }
    })
}

/// Visitors who are blocked are known before the first beacon is accepted.
fn open_subjects(
    config: &Config,
    collector: &Arc<Collector>,
    spool: &Arc<Spool>,
) -> Result<Arc<Subjects>, ExitError> {
    let zone = config.timezone.clone();
    let opened = Subjects::open(&config.data, collector.clone(), spool.clone(), zone);
    opened.map_err(|error| ExitError::new(Exit::Configuration, error))
}

/// Beacons are accepted before the store's process starts.
async fn start(
    config: Config,
    written: WrittenSettings,
    sockets: PassedSockets,
    log_format: LogFormat,
) -> Result<Running, ExitError> {
    let AcceptingCollector { config, recorder, collector, subjects, spool, server, verifier, admin, reports } =
        accept(config, sockets, log_format).await?;
    let config = Arc::new(config);
    let embedded = tasks::start_embedded_store(&config);
    let restarts = embedded.as_ref().map(EmbeddedStore::restarts).unwrap_or_default();
    let passwords = embedded.as_ref().map(|store| store.passwords().clone()).unwrap_or_default();
    let client = Client::new(&config.store).with_passwords(&passwords);
    let draining = Arc::new(AtomicBool::new(false));
    let publisher = tasks::open_publisher(&config);
    let tasks = Tasks::start(&config, &client, &collector, &subjects, &spool, publisher.clone(), embedded);
    let checks = health::checks(&config, &collector, &spool, &tasks, draining.clone());
    let samples = metrics::samples(metrics::SampleSources {
        config: config.clone(),
        collector: collector.clone(),
        spool: spool.clone(),
        subjects: subjects.clone(),
        store: tasks.store_state(),
        restarts,
        certificates: server.certificates().cloned(),
    });
    let liveness = Liveness::new();
    let lives = liveness.clone();
    let administration =
        Admin::new(recorder, samples, Box::new(move || lives.check()), checks).with_subjects(subjects);
    let status = administration.clone();
    let policy = AuthPolicy::new(&config, verifier.clone());
    let (auth, tls) = protection_of(&admin, &policy, &verifier, &server);
    tokio::spawn(
        admin.serve(auth, tls, move |request, principal| administration.clone().respond(request, principal)),
    );
    let (auth, tls) = protection_of(&reports, &policy, &verifier, &server);
    let state = collector_state(&config, &spool, &server);
    let shares = tokens::open_share_verifier(&config);
    let opened = open_reports(&config, &client, publisher, &spool)?;
    let entry = ReportsEntry::new(auth, shares.clone(), opened.clone());
    let reports = serve_reports(reports, entry, tls, opened, state);
    tokio::spawn(tokens::follow(verifier, shares, spool.clone()));
    let (data, keeper) = (config.data.clone(), spool.clone());
    tokio::spawn(audit::follow(data, keeper));
    follow_certificates(&server);
    let manager = ServiceManager::from_environment();
    let watchdog =
        Watchdog { manager: manager.clone(), spool: spool.clone(), server: server.progress(), liveness };
    let watchdog = tokio::spawn(watchdog.run(move || status.status()));
    let has_sites = written.has("site");
    Ok(Running {
        config,
        started_with: written,
        has_sites,
        collector,
        spool,
        server,
        reports,
        tasks,
        draining,
        manager,
        watchdog,
    })
}

fn follow_certificates(server: &Server<PublicHandler<Collector>>) {
    if let Some(certificates) = server.certificates().cloned() {
        tokio::spawn(async move { certificates.follow(CERTIFICATE_CHECK_INTERVAL).await });
    }
}

/// Authentication for a listener and, beyond loopback, its certificate. Warns when the listener is useless or unencrypted.
fn protection_of(
    listener: &OperatorListener,
    policy: &Arc<AuthPolicy>,
    verifier: &TokenVerifier,
    server: &Server<PublicHandler<Collector>>,
) -> (Auth, Option<Arc<Certificates>>) {
    let address = listener.address();
    let auth = policy.for_listener(address.ip());
    let certificates = server.certificates();
    tokens::warn_of_open_listener(verifier, &auth, address, certificates.is_some());
    let certificates = certificates.filter(|_| !address.ip().to_canonical().is_loopback());
    (auth, certificates.cloned())
}

fn open_reports(
    config: &Config,
    client: &Client,
    publisher: Option<Publisher>,
    spool: &Arc<Spool>,
) -> Result<Arc<Reports>, ExitError> {
    let reports = Reports::new(client.reader(), config.timezone.clone(), &config.sites.ids())?;
    let open_days = OpenDays::with_publisher(client.clone(), config.timezone.clone(), publisher)?;
    let keeper = spool.clone();
    let reports = reports
        .with_goals_of(&config.sites)
        .with_open_days(open_days)
        .with_usage_audit(move |detail| audit::record(&keeper, EXACT_READ, &detail));
    Ok(Arc::new(reports))
}

/// What the page of reports shows of the collector itself.
fn collector_state(
    config: &Config,
    spool: &Arc<Spool>,
    server: &Server<PublicHandler<Collector>>,
) -> Arc<CollectorState> {
    // A file that cannot be used was reported when the settings were checked.
    let map = config.page.map.as_ref().and_then(|file| WorldMap::read(file).ok());
    let url = config.browser_url_of(server.address());
    let tag = |site: &Arc<Site>| (site.id.to_string(), script_tag(&url.address, Some(site)));
    let tags = config.sites.iter().map(tag).collect();
    CollectorState::new(spool.clone(), server.handler().recent_refusals(), map, tags)
}

fn serve_reports(
    listener: OperatorListener,
    entry: Arc<ReportsEntry>,
    tls: Option<Arc<Certificates>>,
    reports: Arc<Reports>,
    state: Arc<CollectorState>,
) -> Arc<Reports> {
    let served = reports.clone();
    tokio::spawn(listener.serve_pages(entry, tls, move |request, principal| {
        let (reports, state) = (served.clone(), state.clone());
        async move { respond_with_reports(&reports, Some(&state), request, &principal).await }
    }));
    reports
}

/// The listeners, with the ports that the system chose for port 0.
struct BoundAddresses {
    beacons: SocketAddr,
    admin: SocketAddr,
    reports: SocketAddr,
}

/// Logs the addresses and, in a log for people, prints the tag to put into pages.
fn announce(
    config: &Config,
    addresses: &BoundAddresses,
    server: &Server<PublicHandler<Collector>>,
    log_format: LogFormat,
) -> std::io::Result<()> {
    tracing::info!(
        beacons = %addresses.beacons,
        admin = %addresses.admin,
        reports = %addresses.reports,
        sites = config.sites.len(),
        version = env!("CARGO_PKG_VERSION"),
        "accepting beacons"
    );
    if log_format == LogFormat::Json {
        return Ok(());
    }
    let url = config.browser_url_of(addresses.beacons);
    let address = &url.address;
    let (hashed, integrity) = server.handler().script();
    let site = config.sites.iter().min_by_key(|site| &site.id);
    let id = site.map_or("SITE", |site| &site.id);
    let any = site.is_some_and(|site| site.hosts.contains(&HostPattern::Any));
    let mut out = std::io::stdout().lock();
    writeln!(out, "Put this into every page of site {id}{}:", if any { " (any host)" } else { "" })?;
    writeln!(out, "  {}", script_tag(address, site.map(|site| &**site)))?;
    writeln!(out, "To pin this version of the script, use src=\"{address}{hashed}\" with")?;
    writeln!(out, "  integrity=\"{integrity}\"")?;
    if url.is_local {
        writeln!(
            out,
            "Only browsers on this machine reach {address}. Set `public_url` to the address that visitors' browsers use."
        )?;
    }
    let [reports, metrics] =
        [addresses.reports, addresses.admin].map(|address| operator_url(config, address));
    writeln!(out, "Reports are at {reports}, metrics at {metrics}/metrics.")
}

/// The URL of an operator's listener for a browser on this machine. Beyond loopback the listener has the certificate of `listen`.
pub(crate) fn operator_url(config: &Config, address: SocketAddr) -> String {
    let is_loopback = address.ip().to_canonical().is_loopback();
    let scheme = if config.tls.is_some() && !is_loopback { "https" } else { "http" };
    match address.ip().is_unspecified() {
        true => format!("{scheme}://localhost:{}", address.port()),
        false => format!("{scheme}://{address}"),
    }
}
