//! Enforces retention in hours, and records in the audit what expired: each destruction leaves a record.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;

use crate::config::Retention;
use crate::ingest::Collector;
use crate::spool::{Spool, today};
use crate::store::dates::day_date;
use crate::store::days::CloseDayError;
use crate::store::redacted_chain;
use crate::store::retention::RetentionStore;

/// How often events are deleted by the hour. An event is kept beyond its retention for at most an hour and this pause.
const EVERY: Duration = Duration::from_secs(60);

const RETENTION_PASSED: &str = "retention passed";

/// Never returns. The store's tables exist.
pub(crate) async fn enforce(store: RetentionStore, collector: Arc<Collector>, spool: Arc<Spool>) {
    let mut recorded = None;
    loop {
        if let Err(error) = delete_hours(&store, &collector, &spool).await {
            tracing::warn!(
                error = redacted_chain(&*error),
                "deleting events by the hour failed; trying again in a minute"
            );
        }
        // The clock and the time zone of the store may differ from the collector's. A day later the day is over for both.
        let before = today().saturating_sub(1);
        if recorded != Some(before) {
            match record_expired(&store, &spool, before).await {
                Ok(()) => recorded = Some(before),
                Err(error) => {
                    tracing::warn!(
                        error = redacted_chain(&*error),
                        "recording expired events failed; trying again in a minute"
                    );
                }
            }
        }
        tokio::time::sleep(EVERY).await;
    }
}

type RetentionResult = Result<(), Box<dyn std::error::Error + Send + Sync>>;

/// Deletes what is older than the hours of its site.
async fn delete_hours(store: &RetentionStore, collector: &Collector, spool: &Spool) -> RetentionResult {
    for site in collector.sites() {
        let Retention::Hours(hours) = site.retention else { continue };
        let until = Timestamp::now().as_second() - i64::from(hours) * 3600;
        let deleted: Result<_, CloseDayError> = store.delete_before(&site.id, until).await;
        let (events, until) = deleted?;
        if events > 0 {
            let until = Timestamp::from_second(until)?.to_string();
            let detail = json!({ "site": &*site.id, "events": events, "until": until, "reason": format!("retention of {hours} hours") });
            spool.append_audit(RETENTION_PASSED, &detail.to_string())?.await?;
        }
    }
    Ok(())
}

/// Writes a row of the audit for each site and last day of retention before `today`. After a crash a row may be written twice.
async fn record_expired(store: &RetentionStore, spool: &Spool, today: u16) -> RetentionResult {
    for (last, site, events) in store.expired_unrecorded(spool.collector(), today).await? {
        let detail = json!({ "site": site, "events": events, "last_day": day_date(last).to_string() });
        spool.append_audit(RETENTION_PASSED, &detail.to_string())?.await?;
    }
    Ok(store.set_recorded(spool.collector(), today).await?)
}
