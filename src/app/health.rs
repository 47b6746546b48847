//! Readiness, and warnings about old lists.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::app::metrics::file_age;
use crate::app::tasks::Tasks;
use crate::config::Config;
use crate::enrich::lists;
use crate::ingest::Collector;
use crate::operator::{CheckResult, ReadinessCheck};
use crate::privacy::KeyOrigin;
use crate::spool::Spool;

/// What an operator has to do.
const NO_KEY: &str =
    "no key of the fleet; run `footfall key import --request` here, or `footfall key init` for a new fleet";

/// The checks of `/readyz`. Beacons are accepted without place files and without the store, so these and the closing of days are not required.
pub(crate) fn checks(
    config: &Arc<Config>,
    collector: &Arc<Collector>,
    spool: &Arc<Spool>,
    tasks: &Tasks,
    draining: Arc<AtomicBool>,
) -> Vec<ReadinessCheck> {
    let (config, collector, spool) = (config.clone(), collector.clone(), spool.clone());
    let (store, closing) = (tasks.store_state(), tasks.closing_state());
    let serving = move || match draining.load(Ordering::Relaxed) {
        true => Err("draining".to_owned()),
        false => Ok("accepting beacons".to_owned()),
    };
    let key = move || {
        let keys = collector.privacy().keys();
        let status = keys.status();
        let turns = format!("epoch {}, turns at {}", status.epoch, status.next_turn);
        match (status.origin, keys.fleet_days()) {
            (KeyOrigin::Missing, _) => Err(NO_KEY.to_owned()),
            (_, Some(days)) => {
                Ok(format!("{turns}, fleet {}, ready for {} midnights", days.fleet, days.ahead()))
            }
            (_, None) => Ok(turns),
        }
    };
    vec![
        check("serving", true, serving),
        check("key", true, key),
        check("spool", true, move || check_spool(&spool)),
        check("store", false, move || store.lock().clone()),
        check("days", false, move || closing.lock().clone()),
        check("places", false, move || check_places(&config)),
    ]
}

fn check(
    name: &'static str,
    required: bool,
    check: impl Fn() -> CheckResult + Send + Sync + 'static,
) -> ReadinessCheck {
    ReadinessCheck { name, required, check: Box::new(check) }
}

fn check_spool(spool: &Spool) -> CheckResult {
    let status = spool.status();
    let usage = format!("{} of {} bytes, {} rows", status.bytes, status.max_bytes, status.events);
    match status.broken.or(status.no_space) {
        Some(error) => Err(error.to_string()),
        None if status.bytes >= status.max_bytes => Err(format!("full: {usage}")),
        None => Ok(usage),
    }
}

fn check_places(config: &Config) -> CheckResult {
    let missing = config.geo.iter().filter(|file| file_age(file).is_none()).count();
    match (config.geo.len(), missing) {
        (0, _) => Ok("no files are configured".to_owned()),
        (files, 0) => Ok(format!("{files} files")),
        (files, missing) => Err(format!("{missing} of {files} files are missing")),
    }
}

/// Logs the ages of the built-in lists, and warns when one is too old.
pub(crate) fn log_list_ages() {
    let today = lists::today();
    tracing::info!(lists = lists::ages(today), "lists of bots, data centres and referrer spam");
    let old: Vec<_> =
        lists::headers().into_iter().filter(|list| list.wants_refresh(today)).map(|list| list.name).collect();
    if !old.is_empty() {
        tracing::warn!(
            lists = old.join(", "),
            "lists are over a year old, so new bots count as visitors; install a newer release, or name newer files under [lists]"
        );
    }
}
