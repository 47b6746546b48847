//! The collector while it runs: signals, reloading, draining.
//!
//! The first `SIGTERM` or `SIGINT` drains, a second one ends the process at once. `SIGHUP` reads the sites and the lists again. A spool whose
//! disk failed ends the process with [`Exit::Spool`], so that its supervisor starts it again and recovery runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle;

use crate::app::audit;
use crate::app::check::{CheckedFor, check};
use crate::app::exit::{Exit, ExitError};
use crate::app::metrics;
use crate::app::service::ServiceManager;
use crate::app::tasks::Tasks;
use crate::config::{Config, ConfigError, ReadConfig, WrittenSettings};
use crate::enrich::lists;
use crate::error_chain::error_chain;
use crate::ingest::Collector;
use crate::report::Reports;
use crate::server::PublicHandler;
use crate::spool::Spool;
use crate::transport::Server;

/// Why the configuration was not reloaded.
#[derive(Debug, thiserror::Error)]
enum ReloadError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("the file is empty: a collector without settings would count localhost alone")]
    Empty,
    #[error("the file has no [[site]]: with it, the collector would refuse the beacons of every site")]
    NoSites,
}

/// The signals that a collector handles.
pub(crate) struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Installs the handlers. Call it before the first listener is open: until then, `SIGHUP` ends the process.
    pub(crate) fn install() -> std::io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }
}

pub(crate) struct Running {
    pub(crate) config: Arc<Config>,
    /// The settings at the start. Those that a reload does not apply are still in force.
    pub(crate) started_with: WrittenSettings,
    /// Whether the sites in force come from a configuration, and not from the default.
    pub(crate) has_sites: bool,
    pub(crate) collector: Arc<Collector>,
    pub(crate) spool: Arc<Spool>,
    pub(crate) server: Server<PublicHandler<Collector>>,
    pub(crate) reports: Arc<Reports>,
    pub(crate) tasks: Tasks,
    /// True once the process was told to stop; `/readyz` then says so.
    pub(crate) draining: Arc<AtomicBool>,
    pub(crate) manager: ServiceManager,
    pub(crate) watchdog: JoinHandle<()>,
}

impl Running {
    /// Waits for a signal to stop or for the failure of the spool or of `companion`, and shuts down.
    pub(crate) async fn run_until_stopped(
        mut self,
        signals: Signals,
        read: impl Fn() -> Result<ReadConfig, ConfigError>,
        companion: impl Future<Output = Result<(), ExitError>>,
    ) -> Result<(), ExitError> {
        let Signals { mut hangup, mut terminate, mut interrupt } = signals;
        self.manager.ready("accepting beacons");
        let mut companion = std::pin::pin!(companion);
        let mut is_accompanied = true;
        let failure = loop {
            tokio::select! {
                _ = hangup.recv() => {
                    self.manager.reloading();
                    let is_applied = self.reload(read());
                    self.manager.ready(if is_applied { "reloaded" } else { "the reload failed, see the log" });
                }
                _ = terminate.recv() => break None,
                _ = interrupt.recv() => break None,
                error = self.spool.broken() => {
                    tracing::error!(%error, "the spool failed; the process ends, and no acknowledged event is lost");
                    break Some(ExitError::new(Exit::Spool, error));
                }
                result = &mut companion, if is_accompanied => match result {
                    Ok(()) => is_accompanied = false,
                    Err(error) => break Some(error),
                },
            }
        };
        tokio::spawn(exit_at_second_signal(terminate, interrupt));
        self.shut_down(failure).await
    }

    /// Applies the sites, the policy's version and the certificate. An invalid file changes nothing.
    fn reload(&mut self, read: Result<ReadConfig, ConfigError>) -> bool {
        let reloaded = self.reload_sites(read);
        if let Err(error) = &reloaded {
            tracing::error!(
                error = %error_chain(error),
                "reloading the configuration failed; the previous one stays in use"
            );
        }
        let certified = self.reload_certificate();
        let is_applied = reloaded.is_ok() && certified;
        metrics::record_reload(is_applied);
        is_applied
    }

    fn reload_certificate(&self) -> bool {
        let reloaded = self.server.certificates().map_or(Ok(()), |certificates| certificates.reload());
        reloaded
            .inspect_err(|error| {
                tracing::error!(%error, "reloading the certificate failed; the previous one stays in use");
            })
            .is_ok()
    }

    fn reload_sites(&mut self, read: Result<ReadConfig, ConfigError>) -> Result<(), ReloadError> {
        let mut read = read?;
        let written = read.written().clone();
        if self.started_with.has_lines() && !written.has_lines() {
            return Err(ReloadError::Empty);
        }
        let has_sites = written.has("site");
        if self.has_sites && !has_sites {
            return Err(ReloadError::NoSites);
        }
        let (config, _) = read.clone().startable()?;
        let (before, now) = (self.reports.configured_sites(), config.sites.ids());
        let missing_in = |these: &[String], those: &[String]| {
            these.iter().filter(|site| !those.contains(site)).cloned().collect::<Vec<_>>().join(", ")
        };
        tracing::info!(
            sites = now.len(),
            added = missing_in(&now, &before),
            removed = missing_in(&before, &now),
            policy = config.policy,
            "sites reloaded"
        );
        reload_lists(&config);
        // A failure is logged and counted, and the files in use stay in use.
        self.collector.privacy().places().reload_if_changed();
        self.collector.reload(&config);
        self.server.handler().reload(&config.sites);
        self.reports.reload(&config.sites);
        self.has_sites = has_sites;
        let waiting = self.started_with.changed_for_restart(&written);
        if !waiting.is_empty() {
            let settings = waiting.join(", ");
            tracing::warn!(settings, "these settings changed too, and apply only after a restart");
        }
        check(&mut read, CheckedFor::ThisProcess, &[]);
        if let Err(error) = read.startable() {
            tracing::error!(%error, "the sites are reloaded, but a restart with these settings would fail");
        }
        Ok(())
    }

    /// Stops accepting, finishes open requests, seals and ships what there is time for, and leaves the rest on disk.
    async fn shut_down(self, failure: Option<ExitError>) -> Result<(), ExitError> {
        self.manager.stopping();
        // A drain ends the threads that it watches.
        self.watchdog.abort();
        self.draining.store(true, Ordering::Relaxed);
        tracing::info!(connections = self.server.open_connections(), "draining");
        let drained = self.server.drain().await;
        if drained.aborted > 0 {
            tracing::warn!(connections = drained.aborted, "draining timed out; connections were aborted");
        }
        let spool = self.spool.clone();
        // Closing waits for the disk. An error is a panic, which was printed by itself.
        let _ = tokio::task::spawn_blocking(move || {
            spool.close();
            audit::note_last_head(&spool);
        })
        .await;
        self.tasks.stop().await;
        let waiting = self.spool.status();
        tracing::info!(
            rows = waiting.events,
            data = %self.config.data.display(),
            "stopped; rows in the spool are shipped after the next start"
        );
        failure.map_or(Ok(()), Err)
    }
}

/// Reads the operator's lists again. If one is wrong, all of them stay as they are.
fn reload_lists(config: &Config) {
    match lists::install(&config.lists) {
        Ok(true) => tracing::info!(lists = lists::ages(lists::today()), "lists reloaded"),
        Ok(false) => {}
        Err(error) => {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "reloading the lists failed; the previous ones stay in use"
            );
        }
    }
}

async fn exit_at_second_signal(mut terminate: Signal, mut interrupt: Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::warn!("received a second signal to stop; exiting at once, acknowledged events are on disk");
    std::process::exit(i32::from(Exit::Failed as u8));
}
