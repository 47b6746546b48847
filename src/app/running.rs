//! The collector while it runs: signals, reloading, draining.
//!
//! The first `SIGTERM` or `SIGINT` drains, a second one ends the process at once. `SIGHUP` reads the sites anew. A spool whose
//! disk failed ends the process with [`Exit::Spool`], so that its supervisor starts it again and recovery runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle;

use crate::app::exit::{Exit, ExitError};
use crate::app::metrics;
use crate::app::service::ServiceManager;
use crate::app::tasks::Tasks;
use crate::config::{Config, ConfigError};
use crate::enrich::lists;
use crate::ingest::Collector;
use crate::server::PublicHandler;
use crate::spool::{Spool, SpoolError};
use crate::transport::Server;

pub(crate) struct Running {
    pub(crate) config: Arc<Config>,
    pub(crate) collector: Arc<Collector>,
    pub(crate) spool: Arc<Spool>,
    pub(crate) server: Server<PublicHandler<Collector>>,
    pub(crate) tasks: Tasks,
    /// True once the process was told to stop; `/readyz` then says so.
    pub(crate) draining: Arc<AtomicBool>,
    pub(crate) manager: ServiceManager,
    pub(crate) watchdog: JoinHandle<()>,
}

impl Running {
    /// Waits for a signal to stop or for the failure of the spool, and shuts down.
    pub(crate) async fn run_until_stopped(
        self,
        load: impl Fn() -> Result<Config, ConfigError>,
    ) -> Result<(), ExitError> {
        let mut hangup = signal(SignalKind::hangup())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        self.manager.ready("accepting beacons");
        let failure = loop {
            tokio::select! {
                _ = hangup.recv() => {
                    self.manager.reloading();
                    let is_applied = self.reload(load());
                    self.manager.ready(if is_applied { "reloaded" } else { "the reload failed, see the log" });
                }
                _ = terminate.recv() => break None,
                _ = interrupt.recv() => break None,
                error = self.spool.broken() => break Some(error),
            }
        };
        if let Some(error) = &failure {
            tracing::error!(%error, "the spool failed; the process ends, and no acknowledged event is lost");
        }
        tokio::spawn(exit_at_second_signal(terminate, interrupt));
        self.shut_down(failure).await
    }

    /// Applies the sites, the policy's version and the certificate. An invalid file changes nothing.
    fn reload(&self, config: Result<Config, ConfigError>) -> bool {
        let configured = self.reload_sites(config);
        let certified = self.reload_certificate();
        let is_applied = configured && certified;
        metrics::record_reload(is_applied);
        is_applied
    }

    fn reload_sites(&self, config: Result<Config, ConfigError>) -> bool {
        match config {
            Ok(config) => {
                reload_lists(&config);
                self.collector.reload(&config);
                self.server.handler().reload(&config.sites);
                tracing::info!(
                    sites = config.sites.len(),
                    policy = config.policy,
                    "sites reloaded; other settings need a restart"
                );
                true
            }
            Err(error) => {
                tracing::error!(%error, "reloading the configuration failed; the previous one stays in use");
                false
            }
        }
    }

    fn reload_certificate(&self) -> bool {
        let reloaded = self.server.certificates().map_or(Ok(()), |certificates| certificates.reload());
        reloaded
            .inspect_err(|error| {
                tracing::error!(%error, "reloading the certificate failed; the previous one stays in use");
            })
            .is_ok()
    }

    /// Stops accepting, finishes open requests, seals and ships what there is time for, and leaves the rest on disk.
    async fn shut_down(self, failure: Option<SpoolError>) -> Result<(), ExitError> {
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
        let _ = tokio::task::spawn_blocking(move || spool.close()).await;
        self.tasks.stop().await;
        let waiting = self.spool.status();
        tracing::info!(
            rows = waiting.events,
            data = %self.config.data.display(),
            "stopped; rows in the spool are shipped after the next start"
        );
        failure.map_or(Ok(()), |error| Err(ExitError::new(Exit::Spool, error)))
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
